/*
 * test_check_unit.c: the judgement of units with a clock of our own, and then a real systemd, in
 * namespaces (tests/unit/systemd): units that run, fail, die again and again, are masked or not there;
 * over the bus as nobody and by root's own way; and a systemd that does not answer.
 */
#include "feature/check_unit.h"

#include "io_test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "feature/check_type.h"
#include "io/unit_status.h"
#include "model/check.h"

#define S 1000000 /* the clock's microseconds */
#define AMPLE_MS 20000

/* --- the judgement --------------------------------------------------------------------------------- */

static struct unit_status
status(const char *load, const char *active, const char *sub, uint32_t restarts)
{
	struct unit_status s = { .restarts = restarts, .active_since_us = 1 };

	snprintf(s.load, sizeof(s.load), "%s", load);
	snprintf(s.active, sizeof(s.active), "%s", active);
	snprintf(s.sub, sizeof(s.sub), "%s", sub);
	return s;
}

static enum check_class
judge(struct unit_memory *m, const struct unit_status *s, int64_t now_us)
{
	struct check_result r = { 0 };

	check_unit_judge("x.service", s, now_us, m, &r);
	assert_non_null(strstr(r.text, "x.service"));
	return r.class;
}

static void
test_states(void **state)
{
	static const struct {
		const char *load, *active, *sub;
		enum check_class class;
	} cases[] = {
		{ "loaded", "active", "running", CHECK_OK },
		{ "loaded", "active", "exited", CHECK_OK },
		{ "not-found", "active", "running", CHECK_OK }, /* its file was removed, it runs */
		{ "loaded", "reloading", "reload", CHECK_OK },
		{ "loaded", "activating", "start-pre", CHECK_WARNING },
		{ "loaded", "activating", "auto-restart", CHECK_VALUE },
		{ "loaded", "activating", "auto-restart-queued", CHECK_VALUE },
		{ "loaded", "deactivating", "stop", CHECK_VALUE },
		{ "loaded", "inactive", "dead", CHECK_VALUE },
		{ "loaded", "failed", "failed", CHECK_VALUE },
		{ "loaded", "maintenance", "odd", CHECK_UNKNOWN },
		{ "not-found", "inactive", "dead", CHECK_MISSING },
		{ "masked", "inactive", "dead", CHECK_MISSING },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct unit_memory m = { 0 };
		struct unit_status s = status(cases[i].load, cases[i].active, cases[i].sub, 0);

		assert_int_equal(cases[i].class, judge(&m, &s, 1000 * (int64_t)S));
	}
}

static void
test_dies_once(void **state)
{
	struct unit_memory m = { 0 };
	struct unit_status s = status("loaded", "active", "running", 7);
	int64_t now = 100000 * (int64_t)S;

	(void)state;
	assert_int_equal(CHECK_OK, judge(&m, &s, now)); /* long ago, that is none of our business */
	s.restarts = 8;
	assert_int_equal(CHECK_WARNING, judge(&m, &s, now + 5 * S));
	assert_int_equal(CHECK_WARNING, judge(&m, &s, now + 5 * S + UNIT_FRESH_US - 1));
	assert_int_equal(CHECK_OK, judge(&m, &s, now + 5 * S + UNIT_FRESH_US));
}

/* Every two minutes, and active at every look: bad from the second time until it is quiet. */
static void
test_dies_again_and_again(void **state)
{
	struct unit_memory m = { 0 };
	struct unit_status s = status("loaded", "active", "running", 0);
	int64_t now = 100000 * (int64_t)S;

	(void)state;
	judge(&m, &s, now);
	for (int i = 1; i < 10; i++) {
		now += 120 * (int64_t)S;
		s.restarts++;
		assert_int_equal(i == 1 ? CHECK_WARNING : CHECK_VALUE, judge(&m, &s, now));
		assert_int_equal(
		    i == 1 ? CHECK_OK : CHECK_VALUE, judge(&m, &s, now + 100 * (int64_t)S));
	}
	assert_int_equal(CHECK_VALUE, judge(&m, &s, now + UNIT_QUIET_US - 1));
	assert_int_equal(CHECK_OK, judge(&m, &s, now + UNIT_QUIET_US));
}

static void
test_restarted_by_hand(void **state)
{
	struct unit_memory m = { 0 };
	struct unit_status s = status("loaded", "active", "running", 5);
	int64_t now = 100000 * (int64_t)S;

	(void)state;
	judge(&m, &s, now);
	s.restarts = 7;
	assert_int_equal(CHECK_VALUE, judge(&m, &s, now + 5 * S));
	s.restarts = 0;
	assert_int_equal(CHECK_OK, judge(&m, &s, now + 10 * S));
}

/* A single run, of the command or of a vantage that has just started. */
static void
test_first_look(void **state)
{
	struct unit_memory m = { 0 };
	struct unit_status s = status("loaded", "active", "running", 3);
	int64_t now = 100000 * (int64_t)S;

	(void)state;
	s.active_since_us = (uint64_t)(now - 10 * S);
	assert_int_equal(CHECK_WARNING, judge(&m, &s, now));
}

