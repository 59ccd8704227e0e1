/*
 * test_sdnotify.c: what arrives at a socket that stands for systemd's.
 */
#include "io/sdnotify.h"

#include "io_test.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "config.h"

#include "base/mem.h"

struct fixture {
	struct loop *loop;
	struct sdnotify *notify;
	int socket;
	struct sockaddr_un address;
	char dir[32];
	char said[1024]; /* each message ends in a | */
};

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	strcpy(f->dir, "/tmp/pm-notify-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->address.sun_family = AF_UNIX;
	snprintf(f->address.sun_path, sizeof(f->address.sun_path), "%s/socket", f->dir);
	f->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(0, bind(f->socket, (struct sockaddr *)&f->address, sizeof(f->address)));
	setenv("NOTIFY_SOCKET", f->address.sun_path, 1);
	f->loop = loop_new();
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	sdnotify_free(f->notify);
	loop_free(f->loop);
	close(f->socket);
	unlink(f->address.sun_path);
	rmdir(f->dir);
	free(f);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

/* All that came since the last time. */
static const char *
said(struct fixture *f)
{
	size_t len = 0;
	ssize_t n;

	while ((n = recv(f->socket, f->said + len, sizeof(f->said) - len - 2, 0)) > 0) {
		len += (size_t)n;
		f->said[len++] = '|';
	}
	f->said[len] = '\0';
	return f->said;
}

static void
skip_without_systemd(void)
{
#ifndef HAVE_SYSTEMD
	print_error("NOT TESTED: built without libsystemd\n");
	skip();
#endif
}

static void
test_says_its_state(void **state)
{
	struct fixture *f = *state;
	unsigned long long us = 0;

	skip_without_systemd();
	f->notify = sdnotify_new(f->loop);
	assert_string_equal("", said(f));
	sdnotify_ready(f->notify);
	assert_string_equal("READY=1|", said(f));
	sdnotify_reloading(f->notify);
	assert_int_equal(1, sscanf(said(f), "RELOADING=1\nMONOTONIC_USEC=%llu|", &us));
	assert_in_range(clock_mono_us() - (int64_t)us, 0, 60000000);
	sdnotify_stopping(f->notify);
	assert_string_equal("STOPPING=1|", said(f));
	sdnotify_status(f->notify, "generation %d", 8813);
	assert_string_equal("STATUS=generation 8813|", said(f));
	io_test_idle(f->loop, 50);
	assert_string_equal("", said(f)); /* no watchdog was asked for */
}

static void
test_status_is_one_line(void **state)
{
	struct fixture *f = *state;

	skip_without_systemd();
	f->notify = sdnotify_new(f->loop);
	sdnotify_status(f->notify, "%s", "x\nMAINPID=1\n");
	assert_string_equal("STATUS=x\\x0aMAINPID=1\\x0a|", said(f));
}

static void
test_watchdog(void **state)
{
	struct fixture *f = *state;
	int64_t began = clock_mono_ms();
	int pings = 0;

	skip_without_systemd();
	setenv("WATCHDOG_USEC", "100000", 1);
	f->notify = sdnotify_new(f->loop);
	assert_string_equal("WATCHDOG=1|", said(f));
	for (int i = 0; i < 20; i++) {
		io_test_idle(f->loop, 25);
		for (const char *p = said(f); (p = strstr(p, "WATCHDOG=1|")) != NULL; p++)
			pings++;
	}
	/* One each 50 ms; a busy machine may miss some. */
	assert_in_range(pings, 3, (clock_mono_ms() - began) / 50 + 1);
	sdnotify_free(f->notify);
	f->notify = NULL;
	io_test_idle(f->loop, 100);
	assert_string_equal("", said(f));
}

static void
test_watchdog_of_another_process(void **state)
{
	struct fixture *f = *state;

	setenv("WATCHDOG_USEC", "20000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	f->notify = sdnotify_new(f->loop);
	io_test_idle(f->loop, 60);
	assert_string_equal("", said(f));
}

static void
test_nobody_listens(void **state)
{
	struct fixture *f = *state;

	unsetenv("NOTIFY_SOCKET");
	f->notify = sdnotify_new(f->loop);
	sdnotify_ready(f->notify);
	sdnotify_reloading(f->notify);
	sdnotify_status(f->notify, "x");
	sdnotify_stopping(f->notify);
	io_test_idle(f->loop, 20);
	assert_string_equal("", said(f));
	sdnotify_ready(NULL);
	sdnotify_stopping(NULL);
	sdnotify_free(NULL);
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	sdnotify_ready(f->notify);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_says_its_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status_is_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watchdog, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watchdog_of_another_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_listens, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
