/*
 * test_dns.c: a real dnsmasq, and a resolver of our own that answers in every wrong way.
 */
#include "io/dns.h"

#include "io_test.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "server_child.h"

#define AMPLE_MS 20000
#define LIMIT_MS 150 /* where it is waited for in vain */
#define QUERY_MAX 512
#define PACKET_MAX 65507 /* what UDP over IPv4 can carry */
#define QUERIES_MAX 64

struct answer {
	int done;
	struct dns_result result;
};

/* The fake: what it was asked last, and what it does then. */
struct fake;
typedef void reply_fn(struct fake *fake);

struct fake {
	int fd;
	char address[32];
	struct event *event;
	reply_fn *reply;
	int queries;
	int ports[QUERIES_MAX], ids[QUERIES_MAX];
	uint8_t query[QUERY_MAX];
	size_t query_len;
	struct sockaddr_in client;
	uint8_t packet[PACKET_MAX];
	size_t len;
};

struct fixture {
	struct loop *loop;
	struct fake *fake;
	int fds;
};

static void
dns_done(const struct dns_result *r, void *arg)
{
	struct answer *answer = arg;

	answer->done++;
	answer->result = *r;
}

static void
fake_send_from(struct fake *fake, int fd)
{
	ssize_t sent = sendto(
	    fd, fake->packet, fake->len, 0, (struct sockaddr *)&fake->client, sizeof(fake->client));

	assert_int_equal(fake->len, sent);
}

static void
fake_send(struct fake *fake)
{
	fake_send_from(fake, fake->fd);
}

static void
fake_asked(evutil_socket_t fd, short what, void *arg)
{
	struct fake *fake = arg;
	socklen_t len = sizeof(fake->client);
	ssize_t n = recvfrom(
	    (int)fd, fake->query, sizeof(fake->query), 0, (struct sockaddr *)&fake->client, &len);

	(void)what;
	if (n == 0)
		return; /* the knock after a timeout */
	assert_true(n > 12);
	fake->query_len = (size_t)n;
	if (fake->queries < QUERIES_MAX) {
		fake->ports[fake->queries] = ntohs(fake->client.sin_port);
		fake->ids[fake->queries] = fake->query[0] << 8 | fake->query[1];
	}
	fake->queries++;
	fake->reply(fake);
}

static int
bind_udp(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*address);

	assert_true(fd >= 0);
	assert_int_equal(0, bind(fd, (struct sockaddr *)address, len));
	assert_int_equal(0, getsockname(fd, (struct sockaddr *)address, &len));
	return fd;
}

static void
fake_open(struct fake *fake, struct loop *l, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fake->fd = bind_udp(&address);
	snprintf(fake->address, sizeof(fake->address), "127.0.0.1:%d", ntohs(address.sin_port));
	fake->event = event_new(loop_base(l), fake->fd, EV_READ | EV_PERSIST, fake_asked, fake);
	event_add(fake->event, NULL);
}

static void
fake_close(struct fake *fake)
{
	event_free(fake->event);
	close(fake->fd);
}

static int
setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	f->loop = loop_new();
	f->fds = io_test_count_fds();
	f->fake = mem_alloc(sizeof(*f->fake));
	fake_open(f->fake, f->loop, 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	fake_close(f->fake);
	free(f->fake);
	io_test_idle(f->loop, 10);
	assert_int_equal(f->fds, io_test_count_fds());
	loop_free(f->loop);
	free(f);
	return 0;
}

static struct dns_result
ask(struct fixture *f, const char *server, const char *name, enum dns_type type, int64_t limit_ms)
{
	struct answer answer = { 0 };

	dns_start(f->loop, server, name, type, limit_ms, dns_done, &answer);
	assert_int_equal(0, answer.done); /* never inside _start() */
	assert_true(io_test_wait(f->loop, &answer.done, 1, AMPLE_MS));
	io_test_idle(f->loop, 10);
	assert_int_equal(1, answer.done);
	if (answer.result.err.code != ERR_NONE)
		assert_int_equal(0, answer.result.count);
	return answer.result;
}

static struct dns_result
ask_fake(struct fixture *f, reply_fn *reply, enum dns_type type, int64_t limit_ms)
{
	f->fake->reply = reply;
	f->fake->queries = 0;
	return ask(f, f->fake->address, "maindb.test", type, limit_ms);
}

