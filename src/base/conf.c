/*
 * conf.c: libconfuse reads; this file listens. An operator shall see all that is wrong with a file
 * at once and in its place, and a daemon reads it again at every reload. libconfuse 3.3 is not made
 * for that, so it is led, and each detour below has its reason:
 *
 *   every key is a list of strings with a parse callback, which notes value and line in our tree:
 *     afterwards libconfuse knows no lines, and of a key given twice only the last value
 *   an unknown key ends its parse (told to ignore them, it does not say which, and loses its place
 *     behind a list in an unknown block): so the key is learned, as a value, a block or a block with
 *     a title, whichever fits, and the text is read again
 *   included files are read one after the other, each by itself: an error in a file that libconfuse
 *     includes costs a descriptor and one of its ten slots for as long as the process lives
 *   messages are compared with its own, in the C locale: it has no codes
 *
 * Its callbacks get no pointer from us, hence the one static; it is not reentrant itself.
 */
#include "base/conf.h"

#include <confuse.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_text.h"
#include "base/file.h"
#include "base/mem.h"

#define LEARNED_MAX 200   /* unknown keys: each costs one more reading of the text */
#define BLOCK_DEPTH_MAX 4 /* of blocks in blocks; we have no use for any */
#define PROBLEM_MAX 1000  /* bytes of a line: three paths fit */

enum shape { SHAPE_VALUE, SHAPE_BLOCK, SHAPE_TITLED, SHAPE_NONE };

/* A key that nobody told us of. */
struct learned {
	char *block; /* the block it stands in; "root" is libconfuse's name for the outside */
	char *key;
	enum shape shape;
};

/* A block that has begun. */
struct open_block {
	const cfg_t *section;
	struct conf_entry *entry;
};

/* One file. */
struct reading {
	struct conf *conf;
	const struct conf_block *blocks;
	struct str *problems;
	const char *file; /* printable */
	struct learned *learned;
	size_t learned_count;
	/* of one reading of the text: */
	cfg_t *root;
	struct conf_entry *first, **tail;
	struct open_block open[BLOCK_DEPTH_MAX + 1];
	size_t open_count;
	struct conf_entry *includes, **includes_tail;
	bool is_new; /* it ended because something was learned */
	bool is_cut; /* it has been told what is wrong with the end of the text */
};

static struct reading *reading;

void
conf_problem(struct str *problems, const struct conf_where *where, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	if (where->file != NULL) {
		str_add_printable(problems, where->file, strlen(where->file), PATH_MAX);
		if (where->line > 0)
			str_addf(problems, ":%u", where->line);
		str_adds(problems, ": ");
	}
	str_add_printable(problems, text, strlen(text), PROBLEM_MAX);
	str_addc(problems, '\n');
	free(text);
}

/* --- the tree ------------------------------------------------------------------------------------ */

static struct conf_entry *
add_entry(struct conf_entry ***tail, const char *key, int line)
{
	struct conf_entry *e = arena_alloc(&reading->conf->arena, sizeof(*e));

	e->key = arena_strdup(&reading->conf->arena, key);
	e->where = (struct conf_where){ reading->file, line > 0 ? (unsigned)line : 0 };
	**tail = e;
	*tail = &e->next;
	return e;
}

static struct conf_entry *
add_block(const cfg_t *section, const char *name)
{
	/* While a block is read, the line of the whole stands at its beginning. */
	struct conf_entry *e = add_entry(&reading->tail, name, reading->root->line);

	e->is_block = true;
	if (section != NULL && section->title != NULL)
		e->title = arena_strdup(&reading->conf->arena, section->title);
	return e;
}

/* The block of this section, which begins with its first key. */
static struct conf_entry *
block_of(const cfg_t *section)
{
	struct open_block *o;

	for (size_t i = 0; i < reading->open_count; i++) {
		if (reading->open[i].section == section)
			return reading->open[i].entry;
	}
	if (reading->open_count == MEM_COUNT(reading->open))
		abort(); /* options_new() makes no deeper ones */
	o = &reading->open[reading->open_count++];
	o->section = section;
	o->entry = add_block(section, section->name);
	return o->entry;
}

