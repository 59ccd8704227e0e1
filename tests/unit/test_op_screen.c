/*
 * test_op_screen.c: whole screens, as text at 80 columns: a plan, a refusal, an operation live and at its
 * end. The operation is made by hand; nothing of it runs. And that no terminal can hold one up: one that
 * is stopped, one that is gone, a pipe that nobody reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/lazy_out.h"
#include "cli/op_screen.h"
#include "cli/op_text.h"
#include "model/journal.h"
#include "model/preflight.h"
#include "operate/op.h"

/* --- an operation -------------------------------------------------------------------------------------- */

static const struct step steps[] = {
	{ .name = "pre-sync", .title = "pre-sync: {to} keeps up with {from}", .limit_ms = 30000 },
	{ .name = "fence",
	    .title = "{from} read-only",
	    .undo_text = "{from} writable",
	    .limit_ms = 2000,
	    .flags = STEP_BLOCKS },
	{ .name = "catch-up",
	    .title = "{to} has {from}'s last transaction",
	    .undo_text = "{from} writable",
	    .limit_ms = 2000 },
	{ .name = "flip",
	    .title = "names/{name} = {to} (CAS)",
	    .undo_text = "back to {from}",
	    .limit_ms = 2000,
	    .flags = STEP_FLIPS },
	{ .name = "lift",
	    .title = "{to} writable",
	    .limit_ms = 1500,
	    .flags = STEP_RESTORES | STEP_NO_RETURN },
	{ .name = "agents",
	    .title = "agents serve generation {generation}",
	    .limit_ms = 10000,
	    .flags = STEP_MAY_FAIL },
	{ .name = "sessions",
	    .title = "end the old sessions on {from}",
	    .limit_ms = 5000,
	    .flags = STEP_MAY_FAIL },
	{ .name = "follow",
	    .title = "{from} follows {to}",
	    .limit_ms = 10000,
	    .flags = STEP_MAY_FAIL },
	{ .name = NULL },
};
#define STEP_COUNT (MEM_COUNT(steps) - 1)

static const double expected[STEP_COUNT] = { 20, 3, 4, 4, 2, 60, 40, 10 };

static const struct op_table table = { .kind = "failover", .pair_kind = "mysql", .steps = steps };

static const struct command command = {
	.name = "failover",
	.options = { { "explain", '\0', OPTION_FLAG, NULL, "" } },
};

struct made {
	struct op op;
	const struct step *steps[STEP_COUNT];
	double expect_ms[STEP_COUNT];
	struct cli cli;
};

static struct made *
make(void)
{
	struct made *m = mem_alloc(sizeof(*m));
	struct journal *j = journal_new();

	m->cli = (struct cli){ .command = &command, .width = CLI_WIDTH_MAX };
	op_id_make(j->id, 1795302724123);
	j->at_wall_ms = 1795302724123;
	journal_set(&j->kind, "failover");
	journal_set(&j->pair_kind, "mysql");
	journal_set(&j->pair, "maindb");
	journal_set(&j->name, "maindb");
	journal_set(&j->from, "db3");
	journal_set(&j->to, "db4");
	journal_set(&j->by, "ola (uid 1004)");
	m->op = (struct op){ .table = &table,
		.journal = j,
		.steps = m->steps,
		.expect_ms = m->expect_ms,
		.step_count = STEP_COUNT };
	for (size_t i = 0; i < STEP_COUNT; i++) {
		m->steps[i] = &steps[i];
		m->expect_ms[i] = expected[i];
		journal_add_step(j, steps[i].name);
	}
	return m;
}

static void
unmake(struct made *m)
{
	journal_free(m->op.journal);
	free(m);
}

static void
put(struct made *m, size_t i, enum step_state state, double at_ms, double took_ms, const char *note)
{
	struct journal_step *s = &m->op.journal->steps[i];

	s->state = state;
	s->at_ms = at_ms;
	s->took_ms = took_ms;
	journal_set(&s->note, note);
}

/* As it went in screens.md. */
static void
put_all(struct made *m)
{
	put(m, 0, STEP_DONE, 0, 20, "");
	put(m, 1, STEP_DONE, 20, 3, "");
	put(m, 2, STEP_DONE, 23, 4, "3-3-160812");
	put(m, 3, STEP_DONE, 27, 4, "generation 8813");
	put(m, 4, STEP_DONE, 31, 2, "");
	put(m, 5, STEP_DONE, 33, 58, "42 of 42 serve 8813");
	put(m, 6, STEP_DONE, 91, 41, "214 ended");
	put(m, 7, STEP_DONE, 132, 0.4, "");
	m->op.journal->refused_ms = 13.2;
	m->op.journal->felt_ms = 102;
	m->op.journal->result = OP_DONE;
}

