/* local.c: one request and the loop run until it is answered. */
#include "cli/local.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "operate/interrupt.h"
#include "operate/client.h"
#include "io/http.h"
#include "io/loop.h"

#define TURN_MS 100 /* how long Ctrl-C may go unnoticed */

struct fetch {
	bool is_done;
	int status;
	struct err err;
	struct str body;
};

static void
fetched(struct http_answer *a, void *arg)
{
	struct fetch *f = arg;

	f->is_done = true;
	f->err = a->err;
	f->status = a->status;
	f->body = a->body;
	a->body = (struct str)STR_INIT;
}

/* agent.http as a URL: "127.0.0.1:8753" or "unix:/run/pointsman/http.sock". */
static char *
url_of(const char *address)
{
	static const char local[] = "unix:";

	if (strncmp(address, local, sizeof(local) - 1) == 0)
		return mem_printf("unix://%s", address + sizeof(local) - 1);
	return mem_printf("http://%s", address);
}

static json_t *
answer_of(const struct fetch *f, const char *path, struct err *e)
{
	if (f->err.code != ERR_NONE) {
		if (e != NULL)
			*e = f->err;
		return NULL;
	}
	if (f->status != 200) {
		err_set(e, ERR_PROTOCOL, "%s: status %d", path, f->status);
		return NULL;
	}
	return json_parse(f->body.data, f->body.len, path, e);
}

json_t *
local_fetch(struct client *client, const char *path, struct err *e)
{
	const char *address = client->config->agent.http;
	struct http_request request = {
		.method = "GET",
		.path = path,
		.limit_ms = LOCAL_LIMIT_MS,
		.max_body = LOCAL_BODY_MAX,
	};
	struct http_peer peer = { .is_verified = true };
	struct fetch f = { .body = STR_INIT };
	json_t *answer = NULL;
	struct http *http;
	char *url;

	if (address == NULL || address[0] == '\0') {
		err_set(e, ERR_UNREACHABLE, "agent.http is not set");
		return NULL;
	}
	peer.url = url = url_of(address);
	if ((http = http_new(client->loop, &peer, e)) != NULL) {
		http_start(http, &request, fetched, &f);
		while (!f.is_done && !interrupt_is_pending(NULL))
			loop_turn(client->loop, TURN_MS);
		if (f.is_done)
			answer = answer_of(&f, path, e);
		else
			err_set(e, ERR_CANCELED, "stopped by the operator");
		http_free(http);
	}
	str_clear(&f.body);
	free(url);
	return answer;
}
