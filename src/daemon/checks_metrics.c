/* checks_metrics.c: the metrics of a vantage. Names of checks and nodes need no quoting (health.h). */
#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "daemon/agent.h"
#include "daemon/checks.h"
#include "daemon/metrics.h"

static void
add_check_state(const struct check *k, struct str *out)
{
	/* In the order of how bad they are. */
	static const int values[] = { [STATE_PASSING] = 0,
		[STATE_SUSPECT] = 1,
		[STATE_RECOVERING] = 2,
		[STATE_FAILING] = 3 };

	str_addf(out, "pointsman_check_state{check=\"%s\"} %d\n", k->spec.name,
	    values[k->debounce.state]);
}

static void
add_check_level(const struct check *k, struct str *out)
{
	str_addf(
	    out, "pointsman_check_level{check=\"%s\"} %d\n", k->spec.name, (int)k->debounce.level);
}

static void
add_check_duration(const struct check *k, struct str *out)
{
	if (k->is_known)
		str_addf(out, "pointsman_check_duration_seconds{check=\"%s\"} %.6f\n", k->spec.name,
		    (double)k->took_us / 1e6);
}

static void
add_checks(const struct checks *c, struct str *out)
{
	static const struct {
		const char *name, *help;
		void (*add)(const struct check *k, struct str *out);
	} families[] = {
		{ "check_state",
		    "0 passing, 1 suspect, 2 recovering, 3 failing, as seen from here.",
		    add_check_state },
		{ "check_level", "Of a failing check: 1 warning, 2 critical.", add_check_level },
		{ "check_duration_seconds", "How long the last run took.", add_check_duration },
	};

	for (size_t f = 0; f < MEM_COUNT(families); f++) {
		metrics_head(out, families[f].name, "gauge", families[f].help);
		for (size_t i = 0; i < checker_count(c->checker); i++)
			families[f].add(checker_at(c->checker, i), out);
	}
}

/* The worst of its sources; NAN: it does not replicate, or does not know. */
static double
lag_of(const struct server_view *v)
{
	double worst = NAN;

	for (size_t i = 0; i < v->source_count; i++) {
		double lag_s = v->sources[i].lag_s;

		if (!isnan(lag_s) && (isnan(worst) || lag_s > worst))
			worst = lag_s;
	}
	return worst;
}

static void
add_pairs(const struct checks *c, struct str *out)
{
	struct str lag = STR_INIT, writable = STR_INIT, proposed = STR_INIT;

	metrics_head(
	    &lag, "pair_lag_seconds", "gauge", "How far a server's replication is behind.");
	metrics_head(&writable, "pair_writable", "gauge", "Whether a server takes writes.");
	metrics_head(&proposed, "pair_proposed", "gauge", "Whether a failover is proposed.");
	for (size_t i = 0; i < pair_watch_count(c->pairs); i++) {
		const struct pair_report *p = pair_watch_at(c->pairs, i);

		str_addf(&proposed, "pointsman_pair_proposed{pair=\"%s\"} %d\n", p->config->name,
		    c->propose != NULL && propose_standing(c->propose, i) != NULL);
		for (size_t k = 0; k < MEM_COUNT(p->members); k++) {
			const struct pair_member *m = &p->members[k];

			if (!m->is_view_fresh || m->view == NULL)
				continue;
			str_addf(&writable, "pointsman_pair_writable{pair=\"%s\",node=\"%s\"} %d\n",
			    p->config->name, m->node, m->view->is_writable);
			if (!isnan(lag_of(m->view)))
				str_addf(&lag,
				    "pointsman_pair_lag_seconds{pair=\"%s\",node=\"%s\"} %g\n",
				    p->config->name, m->node, lag_of(m->view));
		}
	}
	str_add(out, str_text(&lag), lag.len);
	str_add(out, str_text(&writable), writable.len);
	str_add(out, str_text(&proposed), proposed.len);
	str_clear(&lag);
	str_clear(&writable);
	str_clear(&proposed);
}

static void
add_lateness(const struct checks *c, struct str *out)
{
	static const double shares[] = { 0.5, 0.99, 1 };
	const struct lateness *l = checker_lateness(c->checker);
	int64_t us[MEM_COUNT(shares)];

	lateness_quantiles(l, shares, MEM_COUNT(shares), us);
	metrics_head(out, "check_lateness_seconds", "summary",
	    "How much later than planned runs began, over the last ones.");
	for (size_t i = 0; i < MEM_COUNT(shares); i++)
		str_addf(out, "pointsman_check_lateness_seconds{quantile=\"%g\"} %.6f\n", shares[i],
		    (double)us[i] / 1e6);
	str_addf(out,
	    "pointsman_check_lateness_seconds_sum %.6f\n"
	    "pointsman_check_lateness_seconds_count %" PRIu64 "\n",
	    l->sum_s, l->count);
}

void
checks_add_metrics(const struct checks *c, struct str *out)
{
	const struct vantage *v = checker_vantage(c->checker);

	metrics_gauge(out, "vantage_sighted", "Whether this vantage trusts its own eyes.",
	    v->sight == VANTAGE_SIGHTED);
	metrics_gauge(out, "vantage_score", "How much it doubts itself.", v->score);
	metrics_gauge(
	    out, "checks_running", "Runs under way.", (double)checker_running(c->checker));
	metrics_gauge(out, "checks_queued", "Runs that wait for their turn.",
	    (double)checker_queued(c->checker));
	add_lateness(c, out);
	add_checks(c, out);
	add_pairs(c, out);
	metrics_head(out, "agents", "gauge", "Agents that have published, by their sessions.");
	str_addf(out,
	    "pointsman_agents{state=\"alive\"} %zu\npointsman_agents{state=\"gone\"} %zu\n",
	    c->agents_alive, c->agents_gone);
}