/* --- a preflight ---------------------------------------------------------------------------------------- */

static struct preflight_finding findings[] = {
	{ "replication", PREFLIGHT_OK, "both ways", "", "" },
	{ "binlog", PREFLIGHT_OK, "ROW", "", "" },
	{ "long write", PREFLIGHT_OK, "none", "", "" },
};

static struct preflight_facts facts = {
	.pair = "maindb",
	.name = "maindb",
	.kind = "mysql",
	.servers = { { .node = "db3", .host = "10.0.4.13" },
	    { .node = "db4", .host = "10.0.4.14" } },
};

static struct preflight
all_passed(void)
{
	static struct preflight_finding list[MEM_COUNT(findings)];

	memcpy(list, findings, sizeof(list));
	return (struct preflight){ .list = list, .count = MEM_COUNT(list) };
}

/* --- what is printed ------------------------------------------------------------------------------------ */

static int saved_stdout = -1, scratch_fd = -1;

static void
capture(void)
{
	char path[] = "/tmp/test_op_screen-XXXXXX";

	fflush(stdout);
	saved_stdout = dup(STDOUT_FILENO);
	scratch_fd = mkstemp(path);
	unlink(path);
	dup2(scratch_fd, STDOUT_FILENO);
}

static void
restore(void)
{
	fflush(stdout);
	dup2(saved_stdout, STDOUT_FILENO);
	close(saved_stdout);
}

static char *
captured(void)
{
	static char text[65536];
	ssize_t n;

	restore();
	n = pread(scratch_fd, text, sizeof(text) - 1, 0);
	close(scratch_fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* No line is wider than that; control sequences take no room. */
static void
check_width(const char *text, int width)
{
	int n = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\033') {
			text += strcspn(text, "mK");
			continue;
		}
		n = *text == '\n' || *text == '\r' ? 0
						   : n + (((unsigned char)*text & 0xc0) != 0x80);
		if (n > width)
			fail_msg("wider than %d: %.100s", width, text - n + 1);
	}
}

static void
assert_screen(const char *text, const char *wanted)
{
	if (strstr(text, "\\r") == NULL) /* there it was checked before it was made visible */
		check_width(text, CLI_WIDTH_MAX);
	if (getenv("SHOW") != NULL)
		fprintf(stderr, "%s----\n", text);
	else
		assert_string_equal(text, wanted);
}

/* --- the plan --------------------------------------------------------------------------------------------- */

static void
a_plan(void **state)
{
	struct made *m = make();
	struct preflight p = all_passed();

	(void)state;
	capture();
	op_screen_plan(&m->cli, &m->op, &facts, &p, "7f3a91c2-4k8d");
	assert_screen(captured(),
	    "maindb   db3 10.0.4.13  ==>  db4 10.0.4.14      plan 7f3a91c2-4k8d (valid 120 s)\n"
	    "preflight 3 of 3 passed                               (--explain lists each)\n"
	    "  # STEP                                   EXPECT  LIMIT   UNDO\n"
	    "  1 pre-sync: db4 keeps up with db3          20ms    30s   -\n"
	    "  2 db3 read-only                             3ms     2s   db3 writable\n"
	    "  3 db4 has db3's last transaction            4ms     2s   db3 writable\n"
	    "  4 names/maindb = db4 (CAS)                  4ms     2s   back to db3\n"
	    "  5 db4 writable                              2ms  1.50s   none: NO RETURN\n"
	    "  6 agents serve generation of the flip      60ms    10s   -\n"
	    "  7 end the old sessions on db3              40ms     5s   -\n"
	    "  8 db3 follows db4                          10ms    10s   -\n"
	    "Writes are refused from 2 to 5, about 13 ms; a pool notices until 7, about\n"
	    "0.11 s. Until 5, failure or Ctrl-C undoes it all.\n"
	    "Nothing has been changed. Run it: pointsman failover maindb --plan 7f3a91c2-4k8d\n");
	p.list[1] = (struct preflight_finding){ "binlog", PREFLIGHT_WARNING, "db4: sync_binlog = 0",
		"a power cut there loses what it has acknowledged",
		"SET GLOBAL sync_binlog = 1, and in its configuration" };
	m->cli.given[0] = "";
	journal_note(m->op.journal, "without", "web-12");
	capture();
	op_screen_plan(&m->cli, &m->op, &facts, &p, "7f3a91c2-4k8d");
	assert_screen(captured(),
	    "maindb   db3 10.0.4.13  ==>  db4 10.0.4.14      plan 7f3a91c2-4k8d (valid 120 s)\n"
	    "preflight 2 of 3 passed, 1 warning\n"
	    "! binlog: db4: sync_binlog = 0\n"
	    "      why  a power cut there loses what it has acknowledged\n"
	    "      do   SET GLOBAL sync_binlog = 1, and in its configuration\n"
	    "  replication: both ways\n"
	    "  long write: none\n"
	    "  # STEP                                   EXPECT  LIMIT   UNDO\n"
	    "  1 pre-sync: db4 keeps up with db3          20ms    30s   -\n"
	    "  2 db3 read-only                             3ms     2s   db3 writable\n"
	    "  3 db4 has db3's last transaction            4ms     2s   db3 writable\n"
	    "  4 names/maindb = db4 (CAS)                  4ms     2s   back to db3\n"
	    "  5 db4 writable                              2ms  1.50s   none: NO RETURN\n"
	    "  6 agents serve generation of the flip      60ms    10s   -\n"
	    "  7 end the old sessions on db3              40ms     5s   -\n"
	    "  8 db3 follows db4                          10ms    10s   -\n"
	    "Writes are refused from 2 to 5, about 13 ms; a pool notices until 7, about\n"
	    "0.11 s. Until 5, failure or Ctrl-C undoes it all.\n"
	    "Nothing has been changed. Run it:\n"
	    "  pointsman failover maindb --without web-12 --plan 7f3a91c2-4k8d\n");
	unmake(m);
}