static void
add_value(struct conf_entry *e, const char *value)
{
	struct arena *a = &reading->conf->arena;

	/* Full at 1, 3, 7, 15 …: then the next size. */
	if ((e->count & (e->count + 1)) == 0) {
		const char **larger = arena_array(a, 2 * e->count + 2, sizeof(larger[0]));

		if (e->count > 0)
			memcpy(larger, e->values, e->count * sizeof(larger[0]));
		e->values = larger;
	}
	e->values[e->count++] = arena_strdup(a, value);
	e->values[e->count] = NULL;
}

static struct conf_entry *
last_of(struct conf_entry *first, const char *key)
{
	struct conf_entry *last = NULL;

	for (struct conf_entry *e = first; e != NULL; e = e->next) {
		if (strcmp(e->key, key) == 0)
			last = e;
	}
	return last;
}

/* libconfuse has read a value. nvalues begins at 1 with every '=', and goes on with "+=". */
static int
value_read(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct conf_entry *block = cfg != reading->root ? block_of(cfg) : NULL;
	struct conf_entry **tail = block != NULL ? &block->first : &reading->first, *e;

	e = opt->nvalues > 1 ? last_of(*tail, opt->name) : NULL;
	if (e == NULL) {
		if (block == NULL) {
			e = add_entry(&reading->tail, opt->name, cfg->line);
		} else {
			while (*tail != NULL)
				tail = &(*tail)->next;
			e = add_entry(&tail, opt->name, cfg->line);
		}
	}
	add_value(e, value);
	*(const char **)result = value;
	return 0;
}

/* libconfuse has read the end of a block; when it was empty, this is the first we hear of it. */
static int
block_read(cfg_t *parent, cfg_opt_t *opt)
{
	const struct open_block *top = &reading->open[reading->open_count];
	struct conf_entry *e = NULL;
	const cfg_t *empty = NULL;

	for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
		const cfg_t *section = cfg_opt_getnsec(opt, i);

		if (reading->open_count > 0 && section == top[-1].section)
			e = top[-1].entry;
		if (section->line == parent->line)
			empty = section;
	}
	if (e != NULL)
		reading->open_count--;
	else
		e = add_block(empty, opt->name);
	e->is_nested = parent != reading->root;
	return 0;
}

static int
include_read(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
	struct conf_entry *e = add_entry(&reading->includes_tail, opt->name, cfg->line);

	for (int i = 0; i < argc; i++)
		add_value(e, argv[i]);
	return 0;
}

/* --- the keys ------------------------------------------------------------------------------------ */

static struct learned *
find_learned(const char *block, const char *key)
{
	for (size_t i = 0; i < reading->learned_count; i++) {
		struct learned *l = &reading->learned[i];

		if (strcmp(l->block, block) == 0 && strcmp(l->key, key) == 0)
			return l;
	}
	return NULL;
}

static void
learn(const char *block, const char *key)
{
	struct reading *r = reading;

	r->learned = mem_grow(r->learned, r->learned_count + 1, sizeof(r->learned[0]));
	r->learned[r->learned_count++] =
	    (struct learned){ mem_strdup(block), mem_strdup(key), SHAPE_VALUE };
	r->is_new = true;
}

static cfg_opt_t
value_option(const char *key)
{
	const cfg_opt_t opt = CFG_STR_LIST_CB(key, NULL, CFGF_NODEFAULT, value_read);

	return opt;
}

static cfg_opt_t
block_option(const char *name, cfg_opt_t *options, bool has_title)
{
	cfg_opt_t opt = CFG_SEC(name, options, CFGF_MULTI | (has_title ? CFGF_TITLE : 0));

	opt.validcb = block_read;
	return opt;
}

static cfg_opt_t *options_new(const char *block, const char *const *keys, unsigned depth);

static void
options_free(cfg_opt_t *options)
{
	for (cfg_opt_t *o = options; o->name != NULL; o++) {
		if (o->type == CFGT_SEC)
			options_free(o->subopts);
	}
	free(options);
}

