/*
 * metrics.c: written when somebody scrapes, straight from the parts. Label values are names of our
 * own enums, or titles of configuration blocks, which are quoted.
 */
#include <config.h>

#include "daemon/metrics.h"

#include <inttypes.h>

#include "base/mem.h"
#include "daemon/agent.h"
#include "daemon/checks.h"
#include "daemon/report.h"

void
metrics_head(struct str *out, const char *name, const char *type, const char *help)
{
	str_addf(out, "# HELP pointsman_%s %s\n# TYPE pointsman_%s %s\n", name, help, name, type);
}

void
metrics_gauge(struct str *out, const char *name, const char *help, double value)
{
	metrics_head(out, name, "gauge", help);
	str_addf(out, "pointsman_%s %.17g\n", name, value);
}

static void
add_label(struct str *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			str_addc(out, '\\');
		str_addc(out, *value);
	}
}

/* pointsman_NAME{output="TITLE" */
static void
output_line(struct str *out, const char *name, const struct output_report *r)
{
	str_addf(out, "pointsman_%s{output=\"", name);
	add_label(out, r->config->name);
	str_addc(out, '"');
}

static void
add_output_states(struct str *out, const struct output_report *r)
{
	for (int s = OUTPUT_EMPTY; s <= OUTPUT_FAILED; s++) {
		output_line(out, "output_state", r);
		str_addf(out, ",state=\"%s\"} %d\n", output_state_name((enum output_state)s),
		    r->state == (enum output_state)s);
	}
}

static void
add_output_results(struct str *out, const struct output_report *r)
{
	for (int i = 0; i < OUTPUT_RESULTS; i++) {
		output_line(out, "output_renders_total", r);
		str_addf(out, ",result=\"%s\"} %" PRIu64 "\n",
		    output_result_name((enum output_result)i), r->results[i]);
	}
}

static void
add_output_generation(struct str *out, const struct output_report *r)
{
	output_line(out, "output_generation", r);
	str_addf(out, "} %" PRIu64 "\n", r->generation);
}

static void
add_output_rendered(struct str *out, const struct output_report *r)
{
	output_line(out, "output_last_render_timestamp_seconds", r);
	str_addf(out, "} %" PRId64 "\n", r->rendered_wall_s);
}

static void
add_outputs(const struct agent *a, struct str *out)
{
	static const struct {
		const char *name, *type, *help;
		void (*add)(struct str *out, const struct output_report *r);
	} families[] = {
		{ "output_generation", "gauge", "Generation in the file of an output.",
		    add_output_generation },
		{ "output_state", "gauge", "1 for the state that an output is in.",
		    add_output_states },
		{ "output_renders_total", "counter",
		    "Maps taken up by an output, by what came of it.", add_output_results },
		{ "output_last_render_timestamp_seconds", "gauge",
		    "When the file was last written.", add_output_rendered },
	};

	for (size_t f = 0; f < MEM_COUNT(families); f++) {
		metrics_head(out, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < a->output_count; i++) {
			struct output_report r;

			output_report(a->outputs[i], &r);
			families[f].add(out, &r);
		}
	}
}

static void
add_flips(const struct agent *a, struct str *out)
{
	uint64_t total = 0;

	metrics_head(out, "flip_to_served_seconds", "histogram",
	    "From Consul's answer to the generation being served (or written, without a proof).");
	for (size_t i = 0; i < AGENT_FLIP_BUCKETS; i++) {
		total += a->flip_counts[i];
		str_addf(out, "pointsman_flip_to_served_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
		    agent_flip_bounds[i], total);
	}
	total += a->flip_counts[AGENT_FLIP_BUCKETS];
	str_addf(out,
	    "pointsman_flip_to_served_seconds_bucket{le=\"+Inf\"} %" PRIu64
	    "\npointsman_flip_to_served_seconds_sum %.6f\n"
	    "pointsman_flip_to_served_seconds_count %" PRIu64 "\n",
	    total, a->flip_sum_s, total);
}

static void
add_errors(const struct agent *a, struct str *out)
{
	metrics_head(
	    out, "consul_errors_total", "counter", "Requests to Consul that failed, by kind.");
	for (int i = ERR_NONE + 1; i < CONTACT_KINDS; i++)
		str_addf(out, "pointsman_consul_errors_total{kind=\"%s\"} %" PRIu64 "\n",
		    err_code_name((enum err_code)i), a->contact.errors[i]);
}

/* Of this moment, as the states of the outputs below. */
static void
add_problems(const struct agent *a, struct str *out)
{
	struct problems now;
	size_t critical = 0;

	problems_collect(a, &now);
	for (size_t i = 0; i < now.count; i++)
		critical += now.list[i].is_critical;
	metrics_gauge(out, "problems", "Problems on this host.", (double)now.count);
	metrics_gauge(
	    out, "problems_critical", "Critical problems on this host.", (double)critical);
	problems_clear(&now);
}

void
metrics_add(const struct agent *a, struct str *out)
{
	const struct name_map *m = store_map(a->store);

	metrics_head(out, "build_info", "gauge", "The version.");
	str_addf(out, "pointsman_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
	metrics_gauge(out, "generation", "Newest generation that every output serves.",
	    (double)report_generation(a));
	metrics_gauge(
	    out, "index", "Generation of the newest map.", m != NULL ? (double)m->generation : 0);
	metrics_gauge(out, "names", "Names in the map.", m != NULL ? (double)m->count : 0);
	metrics_gauge(out, "names_rejected", "Keys whose name or value cannot be used.",
	    m != NULL ? (double)m->rejected_total : 0);
	metrics_gauge(out, "names_last_known",
	    "Names with an address that no catalog confirms any more.",
	    m != NULL ? (double)name_map_count_last_known(m) : 0);
	metrics_gauge(out, "consul_up", "Whether Consul answers.", a->contact.is_up);
	metrics_gauge(out, "hold", "Whether an operator holds everything.",
	    store_holds(a->store)->is_everything);
	add_problems(a, out);
	add_errors(a, out);
	add_outputs(a, out);
	add_flips(a, out);
	if (a->checks != NULL)
		checks_add_metrics(a->checks, out);
}
