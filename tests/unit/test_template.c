/*
 * test_template.c: template files: where they may come from, what is said of bad ones, and that those
 * which we ship are right in the language that they are for. haproxy and nginx judge theirs where
 * they are installed; where not, the program says that they did not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "feature/map_datum.h"
#include "feature/template.h"
#include "document.h"
#include "maps.h"

/* --- a directory of templates ------------------------------------------------------------------------- */

static char dir[] = "/tmp/test_template.XXXXXX";

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char *command = mem_printf("rm -r %s", dir);
	int rc = system(command);

	(void)state;
	free(command);
	return rc;
}

static void
write_template(const char *name, const char *text)
{
	char *path = file_join(dir, name);
	struct err e;

	if (file_replace(path, text, strlen(text), 0644, &e) == -1)
		fail_msg("%s", e.text);
	free(path);
}

static struct template *
load(const char *name, enum escape escape, enum template_mode mode, struct err *e)
{
	char *path = file_join(dir, name);
	struct template *t = template_load(path, escape, mode, e);

	free(path);
	return t;
}

/* The message without the directory, which has another name in each run. */
static const char *
without_dir(struct err *e)
{
	char *at;

	while ((at = strstr(e->text, dir)) != NULL)
		memmove(at, at + strlen(dir), strlen(at + strlen(dir)) + 1);
	return e->text;
}

static void
assert_load_fails(
    const char *name, enum template_mode mode, enum err_code code, const char *message)
{
	struct err e = { .code = ERR_NONE };

	assert_null(load(name, ESCAPE_NONE, mode, &e));
	assert_string_equal(without_dir(&e), message);
	assert_int_equal(e.code, code);
}

static char *
render(struct template *t, struct name_map *m)
{
	struct str out = STR_INIT;
	struct datum root;
	struct map_view v;
	struct err e;

	map_view_init(&v, m, "web-03", "service.consul", 0);
	root = map_view_datum(&v);
	if (template_render(t, &root, &out, &e) == -1)
		fail_msg("%s", e.text);
	map_view_clear(&v);
	return str_take(&out);
}

/* --- loading -------------------------------------------------------------------------------------------- */

static void
partials_lie_beside_the_template(void **state)
{
	struct name_map *m = maps_build("n=10.0.0.1", "a=n", NULL);
	struct template *t;
	struct err e;
	char *got;

	(void)state;
	write_template("main.conf", "{{#names}}\n  {{>one}}\n{{/names}}\n");
	write_template("one.mustache", "{{name}}\n{{>two-2.x}}\n");
	write_template("two-2.x.mustache", "{{address}}\n");
	if ((t = load("main.conf", ESCAPE_NONE, TEMPLATE_STRICT, &e)) == NULL)
		fail_msg("%s", e.text);
	assert_int_equal(template_check(t, &e), 0);
	got = render(t, m);
	assert_string_equal(got, "  a\n  10.0.0.1\n");
	free(got);
	template_free(t);
	name_map_unref(m);
}

static void
a_partial_cannot_leave_the_directory(void **state)
{
	static const char *const names[] = { "../etc/passwd", "/etc/passwd", "a/b", ".hidden", "..",
		"." };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(names); i++) {
		char *text = mem_printf("\n{{>%s}}", names[i]);
		char *message =
		    mem_printf("/t:2: {{>%s}}: a partial is a file beside the template: no "
			       "'/', no '.' in front",
			names[i]);

		write_template("t", text);
		assert_load_fails("t", TEMPLATE_STRICT, ERR_CONFIG, message);
		assert_load_fails("t", TEMPLATE_SPEC, ERR_CONFIG, message);
		free(message);
		free(text);
	}
}

static void
a_partial_that_is_not_there(void **state)
{
	struct name_map *m = maps_build("", "", NULL);
	struct template *t;
	struct err e;
	char *got;

	(void)state;
	write_template("t", "x\n[{{>none}}]");
	assert_load_fails("t", TEMPLATE_STRICT, ERR_NOT_FOUND,
	    "/t:2: {{>none}}: cannot open /none.mustache: No such file or directory");
	t = load("t", ESCAPE_NONE, TEMPLATE_SPEC, &e);
	assert_non_null(t);
	got = render(t, m);
	assert_string_equal(got, "x\n[]");
	free(got);
	template_free(t);
	name_map_unref(m);
}

