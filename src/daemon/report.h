/*
 * report.h: what the agent says of itself: /v1/status (design, section 10), the document below
 * agents/ in the KV, the list of names, one change for a hook.
 */
#ifndef DAEMON_REPORT_H
#define DAEMON_REPORT_H

#include <jansson.h>

#include "base/str.h"
#include "model/name_map.h"

struct agent;

json_t *report_status(const struct agent *a);
/* Small on purpose: every agent writes it after every flip. */
void report_add_document(const struct agent *a, struct str *out);
/* /v1/names, written as text: ten thousand names as a tree would double the daemon's memory. */
void report_add_names(const struct agent *a, struct str *out);
/* {"name","kind","from","to","addresses"} */
json_t *report_change(const struct name_change *c);

/* The newest generation that every output serves; 0: none yet. */
uint64_t report_generation(const struct agent *a);

#endif
