/*
 * config.h: /etc/pointsman/pointsman.conf, read, checked and with the environment applied. All errors
 * of a file are found at once and each names file, line, key, the value and what is allowed.
 */
#ifndef FEATURE_CONFIG_H
#define FEATURE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "io/kv.h"
#include "model/check.h"
#include "model/mustache.h"
#include "model/time_window.h"

#define CONFIG_DEFAULT_PATH PM_SYSCONF_DIR "/pointsman.conf"

struct config_consul {
	char *address; /* with its scheme */
	char *token_file, *datacenter;
	char *root;  /* "pointsman/" */
	char *names; /* the whole prefix: "pointsman/names/" unless set */
	char *ca_file, *cert_file, *key_file, *tls_server_name;
	bool is_verified;
	char *token; /* from CONSUL_HTTP_TOKEN or the token file; NULL: none */
};

struct config_agent {
	char *node; /* NULL: ask the local Consul agent */
	char *state_dir;
	char *http;   /* "": none */
	char *domain; /* "": none */
	char *template_dir;
	bool is_vantage;
	enum log_level log_level;
	int64_t max_silence_ms;
};

struct config_output {
	char *name, *template, *path;
	mode_t mode;
	enum escape escape;
	int64_t settle_min_ms, settle_max_ms, limit_ms; /* limit: of validate and command */
	double max_removal;
	uint64_t backups;
	char **validate; /* argv, NULL-terminated; NULL: none. "%f" stands for the new file */
	int signal;      /* 0: none */
	char *pidfile;
	char *process; /* what /proc/PID/comm must be; NULL: as notify.h says */
	char **command;
	char *prove; /* NULL: do not */
};

/* Two servers of which one is active; its checks are among those of the configuration. */
struct config_pair {
	char *name;    /* the title */
	char *kv_name; /* the name whose value says who is active */
	char *kind;    /* "mysql", "redis" or "daemon" */
	char **nodes;  /* two, NULL-terminated */
	int port;      /* 0: the kind's */
	char *credentials;
	bool is_tls;
	int64_t max_lag_ms, long_write_ms;
	char **sentinels, *sentinel_master; /* of a Redis pair that has them */
	char **status, **start,
	    **stop;               /* of daemons: argv, {node} and {address} stand for the server */
	int64_t command_limit_ms; /* of each of them, when an operation runs it */
	/* What an operation asks for, and what it runs. */
	int approvals;                   /* of other people, before anything is touched */
	struct time_windows maintenance; /* when a planned one may begin */
	char **fence;                    /* argv with {node} or {address}; NULL: none */
	char **pre_hook, **post_hook, **failed_hook;
	int64_t hook_limit_ms; /* of each of them */
	struct debounce_config timing;
};

struct config_hook {
	char *name;
	char **on; /* events, NULL-terminated */
	char **command;
	int64_t limit_ms;
};

struct config {
	char *path; /* NULL: there is no file, all defaults */
	struct config_consul consul;
	struct config_agent agent;
	struct config_output *outputs;
	size_t output_count;
	struct check_spec *checks; /* those of pairs behind all others */
	size_t check_count;
	struct config_pair *pairs;
	size_t pair_count;
	struct config_hook *hooks;
	size_t hook_count;
	struct str warnings; /* lines as in problems: nothing that keeps it from being used */
};

/*
 * Reads path; NULL: the default file if it exists, else all defaults. Every problem is appended to
 * problems, a line each, ready for the operator: "FILE:LINE: KEY = VALUE: what is allowed". NULL when
 * there was any (e then has the number of them). No outputs is not a problem here: the command needs
 * none.
 */
struct config *config_load(const char *path, struct str *problems, struct err *e);
void config_free(struct config *c);

/* The store of this configuration. */
void config_kv(const struct config *c, struct kv_config *out);
/* "pointsman/agents/" + tail and so on, malloc'ed. */
char *config_key(const struct config *c, const char *tail);
char *config_name_key(const struct config *c, const char *name);

#endif
