/*
 * test_consul_agent.c: the store over HTTP on a real Consul: what only a real one can show. TLS, sockets,
 * rights, sizes, and what happens when it stops. The semantics of the KV are test_kv_conformance.c's.
 */
#include "io_test.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "consul_agent.h"
#include "server_child.h"
#include "io/http.h"
#include "io/kv_impl.h"
#include "io/kv_wait.h"

#define LIMIT_MS 10000
#define HANG_MS 1000 /* where it is waited for in vain, but has to be sent before */
#define SERVER_NAME "server.dc1.consul"
#define MASTER "aaaaaaaa-2222-3333-4444-555555555555"
#define READER "bbbbbbbb-2222-3333-4444-555555555555"
#define NOBODY "cccccccc-2222-3333-4444-555555555555"

/* Common to all tests: one agent with everything, one with access control. */
static struct {
	struct consul_agent *agent, *acl;
	char *certificates, *others; /* directories: our authority's, and one that nobody trusts */
	char *socket;
	char *https;
} world;

struct fixture {
	struct loop *loop;
	struct kv *kv;
	struct kv_waiter w;
};

static int
start_world(void **state)
{
	char *extra;

	(void)state;
	world.certificates = consul_agent_certificates();
	world.others = consul_agent_certificates();
	/* The certificate knows 127.0.0.1 and server.dc1.consul; 127.0.0.2 is none of its names. */
	extra =
	    mem_printf("{\"addresses\": {\"https\": \"127.0.0.1 127.0.0.2\","
		       " \"http\": \"127.0.0.1 unix://@DIR@/socket\"},"
		       " \"ports\": {\"https\": @PORT@}, \"ca_file\": \"%s/consul-agent-ca.pem\","
		       " \"cert_file\": \"%s/dc1-server-consul-0.pem\","
		       " \"key_file\": \"%s/dc1-server-consul-0-key.pem\","
		       " \"verify_incoming_https\": true}",
		world.certificates, world.certificates, world.certificates);
	world.agent = consul_agent_start_with(extra, NULL);
	free(extra);
	world.socket = mem_printf("unix://%s/socket", consul_agent_dir(world.agent));
	world.https = mem_printf("https://127.0.0.1:%d", consul_agent_extra_port(world.agent));
	world.acl =
	    consul_agent_start_with("{\"acl\": {\"enabled\": true, \"default_policy\": \"deny\","
				    " \"tokens\": {\"master\": \"" MASTER "\","
				    " \"agent\": \"" MASTER "\"}}}",
		MASTER);
	return 0;
}

static int
stop_world(void **state)
{
	(void)state;
	consul_agent_stop(world.agent);
	consul_agent_stop(world.acl);
	server_child_remove(world.certificates);
	server_child_remove(world.others);
	free(world.socket);
	free(world.https);
	return 0;
}

static void
open_store(struct fixture *x, const struct kv_config *config)
{
	struct err e;

	kv_free(x->kv);
	if ((x->kv = consul_new(x->loop, config, &e)) == NULL)
		fail_msg("%s", e.text);
	x->w = (struct kv_waiter){ .loop = x->loop, .kv = x->kv, .limit_ms = LIMIT_MS };
}

static int
setup(void **state)
{
	struct fixture *x = mem_alloc(sizeof(*x));

	x->loop = loop_new();
	open_store(x, &(struct kv_config){ .address = consul_agent_address(world.agent) });
	*state = x;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *x = *state;

	kv_free(x->kv);
	loop_free(x->loop);
	free(x);
	return 0;
}