static void
test_no_answer(void **state)
{
	struct unit_memory m = { 0 };
	struct unit_status s = { .err = { ERR_UNREACHABLE, "no systemd to ask" } };

	(void)state;
	assert_int_equal(CHECK_UNKNOWN, judge(&m, &s, 0));
	s.err.code = ERR_TIMEOUT;
	assert_int_equal(CHECK_TIMEOUT, judge(&m, &s, 0));
	assert_false(m.is_set);
}

/* --- a real one -------------------------------------------------------------------------------------- */

struct live {
	char dir[32];
	pid_t starter, systemd;
	struct loop *loop;
};

struct outcome {
	int done;
	struct check_result result;
};

static const struct {
	const char *name, *text;
} units[] = {
	{ "test.target", "[Unit]\nWants=good.service dying.service once.service dbus.socket "
			 "dbus.service\n" },
	{ "good.service", "[Service]\nExecStart=/bin/sleep 1000\n" },
	{ "once.service", "[Service]\nExecStart=/bin/false\n" },
	{ "dying.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\n"
			   "RestartSec=50ms\nExecStart=/bin/sleep 0.2\n" },
	{ "dbus.socket", "[Socket]\nListenStream=/run/dbus/system_bus_socket\n" },
	{ "dbus.service", "[Unit]\nRequires=dbus.socket\n[Service]\nType=notify\n"
			  "ExecStart=/usr/bin/dbus-daemon --config-file=DIR/bus.conf "
			  "--address=systemd: --nofork --nopidfile --systemd-activation\n" },
	{ "bus.conf", "<busconfig><type>system</type><listen>systemd:</listen><auth>EXTERNAL</auth>"
		      "<policy context='default'><allow user='*'/><allow send_destination='*' "
		      "eavesdrop='true'/>"
		      "<allow eavesdrop='true'/><allow own='*'/></policy></busconfig>\n" },
};

static void
write_units(const char *dir)
{
	for (size_t i = 0; i < MEM_COUNT(units); i++) {
		char *path = mem_printf("%s/%s", dir, units[i].name);
		const char *mark = strstr(units[i].text, "DIR");
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		if (mark != NULL)
			fprintf(f, "%.*s%s%s", (int)(mark - units[i].text), units[i].text, dir,
			    mark + 3);
		else
			fputs(units[i].text, f);
		fclose(f);
		free(path);
	}
}

static void
done_check(struct check_result *r, void *arg)
{
	struct outcome *o = arg;

	o->done++;
	o->result = *r;
}

static struct outcome
run_probe(struct live *l, void *probe, int64_t limit_ms)
{
	const struct check_run run = { .limit_ms = limit_ms };
	struct outcome o = { 0 };

	check_type_unit.start(probe, &run, done_check, &o);
	assert_int_equal(0, o.done);
	assert_true(io_test_wait(l->loop, &o.done, 1, AMPLE_MS));
	io_test_idle(l->loop, 5);
	assert_int_equal(1, o.done);
	return o;
}

static struct check_result
check_once(struct live *l, const char *unit, int64_t limit_ms)
{
	char *name = mem_strdup(unit);
	const struct check_spec spec = { .unit = name };
	int fds = io_test_count_fds();
	void *probe = check_type_unit.open(l->loop, &spec);
	struct outcome o = run_probe(l, probe, limit_ms);

	check_type_unit.close(probe);
	io_test_idle(l->loop, 5);
	assert_int_equal(fds, io_test_count_fds());
	free(name);
	return o.result;
}

/* To where /run is the other systemd's, but with a /proc that has us in it. */
static bool
enter(pid_t systemd)
{
	char path[64];
	int fd, result;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", systemd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	result = fd < 0 ? -1 : setns(fd, CLONE_NEWNS);
	if (fd >= 0)
		close(fd);
	return result == 0 && unshare(CLONE_NEWNS) == 0 &&
	       mount("proc", "/proc", "proc", 0, NULL) == 0;
}

