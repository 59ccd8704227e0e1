/*
 * errant.h: saves what the old master has and the active does not (model/errant.h) from its binary logs
 * into a directory, before anybody makes it forget them.
 *
 *   DIR/NAME.binlog   those transactions and nothing else, byte for byte: a binary log
 *   DIR/NAME.sql      the same as mariadb-binlog or mysqlbinlog prints it, where there is one
 *
 * Either is replayed with its GTIDs: `mariadb-binlog NAME.binlog | mariadb`, `mariadb <NAME.sql`. Both have
 * mode 0600: they hold the data of people. Nothing that is there is overwritten: NAME.2, NAME.3, …
 */
#ifndef OPERATE_ERRANT_H
#define OPERATE_ERRANT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "io/endpoint.h"
#include "model/errant_list.h"
#include "model/gtid.h"

struct loop;

#define ERRANT_LIMIT_MS 120000        /* for the copy, and once more for the text */
#define ERRANT_BYTES_MAX (1ull << 30) /* in the file */

struct errant_ask {
	struct endpoint address; /* of the old master */
	const char *node;        /* for messages */
	const char *credentials; /* a path; NULL: none */
	enum gtid_dialect dialect;
	const struct gtid_set *wanted;  /* of errant_find(); not empty */
	const char *dir;                /* absolute; made with mode 0700 when it is missing */
	const char *name;               /* without a slash: "maindb-db3-OP" */
	int64_t limit_ms;               /* 0: ERRANT_LIMIT_MS */
	uint64_t bytes_max;             /* 0: ERRANT_BYTES_MAX */
	bool (*is_canceled)(void *arg); /* asked at least ten times a second; NULL: never */
	void *arg;
};

struct errant_saved {
	char *file;              /* NULL: nothing was saved */
	char *text;              /* NULL: there is none, and note says why */
	struct err note;         /* of the text only */
	const char *why, *todo;  /* to what is in e; NULL when it worked */
	struct errant_list list; /* what is in the file, as read back from it */
	uint64_t bytes;          /* of the file */
	int64_t took_ms;
};

/*
 * Blocks, while the loop turns for everybody else; makes a child process for the time. 0: all of them are in
 * out->file, as read back. -1 with e (the fact), out->why and out->todo otherwise; ERR_NOT_FOUND: some were
 * not to be had (purged, or never in the log), and out->file has the others if there are any;
 * ERR_CANCELED: nothing is left behind. A missing text is no failure. Clear out in any case.
 */
int errant_save(
    struct loop *l, const struct errant_ask *ask, struct errant_saved *out, struct err *e);
void errant_saved_clear(struct errant_saved *s);

#endif
