/*
 * op_node.c: the fence-command is run on this host, by the operator's rights, and nothing else is taken for
 * its success than its exit status 0: an operation that is not sure of it does not begin.
 */
#include "operate/op_node.h"

#include <stdio.h>

#include "base/str.h"
#include "feature/check_target.h"
#include "feature/config.h"
#include "operate/check_here.h"
#include "operate/client.h"
#include "operate/gather_impl.h"
#include "operate/op_command.h"
#include "operate/view.h"

int
op_node_address(struct op *op, const char *node, char out[ENDPOINT_TEXT_SIZE], struct err *e)
{
	const struct check_spec *spec = gather_find_spec(op->client->config, op->pair, node);
	struct check_target target;
	struct view view = { 0 };
	int rc = view_load(&view, op->client, e);

	if (rc == 0 && (rc = check_here_find(&target, op->client, spec, view.map, e)) == 0) {
		out[0] = '\0';
		if (target.kind == CHECK_TARGET_ADDRESS)
			endpoint_format_host(out, &target.endpoint);
	}
	view_clear(&view);
	return rc;
}

bool
op_has_fence_command(const struct op *op)
{
	return op->pair->fence != NULL;
}

int
op_fence_command(struct op *op, struct err *e)
{
	char address[ENDPOINT_TEXT_SIZE];
	struct exec_result result;
	struct str end = STR_INIT;
	int rc;

	if (op_node_address(op, op->journal->from, address, e) != 0)
		return -1;
	if (op_command_run(op->client->loop, op->pair->fence, op->journal->from, address,
		op->pair->hook_limit_ms, NULL, NULL, &result, e) != 0)
		return err_wrap(e, "fence-command");
	op_program_add_end(&end, &result);
	rc = result.exit_status == 0
		 ? 0
		 : err_set(e, ERR_CONFLICT, "fence-command %.200s", str_text(&end));
	if (rc == 0)
		op_note(op, "%.200s", str_text(&end));
	str_clear(&end);
	return rc;
}
