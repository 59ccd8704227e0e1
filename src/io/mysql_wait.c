/*
 * mysql_wait.c: libmariadb's non-blocking API waits in one place after all: during a TLS handshake
 * (ma_tls_connect) it reads and calls poll(2), with no limit. A server that is stopped between its
 * greeting and its certificate would stop our loop. MARIADB_OPT_IO_WAIT puts a function of ours in the place of that
 * poll, but has no way to come back later. So the call into the library runs on a stack of its own, and
 * the hook swaps to the loop's:
 *
 *   loop ── run/resume ──> fn ──> library's own coroutine ──> TLS ──> hook
 *     <───────────────────────── swapcontext ─────────────────────────┘
 *
 * It may leave the library's coroutine in the midst of it, as that one's state is nothing but its stack.
 * Outside of a run the hook says "not ready": nothing in the library then waits at all, as when an
 * abandoned connection is closed.
 *
 * Rejected: a limit on that poll (a tenth of a second for each such server, each time it is looked at, for
 * everybody else); a thread or a child for each handshake; our own coroutine for all calls instead of the
 * library's, which is the documented way and where nobody else's bugs are found.
 */
#include "io/mysql_wait.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/mem.h"

/*
 * Only the entry into the library stands on it, its coroutine has its own; pages that are not used cost
 * nothing. The lowest one is a guard.
 */
#define STACK_SIZE (64u << 10)
#define GUARD_SIZE 4096u

struct mysql_wait {
	ucontext_t loop, inside;
	char *stack;
	void (*fn)(void *arg);
	void *arg;
	bool has_ended, is_given_up;
};

/* Who is inside just now: the library's hook knows nothing but a descriptor. */
static struct mysql_wait *running;

struct mysql_wait *
mysql_wait_new(void)
{
	return mem_alloc(sizeof(struct mysql_wait));
}

void
mysql_wait_free(struct mysql_wait *w)
{
	if (w == NULL)
		return;
	if (w->stack != NULL)
		munmap(w->stack, STACK_SIZE);
	free(w);
}

int
mysql_wait_hook(int fd, char is_read, int timeout)
{
	struct mysql_wait *w = running;

	(void)fd;
	(void)is_read;
	(void)timeout;
	if (w == NULL)
		return 0;
	swapcontext(&w->inside, &w->loop);
	return w->is_given_up ? 0 : 1;
}

static void
begin(void)
{
	struct mysql_wait *w = running;

	w->fn(w->arg);
	w->has_ended = true;
	/* uc_link leads back to the loop. */
}

static bool
enter(struct mysql_wait *w)
{
	running = w;
	swapcontext(&w->loop, &w->inside);
	running = NULL;
	return w->has_ended;
}

static char *
make_stack(void)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

	if (stack == MAP_FAILED || mprotect(stack, GUARD_SIZE, PROT_NONE) != 0)
		abort(); /* out of memory */
	return stack;
}

bool
mysql_wait_run(struct mysql_wait *w, void (*fn)(void *arg), void *arg)
{
	if (w->stack == NULL)
		w->stack = make_stack();
	if (getcontext(&w->inside) != 0)
		abort(); /* cannot fail on Linux */
	w->inside.uc_stack.ss_sp = w->stack;
	w->inside.uc_stack.ss_size = STACK_SIZE;
	w->inside.uc_link = &w->loop;
	w->fn = fn;
	w->arg = arg;
	w->has_ended = w->is_given_up = false;
	makecontext(&w->inside, begin, 0);
	return enter(w);
}

bool
mysql_wait_resume(struct mysql_wait *w, bool is_given_up)
{
	w->is_given_up = is_given_up;
	return enter(w);
}
