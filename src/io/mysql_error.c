/*
 * mysql_error.c: a table of numbers. The servers' are in Appendix B of MySQL's manual and MariaDB's "Error
 * Codes", the library's in errmsg.h; all others are "not now" (ERR_UNAVAILABLE).
 */
#include "io/mysql_error.h"

#include <errmsg.h>
#include <errno.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SECURE_TRANSPORT_REQUIRED 3159 /* MySQL's; MariaDB's header does not know it */

static const struct {
	unsigned number;
	enum err_code code;
} codes[] = {
	{ ER_DBACCESS_DENIED_ERROR, ERR_DENIED },
	{ ER_ACCESS_DENIED_ERROR, ERR_DENIED },
	{ ER_HOST_IS_BLOCKED, ERR_DENIED },
	{ ER_HOST_NOT_PRIVILEGED, ERR_DENIED },
	{ ER_TABLEACCESS_DENIED_ERROR, ERR_DENIED },
	{ ER_COLUMNACCESS_DENIED_ERROR, ERR_DENIED },
	{ ER_SPECIFIC_ACCESS_DENIED_ERROR, ERR_DENIED },
	{ ER_ACCESS_DENIED_NO_PASSWORD_ERROR, ERR_DENIED },
	{ ER_MUST_CHANGE_PASSWORD, ERR_DENIED },
	{ ER_MUST_CHANGE_PASSWORD_LOGIN, ERR_DENIED },
	{ SECURE_TRANSPORT_REQUIRED, ERR_DENIED },
	{ ER_BAD_DB_ERROR, ERR_NOT_FOUND },
	{ ER_NO_SUCH_TABLE, ERR_NOT_FOUND },
	{ CR_CONNECTION_ERROR, ERR_UNREACHABLE },
	{ CR_CONN_HOST_ERROR, ERR_UNREACHABLE },
	{ CR_SERVER_GONE_ERROR, ERR_UNREACHABLE },
	{ CR_SERVER_LOST, ERR_UNREACHABLE },
	{ CR_VERSION_ERROR, ERR_PROTOCOL },
	{ CR_SERVER_HANDSHAKE_ERR, ERR_PROTOCOL },
	{ CR_COMMANDS_OUT_OF_SYNC, ERR_PROTOCOL },
	{ CR_MALFORMED_PACKET, ERR_PROTOCOL },
	{ CR_NET_PACKET_TOO_LARGE, ERR_LIMIT },
	{ CR_SSL_CONNECTION_ERROR, ERR_DENIED },
	{ CR_AUTH_PLUGIN_CANNOT_LOAD, ERR_DENIED },
	{ CR_AUTH_PLUGIN_ERR, ERR_DENIED },
	{ CR_PLUGIN_NOT_ALLOWED, ERR_DENIED },
};

enum err_code
mysql_error_code(unsigned number, int system_errno)
{
	if (system_errno == ETIMEDOUT && number >= CR_MIN_ERROR && number < 3000)
		return ERR_TIMEOUT;
	for (size_t i = 0; i < MEM_COUNT(codes); i++) {
		if (codes[i].number == number)
			return codes[i].code;
	}
	return ERR_UNAVAILABLE;
}

int
mysql_error_errno(const char *message)
{
	static const char said[] = "system error: ";
	const char *p = strrchr(message, '(');

	if (p == NULL || message[strlen(message) - 1] != ')') {
		if ((p = strstr(message, said)) == NULL)
			return 0;
		p += sizeof(said) - 2;
	}
	return (int)strtol(p + 1, NULL, 10);
}
