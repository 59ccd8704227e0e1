/*
 * binlog_dump.c: mariadb_rpl_open() asks for the stream. Its events are then read as packets
 * (mysql_net_read_packet), not with mariadb_rpl_fetch(): that one takes each of them to pieces and gives
 * up on what it does not know, MySQL's of today among them, and what is wanted here are the bytes.
 *
 * The stream is asked for as mariadb-binlog does it: not to wait at the end (NON_BLOCK), with MariaDB's
 * events as they are in the file (slave capability 4: else a GTID comes as a BEGIN), with the checksums that
 * are in the file.
 *
 * Servers end an older stream of the same server_id: ours must not be that of a replica, and the library
 * turns 0 into 1. So it is a number near the end of the 32 bits, made of the process's own.
 */
#include "io/binlog_dump.h"

#include <errmsg.h>
#include <mysql.h>
#include <mariadb_rpl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/endpoint.h"
#include "io/mysql.h"
#include "io/mysql_error.h"
#include "io/mysql_options.h"

#define PACKET_MAX (1ul << 30) /* the servers' own maximum of max_allowed_packet */
#define SERVER_ID_BASE 4294900000u
#define SERVER_ID_SPAN 60000u
#define END_PACKET 0xfe
#define END_PACKET_MAX 9 /* of an end; anything longer that begins so is data */

struct binlog_dump {
	MYSQL *lib;
	MARIADB_RPL *stream;
	char where[ENDPOINT_TEXT_SIZE];
};

static int
fail_as_told(const struct binlog_dump *d, struct err *e)
{
	unsigned number = mysql_errno(d->lib);
	const char *text = mysql_error(d->lib);
	char shown[ERR_TEXT_MAX];
	int no = number >= CR_MIN_ERROR && number <= CR_MAX_ERROR ? mysql_error_errno(text) : 0;

	return err_set(e, mysql_error_code(number, no), "%s: %s (%u)", d->where,
	    str_printable(shown, sizeof(shown), text, strlen(text)), number);
}

static void
set_options(MYSQL *lib, const struct mysql_account *account)
{
	static const unsigned wait_s = BINLOG_DUMP_WAIT_S;
	static const unsigned long packet_max = PACKET_MAX;

	mysql_options_set(lib, account);
	mysql_optionsv(lib, MARIADB_OPT_IO_WAIT, NULL); /* ours is for the loop */
	mysql_options(lib, MYSQL_OPT_CONNECT_TIMEOUT, &wait_s);
	mysql_options(lib, MYSQL_OPT_READ_TIMEOUT, &wait_s);
	mysql_options(lib, MYSQL_OPT_WRITE_TIMEOUT, &wait_s);
	mysql_options(lib, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_max);
}

struct binlog_dump *
binlog_dump_new(const struct endpoint *address, const struct mysql_account *account, struct err *e)
{
	struct binlog_dump *d = mem_alloc(sizeof(*d));
	char host[INET6_ADDRSTRLEN];

	endpoint_format(d->where, address);
	if (getnameinfo((const struct sockaddr *)&address->address, address->len, host,
		sizeof(host), NULL, 0, NI_NUMERICHOST) != 0 ||
	    (d->lib = mysql_init(NULL)) == NULL)
		abort(); /* endpoint_parse() made it; out of memory */
	set_options(d->lib, account);
	if (mysql_real_connect(d->lib, host, account->user, account->password, NULL,
		(unsigned)endpoint_port(address), NULL, 0) == NULL) {
		fail_as_told(d, e);
	} else if (account->is_tls && mysql_get_ssl_cipher(d->lib) == NULL) {
		err_set(
		    e, ERR_DENIED, "%s: the server offers no TLS, and it is asked for", d->where);
	} else {
		return d;
	}
	binlog_dump_free(d);
	return NULL;
}

void
binlog_dump_free(struct binlog_dump *d)
{
	if (d == NULL)
		return;
	mariadb_rpl_close(d->stream);
	mysql_close(d->lib);
	free(d);
}

bool
binlog_dump_is_mariadb(const struct binlog_dump *d)
{
	return mariadb_connection(d->lib);
}

int
binlog_dump_ask(struct binlog_dump *d, const char *sql, struct rows *out, struct err *e)
{
	const char *names[16];
	MYSQL_RES *result;
	MYSQL_ROW row;
	unsigned count;

	if (mysql_real_query(d->lib, sql, strlen(sql)) != 0 ||
	    ((result = mysql_store_result(d->lib)) == NULL && mysql_errno(d->lib) != 0))
		return fail_as_told(d, e);
	*out = (struct rows){ .names = NULL };
	if (result == NULL)
		return 0;
	if ((count = mysql_num_fields(result)) > MEM_COUNT(names))
		count = MEM_COUNT(names);
	for (unsigned i = 0; i < count; i++)
		names[i] = mysql_fetch_fields(result)[i].name;
	rows_set_columns(out, names, count);
	while ((row = mysql_fetch_row(result)) != NULL)
		rows_add(out, (const char *const *)row, mysql_fetch_lengths(result));
	mysql_free_result(result);
	return 0;
}

/* What a replica says of itself before it asks. A server has no use for the other one's words. */
static int
introduce(struct binlog_dump *d, struct err *e)
{
	static const char *const words[] = {
		"SET @master_binlog_checksum = @@GLOBAL.binlog_checksum,"
		" @source_binlog_checksum = @@GLOBAL.binlog_checksum,"
		" @mariadb_slave_capability = 4",
		"SET SESSION net_write_timeout = 600", /* we wait for our disk, not it for us */
	};

	for (size_t i = 0; i < MEM_COUNT(words); i++) {
		if (mysql_query(d->lib, words[i]) != 0)
			return fail_as_told(d, e);
	}
	return 0;
}

int
binlog_dump_start(struct binlog_dump *d, const char *file, struct err *e)
{
	unsigned id = SERVER_ID_BASE + (unsigned)getpid() % SERVER_ID_SPAN;

	if (introduce(d, e) != 0)
		return -1;
	if ((d->stream = mariadb_rpl_init(d->lib)) == NULL)
		return fail_as_told(d, e);
	if (mariadb_rpl_optionsv(d->stream, MARIADB_RPL_FILENAME, file, strlen(file)) != 0 ||
	    mariadb_rpl_optionsv(d->stream, MARIADB_RPL_START, 4ul) != 0 ||
	    mariadb_rpl_optionsv(d->stream, MARIADB_RPL_SERVER_ID, id) != 0 ||
	    mariadb_rpl_optionsv(d->stream, MARIADB_RPL_FLAGS,
		MARIADB_RPL_BINLOG_DUMP_NON_BLOCK | MARIADB_RPL_BINLOG_SEND_ANNOTATE_ROWS) != 0 ||
	    mariadb_rpl_open(d->stream) != 0)
		return fail_as_told(d, e);
	return 0;
}

int
binlog_dump_next(struct binlog_dump *d, const uint8_t **event, size_t *len, struct err *e)
{
	unsigned long size = mysql_net_read_packet(d->lib);
	const uint8_t *bytes = d->lib->net.read_pos;

	if (size == packet_error || size == 0)
		return fail_as_told(d, e);
	if (size < END_PACKET_MAX && bytes[0] == END_PACKET)
		return 0;
	/* A first byte of 0 says that it is one; the library has made an error of an error. */
	*event = bytes + 1;
	*len = size - 1;
	return 1;
}
