/*
 * resp.c: the reader of hiredis, on bytes that come from elsewhere (io/redis has TLS and limits of time),
 * with values of our own.
 *
 * The library splits replies, reads numbers and keeps the stack of arrays that are not full yet. Each
 * value that it meets is a callback of ours, which puts it into the arena of the reply, at its place in
 * the array above it. It tells how many values an array will have before there is room for any: that is
 * where the limits of values and levels stand. A callback refuses by leaving its reason in err and
 * returning NULL, which the library takes for a lack of memory and gives up.
 *
 * What the library does not ask for is looked at here: how large the whole reply and how long a line
 * may become (it would wait for both for ever), what ends a line or a string, and kinds of values that
 * came with RESP 3, which hiredis knows from 1.0 on and Debian 12's 0.14 refuses by itself.
 *
 * Rejected: the rest of hiredis. Its own values believe "*100000000" and allocate it; its asynchronous
 * connections of 0.14 have neither TLS nor limits of time.
 */
#include "io/resp.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

#define SHOW_MAX 40

#if HIREDIS_MAJOR >= 1
typedef size_t array_count;
#else
typedef int array_count; /* never negative */
#endif

struct resp_reader {
	redisReader *library;
	size_t max_bytes;
	size_t taken; /* bytes of the reply under way that the library is done with */
	size_t values;
	struct arena arena;
	struct resp_value root;
	struct err err;       /* of the callback that refused */
	char shown[SHOW_MAX]; /* how the reply begins: an error leaves nothing in the library */
	size_t shown_len;
	bool is_begun;
};

static int
too_large(const struct resp_reader *r, struct err *e)
{
	return err_set(e, ERR_LIMIT, "the reply is larger than %zu bytes", r->max_bytes);
}

static int
too_many(struct err *e)
{
	return err_set(e, ERR_LIMIT, "the reply has too many values or levels");
}

static int
not_redis(const struct resp_reader *r, struct err *e)
{
	struct str shown = STR_INIT;

	str_add_printable(&shown, r->shown, r->shown_len, SHOW_MAX);
	err_set(e, ERR_PROTOCOL, "it does not talk as Redis does: \"%s\"", str_text(&shown));
	str_clear(&shown);
	return -1;
}

/* The place of the value that the task has read; NULL: it is none of RESP 2. */
static struct resp_value *
place_value(const redisReadTask *task, enum resp_type type)
{
	struct resp_reader *r = task->privdata;
	const struct resp_value *array = task->parent != NULL ? task->parent->obj : NULL;
	struct resp_value *v = &r->root;

	if (task->type > REDIS_REPLY_ERROR || task->type == REDIS_REPLY_NIL) {
		not_redis(r, &r->err);
		return NULL;
	}
	if (array != NULL)
		v = (struct resp_value *)&array->items[task->idx];
	*v = (struct resp_value){ .type = type, .text = "" };
	return v;
}

/* The library looks for the end of a line only, and counts the bytes of a string, no more. */
static bool
is_ended_well(const redisReadTask *task, const char *text, size_t len)
{
	if (task->type == REDIS_REPLY_STRING)
		return memcmp(text + len, "\r\n", 2) == 0;
	/* With its kind and its end. */
	return len + 3 <= RESP_LINE_MAX && memchr(text, '\n', len) == NULL;
}

static void *
create_string(const redisReadTask *task, char *text, size_t len)
{
	static const enum resp_type types[] = {
		[REDIS_REPLY_STRING] = RESP_STRING,
		[REDIS_REPLY_STATUS] = RESP_STATUS,
		[REDIS_REPLY_ERROR] = RESP_ERROR,
	};
	struct resp_reader *r = task->privdata;
	struct resp_value *v;

	if (!is_ended_well(task, text, len)) {
		not_redis(r, &r->err);
		return NULL;
	}
	if ((v = place_value(task, RESP_STRING)) == NULL)
		return NULL;
	v->type = types[task->type];
	v->text = arena_strndup(&r->arena, text, len);
	v->len = len;
	return v;
}

static void *
create_array(const redisReadTask *task, array_count n)
{
	struct resp_reader *r = task->privdata;
	size_t count = (size_t)n, depth = 0;
	struct resp_value *v;

	for (const redisReadTask *above = task->parent; above != NULL; above = above->parent)
		depth++;
	if (count > RESP_VALUES_MAX - r->values || depth == RESP_DEPTH_MAX) {
		too_many(&r->err);
		return NULL;
	}
	if ((v = place_value(task, RESP_ARRAY)) == NULL)
		return NULL;
	r->values += count;
	v->count = count;
	if (count > 0)
		v->items = arena_array(&r->arena, count, sizeof(*v->items));
	return v;
}

static void *
create_integer(const redisReadTask *task, long long number)
{
	struct resp_value *v = place_value(task, RESP_INTEGER);

	if (v != NULL)
		v->integer = number;
	return v;
}

