/*
 * fake_peer.h: a TCP server for tests that says what it is told, whoever connects. It lives on the loop of
 * the test.
 */
#ifndef TESTS_FAKE_FAKE_PEER_H
#define TESTS_FAKE_FAKE_PEER_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct fake_peer;

struct fake_script {
	const char *greeting; /* said to who connects; NULL: nothing */
	const char *answer;   /* said once, when something came; NULL: nothing */
	size_t fill;          /* answer: repeated until so many bytes are out; 0: once */
	bool is_drip;         /* a byte a turn */
	bool is_closing;      /* closes when all is said */
	bool is_reset;        /* the same by RST */
};

/* script: what it does from now on with who connects; must outlive its connections. */
struct fake_peer *fake_peer_new(struct loop *l, const struct fake_script *script);
void fake_peer_free(struct fake_peer *p);
void fake_peer_set(struct fake_peer *p, const struct fake_script *script);

int fake_peer_port(const struct fake_peer *p);           /* of 127.0.0.1 */
size_t fake_peer_connections(const struct fake_peer *p); /* so far */
size_t fake_peer_open(const struct fake_peer *p);
const char *fake_peer_heard(const struct fake_peer *p); /* all that came, of all connections */

#endif
