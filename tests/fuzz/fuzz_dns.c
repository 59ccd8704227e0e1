/*
 * fuzz_dns.c: what a hostile resolver can answer. A query goes to a socket of our own; the input is its
 * answer, with the id of the query put in, so that the parser is reached.
 *
 * Bit 0 of the first byte: ask for AAAA, else for A. Bit 1: the question of the query is put behind the
 * header, so that the fuzzer does not have to find that as well.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/dns.h"
#include "io/loop.h"

#define HEADER_LEN 12
#define TURNS_MAX 4 /* the answer is there when we look: more turns bring no more */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static int server = -1;
static char address[32];
static enum dns_type asked_type;
static int done;

static void
start(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	socklen_t len = sizeof(any);

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(server, (struct sockaddr *)&any, len) != 0 ||
	    getsockname(server, (struct sockaddr *)&any, &len) != 0)
		abort();
	snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(any.sin_port));
	loop = loop_new();
}

/* Whatever was answered: the result has to be in order. */
static void
check_result(const struct dns_result *r, void *arg)
{
	unsigned char binary[16];

	(void)arg;
	done++;
	if (r->count > DNS_ANSWERS_MAX || (r->err.code != ERR_NONE && r->count != 0) ||
	    (r->err.code == ERR_NONE && r->count == 0))
		abort();
	for (size_t i = 0; i < r->count; i++) {
		if (inet_pton(asked_type == DNS_TYPE_A ? AF_INET : AF_INET6, r->addresses[i],
			binary) != 1)
			abort();
	}
	if (r->err.code != ERR_NONE && memchr(r->err.text, '\0', sizeof(r->err.text)) == NULL)
		abort();
}

/* The answer to query: input, with the query's id and, when asked for, its question. */
static size_t
build_answer(uint8_t *out, size_t max, const uint8_t *query, size_t query_len, const uint8_t *data,
    size_t size, int has_question)
{
	size_t len = size < HEADER_LEN ? size : HEADER_LEN;

	memcpy(out, data, len);
	memcpy(out, query, len < 2 ? len : 2);
	if (has_question && len == HEADER_LEN) {
		memcpy(out + len, query + HEADER_LEN, query_len - HEADER_LEN);
		len += query_len - HEADER_LEN;
	}
	if (size > HEADER_LEN) {
		size_t rest = size - HEADER_LEN < max - len ? size - HEADER_LEN : max - len;

		memcpy(out + len, data + HEADER_LEN, rest);
		len += rest;
	}
	return len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_in client;
	socklen_t client_len = sizeof(client);
	uint8_t query[512], answer[4096];
	struct dns_query *q;
	ssize_t n;
	size_t len;

	if (size == 0)
		return 0;
	if (server < 0)
		start();
	done = 0;
	asked_type = (data[0] & 1) != 0 ? DNS_TYPE_AAAA : DNS_TYPE_A;
	q = dns_start(loop, address, "maindb.test", asked_type, 60000, check_result, NULL);
	n = recvfrom(server, query, sizeof(query), 0, (struct sockaddr *)&client, &client_len);
	if (n < HEADER_LEN)
		abort();
	len =
	    build_answer(answer, sizeof(answer), query, (size_t)n, data + 1, size - 1, data[0] & 2);
	sendto(server, answer, len, 0, (struct sockaddr *)&client, client_len);
	for (int i = 0; i < TURNS_MAX && done == 0; i++)
		loop_turn(loop, 0);
	if (done == 0)
		dns_cancel(q);
	loop_turn(loop, 0);
	/* Questions that were repeated after a SERVFAIL. */
	while (recv(server, query, sizeof(query), MSG_DONTWAIT) >= 0)
		;
	if (done > 1)
		abort();
	return 0;
}
