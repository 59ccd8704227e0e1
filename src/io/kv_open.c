/*
 * kv_open.c: which store an address means. Apart from kv.c, because the stores use that one.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/kv_impl.h"

static const struct {
	const char *scheme;
	struct kv *(*open)(struct loop *l, const struct kv_config *c, struct err *e);
} stores[] = {
	{ "file:", kvfile_new },
	{ "http://", consul_new },
	{ "https://", consul_new },
	{ "unix://", consul_new },
};

struct kv *
kv_new(struct loop *l, const struct kv_config *c, struct err *e)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	for (size_t i = 0; i < MEM_COUNT(stores); i++) {
		if (strncmp(c->address, stores[i].scheme, strlen(stores[i].scheme)) == 0)
			return stores[i].open(l, c, e);
	}
	err_set(e, ERR_CONFIG,
	    "%s is no address of a store: http://HOST:PORT, https://HOST:PORT, unix:///PATH "
	    "and file:/PATH are",
	    str_printable(shown, sizeof(shown), c->address, strlen(c->address)));
	return NULL;
}
