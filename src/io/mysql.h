/*
 * mysql.h: one connection to a MariaDB or a MySQL, asked without waiting (libmariadb's non-blocking
 * API). It carries queries and their rows; what they mean, and what may be asked, is the caller's.
 *
 * The rule of loop.h holds: done comes exactly once for a start, from the loop, never inside it, never
 * after _cancel or _free. One thing at a time. Whatever fails before the server's answer was read to its
 * end closes the connection; an error that the server reports does not.
 *
 * The process must ignore SIGPIPE: OpenSSL writes to a peer that may have gone.
 */
#ifndef IO_MYSQL_H
#define IO_MYSQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rows.h"

struct endpoint;
struct loop;
struct mysql_link;

#define MYSQL_ROWS_MAX 20000u      /* more is ERR_LIMIT */
#define MYSQL_BYTES_MAX (8u << 20) /* in all rows; a single packet has half of that at most */

/* Who asks, and how. Strings are only read during mysql_link_connect(). NULL: none, or the default. */
struct mysql_account {
	const char *user, *password;
	const char *database;
	const char *default_auth;
	const char *ssl_ca, *ssl_cert, *ssl_key;
	bool is_tls;      /* with it or not at all */
	bool is_verified; /* the certificate, and that it names the address */
};

struct mysql_answer {
	/*
	 * ERR_NONE; ERR_UNREACHABLE, ERR_TIMEOUT, ERR_PROTOCOL and ERR_LIMIT as err.h has them; ERR_DENIED: the
	 * account, or TLS; ERR_UNAVAILABLE: what else the server or the library says. Printable.
	 */
	struct err err;
	unsigned number;  /* of the server (1045) or the library (2013); 0: none, or our limit */
	char sqlstate[6]; /* "28000"; "" */
	int system_errno; /* of a connection that could not be made; 0: not known */
	bool is_connect;  /* it failed before there was a session */
	struct rows rows; /* without columns: the statement has no answer but "done" */
	uint64_t affected;
	int64_t took_us;
};

/* a lives as long as the call; rows may be taken out by copying them and zeroing a's. */
typedef void mysql_done_fn(struct mysql_answer *a, void *arg);

struct mysql_link *mysql_link_new(struct loop *l);
void mysql_link_free(struct mysql_link *m); /* cancels; NULL is allowed */

/* Closes what was open. address is where, never a name. Never fails: errors come to done. */
void mysql_link_connect(struct mysql_link *m, const struct endpoint *address,
    const struct mysql_account *account, int64_t limit_ms, mysql_done_fn *done, void *arg);
/* On an open connection; on a closed one done says so. */
void mysql_link_query(
    struct mysql_link *m, const char *sql, int64_t limit_ms, mysql_done_fn *done, void *arg);

/* No done will come. What was under way is lost, and the connection with it. */
void mysql_link_cancel(struct mysql_link *m);
void mysql_link_close(struct mysql_link *m); /* cancels, and says goodbye to the server */

bool mysql_link_is_open(const struct mysql_link *m);
bool mysql_link_is_mariadb(const struct mysql_link *m); /* else MySQL; while it is open */
const char *mysql_link_version(
    const struct mysql_link *m);                    /* "10.11.19-MariaDB-…", printable; "" */
uint64_t mysql_link_id(const struct mysql_link *m); /* our session's number at the server */

#endif