/* The header and question of an answer to the last query, with so many answers to follow. */
static void
begin(struct fake *fake, int rcode, int answers)
{
	memcpy(fake->packet, fake->query, fake->query_len);
	fake->len = fake->query_len;
	fake->packet[2] = 0x85; /* answer, authoritative, recursion desired */
	fake->packet[3] = (uint8_t)(0x80 | rcode);
	fake->packet[6] = (uint8_t)(answers >> 8);
	fake->packet[7] = (uint8_t)answers;
	memset(fake->packet + 8, 0, 4);
}

static void
add(struct fake *fake, const void *data, size_t len)
{
	assert_true(fake->len + len <= PACKET_MAX);
	memcpy(fake->packet + fake->len, data, len);
	fake->len += len;
}

/* A record that belongs to the name of the question. */
static void
add_record(struct fake *fake, int type, const void *data, uint8_t len)
{
	const uint8_t head[] = { 0xc0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, 60, 0, len };

	add(fake, head, sizeof(head));
	add(fake, data, len);
}

static const uint8_t v4[] = { 10, 0, 4, 13 };
static const uint8_t v6[16] = { 0xfd, 0x70, 0, 0x6d, [14] = 0x22, [15] = 0x6d };

static void
reply_good(struct fake *fake)
{
	begin(fake, 0, 1);
	add_record(fake, 1, v4, sizeof(v4));
	fake_send(fake);
}

static void
reply_nothing(struct fake *fake)
{
	(void)fake;
}

static void
reply_third_time(struct fake *fake)
{
	if (fake->queries == 3)
		reply_good(fake);
}

static void
reply_garbage(struct fake *fake)
{
	for (fake->len = 0; fake->len < 100; fake->len++)
		fake->packet[fake->len] = (uint8_t)(fake->query[fake->len % 12] ^ 0x5a);
	fake_send(fake);
}

static void
reply_garbage_with_id(struct fake *fake)
{
	begin(fake, 0, 3);
	memset(fake->packet + 12, 0xff, 200);
	fake->len = 212;
	fake_send(fake);
}

static void
reply_wrong_id(struct fake *fake)
{
	begin(fake, 0, 1);
	add_record(fake, 1, v4, sizeof(v4));
	fake->packet[1] ^= 1;
	fake_send(fake);
}

static void
reply_wrong_id_then_good(struct fake *fake)
{
	reply_wrong_id(fake);
	reply_good(fake);
}

static void
reply_wrong_question(struct fake *fake)
{
	begin(fake, 0, 1);
	fake->packet[13] = 'x';
	add_record(fake, 1, v4, sizeof(v4));
	fake_send(fake);
}

static void
reply_no_question(struct fake *fake)
{
	begin(fake, 0, 1);
	fake->packet[5] = 0;
	fake->len = 12;
	add_record(fake, 1, v4, sizeof(v4));
	fake_send(fake);
}

static void
reply_query_itself(struct fake *fake)
{
	memcpy(fake->packet, fake->query, fake->query_len);
	fake->len = fake->query_len;
	fake_send(fake);
}

static void
reply_truncated(struct fake *fake)
{
	begin(fake, 0, 1);
	fake->packet[2] |= 2; /* TC */
	add_record(fake, 1, v4, sizeof(v4));
	fake_send(fake);
}

static void
reply_pointer_loop(struct fake *fake)
{
	const uint8_t loop[] = { 0xc0, (uint8_t)fake->query_len, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4 };

	begin(fake, 0, 1);
	add(fake, loop, sizeof(loop));
	add(fake, v4, sizeof(v4));
	fake_send(fake);
}

static void
reply_64k(struct fake *fake)
{
	begin(fake, 0, 65535);
	while (fake->len + 16 <= PACKET_MAX)
		add_record(fake, 1, v4, sizeof(v4));
	fake_send(fake);
}

static void
reply_64k_of_text(struct fake *fake)
{
	static const uint8_t text[255];

	begin(fake, 0, 65535);
	while (fake->len + 12 + sizeof(text) <= PACKET_MAX)
		add_record(fake, 16, text, sizeof(text));
	fake_send(fake);
}

