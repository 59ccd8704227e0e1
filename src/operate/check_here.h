/*
 * check_here.h: one run of a check on this host and now, by the same code as in the agents, for those
 * who want to see for themselves.
 */
#ifndef OPERATE_CHECK_HERE_H
#define OPERATE_CHECK_HERE_H

#include "base/err.h"
#include "io/endpoint.h"
#include "model/check.h"
#include "model/name_map.h"

struct check_target;
struct client;

struct check_here {
	struct check_result result;
	enum check_role role;             /* that it was looked at for */
	char address[ENDPOINT_TEXT_SIZE]; /* where; "" when it went nowhere */
};

/*
 * m: the names as they are; NULL: not known. What is wrong with the target is a result as well. 0, or -1
 * when it was interrupted. Clear it in either case.
 */
int check_here_run(struct check_here *out, struct client *client, const struct check_spec *s,
    const struct name_map *m, struct err *e);
/* Only where it would be: an address, nothing, or why it cannot be found. 0, or -1 when interrupted. */
int check_here_find(struct check_target *out, struct client *client, const struct check_spec *s,
    const struct name_map *m, struct err *e);
void check_here_clear(struct check_here *c);

#endif
