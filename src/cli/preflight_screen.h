/* preflight_screen.h: the findings of a preflight, the same for doctor, a plan and a refusal. */
#ifndef CLI_PREFLIGHT_SCREEN_H
#define CLI_PREFLIGHT_SCREEN_H

#include <jansson.h>

#include "cli/output.h"
#include "model/preflight.h"

struct cli;

/* All of that level, each with why and what to do. */
void preflight_print_level(
    const struct cli *cli, const struct preflight *p, enum preflight_level level);
/* What could not be looked at: one entry a reason, with all that it keeps from being known. */
void preflight_print_unknown(const struct cli *cli, const struct preflight *p, enum mark m);

/* A new reference: [ { "name", "ok", "level", "fact", "why", "do" } ] */
json_t *preflight_to_json(const struct preflight *p);

#endif
