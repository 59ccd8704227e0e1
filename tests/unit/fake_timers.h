/*
 * fake_timers.h: the timers of the loop on a clock that the test turns. Seconds cost no time, everything
 * happens at its moment and in its order, and a busy machine changes nothing of it. The program is
 * linked with $(fake_timers_ldflags); all of its timers are these.
 */
#ifndef TESTS_UNIT_FAKE_TIMERS_H
#define TESTS_UNIT_FAKE_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* The clock is taken over, or given back; no timer may be left at either. */
void fake_timers_begin(void);
void fake_timers_end(void);

/* All that is due within the next ms, each at its time and followed by some turns of the loop. */
void fake_timers_run(struct loop *l, int64_t ms);
/* The same until *count has reached want; false when limit_ms passed before. */
bool fake_timers_wait(struct loop *l, const int *count, int want, int64_t limit_ms);
/* As if the process had been stopped for ms: nothing runs, and then everything is late. */
void fake_timers_jump(int64_t ms);

#endif