static void
a_plan_as_json(void **state)
{
	struct made *m = make();
	struct preflight p = all_passed();
	json_t *document, *step;
	char *text;

	(void)state;
	m->cli.is_json = true;
	capture();
	op_screen_plan(&m->cli, &m->op, &facts, &p, "7f3a91c2-4k8d");
	text = captured();
	document = json_parse(text, strlen(text), "the plan", NULL);
	assert_non_null(document);
	assert_string_equal(json_get_string(document, "plan", ""), "7f3a91c2-4k8d");
	assert_string_equal(json_get_string(document, "from", ""), "db3");
	assert_true(json_number_value(json_object_get(document, "refused_ms")) == 13);
	assert_int_equal(json_array_size(json_object_get(document, "preflight")), 3);
	assert_int_equal(json_array_size(json_object_get(document, "steps")), STEP_COUNT);
	step = json_array_get(json_object_get(document, "steps"), 1);
	assert_string_equal(json_get_string(step, "name", ""), "fence");
	assert_string_equal(json_get_string(step, "undo", ""), "db3 writable");
	assert_int_equal(json_get_int(step, "limit_ms", 0), 2000);
	step = json_array_get(json_object_get(document, "steps"), 0);
	assert_string_equal(json_get_string(step, "undo", ""), "-"); /* as on the screen */
	json_decref(document);
	unmake(m);
}

/* Names as long as people make them, a terminal as narrow as it may be. */
static void
a_plan_fits(void **state)
{
	struct made *m = make();
	struct preflight p = all_passed();

	(void)state;
	journal_set(&m->op.journal->from, "maindb-primary-eu-central-1.example.org");
	journal_set(&m->op.journal->to, "maindb-standby-eu-central-1.example.org");
	capture();
	op_screen_plan(&m->cli, &m->op, &facts, &p, "7f3a91c2-4k8d");
	check_width(captured(), 80);
	journal_set(&m->op.journal->from, "db3");
	journal_set(&m->op.journal->to, "db4");
	m->cli.width = 40;
	capture();
	op_screen_plan(&m->cli, &m->op, &facts, &p, "7f3a91c2-4k8d");
	check_width(captured(), 40);
	unmake(m);
}

/* --- the refusal ------------------------------------------------------------------------------------------ */

static void
a_refusal(void **state)
{
	struct made *m = make();
	struct preflight p = all_passed();
	json_t *document;
	char *text;

	(void)state;
	p.list[0] = (struct preflight_finding){ "replication", PREFLIGHT_REFUSED,
		"db4: SQL thread stopped, error 1062 duplicate key game.items PRIMARY 88123",
		"db4 lacks transactions that players were told are saved",
		"mend db4, then again; man pointsman-runbook, \"1062\"" };
	p.list[2] = (struct preflight_finding){ "long write", PREFLIGHT_UNKNOWN,
		"db3 does not answer: timeout after 2 s", "nobody knows what it does",
		"look at it" };
	capture();
	op_screen_refused(&m->cli, &m->op, &facts, &p);
	assert_screen(captured(),
	    "REFUSED maindb  db3 ==> db4      nothing was changed                      exit 3\n"
	    "x replication: db4: SQL thread stopped, error 1062 duplicate key game.items\n"
	    "  PRIMARY 88123\n"
	    "      why  db4 lacks transactions that players were told are saved\n"
	    "      do   mend db4, then again; man pointsman-runbook, \"1062\"\n"
	    "x db3 does not answer: timeout after 2 s\n"
	    "      of   long write\n"
	    "      why  nobody knows what it does\n"
	    "      do   look at it\n"
	    "ok 1 others (--explain)\n"
	    "db3 dead and players waiting? --emergency says what would be lost.\n");
	m->cli.is_json = true;
	capture();
	op_screen_refused(&m->cli, &m->op, &facts, &p);
	text = captured();
	document = json_parse(text, strlen(text), "the refusal", NULL);
	assert_true(json_is_null(json_object_get(document, "plan")));
	assert_int_equal(json_get_int(json_object_get(document, "error"), "exit", 0), 3);
	assert_int_equal(json_array_size(json_object_get(document, "preflight")), 3);
	json_decref(document);
	unmake(m);
}

