/*
 * fuzz_watch_hook.c: what a watch handler is given, all the way: the reader, the store, the map, the
 * lines of a hosts file. Whatever stands in one answer, no name that is served vanishes, no name loses
 * its address, and nothing but names and addresses reaches the file.
 */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "feed.h"
#include "feature/config.h"
#include "feature/store.h"
#include "io/kv_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INDEX ",\"CreateIndex\":1,\"ModifyIndex\":1"

static const char *const served[] = { "maindb", "shard-001", "db.eu" };

static void
feed_text(struct store *s, const char *json, bool is_consistent)
{
	struct kv_answer a = { .index = 7 };
	bool is_news;

	must(feed_pieces(consul_reader_new_keys("pointsman/n", false), (const uint8_t *)json,
		 strlen(json), strlen(json), &a) == 0);
	store_feed_keys(s, 0, &a, is_consistent, &is_news);
	kv_answer_clear(&a);
}

/* A store that serves three names on two nodes. */
static struct store *
begin(const struct config *c)
{
	struct store *s = store_new(c, NULL);
	struct kv_answer nodes = { 0 }, hold = { 0 };
	bool is_news;

	feed_text(s,
	    "[{\"Key\":\"pointsman/names/.pointsman\",\"Value\":\"e30=\"" INDEX "},"
	    "{\"Key\":\"pointsman/names/db.eu\",\"Value\":\"ZGIz\"" INDEX "},"
	    "{\"Key\":\"pointsman/names/maindb\",\"Value\":\"ZGIz\"" INDEX "},"
	    "{\"Key\":\"pointsman/names/shard-001\",\"Value\":\"MTAuMC4wLjk=\"" INDEX "},"
	    "{\"Key\":\"pointsman/nodes/db3\",\"Value\":\"MTAuMC4wLjM=\"" INDEX "}]",
	    true);
	store_feed_nodes(s, &nodes, &is_news);
	store_feed_hold(s, &hold);
	store_set_base(s, store_map(s));
	must(store_map(s)->count == 3);
	return s;
}

static void
check_name(const struct name *n)
{
	must(n->count > 0);
	for (const char *c = n->name; *c != '\0'; c++)
		must(isalnum((unsigned char)*c) || strchr("-_.", *c) != NULL);
	for (uint32_t i = 0; i < n->count; i++) {
		const char *address = n->addresses[i].address;

		must(
		    address[0] != '\0' && strspn(address, "0123456789abcdef.:") == strlen(address));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config c;
	struct kv_answer a = { .index = 8 };
	struct kv_answer hold = { 0 };
	struct store *s;
	bool is_news;

	if (size < 1)
		return 0;
	c.agent.state_dir = (char *)"/nonexistent";
	c.agent.domain = (char *)"service.consul";
	c.consul.root = (char *)"pointsman/";
	c.consul.names = (char *)"pointsman/names/";
	s = begin(&c);
	if (feed_pieces(consul_reader_new_keys("pointsman/n", false), data + 1, size - 1,
		(size_t)data[0] % 64 + 1, &a) == 0) {
		const struct name_map *m;

		store_feed_keys(s, 0, &a, data[0] & 128, &is_news);
		store_feed_hold(s, &hold);
		m = store_map(s);
		for (size_t i = 0; i < MEM_COUNT(served); i++)
			must(name_map_find(m, served[i]) != NULL);
		for (size_t i = 0; i < m->count; i++)
			check_name(&m->names[i]);
	}
	kv_answer_clear(&a);
	store_free(s);
	return 0;
}
