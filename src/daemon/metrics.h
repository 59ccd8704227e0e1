/* metrics.h: /metrics, the Prometheus text format 0.0.4: base units, prefix pointsman_. */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include "base/str.h"

struct agent;

void metrics_add(const struct agent *a, struct str *out);

/* The lines in front of a metric: type is "gauge", "counter" … */
void metrics_head(struct str *out, const char *name, const char *type, const char *help);
void metrics_gauge(struct str *out, const char *name, const char *help, double value);

#endif