/* What may stand in a block, or outside of all (depth 0). */
static cfg_opt_t *
options_new(const char *block, const char *const *keys, unsigned depth)
{
	const cfg_opt_t include = CFG_FUNC("include", include_read), end = CFG_END();
	size_t room = reading->learned_count + 2, n = 0;
	cfg_opt_t *options;

	for (size_t i = 0; keys != NULL && keys[i] != NULL; i++)
		room++;
	for (size_t i = 0; depth == 0 && reading->blocks[i].name != NULL; i++)
		room++;
	options = mem_array(room, sizeof(options[0]));
	for (size_t i = 0; keys != NULL && keys[i] != NULL; i++)
		options[n++] = value_option(keys[i]);
	for (const struct conf_block *b = reading->blocks; depth == 0 && b->name != NULL; b++)
		options[n++] =
		    block_option(b->name, options_new(b->name, b->keys, 1), b->has_title);
	if (depth == 0)
		options[n++] = include;
	for (size_t i = 0; i < reading->learned_count; i++) {
		const struct learned *l = &reading->learned[i];

		if (strcmp(l->block, block) != 0)
			continue;
		if (l->shape == SHAPE_VALUE)
			options[n++] = value_option(l->key);
		else if (depth < BLOCK_DEPTH_MAX)
			options[n++] = block_option(
			    l->key, options_new(l->key, NULL, depth + 1), l->shape == SHAPE_TITLED);
	}
	options[n] = end;
	return options;
}

/* --- its errors ---------------------------------------------------------------------------------- */

/* Whether this message means that a learned key has another shape: then it is tried. */
static bool
reshape(const cfg_t *cfg, const char *fmt, const char *key)
{
	static const char *const messages[] = {
		[SHAPE_VALUE] = "missing equal sign after option '%s'",
		[SHAPE_BLOCK] = "missing opening brace for section '%s'",
		[SHAPE_TITLED] = "missing title for section '%s'",
	};
	struct learned *l = find_learned(cfg->name, key);

	/* libconfuse takes every section called "root" for the whole, and frees its lexer with it. */
	if (strcmp(key, "root") == 0)
		return false;
	if (l == NULL || l->shape == SHAPE_NONE || strcmp(fmt, messages[l->shape]) != 0)
		return false;
	return ++l->shape != SHAPE_NONE;
}