/* --- live ------------------------------------------------------------------------------------------------- */

static void
tell(struct made *m, struct op_live *l, size_t i, enum op_moment moment)
{
	const struct op_observer *o = op_live_observer(l);

	if (o->moment != NULL)
		o->moment(&m->op, i, moment, o->arg);
}

static void
tell_waiting(struct made *m, struct op_live *l, size_t i, const char *reason, int64_t gone_ms)
{
	const struct op_observer *o = op_live_observer(l);

	if (o->waiting != NULL)
		o->waiting(&m->op, i, reason, gone_ms, steps[i].limit_ms, o->arg);
}

static void
tell_words(struct made *m, struct op_live *l, const char *text)
{
	const struct op_observer *o = op_live_observer(l);

	if (o->said != NULL)
		o->said(&m->op, text, o->arg);
}

/* All of it, with a wait while writes are refused and one afterwards. */
static void
go_through(struct made *m, struct op_live *l)
{
	m->op.flip_index = 8813;
	clock_fake_set(1000000);
	for (size_t i = 0; i < STEP_COUNT; i++) {
		tell(m, l, i, OP_STEP_BEGUN);
		if (i == 1)
			m->op.blocked_us = 1020000;
		if (i == 2) {
			clock_fake_set(1140000);
			tell_waiting(m, l, i, "db4 is 12 transactions behind", 120);
		}
		if (i == 4)
			m->op.restored_us = 1150000;
		if (i == 5)
			tell_waiting(
			    m, l, i, "32 of 42 agents serve 8813, not web-12 (on 8809)", 30);
		tell(m, l, i, i == 7 ? OP_STEP_FAILED : OP_STEP_DONE);
	}
	clock_fake_set(-1);
}

static const struct err no_error = { .code = ERR_NONE };

/* Carriage returns as \r, escapes as \e, so that a wanted text can be read. */
static char *
visible(const char *text)
{
	static char out[65536];
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\r' || *text == '\033') {
			out[n++] = '\\';
			out[n++] = *text == '\r' ? 'r' : 'e';
		} else {
			out[n++] = *text;
		}
	}
	out[n] = '\0';
	return out;
}

