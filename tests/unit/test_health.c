/*
 * test_health.c: feature/health.c, health_board.c and health_post.c: documents both ways and hostile
 * ones, what is kept back, and what is written again after the session was lost.
 */
#include "feature/health_board.h"
#include "feature/health_post.h"
#include "fake_timers.h"
#include "io_test.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/kv_impl.h"

/* --- keys and documents ----------------------------------------------------------------------------- */

static void
test_keys(void **state)
{
	static const char *const bad[] = { "", "x", "maindb/", "/web-1", "a/b/c/web-1", ".x/web-1",
		"maindb/.x", "maindb/web 1", "maindb/WEB-1", "maindb/-", ".vantages/",
		".vantages/a/b", ".mutes/", ".mutes/../x", "ma\nin/web-1", "a/../web-1" };
	struct health_key k;

	(void)state;
	assert_int_equal(health_key_parse("fees-daemon/web-1", &k), 0);
	assert_int_equal(k.kind, HEALTH_OPINION);
	assert_string_equal(k.check, "fees-daemon");
	assert_string_equal(k.vantage, "web-1");
	assert_int_equal(health_key_parse("maindb/db3/web-1", &k), 0);
	assert_string_equal(k.check, "maindb/db3");
	assert_int_equal(health_key_parse(".mutes/maindb/db3", &k), 0);
	assert_int_equal(k.kind, HEALTH_MUTE);
	assert_string_equal(k.check, "maindb/db3");
	assert_int_equal(health_key_parse(".vantages/web-1", &k), 0);
	assert_int_equal(k.kind, HEALTH_VANTAGE);
	for (size_t i = 0; i < MEM_COUNT(bad); i++)
		assert_int_equal(health_key_parse(bad[i], &k), -1);
}

static void
test_documents_both_ways(void **state)
{
	const struct health_opinion o = { .state = STATE_FAILING,
		.level = LEVEL_CRITICAL,
		.class = CHECK_REFUSED,
		.since_wall_s = 1795000000,
		.is_flapping = true,
		.output = "connect: refused",
		.type = "mysql",
		.target = "10.0.4.13:3306" };
	const struct check_number numbers[] = { { .label = "connect", .value = 0.5 },
		{ .label = "lag", .value = NAN } };
	struct str text = STR_INIT;
	struct health_opinion again;
	struct err e;

	(void)state;
	health_add_opinion(&text, &o, numbers, 2);
	assert_non_null(strstr(text.data, "\"numbers\":{\"connect\":0.5,\"lag\":null}"));
	assert_int_equal(health_read_opinion(text.data, text.len, &again, &e), 0);
	assert_int_equal(again.state, o.state);
	assert_int_equal(again.level, o.level);
	assert_int_equal(again.class, o.class);
	assert_int_equal(again.since_wall_s, o.since_wall_s);
	assert_true(again.is_flapping);
	assert_string_equal(again.output, o.output);
	assert_string_equal(again.target, o.target);
	str_clear(&text);
}