static int
live_setup(void **state)
{
	struct live *l = mem_alloc(sizeof(*l));
	char *command;
	FILE *f;

	*state = l;
	l->loop = loop_new();
	snprintf(l->dir, sizeof(l->dir), "/tmp/pm-units-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	chmod(l->dir, 0755);
	write_units(l->dir);
	command = mem_printf("exec " SOURCE_DIR "/tests/unit/systemd %s", l->dir);
	f = popen(command, "r");
	free(command);
	if (fscanf(f, "%d", &l->systemd) != 1)
		l->systemd = 0;
	/* f stays open: pclose() waits for the systemd's end. */
	if (l->systemd == 0 || !enter(l->systemd))
		fprintf(stderr, "NO SYSTEMD: the unit check was NOT tried on a real one\n");
	else
		setenv("PM_LIVE", "1", 1);
	return 0;
}

static int
live_teardown(void **state)
{
	struct live *l = *state;
	char *command = mem_printf("rm -rf %s", l->dir);

	if (l->systemd != 0)
		kill(l->systemd, SIGKILL);
	assert_int_equal(0, system(command));
	free(command);
	loop_free(l->loop);
	free(l);
	return 0;
}

static struct live *
live(void **state)
{
	struct live *l = *state;

	if (l->systemd == 0 || getenv("PM_LIVE") == NULL)
		skip();
	return l;
}

static enum check_class
class_of(struct live *l, const char *unit, const char *text)
{
	struct check_result r = check_once(l, unit, AMPLE_MS);

	if (strstr(r.text, text) == NULL)
		fail_msg("%s: \"%s\" without \"%s\"", unit, r.text, text);
	return r.class;
}

static void
test_live_states(void **state)
{
	struct live *l = live(state);
	struct check_result r = check_once(l, "good.service", AMPLE_MS);

	assert_string_equal("good.service is active (running)", r.text);
	assert_int_equal(CHECK_OK, r.class);
	assert_string_equal("restarts", r.numbers[0].label);
	assert_string_equal("active", r.numbers[1].label);
	assert_true(r.numbers[1].value >= 0 && r.numbers[1].value < 600);
	assert_int_equal(CHECK_OK, class_of(l, "test.target", "is active"));
	assert_int_equal(
	    CHECK_VALUE, class_of(l, "once.service", "has failed (failed, exit-code)"));
	assert_int_equal(CHECK_MISSING, class_of(l, "nobody.service", "not-found"));
}

static void
test_live_dies(void **state)
{
	struct live *l = live(state);
	const struct check_spec spec = { .unit = (char[]){ "dying.service" } };
	void *probe = check_type_unit.open(l->loop, &spec);
	int bad = 0;

	run_probe(l, probe, AMPLE_MS);
	io_test_idle(l->loop, 1000);
	for (int i = 0; i < 10; i++) {
		struct outcome o = run_probe(l, probe, AMPLE_MS);

		bad += o.result.class == CHECK_VALUE;
		io_test_idle(l->loop, 37);
	}
	check_type_unit.close(probe);
	assert_int_equal(10, bad);
}

/* As an unprivileged account, over the bus. */
static void
test_live_nobody(void **state)
{
	struct live *l = live(state);
	int64_t end = clock_mono_ms() + AMPLE_MS;
	enum check_class class;

	if (access("/usr/bin/dbus-daemon", X_OK) != 0) {
		fprintf(stderr, "NO DBUS-DAEMON: units were NOT asked for over the bus\n");
		skip();
	}
	/* systemd itself comes to the bus a moment later than the bus. */
	do {
		io_test_idle(l->loop, 50);
		assert_int_equal(0, seteuid(65534));
		class = check_once(l, "good.service", AMPLE_MS).class;
		assert_int_equal(0, seteuid(0));
	} while (class != CHECK_OK && clock_mono_ms() < end);
	assert_int_equal(CHECK_OK, class);
}

static void
test_live_cancelled(void **state)
{
	struct live *l = live(state);
	const struct check_spec spec = { .unit = (char[]){ "good.service" } };
	const struct check_run run = { .limit_ms = AMPLE_MS };

	for (int turns = 0; turns < 4; turns++) {
		struct outcome o = { 0 };
		int fds = io_test_count_fds(), early;
		void *probe = check_type_unit.open(l->loop, &spec);

		check_type_unit.start(probe, &run, done_check, &o);
		for (int i = 0; i < turns; i++)
			loop_turn(l->loop, 0);
		early = o.done;
		check_type_unit.close(probe);
		io_test_idle(l->loop, 20);
		assert_int_equal(early, o.done);
		assert_int_equal(fds, io_test_count_fds());
	}
}

static void
test_live_stopped(void **state)
{
	struct live *l = live(state);
	struct check_result r;

	assert_int_equal(0, kill(l->systemd, SIGSTOP));
	r = check_once(l, "good.service", 300);
	assert_int_equal(0, kill(l->systemd, SIGCONT));
	assert_int_equal(CHECK_TIMEOUT, r.class);
	assert_int_equal(CHECK_OK, class_of(l, "good.service", "is active"));
}

static void
test_live_gone(void **state)
{
	struct live *l = live(state);
	struct check_result r;

	assert_int_equal(0, kill(l->systemd, SIGKILL));
	io_test_idle(l->loop, 200);
	l->systemd = 0;
	r = check_once(l, "good.service", AMPLE_MS);
	assert_int_equal(CHECK_UNKNOWN, r.class);
	assert_non_null(strstr(r.text, "systemd"));
}

int
main(void)
{
	const struct CMUnitTest judging[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_dies_once),
		cmocka_unit_test(test_dies_again_and_again),
		cmocka_unit_test(test_restarted_by_hand),
		cmocka_unit_test(test_first_look),
		cmocka_unit_test(test_no_answer),
	};
	const struct CMUnitTest living[] = {
		cmocka_unit_test(test_live_states),
		cmocka_unit_test(test_live_dies),
		cmocka_unit_test(test_live_nobody),
		cmocka_unit_test(test_live_cancelled),
		cmocka_unit_test(test_live_stopped),
		cmocka_unit_test(test_live_gone),
	};

	return cmocka_run_group_tests(judging, NULL, NULL) +
	       cmocka_run_group_tests(living, live_setup, live_teardown);
}
