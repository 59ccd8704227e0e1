/* bell.c: the canary comes last in the transaction: its new time is what the read-back looks for. */
#include "cli/bell.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "operate/view.h"

void
bell_write(struct client *client, const struct view *v, const struct kv_op *op,
    const char *accepted, struct write_result *out)
{
	char *key = config_name_key(client->config, CANARY_NAME);
	struct canary c = v->canary;
	struct str text = STR_INIT;
	struct kv_op ops[2];
	size_t count = 0;

	if (v->is_canary_valid)
		canary_touch(&c, clock_wall_ms());
	else
		canary_new(&c, clock_wall_ms());
	if (accepted != NULL)
		snprintf(c.accepted, sizeof(c.accepted), "%s", accepted);
	canary_add_text(&text, &c);
	if (op != NULL)
		ops[count++] = *op;
	ops[count++] = (struct kv_op){ .kind = KV_OP_CAS,
		.key = key,
		.value = text.data,
		.value_len = text.len,
		.index = v->canary_index };
	client_write(client, ops, count, out);
	str_clear(&text);
	free(key);
}
