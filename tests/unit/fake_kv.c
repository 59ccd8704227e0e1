/* fake_kv.c: two slots, one for a blocking read and one for a plain one, as a watch has them. */
#include "fake_kv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/kv_impl.h"

struct fake_kv {
	struct kv base;
	struct fake_read blocking, plain;
};

static struct fake_kv *
fake(struct kv *kv)
{
	return (struct fake_kv *)kv;
}

static void
fake_free(struct kv *kv)
{
	free(kv);
}

static void
fake_release(struct kv_call *c)
{
	struct fake_kv *f = fake(c->kv);

	if (f->blocking.call == c)
		f->blocking.call = NULL;
	if (f->plain.call == c)
		f->plain.call = NULL;
}

static struct kv_call *
fake_list(struct kv *kv, const char *prefix, const struct kv_read *r, kv_done_fn *done, void *arg)
{
	struct kv_call *c = mem_alloc(sizeof(*c));
	struct fake_read *slot = r->index != 0 ? &fake(kv)->blocking : &fake(kv)->plain;

	(void)prefix;
	kv_call_begin(c, kv, done, arg);
	if (slot->call != NULL)
		abort(); /* a watch has one read of a kind */
	slot->call = c;
	slot->read = *r;
	return c;
}

struct kv *
fake_kv_new(struct loop *l)
{
	static const struct kv_ops ops = {
		.is_file = true, .free = fake_free, .release = fake_release, .list = fake_list
	};
	struct fake_kv *f = mem_alloc(sizeof(*f));

	kv_init(&f->base, &ops, l, "fake");
	return &f->base;
}

struct fake_read *
fake_kv_blocking(struct kv *kv)
{
	return &fake(kv)->blocking;
}

struct fake_read *
fake_kv_plain(struct kv *kv)
{
	return &fake(kv)->plain;
}

void
fake_kv_answer(struct fake_read *r, uint64_t index, const char *pairs)
{
	struct kv_answer a = { .index = index };
	char *words = mem_strdup(pairs != NULL ? pairs : ""), *rest = words, *word;

	if (pairs == NULL)
		err_set(&a.err, ERR_UNAVAILABLE, "No cluster leader");
	while ((word = strsep(&rest, " ")) != NULL) {
		char *value = strchr(word, '=');

		if (value == NULL)
			continue;
		*value++ = '\0';
		struct kv_entry *e = kv_list_push(&a.list);

		e->key = arena_strndup(&a.list.arena, word, strlen(word));
		e->value = arena_strndup(&a.list.arena, value, strlen(value));
		e->value_len = strlen(value);
		e->modify_index = index;
	}
	free(words);
	kv_call_finish(r->call, &a);
}
