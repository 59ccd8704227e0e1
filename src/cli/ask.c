/*
 * ask.c: typing a word, not "y": fingers answer "y" before the head has read the question. The
 * question goes to standard error, so that `pointsman … > file` still asks.
 */
#include "cli/ask.h"

#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "operate/interrupt.h"
#include "cli/report.h"

#define ANSWER_MAX 300 /* more than the longest name */
#define POLL_MS 100    /* how long Ctrl-C may go unnoticed */

static enum exit_code
refuse_unasked(const struct cli *cli)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };

	report_fact(
	    &r, "%s needs a confirmation, and there is no terminal to ask on", cli->command->name);
	report_why(&r, "nothing moves without a person");
	report_do(&r, "the same command with --yes");
	return report_send(&r, cli, EXIT_REFUSED);
}

/*
 * A line from the terminal, "" at its end or after Ctrl-C. It polls, because a signal that comes
 * between the look at the flag and the read would leave the read waiting for ever.
 */
static void
read_answer(char *out, size_t size)
{
	struct pollfd terminal = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n = 0;
	int ready = 0;

	while (ready == 0 && !interrupt_is_pending(NULL))
		ready = poll(&terminal, 1, POLL_MS);
	if (ready > 0)
		n = read(STDIN_FILENO, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

enum exit_code
ask_to_type(struct cli *cli, const char *word, const char *what_for)
{
	struct report r = { STR_INIT, STR_INIT, STR_INIT };
	char answer[ANSWER_MAX];

	if (option_is_set(cli, "yes"))
		return EXIT_DONE;
	if (!cli->is_asking)
		return refuse_unasked(cli);
	fflush(stdout);
	fprintf(stderr, "Type %s %s, anything else stops: ", word, what_for);
	read_answer(answer, sizeof(answer));
	if (strcmp(answer, word) == 0 && !interrupt_is_pending(NULL))
		return EXIT_DONE;
	if (answer[0] == '\0')
		fputc('\n', stderr);
	report_fact(&r, "stopped; nothing was changed");
	return report_send(&r, cli, EXIT_STOPPED);
}

char *
ask_who(void)
{
	const char *sudo_user = getenv("SUDO_USER"), *sudo_uid = getenv("SUDO_UID");
	const struct passwd *pw;
	char name[SHOWN_SIZE], uid[SHOWN_SIZE];

	if (sudo_user != NULL && sudo_uid != NULL)
		return mem_printf("%s (uid %s)", shown(name, sudo_user), shown(uid, sudo_uid));
	if ((pw = getpwuid(getuid())) == NULL)
		return mem_printf("uid %u", (unsigned)getuid());
	return mem_printf("%s (uid %u)", shown(name, pw->pw_name), (unsigned)getuid());
}