/* There is something of that name, so it is not the spec's nothing. */
static void
a_partial_that_cannot_be_read(void **state)
{
	char *path = file_join(dir, "folder.mustache");

	(void)state;
	write_template("t", "{{>folder}}");
	assert_int_equal(mkdir(path, 0755), 0);
	assert_load_fails("t", TEMPLATE_SPEC, ERR_IO,
	    "/t:1: {{>folder}}: /folder.mustache is not a regular file");
	free(path);
}

static void
a_template_of_the_current_directory(void **state)
{
	struct name_map *m = maps_build("", "", NULL);
	char *before = getcwd(NULL, 0), *got;
	struct template *t;
	struct err e;

	(void)state;
	write_template("t", "[{{>p}}]");
	write_template("p.mustache", "beside");
	assert_int_equal(chdir(dir), 0);
	t = template_load("t", ESCAPE_NONE, TEMPLATE_STRICT, &e);
	assert_int_equal(chdir(before), 0);
	assert_non_null(t);
	got = render(t, m);
	assert_string_equal(got, "[beside]");
	free(got);
	free(before);
	template_free(t);
	name_map_unref(m);
}

static void
a_bad_file_is_named(void **state)
{
	struct str large = STR_INIT;

	(void)state;
	assert_load_fails(
	    "none", TEMPLATE_SPEC, ERR_NOT_FOUND, "cannot open /none: No such file or directory");
	write_template("t", "{{#names}}\n{{/nodes}}");
	assert_load_fails(
	    "t", TEMPLATE_STRICT, ERR_CONFIG, "/t:2: {{/nodes}} where {{/names}} of line 1 is due");
	write_template("t", "{{>p}}");
	write_template("p.mustache", "\n\n{{#names}}");
	assert_load_fails(
	    "t", TEMPLATE_STRICT, ERR_CONFIG, "/p.mustache:3: section names is never closed");
	while (large.len <= 1 << 20)
		str_adds(&large, "0123456789abcdef");
	write_template("t", large.data);
	assert_load_fails("t", TEMPLATE_STRICT, ERR_LIMIT, "/t is larger than 1048576 bytes");
	str_clear(&large);
}

/* --- checking --------------------------------------------------------------------------------------------- */

static void
an_unknown_variable_is_found_wherever_it_stands(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "\n{{adress}}",
		    "/t:2: {{adress}} is not in the data; known here: generation, node, "
		    "domain, rendered_at, proof, names, nodes" },
		{ "{{#names}}{{#addresses}}{{#last_known}}{{x}}{{/last_known}}{{/addresses}}{{/"
		  "names}}",
		    "/t:1: {{x}} is not in the data; known here: address, node, ipv6, last_known, "
		    "name, "
		    "fqdn, env, addresses, generation, domain, rendered_at, proof, names, nodes" },
		{ "{{^names}}{{x}}{{/names}}", "/t:1: {{x}} is not in the data; known here: "
					       "generation, node, domain, rendered_at, "
					       "proof, names, nodes" },
		{ "{{#nodes}}{{#names}}{{name}}{{/names}}{{/nodes}}",
		    "/t:1: {{name}} is not in the data; known here: node, address, ipv6, "
		    "last_known, "
		    "names, meta, generation, domain, rendered_at, proof, nodes" },
		{ "{{#names}}{{addresses}}{{/names}}",
		    "/t:1: {{addresses}} is a list and no value; {{#addresses}} goes into it" },
		{ "{{names.name}}",
		    "/t:1: {{names.name}} is not in the data; known here: nothing" },
	};
	struct template *t;
	struct err e;

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		write_template("t", cases[i].text);
		t = load("t", ESCAPE_NONE, TEMPLATE_STRICT, &e);
		assert_non_null(t);
		assert_int_equal(template_check(t, &e), -1);
		assert_string_equal(without_dir(&e), cases[i].message);
		assert_int_equal(e.code, ERR_CONFIG);
		template_free(t);
	}
}

/* --- those that we ship ------------------------------------------------------------------------------------- */

static struct name_map *
build_map(void)
{
	static const char *const meta[] = { "note", "'; rm -rf / #\n\"}{{x}}", NULL };
	const struct raw_node noted = { .node = "db3", .address = "10.0.4.13", .meta = meta };
	const struct maps_extra extra = { .nodes = &noted, .node_count = 1 };
	struct name_map *m;

	m = maps_build_with("db4=10.0.4.14 six=fd00::6",
	    "maindb=db3,db4 db.eu=six ext=192.0.2.7,2001:db8::7 4x=db3 a-1=db3 a_1=db4", NULL,
	    &extra, NULL, NULL);
	m->generation = 8813;
	return m;
}

