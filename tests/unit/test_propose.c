/*
 * test_propose.c: feature/propose.c: one proposal an incident over several vantages, withdrawn when it
 * is over, with the file store as their KV. The clock is the test's own (fake_timers.h).
 */
#include "feature/propose.h"
#include "fake_timers.h"
#include "io_test.h"

#include "base/json.h"
#include "base/mem.h"
#include "io/kv_impl.h"

#define UPDATE_MS 200
#define VANTAGES 3

struct one {
	struct fixture *fixture;
	struct propose *propose;
	struct propose_view view;
	char node[16];
	int told[PROPOSE_GONE + 1];
};

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct kv *kv;
	struct one ones[VANTAGES];
	int writes, answers;
	char value[1024];
};

static json_t *
write_document(const char *pair, void *arg)
{
	struct one *o = arg;

	o->fixture->writes++;
	return json_pack("{s:s, s:s, s:s?, s:s}", "pair", pair, "active", "db3", "command",
	    o->view.command, "verdict", o->node);
}

static void
told(enum propose_event event, const char *pair, const json_t *document, void *arg)
{
	struct one *o = arg;

	assert_string_equal(pair, "maindb");
	assert_non_null(document);
	o->told[event]++;
}

static void
contact(const struct err *e, void *arg)
{
	(void)e;
	(void)arg;
}

