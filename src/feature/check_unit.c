/*
 * check_unit.c: a systemd unit is active, and systemd is not busy bringing it back again and again.
 *
 *	masked, not found                 missing
 *	failed, inactive, deactivating    value: it does not run
 *	waiting to be started again       value
 *	activating                        a warning: debounce decides how long that may take
 *	active, died twice of late        value, until UNIT_QUIET_US have passed without a death
 *	active, died once                 a warning for UNIT_FRESH_US
 *	active                            ok
 *
 * A daemon that dies every two minutes is active at nearly every look, and one bad result in twenty is
 * what debounce is there to swallow. So deaths are kept from run to run: systemd counts how often it
 * has restarted a unit by itself (NRestarts). A restart by a person sets that count back, and is none.
 * A first run has nothing to compare with and takes a fresh start with restarts before it for a death.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/check_type.h"
#include "feature/check_unit.h"
#include "io/loop.h"
#include "io/unit_status.h"

struct unit_probe {
	struct loop *loop;
	const struct check_spec *spec;
	struct unit_query *query; /* NULL: not running */
	struct unit_memory memory;
	check_done_fn *done;
	void *arg;
};

/* What an active state is; "" stands for all that newer systemds may come up with. */
static const struct {
	const char *active;
	enum check_class class;
	const char *what;
} states[] = {
	{ "active", CHECK_OK, "is active" },
	{ "reloading", CHECK_OK, "is reloading" },
	{ "refreshing", CHECK_OK, "is refreshing" },
	{ "activating", CHECK_WARNING, "is being started" },
	{ "deactivating", CHECK_VALUE, "is being stopped" },
	{ "inactive", CHECK_VALUE, "does not run" },
	{ "failed", CHECK_VALUE, "has failed" },
	{ "", CHECK_UNKNOWN, "is in a state that we do not know" },
};

static bool
is_restarting(const struct unit_status *s)
{
	return strncmp(s->sub, "auto-restart", strlen("auto-restart")) == 0; /* also …-queued */
}

/* Only what systemd itself did counts; a lower number than before is a fresh start by a person. */
static uint32_t
count_deaths(const struct unit_memory *m, const struct unit_status *s, int64_t now_us)
{
	if (m->is_set)
		return s->restarts > m->restarts ? s->restarts - m->restarts : 0;
	return s->restarts > 0 && now_us - (int64_t)s->active_since_us < UNIT_FRESH_US;
}

static void
remember(struct unit_memory *m, const struct unit_status *s, int64_t now_us)
{
	uint32_t died = count_deaths(m, s, now_us);

	if (now_us - m->died_us >= UNIT_QUIET_US || s->restarts < m->restarts)
		m->deaths = 0;
	if (died > 0) {
		m->deaths += died;
		m->died_us = now_us;
	}
	m->restarts = s->restarts;
	m->is_set = true;
}

static void
set_state(const char *unit, const struct unit_status *s, struct check_result *out)
{
	size_t i = 0;

	while (states[i].active[0] != '\0' && strcmp(states[i].active, s->active) != 0)
		i++;
	if (strcmp(s->result, "") == 0 || strcmp(s->result, "success") == 0)
		check_result_set(out, states[i].class, "%s %s (%s)", unit, states[i].what, s->sub);
	else
		check_result_set(out, states[i].class, "%s %s (%s, %s)", unit, states[i].what,
		    s->sub, s->result);
}

/* An active unit: how often has it died? */
static void
set_deaths(const char *unit, const struct unit_memory *m, int64_t now_us, struct check_result *out)
{
	char ago[16];

	str_duration(ago, sizeof(ago), (now_us - m->died_us) / 1000);
	if (m->deaths > 1)
		check_result_set(out, CHECK_VALUE,
		    "%s dies again and again: %u times, last seen %s ago", unit,
		    (unsigned)m->deaths, ago);
	else
		check_result_set(
		    out, CHECK_WARNING, "%s has died and was restarted, seen %s ago", unit, ago);
}

static bool
is_told(const struct unit_memory *m, int64_t now_us)
{
	return m->deaths > 1 || (m->deaths == 1 && now_us - m->died_us < UNIT_FRESH_US);
}

void
check_unit_judge(const char *unit, const struct unit_status *s, int64_t now_us,
    struct unit_memory *m, struct check_result *out)
{
	bool is_active = strcmp(s->active, "active") == 0;

	out->took_us = s->took_us;
	if (s->err.code != ERR_NONE) {
		check_result_set(out, s->err.code == ERR_TIMEOUT ? CHECK_TIMEOUT : CHECK_UNKNOWN,
		    "%s: %s", unit, s->err.text);
		return;
	}
	remember(m, s, now_us);
	if (!is_active && strcmp(s->load, "loaded") != 0)
		check_result_set(out, CHECK_MISSING, "%s: systemd says %s", unit, s->load);
	else if (is_restarting(s))
		check_result_set(out, CHECK_VALUE, "%s has died (%s) and waits to be restarted",
		    unit, s->result);
	else if (is_active && is_told(m, now_us))
		set_deaths(unit, m, now_us, out);
	else
		set_state(unit, s, out);
	check_result_number(out, "restarts", s->restarts, "c", NULL, NULL);
	if (is_active && s->active_since_us > 0)
		check_result_number(out, "active",
		    (double)(now_us - (int64_t)s->active_since_us) / 1e6, "s", NULL, NULL);
}

static int
unit_validate(const struct check_spec *s, struct err *e)
{
	if (s->unit == NULL)
		return err_set(e, ERR_CONFIG, "unit is missing: \"fees.service\" say");
	return 0;
}

static void *
unit_open(struct loop *l, const struct check_spec *s)
{
	struct unit_probe *p = mem_alloc(sizeof(*p));

	p->loop = l;
	p->spec = s;
	return p;
}

static void
unit_told(const struct unit_status *s, void *arg)
{
	struct unit_probe *p = arg;
	struct check_result result = { .class = CHECK_UNKNOWN };

	p->query = NULL;
	check_unit_judge(p->spec->unit, s, clock_mono_us(), &p->memory, &result);
	p->done(&result, p->arg);
	check_result_clear(&result);
}

static void
unit_start(void *probe, const struct check_run *run, check_done_fn *done, void *arg)
{
	struct unit_probe *p = probe;

	p->done = done;
	p->arg = arg;
	p->query = unit_query_start(p->loop, p->spec->unit, run->limit_ms, unit_told, p);
}

static void
unit_close(void *probe)
{
	struct unit_probe *p = probe;

	if (p == NULL)
		return;
	unit_query_cancel(p->query);
	loop_defer_free(p->loop, p);
}

const struct check_type check_type_unit = {
	.name = "unit",
	.validate = unit_validate,
	.open = unit_open,
	.start = unit_start,
	.close = unit_close,
};
