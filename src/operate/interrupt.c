/*
 * interrupt.c: the one thing a signal handler may do is set a flag, which every wait looks at about ten
 * times a second. The loop's signal events were rejected: a command also waits for a person to type,
 * outside of the loop. A second Ctrl-C ends the program at once, for those who cannot wait for the end
 * of a wait.
 */
#include "operate/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t is_pending;

static void
caught(int signo)
{
	(void)signo;
	is_pending = 1;
}

void
interrupt_catch(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = caught, .sa_flags = (int)SA_RESETHAND };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &act, NULL);
	/* `pointsman names | head` ends by a failed write, and a lost connection by an error. */
	sigaction(SIGPIPE, &ignore, NULL);
}

bool
interrupt_is_pending(void *arg)
{
	(void)arg;
	return is_pending != 0;
}

void
interrupt_keep(void)
{
	static const int signals[] = { SIGINT, SIGTERM };
	struct sigaction act = { .sa_handler = caught };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &act, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	/* Ctrl-Z would leave writers refused for as long as the shell likes. */
	sigaction(SIGTSTP, &ignore, NULL);
}