static void
new_one(struct fixture *f, size_t i)
{
	static const char *const pairs[] = { "maindb" };
	struct one *o = &f->ones[i];
	const struct propose_env env = { f->loop, f->kv, "pointsman/proposals/", o->node,
		write_document, told, contact, o };

	*o = (struct one){ .fixture = f, .view = { .is_well = true, .active = "db3" } };
	snprintf(o->node, sizeof(o->node), "web-%zu", i);
	o->propose = propose_new(&env, pairs, 1);
	propose_start(o->propose);
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	struct kv_config c = { .address = f->path };
	struct err e;

	strcpy(f->dir, "/tmp/pointsman-propose.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "file:%s/kv.json", f->dir);
	fake_timers_begin();
	f->loop = loop_new();
	f->kv = kv_new(f->loop, &c, &e);
	assert_non_null(f->kv);
	for (size_t i = 0; i < VANTAGES; i++)
		new_one(f, i);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[96];

	for (size_t i = 0; i < VANTAGES; i++)
		propose_free(f->ones[i].propose);
	kv_free(f->kv);
	loop_free(f->loop);
	fake_timers_end();
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	free(f);
	return system(command);
}

/* Everybody is asked again and again, as by the daemon's timer. */
static void
live(struct fixture *f, int ms)
{
	for (int i = 0; i < ms / UPDATE_MS; i++) {
		for (size_t k = 0; k < VANTAGES; k++)
			propose_update(f->ones[k].propose, 0, &f->ones[k].view);
		fake_timers_run(f->loop, UPDATE_MS);
	}
}

static void
set_all(struct fixture *f, bool is_wanted, const char *active)
{
	for (size_t k = 0; k < VANTAGES; k++)
		f->ones[k].view = (struct propose_view){
			.is_wanted = is_wanted, .is_well = !is_wanted, .active = active
		};
}

static int
sum(const struct fixture *f, enum propose_event event)
{
	int n = 0;

	for (size_t k = 0; k < VANTAGES; k++)
		n += f->ones[k].told[event];
	return n;
}

static void
got(struct kv_answer *a, void *arg)
{
	struct fixture *f = arg;

	f->answers++;
	f->value[0] = '\0';
	if (a->list.count > 0)
		snprintf(f->value, sizeof(f->value), "%s", a->list.entries[0].value);
}

static const char *
value(struct fixture *f)
{
	const struct kv_read r = { .is_consistent = true };

	kv_get(f->kv, "pointsman/proposals/maindb", &r, got, f);
	assert_true(fake_timers_wait(f->loop, &f->answers, f->answers + 1, 3000));
	return f->value;
}

static void
done(struct kv_answer *a, void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(a->err.code, ERR_NONE);
	f->answers++;
}

static void
test_one_an_incident(void **state)
{
	struct fixture *f = *state;

	live(f, 8000);
	assert_int_equal(f->writes, 0);
	set_all(f, true, "db3");
	live(f, 16000);
	assert_int_equal(sum(f, PROPOSE_MADE), 1);
	assert_int_equal(sum(f, PROPOSE_SEEN), VANTAGES - 1);
	assert_non_null(strstr(value(f), "\"active\":\"db3\""));
	for (size_t k = 0; k < VANTAGES; k++)
		assert_non_null(propose_standing(f->ones[k].propose, 0));

	/* Well again: one of them withdraws, after a while. */
	set_all(f, false, "db3");
	live(f, 2000);
	assert_int_equal(sum(f, PROPOSE_WITHDRAWN), 0);
	live(f, 24000);
	assert_int_equal(sum(f, PROPOSE_WITHDRAWN), 1);
	assert_string_equal(value(f), "");
	for (size_t k = 0; k < VANTAGES; k++)
		assert_null(propose_standing(f->ones[k].propose, 0));

	/* The next incident is another one. */
	set_all(f, true, "db3");
	live(f, 16000);
	assert_int_equal(sum(f, PROPOSE_MADE), 2);
}

/* It fails and comes for a moment: the proposal stays, and nobody is told twice. */
static void
test_a_wavering_active(void **state)
{
	struct fixture *f = *state;

	set_all(f, true, "db3");
	live(f, 12000);
	for (int i = 0; i < 5; i++) {
		set_all(f, false, "db3");
		live(f, 1200);
		set_all(f, true, "db3");
		live(f, 1200);
	}
	assert_int_equal(sum(f, PROPOSE_MADE), 1);
	assert_int_equal(sum(f, PROPOSE_WITHDRAWN), 0);
}

static void
test_a_flip_withdraws(void **state)
{
	struct fixture *f = *state;

	set_all(f, true, "db3");
	live(f, 12000);
	for (size_t k = 0; k < VANTAGES; k++)
		f->ones[k].view = (struct propose_view){ .active = "db4" };
	live(f, 2000);
	assert_int_equal(sum(f, PROPOSE_WITHDRAWN), 1);
	assert_string_equal(value(f), "");
}

/* --- a transaction that happens, and whose answer is lost */

static struct kv_ops losing_ops;
static const struct kv_ops *whole_ops;
static struct {
	kv_done_fn *done;
	void *arg;
	int left;
} lost;

static void
lose_answer(struct kv_answer *a, void *arg)
{
	(void)arg;
	assert_true(a->is_applied);
	a->is_applied = false;
	err_set(&a->err, ERR_UNKNOWN, "no answer");
	lost.done(a, lost.arg);
}

static struct kv_call *
losing_txn(struct kv *kv, const struct kv_op *ops, size_t count, kv_done_fn *call_done, void *arg)
{
	if (lost.left == 0)
		return whole_ops->txn(kv, ops, count, call_done, arg);
	lost.left--;
	lost.done = call_done;
	lost.arg = arg;
	return whole_ops->txn(kv, ops, count, lose_answer, NULL);
}

/* People hear that it is withdrawn, once, also when nobody was told that their deletion has happened. */
static void
test_the_answer_to_the_withdrawal_is_lost(void **state)
{
	struct fixture *f = *state;

	set_all(f, true, "db3");
	live(f, 12000);
	whole_ops = f->kv->ops;
	losing_ops = *whole_ops;
	losing_ops.txn = losing_txn;
	f->kv->ops = &losing_ops;
	lost.left = 1;
	for (size_t k = 0; k < VANTAGES; k++)
		f->ones[k].view = (struct propose_view){ .active = "db4" };
	live(f, 12000);
	assert_int_equal(lost.left, 0);
	assert_string_equal(value(f), "");
	assert_int_equal(sum(f, PROPOSE_WITHDRAWN), 1);
	assert_int_equal(sum(f, PROPOSE_GONE), VANTAGES - 1);
	f->kv->ops = whole_ops;
}

/* A person who deleted it knows: it does not come back in the same incident. */
static void
test_deleted_by_a_person(void **state)
{
	struct fixture *f = *state;

	set_all(f, true, "db3");
	live(f, 16000);
	kv_delete(f->kv, "pointsman/proposals/maindb", done, f);
	assert_true(fake_timers_wait(f->loop, &f->answers, f->answers + 1, 3000));
	live(f, 24000);
	assert_int_equal(sum(f, PROPOSE_GONE), VANTAGES);
	assert_int_equal(sum(f, PROPOSE_MADE), 1);
	assert_string_equal(value(f), "");
}

/* What somebody else wrote there stands, and is nobody's to overwrite. */
static void
test_nonsense_in_the_kv(void **state)
{
	struct fixture *f = *state;

	kv_put(f->kv, "pointsman/proposals/maindb", "[1", 2, done, f);
	assert_true(fake_timers_wait(f->loop, &f->answers, f->answers + 1, 3000));
	set_all(f, true, "db3");
	live(f, 16000);
	assert_int_equal(sum(f, PROPOSE_MADE), 0);
	assert_string_equal(value(f), "[1");
}

/* A restart in the middle of an incident proposes nothing anew. */
static void
test_a_restart(void **state)
{
	struct fixture *f = *state;

	set_all(f, true, "db3");
	live(f, 12000);
	for (size_t k = 0; k < VANTAGES; k++) {
		propose_free(f->ones[k].propose);
		new_one(f, k);
	}
	set_all(f, true, "db3");
	live(f, 12000);
	assert_int_equal(sum(f, PROPOSE_MADE), 0);
	assert_int_equal(sum(f, PROPOSE_SEEN), VANTAGES);
}

/* The active that was only ill has died: another command is right, and nobody is told twice. */
static void
test_rewritten(void **state)
{
	struct fixture *f = *state;
	int writes, seen;

	live(f, 8000);
	set_all(f, true, "db3");
	for (size_t k = 0; k < VANTAGES; k++)
		f->ones[k].view.command = "pointsman failover maindb";
	live(f, 16000);
	assert_non_null(strstr(value(f), "\"pointsman failover maindb\""));
	writes = f->writes;
	seen = sum(f, PROPOSE_SEEN);
	for (size_t k = 0; k < VANTAGES; k++)
		f->ones[k].view.command = "pointsman failover maindb --emergency";
	live(f, 16000);
	assert_non_null(strstr(value(f), "\"pointsman failover maindb --emergency\""));
	assert_int_equal(f->writes, writes + 1);
	assert_int_equal(sum(f, PROPOSE_MADE), 1);
	assert_int_equal(sum(f, PROPOSE_SEEN), seen);
	assert_int_equal(sum(f, PROPOSE_GONE), 0);
	/* It is withdrawn as any other. */
	set_all(f, false, "db3");
	live(f, 130000);
	assert_string_equal(value(f), "");
	assert_int_equal(sum(f, PROPOSE_WITHDRAWN), 1);
}

/* --- what another tool proposes --------------------------------------------------------------------- */

#define FLIP "pointsman set maindb db4 --expect db3"

static void
put_tools(struct fixture *f, const char *id, bool is_promoted)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "{\"origin\":\"tool\",\"id\":\"%s\",\"pair\":\"maindb\",\"active\":\"db3\",\"standby\":"
	    "\"db4\",\"what\":\"because\",\"proposed_by\":\"sentinel\",\"promoted\":%s,\"command\":"
	    "\"%s\"}",
	    id, is_promoted ? "true" : "false", is_promoted ? FLIP : "pointsman failover maindb");
	kv_put(f->kv, "pointsman/proposals/maindb", text, strlen(text), done, f);
	assert_true(fake_timers_wait(f->loop, &f->answers, f->answers + 1, 3000));
}

