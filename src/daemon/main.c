/*
 * main.c: pointsmand's command line and signals.
 *
 *   TERM, INT  end: the session goes, the files stay
 *   HUP        read the configuration again: a bad one is refused and the old one stays
 *
 * A reload builds a new agent beside the old one's ashes, because the address of the HTTP server can
 * only be bound once; what the old one knew is on disk and in the files. What can be tried before is
 * (templates, directories, certificates): then the old agent does not notice a bad configuration.
 * When the new one cannot be built after all, the old configuration is started again.
 */
#include <config.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/agent.h"
#include "feature/checker.h"
#include "feature/once.h"
#include "io/loop.h"
#include "io/sdnotify.h"

/* The exit codes of design, section 7, that a daemon can have. */
enum { EXIT_OK = 0, EXIT_PROBLEM = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 7 };

#define DESCRIPTORS 16384

struct daemon {
	struct loop *loop;
	const char *config_path;
	struct agent *agent;
	struct sdnotify *sd;
	struct config *next;     /* during a reload */
	struct checker *checker; /* the same: of the old agent, for the new one */
	bool is_reloading, is_ending;
	bool is_reload_due; /* asked for during a reload, which may have read the file before */
	int exit_code;
};

static const char usage[] =
    "usage: pointsmand [-c FILE] [--once] [--foreground]\n"
    "\n"
    "  -c, --config FILE  configuration (default " CONFIG_DEFAULT_PATH ")\n"
    "      --once         render every output once and exit\n"
    "      --foreground   stay in the foreground (always so; accepted for init scripts)\n"
    "      --version      print the version\n"
    "  -h, --help         print this\n";

static bool
is_watching(const struct config *c)
{
	return c->agent.is_vantage && c->check_count > 0;
}

/* NULL after having told everything that is wrong. */
static struct config *
load(const char *path)
{
	struct str problems = STR_INIT;
	struct err e;
	struct config *c = config_load(path, &problems, &e);

	if (c == NULL) {
		fputs(str_text(&problems), stderr);
		log_error("configuration: %s", e.text);
	} else if (c->output_count == 0 && !is_watching(c)) {
		log_error("%s: no output block, and no checks of a vantage: there is nothing to do",
		    c->path != NULL ? c->path : CONFIG_DEFAULT_PATH);
		config_free(c);
		c = NULL;
	}
	str_clear(&problems);
	if (c != NULL)
		fputs(str_text(&c->warnings), stderr);
	return c;
}

static int
start_agent(struct daemon *d, struct config *c, struct err *e)
{
	d->agent = agent_new(d->loop, c, e);
	if (d->agent == NULL)
		return -1;
	log_set_level(c->agent.log_level);
	agent_start(d->agent, d->checker);
	d->checker = NULL;
	return 0;
}

static void
ended(void *arg)
{
	struct daemon *d = arg;

	loop_stop(d->loop);
}

static void
terminate(void *arg)
{
	struct daemon *d = arg;

	if (d->is_ending)
		return;
	d->is_ending = true;
	log_info("ending; the files stay as they are");
	sdnotify_stopping(d->sd);
	if (!d->is_reloading)
		agent_finish(d->agent, ended, d);
}

static void reload(void *arg);

/* The old agent has let go: the new configuration, or the old one again. */
static void
reload_finished(void *arg)
{
	struct daemon *d = arg;
	struct config *old = d->agent->config;
	struct err e, refused;

	d->is_reloading = false;
	d->agent->config = NULL;
	d->checker = agent_take_checker(d->agent);
	agent_free(d->agent);
	d->agent = NULL;
	if (d->is_ending) {
		config_free(d->next);
		config_free(old);
		loop_stop(d->loop);
		return;
	}
	if (start_agent(d, d->next, &e) == 0) {
		config_free(old);
		log_info("configuration reloaded");
	} else {
		refused = e;
		log_error("reload refused, the old configuration stays: %s", refused.text);
		config_free(d->next);
		if (start_agent(d, old, &e) == 0) {
			agent_refuse_reload(d->agent, refused.text);
		} else {
			log_error("the old configuration cannot be started any more: %s", e.text);
			config_free(old);
			d->exit_code = EXIT_PROBLEM;
			loop_stop(d->loop);
		}
	}
	d->next = NULL;
	sdnotify_ready(d->sd);
	if (d->is_reload_due && d->agent != NULL)
		reload(d);
}

