/*
 * fuzz_mustache.c: the template engine. The input is cut at bytes that no UTF-8 text has (0xff): the
 * template, its data as JSON, the partials p, q and r. Beside what the sanitizers see, it holds the
 * engine to its header: what fails leaves the output alone, messages are printable, and what is
 * rendered strictly is rendered the same without.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/json_datum.h"
#include "model/mustache.h"

#define PARTS 5
#define KEPT "kept"

struct part {
	const char *text;
	size_t len;
};

static void
require(bool is_so)
{
	if (!is_so)
		abort();
}

static void
cut(const char *text, size_t len, struct part parts[PARTS])
{
	for (size_t i = 0; i < PARTS; i++) {
		const char *end = i + 1 < PARTS ? memchr(text, 0xff, len) : NULL;
		size_t n = end != NULL ? (size_t)(end - text) : len;

		parts[i] = (struct part){ text, n };
		text += n;
		len -= n;
		if (end != NULL) {
			text++;
			len--;
		}
	}
}

static int
partial(const char *name, struct mustache_source *out, void *arg, struct err *e)
{
	const struct part *parts = arg;

	(void)e;
	if (name[0] < 'p' || name[0] > 'r' || name[1] != '\0')
		return 0;
	out->text = mem_strndup(parts[name[0] - 'p'].text, parts[name[0] - 'p'].len);
	out->len = strlen(out->text);
	return 0;
}

static void
require_failure(const struct err *e)
{
	require(e->code == ERR_CONFIG || e->code == ERR_LIMIT);
	require(e->text[0] != '\0');
	for (const char *c = e->text; *c != '\0'; c++)
		require((unsigned char)*c >= ' ' && *c != 0x7f);
}

static int
render(const struct mustache *m, const struct datum *root, enum escape escape, bool is_strict,
    struct str *out)
{
	struct err e = { .code = ERR_NONE };
	int rc;

	str_adds(out, KEPT);
	rc = mustache_render(m, root, escape, is_strict, out, &e);
	require(out->data[out->len] == '\0');
	require(memcmp(out->data, KEPT, strlen(KEPT)) == 0);
	if (rc == 0)
		return 0;
	require_failure(&e);
	require(out->len == strlen(KEPT));
	require(is_strict || e.code == ERR_LIMIT);
	return -1;
}

static void
run(const struct mustache *m, const struct datum *root)
{
	struct err e = { .code = ERR_NONE };

	for (int escape = ESCAPE_NONE; escape <= ESCAPE_SHELL; escape++) {
		struct str strict = STR_INIT, loose = STR_INIT;
		int strict_rc = render(m, root, (enum escape)escape, true, &strict);
		int loose_rc = render(m, root, (enum escape)escape, false, &loose);

		if (strict_rc == 0)
			require(loose_rc == 0 && strict.len == loose.len &&
				memcmp(strict.data, loose.data, strict.len) == 0);
		str_clear(&strict);
		str_clear(&loose);
		if (loose_rc == -1)
			break; /* a limit, which takes its time: once is enough */
	}
	if (mustache_check(m, root, &e) == -1)
		require_failure(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { .code = ERR_NONE };
	struct part parts[PARTS];
	struct mustache *m;
	struct datum root;
	json_t *json;

	cut((const char *)data, size, parts);
	m = mustache_new(parts[0].text, parts[0].len, "t", partial, parts + 2, &e);
	if (m == NULL) {
		require_failure(&e);
		return 0;
	}
	if ((json = json_parse(parts[1].text, parts[1].len, "data", &e)) == NULL)
		json = json_object();
	root = json_datum(json);
	run(m, &root);
	json_decref(json);
	mustache_free(m);
	return 0;
}
