/*
 * errant_probe.c: for test_errant.py: operate/errant on real servers, as JSON.
 *
 *	errant_probe KIND ADDRESS CREDENTIALS OLD-ID DIR NAME LIMIT-MS BYTES-MAX CANCEL-MS <STATES
 *
 * KIND is mariadb or mysql. The first line of STATES is what the old master has executed, the second what
 * the active has. A number of 0 is the default, CANCEL-MS 0: never.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "io/loop.h"
#include "model/errant.h"
#include "operate/errant.h"

static bool
is_canceled(void *arg)
{
	const int64_t *at_ms = arg;

	return *at_ms > 0 && clock_mono_ms() >= *at_ms;
}

static void
read_line(char **line)
{
	size_t size = 0;
	ssize_t len = getline(line, &size, stdin);

	if (len < 0)
		exit(2);
	(*line)[strcspn(*line, "\n")] = '\0';
}

static json_t *
list_to_json(const struct errant_list *list)
{
	json_t *items = json_array();

	for (size_t i = 0; i < list->count; i++) {
		const struct errant_item *item = &list->items[i];

		json_array_append_new(items,
		    json_pack("{s:s, s:I, s:s, s:I, s:b, s:I}", "gtid", item->gtid, "at",
			(json_int_t)item->at_s, "what", item->what, "rows", (json_int_t)item->rows,
			"counted", item->is_counted, "bytes", (json_int_t)item->bytes));
	}
	return items;
}

int
main(int argc, char **argv)
{
	struct errant_ask ask = { .node = "db3", .is_canceled = is_canceled };
	struct errant_saved saved = { .file = NULL };
	struct gtid_set wanted;
	struct err e = { .code = ERR_NONE };
	struct str text = STR_INIT;
	char *old = NULL, *active = NULL;
	struct loop *l = loop_new();
	int64_t cancel_ms;
	json_t *out;
	int rc = 0;

	signal(SIGPIPE, SIG_IGN);
	if (argc != 10 || endpoint_parse(argv[2], -1, &ask.address) != 0)
		return 2;
	ask.dialect = strcmp(argv[1], "mysql") == 0 ? GTID_MYSQL : GTID_MARIADB;
	ask.credentials = argv[3];
	ask.dir = argv[5];
	ask.name = argv[6];
	ask.limit_ms = atoll(argv[7]);
	ask.bytes_max = strtoull(argv[8], NULL, 10);
	cancel_ms = atoll(argv[9]) > 0 ? clock_mono_ms() + atoll(argv[9]) : 0;
	ask.arg = &cancel_ms;
	read_line(&old);
	read_line(&active);
	if (errant_find(ask.dialect, old, strtoull(argv[4], NULL, 10), active, &wanted, &e) != 0) {
		fprintf(stderr, "%s\n", e.text);
		return 2;
	}
	gtid_format(ask.dialect, &wanted, &text);
	ask.wanted = &wanted;
	if (wanted.count > 0)
		rc = errant_save(l, &ask, &saved, &e);
	out = json_pack(
	    "{s:i, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s, s:o, s:I, s:I, s:b, s:I, s:I}", "rc",
	    rc, "errant", str_text(&text), "code", err_code_name(e.code), "text", e.text, "why",
	    saved.why, "todo", saved.todo, "file", saved.file, "sql", saved.text, "note",
	    saved.note.text, "list", list_to_json(&saved.list), "total",
	    (json_int_t)saved.list.total, "rows", (json_int_t)saved.list.rows, "counted",
	    saved.list.is_counted, "bytes", (json_int_t)saved.bytes, "took_ms",
	    (json_int_t)saved.took_ms);
	json_dumpf(out, stdout, JSON_INDENT(1));
	json_decref(out);
	errant_saved_clear(&saved);
	gtid_clear(&wanted);
	str_clear(&text);
	free(old);
	free(active);
	loop_free(l);
	return 0;
}
