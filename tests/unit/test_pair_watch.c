/*
 * test_pair_watch.c: feature/pair_watch.c: what was last seen of the active outlives a restart, and
 * nothing else is taken for it.
 */
#include "feature/pair_watch.h"
#include "io_test.h"

#include "base/mem.h"
#include "model/server_view.h"

struct fixture {
	char dir[64];
	char *nodes[3];
	struct config_pair pair;
	struct config config;
	struct check check;
	struct pair_watch *watch;
};

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	strcpy(f->dir, "/tmp/pointsman-pairs.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->nodes[0] = mem_strdup("db3");
	f->nodes[1] = mem_strdup("db4");
	f->pair.name = f->pair.kv_name = mem_strdup("maindb");
	f->pair.nodes = f->nodes;
	f->config.pairs = &f->pair;
	f->config.pair_count = 1;
	f->config.agent.state_dir = f->dir;
	f->check.spec.pair = f->pair.name;
	f->watch = pair_watch_new(&f->config);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[96];

	pair_watch_free(f->watch);
	server_view_free(f->check.view);
	free(f->pair.name);
	free(f->nodes[0]);
	free(f->nodes[1]);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	free(f);
	return system(command);
}

/* A run of the check of that node; executed NULL: it did not answer. */
static void
saw(struct fixture *f, size_t node, enum check_role role, const char *executed)
{
	f->check.spec.node = f->nodes[node];
	f->check.role = role;
	f->check.is_view_fresh = executed != NULL;
	if (executed != NULL) {
		struct server_view *old = f->check.view;

		f->check.view = server_view_new(SERVER_MARIADB);
		f->check.view->gtid_executed = mem_strdup(executed);
		f->check.view->is_writable = role == CHECK_ROLE_ACTIVE;
		pair_watch_saw(f->watch, &f->check);
		server_view_free(old);
	} else {
		pair_watch_saw(f->watch, &f->check);
	}
}

static const struct pair_report *
report(const struct fixture *f)
{
	return pair_watch_at(f->watch, 0);
}

static void
restart(struct fixture *f)
{
	struct err e;

	assert_int_equal(pair_watch_save(f->watch, &e), 0);
	pair_watch_free(f->watch);
	f->watch = pair_watch_new(&f->config);
}

static void
test_the_last_position_of_the_active(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(report(f)->seen.node, "");
	saw(f, 0, CHECK_ROLE_ACTIVE, "1-1-7");
	saw(f, 1, CHECK_ROLE_STANDBY, "1-1-5");
	assert_string_equal(report(f)->seen.node, "db3");
	assert_string_equal(report(f)->seen.executed, "1-1-7");
	saw(f, 0, CHECK_ROLE_ACTIVE, NULL); /* gone: the last good one stays */
	assert_string_equal(report(f)->seen.executed, "1-1-7");
	restart(f);
	assert_string_equal(report(f)->seen.node, "db3");
	assert_string_equal(report(f)->seen.executed, "1-1-7");
	assert_int_equal(report(f)->seen.kind, SERVER_MARIADB);
	assert_true(report(f)->seen.wall_s > 0);
	/* After a flip it is the other one's. */
	saw(f, 1, CHECK_ROLE_ACTIVE, "1-1-9");
	assert_string_equal(report(f)->seen.node, "db4");
}

static void
test_nonsense_on_disk(void **state)
{
	static const char *const bad[] = { "", "[]", "{\"maindb\":7}",
		"{\"maindb\":{\"node\":\"../x\",\"executed\":\"1\"}}",
		"{\"maindb\":{\"node\":\"db3\",\"executed\":7,\"kind\":99}}" };
	struct fixture *f = *state;
	char path[96];

	snprintf(path, sizeof(path), "%s/pairs.json", f->dir);
	for (size_t i = 0; i < MEM_COUNT(bad); i++) {
		FILE *out = fopen(path, "w");

		assert_non_null(out);
		fputs(bad[i], out);
		fclose(out);
		pair_watch_free(f->watch);
		f->watch = pair_watch_new(&f->config);
		assert_null(report(f)->seen.executed);
		assert_int_equal(report(f)->seen.kind, SERVER_MARIADB);
	}
}

/* What was read before a doubt says nothing about now: two reads have to be read again. */
static void
test_forgotten_reads(void **state)
{
	struct fixture *f = *state;

	saw(f, 0, CHECK_ROLE_ACTIVE, "1-1-7");
	saw(f, 0, CHECK_ROLE_ACTIVE, "1-1-8");
	assert_int_equal(report(f)->members[0].writable_reads, 2);
	pair_watch_forget(f->watch);
	assert_int_equal(report(f)->members[0].writable_reads, 0);
	assert_false(report(f)->members[0].is_view_fresh);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_last_position_of_the_active),
		TEST(test_nonsense_on_disk),
		TEST(test_forgotten_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
