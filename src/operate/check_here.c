/*
 * check_here.c: finds the target as the agents do, and runs the loop until the probe has answered. The
 * probe keeps its own limit; nothing here waits without one.
 */
#include "operate/check_here.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "operate/client.h"
#include "feature/check_target.h"
#include "feature/check_type.h"
#include "feature/pair_role.h"
#include "io/loop.h"
#include "io/resolve.h"

#define TURN_MS 50 /* how long Ctrl-C may go unnoticed */

struct run {
	struct check_here *out;
	bool is_done;
	struct resolve_result resolved;
};

static void
probed(struct check_result *r, void *arg)
{
	struct run *run = arg;

	run->out->result = *r;
	r->view = NULL; /* taken */
	run->is_done = true;
}

static void
resolved(const struct resolve_result *r, void *arg)
{
	struct run *run = arg;

	run->resolved = *r;
	run->is_done = true;
}

/* An operation that has begun is not: its undo needs to look, too. */
static bool
is_interrupted(const struct client *client)
{
	const struct kv_waiter *wait = &client->wait;

	return wait->is_canceled != NULL && wait->is_canceled(wait->arg);
}

static int
wait_for(struct run *run, struct client *client, struct err *e)
{
	while (!run->is_done && !is_interrupted(client))
		loop_turn(client->loop, TURN_MS);
	return run->is_done ? 0 : err_set(e, ERR_CANCELED, "stopped by the operator");
}

/* A host that is neither a name nor a node: 0 with the endpoint, or with a result that says why not. */
static int
resolve(struct run *run, struct client *client, const struct check_spec *s,
    struct check_target *target, struct err *e)
{
	struct resolve *q = resolve_start(
	    client->loop, s->target, target->port, s->timing.timeout_ms, NULL, resolved, run);

	if (wait_for(run, client, e) != 0) {
		resolve_cancel(q);
		return -1;
	}
	loop_turn(client->loop, 0); /* what has answered frees itself in the next turn */
	run->is_done = false;
	if (run->resolved.err.code == ERR_NONE) {
		target->kind = CHECK_TARGET_ADDRESS;
		target->endpoint = run->resolved.endpoint;
	} else {
		target->kind = CHECK_TARGET_BAD;
		target->err = run->resolved.err;
	}
	return 0;
}

int
check_here_find(struct check_target *out, struct client *client, const struct check_spec *s,
    const struct name_map *m, struct err *e)
{
	struct run run = { .out = NULL };

	check_target_find(out, s, check_type_find(s->type), m);
	return out->kind == CHECK_TARGET_HOST ? resolve(&run, client, s, out, e) : 0;
}

static int
probe(struct run *run, struct client *client, const struct check_spec *s,
    const struct check_type *type, const struct check_target *target, struct err *e)
{
	struct check_run how = {
		.endpoint = target->kind == CHECK_TARGET_ADDRESS ? &target->endpoint : NULL,
		.role = run->out->role,
		.limit_ms = s->timing.timeout_ms,
	};
	void *p = type->open(client->loop, s);
	int rc;

	type->start(p, &how, probed, run);
	rc = wait_for(run, client, e);
	type->close(p);
	return rc;
}

int
check_here_run(struct check_here *out, struct client *client, const struct check_spec *s,
    const struct name_map *m, struct err *e)
{
	const struct check_type *type = check_type_find(s->type);
	struct run run = { .out = out };
	struct check_target target;

	memset(out, 0, sizeof(*out));
	out->role = pair_role(client->config, s, m);
	if (check_here_find(&target, client, s, m, e) != 0)
		return -1;
	if (target.kind == CHECK_TARGET_BAD) {
		check_result_set(&out->result, CHECK_RESOLVE, "%s", target.err.text);
		return 0;
	}
	if (target.kind == CHECK_TARGET_ADDRESS)
		endpoint_format(out->address, &target.endpoint);
	return probe(&run, client, s, type, &target, e);
}

void
check_here_clear(struct check_here *c)
{
	check_result_clear(&c->result);
}
