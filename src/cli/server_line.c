/*
 * server_line.c: the order of the words is that of the questions at 3 am: does it take writes, who is
 * on it, does it follow, how far behind.
 */
#include "cli/server_line.h"

#include <inttypes.h>
#include <math.h>

static void
add_source(struct str *out, const struct replication_view *r)
{
	str_addf(out, "  replicates from %s:%d", r->source_host, r->source_port);
	if (!r->is_io_running)
		str_addf(out, ", %s", r->is_io_connecting ? "CONNECTING" : "NOT RECEIVING");
	if (!r->is_sql_running)
		str_adds(out, ", NOT APPLYING");
	if (r->is_io_running && r->is_sql_running && !isnan(r->lag_s))
		str_addf(out, ", %.1fs behind", r->lag_s);
	if (r->io_error[0] != '\0')
		str_addf(out, " (%s)", r->io_error);
	if (r->sql_error[0] != '\0')
		str_addf(out, " (%s)", r->sql_error);
}

void
server_line_add(struct str *out, const struct server_view *v)
{
	if (v->kind == SERVER_DAEMON) {
		str_adds(out, v->is_writable ? "runs" : "does not run");
		return;
	}
	str_adds(out, v->is_writable ? "writable" : "read-only");
	str_addf(out, "  %" PRIu64 " session%s", v->sessions, v->sessions == 1 ? "" : "s");
	if (!isnan(v->longest_write_s))
		str_addf(out, "  longest write %.1fs", v->longest_write_s);
	for (size_t i = 0; i < v->source_count; i++)
		add_source(out, &v->sources[i]);
	if (v->source_count == 0)
		str_adds(out, "  replicates from nobody");
	if (v->sentinel[0] != '\0')
		str_addf(out, "  sentinel: %s", v->sentinel);
	if (v->restart[0] != '\0')
		str_addf(out, "  at its next start: %s", v->restart);
}
