/*
 * mysql_judge.c: what a view means. Of several troubles the first of this list is the class, and the text
 * names it alone; the view has the rest:
 *
 *   any      disk-full > … > replication > lag > warning
 *   active   disk-full > read-only > replication (from the standby: the way back home) > warning
 *   standby  disk-full > role (writable) > replication > lag > warning
 *
 * So what stops writes on an active comes before what would hinder a failover later, and a standby that
 * is writable before one that does not replicate: two writers do harm by the second. The lag of an active
 * is no trouble: nothing is written on the standby.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/mysql_view.h"

#define NEARLY 0.9 /* of the connections in use: a warning */

struct judge {
	const struct server_view *v;
	const struct mysql_extra *x;
	const struct check_spec *spec;
	enum check_role role;
	struct check_result *r;
};

/* Each says whether it is the trouble, and if so has set the result. */
typedef bool trouble_fn(const struct judge *j);

/* fmax(3) without libm: NAN is "not known" and loses. */
static double
greater(double a, double b)
{
	return isnan(a) || b > a ? b : a;
}

static double
worst_lag(const struct server_view *v)
{
	double worst = NAN;

	for (size_t i = 0; i < v->source_count; i++)
		worst = greater(worst, v->sources[i].lag_s);
	return worst;
}

static double
most_behind(const struct server_view *v)
{
	double most = NAN;

	for (size_t i = 0; i < v->source_count; i++)
		most = greater(most, v->sources[i].behind);
	return most;
}

static bool
is_disk_full(const struct judge *j)
{
	if (j->x->disk[0] == '\0')
		return false;
	check_result_set(j->r, CHECK_DISK_FULL, "the disk is full: %s", j->x->disk);
	return true;
}

static bool
is_of_wrong_kind(const struct judge *j)
{
	if (j->role == CHECK_ROLE_ACTIVE && !j->v->is_writable) {
		check_result_set(j->r, CHECK_READ_ONLY, "read-only (%s), and it is the active one",
		    j->v->is_super_read_only ? "super_read_only" : "read_only");
		return true;
	}
	if (j->role == CHECK_ROLE_STANDBY && j->v->is_writable) {
		check_result_set(j->r, CHECK_ROLE, "writable, and it is the standby");
		return true;
	}
	return false;
}

static void
say_stopped(const struct judge *j, const struct replication_view *s)
{
	bool is_io = !s->is_io_running;
	const char *error = is_io ? s->io_error : s->sql_error;
	int number = is_io ? s->io_errno : s->sql_errno;
	char what[96];

	if (is_io && !s->is_sql_running)
		snprintf(what, sizeof(what), "stopped");
	else if (is_io)
		snprintf(what, sizeof(what), "%s",
		    s->is_io_connecting ? "cannot connect to its source" : "receives nothing");
	else
		snprintf(what, sizeof(what), "received but is not applied");
	if (is_io && !s->is_sql_running && s->sql_errno != 0) {
		error = s->sql_error;
		number = s->sql_errno;
	}
	check_result_set(j->r, CHECK_REPLICATION, "replication from %s:%d%s: %s%s%.0d%s%s",
	    s->source_host, s->source_port,
	    j->role == CHECK_ROLE_ACTIVE ? ", the way back home" : "", what,
	    number != 0 ? ", error " : "", number, error[0] != '\0' ? ": " : "", error);
}

static bool
is_cut_off(const struct judge *j)
{
	for (size_t i = 0; i < j->v->source_count; i++) {
		const struct replication_view *s = &j->v->sources[i];

		if (s->is_io_running && s->is_sql_running)
			continue;
		say_stopped(j, s);
		return true;
	}
	if (j->v->source_count > 0 || j->role == CHECK_ROLE_ANY)
		return false;
	check_result_set(j->r, CHECK_REPLICATION,
	    j->role == CHECK_ROLE_STANDBY ? "replicates from nobody"
					  : "replicates from nobody: there is no way back home");
	return true;
}

static bool
is_late(const struct judge *j)
{
	double lag = worst_lag(j->v), behind = most_behind(j->v);
	char more[64] = "";

	if (j->role == CHECK_ROLE_ACTIVE || isnan(lag))
		return false;
	if ((j->spec->max_lag_ms == 0 || lag * 1000 <= (double)j->spec->max_lag_ms) &&
	    !range_catches(&j->spec->critical, lag))
		return false;
	if (!isnan(behind))
		snprintf(more, sizeof(more), ", %.0f transactions", behind);
	check_result_set(j->r, CHECK_LAG, "%.0f s behind%s", lag, more);
	return true;
}

static bool
is_near_a_limit(const struct judge *j)
{
	const struct server_view *v = j->v;
	double lag = worst_lag(v);

	if (j->spec->long_write_ms > 0 &&
	    v->longest_write_s * 1000 > (double)j->spec->long_write_ms) {
		check_result_set(j->r, CHECK_WARNING, "a write has been running for %.0f s: %s",
		    v->longest_write_s, j->x->longest_write);
		return true;
	}
	if (v->session_limit > 0 && (double)v->sessions >= NEARLY * (double)v->session_limit) {
		check_result_set(j->r, CHECK_WARNING, "%" PRIu64 " of %" PRIu64 " connections",
		    v->sessions, v->session_limit);
		return true;
	}
	if (!isnan(lag) && range_catches(&j->spec->warning, lag)) {
		check_result_set(j->r, CHECK_WARNING, "%.0f s behind", lag);
		return true;
	}
	return false;
}

static trouble_fn *const troubles[] = { is_disk_full, is_of_wrong_kind, is_cut_off, is_late,
	is_near_a_limit };

static void
say_well(const struct judge *j)
{
	const struct server_view *v = j->v;
	double lag = worst_lag(v);
	char sources[96] = "";

	if (v->source_count > 0)
		snprintf(sources, sizeof(sources), ", replicates from %.60s:%d",
		    v->sources[0].source_host, v->sources[0].source_port);
	/* MariaDB says its name in its version. */
	check_result_set(j->r, CHECK_OK, "%s%s, %s, %" PRIu64 " of %" PRIu64 " connections%s%s",
	    v->kind == SERVER_MYSQL ? "MySQL " : "", v->version,
	    v->is_writable ? "writable" : "read-only", v->sessions, v->session_limit, sources,
	    lag > 0 ? ", lagging" : "");
}

static void
add_numbers(const struct judge *j)
{
	const struct server_view *v = j->v;
	double lag = worst_lag(v), behind = most_behind(v);

	if (!isnan(lag))
		check_result_number(j->r, "lag", lag, "s", &j->spec->warning, &j->spec->critical);
	if (!isnan(behind))
		check_result_number(j->r, "behind", behind, "", NULL, NULL);
	check_result_number(j->r, "connections", (double)v->sessions, "", NULL, NULL);
	if (!isnan(v->longest_write_s))
		check_result_number(j->r, "longest_write", v->longest_write_s, "s", NULL, NULL);
	if (j->x->is_semi_sync)
		check_result_number(
		    j->r, "semi_sync_waiting", (double)j->x->semi_sync_waiting, "", NULL, NULL);
}

void
mysql_judge(const struct server_view *v, const struct mysql_extra *x, const struct check_spec *spec,
    enum check_role role, struct check_result *r)
{
	const struct judge j = { v, x, spec, role, r };

	add_numbers(&j);
	for (size_t i = 0; i < MEM_COUNT(troubles); i++) {
		if (troubles[i](&j))
			return;
	}
	say_well(&j);
}
