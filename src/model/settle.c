/*
 * settle.c: two moods.
 *
 *   quiet   a change goes at once
 *   burst   begins with a change that follows the last one, or the work on it, within min_ms and
 *           twice the time that the work took (at 10,000 names the next answer of Consul comes no
 *           sooner, however fast the changes are); changes are gathered until
 *           it is quiet for quiet_ms, or the first of them has waited max_ms; ends after max_ms
 *           without a change
 *
 * The quiet that is demanded doubles with every second change of a burst, up to max_ms: two flips by
 * hand wait for 20 ms, but a burst of requests that stutters on a busy host does not make a file for
 * every stutter.
 */
#include "model/settle.h"

void
settle_init(struct settle *s, int64_t min_ms, int64_t max_ms)
{
	*s = (struct settle){ .min_ms = min_ms, .max_ms = max_ms, .quiet_ms = min_ms };
}

int64_t
settle_change(struct settle *s, int64_t now_ms)
{
	int64_t since_last = now_ms - s->last_change_ms;
	int64_t left, delay;

	if (s->is_burst && !s->is_waiting && since_last >= s->max_ms)
		s->is_burst = false;
	else if (!s->is_burst && s->was_used && since_last < s->min_ms + 2 * s->work_ms) {
		s->is_burst = true;
		s->burst_changes = 0;
	}
	if (!s->is_burst)
		s->quiet_ms = s->min_ms;
	else if (++s->burst_changes % 2 == 0)
		s->quiet_ms = s->quiet_ms * 2 < s->max_ms ? s->quiet_ms * 2 : s->max_ms;
	s->was_used = true;
	s->last_change_ms = now_ms;
	if (!s->is_burst && !s->is_waiting)
		return 0;
	if (!s->is_waiting) {
		s->is_waiting = true;
		s->first_waiting_ms = now_ms;
	}
	left = s->first_waiting_ms + s->max_ms - now_ms;
	delay = s->quiet_ms < left ? s->quiet_ms : left;
	return delay > 0 ? delay : 0;
}

void
settle_flush(struct settle *s)
{
	s->is_waiting = false;
}

void
settle_worked(struct settle *s, int64_t took_ms, int64_t now_ms)
{
	s->work_ms = took_ms;
	s->last_change_ms = now_ms;
}
