/* metrics.h: /metrics, the Prometheus text format 0.0.4: base units, prefix pointsman_. */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include "base/str.h"

struct agent;

void metrics_add(const struct agent *a, struct str *out);

#endif