static void
set_command(struct fixture *f, const char *command)
{
	for (size_t k = 0; k < VANTAGES; k++)
		f->ones[k].view.command = command;
}

/* The old active is as well as ever: it stands, one of the vantages tells it, a flip withdraws it. */
static void
test_a_tools(void **state)
{
	struct fixture *f = *state;

	live(f, 8000);
	put_tools(f, "a", true);
	set_command(f, "pointsman failover maindb");
	live(f, 40000);
	assert_int_equal(sum(f, PROPOSE_MADE), 1);
	assert_int_equal(sum(f, PROPOSE_SEEN) >= VANTAGES - 1, true);
	assert_int_equal(sum(f, PROPOSE_WITHDRAWN), 0);
	/* What it said stays, what the vantage sees is added. */
	assert_non_null(strstr(value(f), "\"what\":\"because\""));
	assert_non_null(strstr(f->value, "\"proposed_by\":\"sentinel\""));
	assert_non_null(strstr(f->value, "\"command\":\"" FLIP "\""));
	assert_non_null(strstr(f->value, "\"verdict\":\"web-"));
	assert_non_null(strstr(f->value, "\"told_by\":\"web-"));

	set_all(f, false, "db4");
	live(f, 6000);
	assert_int_equal(sum(f, PROPOSE_WITHDRAWN), 1);
	assert_string_equal(value(f), "");

	/* The next one is told again. */
	set_all(f, false, "db3");
	put_tools(f, "b", true);
	live(f, 16000);
	assert_int_equal(sum(f, PROPOSE_MADE), 2);
}