static char *
render_shipped(const char *name, enum escape escape, struct name_map *m)
{
	const char *srcdir = getenv("srcdir");
	char *path = mem_printf("%s/templates/%s", srcdir != NULL ? srcdir : ".", name);
	struct err e = { .code = ERR_NONE };
	struct template *t = template_load(path, escape, TEMPLATE_STRICT, &e);
	char *text;

	if (t == NULL || template_check(t, &e) == -1)
		fail_msg("%s", e.text);
	text = render(t, m);
	template_free(t);
	free(path);
	return text;
}

/* What the command writes, run in dir by sh; the exit status has to be 0. */
static char *
output_of(const char *command)
{
	char *line = mem_printf("cd %s && { %s; } 2>&1", dir, command);
	FILE *f = popen(line, "r");
	struct str out = STR_INIT;
	char chunk[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		str_add(&out, chunk, n);
	if (pclose(f) != 0)
		fail_msg("%s: %s", command, str_text(&out));
	free(line);
	return str_take(&out);
}

static bool
is_installed(const char *program)
{
	char *command = mem_printf("PATH=$PATH:/usr/sbin command -v %s >/dev/null", program);
	bool is_there = system(command) == 0;

	free(command);
	if (!is_there)
		printf("NOT TESTED: the template for %s, because it is not installed\n", program);
	return is_there;
}

static void
hosts_is_what_dnsmasq_reads(void **state)
{
	struct name_map *m = build_map();
	char *text = render_shipped("hosts.mustache", ESCAPE_NONE, m);
	const char *lines = text;

	(void)state;
	while (*lines == '#')
		lines = strchr(lines, '\n') + 1;
	assert_string_equal(lines, "fd70:6d::226d\tgeneration.pointsman.internal\n"
				   "10.0.4.13\t4x.service.consul 4x\n"
				   "10.0.4.13\ta-1.service.consul a-1\n"
				   "10.0.4.14\ta_1.service.consul a_1\n"
				   "fd00::6\tdb.eu.service.consul db.eu\n"
				   "192.0.2.7\text.service.consul ext\n"
				   "2001:db8::7\text.service.consul ext\n"
				   "10.0.4.13\tmaindb.service.consul maindb\n"
				   "10.0.4.14\tmaindb.service.consul maindb\n");
	free(text);
	name_map_unref(m);
}

/* With each escape that makes sense: the shell reads back the same. */
static void
env_is_what_a_shell_sources(void **state)
{
	static const enum escape escapes[] = { ESCAPE_NONE, ESCAPE_SHELL };
	struct name_map *m = build_map();

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(escapes); i++) {
		char *text = render_shipped("env.mustache", escapes[i], m), *got;

		write_template("env", text);
		got = output_of(
		    "env -i sh -euc '. ./env; set' | grep -E '^(_4X|A|DB|EXT|MAIN|POINTS)'");
		assert_string_equal(got, "DB_EU_ADDRESS='fd00::6'\n"
					 "DB_EU_ADDRESSES='fd00::6'\n"
					 "DB_EU_NODE='six'\n"
					 "EXT_ADDRESS='192.0.2.7'\n"
					 "EXT_ADDRESSES='192.0.2.7,2001:db8::7'\n"
					 "EXT_NODE='192.0.2.7'\n"
					 "MAINDB_ADDRESS='10.0.4.13'\n"
					 "MAINDB_ADDRESSES='10.0.4.13,10.0.4.14'\n"
					 "MAINDB_NODE='db3'\n"
					 "POINTSMAN_GENERATION='8813'\n"
					 "_4X_ADDRESS='10.0.4.13'\n"
					 "_4X_ADDRESSES='10.0.4.13'\n"
					 "_4X_NODE='db3'\n");
		assert_non_null(strstr(text, "a_1"));
		free(got);
		free(text);
	}
	name_map_unref(m);
}

