/*
 * mysql_greeting.c: the first packet of a server, as the protocol has it:
 *
 *   3 bytes length, 0, then 10, the version and a NUL, 4 bytes session, 8 bytes salt, 1, capabilities
 *                      or 0xff and an error
 *
 * The library would take "SSH-" for a length and wait for 4 MB, and would go on without TLS, password and
 * all, where the server has none and no certificate is to be verified.
 */
#include "io/mysql_greeting.h"

#include <errmsg.h>
#include <mysql.h>
#include <string.h>

#include "base/str.h"
#include "io/mysql.h"
#include "io/mysql_error.h"

#define GREETING_MAX 4096  /* MySQL's has a hundred bytes, an error 512 and some */
#define GREETING_SHOWN 48  /* of something else, for the message */
#define ERROR_HEADER 7     /* of an error: length, 0, 0xff, two bytes of number; then the text */
#define CAPABILITIES_AT 14 /* behind the NUL of the version; two bytes */

int
mysql_greeting_lacks_tls(const char *where, struct mysql_answer *a)
{
	a->number = CR_SSL_CONNECTION_ERROR;
	return err_set(
	    &a->err, ERR_DENIED, "%s: the server has no TLS, and the account asks for it", where);
}

/*
 * With TLS wanted the library gives such an error a number of its own, that of a host which cannot be
 * reached: a server with too many connections would be taken for a dead one.
 */
static int
told_error(const unsigned char *b, size_t n, const char *where, struct mysql_answer *a)
{
	char shown[MYSQL_GREETING_LOOK * 4 + 4];

	a->number = b[5] | (unsigned)b[6] << 8;
	return err_set(&a->err, mysql_error_code(a->number, 0), "%s: %s (%u)", where,
	    str_printable(shown, sizeof(shown), b + ERROR_HEADER, n - ERROR_HEADER), a->number);
}

int
mysql_greeting_check(
    const unsigned char *b, size_t n, bool is_tls, const char *where, struct mysql_answer *a)
{
	char shown[GREETING_SHOWN * 4 + 4];
	const unsigned char *end;
	size_t len;
	unsigned capabilities;

	if (n < 5)
		return 0;
	len = (size_t)b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16;
	if (len > GREETING_MAX || b[3] != 0 || (b[4] != 10 && b[4] != 0xff)) {
		n = n < GREETING_SHOWN ? n : GREETING_SHOWN;
		while (n > 0 && (b[n - 1] == '\r' || b[n - 1] == '\n'))
			n--;
		return err_set(&a->err, ERR_PROTOCOL,
		    "%s: something else listens there, it says \"%s\"", where,
		    str_printable(shown, sizeof(shown), b, n));
	}
	if (is_tls && b[4] == 0xff && n > ERROR_HEADER && len + 4 > ERROR_HEADER)
		return told_error(b, n < len + 4 ? n : len + 4, where, a);
	end = memchr(b + 5, '\0', n - 5);
	if (!is_tls || b[4] == 0xff || end == NULL || (size_t)(end - b) + CAPABILITIES_AT + 1 >= n)
		return 0;
	capabilities = end[CAPABILITIES_AT] | (unsigned)end[CAPABILITIES_AT + 1] << 8;
	return (capabilities & CLIENT_SSL) != 0 ? 0 : mysql_greeting_lacks_tls(where, a);
}
