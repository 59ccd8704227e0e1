/*
 * template.c: where a template's text comes from, and what it may ask for.
 *
 * A partial is named like a file and nothing else: no slash, no dot at its beginning. So a template
 * that was made from foreign text cannot read /etc/shadow into a file that everybody reads.
 */
#include "feature/template.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "feature/map_datum.h"
#include "model/mustache.h"

#define PARTIAL_SUFFIX ".mustache"

struct template
{
	struct mustache *mustache;
	enum escape escape;
	enum template_mode mode;
};

/* --- loading ---------------------------------------------------------------------------------------- */

struct loader {
	char *dir;
	enum template_mode mode;
};

static bool
is_file_name(const char *name)
{
	return name[0] != '.' && strchr(name, '/') == NULL;
}

static int
load_partial(const char *name, struct mustache_source *out, void *arg, struct err *e)
{
	const struct loader *l = arg;
	struct str text = STR_INIT;
	struct err why;
	char *file, *path;
	char shown[STR_SHOW_MAX * 4 + 4];
	int rc = 0;

	str_printable(shown, sizeof(shown), name, strlen(name));
	if (!is_file_name(name))
		return err_set(e, ERR_CONFIG,
		    "{{>%s}}: a partial is a file beside the template: no '/', no '.' in front",
		    shown);
	file = mem_printf("%s" PARTIAL_SUFFIX, name);
	path = file_join(l->dir, file);
	if (file_read(path, MUSTACHE_SOURCE_MAX, &text, &why) == 0) {
		*out = (struct mustache_source){ .len = text.len, .label = path };
		out->text = str_take(&text);
		path = NULL;
	} else if (why.code != ERR_NOT_FOUND || l->mode == TEMPLATE_STRICT) {
		err_set(e, why.code, "{{>%s}}: %s", shown, why.text);
		rc = -1;
	}
	str_clear(&text);
	free(path);
	free(file);
	return rc;
}

/* path up to and with its last slash; "": the current directory */
static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return mem_strndup(path, slash != NULL ? (size_t)(slash + 1 - path) : 0);
}

struct template *
template_load(const char *path, enum escape escape, enum template_mode mode, struct err *e)
{
	struct loader l = { .dir = directory_of(path), .mode = mode };
	struct template *t = NULL;
	struct mustache *m = NULL;
	struct str text = STR_INIT;

	if (file_read(path, MUSTACHE_SOURCE_MAX, &text, e) == 0)
		m = mustache_new(text.data, text.len, path, load_partial, &l, e);
	if (m != NULL) {
		t = mem_alloc(sizeof(*t));
		*t = (struct template){ m, escape, mode };
	}
	str_clear(&text);
	free(l.dir);
	return t;
}

void
template_free(struct template *t)
{
	if (t == NULL)
		return;
	mustache_free(t->mustache);
	free(t);
}

int
template_render(const struct template *t, const struct datum *root, struct str *out, struct err *e)
{
	return mustache_render(t->mustache, root, t->escape, t->mode == TEMPLATE_STRICT, out, e);
}

/* --- checking --------------------------------------------------------------------------------------- */

/* One of everything, in the shape of a real map. */
static int
check_against_sample(const struct template *t, const struct name_map *map, struct err *e)
{
	struct map_view view;
	struct datum root;
	int rc;

	map_view_init(&view, map, "node", "domain", 0);
	root = map_view_datum(&view);
	rc = mustache_check(t->mustache, &root, e);
	map_view_clear(&view);
	return rc;
}

int
template_check(const struct template *t, struct err *e)
{
	const char *const no_meta[] = { NULL };
	struct node node = { .node = "node", .address = "192.0.2.1", .meta = no_meta };
	struct node_table nodes = { .refs = 1, .nodes = &node, .count = 1 };
	struct name_address address = { .address = node.address, .node = node.node, .node_at = 0 };
	struct name name = { .name = "name", .value = "node", .addresses = &address, .count = 1 };
	const struct name_map map = { .refs = 1, .names = &name, .count = 1, .nodes = &nodes };

	return check_against_sample(t, &map, e);
}
