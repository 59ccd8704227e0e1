/*
 * test_config.c: what an operator sees when something is wrong with the configuration, word for
 * word, and what comes out when nothing is.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "feature/config.h"
#include "config_text.h"

#define HOSTS(more) "output \"hosts\" { path = \"/x/hosts\"\n" more "}"

/* --- what is good -------------------------------------------------------------------------------- */

static void
an_empty_file_means_all_defaults(void **state)
{
	struct config *c = config_load_good("");

	(void)state;
	assert_string_equal(c->consul.address, "http://127.0.0.1:8500");
	assert_string_equal(c->consul.root, "pointsman/");
	assert_string_equal(c->consul.names, "pointsman/names/");
	assert_string_equal(c->consul.datacenter, "");
	assert_true(c->consul.is_verified);
	assert_null(c->consul.token);
	assert_null(c->agent.node);
	assert_string_equal(c->agent.state_dir, "/var/lib/pointsman");
	assert_string_equal(c->agent.http, "127.0.0.1:8753");
	assert_string_equal(c->agent.domain, "service.consul");
	assert_string_equal(c->agent.template_dir, PM_TEMPLATE_DIR);
	assert_false(c->agent.is_vantage);
	assert_int_equal(c->agent.log_level, LOG_LEVEL_INFO);
	assert_int_equal(c->agent.max_silence_ms, 60000);
	assert_int_equal(c->output_count, 0);
	assert_int_equal(c->hook_count, 0);
	assert_int_equal(c->warnings.len, 0);
	config_free(c);
}

static void
an_output_has_its_defaults(void **state)
{
	struct config *c = config_load_good(HOSTS(""));
	const struct config_output *o = &c->outputs[0];

	(void)state;
	assert_string_equal(o->name, "hosts");
	assert_string_equal(o->template, "hosts.mustache");
	assert_string_equal(o->path, "/x/hosts");
	assert_int_equal(o->mode, 0644);
	assert_int_equal(o->escape, ESCAPE_NONE);
	assert_int_equal(o->settle_min_ms, 20);
	assert_int_equal(o->settle_max_ms, 250);
	assert_int_equal(o->limit_ms, 10000);
	assert_true(o->max_removal > 0.1999 && o->max_removal < 0.2001);
	assert_int_equal(o->backups, 10);
	assert_null(o->validate);
	assert_int_equal(o->signal, 0);
	assert_null(o->pidfile);
	assert_null(o->process);
	assert_null(o->command);
	assert_null(o->prove);
	config_free(c);
}

