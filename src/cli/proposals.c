/* proposals.c: see proposals.h. */
#include "cli/proposals.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/report.h"
#include "cli/trouble.h"
#include "feature/pair_role.h"
#include "feature/proposal.h"
#include "model/name.h"
#include "operate/client.h"

static void
add_one(struct troubles *t, const struct config *config, const char *pair, const json_t *j)
{
	char *todo = proposal_command(j, pair, pair_find(config, pair));

	trouble_add(t, MARK_CRITICAL,
	    SHOWN_LONG(json_get_string(json_object_get(j, "lost"), "text", "")),
	    todo != NULL ? todo : "pointsman pairs",
	    "%s: a failover from %s to %s is proposed%s%s, %s: %s", pair,
	    SHOWN(json_get_string(j, "active", "?")), SHOWN(json_get_string(j, "standby", "?")),
	    proposal_is_tools(j) ? " by " : "",
	    proposal_is_tools(j) ? SHOWN(json_get_string(j, "proposed_by", "?")) : "",
	    SHOWN(json_get_string(j, "verdict", "?")), SHOWN_LONG(json_get_string(j, "what", "?")));
	free(todo);
}

int
proposals_load(json_t **out, struct client *client, struct err *e)
{
	char *prefix = config_key(client->config, PROPOSALS_PREFIX);
	struct kv_list list = { 0 };
	int rc = kv_wait_list(&client->wait, prefix, &list, NULL, e);

	if (rc == 0)
		*out = json_object();
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		const struct kv_entry *entry = &list.entries[i];
		const char *pair = entry->key + strlen(prefix);
		char ignored[NAME_SIZE];
		json_t *j = json_parse(entry->value, entry->value_len, "a proposal", NULL);

		/* The title of a pair looks as a node does. */
		if (json_is_object(j) && node_parse(pair, strlen(pair), ignored, NULL) == 0)
			json_object_set(*out, pair, j);
		json_decref(j);
	}
	kv_list_clear(&list);
	free(prefix);
	return rc;
}

int
proposals_add_troubles(struct troubles *t, struct client *client, struct err *e)
{
	json_t *all = NULL, *one;
	int rc = proposals_load(&all, client, e);
	const char *pair;

	json_object_foreach (all, pair, one)
		add_one(t, client->config, pair, one);
	json_decref(all);
	return rc;
}
