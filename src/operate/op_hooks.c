/*
 * op_hooks.c: a hook of an operation is part of it: its outcome counts, so there is no queue and no
 * second try as in feature/hook_runner.c. What a hook does twice when an operation is resumed is its own
 * affair: the document has the operation's id.
 */
#include "operate/op_hooks.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "feature/config.h"
#include "io/exec.h"
#include "operate/op_command.h"

static const struct {
	const char *name; /* in `on` of a hook block */
	const char *key;  /* of a pair */
	size_t offset;    /* of that in struct config_pair */
} events[] = {
	[OP_HOOK_BEGIN] = { "op-begin", "pre-hook", offsetof(struct config_pair, pre_hook) },
	[OP_HOOK_DONE] = { "op-done", "post-hook", offsetof(struct config_pair, post_hook) },
	[OP_HOOK_FAILED] = { "op-failed", "failed-hook",
	    offsetof(struct config_pair, failed_hook) },
};

/* What all of one event are given. */
struct telling {
	struct loop *loop;
	struct str input;
	char index[64];
};

static char *const *
own_hook(const struct config_pair *pair, enum op_hook_event event)
{
	if (pair == NULL)
		return NULL;
	return *(char **const *)((const char *)pair + events[event].offset);
}

static bool
is_wanted(const struct config_hook *h, enum op_hook_event event)
{
	for (char **on = h->on; on != NULL && *on != NULL; on++) {
		if (strcmp(*on, events[event].name) == 0)
			return true;
	}
	return false;
}

bool
op_hooks_any(const struct config *c, const struct config_pair *pair, enum op_hook_event event)
{
	for (size_t i = 0; i < c->hook_count; i++) {
		if (is_wanted(&c->hooks[i], event))
			return true;
	}
	return own_hook(pair, event) != NULL;
}

static void
telling_init(struct telling *t, struct loop *l, enum op_hook_event event, uint64_t generation,
    const json_t *document)
{
	json_t *told = document != NULL ? json_deep_copy(document) : json_object();

	*t = (struct telling){ .loop = l };
	json_object_set_new(told, "event", json_string(events[event].name));
	json_object_set_new(told, "generation", json_integer((json_int_t)generation));
	json_write(&t->input, told);
	str_addc(&t->input, '\n');
	json_decref(told);
	snprintf(t->index, sizeof(t->index), "CONSUL_INDEX=%llu", (unsigned long long)generation);
}

static int
run(const struct telling *t, char *const *argv, int64_t limit_ms, struct err *e)
{
	const char *const env[] = { t->index, NULL };
	const struct exec_spec spec = { .argv = (const char *const *)argv,
		.env = env,
		.input = t->input.data,
		.input_len = t->input.len,
		.limit_ms = limit_ms };
	struct str text = STR_INIT;
	struct exec_result r;

	if (op_program_run(t->loop, &spec, NULL, NULL, &r, e) != 0)
		return -1;
	if (r.exit_status == 0)
		return 0;
	op_program_add_end(&text, &r);
	err_set(e, ERR_UNAVAILABLE, "%s", str_text(&text));
	str_clear(&text);
	return -1;
}

/* Those of hook blocks; first keeps the first failure of all. */
static void
run_blocks(
    const struct telling *t, const struct config *c, enum op_hook_event event, struct err *first)
{
	for (size_t i = 0; i < c->hook_count; i++) {
		const struct config_hook *h = &c->hooks[i];
		struct err e;

		if (event == OP_HOOK_BEGIN && first->code != ERR_NONE)
			return;
		if (!is_wanted(h, event) || run(t, h->command, h->limit_ms, &e) == 0)
			continue;
		err_wrap(&e, "hook %s", h->name);
		if (first->code == ERR_NONE)
			*first = e;
	}
}

int
op_hooks_run(struct loop *l, const struct config *c, const struct config_pair *pair,
    enum op_hook_event event, uint64_t generation, const json_t *document, struct err *e)
{
	char *const *own = own_hook(pair, event);
	struct err first = { 0 };
	struct telling t;

	telling_init(&t, l, event, generation, document);
	if (own != NULL && run(&t, own, pair->hook_limit_ms, &first) != 0)
		err_wrap(&first, "%s of the pair %s", events[event].key, pair->name);
	run_blocks(&t, c, event, &first);
	str_clear(&t.input);
	if (first.code == ERR_NONE)
		return 0;
	if (e != NULL)
		*e = first;
	return -1;
}