/* An error's text belongs to the test's output when it was not expected. */
#define assert_ok(call, e) \
	do { \
		if ((call) != 0) \
			fail_msg("%s: %s", #call, (e).text); \
	} while (0)

static void
test_largest_value(void **state)
{
	struct fixture *x = *state;
	struct kv_list list;
	char *value = mem_alloc(KV_VALUE_MAX + 1);
	struct kv_op op = { .kind = KV_OP_SET, .key = "large/b", .value = value };
	struct err e;

	for (size_t i = 0; i < KV_VALUE_MAX; i++)
		value[i] = (char)(i * 7 % 256);
	assert_ok(kv_wait_put(&x->w, "large/a", value, KV_VALUE_MAX, &e), e);
	assert_ok(kv_wait_get(&x->w, "large/a", &list, NULL, &e), e);
	assert_int_equal(list.entries[0].value_len, KV_VALUE_MAX);
	assert_memory_equal(list.entries[0].value, value, KV_VALUE_MAX);
	kv_list_clear(&list);
	assert_int_equal(kv_wait_put(&x->w, "large/a", value, KV_VALUE_MAX + 1, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	/* A transaction has less room, as Consul says itself. */
	op.value_len = KV_VALUE_MAX;
	assert_int_equal(kv_wait_txn(&x->w, &op, 1, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_non_null(strstr(e.text, "413"));
	free(value);
}

struct seen {
	int count;
	int status;
};

static void
saw(struct http_answer *a, void *arg)
{
	struct seen *s = arg;

	s->count++;
	s->status = a->status;
}

/* What our own store would refuse to ask for. */
static void
raw_put(struct fixture *x, const char *url, const char *path, const char *body, const char *token)
{
	char *header = mem_printf("X-Consul-Token: %s", token);
	const char *headers[] = { header, NULL };
	const struct http_peer peer = { .url = url, .headers = headers };
	const struct http_request r = { .method = "PUT",
		.path = path,
		.body = body,
		.body_len = strlen(body),
		.limit_ms = LIMIT_MS,
		.max_body = 1 << 20 };
	struct http *h = http_new(x->loop, &peer, NULL);
	struct seen s = { 0 };

	http_start(h, &r, saw, &s);
	assert_true(io_test_wait(x->loop, &s.count, 1, LIMIT_MS));
	assert_int_equal(s.status, 200);
	http_free(h);
	free(header);
}

/* Consul takes all of these through a transaction. */
static void
test_hostile_keys(void **state)
{
	struct fixture *x = *state;
	struct kv_list list;
	struct err e;

	raw_put(x, consul_agent_address(world.agent), "/v1/txn",
	    "[{\"KV\":{\"Verb\":\"set\",\"Key\":\"hostile/a\\u0000b\",\"Value\":\"ZGIz\"}},"
	    "{\"KV\":{\"Verb\":\"set\",\"Key\":\"hostile/a\\nb\",\"Value\":\"ZGIz\"}},"
	    "{\"KV\":{\"Verb\":\"set\",\"Key\":\"hostile/../../etc/passwd\",\"Value\":\"AAo=\"}},"
	    "{\"KV\":{\"Verb\":\"set\",\"Key\":\"hostile/\xc3\xa9\",\"Value\":\"\"}},"
	    "{\"KV\":{\"Verb\":\"set\",\"Key\":\"hostile/\\u2028<&\",\"Value\":\"\"}}]",
	    "");
	assert_ok(kv_wait_list(&x->w, "hostile/", &list, NULL, &e), e);
	assert_int_equal(list.count, 5);
	assert_string_equal(list.entries[0].key, "hostile/../../etc/passwd");
	assert_int_equal(list.entries[0].value_len, 2);
	assert_memory_equal(list.entries[0].value, "\0\n", 2);
	assert_string_equal(list.entries[1].key, "hostile/a");
	assert_true(list.entries[1].has_nul_key);
	assert_string_equal(list.entries[2].key, "hostile/a\nb");
	assert_false(list.entries[2].has_nul_key);
	assert_string_equal(list.entries[3].key, "hostile/\xc3\xa9");
	assert_string_equal(list.entries[4].key, "hostile/\xe2\x80\xa8<&");
	kv_list_clear(&list);
}

static void
test_ten_thousand_names(void **state)
{
	struct fixture *x = *state;
	char keys[50][32];
	struct kv_op ops[50];
	struct kv_list list;
	int64_t begin;
	struct err e;

	for (int i = 0; i < 10000;) {
		for (size_t k = 0; k < MEM_COUNT(ops); k++, i++) {
			/* Written in another order than they are listed. */
			snprintf(keys[k], sizeof(keys[k]), "many/service-%05d", i * 7919 % 10000);
			ops[k] = (struct kv_op){
				.kind = KV_OP_SET, .key = keys[k], .value = "node-1", .value_len = 6
			};
		}
		assert_int_equal(kv_wait_txn(&x->w, ops, MEM_COUNT(ops), &e), 1);
	}
	begin = clock_mono_us();
	assert_ok(kv_wait_list(&x->w, "many/", &list, NULL, &e), e);
	print_message("10,000 keys from Consul in %" PRId64 " us\n", clock_mono_us() - begin);
	assert_int_equal(list.count, 10000);
	for (size_t i = 1; i < list.count; i++)
		assert_true(strcmp(list.entries[i - 1].key, list.entries[i].key) < 0);
	kv_list_clear(&list);
}

struct watched {
	int count;
	struct err err;
	uint64_t index;
	char value[32];
	int64_t at_us;
};

static void
changed(struct kv_answer *a, void *arg)
{
	struct watched *s = arg;

	s->count++;
	s->err = a->err;
	s->index = a->index;
	s->at_us = clock_mono_us();
	snprintf(
	    s->value, sizeof(s->value), "%s", a->list.count > 0 ? a->list.entries[0].value : "");
}

static void
test_watch(void **state)
{
	struct fixture *x = *state;
	struct kv_read r = { .wait_ms = 300 };
	struct watched s = { 0 };
	struct kv_list list;
	int64_t begin;
	struct err e;

	assert_ok(kv_wait_put(&x->w, "watch/a", "1", 1, &e), e);
	assert_ok(kv_wait_list(&x->w, "watch/", &list, &r.index, &e), e);
	kv_list_clear(&list);
	/* Nothing happens: the same index when the wait is over. */
	begin = clock_mono_us();
	kv_list(x->kv, "watch/", &r, changed, &s);
	assert_true(io_test_wait(x->loop, &s.count, 1, LIMIT_MS));
	assert_int_equal(s.err.code, ERR_NONE);
	assert_true(s.index == r.index);
	assert_true(s.at_us - begin >= 300000);
	/* A write elsewhere and one of the same value wake nobody, a change does at once. */
	r.wait_ms = 60000;
	kv_list(x->kv, "watch/", &r, changed, &s);
	assert_ok(kv_wait_put(&x->w, "elsewhere", "1", 1, &e), e);
	assert_ok(kv_wait_put(&x->w, "watch/a", "1", 1, &e), e);
	io_test_idle(x->loop, 100);
	assert_int_equal(s.count, 1);
	begin = clock_mono_us();
	assert_ok(kv_wait_put(&x->w, "watch/a", "2", 1, &e), e);
	assert_true(io_test_wait(x->loop, &s.count, 2, LIMIT_MS));
	assert_true(s.index > r.index);
	assert_string_equal(s.value, "2");
	print_message("written to seen: %" PRId64 " us\n", s.at_us - begin);
}

static void
test_lock_ends_with_its_session(void **state)
{
	const struct kv_session_spec spec = { .name = "test", .ttl_ms = 10000 };
	struct fixture *x = *state;
	struct kv_op lock = { .kind = KV_OP_LOCK, .key = "lock/a", .value = "me", .value_len = 2 };
	char session[KV_SESSION_SIZE], gone[KV_SESSION_SIZE];
	struct kv_list list;
	struct err e;

	assert_ok(kv_wait_session_create(&x->w, &spec, session, &e), e);
	assert_ok(kv_wait_session_create(&x->w, &spec, gone, &e), e);
	assert_ok(kv_wait_session_destroy(&x->w, gone, &e), e);
	lock.session = session;
	assert_int_equal(kv_wait_put_if(&x->w, &lock, &e), 1);
	assert_ok(kv_wait_session_renew(&x->w, session, &e), e);
	assert_ok(kv_wait_get(&x->w, "lock/a", &list, NULL, &e), e);
	assert_string_equal(list.entries[0].session, session);
	kv_list_clear(&list);
	/* A session that is gone gets no lock; that is no failure but a "no". */
	lock.session = gone;
	assert_int_equal(kv_wait_put_if(&x->w, &lock, &e), 0);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(kv_wait_session_renew(&x->w, gone, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_ok(kv_wait_session_destroy(&x->w, session, &e), e);
	assert_ok(kv_wait_get(&x->w, "lock/a", &list, NULL, &e), e);
	assert_string_equal(list.entries[0].session, "");
	assert_string_equal(list.entries[0].value, "me");
	kv_list_clear(&list);
}

static void
test_self_and_nodes(void **state)
{
	struct fixture *x = *state;
	struct kv_nodes nodes;
	char node[256];
	struct err e;

	assert_ok(kv_wait_self(&x->w, node, sizeof(node), &e), e);
	assert_string_equal(node, "test-node");
	assert_ok(kv_wait_catalog_nodes(&x->w, &nodes, &e), e);
	assert_int_equal(nodes.count, 1);
	assert_string_equal(nodes.nodes[0].node, "test-node");
	assert_string_equal(nodes.nodes[0].address, "127.0.0.1");
	kv_nodes_clear(&nodes);
	raw_put(x, consul_agent_address(world.agent), "/v1/catalog/register",
	    "{\"Node\":\"other\\nnode\",\"Address\":\"10.0.0.1\\n10.0.0.2\","
	    "\"NodeMeta\":{\"rack\":\"b\"}}",
	    "");
	assert_ok(kv_wait_catalog_nodes(&x->w, &nodes, &e), e);
	assert_int_equal(nodes.count, 2);
	assert_string_equal(nodes.nodes[0].node, "other\nnode");
	assert_string_equal(nodes.nodes[0].address, "10.0.0.1\n10.0.0.2");
	assert_int_equal(nodes.nodes[0].meta_count, 1);
	assert_string_equal(nodes.nodes[0].meta[0].key, "rack");
	assert_string_equal(nodes.nodes[0].meta[0].value, "b");
	kv_nodes_clear(&nodes);
}

static void
test_unix_socket(void **state)
{
	struct fixture *x = *state;
	struct kv_list list;
	struct err e;

	open_store(x, &(struct kv_config){ .address = world.socket });
	assert_ok(kv_wait_put(&x->w, "socket/a", "1", 1, &e), e);
	assert_ok(kv_wait_list(&x->w, "socket/", &list, NULL, &e), e);
	assert_int_equal(list.count, 1);
	kv_list_clear(&list);
	assert_string_equal(kv_address(x->kv), world.socket);
}

static void
test_tls(void **state)
{
	struct fixture *x = *state;
	char *ca = mem_printf("%s/consul-agent-ca.pem", world.certificates);
	char *cert = mem_printf("%s/dc1-client-consul-0.pem", world.certificates);
	char *key = mem_printf("%s/dc1-client-consul-0-key.pem", world.certificates);
	char *other_ca = mem_printf("%s/consul-agent-ca.pem", world.others);
	char *unnamed = mem_printf("https://127.0.0.2:%d", consul_agent_extra_port(world.agent));
	char *plain = mem_printf("http://127.0.0.1:%d", consul_agent_extra_port(world.agent));
	const struct {
		const char *what;
		struct kv_config config;
		enum err_code code;
	} cases[] = {
		{ "all is right", { .address = world.https, .ca_file = ca, .is_verified = true },
		    ERR_NONE },
		{ "an authority we do not know",
		    { .address = world.https, .ca_file = NULL, .is_verified = true }, ERR_DENIED },
		{ "another authority",
		    { .address = world.https, .ca_file = other_ca, .is_verified = true },
		    ERR_DENIED },
		{ "another name", { .address = unnamed, .ca_file = ca, .is_verified = true },
		    ERR_DENIED },
		{ "the name to expect",
		    { .address = unnamed,
			.ca_file = ca,
			.tls_server_name = SERVER_NAME,
			.is_verified = true },
		    ERR_NONE },
		{ "the wrong name to expect",
		    { .address = world.https,
			.ca_file = ca,
			.tls_server_name = "server.dc2.consul",
			.is_verified = true },
		    ERR_DENIED },
		{ "not verified", { .address = unnamed, .is_verified = false }, ERR_NONE },
		{ "no certificate for a CA",
		    { .address = world.https, .ca_file = key, .is_verified = true }, ERR_CONFIG },
	};
	struct kv_config config;
	struct kv_list list;
	struct err e;

	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		int tries = 0;

		config = cases[i].config;
		config.cert_file = cert;
		config.key_file = key;
		/* To read the system's authorities under valgrind may take longer than a connection may. */
		do {
			open_store(x, &config);
			e = (struct err){ 0 };
			if (kv_wait_list(&x->w, "tls/", &list, NULL, &e) == 0)
				kv_list_clear(&list);
		} while (e.code == ERR_TIMEOUT && ++tries < IO_TEST_TRIES);
		print_message("%s: %s\n", cases[i].what, e.text);
		assert_int_equal(e.code, cases[i].code);
	}
	/* The server wants a certificate of ours, and a key to it. */
	config = (struct kv_config){ .address = world.https, .ca_file = ca, .is_verified = true };
	open_store(x, &config);
	assert_int_equal(kv_wait_put(&x->w, "tls/a", "1", 1, &e), -1);
	print_message("no certificate: %s\n", e.text);
	config.cert_file = cert;
	config.key_file = ca;
	open_store(x, &config);
	assert_int_equal(kv_wait_put(&x->w, "tls/a", "1", 1, &e), -1);
	print_message("no key: %s\n", e.text);
	assert_int_equal(e.code, ERR_CONFIG);
	/* A slip of the pen. */
	open_store(x, &(struct kv_config){ .address = plain });
	assert_int_equal(kv_wait_list(&x->w, "tls/", &list, NULL, &e), -1);
	print_message("http to https: %s\n", e.text);
	free(ca);
	free(cert);
	free(key);
	free(other_ca);
	free(unnamed);
	free(plain);
}

static void
test_datacenter(void **state)
{
	struct fixture *x = *state;
	struct kv_config config = { .address = consul_agent_address(world.agent),
		.datacenter = "dc1" };
	struct kv_list list;
	char node[256];
	struct err e;

	open_store(x, &config);
	assert_ok(kv_wait_put(&x->w, "dc/a", "1", 1, &e), e);
	assert_ok(kv_wait_list(&x->w, "dc/", &list, NULL, &e), e);
	assert_int_equal(list.count, 1);
	kv_list_clear(&list);
	config.datacenter = "elsewhere";
	open_store(x, &config);
	assert_int_equal(kv_wait_list(&x->w, "dc/", &list, NULL, &e), -1);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(e.text, "No path to datacenter"));
	/* The agent is the one of this host, wherever the KV is. */
	assert_ok(kv_wait_self(&x->w, node, sizeof(node), &e), e);
}

static void
test_rights(void **state)
{
	struct fixture *x = *state;
	const char *address = consul_agent_address(world.acl);
	struct kv_config config = { .address = address, .token = MASTER };
	const struct kv_op cas = {
		.kind = KV_OP_CAS, .key = "p/names/b", .value = "1", .value_len = 1
	};
	struct kv_nodes nodes;
	struct kv_list list;
	uint64_t index;
	struct err e;

	raw_put(x, address, "/v1/acl/policy",
	    "{\"Name\":\"names\",\"Rules\":\"key_prefix \\\"p/names/\\\" { policy = \\\"read\\\" "
	    "}\"}",
	    MASTER);
	raw_put(x, address, "/v1/acl/token",
	    "{\"SecretID\":\"" READER "\",\"Policies\":[{\"Name\":\"names\"}]}", MASTER);
	open_store(x, &config);
	assert_ok(kv_wait_put(&x->w, "p/names/a", "1", 1, &e), e);
	assert_ok(kv_wait_put(&x->w, "p/other", "1", 1, &e), e);
	/* Some rights: a short list that says 200. This is why there is a canary. */
	config.token = READER;
	open_store(x, &config);
	assert_ok(kv_wait_list(&x->w, "p/", &list, &index, &e), e);
	assert_int_equal(list.count, 1);
	kv_list_clear(&list);
	assert_int_equal(kv_wait_put(&x->w, "p/names/a", "2", 1, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_non_null(strstr(e.text, "403"));
	assert_null(strstr(e.text, READER));
	/* In a transaction as well, where Consul says 409. */
	assert_int_equal(kv_wait_put_if(&x->w, &cas, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_ok(kv_wait_catalog_nodes(&x->w, &nodes, &e), e);
	assert_int_equal(nodes.count, 0);
	/* No rights: nothing there, says Consul. */
	config.token = NULL;
	open_store(x, &config);
	assert_ok(kv_wait_list(&x->w, "p/", &list, &index, &e), e);
	assert_int_equal(list.count, 0);
	assert_true(index > 0);
	/* A token that does not exist. */
	config.token = NOBODY;
	open_store(x, &config);
	assert_int_equal(kv_wait_list(&x->w, "p/", &list, &index, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_non_null(strstr(e.text, "ACL not found"));
	assert_null(strstr(e.text, NOBODY));
	assert_int_equal(kv_wait_get(&x->w, "p/other", &list, &index, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
}

/* Stopped, and not just about to be: until then it may answer one more request. */
static void
freeze(pid_t pid)
{
	int status;

	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

/* One of its own: this one is stopped, continued and killed. */
static void
test_consul_stops(void **state)
{
	struct fixture *x = *state;
	struct consul_agent *agent = consul_agent_start();
	const struct kv_read brief = { .limit_ms = HANG_MS };
	struct kv_read watch = { .wait_ms = 60000 };
	struct watched s = { 0 }, parked = { 0 };
	struct kv_list list;
	struct err e;

	open_store(x, &(struct kv_config){ .address = consul_agent_address(agent) });
	assert_ok(kv_wait_put(&x->w, "stop/a", "1", 1, &e), e);
	assert_ok(kv_wait_list(&x->w, "stop/", &list, &watch.index, &e), e);
	kv_list_clear(&list);
	kv_list(x->kv, "stop/", &watch, changed, &parked);
	io_test_idle(x->loop, 100);
	freeze(consul_agent_pid(agent));
	kv_list(x->kv, "stop/", &brief, changed, &s);
	assert_true(io_test_wait(x->loop, &s.count, 1, LIMIT_MS));
	assert_int_equal(s.err.code, ERR_TIMEOUT);
	x->w.limit_ms = HANG_MS;
	assert_int_equal(kv_wait_put(&x->w, "stop/a", "2", 1, &e), -1);
	assert_int_equal(e.code, ERR_UNKNOWN);
	x->w.limit_ms = LIMIT_MS;
	kill(consul_agent_pid(agent), SIGCONT);
	/* And so it was: the unknown write happened, the watch is woken by it. */
	assert_true(io_test_wait(x->loop, &parked.count, 1, LIMIT_MS));
	assert_string_equal(parked.value, "2");
	watch.index = parked.index;
	kv_list(x->kv, "stop/", &watch, changed, &parked);
	io_test_idle(x->loop, 100);
	consul_agent_stop(agent);
	assert_true(io_test_wait(x->loop, &parked.count, 2, LIMIT_MS));
	assert_int_equal(parked.err.code, ERR_UNREACHABLE);
	assert_int_equal(kv_wait_put(&x->w, "stop/a", "3", 1, &e), -1);
	assert_int_equal(e.code, ERR_UNREACHABLE);
	assert_non_null(strstr(e.text, "Connection refused"));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_largest_value),
		TEST(test_hostile_keys),
		TEST(test_ten_thousand_names),
		TEST(test_watch),
		TEST(test_lock_ends_with_its_session),
		TEST(test_self_and_nodes),
		TEST(test_unix_socket),
		TEST(test_tls),
		TEST(test_datacenter),
		TEST(test_rights),
		TEST(test_consul_stops),
	};
#undef TEST

	return cmocka_run_group_tests(tests, start_world, stop_world);
}