static void *
create_nil(const redisReadTask *task)
{
	return place_value(task, RESP_NIL);
}

#if HIREDIS_MAJOR >= 1
/* Without them the library would make up an object that is none. */
static void *
create_double(const redisReadTask *task, double number, char *text, size_t len)
{
	(void)number;
	(void)text;
	(void)len;
	return place_value(task, RESP_NIL); /* which refuses it */
}

static void *
create_bool(const redisReadTask *task, int is_true)
{
	(void)is_true;
	return place_value(task, RESP_NIL);
}
#endif

static const redisReplyObjectFunctions functions = {
	.createString = create_string,
	.createArray = create_array,
	.createInteger = create_integer,
	.createNil = create_nil,
#if HIREDIS_MAJOR >= 1
	.createDouble = create_double,
	.createBool = create_bool,
#endif
	.freeObject = NULL, /* they live in the arena */
};

struct resp_reader *
resp_reader_new(size_t max_bytes)
{
	struct resp_reader *r = mem_alloc(sizeof(*r));

	r->max_bytes = max_bytes;
	r->library = redisReaderCreateWithFunctions((redisReplyObjectFunctions *)&functions);
	if (r->library == NULL)
		abort(); /* out of memory */
	r->library->privdata = r;
	return r;
}

void
resp_reader_free(struct resp_reader *r)
{
	if (r == NULL)
		return;
	redisReaderFree(r->library);
	arena_clear(&r->arena);
	free(r);
}

static void
show(struct resp_reader *r, const char *data, size_t len)
{
	size_t room = SHOW_MAX - r->shown_len;

	if (len > room)
		len = room;
	memcpy(r->shown + r->shown_len, data, len);
	r->shown_len += len;
}

void
resp_reader_feed(struct resp_reader *r, const char *data, size_t len)
{
	if (len == 0)
		return;
	show(r, data, len);
	redisReaderFeed(r->library, data, len); /* an error stays until it is asked for a reply */
}

/* What was fed and not taken. */
static size_t
count_left(const struct resp_reader *r)
{
	return r->library->len - r->library->pos;
}

static void
begin_reply(struct resp_reader *r)
{
	arena_clear(&r->arena);
	r->taken = r->values = r->shown_len = 0;
	show(r, r->library->buf + r->library->pos, count_left(r));
	r->is_begun = true;
}

static int
tell_error(const struct resp_reader *r, struct err *e)
{
	if (r->err.code != ERR_NONE) {
		*e = r->err;
		return -1;
	}
	if (r->library->err == REDIS_ERR_OOM)
		abort();
	/* 0.14 counts the levels itself, and does not ask for one too many. */
	if (strstr(r->library->errstr, "nested") != NULL)
		return too_many(e);
	return not_redis(r, e);
}

/*
 * What is left is an item without its end; the library has taken the byte of its kind. With a whole
 * line it can only be a string that waits for its bytes.
 */
static int
check_left(const struct resp_reader *r, struct err *e)
{
	const char *line = r->library->buf + r->library->pos, *end;
	size_t left = count_left(r), line_max = RESP_LINE_MAX - 1;

	if ((end = memchr(line, '\n', left < line_max ? left : line_max)) == NULL)
		return left < line_max ? 0 : not_redis(r, e);
	if (end == line || end[-1] != '\r')
		return not_redis(r, e);
	if (strtoull(line, NULL, 10) > r->max_bytes) /* the library saw that it is a number */
		return too_large(r, e);
	return 0;
}

int
resp_reader_next(struct resp_reader *r, const struct resp_value **out, struct err *e)
{
	size_t before, left;
	void *reply;

	if (!r->is_begun)
		begin_reply(r);
	before = count_left(r);
	if (redisReaderGetReply(r->library, &reply) != REDIS_OK)
		return tell_error(r, e);
	left = count_left(r);
	r->taken += before - left;
	if (r->taken + (reply == NULL ? left : 0) > r->max_bytes)
		return too_large(r, e);
	if (reply == NULL)
		return check_left(r, e);
	r->is_begun = false;
	*out = reply;
	return 1;
}

void
resp_add_command(struct str *s, const char *const *argv)
{
	int argc = 0;
	long long len;
	char *text;

	while (argv[argc] != NULL)
		argc++;
	if ((len = redisFormatCommandArgv(&text, argc, (const char **)argv, NULL)) < 0)
		abort(); /* out of memory */
	str_add(s, text, (size_t)len);
	explicit_bzero(text, (size_t)len); /* it may hold a password */
	redisFreeCommand(text);
}

const char *
resp_field(const struct resp_value *list, const char *name)
{
	for (size_t i = 0; i + 1 < list->count; i += 2) {
		if (strcmp(list->items[i].text, name) == 0)
			return list->items[i + 1].text;
	}
	return NULL;
}