static void
test_hostile_documents(void **state)
{
	static const char *const bad[] = { "", "null", "[]", "{}", "{\"state\":1}",
		"{\"state\":\"failing\",\"level\":\"critical\",\"class\":\"refused\"}",
		"{\"state\":\"dead\",\"level\":\"critical\",\"class\":\"refused\","
		"\"since\":\"2026-11-21T22:37:04Z\",\"output\":\"\",\"type\":\"\",\"target\":\"\"}",
		"{\"state\":\"failing\",\"level\":\"critical\",\"class\":\"refused\","
		"\"since\":\"2026-02-31T22:37:04Z\",\"output\":\"\",\"type\":\"\",\"target\":\"\"}",
		"{\"state\":\"failing\",\"level\":\"critical\",\"class\":\"refused\","
		"\"since\":\"yesterday\",\"output\":\"\",\"type\":\"\",\"target\":\"\"}" };
	static const char escapes[] =
	    "{\"state\":\"failing\",\"level\":\"critical\",\"class\":\"refused\","
	    "\"since\":\"2026-11-21T22:37:04Z\",\"output\":\"\\u001b[2J\\nx\\u0000y\",\"type\":"
	    "\"\","
	    "\"target\":\"\"}";
	struct health_opinion o = { .state = STATE_RECOVERING };
	struct str big = STR_INIT;
	struct err e;

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(bad); i++)
		assert_int_equal(health_read_opinion(bad[i], strlen(bad[i]), &o, &e), -1);
	assert_int_equal(o.state, STATE_RECOVERING); /* untouched */
	if (health_read_opinion(escapes, strlen(escapes), &o, &e) == 0) {
		for (const char *p = o.output; *p != '\0'; p++)
			assert_true((unsigned char)*p >= ' ');
	}
	for (int i = 0; i < 10000; i++)
		str_addc(&big, ' ');
	assert_int_equal(health_read_opinion(big.data, big.len, &o, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	str_clear(&big);
}

/* --- the board -------------------------------------------------------------------------------------- */

static const char prefix[] = "pointsman/health/";

static void
push(struct kv_list *l, const char *key, const char *state, const char *session, uint64_t index)
{
	struct kv_entry *e = kv_list_push(l);
	char *text = mem_printf(
	    "{\"state\":\"%s\",\"level\":\"critical\",\"class\":\"timeout\",\"since\":"
	    "\"2026-11-21T22:37:04Z\",\"output\":\"x\",\"type\":\"tcp\",\"target\":\"t\","
	    "\"sight\":\"%s\",\"score\":0,\"checks\":1,\"why\":\"w\",\"who\":\"ola\","
	    "\"until\":\"2026-11-21T23:00:00Z\"}",
	    state, strcmp(state, "failing") == 0 ? "blind" : "sighted");
	char *whole = mem_printf("%s%s", prefix, key);

	e->key = arena_strdup(&l->arena, whole);
	e->value = arena_strdup(&l->arena, text);
	e->value_len = strlen(text);
	e->session = arena_strdup(&l->arena, session);
	e->modify_index = index;
	kv_list_sort(l);
	free(text);
	free(whole);
}

static size_t
feed(struct health_board *b, struct kv_list *l, bool is_counted, bool *is_news)
{
	size_t kept_back = health_board_feed(b, l, is_counted, is_news);

	kv_list_clear(l);
	return kept_back;
}

static void
test_board(void **state)
{
	struct health_board *b = health_board_new(prefix);
	struct kv_list l = { 0 };
	struct verdict v;
	bool is_news;

	(void)state;
	push(&l, "maindb/web-1", "failing", "s1", 5);
	push(&l, "maindb/web-2", "failing", "s2", 6);
	push(&l, "maindb/web-3", "passing", "s3", 7);
	push(&l, "maindb/db3/web-1", "passing", "s1", 7);
	push(&l, "maindb/web-4", "nonsense", "s4", 7);
	push(&l, "maindb/WEB-5", "failing", "s5", 7);
	assert_int_equal(feed(b, &l, false, &is_news), 0);
	assert_true(is_news);
	assert_int_equal(health_board_count(b), 5);
	assert_string_equal(health_board_opinion(b, "maindb", 2)->key.vantage, "web-3");
	assert_null(health_board_opinion(b, "maindb", 3));
	assert_null(health_board_opinion(b, "maindb/db3", 1));
	health_board_verdict(b, "maindb", "web-9", NULL, &v);
	assert_true(v.is_down);
	assert_true(v.is_confirmed);
	assert_int_equal(v.live, 3);

	/* The session of web-2 ended: nobody has a majority any more. */
	push(&l, "maindb/web-1", "failing", "s1", 5);
	push(&l, "maindb/web-2", "failing", "", 9);
	push(&l, "maindb/web-3", "passing", "s3", 7);
	push(&l, "maindb/db3/web-1", "passing", "s1", 7);
	push(&l, "maindb/web-4", "nonsense", "s4", 7);
	assert_int_equal(feed(b, &l, false, &is_news), 0);
	assert_true(is_news);
	health_board_verdict(b, "maindb", "web-9", NULL, &v);
	assert_false(v.is_down);
	assert_int_equal(v.live, 2);

	/* web-1 says that it is blind: its opinion does not count. */
	push(&l, "maindb/web-1", "failing", "s1", 5);
	push(&l, "maindb/web-3", "passing", "s3", 7);
	push(&l, ".vantages/web-1", "failing", "s1", 10);
	feed(b, &l, false, &is_news);
	assert_int_equal(health_board_sight(b, "web-1"), VANTAGE_BLIND);
	health_board_verdict(b, "maindb", "web-9", NULL, &v);
	assert_int_equal(v.sighted, 1);
	health_board_free(b);
}

/* An empty answer shifts no majority before two consistent reads say the same. */
static void
test_board_keeps_back(void **state)
{
	struct health_board *b = health_board_new(prefix);
	struct kv_list l = { 0 };
	bool is_news;

	(void)state;
	push(&l, "a/web-1", "failing", "s1", 5);
	push(&l, "b/web-1", "failing", "s1", 5);
	feed(b, &l, true, &is_news);
	assert_int_equal(feed(b, &l, false, &is_news), 2);
	assert_int_equal(feed(b, &l, false, &is_news), 2);
	assert_int_equal(feed(b, &l, true, &is_news), 2);
	assert_false(is_news);
	push(&l, "b/web-1", "failing", "s1", 5);
	assert_int_equal(feed(b, &l, true, &is_news), 0);
	assert_true(is_news);
	assert_null(health_board_opinion(b, "a", 0));
	assert_non_null(health_board_opinion(b, "b", 0));
	assert_int_equal(feed(b, &l, true, &is_news), 1); /* it was there again: counted anew */
	health_board_free(b);
}

static void
test_mutes_expire(void **state)
{
	struct health_board *b = health_board_new(prefix);
	struct kv_list l = { 0 };
	bool is_news;
	int64_t until;

	(void)state;
	assert_int_equal(clock_iso_parse("2026-11-21T23:00:00Z", &until), 0);
	push(&l, ".mutes/maindb/db3", "passing", "", 5);
	feed(b, &l, true, &is_news);
	assert_non_null(health_board_mute(b, "maindb/db3", until - 1));
	assert_null(health_board_mute(b, "maindb/db3", until));
	assert_null(health_board_mute(b, "maindb/db4", until - 1));
	health_board_free(b);
}

/* --- the post --------------------------------------------------------------------------------------- */

struct fixture {
	char dir[64], path[96], session[96];
	struct loop *loop;
	struct kv *kv;
	struct health_post *post;
	struct health_board *board;
	int answers;
	bool is_news;
};

static void
contact(const struct err *e, void *arg)
{
	(void)e;
	(void)arg;
}

static struct health_post *
new_post(struct fixture *f)
{
	const struct health_post_env env = { f->loop, f->kv, prefix, f->session, contact, f };
	struct health_post *p = health_post_new(&env);

	health_post_start(p);
	return p;
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct kv_config c = { .address = f->path };
	struct err e;

	strcpy(f->dir, "/tmp/pointsman-health.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "file:%s/kv.json", f->dir);
	snprintf(f->session, sizeof(f->session), "%s/session", f->dir);
	fake_timers_begin();
	f->loop = loop_new();
	f->kv = kv_new(f->loop, &c, &e);
	assert_non_null(f->kv);
	f->board = health_board_new(prefix);
	f->post = new_post(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[96];

	health_post_free(f->post);
	health_board_free(f->board);
	kv_free(f->kv);
	loop_free(f->loop);
	fake_timers_end();
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	free(f);
	return system(command);
}

static void
listed(struct kv_answer *a, void *arg)
{
	struct fixture *f = arg;

	health_board_feed(f->board, &a->list, true, &f->is_news);
	f->answers++;
}

static void
look(struct fixture *f)
{
	const struct kv_read r = { .is_consistent = true };

	kv_list(f->kv, prefix, &r, listed, f);
	assert_true(fake_timers_wait(f->loop, &f->answers, f->answers + 1, 3000));
}

static void
put(struct fixture *f, int number, enum check_state s, bool is_urgent)
{
	const struct health_opinion o = {
		.state = s, .level = LEVEL_CRITICAL, .class = CHECK_TIMEOUT, .since_wall_s = 1
	};
	struct str text = STR_INIT;
	char key[32];

	health_add_opinion(&text, &o, NULL, 0);
	snprintf(key, sizeof(key), "c%d/web-1", number);
	health_post_put(f->post, key, &text, is_urgent);
}

static size_t
count_live(const struct fixture *f, enum check_state s)
{
	size_t n = 0;

	for (size_t i = 0; i < health_board_count(f->board); i++) {
		const struct health_entry *e = health_board_at(f->board, i);

		n += e->is_valid && e->is_live && e->opinion.state == s;
	}
	return n;
}

/* What is posted takes its time, on a slow machine more. */
static void
wait_live(struct fixture *f, enum check_state s, size_t want)
{
	int64_t end_ms = clock_mono_ms() + 30000;

	look(f);
	while (count_live(f, s) != want && clock_mono_ms() < end_ms) {
		fake_timers_run(f->loop, 50);
		look(f);
	}
	assert_int_equal(count_live(f, s), want);
}

static void
test_many_are_posted(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 200; i++)
		put(f, i, STATE_PASSING, true);
	wait_live(f, STATE_PASSING, 200);
	put(f, 7, STATE_FAILING, true);
	wait_live(f, STATE_FAILING, 1);
	assert_int_equal(count_live(f, STATE_PASSING), 199);
}

/* A blip comes and goes within the pause: nobody sees it. */
static void
test_what_is_not_urgent_waits(void **state)
{
	struct fixture *f = *state;

	put(f, 1, STATE_PASSING, true);
	wait_live(f, STATE_PASSING, 1);
	put(f, 1, STATE_SUSPECT, false);
	fake_timers_run(f->loop, 200);
	look(f);
	assert_int_equal(count_live(f, STATE_PASSING), 1);
	wait_live(f, STATE_SUSPECT, 1);
}

static void
destroyed(struct kv_answer *a, void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(a->err.code, ERR_NONE);
	f->answers++;
}

/* Somebody ended our session: it is noticed at the next write, and everything is written anew. */
static void
test_a_lost_session(void **state)
{
	struct fixture *f = *state;
	char session[KV_SESSION_SIZE];

	for (int i = 0; i < 100; i++)
		put(f, i, STATE_PASSING, true);
	wait_live(f, STATE_PASSING, 100);
	strcpy(session, health_board_at(f->board, 0)->session);
	kv_session_destroy(f->kv, session, destroyed, f);
	assert_true(fake_timers_wait(f->loop, &f->answers, f->answers + 1, 3000));
	put(f, 3, STATE_FAILING, true);
	wait_live(f, STATE_FAILING, 1);
	wait_live(f, STATE_PASSING, 99);
	assert_string_not_equal(health_board_at(f->board, 0)->session, session);
}

/* What a run before us left behind goes, unless it changed meanwhile. */
static void
test_leftovers_are_removed(void **state)
{
	struct fixture *f = *state;

	put(f, 1, STATE_PASSING, true);
	put(f, 2, STATE_PASSING, true);
	wait_live(f, STATE_PASSING, 2);
	health_post_free(f->post);
	f->post = new_post(f);
	health_post_remove(
	    f->post, "c1/web-1", health_board_find(f->board, "c1/web-1")->modify_index);
	fake_timers_run(f->loop, 1300);
	look(f);
	look(f);
	assert_null(health_board_find(f->board, "c1/web-1"));
	health_post_remove(f->post, "c2/web-1", 999999);
	fake_timers_run(f->loop, 1300);
	look(f);
	look(f);
	assert_false(health_post_has(f->post, "c2/web-1"));
	assert_non_null(health_board_find(f->board, "c2/web-1"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_documents_both_ways),
		cmocka_unit_test(test_hostile_documents),
		cmocka_unit_test(test_board),
		cmocka_unit_test(test_board_keeps_back),
		cmocka_unit_test(test_mutes_expire),
		TEST(test_many_are_posted),
		TEST(test_what_is_not_urgent_waits),
		TEST(test_a_lost_session),
		TEST(test_leftovers_are_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