/* The template is the whole of the data, but for what differs between agents or runs. */
static void
names_json_is_the_document(void **state)
{
	static const enum escape escapes[] = { ESCAPE_NONE, ESCAPE_JSON };
	struct name_map *maps[] = { build_map(), maps_build("", "", NULL) };

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(maps) * MEM_COUNT(escapes); i++) {
		struct name_map *m = maps[i / MEM_COUNT(escapes)];
		char *text =
		    render_shipped("names.json.mustache", escapes[i % MEM_COUNT(escapes)], m);
		struct map_view v;
		struct datum root;
		json_t *got, *wanted, *node;
		struct err e;
		size_t k;

		map_view_init(&v, m, "web-03", "service.consul", 0);
		root = map_view_datum(&v);
		wanted = document_of(&root);
		json_object_set_new(wanted, "generation", json_integer((json_int_t)m->generation));
		json_object_del(wanted, "node");
		json_object_del(wanted, "rendered_at");
		json_array_foreach (json_object_get(wanted, "names"), k, node)
			json_object_del(node, "env");
		json_array_foreach (json_object_get(wanted, "nodes"), k, node)
			json_object_del(node, "meta");
		if ((got = json_parse(text, strlen(text), "names.json", &e)) == NULL)
			fail_msg("%s\n%s", e.text, text);
		assert_true(json_equal(got, wanted));
		json_decref(got);
		json_decref(wanted);
		map_view_clear(&v);
		free(text);
	}
	for (size_t i = 0; i < MEM_COUNT(maps); i++)
		name_map_unref(maps[i]);
}

static void
haproxy_accepts_its_template(void **state)
{
	struct name_map *m = build_map();
	char *text = render_shipped("haproxy.mustache", ESCAPE_NONE, m);

	(void)state;
	assert_non_null(strstr(text, "\nbackend db.eu\n\tmode tcp\n\tserver six [fd00::6]\n"));
	assert_non_null(strstr(text, "\nbackend maindb\n\tmode tcp\n\tserver db3 10.0.4.13\n"
				     "\tserver db4 10.0.4.14\n"));
	if (is_installed("haproxy")) {
		write_template("names.cfg", text);
		write_template("haproxy.cfg", "global\n\tmaxconn 10\ndefaults\n\tmode tcp\n"
					      "\ttimeout connect 1s\n\ttimeout client 1s\n"
					      "\ttimeout server 1s\nfrontend db\n"
					      "\tbind 127.0.0.1:13306\n\tdefault_backend maindb\n");
		free(output_of("PATH=$PATH:/usr/sbin haproxy -c -f haproxy.cfg -f names.cfg"));
	}
	free(text);
	name_map_unref(m);
}

static void
nginx_accepts_its_template(void **state)
{
	struct name_map *m = build_map();
	char *text = render_shipped("nginx-upstream.mustache", ESCAPE_NONE, m);

	(void)state;
	assert_non_null(strstr(text, "\nupstream ext {\n\tserver 192.0.2.7:80;\n"
				     "\tserver [2001:db8::7]:80;\n}\n"));
	if (is_installed("nginx")) {
		write_template("names.conf", text);
		write_template("nginx.conf", "pid nginx.pid;\nerror_log stderr;\nevents { }\n"
					     "http {\n\taccess_log off;\n\tinclude names.conf;\n"
					     "\tclient_body_temp_path t1; proxy_temp_path t2;\n"
					     "\tfastcgi_temp_path t3; uwsgi_temp_path t4;\n"
					     "\tscgi_temp_path t5;\n"
					     "\tserver { listen 127.0.0.1:13080; location / { "
					     "proxy_pass http://db.eu; } }\n}\n");
		free(output_of("PATH=$PATH:/usr/sbin nginx -t -p . -c nginx.conf"));
	}
	free(text);
	name_map_unref(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(partials_lie_beside_the_template),
		cmocka_unit_test(a_partial_cannot_leave_the_directory),
		cmocka_unit_test(a_partial_that_is_not_there),
		cmocka_unit_test(a_partial_that_cannot_be_read),
		cmocka_unit_test(a_template_of_the_current_directory),
		cmocka_unit_test(a_bad_file_is_named),
		cmocka_unit_test(an_unknown_variable_is_found_wherever_it_stands),
		cmocka_unit_test(hosts_is_what_dnsmasq_reads),
		cmocka_unit_test(env_is_what_a_shell_sources),
		cmocka_unit_test(names_json_is_the_document),
		cmocka_unit_test(haproxy_accepts_its_template),
		cmocka_unit_test(nginx_accepts_its_template),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
