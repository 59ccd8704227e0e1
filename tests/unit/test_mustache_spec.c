/*
 * test_mustache_spec.c: every case of the official Mustache specification (its required modules), from
 * the folder MUSTACHE_SPEC_DIR, by default ../shared/data/mustache-spec beside the source tree. The
 * files are not ours to ship: where they are not, the program is skipped and says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "model/json_datum.h"
#include "model/mustache.h"

#define EXIT_SKIPPED 77 /* automake's */

static char *spec_dir;
static size_t cases_passed;

static int
json_partial(const char *name, struct mustache_source *out, void *arg, struct err *e)
{
	const json_t *text = json_object_get(arg, name);

	(void)e;
	if (text != NULL) {
		out->text = mem_strdup(json_string_value(text));
		out->len = json_string_length(text);
	}
	return 0;
}

/* What the case renders to, or the message of its failure. */
static void
render(const json_t *test, struct str *out)
{
	const json_t *source = json_object_get(test, "template");
	struct datum root = json_datum(json_object_get(test, "data"));
	struct err e = { .code = ERR_NONE };
	struct mustache *m;

	m = mustache_new(json_string_value(source), json_string_length(source), "template",
	    json_partial, json_object_get(test, "partials"), &e);
	if (m != NULL)
		mustache_render(m, &root, ESCAPE_HTML, false, out, &e);
	mustache_free(m);
	str_adds(out, e.text);
}

static bool
passes(const json_t *test)
{
	const char *expected = json_string_value(json_object_get(test, "expected"));
	struct str got = STR_INIT;
	bool is_same;

	render(test, &got);
	is_same = strcmp(str_text(&got), expected) == 0;
	if (!is_same)
		printf("%s\nexpected: %s\ngot:      %s\n",
		    json_string_value(json_object_get(test, "name")), expected, str_text(&got));
	str_clear(&got);
	return is_same;
}

/* *state: the name of the file, and the cases that version 1.4 of the specification has in it */
struct module {
	const char *file;
	size_t count;
};

static void
a_module_of_the_specification(void **state)
{
	const struct module *module = *state;
	char *path = mem_printf("%s/%s", spec_dir, module->file);
	json_t *spec = json_load_file(path, 0, NULL), *test;
	size_t i, passed = 0;

	assert_non_null(spec);
	json_array_foreach (json_object_get(spec, "tests"), i, test)
		passed += passes(test);
	printf("%s: %zu of %zu cases pass\n", module->file, passed, i);
	assert_int_equal(passed, i);
	assert_true(i >= module->count);
	cases_passed += passed;
	json_decref(spec);
	free(path);
}

int
main(void)
{
	static struct module modules[] = {
		{ "comments.json", 12 },
		{ "delimiters.json", 14 },
		{ "interpolation.json", 42 },
		{ "inverted.json", 22 },
		{ "partials.json", 12 },
		{ "sections.json", 34 },
	};
	const char *dir = getenv("MUSTACHE_SPEC_DIR"), *srcdir = getenv("srcdir");
	struct CMUnitTest tests[MEM_COUNT(modules)];
	int failed;

	spec_dir = dir != NULL ? mem_strdup(dir)
			       : mem_printf("%s/../shared/data/mustache-spec",
				     srcdir != NULL ? srcdir : ".");
	if (access(spec_dir, R_OK | X_OK) == -1) {
		printf("the Mustache specification is NOT TESTED: it is not in %s "
		       "(MUSTACHE_SPEC_DIR may name another folder)\n",
		    spec_dir);
		free(spec_dir);
		return EXIT_SKIPPED;
	}
	for (size_t i = 0; i < MEM_COUNT(modules); i++)
		tests[i] = (struct CMUnitTest){
			.name = modules[i].file,
			.test_func = a_module_of_the_specification,
			.initial_state = &modules[i],
		};
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	printf("Mustache specification: %zu cases pass\n", cases_passed);
	free(spec_dir);
	return failed;
}
