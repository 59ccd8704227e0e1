/*
 * config_keys.c: the table of the configuration. Whoever adds a key adds a line here and a paragraph
 * to man/pointsman.conf.5; a test holds the two together.
 */
#include "feature/config_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/name.h"

#define S(seconds) ((seconds)*1000.0)

#define PATH_ALLOWED "an absolute path"
#define TIMEOUT_ALLOWED "a duration from 100ms to 10m, like \"10s\""
#define RANGE_ALLOWED "a range as Nagios plugins have it, like \"10\", \"5:\" or \"10:20\""
#define ARGV_ALLOWED "a program (absolute, or a bare name that is in PATH), its arguments"

/* clang-format off */
#define FIELD(member) offsetof(struct config_consul, member)
static const struct config_key consul_keys[] = {
	{ .name = "address", .read = config_read_address, .offset = FIELD(address),
	    .fallback = "http://127.0.0.1:8500",
	    .allowed = "http://HOST:PORT, https://HOST:PORT, unix:///PATH or file:/PATH" },
	{ .name = "token-file", .read = config_read_path, .offset = FIELD(token_file),
	    .allowed = PATH_ALLOWED },
	{ .name = "root", .read = config_read_prefix, .offset = FIELD(root),
	    .fallback = "pointsman/",
	    .allowed = "a prefix of keys: letters, digits, '.', '_', '-' and '/', ending in '/'" },
	{ .name = "names", .read = config_read_prefix_or_none, .offset = FIELD(names),
	    .allowed = "a prefix of keys like \"services/\", or \"\" for names/ below root" },
	{ .name = "datacenter", .read = config_read_word, .offset = FIELD(datacenter),
	    .fallback = "",
	    .allowed = "letters, digits, '-' and '_', or \"\" for the agent's own" },
	{ .name = "ca-file", .read = config_read_path, .offset = FIELD(ca_file),
	    .allowed = PATH_ALLOWED },
	{ .name = "cert-file", .read = config_read_path, .offset = FIELD(cert_file),
	    .allowed = PATH_ALLOWED },
	{ .name = "key-file", .read = config_read_path, .offset = FIELD(key_file),
	    .allowed = PATH_ALLOWED },
	{ .name = "tls-server-name", .read = config_read_domain, .offset = FIELD(tls_server_name),
	    .allowed = "a host name" },
	{ .name = "verify", .read = config_read_bool, .offset = FIELD(is_verified),
	    .fallback = "yes",
	    .allowed = "yes or no" },
	{ .name = NULL },
};
#undef FIELD

#define FIELD(member) offsetof(struct config_agent, member)
static const struct config_key agent_keys[] = {
	{ .name = "node", .read = config_read_node, .offset = FIELD(node),
	    .allowed = "a node name: letters, digits, '-', '_' and '.', or \"\" to ask Consul" },
	{ .name = "state-dir", .read = config_read_path, .offset = FIELD(state_dir),
	    .fallback = "/var/lib/pointsman",
	    .allowed = PATH_ALLOWED },
	{ .name = "http", .read = config_read_http, .offset = FIELD(http),
	    .fallback = "127.0.0.1:8753",
	    .allowed = "ADDRESS:PORT, unix:/PATH, or \"\" for none" },
	{ .name = "domain", .read = config_read_domain, .offset = FIELD(domain),
	    .fallback = "service.consul",
	    .allowed = "a domain like \"service.consul\", not in " PROOF_DOMAIN ", or \"\" for none" },
	{ .name = "template-dir", .read = config_read_path, .offset = FIELD(template_dir),
	    .fallback = PM_TEMPLATE_DIR,
	    .allowed = PATH_ALLOWED },
	{ .name = "vantage", .read = config_read_bool, .offset = FIELD(is_vantage),
	    .fallback = "no",
	    .allowed = "yes or no" },
	{ .name = "log-level", .read = config_read_log_level, .offset = FIELD(log_level),
	    .fallback = "info",
	    .allowed = "error, warning, info or debug" },
	{ .name = "max-silence", .read = config_read_duration, .offset = FIELD(max_silence_ms),
	    .fallback = "60s",
	    .allowed = "a duration from 1s to 10m, like \"60s\"",
	    .min = S(1), .max = S(600) },
	{ .name = NULL },
};
#undef FIELD

