/*
 * mysql_options.c: the options of a connection. What the server could ask of us is off: our files (LOAD
 * DATA LOCAL), the password in clear (mysql_clear_password) and a question on the terminal (dialog), the
 * last two by a list of the plugins that may be used. Option files are not read by the library.
 */
#include "io/mysql_options.h"

#include <mysql.h>
#include <stddef.h>

#include "io/mysql.h"
#include "io/mysql_wait.h"

#define PLUGINS "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519"

void
mysql_options_set(struct st_mysql *lib, const struct mysql_account *account)
{
	static const my_bool yes = 1;
	static const unsigned off = 0;
	static const unsigned long packet_max = MYSQL_BYTES_MAX / 2;

	mysql_options(lib, MYSQL_OPT_NONBLOCK, NULL);
	mysql_options(lib, MYSQL_OPT_LOCAL_INFILE, &off);
	mysql_options(lib, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_max);
	mysql_options(lib, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(lib, MARIADB_OPT_RESTRICTED_AUTH, PLUGINS);
	mysql_optionsv(lib, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "pointsman");
	mysql_optionsv(lib, MARIADB_OPT_IO_WAIT, mysql_wait_hook);
	if (account->default_auth != NULL)
		mysql_options(lib, MYSQL_DEFAULT_AUTH, account->default_auth);
	if (!account->is_tls)
		return;
	mysql_options(lib, MYSQL_OPT_SSL_ENFORCE, &yes);
	mysql_options(lib, MYSQL_OPT_SSL_CA, account->ssl_ca);
	mysql_options(lib, MYSQL_OPT_SSL_CERT, account->ssl_cert);
	mysql_options(lib, MYSQL_OPT_SSL_KEY, account->ssl_key);
	if (account->is_verified)
		mysql_options(lib, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
}
