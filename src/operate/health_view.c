/* health_view.c: the board of the agents (feature/health_board.h), fed once. */
#include "operate/health_view.h"

#include <stdlib.h>

#include "base/mem.h"
#include "operate/client.h"
#include "feature/health.h"

struct health_board *
health_view_load(struct client *client, struct err *e)
{
	char *prefix = config_key(client->config, HEALTH_PREFIX);
	struct health_board *board = NULL;
	struct kv_list list = { 0 };
	bool ignored;

	if (kv_wait_list(&client->wait, prefix, &list, NULL, e) == 0) {
		board = health_board_new(prefix);
		health_board_feed(board, &list, true, &ignored);
	}
	kv_list_clear(&list);
	free(prefix);
	return board;
}

char *
health_view_mute_key(const struct client *client, const char *check)
{
	return mem_printf("%s" HEALTH_PREFIX ".mutes/%s", client->config->consul.root, check);
}