#define FIELD(member) offsetof(struct config_output, member)
static const struct config_key output_keys[] = {
	{ .name = "template", .read = config_read_template, .offset = FIELD(template),
	    .fallback = "hosts.mustache",
	    .allowed = "a file, absolute or below template-dir" },
	{ .name = "path", .read = config_read_path, .offset = FIELD(path),
	    .allowed = PATH_ALLOWED },
	{ .name = "mode", .read = config_read_mode, .offset = FIELD(mode),
	    .fallback = "0644",
	    .allowed = "four octal digits from 0400 to 0777, like 0644" },
	{ .name = "escape", .read = config_read_escape, .offset = FIELD(escape),
	    .fallback = "none",
	    .allowed = "none, html, json or shell" },
	{ .name = "settle-min", .read = config_read_duration, .offset = FIELD(settle_min_ms),
	    .fallback = "20ms",
	    .allowed = "a duration from 0 to 10s, like \"20ms\"",
	    .min = 0, .max = S(10) },
	{ .name = "settle-max", .read = config_read_duration, .offset = FIELD(settle_max_ms),
	    .fallback = "250ms",
	    .allowed = "a duration from 0 to 60s, like \"250ms\"",
	    .min = 0, .max = S(60) },
	{ .name = "max-removal", .read = config_read_share, .offset = FIELD(max_removal),
	    .fallback = "20%",
	    .allowed = "a share from 0% to 100%, like \"20%\"" },
	{ .name = "backups", .read = config_read_count, .offset = FIELD(backups),
	    .fallback = "10",
	    .allowed = "a number from 0 to 1000",
	    .min = 0, .max = 1000 },
	{ .name = "validate", .read = config_read_validate, .offset = FIELD(validate),
	    .allowed = "like {\"/usr/bin/program\", \"%f\"}: " ARGV_ALLOWED ", and %f for the new file",
	    .is_list = true },
	{ .name = "signal", .read = config_read_signal, .offset = FIELD(signal),
	    .allowed = "HUP, USR1, USR2 or WINCH" },
	{ .name = "pidfile", .read = config_read_path, .offset = FIELD(pidfile),
	    .allowed = PATH_ALLOWED },
	{ .name = "process", .read = config_read_process, .offset = FIELD(process),
	    .allowed = "the name of a process, at most 15 bytes (the kernel keeps no more)" },
	{ .name = "command", .read = config_read_argv, .offset = FIELD(command),
	    .allowed = ARGV_ALLOWED,
	    .is_list = true },
	{ .name = "timeout", .read = config_read_duration, .offset = FIELD(limit_ms),
	    .fallback = "10s",
	    .allowed = TIMEOUT_ALLOWED,
	    .min = 100, .max = S(600) },
	{ .name = "prove", .read = config_read_server, .offset = FIELD(prove),
	    .allowed = "the address of a resolver like \"127.0.0.1:53\", or \"\" for none" },
	{ .name = NULL },
};
#undef FIELD

