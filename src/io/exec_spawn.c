/*
 * exec_spawn.c: how a child begins.
 *
 * Standard input is a memfd with the bytes in it. A pipe would need feeding while the child reads, a
 * limit for a child that never does, and SIGPIPE kept away; a file needs nothing.
 *
 * posix_spawn, not fork: it costs the same at any size of ours, reports a program that does not exist
 * by its errno and resets signals in the child. It waits until the program is loaded; a program on a
 * hung network disk would hold us, and so would opening any other file there.
 *
 * A tied or contained program has a supervisor between it and us, a fork of ours that never returns.
 * Whoever loses its parent below it becomes its child (PR_SET_CHILD_SUBREAPER), also after setsid(2), a
 * double fork or with another environment, so that of a contained one nothing escapes:
 *
 *	the program ends ──> EXEC_DRAIN_MS for the others ──> SIGKILL for each, until there is none
 *	SIGTERM from us ──> SIGTERM to the program's group ──> TERM_MS ──> the same
 *	we died ──> the same, at once
 *
 * Of a tied one only its group counts: a daemon that it started has a session of its own, and lives on.
 *
 * Rejected: we as the subreaper (the daemons that hooks start would become our zombies, and whose
 * child a stray is, nobody could tell); a mark in the environment and a search through /proc (a child
 * may clear it); a cgroup each (systemd would have to delegate one, and not every host does).
 *
 * The supervisor shares nothing with us but a page for its report. It calls only what is allowed
 * after fork(2) in a process with threads, for curl may have one, and malloc(3), which glibc keeps
 * usable there.
 */
#include "io/exec_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/exec.h"

#define TERM_MS EXEC_GRACE_MS /* from SIGTERM to SIGKILL, as without a supervisor */
#define DEATH_SIGNAL SIGHUP   /* to the supervisor, from the kernel, when we have died */
#define CHILDREN_SIZE 4096    /* of /proc: some 500 numbers at a time, the rest in the next round */

int
exec_open_input(const void *data, size_t len)
{
	const char *p = data;
	int fd;

	if (len == 0)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	if ((fd = memfd_create("input", MFD_CLOEXEC)) < 0)
		return -1;
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			close(fd);
			return -1;
		}
		p += n;
		len -= (size_t)n;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static bool
is_same_variable(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n) == 0 && (b[n] == '=' || b[n] == '\0');
}

static bool
is_inherited(const char *variable, bool is_clean)
{
	static const char *const kept[] = { "PATH", "HOME", "TZ" };

	/* What has business with Consul has a token of its own, or reads the file that we read. */
	if (is_same_variable("CONSUL_HTTP_TOKEN", variable))
		return false;
	for (size_t i = 0; i < MEM_COUNT(kept) && is_clean; i++) {
		if (is_same_variable(kept[i], variable))
			return true;
	}
	return !is_clean;
}

/* Our environment, or what is harmless of it, with more laid over it; only the array is to be freed. */
static char **
merge_env(const char *const *more, bool is_clean)
{
	size_t ours = 0, added = 0, count = 0;
	char **env;

	while (environ[ours] != NULL)
		ours++;
	while (more != NULL && more[added] != NULL)
		added++;
	env = mem_array(ours + added + 1, sizeof(*env));
	for (size_t i = 0; i < ours; i++) {
		bool is_replaced = !is_inherited(environ[i], is_clean);

		for (size_t k = 0; k < added && !is_replaced; k++)
			is_replaced = is_same_variable(environ[i], more[k]);
		if (!is_replaced)
			env[count++] = environ[i];
	}
	for (size_t k = 0; k < added; k++)
		env[count++] = (char *)(uintptr_t)more[k];
	return env;
}

/* posix_spawn with all that exec.h promises about the child. */
int
exec_spawn(pid_t *pid, const struct exec_spec *spec, int input, int output)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	char **env = merge_env(spec->env, spec->bond == EXEC_CONTAINED);
	int no;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	/* A session, not only a group: no terminal that a child could ask for a password on. */
	posix_spawnattr_setflags(
	    &attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if ((no = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)) == 0 &&
	    (no = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)) == 0 &&
	    (no = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)) == 0 &&
	    (no = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1)) == 0)
		no = posix_spawnp(
		    pid, spec->argv[0], &actions, &attr, (char *const *)(uintptr_t)spec->argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	free(env);
	return no;
}