static void
reply_forty(struct fake *fake)
{
	uint8_t address[] = { 10, 0, 0, 0 };

	begin(fake, 0, 40);
	for (; address[3] < 40; address[3]++)
		add_record(fake, 1, address, sizeof(address));
	fake_send(fake);
}

static void
reply_cname_and_v6(struct fake *fake)
{
	const uint8_t alias[] = { 3, 'd', 'b', '3', 0xc0, 19 };

	begin(fake, 0, 2);
	add_record(fake, 5, alias, sizeof(alias));
	add_record(fake, 28, v6, sizeof(v6));
	fake_send(fake);
}

static void
reply_odd_length(struct fake *fake)
{
	begin(fake, 0, 1);
	add_record(fake, 1, v4, 3);
	fake_send(fake);
}

static void
reply_empty_record(struct fake *fake)
{
	begin(fake, 0, 1);
	add_record(fake, 1, v4, 0);
	fake_send(fake);
}

static void
reply_empty_packet(struct fake *fake)
{
	fake->len = 0;
	fake_send(fake);
}

/* From 127.0.0.2, which is not the one that was asked. */
static void
reply_other_sender(struct fake *fake)
{
	struct sockaddr_in other = { .sin_family = AF_INET };
	int fd;

	other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	fd = bind_udp(&other);
	begin(fake, 0, 1);
	add_record(fake, 1, v4, sizeof(v4));
	fake_send_from(fake, fd);
	close(fd);
}

static void
reply_with(struct fake *fake, int rcode)
{
	begin(fake, rcode, 0);
	fake_send(fake);
}

static void
reply_no_data(struct fake *fake)
{
	reply_with(fake, 0);
}

static void
reply_formerr(struct fake *fake)
{
	reply_with(fake, 1);
}

static void
reply_servfail(struct fake *fake)
{
	reply_with(fake, 2);
}

static void
reply_nxdomain(struct fake *fake)
{
	reply_with(fake, 3);
}

static void
reply_notimp(struct fake *fake)
{
	reply_with(fake, 4);
}

static void
reply_refused(struct fake *fake)
{
	reply_with(fake, 5);
}

static void
reply_unknown_rcode(struct fake *fake)
{
	reply_with(fake, 15);
}