/* "2026-11-21T23:12:04.123Z" becomes "TIME" */
static char *
timeless(char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	char *to = text;

	for (const char *from = text; *from != '\0';) {
		size_t i = 0;

		while (form[i] != '\0' && (form[i] == 'd' ? *(from + i) >= '0' && *(from + i) <= '9'
							  : *(from + i) == form[i]))
			i++;
		if (form[i] == '\0') {
			memcpy(to, "TIME", 4);
			to += 4;
			from += i;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return text;
}

static void
it_goes_on_a_terminal(void **state)
{
	struct made *m = make();
	struct op_live *l;
	char *text;

	(void)state;
	put_all(m);
	put(m, 7, STEP_FAILED, 132, 10000, "db3: SQL thread does not run after 10s");
	m->cli.is_terminal = true;
	capture();
	l = op_live_new(&m->cli);
	go_through(m, l);
	op_live_finish(l, &m->op, OP_END_PROBLEMS, &no_error, EXIT_PROBLEM);
	op_live_free(l);
	text = captured();
	check_width(text, 80);
	assert_screen(visible(text),
	    "\\r   1 pre-sync: db4 keeps up with db3\\e[K\\r\\e[K   1 pre-sync: db4 keeps up with "
	    "db3            20 ms\n"
	    "\\r   2 db3 read-only\\e[K\\r\\e[K   2 db3 read-only                               3 "
	    "ms\n"
	    "\\r   3 catch-up  0.12 s of 2s  writes refused 0.12 s  db4 is 12 transactions "
	    "b...\\e[K\\r\\e[K   3 db4 has db3's last transaction              4 ms   3-3-160812\n"
	    "   4 names/maindb = db4 (CAS)                    4 ms   generation 8813\n"
	    "   5 db4 writable                                2 ms   NO RETURN passed\n"
	    "\\r   6 agents serve generation 8813\\e[K\\r   6 agents  [#########---] 32/42  0.03 s "
	    "of 10s  agents serve 8813, not web...\\e[K\\r\\e[K   6 agents serve generation 8813   "
	    "            58 ms   42 of 42 serve 8813\n"
	    "\\r   7 end the old sessions on db3\\e[K\\r\\e[K   7 end the old sessions on db3      "
	    "          41 ms   214 ended\n"
	    "\\r   8 db3 follows db4\\e[K\\r\\e[K!  8 db3 follows db4                             "
	    "10 s   failed: db3: SQL thre...\n"
	    "DONE maindb db3 ==> db4   by ola (uid 1004)   op 01M80634GV\n"
	    "  refused 13 ms (expected 13 ms)   felt 0.10 s\n"
	    "   1 pre-sync |=|                                    20 ms\n"
	    "   2 fence      ||                                    3 ms\n"
	    "   3 catch-up    |                                    4 ms  3-3-160812\n"
	    "   4 flip        ||                                   4 ms  generation 8813\n"
	    "   5 lift         |                                   2 ms\n"
	    "   6 agents       |=======|                          58 ms  42 of 42 serve 8813\n"
	    "   7 sessions             |====|                     41 ms  214 ended\n"
	    "!  8 follow                    |=======~========|     10 s\n"
	    "       failed: db3: SQL thread does not run after 10s\n"
	    "Back again:  pointsman failover maindb      Record: pointsman history 01M80634GV\n");
	unmake(m);
}

static void
it_goes_in_a_pipe(void **state)
{
	struct made *m = make();
	struct op_live *l;

	(void)state;
	put_all(m);
	capture();
	l = op_live_new(&m->cli);
	go_through(m, l);
	op_live_finish(l, &m->op, OP_END_DONE, &no_error, EXIT_DONE);
	op_live_free(l);
	{
		char *text = captured();

		check_width(text, 80);
		assert_screen(timeless(text),
		    "TIME  1 pre-sync   done       20 ms\n"
		    "TIME  2 fence      done        3 ms\n"
		    "TIME  3 catch-up   done        4 ms  3-3-160812\n"
		    "TIME  4 flip       done        4 ms  generation 8813\n"
		    "TIME  5 lift       done        2 ms  NO RETURN passed\n"
		    "TIME  6 agents     done       58 ms  42 of 42 serve 8813\n"
		    "TIME  7 sessions   done       41 ms  214 ended\n"
		    "TIME  8 follow     failed    0.4 ms\n"
		    "DONE maindb db3 ==> db4   by ola (uid 1004)   op 01M80634GV\n"
		    "  refused 13 ms (expected 13 ms)   felt 0.10 s   acknowledged writes lost 0\n"
		    "   1 pre-sync |====|                                 20 ms\n"
		    "   2 fence         ||                                 3 ms\n"
		    "   3 catch-up       ||                                4 ms  3-3-160812\n"
		    "   4 flip            ||                               4 ms  generation 8813\n"
		    "   5 lift             |                               2 ms\n"
		    "   6 agents           |===============|              58 ms  42 of 42 serve "
		    "8813\n"
		    "   7 sessions                         |=========|    41 ms  214 ended\n"
		    "   8 follow                                     |   0.4 ms\n"
		    "Back again:  pointsman failover maindb      Record: pointsman history "
		    "01M80634GV\n");
	}
	unmake(m);
}

static void
it_says_nothing_before_its_json(void **state)
{
	struct made *m = make();
	const struct err why = { ERR_TIMEOUT, "catch-up: db4 is 12 transactions behind after 2s" };
	struct op_live *l;
	json_t *document;
	char *text;

	(void)state;
	put_all(m);
	m->cli.is_json = true;
	capture();
	l = op_live_new(&m->cli);
	go_through(m, l);
	tell_words(m, l, "turning back");
	op_live_finish(l, &m->op, OP_END_UNDONE, &why, EXIT_UNDONE);
	op_live_free(l);
	text = captured();
	document = json_parse(text, strlen(text), "the end", NULL);
	assert_non_null(document);
	assert_int_equal(json_get_int(document, "exit", 0), 5);
	assert_string_equal(json_get_string(document, "error", ""), why.text);
	assert_int_equal(json_array_size(json_object_get(document, "steps")), STEP_COUNT);
	json_decref(document);
	unmake(m);
}

/* --- ends ------------------------------------------------------------------------------------------------- */

static void
check_end(
    struct made *m, enum op_end end, const struct err *e, enum exit_code code, const char *wanted)
{
	struct op_live *l;

	capture();
	l = op_live_new(&m->cli);
	op_live_finish(l, &m->op, end, e, code);
	op_live_free(l);
	assert_screen(captured(), wanted);
}

static void
it_was_undone(void **state)
{
	struct made *m = make();
	static const char why[] = "catch-up: db4 is 12 transactions behind after 2s";
	struct op_live *l;
	char *text;

	(void)state;
	put(m, 0, STEP_DONE, 0, 20, "");
	put(m, 1, STEP_UNDONE, 20, 3, "");
	put(m, 2, STEP_UNDONE, 23, 2000, "");
	m->op.journal->result = OP_UNDONE;
	m->op.journal->is_back = true;
	m->op.journal->refused_ms = 2013;
	journal_set(&m->op.journal->error, why);
	m->op.blocked_us = 1000000;
	clock_fake_set(3000000);
	for (int is_terminal = 0; is_terminal < 2; is_terminal++) {
		m->cli.is_terminal = is_terminal == 1;
		capture();
		l = op_live_new(&m->cli);
		tell(m, l, 2, OP_STEP_FAILED);
		tell_words(m, l, "turning back: catch-up: db4 is 12 transactions behind after 2s");
		tell(m, l, 1, OP_STEP_UNDOING);
		tell(m, l, 1, OP_STEP_UNDONE);
		op_live_finish(l, &m->op, OP_END_UNDONE, &no_error, EXIT_UNDONE);
		op_live_free(l);
		text = captured();
		check_width(text, 80);
		assert_screen(visible(timeless(text)),
		    is_terminal
			? "x  3 db4 has db3's last transaction            2.00 s   failed\n"
			  "! turning back: catch-up: db4 is 12 transactions behind after 2s\n"
			  "   2 undone: db3 writable                      0.0 ms\n"
			  "UNDONE maindb db3 ==> db4   by ola (uid 1004)   op 01M80634GV\n"
			  "  refused 2.01 s (expected 13 ms)\n"
			  "   1 pre-sync |==============|                       20 ms\n"
			  "   2 fence                   |=|                      3 ms  undone\n"
			  "   3 catch-up                  |=======~========|   2.00 s  undone\n"
			  "  not begun: flip, lift, agents, sessions, follow\n"
			  "  why  catch-up: db4 is 12 transactions behind after 2s\n"
			  "  now  everything is as it was: maindb = db3; taken back: fence, "
			  "catch-up\n"
			  "  do   see to that, then again: pointsman failover maindb\n"
			: "TIME  3 catch-up   failed    2.00 s\n"
			  "TIME turning back: catch-up: db4 is 12 transactions behind\n"
			  "TIME after 2s\n"
			  "TIME  2 fence      undone    0.0 ms\n"
			  "UNDONE maindb db3 ==> db4   by ola (uid 1004)   op 01M80634GV\n"
			  "  refused 2.01 s (expected 13 ms)\n"
			  "   1 pre-sync |==============|                       20 ms\n"
			  "   2 fence                   |=|                      3 ms  undone\n"
			  "   3 catch-up                  |=======~========|   2.00 s  undone\n"
			  "  not begun: flip, lift, agents, sessions, follow\n"
			  "  why  catch-up: db4 is 12 transactions behind after 2s\n"
			  "  now  everything is as it was: maindb = db3; taken back: fence, "
			  "catch-up\n"
			  "  do   see to that, then again: pointsman failover maindb\n");
	}
	clock_fake_set(-1);
	unmake(m);
}

static void
it_was_stopped_before_anything(void **state)
{
	struct made *m = make();
	const struct err e = { ERR_CANCELED, "stopped by the operator" };

	(void)state;
	put(m, 0, STEP_FAILED, 0, 700, "");
	m->op.journal->result = OP_UNDONE;
	check_end(m, OP_END_UNDONE, &e, EXIT_STOPPED,
	    "STOPPED maindb db3 ==> db4   by ola (uid 1004)   op 01M80634GV\n"
	    "x  1 pre-sync |=================================|   0.70 s  failed\n"
	    "  not begun: fence, catch-up, flip, lift, agents, sessions, follow\n"
	    "  why  stopped by the operator\n"
	    "  now  nothing was changed\n"
	    "  do   again: pointsman failover maindb\n");
	unmake(m);
}

static void
it_needs_somebody(void **state)
{
	struct made *m = make();
	const struct err e = { ERR_UNREACHABLE, "lift: db4:3306: connection refused" };

	(void)state;
	put_all(m);
	m->op.journal->result = OP_FAILED;
	put(m, 4, STEP_FAILED, 31, 1500, "");
	put(m, 5, STEP_WAITING, NAN, NAN, "");
	put(m, 6, STEP_WAITING, NAN, NAN, "");
	put(m, 7, STEP_WAITING, NAN, NAN, "");
	m->op.journal->refused_ms = m->op.journal->felt_ms = NAN;
	check_end(m, OP_END_NEEDS_YOU, &e, EXIT_NEEDS_YOU,
	    "FAILED maindb db3 ==> db4   by ola (uid 1004)   op 01M80634GV\n"
	    "   1 pre-sync |==========|                           20 ms\n"
	    "   2 fence               ||                           3 ms\n"
	    "   3 catch-up             |==|                        4 ms  3-3-160812\n"
	    "   4 flip                    |=|                      4 ms  generation 8813\n"
	    "x  5 lift                      |=======~========|   1.50 s  failed\n"
	    "  not begun: agents, sessions, follow\n"
	    "  why  lift: db4:3306: connection refused\n"
	    "  now  db3 read-only, names/maindb = db4 (CAS); perhaps also: db4 writable; past\n"
	    "       the point of no return\n"
	    "  do   pointsman resume 01M80634GV      goes on from there\n"
	    "  or   pointsman failover maindb --emergency    if db4 is gone\n");
	put(m, 3, STEP_BEGUN, 27, NAN, "");
	put(m, 4, STEP_WAITING, NAN, NAN, "");
	check_end(m, OP_END_NEEDS_YOU, &e, EXIT_NEEDS_YOU,
	    "FAILED maindb db3 ==> db4   by ola (uid 1004)   op 01M80634GV\n"
	    "   1 pre-sync |=======~========|                     20 ms\n"
	    "   2 fence                     |======|               3 ms\n"
	    "   3 catch-up                          |========|     4 ms  3-3-160812\n"
	    "x  4 flip                                       >        -  begun\n"
	    "  not begun: lift, agents, sessions, follow\n"
	    "  why  lift: db4:3306: connection refused\n"
	    "  now  db3 read-only; perhaps also: names/maindb = db4 (CAS)\n"
	    "  do   pointsman resume 01M80634GV      goes on from there\n"
	    "  or   pointsman rollback 01M80634GV    takes it back\n");
	m->op.journal->is_back = true;
	check_end(m, OP_END_NEEDS_YOU, &e, EXIT_NEEDS_YOU,
	    "FAILED maindb db3 ==> db4   by ola (uid 1004)   op 01M80634GV\n"
	    "   1 pre-sync |=======~========|                     20 ms\n"
	    "   2 fence                     |======|               3 ms\n"
	    "   3 catch-up                          |========|     4 ms  3-3-160812\n"
	    "x  4 flip                                       >        -  begun\n"
	    "  not begun: lift, agents, sessions, follow\n"
	    "  why  lift: db4:3306: connection refused\n"
	    "  now  still: db3 read-only; perhaps also: names/maindb = db4 (CAS)\n"
	    "  do   pointsman rollback 01M80634GV    takes it back\n");
	put(m, 1, STEP_UNDONE, 20, 3, "");
	put(m, 2, STEP_UNDONE, 23, 4, "");
	check_end(m, OP_END_NEEDS_YOU, &e, EXIT_NEEDS_YOU,
	    "FAILED maindb db3 ==> db4   by ola (uid 1004)   op 01M80634GV\n"
	    "   1 pre-sync |=======~========|                     20 ms\n"
	    "   2 fence                     |======|               3 ms  undone\n"
	    "   3 catch-up                          |========|     4 ms  undone\n"
	    "x  4 flip                                       >        -  begun\n"
	    "  not begun: lift, agents, sessions, follow\n"
	    "  why  lift: db4:3306: connection refused\n"
	    "  now  taken back: fence, catch-up; perhaps still: names/maindb = db4 (CAS)\n"
	    "  do   pointsman rollback 01M80634GV    takes it back\n");
	unmake(m);
}

/* --- terminals that do not listen ------------------------------------------------------------------------- */

static int64_t
real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 2,000 steps and their waits, then the end; how long each took. */
static void
run_against(int fd, bool is_terminal, int64_t *live_ms, int64_t *end_ms)
{
	struct made *m = make();
	struct op_live *l;
	int64_t began_ms;

	put_all(m);
	m->cli.is_terminal = is_terminal;
	fflush(stdout);
	saved_stdout = dup(STDOUT_FILENO);
	dup2(fd, STDOUT_FILENO);
	began_ms = real_ms();
	l = op_live_new(&m->cli);
	for (int i = 0; i < 250; i++) {
		m->op.blocked_us = m->op.restored_us = 0;
		go_through(m, l);
	}
	*live_ms = real_ms() - began_ms;
	op_live_finish(l, &m->op, OP_END_DONE, &no_error, EXIT_DONE);
	op_live_free(l);
	*end_ms = real_ms() - began_ms - *live_ms;
	restore();
	unmake(m);
}

static void
fill(int fd)
{
	static const char block[4096];
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (write(fd, block, sizeof(block)) > 0)
		;
	while (write(fd, block, 1) > 0)
		;
	fcntl(fd, F_SETFL, flags);
}

static void
check_patient(int fd, bool is_terminal)
{
	int64_t live_ms, end_ms;

	alarm(30); /* the answer to what this test is about */
	run_against(fd, is_terminal, &live_ms, &end_ms);
	alarm(0);
	assert_true(live_ms < 10000);
	assert_true(end_ms >= LAZY_OUT_PATIENCE_MS - 10 && end_ms < LAZY_OUT_PATIENCE_MS + 1500);
	/* The one that the shell has, too, is as it was. */
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

static void
check_gone(int fd, bool is_terminal)
{
	int64_t live_ms, end_ms;

	alarm(30);
	run_against(fd, is_terminal, &live_ms, &end_ms);
	alarm(0);
	assert_true(live_ms < 10000 && end_ms < 1000);
}

static void
a_pipe_that_nobody_reads(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fill(fds[1]);
	check_patient(fds[1], false);
	close(fds[0]);
	close(fds[1]);
}

static void
a_pipe_that_is_closed(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	check_gone(fds[1], false);
	close(fds[1]);
}

/* Ctrl-S, or an ssh whose other side is gone. */
static void
a_terminal_that_is_stopped(void **state)
{
	int master, slave;

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcflow(slave, TCOOFF), 0);
	check_patient(slave, true);
	close(master);
	close(slave);
}

static void
a_terminal_that_nobody_reads(void **state)
{
	int master, slave;

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	fill(slave);
	check_patient(slave, true);
	close(master);
	close(slave);
}

static void
a_terminal_that_hung_up(void **state)
{
	int master, slave;

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	close(master);
	check_gone(slave, true);
	close(slave);
}

/* Nothing is lost when it listens, however late. */
static void
what_was_kept_comes_out_later(void **state)
{
	struct lazy_out l;
	struct str wanted = STR_INIT, got = STR_INIT;
	char buffer[4096];
	int fds[2], reader;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	while (wanted.len < 300000)
		str_addf(&wanted, "line %zu\n", wanted.len);
	fflush(stdout);
	saved_stdout = dup(STDOUT_FILENO);
	dup2(fds[1], STDOUT_FILENO);
	lazy_out_open(&l);
	lazy_out_add(&l, wanted.data, wanted.len);
	lazy_out_try(&l);
	assert_true(l.kept.len > 200000);
	if ((reader = fork()) == 0) { /* it needs somebody to read while we close */
		bool is_same = true;

		close(fds[1]);
		dup2(saved_stdout, STDOUT_FILENO);
		if (l.fd >= 0)
			close(l.fd);
		usleep(300000);
		while ((n = read(fds[0], buffer, sizeof(buffer))) > 0)
			str_add(&got, buffer, (size_t)n);
		is_same = got.len == wanted.len && memcmp(got.data, wanted.data, got.len) == 0;
		_exit(is_same ? 0 : 1);
	}
	lazy_out_close(&l);
	restore();
	close(fds[0]);
	close(fds[1]);
	{
		int status = -1;

		waitpid(reader, &status, 0);
		assert_int_equal(status, 0);
	}
	str_clear(&wanted);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan),
		cmocka_unit_test(a_plan_as_json),
		cmocka_unit_test(a_plan_fits),
		cmocka_unit_test(a_refusal),
		cmocka_unit_test(it_goes_on_a_terminal),
		cmocka_unit_test(it_goes_in_a_pipe),
		cmocka_unit_test(it_says_nothing_before_its_json),
		cmocka_unit_test(it_was_undone),
		cmocka_unit_test(it_was_stopped_before_anything),
		cmocka_unit_test(it_needs_somebody),
		cmocka_unit_test(a_pipe_that_nobody_reads),
		cmocka_unit_test(a_pipe_that_is_closed),
		cmocka_unit_test(a_terminal_that_is_stopped),
		cmocka_unit_test(a_terminal_that_nobody_reads),
		cmocka_unit_test(a_terminal_that_hung_up),
		cmocka_unit_test(what_was_kept_comes_out_later),
	};

	signal(SIGPIPE, SIG_IGN); /* as interrupt_catch() has it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
