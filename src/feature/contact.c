/*
 * contact.c: an answer that says no (403, a conflict, a session that is gone) is an answer too: the
 * store is there. Only silence, refusal to connect, 5xx and nonsense count as "down".
 */
#include "feature/contact.h"

#include "base/clock.h"

static bool
is_answer(enum err_code code)
{
	return code == ERR_NONE || code == ERR_CONFLICT || code == ERR_NOT_FOUND;
}

enum contact_turn
contact_note(struct contact *c, const struct err *e)
{
	bool is_up = is_answer(e->code), is_first = c->since_wall_s == 0;

	if (is_up) {
		c->last_ok_ms = clock_mono_ms();
	} else {
		c->err = *e;
		c->errors[e->code]++;
	}
	if (!is_first && is_up == c->is_up)
		return CONTACT_SAME;
	c->is_up = is_up;
	c->since_wall_s = clock_wall_s();
	if (is_up)
		err_clear(&c->err);
	return is_up ? CONTACT_CAME : CONTACT_WENT;
}

int64_t
contact_age_ms(const struct contact *c)
{
	return c->last_ok_ms == 0 ? -1 : clock_mono_ms() - c->last_ok_ms;
}