/* It stays while the active fails as well, and no vantage adds one of its own. */
static void
test_a_tools_in_an_incident(void **state)
{
	struct fixture *f = *state;

	put_tools(f, "a", true);
	live(f, 8000);
	set_all(f, true, "db3");
	live(f, 16000);
	assert_int_equal(sum(f, PROPOSE_MADE), 1);
	assert_non_null(strstr(value(f), "\"proposed_by\":\"sentinel\""));
	set_all(f, false, "db3");
	live(f, 24000);
	assert_int_equal(sum(f, PROPOSE_WITHDRAWN), 0);
}

/* A failover of ours is left to type: its command follows what is seen, and a restart tells nobody. */
static void
test_a_tools_command_follows(void **state)
{
	struct fixture *f = *state;
	int made;

	put_tools(f, "a", false);
	set_command(f, "pointsman failover maindb");
	live(f, 16000);
	assert_non_null(strstr(value(f), "\"pointsman failover maindb\""));
	set_all(f, true, "db3");
	set_command(f, "pointsman failover maindb --emergency");
	live(f, 16000);
	assert_non_null(strstr(value(f), "\"pointsman failover maindb --emergency\""));
	assert_non_null(strstr(f->value, "\"proposed_by\":\"sentinel\""));
	made = sum(f, PROPOSE_MADE);
	assert_int_equal(made, 1);
	for (size_t k = 0; k < VANTAGES; k++) {
		propose_free(f->ones[k].propose);
		new_one(f, k);
	}
	live(f, 16000);
	assert_int_equal(sum(f, PROPOSE_MADE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_an_incident),
		TEST(test_a_wavering_active),
		TEST(test_a_flip_withdraws),
		TEST(test_the_answer_to_the_withdrawal_is_lost),
		TEST(test_deleted_by_a_person),
		TEST(test_nonsense_in_the_kv),
		TEST(test_a_restart),
		TEST(test_rewritten),
		TEST(test_a_tools),
		TEST(test_a_tools_in_an_incident),
		TEST(test_a_tools_command_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
