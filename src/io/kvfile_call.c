/*
 * kvfile_call.c: how a call on a file store gets its turn, waits, and is woken.
 *
 * Every call is one struct file_call with one timer, and runs in one of these states:
 *
 *            ┌──────────── the wait is over ────────────┐
 *            v                                          │
 *   read ─> READ ──the index is not above the asked──> WAIT ──look(): it is now──> answered
 *            │ └──> answered
 *            │ the main file was edited, or a session has expired
 *            v
 *  write ─> LOCK ──> settled, done, written, answered
 *            │ ^
 *            └─┘ busy, or others' turn: again in some milliseconds, for at most LOCK_LIMIT_MS
 *
 * The lock is held only inside one callback, so that nothing of this process can happen in between.
 *
 * Those who wait are woken by inotify: look() reads the files once for all of them. When the next
 * session is about to expire, it writes that down, so that others see it; with several processes
 * the first one does. Nobody needs to be there when a session expires: whoever reads later, does
 * it.
 *
 * Times in the file are of CLOCK_MONOTONIC, which all processes of a machine share, with the
 * boot's id beside them. CLOCK_BOOTTIME was rejected: after a laptop's sleep every session would
 * be gone before its owner had a chance to renew it. A session ends at its TTL; Consul takes up
 * to twice that.
 */
#include "io/kvfile_call.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/fswatch.h"
#include "io/loop.h"

/* A writer needs some ten milliseconds; one that needs seconds is stopped or debugged. */
#define LOCK_LIMIT_MS 5000
/*
 * flock(2) has no queue for those who only try. So that all get their turn, who waits tries more
 * often than the pause that a busy process makes after it has had the lock for so long.
 */
#define LOCK_RETRY_MS 1 /* and up to two more, by chance */
#define LOCK_PAUSE_MS 4
#define LOCK_TURN_MS 20 /* three writes or so */

/* An editor that writes in place is done by then; only after it is a broken file an error. */
#define EDIT_GRACE_MS 250
/* A live writer brings the main file up within milliseconds. */
#define BEHIND_GRACE_MS 1000
/* When we may not write down an expiry ourselves. */
#define REFUSED_RETRY_MS 5000
/* Several processes see the same expiry: the first one writes it, the others find it done. */
#define EXPIRY_SPREAD_MS 20

static struct kvfile *
kvfile_of(const struct file_call *c)
{
	return (struct kvfile *)c->call.kv;
}

void
file_call_set_state(struct file_call *c, enum call_state state, int64_t timer_ms)
{
	if (state == CALL_LOCK && c->state != CALL_LOCK)
		c->lock_limit_at_ms = clock_mono_ms() + LOCK_LIMIT_MS;
	c->state = state;
	loop_timer_set(c->timer, timer_ms);
}

/* Earlier settings stay when they are earlier. */
static void
look_within(struct kvfile *f, int64_t delay_ms)
{
	int64_t at_ms = clock_mono_ms() + delay_ms;

	if (loop_timer_is_set(f->look) && f->look_at_ms <= at_ms)
		return;
	f->look_at_ms = at_ms;
	loop_timer_set(f->look, delay_ms);
}

static void
files_changed(void *arg)
{
	look_within(arg, 0);
}

void
kvfile_watch_stop(struct kvfile *f)
{
	fswatch_free(f->main_watch);
	fswatch_free(f->index_watch);
	f->main_watch = f->index_watch = NULL;
}

static int
watch_begin(struct kvfile *f, struct err *e)
{
	if (f->index_watch != NULL)
		return 0;
	f->main_watch = fswatch_new(f->kv.loop, f->disk.main_path, files_changed, f, e);
	if (f->main_watch != NULL)
		f->index_watch = fswatch_new(f->kv.loop, f->disk.index_path, files_changed, f, e);
	if (f->index_watch != NULL)
		return 0;
	kvfile_watch_stop(f);
	return -1;
}

/* Comes back when the next session expires, or when a writer has not finished by then. */
static void
look_later(struct kvfile *f, const struct kvfile_snapshot *snap, int64_t now_ms)
{
	int64_t next_ms = kvfile_state_next_expiry(&snap->state);

	if (snap->main == KVFILE_MAIN_BEHIND)
		look_within(f, BEHIND_GRACE_MS);
	if (next_ms != INT64_MAX)
		look_within(f, (next_ms > now_ms ? next_ms - now_ms : REFUSED_RETRY_MS) +
				   loop_jitter(EXPIRY_SPREAD_MS, 1));
}

void
file_act_read(struct file_call *c, struct kvfile_state *s, int64_t now_ms, struct kv_answer *a)
{
	kvfile_state_answer(s, c->key, c->is_prefix, now_ms, a);
	a->is_applied = true;
}

