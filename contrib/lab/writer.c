/*
 * writer.c: the lab's writer. It behaves like a game's back end, and remembers like an accountant.
 *
 *	writer write [OPTION …]     writes numbered rows until it is told to stop, then says what it felt
 *	writer check [OPTION …]     looks for every remembered row on one server or two
 *
 * It is the instrument that failovers are measured with, so it is built to be believed:
 *
 * - A row has a number (run, connection, sequence) that is used once. What was not acknowledged is never
 *   sent again: a repeated row would hide a lost one, or pass for a doubled one.
 * - An acknowledged row is in the record, by one write(2), before the connection writes its next. A
 *   writer that is killed forgets nothing that it was told, but for the one answer it was reading.
 * - `check` is another run of the program. It knows the record and the tables, and nothing else.
 * - The table allows what must not happen: numbers have no unique key, so that a row twice is seen.
 * - Where nothing can be said (a server does not answer, the record cannot be written) it says that,
 *   by exit status 7. It never says "lost 0" of what it could not look at.
 *
 * Each connection is a thread that waits in libmariadb, as the pool of a back end does: an event loop
 * would be ours, and this is meant to see what others see. It is linked with nothing of pointsman's
 * but the library that allocates memory, so that no mistake is made twice.
 *
 * "Refused for N ms" is the time from the last row that the old server acknowledged to the first that
 * the new one did. Through --resolver it is what a client feels that asks for the name at every
 * connect; with --follow, the address comes with the change itself and it is what the database did.
 */
#include "writer.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char usage_text[] =
    "writer write --log FILE --account FILE (--name NAME --resolver ADDRESS:PORT | --follow "
    "FILE|-)\n"
    "             [--table DB.TABLE] [--create] [--connections 8] [--rate 1000] [--seconds N]\n"
    "             [--port 3306] [--retry-ms 5] [--limit 2] [-o json]\n"
    "writer check --log FILE --account FILE --server ADDRESS:PORT [--server ADDRESS:PORT]\n"
    "             [--settle SECONDS] [-o json]\n"
    "Exit: 0 all is well, 1 rows are lost, doubled, different, or there although refused,\n"
    "2 usage, 7 nothing can be said.\n";

static void __attribute__((noreturn)) usage_exit(const char *why)
{
	fprintf(stderr, "writer: %s\n%s", why, usage_text);
	exit(EXIT_USE);
}

/* A whole number of at least min, or the end. */
static unsigned
number_option(const char *text, unsigned min, unsigned max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || n < min || n > max)
		usage_exit("a number is out of its range");
	return (unsigned)n;
}

static double
seconds_option(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end != '\0' || !(n >= 0 && n < 1e6))
		usage_exit("not a number of seconds");
	return n;
}

static void
options_read(int argc, char **argv, struct writer_options *o)
{
	enum {
		ACCOUNT = 1,
		CONNECTIONS,
		CREATE,
		FOLLOW,
		HELP,
		LIMIT,
		LOG,
		NAME,
		PORT,
		RATE,
		RESOLVER,
		RETRY,
		SECONDS,
		SERVER,
		SETTLE,
		TABLE
	};
	static const struct option options[] = { { "account", 1, 0, ACCOUNT },
		{ "connections", 1, 0, CONNECTIONS }, { "create", 0, 0, CREATE },
		{ "follow", 1, 0, FOLLOW }, { "help", 0, 0, HELP }, { "limit", 1, 0, LIMIT },
		{ "log", 1, 0, LOG }, { "name", 1, 0, NAME }, { "port", 1, 0, PORT },
		{ "rate", 1, 0, RATE }, { "resolver", 1, 0, RESOLVER }, { "retry-ms", 1, 0, RETRY },
		{ "seconds", 1, 0, SECONDS }, { "server", 1, 0, SERVER },
		{ "settle", 1, 0, SETTLE }, { "table", 1, 0, TABLE }, { 0, 0, 0, 0 } };
	size_t checked = 0;
	int option;

	while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
		switch (option) {
		case ACCOUNT:
			o->account = optarg;
			break;
		case CONNECTIONS:
			o->connections = number_option(optarg, 1, WRITER_CONNECTIONS_MAX);
			break;
		case CREATE:
			o->is_create = true;
			break;
		case FOLLOW:
			o->follow = optarg;
			break;
		case HELP:
			fputs(usage_text, stdout);
			exit(EXIT_WELL);
		case LIMIT:
			o->limit_s = number_option(optarg, 1, 3600);
			break;
		case LOG:
			o->log = optarg;
			break;
		case NAME:
			o->name = optarg;
			break;
		case PORT:
			o->port = number_option(optarg, 1, 65535);
			break;
		case RATE:
			o->rate = number_option(optarg, 1, 1000000);
			break;
		case RESOLVER:
			o->resolver = optarg;
			break;
		case RETRY:
			o->retry_ms = number_option(optarg, 1, 60000);
			break;
		case SECONDS:
			o->seconds = seconds_option(optarg);
			break;
		case SERVER:
			if (checked == WRITER_CHECKED_MAX)
				usage_exit("two servers are compared, not more");
			o->checked[checked++] = optarg;
			break;
		case SETTLE:
			o->settle_s = seconds_option(optarg);
			break;
		case TABLE:
			o->table = optarg;
			break;
		case 'o':
			if (strcmp(optarg, "json") != 0)
				usage_exit("-o takes json");
			o->is_json = true;
			break;
		default:
			usage_exit("unknown option");
		}
	}
}

