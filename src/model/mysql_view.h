/*
 * mysql_view.h: what is asked of a MariaDB or a MySQL to look at it, and how its rows become a server
 * view. Pure; these are all the statements that the daemon sends for a check of type mysql, and each of
 * them only reads.
 */
#ifndef MODEL_MYSQL_VIEW_H
#define MODEL_MYSQL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rows.h"
#include "model/check.h"
#include "model/server_view.h"

/* What a view has no place for, for the verdict. */
struct mysql_extra {
	char disk[128];             /* a symptom of a full disk; "": none seen */
	char longest_write[64];     /* how the statement begins */
	bool is_semi_sync;          /* its commits wait for the other one, and have not given up */
	uint64_t semi_sync_waiting; /* sessions that do just now */
	bool is_restart_known;      /* it told something of its next start */
	bool starts_writable;       /* at its next start, for certain; view.restart has the words */
	bool starts_replicating;    /* by itself; MariaDB does not tell */
};

struct mysql_question {
	const char *mariadb, *mysql; /* NULL: not asked of that one */
	bool
	    is_optional; /* needs a privilege that may be missing; else its failure is the check's */
	void (*read)(const struct rows *rows, struct server_view *v, struct mysql_extra *x);
};

/* In this order; NULL at the end. */
const struct mysql_question *mysql_question_at(size_t i);

/* What the view means for a server that has to be role: class, text and numbers of r. */
void mysql_judge(const struct server_view *v, const struct mysql_extra *x,
    const struct check_spec *spec, enum check_role role, struct check_result *r);

#endif