static bool
is_answerable(const struct file_call *c, const struct kv_answer *a)
{
	return c->wait_ms == 0 || c->is_wait_over || a->index > c->above;
}

static void
answer_or_wait(struct file_call *c, struct kv_answer *a)
{
	if (is_answerable(c, a)) {
		kv_call_finish(&c->call, a);
		return;
	}
	kv_answer_clear(a);
	file_call_set_state(c, CALL_WAIT, c->wait_ms);
}

static void
call_read(struct file_call *c)
{
	struct kvfile *f = kvfile_of(c);
	int64_t now_ms = clock_mono_ms();
	struct kv_answer a = { 0 };
	struct kvfile_snapshot snap;
	struct err e;
	bool is_expired;

	/* Watched before it is read, so that no change falls in between. */
	if ((c->wait_ms > 0 && watch_begin(f, &e) != 0) ||
	    kvfile_disk_peek(&f->disk, &snap, &e) != 0) {
		kv_call_finish_err(&c->call, &e);
		return;
	}
	c->is_edited = snap.main == KVFILE_MAIN_EDITED;
	is_expired = !c->is_refused && kvfile_state_next_expiry(&snap.state) <= now_ms;
	if (c->is_edited || is_expired) {
		file_call_set_state(c, CALL_LOCK, 0);
	} else {
		file_act_read(c, &snap.state, now_ms, &a);
		look_later(f, &snap, now_ms);
		answer_or_wait(c, &a);
	}
	kvfile_snapshot_clear(&snap);
}

static void
wait_over(struct file_call *c)
{
	struct err e;

	if (c->is_limited) {
		err_set(
		    &e, ERR_TIMEOUT, "%s: nothing changed within the limit", c->call.kv->address);
		kv_call_finish_err(&c->call, &e);
		return;
	}
	c->is_wait_over = true;
	call_read(c);
}

/* With the lock: 0, 1 to start over because of an edit in between, -1. */
static int
run_locked(struct file_call *c, struct kv_answer *a, struct err *e)
{
	struct kvfile *f = kvfile_of(c);
	int64_t now_ms = clock_mono_ms();
	struct kvfile_snapshot snap;
	int rc;

	if (kvfile_disk_read(&f->disk, &snap, e) != 0)
		return -1;
	if ((rc = kvfile_disk_settle(&f->disk, &snap, e)) == 0) {
		kvfile_state_expire(&snap.state, now_ms);
		c->act(c, &snap.state, now_ms, a);
		if (a->is_applied && snap.state.is_dirty)
			rc = kvfile_disk_write(&f->disk, &snap, e);
	}
	kvfile_snapshot_clear(&snap);
	return rc;
}

static void
lock_failed(struct file_call *c, const struct err *e)
{
	/* It wanted to write an expiry down for others; the answer can be had without. */
	if (c->act == file_act_read && !c->is_edited && !c->is_refused) {
		c->is_refused = true;
		file_call_set_state(c, CALL_READ, 0);
		return;
	}
	kv_call_finish_err(&c->call, e);
}

/* Still busy, or to be done again. */
static void
lock_again(struct file_call *c)
{
	struct err e;

	if (clock_mono_ms() < c->lock_limit_at_ms) {
		file_call_set_state(c, CALL_LOCK, LOCK_RETRY_MS + loop_jitter(LOCK_RETRY_MS, 1));
		return;
	}
	err_set(&e, ERR_TIMEOUT, "another process has held %s for more than %d s",
	    kvfile_of(c)->disk.lock_path, LOCK_LIMIT_MS / 1000);
	lock_failed(c, &e);
}

/* It is others' turn: true. */
static bool
must_pause(struct kvfile *f)
{
	int64_t now_ms = clock_mono_ms();

	if (now_ms - f->unlocked_ms >= LOCK_PAUSE_MS)
		f->turn_began_ms = now_ms;
	return now_ms - f->turn_began_ms >= LOCK_TURN_MS;
}

static void
call_lock(struct file_call *c)
{
	struct kvfile *f = kvfile_of(c);
	struct kv_answer a = { 0 };
	struct err e;
	int fd, rc;

	if (must_pause(f)) {
		file_call_set_state(c, CALL_LOCK, LOCK_PAUSE_MS);
		return;
	}
	if ((rc = kvfile_disk_lock(&f->disk, &fd, &e)) == 0) {
		lock_again(c);
		return;
	}
	if (rc == 1) {
		rc = run_locked(c, &a, &e);
		close(fd);
		f->unlocked_ms = clock_mono_ms();
	}
	if (rc == 0) {
		answer_or_wait(c, &a);
		return;
	}
	kv_answer_clear(&a);
	if (rc > 0)
		lock_again(c);
	else
		lock_failed(c, &e);
}