#define TIMING(prefix) \
	{ .name = "interval", .read = config_read_duration, .offset = FIELD(prefix interval_ms), \
	    .fallback = "5s", \
	    .allowed = "a duration from 500ms to 1h, like \"5s\"", \
	    .min = 500, .max = S(3600) }, \
	{ .name = "fast-interval", .read = config_read_duration, .offset = FIELD(prefix fast_ms), \
	    .fallback = "1s", \
	    .allowed = "a duration from 100ms to 1h, like \"1s\"", \
	    .min = 100, .max = S(3600) }, \
	{ .name = "timeout", .read = config_read_duration, .offset = FIELD(prefix timeout_ms), \
	    .fallback = "2s", \
	    .allowed = "a duration from 100ms to 10m, like \"2s\"", \
	    .min = 100, .max = S(600) }, \
	{ .name = "failures-before-critical", .read = config_read_int, \
	    .offset = FIELD(prefix failures), \
	    .fallback = "5", \
	    .allowed = "a number from 1 to 1000", \
	    .min = 1, .max = 1000 }, \
	{ .name = "window", .read = config_read_duration, .offset = FIELD(prefix window_ms), \
	    .fallback = "10s", \
	    .allowed = "a duration from 0 to 1h, like \"10s\"", \
	    .min = 0, .max = S(3600) }, \
	{ .name = "refused-window", .read = config_read_duration, \
	    .offset = FIELD(prefix refused_window_ms), \
	    .allowed = "a duration from 1ms to 1h, like \"3s\"", \
	    .min = 1, .max = S(3600) }, \
	{ .name = "success-before-passing", .read = config_read_int, \
	    .offset = FIELD(prefix successes), \
	    .fallback = "3", \
	    .allowed = "a number from 1 to 1000", \
	    .min = 1, .max = 1000 }, \
	{ .name = "success-window", .read = config_read_duration, \
	    .offset = FIELD(prefix success_window_ms), \
	    .fallback = "15s", \
	    .allowed = "a duration from 0 to 1h, like \"15s\"", \
	    .min = 0, .max = S(3600) }

#define FIELD(member) offsetof(struct check_spec, member)
static const struct config_key check_keys[] = {
	{ .name = "type", .read = config_read_type, .offset = FIELD(type),
	    .allowed = "mysql, redis, tcp, http, sql, file, unit or exec" },
	{ .name = "target", .read = config_read_target, .offset = FIELD(target),
	    .types = "mysql redis tcp http sql exec",
	    .allowed = "a name, a node or HOST:PORT" },
	{ .name = "port", .read = config_read_int, .offset = FIELD(port),
	    .types = "mysql redis tcp http sql exec",
	    .allowed = "a port from 1 to 65535",
	    .min = 1, .max = 65535 },
	{ .name = "role", .read = config_read_role, .offset = FIELD(role),
	    .types = "mysql redis",
	    .fallback = "any",
	    .allowed = "any, master (it must be writable) or replica (it must be read-only)" },
	{ .name = "credentials", .read = config_read_path, .offset = FIELD(credentials),
	    .types = "mysql redis sql",
	    .allowed = PATH_ALLOWED },
	{ .name = "database", .read = config_read_word, .offset = FIELD(database),
	    .types = "mysql redis sql",
	    .allowed = "letters, digits, '-' and '_'" },
	{ .name = "query", .read = config_read_text, .offset = FIELD(query),
	    .types = "sql",
	    .allowed = "a statement that reads, in one line" },
	{ .name = "max-lag", .read = config_read_duration, .offset = FIELD(max_lag_ms),
	    .types = "mysql redis",
	    .allowed = "a duration from 100ms to 24h, like \"10s\"",
	    .min = 100, .max = S(86400) },
	{ .name = "long-write", .read = config_read_duration, .offset = FIELD(long_write_ms),
	    .types = "mysql",
	    .allowed = "a duration from 1s to 24h, like \"10s\"",
	    .min = S(1), .max = S(86400) },
	{ .name = "path", .read = config_read_url_path, .offset = FIELD(path),
	    .types = "http file",
	    .allowed = "an absolute path" },
	{ .name = "measure", .read = config_read_measure, .offset = FIELD(measure),
	    .types = "file",
	    .allowed = "age (seconds) or size (bytes)" },
	{ .name = "host", .read = config_read_text, .offset = FIELD(host),
	    .types = "tcp http redis",
	    .allowed = "a host name" },
	{ .name = "expect", .read = config_read_text, .offset = FIELD(expect),
	    .types = "tcp http",
	    .allowed = "text that the answer must hold, in one line" },
	{ .name = "tls", .read = config_read_bool, .offset = FIELD(is_tls),
	    .types = "tcp http redis",
	    .allowed = "yes or no" },
	{ .name = "ca-file", .read = config_read_path, .offset = FIELD(ca_file),
	    .types = "tcp http redis",
	    .allowed = PATH_ALLOWED },
	{ .name = "sentinels", .read = config_read_targets, .offset = FIELD(sentinels),
	    .types = "redis",
	    .allowed = "one or more ADDRESS:PORT, like {\"10.0.5.21:26379\"}",
	    .is_list = true },
	{ .name = "sentinel-master", .read = config_read_word, .offset = FIELD(sentinel_master),
	    .types = "redis",
	    .allowed = "the name by which the sentinels know it: letters, digits, '-' and '_'" },
	{ .name = "unit", .read = config_read_systemd_unit, .offset = FIELD(unit),
	    .types = "unit",
	    .allowed = "a systemd unit like \"fees.service\"" },
	{ .name = "command", .read = config_read_argv, .offset = FIELD(command),
	    .types = "exec",
	    .allowed = ARGV_ALLOWED,
	    .is_list = true },
	{ .name = "warning", .read = config_read_range, .offset = FIELD(warning),
	    .allowed = RANGE_ALLOWED },
	{ .name = "critical", .read = config_read_range, .offset = FIELD(critical),
	    .allowed = RANGE_ALLOWED },
	TIMING(timing.),
	{ .name = NULL },
};
#undef FIELD

