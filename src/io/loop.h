/*
 * loop.h: the one event loop of a process (libevent), with what everybody needs on top: timers,
 * work deferred to the next turn, memory freed after the turn, signals.
 *
 * The rule of the house for everything built on it: a completion runs exactly once, always from the
 * loop, never inside the _start() that asked for it, and never after _cancel().
 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event;
struct event_base;
struct loop;
struct loop_timer;
struct loop_signal;

typedef void loop_fn(void *arg);

struct loop *loop_new(void);
void loop_free(struct loop *l); /* runs what was deferred, then frees */

/* For modules that speak libevent themselves (evhttp, evdns, hiredis, curl). */
struct event_base *loop_base(struct loop *l);
/* Listens to an event of loop_base(), without a limit, or no longer; again does no harm. */
void loop_want(struct event *event, bool is_wanted);

void loop_run(struct loop *l);  /* until loop_stop() */
void loop_stop(struct loop *l); /* loop_run() returns after this turn */
/* One turn, waiting at most limit_ms for something to happen (0: do not wait). */
void loop_turn(struct loop *l, int64_t limit_ms);

/* Calls fn(arg) from the loop, in the next turn. Cannot be cancelled: use a timer for that. */
void loop_defer(struct loop *l, loop_fn *fn, void *arg);
/* free(p) after this turn: a callback may still be standing on it. */
void loop_defer_free(struct loop *l, void *p);

/* A one-shot timer; set again at will, also from its own callback. _free(NULL) is allowed. */
struct loop_timer *loop_timer_new(struct loop *l, loop_fn *fn, void *arg);
void loop_timer_free(struct loop_timer *t);
void loop_timer_set(struct loop_timer *t, int64_t delay_ms); /* replaces an earlier setting */
void loop_timer_stop(struct loop_timer *t);
int loop_timer_is_set(const struct loop_timer *t);

struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_fn *fn, void *arg);
void loop_signal_free(struct loop_signal *s);

/* delay_ms spread by +-share (0.2: 20 %), so that a fleet does not act in step. */
int64_t loop_jitter(int64_t delay_ms, double share);

#endif
