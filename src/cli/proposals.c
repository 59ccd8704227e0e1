/* proposals.c: see proposals.h. */
#include "cli/proposals.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "operate/client.h"
#include "cli/report.h"
#include "cli/trouble.h"
#include "model/name.h"

#define PROPOSALS_PREFIX "proposals/"

/* A person types what stands here: it is one of our own two commands, or none. */
static char *
command_of(const json_t *proposal, const char *pair)
{
	const char *said = json_get_string(proposal, "command", "");
	char *planned = mem_printf("pointsman failover %s", pair);
	char *emergency = mem_printf("%s --emergency", planned);
	bool is_ours = strcmp(said, planned) == 0 || strcmp(said, emergency) == 0;

	free(planned);
	free(emergency);
	return mem_strdup(is_ours ? said : "pointsman pairs");
}

static void
add_one(struct troubles *t, const struct kv_entry *entry, const char *pair)
{
	json_t *j = json_parse(entry->value, entry->value_len, "a proposal", NULL);
	char ignored[NAME_SIZE], *todo;

	/* The title of a pair looks as a node does. */
	if (json_is_object(j) && node_parse(pair, strlen(pair), ignored, NULL) == 0) {
		todo = command_of(j, pair);
		trouble_add(t, MARK_CRITICAL,
		    SHOWN_LONG(json_get_string(json_object_get(j, "lost"), "text", "")), todo,
		    "%s: a failover from %s to %s is proposed, %s: %s", pair,
		    SHOWN(json_get_string(j, "active", "?")),
		    SHOWN(json_get_string(j, "standby", "?")),
		    SHOWN(json_get_string(j, "verdict", "?")),
		    SHOWN_LONG(json_get_string(j, "what", "?")));
		free(todo);
	}
	json_decref(j);
}

int
proposals_add_troubles(struct troubles *t, struct client *client, struct err *e)
{
	char *prefix = config_key(client->config, PROPOSALS_PREFIX);
	struct kv_list list = { 0 };
	int rc = kv_wait_list(&client->wait, prefix, &list, NULL, e);

	for (size_t i = 0; rc == 0 && i < list.count; i++)
		add_one(t, &list.entries[i], list.entries[i].key + strlen(prefix));
	kv_list_clear(&list);
	free(prefix);
	return rc;
}
