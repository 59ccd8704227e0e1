/*
 * credentials.h: an option file as the MySQL tools have it; its [pointsman] group has user, password,
 * ssl-ca, ssl-cert, ssl-key, ssl-verify-server-cert, ssl, default-auth. For MySQL and Redis alike.
 */
#ifndef FEATURE_CREDENTIALS_H
#define FEATURE_CREDENTIALS_H

#include <stdbool.h>

#include "base/err.h"

struct credentials {
	char *user, *password; /* NULL: none */
	char *ssl_ca, *ssl_cert, *ssl_key;
	bool is_tls;	       /* asked for, or a key above is there */
	bool is_verified;      /* the server's name too */
};

/*
 * 0, or -1 naming file and line, never a value. A file that everybody may read is refused. Blocks for
 * a file read. Read again for every new connection: a changed password needs no reload.
 */
int credentials_read(const char *path, struct credentials *out, struct err *e);
void credentials_clear(struct credentials *c); /* overwrites the password */

#endif
