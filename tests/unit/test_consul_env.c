/*
 * test_consul_env.c: the variables of Consul's own tools, from the environment to a real Consul that
 * wants TLS, a client's certificate, a name that is not its address, and a token. Each variable is shown to
 * be needed: without it the same call fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "consul_agent.h"
#include "server_child.h"
#include "feature/config.h"
#include "io/kv_wait.h"
#include "io/loop.h"

#define TOKEN "aaaaaaaa-2222-3333-4444-555555555555"
#define OTHER_TOKEN "bbbbbbbb-2222-3333-4444-555555555555"

static struct {
	struct consul_agent *agent;
	char *dir; /* certificates, and our own files */
	char *address, *socket, *ca, *cert, *key, *token_file, *config;
} world;

static char *
write_file(const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", world.dir, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	return path;
}

static int
start_world(void **state)
{
	char *extra;

	(void)state;
	world.dir = consul_agent_certificates();
	world.ca = mem_printf("%s/consul-agent-ca.pem", world.dir);
	world.cert = mem_printf("%s/dc1-client-consul-0.pem", world.dir);
	world.key = mem_printf("%s/dc1-client-consul-0-key.pem", world.dir);
	world.token_file = write_file("token", TOKEN "\n");
	/* What the file says is wrong: the environment wins. */
	world.config =
	    write_file("pointsman.conf", "consul { address = \"http://127.0.0.1:1\" }\n");
	extra = mem_printf("{\"addresses\": {\"https\": \"127.0.0.2\","
			   " \"http\": \"127.0.0.1 unix://@DIR@/socket\"},"
			   " \"ports\": {\"https\": @PORT@}, \"ca_file\": \"%s\","
			   " \"cert_file\": \"%s/dc1-server-consul-0.pem\","
			   " \"key_file\": \"%s/dc1-server-consul-0-key.pem\","
			   " \"verify_incoming_https\": true,"
			   " \"acl\": {\"enabled\": true, \"default_policy\": \"deny\","
			   " \"tokens\": {\"master\": \"" TOKEN "\", \"agent\": \"" TOKEN "\"}}}",
	    world.ca, world.dir, world.dir);
	world.agent = consul_agent_start_with(extra, TOKEN);
	free(extra);
	world.address = mem_printf("127.0.0.2:%d", consul_agent_extra_port(world.agent));
	world.socket = mem_printf("unix://%s/socket", consul_agent_dir(world.agent));
	return 0;
}

static int
stop_world(void **state)
{
	(void)state;
	consul_agent_stop(world.agent);
	server_child_remove(world.dir);
	free(world.address);
	free(world.socket);
	free(world.ca);
	free(world.cert);
	free(world.key);
	free(world.token_file);
	free(world.config);
	return 0;
}

static const char *const variables[] = { "CONSUL_HTTP_ADDR", "CONSUL_HTTP_SSL",
	"CONSUL_HTTP_SSL_VERIFY", "CONSUL_CACERT", "CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY",
	"CONSUL_TLS_SERVER_NAME", "CONSUL_HTTP_TOKEN", "CONSUL_HTTP_TOKEN_FILE" };

/* All that this Consul wants. */
static int
setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(variables); i++)
		unsetenv(variables[i]);
	setenv("CONSUL_HTTP_ADDR", world.address, 1);
	setenv("CONSUL_HTTP_SSL", "true", 1);
	setenv("CONSUL_CACERT", world.ca, 1);
	setenv("CONSUL_CLIENT_CERT", world.cert, 1);
	setenv("CONSUL_CLIENT_KEY", world.key, 1);
	setenv("CONSUL_TLS_SERVER_NAME", "server.dc1.consul", 1);
	setenv("CONSUL_HTTP_TOKEN", TOKEN, 1);
	return 0;
}

/* Reads the configuration and writes a key, as a command would; ERR_NONE when it was written. */
static enum err_code
try(void)
{
	struct str problems = STR_INIT;
	struct kv_config kv_config;
	struct kv_waiter w = { .limit_ms = 30000 };
	struct config *config;
	struct err e = { 0 };

	config = config_load(world.config, &problems, &e);
	print_message("%s", str_text(&problems));
	str_clear(&problems);
	if (config == NULL)
		return e.code;
	config_kv(config, &kv_config);
	w.loop = loop_new();
	if ((w.kv = kv_new(w.loop, &kv_config, &e)) == NULL)
		fail_msg("%s", e.text);
	kv_wait_put(&w, "env/a", "1", 1, &e);
	print_message("%s\n", e.code == ERR_NONE ? "written" : e.text);
	assert_null(strstr(e.text, TOKEN));
	kv_free(w.kv);
	loop_free(w.loop);
	config_free(config);
	return e.code;
}

static void
test_all_of_them(void **state)
{
	(void)state;
	assert_int_equal(try(), ERR_NONE);
}

static void
test_each_is_needed(void **state)
{
	(void)state;
	for (size_t i = 0; i < MEM_COUNT(variables); i++) {
		setup(NULL);
		if (getenv(variables[i]) == NULL)
			continue;
		print_message("without %s: ", variables[i]);
		unsetenv(variables[i]);
		/* Both or none. */
		if (strcmp(variables[i], "CONSUL_CLIENT_CERT") == 0)
			unsetenv("CONSUL_CLIENT_KEY");
		assert_int_not_equal(try(), ERR_NONE);
	}
}

static void
test_ssl_verify(void **state)
{
	(void)state;
	unsetenv("CONSUL_CACERT");
	unsetenv("CONSUL_TLS_SERVER_NAME");
	assert_int_equal(try(), ERR_DENIED);
	setenv("CONSUL_HTTP_SSL_VERIFY", "false", 1);
	assert_int_equal(try(), ERR_NONE);
}

static void
test_token_file(void **state)
{
	(void)state;
	setenv("CONSUL_HTTP_TOKEN", OTHER_TOKEN, 1);
	assert_int_equal(try(), ERR_DENIED);
	setenv("CONSUL_HTTP_TOKEN_FILE", world.token_file, 1);
	assert_int_equal(try(), ERR_NONE);
}

static void
test_other_addresses(void **state)
{
	(void)state;
	setenv("CONSUL_HTTP_ADDR", world.socket, 1);
	assert_int_equal(try(), ERR_NONE);
	/* CONSUL_HTTP_SSL makes https of it. */
	setenv("CONSUL_HTTP_ADDR", consul_agent_address(world.agent), 1);
	assert_int_equal(try(), ERR_DENIED);
	unsetenv("CONSUL_HTTP_SSL");
	assert_int_equal(try(), ERR_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_of_them, setup),
		cmocka_unit_test_setup(test_each_is_needed, setup),
		cmocka_unit_test_setup(test_ssl_verify, setup),
		cmocka_unit_test_setup(test_token_file, setup),
		cmocka_unit_test_setup(test_other_addresses, setup),
	};

	return cmocka_run_group_tests(tests, start_world, stop_world);
}
