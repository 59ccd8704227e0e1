/* pages.c: a table of paths. */
#include "daemon/pages.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "daemon/agent.h"
#include "daemon/checks.h"
#include "daemon/metrics.h"
#include "daemon/report.h"

static void
get_status(const struct agent *a, struct httpd_page *page)
{
	json_t *j = report_status(a);

	json_write_pretty(&page->body, j);
	json_decref(j);
}

static void
get_names(const struct agent *a, struct httpd_page *page)
{
	report_add_names(a, &page->body);
}

static void
get_checks(const struct agent *a, struct httpd_page *page)
{
	checks_add_json(a->checks, &page->body);
}

static void
get_pairs(const struct agent *a, struct httpd_page *page)
{
	checks_add_pairs_json(a->checks, &page->body);
}

static void
get_metrics(const struct agent *a, struct httpd_page *page)
{
	metrics_add(a, &page->body);
}

/*
 * For load balancers and process managers: 200 while every output has a file to serve, whatever else
 * is wrong: an agent that keeps serving while Consul is away does its job.
 */
static void
get_healthz(const struct agent *a, struct httpd_page *page)
{
	for (size_t i = 0; i < a->output_count; i++) {
		struct output_report r;

		output_report(a->outputs[i], &r);
		if (r.digest[0] != '\0')
			continue;
		page->status = 503;
		str_addf(&page->body, "output %s has no file yet\n", r.config->name);
		return;
	}
	str_adds(&page->body, "ok\n");
}

static const struct {
	const char *path, *content_type;
	void (*get)(const struct agent *a, struct httpd_page *page);
} pages[] = {
	{ "/v1/status", "application/json", get_status },
	{ "/v1/names", "application/json", get_names },
	{ "/v1/checks", "application/json", get_checks },
	{ "/v1/pairs", "application/json", get_pairs },
	{ "/metrics", "text/plain; version=0.0.4; charset=utf-8", get_metrics },
	{ "/healthz", "text/plain; charset=utf-8", get_healthz },
};

void
pages_get(const char *path, struct httpd_page *page, void *arg)
{
	for (size_t i = 0; i < MEM_COUNT(pages); i++) {
		if (strcmp(path, pages[i].path) != 0)
			continue;
		page->status = 200;
		page->content_type = pages[i].content_type;
		pages[i].get(arg, page);
		return;
	}
	page->status = 404;
	page->content_type = "text/plain; charset=utf-8";
	str_adds(&page->body, "Not here. There are:\n");
	for (size_t i = 0; i < MEM_COUNT(pages); i++)
		str_addf(&page->body, "  %s\n", pages[i].path);
}
