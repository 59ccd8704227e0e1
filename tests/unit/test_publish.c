/*
 * test_publish.c: feature/publish.c against the file store. Clock and timers are the test's own
 * (fake_timers.h): a renewal is due every 15 s.
 */
#include "feature/publish.h"
#include "fake_timers.h"
#include "io_test.h"

static int writes, renewals, sessions;

struct kv_call *__real_kv_put_if(
    struct kv *kv, const struct kv_op *op, kv_done_fn *done, void *arg);
struct kv_call *__wrap_kv_put_if(
    struct kv *kv, const struct kv_op *op, kv_done_fn *done, void *arg);
struct kv_call *__real_kv_session_renew(
    struct kv *kv, const char *session, kv_done_fn *done, void *arg);
struct kv_call *__wrap_kv_session_renew(
    struct kv *kv, const char *session, kv_done_fn *done, void *arg);
struct kv_call *__real_kv_session_create(
    struct kv *kv, const struct kv_session_spec *s, kv_done_fn *done, void *arg);
struct kv_call *__wrap_kv_session_create(
    struct kv *kv, const struct kv_session_spec *s, kv_done_fn *done, void *arg);

struct kv_call *
__wrap_kv_put_if(struct kv *kv, const struct kv_op *op, kv_done_fn *done, void *arg)
{
	writes++;
	return __real_kv_put_if(kv, op, done, arg);
}

struct kv_call *
__wrap_kv_session_renew(struct kv *kv, const char *session, kv_done_fn *done, void *arg)
{
	renewals++;
	return __real_kv_session_renew(kv, session, done, arg);
}

struct kv_call *
__wrap_kv_session_create(
    struct kv *kv, const struct kv_session_spec *s, kv_done_fn *done, void *arg)
{
	sessions++;
	return __real_kv_session_create(kv, s, done, arg);
}

struct fixture {
	char dir[64], path[96], session[2][96];
	struct loop *loop;
	struct kv *kv;
	struct publisher *publisher;
	int document;
};

static void
write_document(struct str *out, void *arg)
{
	struct fixture *f = arg;

	str_addf(out, "{\"document\":%d}", f->document);
}

static void
contact(const struct err *e, void *arg)
{
	(void)e;
	(void)arg;
}

static struct publisher *
new_publisher(struct fixture *f, int number)
{
	const struct publisher_env env = { f->loop, f->kv, "pointsman/agents/web-1",
		f->session[number], write_document, contact, f };
	struct publisher *p = publisher_new(&env);

	publisher_start(p);
	return p;
}

static int
setup(void **state)
{
	static struct fixture f;
	struct kv_config c = { .address = f.path };
	struct err e;

	memset(&f, 0, sizeof(f));
	writes = renewals = sessions = 0;
	strcpy(f.dir, "/tmp/pointsman-publish.XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	snprintf(f.path, sizeof(f.path), "file:%s/kv.json", f.dir);
	snprintf(f.session[0], sizeof(f.session[0]), "%s/session", f.dir);
	snprintf(f.session[1], sizeof(f.session[1]), "%s/other", f.dir);
	fake_timers_begin();
	f.loop = loop_new();
	f.kv = kv_new(f.loop, &c, &e);
	assert_non_null(f.kv);
	f.publisher = new_publisher(&f, 0);
	assert_true(fake_timers_wait(f.loop, &writes, 1, 60000));
	fake_timers_run(f.loop, 1000);
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[96];

	publisher_free(f->publisher);
	kv_free(f->kv);
	loop_turn(f->loop, 0);
	loop_free(f->loop);
	fake_timers_end();
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	return system(command);
}

/* An agent on which nothing changes writes nothing. */
static void
test_same_document_is_not_written(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++) {
		publisher_touch(f->publisher);
		fake_timers_run(f->loop, 200);
	}
	assert_int_equal(writes, 1);
	f->document++;
	publisher_touch(f->publisher);
	assert_true(fake_timers_wait(f->loop, &writes, 2, 60000));
}

/* Flips every few seconds for an hour: the session must not die of it. */
static void
test_writes_do_not_put_off_the_renewal(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 100; i++) {
		f->document++;
		publisher_touch(f->publisher);
		fake_timers_run(f->loop, 400);
	}
	assert_true(writes > 10);
	assert_true(renewals >= 2);
	assert_int_equal(sessions, 1);
}

/* Two agents with one node name: the second says so, with one session, and takes over in the end. */
static void
test_two_agents_with_one_name(void **state)
{
	struct fixture *f = *state;
	struct publisher *other = new_publisher(f, 1);

	fake_timers_run(f->loop, 10000);
	assert_int_equal(sessions, 2);
	publisher_free(f->publisher);
	f->publisher = other;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same_document_is_not_written, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_writes_do_not_put_off_the_renewal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_agents_with_one_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
