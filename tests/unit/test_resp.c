/*
 * test_resp.c: replies of Redis at once and byte by byte, at each limit and one step behind it.
 */
#include "io/resp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define MAX_BYTES 100000

struct result {
	int end; /* of the last resp_reader_next() */
	size_t replies;
	struct str text; /* the replies in a form to compare */
	struct err err;
};

static void
write_value(struct str *s, const struct resp_value *v)
{
	static const char kinds[] = "+-:$n*";

	assert_non_null(v->text);
	assert_int_equal('\0', v->text[v->len]);
	assert_true((v->count == 0) == (v->items == NULL));
	str_addf(s, "%c", kinds[v->type]);
	if (v->type == RESP_INTEGER)
		str_addf(s, "%lld", (long long)v->integer);
	str_add_printable(s, v->text, v->len, 40);
	if (v->type != RESP_ARRAY)
		return;
	str_addf(s, "[");
	for (size_t i = 0; i < v->count; i++) {
		str_addf(s, "%s", i > 0 ? " " : "");
		write_value(s, &v->items[i]);
	}
	str_addf(s, "]");
}

static struct result
read_pieces(const char *data, size_t len, size_t piece)
{
	struct resp_reader *r = resp_reader_new(MAX_BYTES);
	const struct resp_value *v;
	struct result got = { 0 };

	for (size_t at = 0; at < len && got.end == 0; at += piece) {
		resp_reader_feed(r, data + at, len - at < piece ? len - at : piece);
		while ((got.end = resp_reader_next(r, &v, &got.err)) == 1) {
			if (got.replies++ > 0)
				str_addf(&got.text, " ");
			write_value(&got.text, v);
		}
	}
	/* What failed stays so. */
	if (got.end == -1)
		assert_int_equal(-1, resp_reader_next(r, &v, &got.err));
	resp_reader_free(r);
	return got;
}

/* code ERR_NONE: as many replies, and more may come. */
static void
check(const struct str *data, size_t replies, enum err_code code, const char *text)
{
	static const size_t pieces[] = { 1, 3, 1000, (size_t)-1 };

	for (size_t i = 0; i < MEM_COUNT(pieces); i++) {
		size_t piece = pieces[i] < data->len ? pieces[i] : data->len;
		struct result got;

		if (data->len / piece > 10000) /* takes long, says nothing more */
			continue;
		got = read_pieces(data->data, data->len, piece);
		if (got.replies != replies || got.err.code != code ||
		    (text != NULL && strcmp(text, str_text(&got.text)) != 0) ||
		    got.end != (code == ERR_NONE ? 0 : -1))
			fail_msg("%.40s in pieces of %zu: %zu replies \"%.80s\", %s", data->data,
			    piece, got.replies, str_text(&got.text), got.err.text);
		str_clear(&got.text);
	}
}