static void
everything_can_be_set(void **state)
{
	struct config *c = config_load_good(
	    "consul { address = \"unix:///run/consul.sock\" root = \"pm/\" names = services/ "
	    "datacenter = dc-1 ca-file = /ca cert-file = /cert key-file = /key "
	    "tls-server-name = Server.DC1.consul verify = off }\n"
	    "agent { node = Web-03 state-dir = /state http = \"unix:/run/pm.sock\" domain = "
	    "Game.Example "
	    "vantage = yes log-level = debug max-silence = 10m template-dir = /templates }\n"
	    "output json { template = /etc/map.mustache path = /x/map.json mode = 0600 escape = "
	    "json "
	    "settle-min = 0 settle-max = 1s max-removal = 0.5 backups = 0 "
	    "validate = {\"/usr/bin/jq\", \"-e\", \".\", \"%f\"} command = {systemctl, reload, "
	    "nginx} "
	    "timeout = 2m prove = \"[::1]:5353\" }\n"
	    "output hosts { path = /x/hosts signal = SIGUSR1 pidfile = /run/dnsmasq/dnsmasq.pid }\n"
	    "hook chat { on = {change, problem} command = \"/etc/chat\" timeout = 1500ms }\n");
	const struct config_output *o = &c->outputs[0];
	struct kv_config kv;
	char *key = config_key(c, "hold"), *name = config_name_key(c, "maindb");

	(void)state;
	config_kv(c, &kv);
	assert_string_equal(kv.address, "unix:///run/consul.sock");
	assert_string_equal(kv.datacenter, "dc-1");
	assert_string_equal(kv.ca_file, "/ca");
	assert_string_equal(kv.cert_file, "/cert");
	assert_string_equal(kv.key_file, "/key");
	assert_string_equal(kv.tls_server_name, "server.dc1.consul");
	assert_false(kv.is_verified);
	assert_string_equal(key, "pm/hold");
	assert_string_equal(name, "services/maindb");
	assert_string_equal(c->agent.node, "Web-03");
	assert_string_equal(c->agent.domain, "game.example");
	assert_true(c->agent.is_vantage);
	assert_int_equal(c->agent.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(c->agent.max_silence_ms, 600000);
	assert_int_equal(o->mode, 0600);
	assert_int_equal(o->escape, ESCAPE_JSON);
	assert_int_equal(o->settle_min_ms, 0);
	assert_int_equal(o->backups, 0);
	assert_string_equal(o->validate[3], "%f");
	assert_null(o->validate[4]);
	assert_string_equal(o->command[2], "nginx");
	assert_string_equal(o->prove, "[::1]:5353");
	assert_int_equal(o->limit_ms, 120000);
	assert_int_equal(c->outputs[1].signal, SIGUSR1);
	assert_string_equal(c->hooks[0].on[1], "problem");
	assert_string_equal(c->hooks[0].command[0], "/etc/chat");
	assert_int_equal(c->hooks[0].limit_ms, 1500);
	free(key);
	free(name);
	config_free(c);
}

/* What notify.c then knows about the reader of the file is its own affair. */
static void
a_process_is_only_named_when_somebody_names_it(void **state)
{
	struct config *c = config_load_good(HOSTS("signal = HUP pidfile = /p process = unbound"));

	(void)state;
	assert_string_equal(c->outputs[0].process, "unbound");
	config_free(c);
	c = config_load_good(HOSTS("signal = HUP pidfile = /p"));
	assert_null(c->outputs[0].process);
	config_free(c);
}

static void
a_file_without_a_path_given_may_be_missing(void **state)
{
	struct str problems = STR_INIT;
	struct config *c;
	struct err e;

	(void)state;
	if (access(CONFIG_DEFAULT_PATH, F_OK) == 0)
		skip();
	c = config_load(NULL, &problems, &e);
	assert_non_null(c);
	assert_null(c->path);
	config_free(c);
}

/* --- what is not --------------------------------------------------------------------------------- */

struct bad {
	const char *text, *problems;
};

static void
expect_all(const struct bad *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_string_equal(config_load_text(cases[i].text, NULL), cases[i].problems);
}

#define URLS "http://HOST:PORT, https://HOST:PORT, unix:///PATH or file:/PATH"
#define ARGV "a program (absolute, or a bare name that is in PATH), its arguments"
#define PREFIX "a prefix of keys: letters, digits, '.', '_', '-' and '/', ending in '/'"

static void
bad_values_in_consul(void **state)
{
	static const struct bad cases[] = {
		{ "consul { address = \"ftp://x\" }",
		    "main.conf:1: address = \"ftp://x\": allowed is " URLS "\n" },
		{ "consul { address = \"\" }",
		    "main.conf:1: address = \"\": allowed is " URLS "\n" },
		{ "consul { address = \"consul\" }",
		    "main.conf:1: address = \"consul\": allowed is " URLS "\n" },
		{ "consul { address = \"http://a:99999\" }",
		    "main.conf:1: address = \"http://a:99999\": allowed is " URLS "\n" },
		{ "consul { address = \"http://a/v1?x=1\" }",
		    "main.conf:1: address = \"http://a/v1?x=1\": allowed is " URLS "\n" },
		{ "consul { address = \"http://::1:8500\" }",
		    "main.conf:1: address = \"http://::1:8500\": allowed is " URLS "\n" },
		{ "consul { address = \"file:kv.json\" }",
		    "main.conf:1: address = \"file:kv.json\": allowed is " URLS "\n" },
		{ "consul { address = \"unix://consul.sock\" }",
		    "main.conf:1: address = \"unix://consul.sock\": allowed is " URLS "\n" },
		{ "consul { address = \"http://a\\nb\" }",
		    "main.conf:1: address = \"http://a\\x0ab\": allowed is " URLS "\n" },
		{ "consul { address = { a, b } }",
		    "main.conf:1: address = {\"a\", \"b\"}: one value is allowed: " URLS "\n" },
		{ "consul { token-file = consul.token }",
		    "main.conf:1: token-file = \"consul.token\": allowed is an absolute path\n" },
		{ "consul { root = pointsman }",
		    "main.conf:1: root = \"pointsman\": allowed is " PREFIX "\n" },
		{ "consul { root = \"/pointsman/\" }",
		    "main.conf:1: root = \"/pointsman/\": allowed is " PREFIX "\n" },
		{ "consul { root = \"a//b/\" }",
		    "main.conf:1: root = \"a//b/\": allowed is " PREFIX "\n" },
		{ "consul { root = \"a?b/\" }",
		    "main.conf:1: root = \"a?b/\": allowed is " PREFIX "\n" },
		{ "consul { names = \"pointsman/\" }",
		    "main.conf:1: names = \"pointsman/\": root (\"pointsman/\") would be among the "
		    "names\n" },
		{ "consul { names = \"pointsman/agents/\" }",
		    "main.conf:1: names = \"pointsman/agents/\": pointsman/agents/ belongs to "
		    "pointsman\n" },
		{ "consul { datacenter = \"a b\" }", "main.conf:1: datacenter = \"a b\": allowed "
						     "is letters, digits, '-' and '_', or "
						     "\"\" for the agent's own\n" },
		{ "consul { verify = maybe }",
		    "main.conf:1: verify = \"maybe\": allowed is yes or no\n" },
		{ "\nconsul { cert-file = /cert }",
		    "main.conf:2: consul: cert-file and key-file (CONSUL_CLIENT_CERT, "
		    "CONSUL_CLIENT_KEY) go together\n" },
	};

	(void)state;
	expect_all(cases, MEM_COUNT(cases));
}

static void
bad_values_in_agent(void **state)
{
	static const struct bad cases[] = {
		{ "agent { node = \"web 03\" }",
		    "main.conf:1: node = \"web 03\": allowed is a node name: letters, digits, '-', "
		    "'_' and '.', or \"\" to ask Consul\n" },
		{ "agent { state-dir = state }",
		    "main.conf:1: state-dir = \"state\": allowed is an absolute path\n" },
		{ "agent { http = \"localhost:8753\" }", "main.conf:1: http = \"localhost:8753\": "
							 "allowed is ADDRESS:PORT, unix:/PATH, or "
							 "\"\" for none\n" },
		{ "agent { http = 8753 }", "main.conf:1: http = \"8753\": allowed is ADDRESS:PORT, "
					   "unix:/PATH, or \"\" for "
					   "none\n" },
		{ "agent { domain = \"pointsman.internal\" }",
		    "main.conf:1: domain = \"pointsman.internal\": allowed is a domain like "
		    "\"service.consul\", not in pointsman.internal, or \"\" for none\n" },
		{ "agent { domain = \".consul\" }",
		    "main.conf:1: domain = \".consul\": allowed is a domain like "
		    "\"service.consul\", not in pointsman.internal, or \"\" for none\n" },
		{ "agent { vantage = 1 }", "main.conf:1: vantage = \"1\": allowed is yes or no\n" },
		{ "agent { log-level = loud }", "main.conf:1: log-level = \"loud\": allowed is "
						"error, warning, info or debug\n" },
		{ "agent { max-silence = 60 }",
		    "main.conf:1: max-silence = \"60\": allowed is a duration from 1s to 10m, like "
		    "\"60s\"\n" },
		{ "agent { max-silence = 11m }", "main.conf:1: max-silence = \"11m\": allowed is a "
						 "duration from 1s to 10m, like "
						 "\"60s\"\n" },
	};

	(void)state;
	expect_all(cases, MEM_COUNT(cases));
}

static void
bad_values_in_output(void **state)
{
	static const struct bad cases[] = {
		{ HOSTS("mode = 644"),
		    "main.conf:2: mode = \"644\": allowed is four octal digits from 0400 to 0777, "
		    "like 0644\n" },
		{ HOSTS("mode = 0844"),
		    "main.conf:2: mode = \"0844\": allowed is four octal digits from 0400 to 0777, "
		    "like 0644\n" },
		{ HOSTS("mode = 4755"),
		    "main.conf:2: mode = \"4755\": allowed is four octal digits from 0400 to 0777, "
		    "like 0644\n" },
		{ HOSTS("mode = 0044"),
		    "main.conf:2: mode = \"0044\": allowed is four octal digits from 0400 to 0777, "
		    "like 0644\n" },
		{ HOSTS("escape = xml"),
		    "main.conf:2: escape = \"xml\": allowed is none, html, json or shell\n" },
		{ HOSTS("settle-min = 20"),
		    "main.conf:2: settle-min = \"20\": allowed is a duration from 0 to 10s, like "
		    "\"20ms\"\n" },
		{ HOSTS("settle-max = -1s"),
		    "main.conf:2: settle-max = \"-1s\": allowed is a duration from 0 to 60s, like "
		    "\"250ms\"\n" },
		{ HOSTS("settle-min = 300ms"),
		    "main.conf:2: settle-min = \"300ms\": settle-min (300ms) may not be more than "
		    "settle-max (250ms)\n" },
		{ HOSTS("settle-max = 10ms"),
		    "main.conf:2: settle-max = \"10ms\": settle-min (20ms) may not be more than "
		    "settle-max (10ms)\n" },
		{ HOSTS("max-removal = 20"),
		    "main.conf:2: max-removal = \"20\": allowed is a share from 0% to 100%, like "
		    "\"20%\"\n" },
		{ HOSTS("max-removal = 120%"),
		    "main.conf:2: max-removal = \"120%\": allowed is a share from 0% to 100%, like "
		    "\"20%\"\n" },
		{ HOSTS("backups = -1"),
		    "main.conf:2: backups = \"-1\": allowed is a number from 0 to 1000\n" },
		{ HOSTS("backups = 1001"),
		    "main.conf:2: backups = \"1001\": allowed is a number from 0 to 1000\n" },
		{ HOSTS("validate = {\"/usr/bin/dnsmasq\", \"--test\"}"),
		    "main.conf:2: validate = {\"/usr/bin/dnsmasq\", \"--test\"}: allowed is like "
		    "{\"/usr/bin/program\", \"%f\"}: " ARGV ", and %f for the new file\n" },
		{ HOSTS("validate = {\"%f\"}"),
		    "main.conf:2: validate = \"%f\": allowed is like {\"/usr/bin/program\", "
		    "\"%f\"}: " ARGV ", and %f for the new file\n" },
		{ HOSTS("command = {\"bin/reload\"}"),
		    "main.conf:2: command = \"bin/reload\": allowed is " ARGV "\n" },
		{ HOSTS("signal = KILL pidfile = /p"),
		    "main.conf:2: signal = \"KILL\": allowed is HUP, USR1, USR2 or WINCH\n" },
		{ HOSTS("signal = 1 pidfile = /p"),
		    "main.conf:2: signal = \"1\": allowed is HUP, USR1, USR2 or WINCH\n" },
		{ HOSTS("signal = HUP"), "main.conf:1: output \"hosts\": signal needs pidfile\n" },
		{ HOSTS("pidfile = /p"), "main.conf:1: output \"hosts\": pidfile needs signal\n" },
		{ HOSTS("process = x"), "main.conf:1: output \"hosts\": process needs pidfile\n" },
		{ HOSTS("signal = HUP pidfile = /p process = a-name-of-16-byte"),
		    "main.conf:2: process = \"a-name-of-16-byte\": allowed is the name of a "
		    "process, at "
		    "most 15 bytes (the kernel keeps no more)\n" },
		{ HOSTS("signal = HUP pidfile = run/p"),
		    "main.conf:2: pidfile = \"run/p\": allowed is an absolute path\n" },
		{ HOSTS("signal = HUP pidfile = /p command = {true}"),
		    "main.conf:2: command = \"true\": signal is given as well; only one of them "
		    "can be "
		    "meant\n" },
		{ HOSTS("prove = dnsmasq"),
		    "main.conf:2: prove = \"dnsmasq\": allowed is the address of a resolver like "
		    "\"127.0.0.1:53\", or \"\" for none\n" },
		{ HOSTS("timeout = 1ms"),
		    "main.conf:2: timeout = \"1ms\": allowed is a duration from 100ms to 10m, like "
		    "\"10s\"\n" },
		{ "output x { path = hosts }",
		    "main.conf:1: path = \"hosts\": allowed is an absolute path\n" },
		{ "output x { path = /etc/ }",
		    "main.conf:1: path = \"/etc/\": allowed is an absolute path\n" },
		{ "output x { template = \"\" path = /x }",
		    "main.conf:1: template = \"\": allowed is a file, absolute or below "
		    "template-dir\n" },
		{ "output x { }",
		    "main.conf:1: output \"x\": path is missing: the file to be written\n" },
		{ "output \"../x\" { path = /x }", "main.conf:1: output \"../x\": a title is 1 to "
						   "64 letters, digits, '-', '_' and "
						   "'.', not beginning with '.'\n" },
		{ "output \"\" { path = /x }", "main.conf:1: output \"\": a title is 1 to 64 "
					       "letters, digits, '-', '_' and '.', "
					       "not beginning with '.'\n" },
		{ "output a { path = /x }\noutput b { path = /x }",
		    "main.conf:2: path = \"/x\": output \"a\" writes this file already\n" },
	};

	(void)state;
	expect_all(cases, MEM_COUNT(cases));
}

static void
bad_values_in_hook(void **state)
{
	static const struct bad cases[] = {
		{ "hook x { on = full-moon command = {true} }",
		    "main.conf:1: on = \"full-moon\": allowed is one or more of change, problem, "
		    "proposal, op-begin, op-done and op-failed\n" },
		{ "hook x { on = {change, \"\"} command = {true} }",
		    "main.conf:1: on = {\"change\", \"\"}: allowed is one or more of change, "
		    "problem, "
		    "proposal, op-begin, op-done and op-failed\n" },
		{ "hook x { on = change }",
		    "main.conf:1: hook \"x\": command is missing: the program to run\n" },
		{ "hook x { on = change command = {} }",
		    "main.conf:1: hook \"x\": command is missing: the program to run\n" },
		{ "hook x { command = {true} }",
		    "main.conf:1: hook \"x\": on is missing: the events to run on\n" },
		{ "hook x { on = change command = { \"\", \"a\" } }",
		    "main.conf:1: command = {\"\", \"a\"}: allowed is " ARGV "\n" },
	};

	(void)state;
	expect_all(cases, MEM_COUNT(cases));
}

static void
unknown_and_repeated_things(void **state)
{
	static const struct bad cases[] = {
		{ "agent { colour = red }",
		    "main.conf:1: colour = \"red\": there is no such key; agent has node, "
		    "state-dir, "
		    "http, domain, template-dir, vantage, log-level, max-silence\n" },
		{ "shop \"fees\" { type = sql command = {a, b} }",
		    "main.conf:1: shop \"fees\": there is no such block, only consul, agent, "
		    "output, check, pair and hook\n" },
		{ "node = x", "main.conf:1: node = \"x\": keys stand in a block: consul, agent, "
			      "output, check, pair or hook\n" },
		{ "agent { node = a\nnode = b }",
		    "main.conf:2: node = \"b\": given twice, first in line 1\n" },
		{ "agent { }\nagent { node = a }",
		    "main.conf:2: agent: given twice, first at main.conf:1\n" },
		{ "output x { path = /x }\noutput x { path = /y }",
		    "main.conf:2: output \"x\": given twice, first at main.conf:1\n" },
		{ "output x { path = /x\nhook y { on = change command = {true} } }",
		    "main.conf:1: hook \"y\": a block cannot stand in another\n" },
	};

	(void)state;
	expect_all(cases, MEM_COUNT(cases));
}

static void
all_problems_come_at_once(void **state)
{
	struct str problems = STR_INIT;
	char *path = file_join(config_dir, "main.conf"), shown[4096];
	struct err e = { 0 };

	(void)state;
	config_write("more.conf", "# more\nhook h { on = nothing }\nagent { vantage = 7 }\n", 0600);
	config_write("main.conf",
	    "# everything is wrong here\n"
	    "consul {\n"
	    "  adress = x\n"
	    "  root = pointsman   # no slash\n"
	    "}\n"
	    "include(\"more.conf\")\n"
	    "include(\"none.conf\")\n"
	    "output hosts {\n"
	    "  mode = 644\n"
	    "  signal = HUP\n"
	    "  prove = here\n"
	    "}\n"
	    "output half {\n"
	    "  settle-min = 5\n",
	    0600);
	assert_null(config_load(path, &problems, &e));
	config_without_dir(shown, sizeof(shown), str_text(&problems));
	assert_string_equal(shown,
	    "main.conf:13: the block or list that begins here has no end\n"
	    "main.conf:7: cannot open none.conf: No such file or directory\n"
	    "main.conf:3: adress = \"x\": there is no such key; consul has address, token-file, "
	    "root, names, datacenter, ca-file, cert-file, key-file, tls-server-name, verify\n"
	    "main.conf:4: root = \"pointsman\": allowed is " PREFIX "\n"
	    "main.conf:9: mode = \"644\": allowed is four octal digits from 0400 to 0777, like "
	    "0644\n"
	    "main.conf:11: prove = \"here\": allowed is the address of a resolver like "
	    "\"127.0.0.1:53\", or \"\" for none\n"
	    "main.conf:14: settle-min = \"5\": allowed is a duration from 0 to 10s, like \"20ms\"\n"
	    "more.conf:2: on = \"nothing\": allowed is one or more of change, problem, proposal, "
	    "op-begin, op-done and op-failed\n"
	    "more.conf:3: vantage = \"7\": allowed is yes or no\n"
	    "main.conf:8: output \"hosts\": path is missing: the file to be written\n"
	    "main.conf:8: output \"hosts\": signal needs pidfile\n"
	    "more.conf:2: hook \"h\": command is missing: the program to run\n");
	assert_int_equal(e.code, ERR_CONFIG);
	assert_string_equal(e.text, "12 problems");
	str_clear(&problems);
	free(path);
}

static void
a_file_that_is_not_there_is_a_problem(void **state)
{
	struct str problems = STR_INIT;
	struct err e = { 0 };

	(void)state;
	assert_null(config_load("/nonexistent/pointsman.conf", &problems, &e));
	assert_string_equal(str_text(&problems),
	    "cannot open /nonexistent/pointsman.conf: No such file or directory\n");
	assert_string_equal(e.text, "1 problem");
	str_clear(&problems);
}

/* --- the environment ----------------------------------------------------------------------------- */

static void
addresses_mean_what_they_mean_to_consul(void **state)
{
	static const struct {
		const char *address, *ssl, *want;
	} cases[] = {
		{ "10.0.0.1:8500", "", "http://10.0.0.1:8500" },
		{ "consul.example:8501", "true", "https://consul.example:8501" },
		{ "http://10.0.0.1:8500", "1", "https://10.0.0.1:8500" },
		{ "https://10.0.0.1:8501", "false", "https://10.0.0.1:8501" },
		{ "http://10.0.0.1:8500", "0", "http://10.0.0.1:8500" },
		{ "[::1]:8500", "", "http://[::1]:8500" },
		{ "unix:///run/consul.sock", "true", "unix:///run/consul.sock" },
		{ "", "", "http://file.example:8500" },
		{ "", "TRUE", "https://file.example:8500" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct config *c;

		setenv("CONSUL_HTTP_ADDR", cases[i].address, 1);
		setenv("CONSUL_HTTP_SSL", cases[i].ssl, 1);
		c = config_load_good("consul { address = \"http://file.example:8500\" }");
		assert_string_equal(c->consul.address, cases[i].want);
		config_free(c);
	}
}

static void
the_environment_wins_over_the_file(void **state)
{
	struct config *c;
	char here[4096], *want;

	(void)state;
	setenv("CONSUL_CACERT", "/env/ca", 1);
	setenv("CONSUL_CLIENT_CERT", "certs/env.pem", 1);
	setenv("CONSUL_CLIENT_KEY", "/env/key", 1);
	setenv("CONSUL_TLS_SERVER_NAME", "env.example", 1);
	setenv("CONSUL_HTTP_SSL_VERIFY", "false", 1);
	setenv("CONSUL_HTTP_TOKEN", "from-env", 1);
	c = config_load_good(
	    "consul { ca-file = /ca cert-file = /cert key-file = /key verify = yes "
	    "tls-server-name = x token-file = /nonexistent/token }");
	assert_string_equal(c->consul.ca_file, "/env/ca");
	assert_non_null(getcwd(here, sizeof(here)));
	want = file_join(here, "certs/env.pem");
	assert_string_equal(c->consul.cert_file, want);
	assert_string_equal(c->consul.key_file, "/env/key");
	assert_string_equal(c->consul.tls_server_name, "env.example");
	assert_false(c->consul.is_verified);
	assert_string_equal(c->consul.token, "from-env");
	free(want);
	config_free(c);
}

static void
bad_variables_are_named(void **state)
{
	(void)state;
	setenv("CONSUL_HTTP_ADDR", "gopher://x", 1);
	setenv("CONSUL_HTTP_SSL", "perhaps", 1);
	setenv("CONSUL_HTTP_SSL_VERIFY", "yes", 1);
	setenv("CONSUL_TLS_SERVER_NAME", "a b", 1);
	assert_string_equal(config_load_text("", NULL),
	    "CONSUL_HTTP_ADDR = \"gopher://x\": allowed is " URLS "\n"
	    "CONSUL_TLS_SERVER_NAME = \"a b\": allowed is a host name\n"
	    "CONSUL_HTTP_SSL_VERIFY = \"yes\": allowed is true, false, 1, 0, t or f\n"
	    "CONSUL_HTTP_SSL = \"perhaps\": allowed is true, false, 1, 0, t or f\n");
}

/* --- the token ----------------------------------------------------------------------------------- */

static const char *
text_with_token_file(void)
{
	static char text[256];

	snprintf(text, sizeof(text), "consul { token-file = \"%s/token\" }", config_dir);
	return text;
}

static void
a_token_is_read_and_trimmed(void **state)
{
	struct config *c;

	(void)state;
	config_write("token", " \n3f2c-secret\r\n\n", 0600);
	c = config_load_good(text_with_token_file());
	assert_string_equal(c->consul.token, "3f2c-secret");
	assert_int_equal(c->warnings.len, 0);
	config_free(c);
	/* As in Consul's client the file wins, and both win over ours. */
	config_write("other", "other-secret", 0600);
	setenv("CONSUL_HTTP_TOKEN", "env-secret", 1);
	c = config_load_good(text_with_token_file());
	assert_string_equal(c->consul.token, "env-secret");
	config_free(c);
	{
		char *path = file_join(config_dir, "other");

		setenv("CONSUL_HTTP_TOKEN_FILE", path, 1);
		free(path);
	}
	c = config_load_good(text_with_token_file());
	assert_string_equal(c->consul.token, "other-secret");
	config_free(c);
}

static void
a_token_that_all_can_read_is_a_warning(void **state)
{
	struct config *c;
	char shown[1024];

	(void)state;
	config_write("token", "secret", 0644);
	c = config_load_good(text_with_token_file());
	config_without_dir(shown, sizeof(shown), str_text(&c->warnings));
	assert_string_equal(shown, "main.conf:1: token-file: everybody on this host can read the "
				   "token in token; chmod 0640 "
				   "it, and give it the group of pointsmand\n");
	config_free(c);
}

static void
a_file_that_dnsmasq_cannot_read_is_a_warning(void **state)
{
	struct config *c =
	    config_load_good(HOSTS("mode = 0640 signal = HUP pidfile = \"/run/dnsmasq.pid\""));
	char shown[1024];

	(void)state;
	config_without_dir(shown, sizeof(shown), str_text(&c->warnings));
	assert_string_equal(shown,
	    "main.conf:1: output \"hosts\": mode 0640: its reader, which has dropped its "
	    "privileges, cannot read the file\n");
	config_free(c);
}

static void
bad_tokens_are_told_and_never_shown(void **state)
{
	static const struct {
		const char *token, *why;
	} cases[] = {
		{ "", "main.conf:1: token-file: the token is empty\n" },
		{ " \n\n", "main.conf:1: token-file: the token is empty\n" },
		{ "top\nsecret",
		    "main.conf:1: token-file: the token has a byte that no token has (it is not "
		    "shown)\n" },
		{ "top secret",
		    "main.conf:1: token-file: the token has a byte that no token has (it is not "
		    "shown)\n" },
		{ "secr\xc3\xa9t",
		    "main.conf:1: token-file: the token has a byte that no token has (it is not "
		    "shown)\n" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		config_write("token", cases[i].token, 0600);
		assert_string_equal(config_load_text(text_with_token_file(), NULL), cases[i].why);
	}
	setenv("CONSUL_HTTP_TOKEN", "top\nsecret", 1);
	assert_string_equal(config_load_text("", NULL),
	    "CONSUL_HTTP_TOKEN: the token has a byte that no token has (it is not shown)\n");
	setenv("CONSUL_HTTP_TOKEN_FILE", "/nonexistent/token", 1);
	assert_string_equal(config_load_text("", NULL),
	    "CONSUL_HTTP_TOKEN_FILE: cannot open /nonexistent/token: No such file or directory\n");
}

/* In a URL, or through libconfuse's ${...} in a place that does not take it. */
static void
secrets_are_not_in_messages(void **state)
{
	(void)state;
	assert_string_equal(
	    config_load_text("consul { address = \"http://ola:secret@consul:8500\" }", NULL),
	    "main.conf:1: address = \"(not shown)\": allowed is " URLS "\n");
	setenv("CONSUL_HTTP_TOKEN", "secret", 1);
	assert_string_equal(
	    config_load_text("consul { token-file = \"${CONSUL_HTTP_TOKEN}\" }", NULL),
	    "main.conf:1: token-file = \"(not shown)\": allowed is an absolute path\n");
}

/* The embedded KV knows no tokens, so none is missed. */
static void
the_embedded_kv_needs_no_token(void **state)
{
	(void)state;
	config_free(config_load_good(
	    "consul { address = \"file:/x/kv.json\" token-file = /nonexistent/token }"));
}

/* --- the sample ----------------------------------------------------------------------------------- */

/* As it is, and with everything in it that is commented out as an example: "#key", "#}". */
static void
the_sample_is_good(void **state)
{
	struct str sample = STR_INIT, all = STR_INIT;
	struct config *c;
	struct err e;

	(void)state;
	if (file_read(SOURCE_DIR "/contrib/pointsman.conf", 1 << 20, &sample, &e) != 0)
		fail_msg("%s", e.text);
	c = config_load_good(str_text(&sample));
	assert_int_equal(c->output_count, 1);
	config_free(c);
	for (const char *p = str_text(&sample); *p != '\0'; p++) {
		bool is_comment_sign = *p == '#' && p[1] != ' ' && p[1] != '\n';

		if (!is_comment_sign)
			str_addc(&all, *p);
	}
	/* Its token is not on this machine. */
	setenv("CONSUL_HTTP_TOKEN", "secret", 1);
	c = config_load_good(str_text(&all));
	assert_int_equal(c->output_count, 2);
	assert_int_equal(c->hook_count, 2);
	assert_int_equal(c->pairs[0].maintenance.count, 2);
	assert_string_equal(c->consul.names, "services/");
	config_free(c);
	str_clear(&sample);
	str_clear(&all);
}

#define WITH_ENVIRONMENT(test) cmocka_unit_test_teardown(test, config_clean_environment)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_means_all_defaults),
		cmocka_unit_test(an_output_has_its_defaults),
		cmocka_unit_test(everything_can_be_set),
		cmocka_unit_test(a_process_is_only_named_when_somebody_names_it),
		cmocka_unit_test(a_file_without_a_path_given_may_be_missing),
		cmocka_unit_test(bad_values_in_consul),
		cmocka_unit_test(bad_values_in_agent),
		cmocka_unit_test(bad_values_in_output),
		cmocka_unit_test(bad_values_in_hook),
		cmocka_unit_test(unknown_and_repeated_things),
		cmocka_unit_test(all_problems_come_at_once),
		cmocka_unit_test(a_file_that_is_not_there_is_a_problem),
		WITH_ENVIRONMENT(addresses_mean_what_they_mean_to_consul),
		WITH_ENVIRONMENT(the_environment_wins_over_the_file),
		WITH_ENVIRONMENT(bad_variables_are_named),
		WITH_ENVIRONMENT(a_token_is_read_and_trimmed),
		cmocka_unit_test(a_token_that_all_can_read_is_a_warning),
		cmocka_unit_test(a_file_that_dnsmasq_cannot_read_is_a_warning),
		WITH_ENVIRONMENT(bad_tokens_are_told_and_never_shown),
		WITH_ENVIRONMENT(secrets_are_not_in_messages),
		cmocka_unit_test(the_embedded_kv_needs_no_token),
		WITH_ENVIRONMENT(the_sample_is_good),
	};

	return cmocka_run_group_tests(tests, config_make_dir, config_remove_dir);
}
