/*
 * check_report.h: what all vantages say of a check, as the JSON that others read (design, section 7):
 * of `pointsman checks -o json` and /v1/checks alike.
 */
#ifndef FEATURE_CHECK_REPORT_H
#define FEATURE_CHECK_REPORT_H

#include <jansson.h>

#include "feature/health_board.h"
#include "model/check.h"

/*
 * { "name", "type", "target", "pair", "state", "class", "level", "since", "output", "verdict",
 *   "confirmed", "bound_ms", "muted": null or { "until", "since", "who", "why" }, "vantages":
 *   [ { "vantage", "live", "sight", "state", "class", "level", "since", "output", "flapping" } ] }
 *
 * state and class are null where no vantage that is alive and trusts its eyes tells of it. s NULL: it
 * is in no configuration here, only in the KV. node and own: this vantage and its opinion of this
 * moment; NULL: there is none. A new reference.
 */
json_t *check_report(const struct health_board *b, const char *name, const struct check_spec *s,
    const char *node, const struct opinion *own);

/* The member "muted": of NULL it is null. A new reference. */
json_t *check_report_mute(const struct health_mute *m);

/* As a list: the checks of specs, then those that only the KV knows. A new reference. */
json_t *check_report_all(
    const struct health_board *b, const struct check_spec *specs, size_t count);

#endif