#define FIELD(member) offsetof(struct config_pair, member)
static const struct config_key pair_keys[] = {
	{ .name = "kind", .read = config_read_kind, .offset = FIELD(kind),
	    .allowed = "mysql, redis or daemon" },
	{ .name = "name", .read = config_read_name, .offset = FIELD(kv_name),
	    .allowed = "a name: labels of letters, digits, '-' and '_' with dots between them" },
	{ .name = "nodes", .read = config_read_nodes, .offset = FIELD(nodes),
	    .allowed = "two nodes, like {\"db3\", \"db4\"}",
	    .is_list = true },
	{ .name = "port", .read = config_read_int, .offset = FIELD(port),
	    .allowed = "a port from 1 to 65535",
	    .min = 1, .max = 65535 },
	{ .name = "credentials", .read = config_read_path, .offset = FIELD(credentials),
	    .allowed = PATH_ALLOWED },
	{ .name = "max-lag", .read = config_read_duration, .offset = FIELD(max_lag_ms),
	    .fallback = "10s",
	    .allowed = "a duration from 100ms to 24h, like \"10s\"",
	    .min = 100, .max = S(86400) },
	{ .name = "long-write", .read = config_read_duration, .offset = FIELD(long_write_ms),
	    .fallback = "10s",
	    .allowed = "a duration from 1s to 24h, like \"10s\"",
	    .min = S(1), .max = S(86400) },
	{ .name = "tls", .read = config_read_bool, .offset = FIELD(is_tls),
	    .allowed = "yes or no" },
	{ .name = "sentinels", .read = config_read_targets, .offset = FIELD(sentinels),
	    .allowed = "one or more ADDRESS:PORT, like {\"10.0.5.21:26379\"}",
	    .is_list = true },
	{ .name = "sentinel-master", .read = config_read_word, .offset = FIELD(sentinel_master),
	    .allowed = "the name by which the sentinels know it: letters, digits, '-' and '_'" },
	{ .name = "status", .read = config_read_argv, .offset = FIELD(status),
	    .allowed = ARGV_ALLOWED,
	    .is_list = true },
	{ .name = "start", .read = config_read_argv, .offset = FIELD(start),
	    .allowed = ARGV_ALLOWED,
	    .is_list = true },
	{ .name = "stop", .read = config_read_argv, .offset = FIELD(stop),
	    .allowed = ARGV_ALLOWED,
	    .is_list = true },
	{ .name = "command-timeout", .read = config_read_duration,
	    .offset = FIELD(command_limit_ms),
	    .fallback = "30s",
	    .allowed = "a duration from 100ms to 10m, like \"30s\"",
	    .min = 100, .max = S(600) },
	{ .name = "approvals", .read = config_read_int, .offset = FIELD(approvals),
	    .fallback = "0",
	    .allowed = "0, or 1: another person has to approve an operation",
	    .min = 0, .max = 1 },
	{ .name = "maintenance-window", .read = config_read_windows, .offset = FIELD(maintenance),
	    .allowed = "one to 16 windows of days and local time, like {\"Mon-Fri 09:00-17:00\", "
		       "\"Sat 22:00-02:00\"}",
	    .is_list = true },
	{ .name = "fence-command", .read = config_read_fence, .offset = FIELD(fence),
	    .allowed = "like {\"/usr/bin/program\", \"{node}\"}: " ARGV_ALLOWED
		       ", and {node} or {address} for the server to cut off",
	    .is_list = true },
	{ .name = "pre-hook", .read = config_read_argv, .offset = FIELD(pre_hook),
	    .allowed = ARGV_ALLOWED,
	    .is_list = true },
	{ .name = "post-hook", .read = config_read_argv, .offset = FIELD(post_hook),
	    .allowed = ARGV_ALLOWED,
	    .is_list = true },
	{ .name = "failed-hook", .read = config_read_argv, .offset = FIELD(failed_hook),
	    .allowed = ARGV_ALLOWED,
	    .is_list = true },
	{ .name = "hook-timeout", .read = config_read_duration, .offset = FIELD(hook_limit_ms),
	    .fallback = "10s",
	    .allowed = TIMEOUT_ALLOWED,
	    .min = 100, .max = S(600) },
	TIMING(timing.),
	{ .name = NULL },
};
#undef FIELD

