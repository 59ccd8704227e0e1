/*
 * credentials.h: an option file as the MySQL tools have it; its [pointsman] group has user, password,
 * default-auth, ssl, ssl-ca, ssl-cert, ssl-key and ssl-verify-server-cert. For MySQL and Redis alike.
 */
#ifndef FEATURE_CREDENTIALS_H
#define FEATURE_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct mysql_account;

struct credentials {
	char *user, *password; /* NULL: none */
	char *default_auth;    /* MySQL's authentication plugin; NULL: what the server asks for */
	char *ssl_ca, *ssl_cert, *ssl_key;
	bool is_tls;      /* ssl, or one of the files above */
	bool is_verified; /* the server's certificate and name; with ssl-ca, unless told not to */
};

/*
 * 0, or -1 naming file and line, never a value. A file that everybody may read is refused. Blocks for
 * a file read. Read again for every new connection: a changed password needs no reload.
 */
int credentials_read(const char *path, struct credentials *out, struct err *e);
/* The same of its bytes; path is for messages. */
int credentials_parse(
    const char *text, size_t len, const char *path, struct credentials *out, struct err *e);
/* All of out but its database; its strings are those of c, and end with it. */
void credentials_lend(const struct credentials *c, struct mysql_account *out);
void credentials_clear(struct credentials *c); /* overwrites the password */

#endif