static void
test_values(void **state)
{
	static const struct {
		const char *data;
		size_t replies;
		enum err_code code;
		const char *text;
	} rows[] = {
		{ "+OK\r\n-ERR no\r\n:-7\r\n$2\r\nab\r\n$-1\r\n*-1\r\n*0\r\n", 7, ERR_NONE,
		    "+OK -ERR no :-7 $ab n n *[]" },
		{ "*3\r\n*2\r\n:1\r\n*1\r\n+a\r\n*0\r\n$-1\r\n+next\r\n", 2, ERR_NONE,
		    "*[*[:1 *[+a]] *[] n] +next" },
		{ "$0\r\n\r\n+\r\n", 2, ERR_NONE, "$ +" },
		{ "$4\r\n\r\n\r\n\r\n", 1, ERR_NONE, "$\\x0d\\x0a\\x0d\\x0a" },
		{ ":9223372036854775807\r\n", 1, ERR_NONE, ":9223372036854775807" },
		{ ":9223372036854775808\r\n", 0, ERR_PROTOCOL, "" },
		{ ":99999999999999999999999999\r\n", 0, ERR_PROTOCOL, "" },
		{ "$5\r\nab", 0, ERR_NONE, "" },
		{ "*2\r\n+a\r\n", 0, ERR_NONE, "" },
		{ "+OK\r\nSSH-2.0\r\n", 1, ERR_PROTOCOL, "+OK" },
		{ "\r\n", 0, ERR_PROTOCOL, "" },
		{ "+a\nb\r\n", 0, ERR_PROTOCOL, "" },
		{ "+\n", 0, ERR_PROTOCOL, "" },
		{ "$\n", 0, ERR_PROTOCOL, "" },
		{ "*1\n", 0, ERR_PROTOCOL, "" },
		{ "$3\r\nabcd\r\n", 0, ERR_PROTOCOL, "" },
		{ "$3\r\nabc\n\r", 0, ERR_PROTOCOL, "" },
		{ "$-2\r\n", 0, ERR_PROTOCOL, "" },
		{ "$x\r\n", 0, ERR_PROTOCOL, "" },
		{ "$\r\n", 0, ERR_PROTOCOL, "" },
		{ "*-2\r\n", 0, ERR_PROTOCOL, "" },
		{ "*x\r\n", 0, ERR_PROTOCOL, "" },
		{ "*4294967297\r\n", 0, ERR_PROTOCOL, "" },
		{ "$9223372036854775807\r\n", 0, ERR_LIMIT, "" },
		/* RESP 3, which we never ask for. */
		{ "_\r\n", 0, ERR_PROTOCOL, "" },
		{ "#t\r\n", 0, ERR_PROTOCOL, "" },
		{ ",1.5\r\n", 0, ERR_PROTOCOL, "" },
		{ "(12\r\n", 0, ERR_PROTOCOL, "" },
		{ "=7\r\ntxt:abc\r\n", 0, ERR_PROTOCOL, "" },
		{ "%1\r\n+a\r\n+b\r\n", 0, ERR_PROTOCOL, "" },
		{ "~1\r\n+a\r\n", 0, ERR_PROTOCOL, "" },
		{ ">1\r\n+a\r\n", 0, ERR_PROTOCOL, "" },
		{ "*2\r\n+a\r\n#t\r\n", 0, ERR_PROTOCOL, "" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(rows); i++) {
		struct str data = STR_INIT;

		str_add(&data, rows[i].data, strlen(rows[i].data));
		check(&data, rows[i].replies, rows[i].code, rows[i].text);
		str_clear(&data);
	}
}

static void
add_fill(struct str *s, char c, size_t count)
{
	while (count-- > 0)
		str_add(s, &c, 1);
}

static void
test_size(void **state)
{
	(void)state;
	for (size_t over = 0; over < 2; over++) {
		struct str data = STR_INIT;
		size_t len = MAX_BYTES - strlen("*1\r\n$99999\r\n\r\n") + over;

		str_addf(&data, "*1\r\n$%zu\r\n", len);
		assert_int_equal(strlen("*1\r\n$99999\r\n"), data.len);
		add_fill(&data, 'a', len);
		str_addf(&data, "\r\n");
		check(&data, over ? 0 : 1, over ? ERR_LIMIT : ERR_NONE, NULL);
		str_clear(&data);

		/* Told before the bytes have come. */
		str_addf(&data, "$%zu\r\n", MAX_BYTES + over);
		check(&data, 0, over ? ERR_LIMIT : ERR_NONE, NULL);
		str_clear(&data);
	}
}

static void
test_line(void **state)
{
	static const char kinds[] = "+-";

	(void)state;
	for (size_t i = 0; i < strlen(kinds) * 2; i++) {
		size_t over = i % 2;
		struct str data = STR_INIT;

		add_fill(&data, kinds[i / 2], 1);
		add_fill(&data, 'a', RESP_LINE_MAX - 3 + over);
		str_addf(&data, "\r\n");
		check(&data, over ? 0 : 1, over ? ERR_PROTOCOL : ERR_NONE, NULL);
		str_clear(&data);
	}
	/* Nothing waits for the end of these. */
	for (size_t i = 0; i < 5; i++) {
		struct str data = STR_INIT;

		add_fill(&data, "+-:$*"[i], 1);
		add_fill(&data, '1', RESP_LINE_MAX - 2);
		check(&data, 0, ERR_NONE, NULL);
		add_fill(&data, '1', 1);
		check(&data, 0, ERR_PROTOCOL, NULL);
		str_clear(&data);
	}
}

static void
test_depth(void **state)
{
	(void)state;
	for (size_t over = 0; over < 2; over++) {
		struct str data = STR_INIT;

		for (size_t i = 0; i < RESP_DEPTH_MAX + over; i++)
			str_addf(&data, "*1\r\n");
		str_addf(&data, "+deep\r\n");
		check(&data, over ? 0 : 1, over ? ERR_LIMIT : ERR_NONE,
		    over ? "" : "*[*[*[*[*[*[*[*[+deep]]]]]]]]");
		str_clear(&data);
	}
}

static void
test_count(void **state)
{
	struct str data = STR_INIT;

	(void)state;
	str_addf(&data, "*%d\r\n", RESP_VALUES_MAX);
	check(&data, 0, ERR_NONE, NULL);
	str_clear(&data);
	str_addf(&data, "*%d\r\n", RESP_VALUES_MAX + 1);
	check(&data, 0, ERR_LIMIT, NULL);
	str_clear(&data);
	str_addf(&data, "*2147483647\r\n");
	check(&data, 0, ERR_LIMIT, NULL);
	str_clear(&data);
	/* All arrays of a reply together, and each reply anew. */
	str_addf(&data, "*2\r\n*%d\r\n", RESP_VALUES_MAX - 2);
	check(&data, 0, ERR_NONE, NULL);
	str_clear(&data);
	str_addf(&data, "*2\r\n*%d\r\n", RESP_VALUES_MAX - 1);
	check(&data, 0, ERR_LIMIT, NULL);
	str_clear(&data);
	str_addf(&data, "*1\r\n:1\r\n*%d\r\n", RESP_VALUES_MAX);
	check(&data, 1, ERR_NONE, NULL);
	str_clear(&data);
}

static void
test_command(void **state)
{
	static const char *const argv[] = { "CONFIG", "GET", "", "a b\r\n", NULL };
	struct str s = STR_INIT;

	(void)state;
	str_addf(&s, "before ");
	resp_add_command(&s, argv);
	assert_string_equal(
	    "before *4\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$0\r\n\r\n$5\r\na b\r\n\r\n", str_text(&s));
	str_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