#define FIELD(member) offsetof(struct config_hook, member)
static const struct config_key hook_keys[] = {
	{ .name = "on", .read = config_read_events, .offset = FIELD(on),
	    .allowed = "one or more of change, problem, proposal, op-begin, op-done and "
		       "op-failed",
	    .is_list = true },
	{ .name = "command", .read = config_read_argv, .offset = FIELD(command),
	    .allowed = ARGV_ALLOWED,
	    .is_list = true },
	{ .name = "timeout", .read = config_read_duration, .offset = FIELD(limit_ms),
	    .fallback = "10s",
	    .allowed = TIMEOUT_ALLOWED,
	    .min = 100, .max = S(600) },
	{ .name = NULL },
};
#undef FIELD
/* clang-format on */

const struct config_block config_blocks[CONFIG_BLOCKS] = {
	[CONFIG_CONSUL] = { "consul", false, consul_keys, sizeof(struct config_consul),
	    offsetof(struct config, consul), 0 },
	[CONFIG_AGENT] = { "agent", false, agent_keys, sizeof(struct config_agent),
	    offsetof(struct config, agent), 0 },
	[CONFIG_OUTPUT] = { "output", true, output_keys, sizeof(struct config_output),
	    offsetof(struct config, outputs), offsetof(struct config, output_count) },
	[CONFIG_CHECK] = { "check", true, check_keys, sizeof(struct check_spec),
	    offsetof(struct config, checks), offsetof(struct config, check_count) },
	[CONFIG_PAIR] = { "pair", true, pair_keys, sizeof(struct config_pair),
	    offsetof(struct config, pairs), offsetof(struct config, pair_count) },
	[CONFIG_HOOK] = { "hook", true, hook_keys, sizeof(struct config_hook),
	    offsetof(struct config, hooks), offsetof(struct config, hook_count) },
};

const struct config_key *
config_key_find(const struct config_block *b, const char *name)
{
	for (const struct config_key *k = b->keys; k->name != NULL; k++) {
		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

void
config_block_init(const struct config_block *b, void *block)
{
	for (const struct config_key *k = b->keys; k->name != NULL; k++) {
		const char *const values[] = { k->fallback, NULL };

		if (k->fallback != NULL && k->read(k, values, (char *)block + k->offset) != 0)
			abort(); /* a slip in the table above: no test would pass */
	}
}