/* --- the supervisor ----------------------------------------------------------------------------------- */

/* Reaps whoever has ended; false when nobody is left. */
static bool
reap_all(struct exec_report *report)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != report->program)
			continue;
		report->status = status;
		report->has_ended = true;
	}
	return pid == 0;
}

/* SIGKILL for each child of ours; theirs become ours by that. */
static void
kill_children(void)
{
	char text[CHILDREN_SIZE + 1], *p = text, *end;
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, CHILDREN_SIZE);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* A number counts only with the blank after it: the last one may be cut. */
	for (long pid; (pid = strtol(p, &end, 10)) > 1 && *end == ' '; p = end)
		kill((pid_t)pid, SIGKILL);
}

/*
 * Whether there is still somebody to wait for, or to kill. Of a tied program's group this is asked only until
 * EXEC_DRAIN_MS are over: what does not die of SIGKILL there is not waited for, as without a supervisor.
 */
static bool
is_left(struct exec_report *report, enum exec_bond bond)
{
	bool has_children = reap_all(report);

	if (bond == EXEC_CONTAINED)
		return has_children;
	return !report->has_ended || kill(-report->program, 0) == 0;
}

/* Until a signal other than of a child's end, or the time; 0: the time, or a child. */
static int
wait_signal(const sigset_t *awaited, int64_t ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	int signo = sigtimedwait(awaited, NULL, &t);

	return signo == SIGTERM || signo == DEATH_SIGNAL ? signo : 0;
}

/*
 * Waits until nobody is left, or the program has ended and then drain_ms, or ms in all, or a signal; which,
 * or 0.
 */
static int
wait_end(struct exec_report *report, enum exec_bond bond, const sigset_t *awaited, int64_t ms,
    int64_t drain_ms)
{
	int64_t end = clock_mono_ms() + ms, now;
	bool is_draining = false;
	int signo;

	while (is_left(report, bond)) {
		now = clock_mono_ms();
		if (report->has_ended && !is_draining && now + drain_ms < end)
			end = now + drain_ms;
		is_draining = report->has_ended;
		if (now >= end)
			return 0;
		if ((signo = wait_signal(awaited, end - now)) != 0)
			return signo;
	}
	return 0;
}

static void
supervise(struct exec_report *report, enum exec_bond bond, const sigset_t *awaited)
{
	int signo = wait_end(report, bond, awaited, INT32_MAX, EXEC_DRAIN_MS);

	if (signo == SIGTERM && !report->has_ended) {
		kill(-report->program, SIGTERM);
		wait_end(report, bond, awaited, TERM_MS, 0);
	}
	while (is_left(report, bond)) {
		kill(-report->program, SIGKILL);
		if (bond == EXEC_CONTAINED)
			kill_children();
		else if (report->has_ended)
			return;
		wait_end(report, bond, awaited, 10, 10);
	}
}

static void
be_supervisor(pid_t parent, const struct exec_spec *spec, int input, int output,
    const sigset_t *awaited, struct exec_report *report)
{
	setsid();
	prctl(PR_SET_NAME, "pm-supervisor");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, DEATH_SIGNAL);
	if (getppid() != parent) /* it died before we could ask to be told */
		_exit(0);
	report->error = exec_spawn(&report->program, spec, input, output);
	close_range(0, ~0U, 0);
	if (report->error == 0)
		supervise(report, spec->bond, awaited);
	_exit(0);
}

int
exec_spawn_supervised(
    pid_t *pid, const struct exec_spec *spec, int input, int output, struct exec_report **report)
{
	struct exec_report *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigset_t awaited, all, before;
	pid_t parent = getpid();
	int no;

	if (shared == MAP_FAILED)
		return errno;
	sigemptyset(&awaited);
	sigaddset(&awaited, SIGTERM);
	sigaddset(&awaited, SIGCHLD);
	sigaddset(&awaited, DEATH_SIGNAL);
	/* From before the fork, so that no handler of ours ever runs in the supervisor. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	if ((*pid = fork()) == 0)
		be_supervisor(parent, spec, input, output, &awaited, shared);
	no = *pid < 0 ? errno : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (no != 0) {
		*pid = 0;
		exec_report_free(shared);
	} else
		*report = shared;
	return no;
}

void
exec_report_free(struct exec_report *report)
{
	if (report != NULL)
		munmap(report, sizeof(*report));
}