static void
reload(void *arg)
{
	struct daemon *d = arg;
	struct err e;

	if (d->is_ending)
		return;
	d->is_reload_due = d->is_reloading;
	if (d->is_reloading)
		return;
	if ((d->next = load(d->config_path)) == NULL) {
		log_error("reload refused, the old configuration stays");
		agent_refuse_reload(d->agent, "pointsman config check says why");
		return;
	}
	if (agent_check(d->loop, d->next, &e) != 0) {
		log_error("reload refused, the old configuration stays: %s", e.text);
		agent_refuse_reload(d->agent, e.text);
		config_free(d->next);
		d->next = NULL;
		return;
	}
	sdnotify_reloading(d->sd);
	d->is_reloading = true;
	agent_finish(d->agent, reload_finished, d);
}

static int
run(struct daemon *d, struct config *c)
{
	struct loop_signal *signals[3];
	struct err e;
	int code;

	if (start_agent(d, c, &e) != 0) {
		log_error("not started: %s", e.text);
		code = e.code == ERR_CONFIG ? EXIT_USAGE : EXIT_PROBLEM;
		config_free(c);
		return code;
	}
	signals[0] = loop_signal_new(d->loop, SIGTERM, terminate, d);
	signals[1] = loop_signal_new(d->loop, SIGINT, terminate, d);
	signals[2] = loop_signal_new(d->loop, SIGHUP, reload, d);
	d->sd = sdnotify_new(d->loop);
	sdnotify_ready(d->sd);
	log_info("pointsmand " PACKAGE_VERSION " serves %zu output%s", d->agent->output_count,
	    d->agent->output_count == 1 ? "" : "s");
	loop_run(d->loop);
	for (size_t i = 0; i < MEM_COUNT(signals); i++)
		loop_signal_free(signals[i]);
	sdnotify_free(d->sd);
	agent_free(d->agent);
	checker_free(d->checker);
	return d->exit_code;
}

static int
run_once(struct daemon *d, struct config *c)
{
	struct str report = STR_INIT;
	struct err e;
	int code = EXIT_OK;

	log_set_level(c->agent.log_level);
	if (once_run(d->loop, c, NULL, &report, &e) != 0) {
		log_error("%s", e.text);
		code = e.code == ERR_CONFLICT ? EXIT_PROBLEM
		       : e.code == ERR_CONFIG ? EXIT_USAGE
					      : EXIT_UNREACHABLE;
	}
	fputs(str_text(&report), stdout);
	str_clear(&report);
	config_free(c);
	return code;
}

/* A dump of our memory would hold the passwords of the databases that we look at. */
static void
forbid_dumps(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

/* 1,000 checks keep as many connections, and 1,024 descriptors is what most systems begin with. */
static void
allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (limit.rlim_cur < DESCRIPTORS && limit.rlim_max > limit.rlim_cur) {
		limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
main(int argc, char **argv)
{
	enum { OPT_ONCE = 256, OPT_FOREGROUND, OPT_VERSION };
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "once", no_argument, NULL, OPT_ONCE },
		{ "foreground", no_argument, NULL, OPT_FOREGROUND },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct daemon d = { 0 };
	struct config *c;
	bool is_once = false;
	int o, code;

	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			d.config_path = optarg;
			break;
		case OPT_ONCE:
			is_once = true;
			break;
		case OPT_FOREGROUND:
			break;
		case OPT_VERSION:
			puts("pointsmand " PACKAGE_VERSION);
			return EXIT_OK;
		case 'h':
			fputs(usage, stdout);
			return EXIT_OK;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if ((c = load(d.config_path)) == NULL)
		return EXIT_USAGE;
	forbid_dumps();
	allow_descriptors();
	signal(SIGPIPE, SIG_IGN); /* a peer that closes is an error of write(2), not our end */
	d.loop = loop_new();
	code = is_once ? run_once(&d, c) : run(&d, c);
	loop_free(d.loop);
	return code;
}