static void parse_failed(cfg_t *cfg, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* libconfuse gives up. */
static void parse_failed(cfg_t *cfg, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
parse_failed(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct conf_where where = { reading->file, (unsigned)cfg->line };
	char text[PROBLEM_MAX];
	const char *key = NULL;
	va_list again;

	va_copy(again, ap);
	if (strstr(fmt, "'%s'") != NULL)
		key = va_arg(again, const char *);
	va_end(again);
	if (key != NULL && strcmp(fmt, "no such option '%s'") == 0 &&
	    find_learned(cfg->name, key) == NULL && reading->learned_count < LEARNED_MAX) {
		learn(cfg->name, key);
		return;
	}
	if (key != NULL && reshape(cfg, fmt, key)) {
		reading->is_new = true;
		return;
	}
	if (reading->is_cut && strcmp(fmt, "premature end of file") == 0)
		return;
	if (key != NULL && find_learned(cfg->name, key) != NULL) {
		conf_problem(reading->problems, &where, "%s cannot stand here", key);
		return;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	conf_problem(reading->problems, &where, "%s", text);
}

/* --- files --------------------------------------------------------------------------------------- */

static void
read_once(const char *text)
{
	struct reading *r = reading;
	cfg_opt_t *options = options_new("root", NULL, 0);

	r->first = r->includes = NULL;
	r->tail = &r->first;
	r->includes_tail = &r->includes;
	r->open_count = 0;
	r->is_new = false;
	r->root = cfg_init(options, CFGF_NONE);
	if (r->root == NULL)
		abort();
	cfg_set_error_function(r->root, parse_failed);
	cfg_parse_buf(r->root, text);
	for (size_t i = 0; i < r->open_count; i++)
		r->open[i].entry->is_cut = true;
	for (struct conf_entry *e = r->first; r->is_cut && e != NULL; e = e->next)
		e->is_cut = e->is_cut || (e->is_block && e->next == NULL);
	cfg_free(r->root);
	options_free(options);
}

/* A file, and the one that includes it. */
struct source {
	const char *path;
	const struct source *parent;
	unsigned depth;
};

/* One call of conf_read(). */
struct request {
	struct conf *conf;
	const struct conf_block *blocks;
	struct str *problems;
	size_t file_count;
	struct conf_entry **tail;
};

static void read_path(struct request *q, const struct source *s, const struct conf_where *from);

/* text is read and changed. The includes of the file, or NULL. */
static struct conf_entry *
read_text(struct request *q, const char *path, char *text, size_t len)
{
	struct reading r = { .conf = q->conf, .blocks = q->blocks, .problems = q->problems };
	size_t told = q->problems->len;
	enum conf_text prepared;
	locale_t c_locale, old;

	r.file = arena_strdup(&q->conf->arena, path);
	if ((prepared = conf_text_prepare(text, len, r.file, q->problems)) == CONF_TEXT_BAD)
		return NULL;
	r.is_cut = prepared == CONF_TEXT_CUT;
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	old = uselocale(c_locale);
	reading = &r;
	do
		read_once(text);
	while (r.is_new);
	reading = NULL;
	/* The parser gave up within a block and none of its messages was one for the operator. */
	if (r.open_count > 0 && q->problems->len == told)
		conf_problem(q->problems, &r.open[r.open_count - 1].entry->where,
		    "something in this block, or its end, cannot be understood");
	uselocale(old);
	freelocale(c_locale);
	for (size_t i = 0; i < r.learned_count; i++) {
		free(r.learned[i].block);
		free(r.learned[i].key);
	}
	free(r.learned);
	*q->tail = r.first;
	while (*q->tail != NULL)
		q->tail = &(*q->tail)->next;
	return r.includes;
}

static void
include(struct request *q, const struct source *from, const struct conf_entry *e)
{
	const char *slash = strrchr(from->path, '/');
	struct source s = { NULL, from, from->depth + 1 };
	char *dir, *path;

	if (e->count != 1) {
		conf_problem(q->problems, &e->where, "include(\"FILE\") takes one file");
		return;
	}
	dir = slash != NULL ? mem_strndup(from->path, (size_t)(slash + 1 - from->path))
			    : mem_strdup(".");
	s.path = path = file_join(dir, e->values[0]);
	read_path(q, &s, &e->where);
	free(path);
	free(dir);
}

/* Why this file may not be included; NULL: it may. */
static const char *
refuse(const struct request *q, const struct source *s)
{
	for (const struct source *up = s->parent; up != NULL; up = up->parent) {
		if (strcmp(up->path, s->path) == 0)
			return "the file includes itself";
	}
	if (s->depth > CONF_INCLUDE_DEPTH_MAX)
		return "files include each other too deeply";
	return q->file_count > CONF_FILES_MAX ? "too many files are included" : NULL;
}

/* from: where it is included, and where that it cannot be read is told. */
static void
read_path(struct request *q, const struct source *s, const struct conf_where *from)
{
	const struct conf_entry *includes = NULL;
	struct str text = STR_INIT;
	const char *why;
	struct err e;

	q->file_count++;
	if ((why = refuse(q, s)) != NULL)
		conf_problem(q->problems, from, "%s: %s", s->path, why);
	else if (file_read(s->path, CONF_FILE_MAX, &text, &e) != 0)
		conf_problem(q->problems, from, "%s", e.text);
	else if (text.len > 0)
		includes = read_text(q, s->path, text.data, text.len);
	for (; includes != NULL; includes = includes->next)
		include(q, s, includes);
	str_clear(&text);
}

int
conf_read(struct conf *c, const char *path, const struct conf_block *blocks, struct str *problems)
{
	struct request q = { .conf = c, .blocks = blocks, .problems = problems, .tail = &c->first };
	const struct source s = { path, NULL, 0 };
	const struct conf_where nowhere = { NULL, 0 };
	size_t before = problems->len;

	*c = (struct conf){ 0 };
	read_path(&q, &s, &nowhere);
	return problems->len == before ? 0 : -1;
}

void
conf_clear(struct conf *c)
{
	arena_clear(&c->arena);
	*c = (struct conf){ 0 };
}