static void
call_due(void *arg)
{
	struct file_call *c = arg;
	struct kv_answer a = { .index = KVFILE_CATALOG_INDEX };

	switch (c->state) {
	case CALL_READ:
		call_read(c);
		return;
	case CALL_WAIT:
		wait_over(c);
		return;
	case CALL_LOCK:
		call_lock(c);
		return;
	case CALL_SLEEP:
		kv_call_finish(&c->call, &a);
		return;
	}
}

struct file_call *
file_call_new(struct kv *kv, act_fn *act, kv_done_fn *done, void *arg)
{
	struct file_call *c = mem_alloc(sizeof(*c));

	kv_call_begin(&c->call, kv, done, arg);
	c->timer = loop_timer_new(kv->loop, call_due, c);
	c->act = act;
	return c;
}

void
file_call_release(struct kv_call *call)
{
	struct file_call *c = (struct file_call *)call;
	struct kvfile *f = kvfile_of(c);

	if (f->settling == c)
		f->settling = NULL;
	loop_timer_free(c->timer);
	arena_clear(&c->memory);
}

/*
 * Looking for all who wait.
 */

/* The call if it waits, or NULL. Of kv.c's own calls, which are no file_call, all are deferred. */
static struct file_call *
as_waiting(struct kv_call *call)
{
	struct file_call *c = (struct file_call *)call;

	return call->deferred == NULL && c->state == CALL_WAIT ? c : NULL;
}

static bool
has_waiting(const struct kvfile *f)
{
	for (struct kv_call *call = f->kv.calls; call != NULL; call = call->next) {
		if (as_waiting(call) != NULL)
			return true;
	}
	return false;
}

static void
fail_waiting(struct kvfile *f, const struct err *e)
{
	f->failing_since_ms = 0;
	/* The directory itself may be gone; whoever waits next begins anew. */
	kvfile_watch_stop(f);
	for (struct kv_call *call = f->kv.calls; call != NULL; call = call->next) {
		if (as_waiting(call) != NULL)
			kv_call_defer_err(call, e);
	}
}

static void
wake_waiting(struct kvfile *f, struct kvfile_state *s, int64_t now_ms)
{
	for (struct kv_call *call = f->kv.calls; call != NULL; call = call->next) {
		struct file_call *c = as_waiting(call);
		struct kv_answer a = { 0 };

		if (c == NULL)
			continue;
		file_act_read(c, s, now_ms, &a);
		if (is_answerable(c, &a))
			kv_call_defer(call, &a);
		else
			kv_answer_clear(&a);
	}
}

/* What fails only for a moment may be an editor at work. */
static void
look_failed(struct kvfile *f, const struct err *e)
{
	int64_t now_ms = clock_mono_ms(), left_ms;

	if (f->failing_since_ms == 0)
		f->failing_since_ms = now_ms;
	left_ms = f->failing_since_ms + EDIT_GRACE_MS - now_ms;
	if (left_ms > 0)
		look_within(f, left_ms);
	else
		fail_waiting(f, e);
}

void
file_act_nothing(struct file_call *c, struct kvfile_state *s, int64_t now_ms, struct kv_answer *a)
{
	(void)c;
	(void)s;
	(void)now_ms;
	a->is_applied = true;
}

static void
settled(struct kv_answer *a, void *arg)
{
	struct kvfile *f = arg;

	if (a->err.code == ERR_NONE)
		look_within(f, 0);
	else if (f->is_edited)
		look_failed(f, &a->err);
	else
		look_within(f, REFUSED_RETRY_MS);
}

/* Writes down what nobody has asked for: an edit, an expiry, a main file that is behind. */
static void
settle(struct kvfile *f)
{
	if (f->settling != NULL)
		return;
	f->settling = file_call_new(&f->kv, file_act_nothing, settled, f);
	file_call_set_state(f->settling, CALL_LOCK, 0);
}

void
kvfile_look(void *arg)
{
	struct kvfile *f = arg;
	int64_t now_ms = clock_mono_ms();
	struct kvfile_snapshot snap;
	bool was_behind = f->is_behind;
	struct err e;

	if (!has_waiting(f))
		return;
	if (kvfile_disk_peek(&f->disk, &snap, &e) != 0) {
		look_failed(f, &e);
		return;
	}
	f->is_edited = snap.main == KVFILE_MAIN_EDITED;
	f->is_behind = snap.main == KVFILE_MAIN_BEHIND;
	if (f->is_edited || (was_behind && f->is_behind) ||
	    kvfile_state_next_expiry(&snap.state) <= now_ms)
		settle(f);
	if (!f->is_edited) {
		f->failing_since_ms = 0;
		wake_waiting(f, &snap.state, now_ms);
		look_later(f, &snap, now_ms);
	}
	kvfile_snapshot_clear(&snap);
}