/* The answer to SIGINT and SIGTERM, which every thread has blocked, is to end well. */
static void *
signal_wait(void *arg)
{
	int signo;

	sigwait(arg, &signo);
	where_stop();
	return NULL;
}

static void
stop_on_signals(void)
{
	static sigset_t signals;
	pthread_t thread;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN); /* both are errors of the write, and told there */
	signal(SIGXFSZ, SIG_IGN);
	if (pthread_create(&thread, NULL, signal_wait, &signals) != 0 ||
	    pthread_detach(thread) != 0) {
		fprintf(stderr, "writer: no thread for signals\n");
		exit(EXIT_BLIND);
	}
}

static int
report(const struct writer_options *o, bool is_check)
{
	struct record r;
	struct summary s;
	struct comparison c = { .count = 0 };
	int status = EXIT_WELL;
	char why[512];

	record_load(o->log, &r);
	if (is_check && compare_servers(o, &r, &c, why) != 0) {
		fprintf(stderr, "writer: %s\nNothing can be said about the rows.\n", why);
		record_free(&r);
		return EXIT_BLIND;
	}
	summary_make(&r, &s);
	if (o->is_json) {
		json_t *document = report_json(&r, &s, &c);
		json_dumpf(document, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(document);
	} else {
		report_text(&r, &s, &c, stdout);
	}
	if (is_check && !comparison_is_well(&c))
		status = EXIT_FINDING;
	summary_free(&s);
	record_free(&r);
	return status;
}

int
main(int argc, char **argv)
{
	struct writer_options o = { .table = "game.writes",
		.port = 3306,
		.connections = 8,
		.rate = 1000,
		.retry_ms = 5,
		.limit_s = 2,
		.settle_s = 10 };
	char run[WRITER_RUN_SIZE];
	int status;
	bool is_check;

	if (argc < 2)
		usage_exit("write or check?");
	is_check = strcmp(argv[1], "check") == 0;
	if (strcmp(argv[1], "--help") != 0 && !is_check && strcmp(argv[1], "write") != 0)
		usage_exit("write or check?");
	options_read(argc - (argv[1][0] != '-'), argv + (argv[1][0] != '-'), &o);
	if (o.log == NULL || o.account == NULL)
		usage_exit("--log and --account are needed");
	if (is_check && o.checked[0] == NULL)
		usage_exit("check needs a --server");
	if (!is_check && (o.follow == NULL) == (o.name == NULL || o.resolver == NULL))
		usage_exit("either --name and --resolver, or --follow");

	mysql_library_init(0, NULL, NULL);
	if (!is_check) {
		stop_on_signals();
		record_create(&o, run);
		writer_write(&o, run);
		record_end();
	}
	status = report(&o, is_check);
	mysql_library_end();
	return status;
}
