/*
 * errant_copy.h: for operate/errant.c: the errant transactions, from a server's binary logs into a file.
 */
#ifndef OPERATE_ERRANT_COPY_H
#define OPERATE_ERRANT_COPY_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "io/endpoint.h"
#include "model/gtid.h"

struct errant_copy {
	struct endpoint address;
	const char *credentials; /* a path, or NULL */
	enum gtid_dialect dialect;
	const struct gtid_set *wanted;
	uint64_t bytes_max;
	int file; /* written from where it stands: a binary log, or nothing when none was found */
};

/*
 * Starts a child that copies; it ends when we end. *report: read it with errant_copy_end(). -1 with e
 * when there can be none.
 */
pid_t errant_copy_start(const struct errant_copy *c, int *report, struct err *e);
/*
 * After the child has ended: 0, or -1 with what it says went wrong. ERR_NOT_FOUND: some are not in the
 * binary logs any more, the file has the others. Closes the report.
 */
int errant_copy_end(int report, struct err *e);

#endif