static void
test_every_wrong_answer(void **state)
{
	static const struct {
		const char *what;
		reply_fn *reply;
		enum err_code code;
		int queries; /* at least */
	} cases[] = {
		{ "good", reply_good, ERR_NONE, 1 },
		{ "nothing", reply_nothing, ERR_TIMEOUT, 3 },
		{ "third time", reply_third_time, ERR_NONE, 3 },
		{ "garbage", reply_garbage, ERR_TIMEOUT, 3 },
		{ "garbage with the id", reply_garbage_with_id, ERR_PROTOCOL, 1 },
		{ "wrong id", reply_wrong_id, ERR_TIMEOUT, 3 },
		{ "wrong id, then good", reply_wrong_id_then_good, ERR_NONE, 1 },
		{ "wrong question", reply_wrong_question, ERR_PROTOCOL, 1 },
		{ "no question", reply_no_question, ERR_PROTOCOL, 1 },
		{ "the query itself", reply_query_itself, ERR_TIMEOUT, 3 },
		{ "truncated", reply_truncated, ERR_PROTOCOL, 1 },
		{ "pointer loop", reply_pointer_loop, ERR_PROTOCOL, 1 },
		{ "64 KB", reply_64k, ERR_NONE, 1 },
		{ "64 KB of text", reply_64k_of_text, ERR_PROTOCOL, 1 },
		{ "forty", reply_forty, ERR_NONE, 1 },
		{ "odd length", reply_odd_length, ERR_PROTOCOL, 1 },
		{ "empty record", reply_empty_record, ERR_PROTOCOL, 1 },
		{ "empty packet", reply_empty_packet, ERR_TIMEOUT, 3 },
		{ "other sender", reply_other_sender, ERR_TIMEOUT, 3 },
		{ "no data", reply_no_data, ERR_NOT_FOUND, 1 },
		{ "other type", reply_cname_and_v6, ERR_NOT_FOUND, 1 },
		{ "FORMERR", reply_formerr, ERR_PROTOCOL, 1 },
		{ "SERVFAIL", reply_servfail, ERR_UNAVAILABLE, 1 },
		{ "NXDOMAIN", reply_nxdomain, ERR_NOT_FOUND, 1 },
		{ "NOTIMP", reply_notimp, ERR_UNAVAILABLE, 1 },
		{ "REFUSED", reply_refused, ERR_UNAVAILABLE, 1 },
		{ "rcode 15", reply_unknown_rcode, ERR_PROTOCOL, 1 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		bool is_long = cases[i].queries > 1;
		struct dns_result r;
		int tries = 0;

		/* A busy machine may not come to the third question within the limit. */
		do
			r = ask_fake(f, cases[i].reply, DNS_TYPE_A, is_long ? LIMIT_MS : AMPLE_MS);
		while (is_long && f->fake->queries < 3 && ++tries < IO_TEST_TRIES);
		print_message("%-22s %6d us %s\n", cases[i].what, (int)r.took_us, r.err.text);
		assert_int_equal(cases[i].code, r.err.code);
		assert_in_range(f->fake->queries, cases[i].queries, 3);
		if (r.err.code == ERR_NONE)
			assert_in_range(r.count, 1, DNS_ANSWERS_MAX);
		else
			assert_non_null(strstr(r.err.text, f->fake->address));
		if (r.err.code == ERR_TIMEOUT)
			assert_in_range(r.took_us, LIMIT_MS * 1000 - 1000, AMPLE_MS * 1000);
	}
}

static void
test_addresses(void **state)
{
	struct fixture *f = *state;
	struct dns_result r = ask_fake(f, reply_good, DNS_TYPE_A, AMPLE_MS);

	assert_int_equal(1, r.count);
	assert_string_equal("10.0.4.13", r.addresses[0]);
	r = ask_fake(f, reply_cname_and_v6, DNS_TYPE_AAAA, AMPLE_MS);
	assert_int_equal(1, r.count);
	assert_string_equal("fd70:6d::226d", r.addresses[0]);
	r = ask_fake(f, reply_forty, DNS_TYPE_A, AMPLE_MS);
	assert_int_equal(DNS_ANSWERS_MAX, r.count);
	assert_string_equal("10.0.0.0", r.addresses[0]);
	assert_string_equal("10.0.0.15", r.addresses[DNS_ANSWERS_MAX - 1]);
}

/* evdns has an opinion of a server that refuses or falls silent; nobody asked for it. */
static void
test_prints_nothing(void **state)
{
	struct fixture *f = *state;
	int saved = dup(STDERR_FILENO);
	FILE *file = tmpfile();
	long printed;

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	ask_fake(f, reply_refused, DNS_TYPE_A, LIMIT_MS);
	ask_fake(f, reply_other_sender, DNS_TYPE_A, LIMIT_MS);
	dup2(saved, STDERR_FILENO);
	close(saved);
	fseek(file, 0, SEEK_END);
	printed = ftell(file);
	fclose(file);
	assert_int_equal(0, printed);
}

static size_t cut_at;

static void
reply_cut(struct fake *fake)
{
	begin(fake, 0, 1);
	add_record(fake, 1, v4, sizeof(v4));
	fake->len = cut_at;
	fake_send(fake);
}

/* A good answer that ends after each of its bytes. */
static void
test_cut_at_every_byte(void **state)
{
	struct fixture *f = *state;
	const size_t whole = 12 + 13 + 4 + 16;

	for (cut_at = 0; cut_at <= whole; cut_at++) {
		struct dns_result r = ask_fake(f, reply_cut, DNS_TYPE_A, 30);

		if (cut_at < 12) /* no header: not ours */
			assert_int_equal(ERR_TIMEOUT, r.err.code);
		else
			assert_int_equal(cut_at < whole ? ERR_PROTOCOL : ERR_NONE, r.err.code);
	}
}

static void
test_ports_and_ids_are_random(void **state)
{
	struct fixture *f = *state;
	int same_ports = 0, same_ids = 0;

	f->fake->reply = reply_good;
	f->fake->queries = 0;
	for (int i = 0; i < QUERIES_MAX; i++)
		ask(f, f->fake->address, "maindb.test", DNS_TYPE_A, AMPLE_MS);
	for (int i = 1; i < QUERIES_MAX; i++) {
		/* Neither the same nor counted up. */
		same_ports += abs(f->fake->ports[i] - f->fake->ports[i - 1]) <= 2;
		same_ids += abs(f->fake->ids[i] - f->fake->ids[i - 1]) <= 2;
	}
	assert_in_range(same_ports, 0, 3);
	assert_in_range(same_ids, 0, 3);
}

/* Nobody there; then somebody: the second query must not suffer from the first. */
static void
test_dead_then_alive(void **state)
{
	struct fixture *f = *state;
	uint16_t number = (uint16_t)server_child_port();
	struct dns_result r;

	/* Not an ephemeral port: it has to stay nobody's while it is not ours. */
	fake_close(f->fake);
	fake_open(f->fake, f->loop, number);
	fake_close(f->fake);
	for (int i = 0; i < 4; i++) {
		r = ask(f, f->fake->address, "maindb.test", DNS_TYPE_A, 50);
		assert_int_equal(ERR_UNREACHABLE, r.err.code);
		assert_in_range(r.took_us, 49000, AMPLE_MS * 1000);
	}
	fake_open(f->fake, f->loop, number);
	r = ask_fake(f, reply_good, DNS_TYPE_A, AMPLE_MS);
	assert_int_equal(ERR_NONE, r.err.code);
	assert_int_equal(1, f->fake->queries);
}

static void
test_two_hundred_at_once(void **state)
{
	struct fixture *f = *state;
	static struct answer answers[200];

	memset(answers, 0, sizeof(answers));
	f->fake->reply = reply_good;
	for (int i = 0; i < 200; i++)
		dns_start(f->loop, f->fake->address, "maindb.test", DNS_TYPE_A, AMPLE_MS, dns_done,
		    &answers[i]);
	for (int i = 0; i < 200; i++) {
		assert_true(io_test_wait(f->loop, &answers[i].done, 1, AMPLE_MS));
		assert_int_equal(ERR_NONE, answers[i].result.err.code);
	}
}

struct canceller {
	struct answer answer;
	struct dns_query *other;
};

static void
done_and_cancel(const struct dns_result *r, void *arg)
{
	struct canceller *c = arg;

	dns_done(r, &c->answer);
	dns_cancel(c->other);
	c->other = NULL;
}

static void
test_cancel(void **state)
{
	struct fixture *f = *state;
	struct answer answer = { 0 };
	struct dns_query *q;

	f->fake->reply = reply_good;
	dns_cancel(NULL);
	dns_cancel(dns_start(f->loop, "nonsense", "a", DNS_TYPE_A, 50, dns_done, &answer));
	dns_cancel(
	    dns_start(f->loop, f->fake->address, "a.test", DNS_TYPE_A, 50, dns_done, &answer));
	io_test_idle(f->loop, 100);
	assert_int_equal(0, answer.done);
	f->fake->reply = reply_nothing;
	for (int i = 0; i < IO_TEST_TRIES; i++) {
		answer.done = 0;
		q = dns_start(
		    f->loop, f->fake->address, "a.test", DNS_TYPE_A, LIMIT_MS, dns_done, &answer);
		io_test_idle(f->loop, 20);
		if (answer.done == 0) /* otherwise the machine was too busy for us to come first */
			break;
	}
	assert_int_equal(0, answer.done);
	dns_cancel(q);
	io_test_idle(f->loop, 2 * LIMIT_MS);
	assert_int_equal(0, answer.done);
}

/* Both answers lie there in the same turn: whoever comes first cancels the other, and itself. */
static void
test_cancel_with_the_answer_on_its_way(void **state)
{
	struct fixture *f = *state;
	struct canceller a = { 0 }, b = { 0 };

	f->fake->reply = reply_good;
	b.other =
	    dns_start(f->loop, f->fake->address, "a.test", DNS_TYPE_A, 500, done_and_cancel, &a);
	a.other =
	    dns_start(f->loop, f->fake->address, "b.test", DNS_TYPE_A, 500, done_and_cancel, &b);
	fake_asked(f->fake->fd, EV_READ, f->fake);
	fake_asked(f->fake->fd, EV_READ, f->fake);
	io_test_idle(f->loop, 100);
	assert_int_equal(1, a.answer.done + b.answer.done);

	memset(&a, 0, sizeof(a));
	a.other =
	    dns_start(f->loop, f->fake->address, "a.test", DNS_TYPE_A, 500, done_and_cancel, &a);
	assert_true(io_test_wait(f->loop, &a.answer.done, 1, AMPLE_MS));
	io_test_idle(f->loop, 20);
	assert_int_equal(1, a.answer.done);
}

static void
test_bad_servers_and_names(void **state)
{
	static const char *const servers[] = { "", "localhost", "127.0.0.1:", "127.0.0.1:0",
		"127.0.0.1:65536", "127.0.0.1:53x", "1", "::1:", "[::1", "[::1]x", "[127.0.0.1]:53",
		"127.0.0.1 ", "unix:/x", "0x7f.0.0.1" };
	struct fixture *f = *state;
	char label[70], name[300];
	struct dns_result r;
	struct err e = { 0 };

	for (size_t i = 0; i < MEM_COUNT(servers); i++) {
		assert_int_equal(-1, dns_check_server(servers[i], &e));
		assert_int_equal(ERR_USAGE, e.code);
		r = ask(f, servers[i], "maindb.test", DNS_TYPE_A, AMPLE_MS);
		assert_int_equal(ERR_USAGE, r.err.code);
	}
	assert_int_equal(0, dns_check_server("127.0.0.1", &e));
	assert_int_equal(0, dns_check_server("127.0.0.1:5353", &e));
	assert_int_equal(0, dns_check_server("::1", &e));
	assert_int_equal(0, dns_check_server("[::1]", &e));
	assert_int_equal(0, dns_check_server("[fd00::53]:5353", &e));

	memset(label, 'x', 64);
	label[64] = '\0';
	r = ask(f, f->fake->address, label, DNS_TYPE_A, AMPLE_MS);
	assert_int_equal(ERR_USAGE, r.err.code);
	memset(name, 'x', 299);
	for (int i = 50; i < 299; i += 50)
		name[i] = '.';
	name[299] = '\0';
	r = ask(f, f->fake->address, name, DNS_TYPE_A, AMPLE_MS);
	assert_int_equal(ERR_USAGE, r.err.code);
}

/* The real one. */

struct dnsmasq {
	pid_t pid;
	char dir[40];
	char address[32];
};

static void
dnsmasq_spawn(struct dnsmasq *d, const char *listen)
{
	char hosts[96], listen_option[64], port[32], path[64];
	struct sockaddr_in free_port = { .sin_family = AF_INET };
	FILE *file;

	strcpy(d->dir, "/tmp/pm-dns-XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	assert_int_equal(0, chmod(d->dir, 0755));
	snprintf(path, sizeof(path), "%s/hosts", d->dir);
	file = fopen(path, "w");
	fputs("fd70:6d::226d\tgeneration.test\n10.0.4.13\tmaindb.test\n10.0.4.14\tmaindb.test\n"
	      "fd00::13\tmaindb.test\n10.0.0.1\tv4only.test\n",
	    file);
	fclose(file);
	close(bind_udp(&free_port));
	snprintf(hosts, sizeof(hosts), "--addn-hosts=%s", path);
	snprintf(port, sizeof(port), "--port=%d", ntohs(free_port.sin_port));
	snprintf(listen_option, sizeof(listen_option), "--listen-address=%s", listen);
	snprintf(d->address, sizeof(d->address), strchr(listen, ':') != NULL ? "[%s]:%d" : "%s:%d",
	    listen, ntohs(free_port.sin_port));
	if ((d->pid = fork()) == 0) {
		int null = open("/dev/null", O_WRONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of the test */
		dup2(null, STDERR_FILENO);
		execlp("dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
		    "--no-resolv", "--no-hosts", hosts, port, listen_option, "--bind-interfaces",
		    "--user=root", "--pid-file=", "--local=/test/", "--log-facility=/dev/null",
		    NULL);
		_exit(127);
	}
	assert_true(d->pid > 0);
}

static void
dnsmasq_stop(struct dnsmasq *d)
{
	char path[64];

	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
	}
	snprintf(path, sizeof(path), "%s/hosts", d->dir);
	unlink(path);
	rmdir(d->dir);
}

/* Returns when it answers. Its port may be taken before it has it: then with another one. */
static void
dnsmasq_start(struct fixture *f, struct dnsmasq *d, const char *listen)
{
	for (int attempt = 0; attempt < 5; attempt++) {
		int status = 0;

		dnsmasq_spawn(d, listen);
		while (waitpid(d->pid, &status, WNOHANG) != d->pid) {
			if (ask(f, d->address, "maindb.test", DNS_TYPE_A, 100).err.code == ERR_NONE)
				return;
		}
		d->pid = 0;
		dnsmasq_stop(d);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
			print_error("NOT TESTED: no dnsmasq on this machine\n");
			skip();
		}
	}
	fail_msg("dnsmasq does not start");
}

static bool
has_ipv6(void)
{
	struct sockaddr_in6 loopback = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_there = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) == 0;

	close(fd);
	return is_there;
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void
test_dnsmasq(void **state)
{
	struct fixture *f = *state;
	struct dnsmasq d;
	struct dns_result r;
	int64_t took[500];

	dnsmasq_start(f, &d, "127.0.0.1");
	r = ask(f, d.address, "maindb.test", DNS_TYPE_A, AMPLE_MS);
	assert_int_equal(ERR_NONE, r.err.code);
	assert_int_equal(2, r.count);
	r = ask(f, d.address, "MainDB.TEST", DNS_TYPE_AAAA, AMPLE_MS);
	assert_int_equal(1, r.count);
	assert_string_equal("fd00::13", r.addresses[0]);
	r = ask(f, d.address, "generation.test", DNS_TYPE_AAAA, AMPLE_MS);
	assert_string_equal("fd70:6d::226d", r.addresses[0]);
	r = ask(f, d.address, "no-such-name.test", DNS_TYPE_A, AMPLE_MS);
	assert_int_equal(ERR_NOT_FOUND, r.err.code);
	r = ask(f, d.address, "v4only.test", DNS_TYPE_AAAA, AMPLE_MS);
	assert_int_equal(ERR_NOT_FOUND, r.err.code);
	r = ask(f, d.address, "elsewhere.example", DNS_TYPE_A, AMPLE_MS);
	assert_int_equal(ERR_UNAVAILABLE, r.err.code); /* no upstream: REFUSED */

	kill(d.pid, SIGSTOP);
	/* Stopped, and not just about to be: until then it may answer. */
	assert_int_equal(d.pid, waitpid(d.pid, NULL, WUNTRACED));
	r = ask(f, d.address, "maindb.test", DNS_TYPE_A, LIMIT_MS);
	assert_int_equal(ERR_TIMEOUT, r.err.code);
	kill(d.pid, SIGCONT);
	r = ask(f, d.address, "maindb.test", DNS_TYPE_A, AMPLE_MS);
	assert_int_equal(ERR_NONE, r.err.code);

	for (int i = 0; i < 500; i++) {
		struct answer answer = { 0 };

		dns_start(f->loop, d.address, "generation.test", DNS_TYPE_AAAA, AMPLE_MS, dns_done,
		    &answer);
		assert_true(io_test_wait(f->loop, &answer.done, 1, AMPLE_MS));
		took[i] = answer.result.took_us;
	}
	dnsmasq_stop(&d);
	qsort(took, 500, sizeof(took[0]), compare);
	print_message("dnsmasq round trip: p50 %d us, p99 %d us\n", (int)took[250], (int)took[495]);
}

static void
test_dnsmasq_over_ipv6(void **state)
{
	struct fixture *f = *state;
	struct dnsmasq d;
	struct dns_result r;

	if (!has_ipv6()) {
		print_error("NOT TESTED: no ::1 on this machine\n");
		skip();
	}
	dnsmasq_start(f, &d, "::1");
	r = ask(f, d.address, "generation.test", DNS_TYPE_AAAA, AMPLE_MS);
	dnsmasq_stop(&d);
	assert_int_equal(1, r.count);
	assert_string_equal("fd70:6d::226d", r.addresses[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_wrong_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prints_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_at_every_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports_and_ids_are_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_then_alive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_hundred_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_cancel_with_the_answer_on_its_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_servers_and_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dnsmasq, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dnsmasq_over_ipv6, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
