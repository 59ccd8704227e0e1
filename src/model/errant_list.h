/*
 * errant_list.h: the transactions of a binary log for a person: GTID, time, and what each of them changed.
 * Pure; fed with events, in their order.
 */
#ifndef MODEL_ERRANT_LIST_H
#define MODEL_ERRANT_LIST_H

#include "model/binlog.h"

#define ERRANT_LIST_MAX 1000 /* that are described; more are only counted */
#define ERRANT_WHAT_SIZE 160

struct errant_item {
	char gtid[BINLOG_GTID_SIZE];
	int64_t at_s; /* seconds since 1970, of the old master's clock */
	char what
	    [ERRANT_WHAT_SIZE]; /* "shop.orders: 3 rows inserted, 1 updated", "DROP TABLE x"; printable */
	uint64_t rows;          /* that are counted */
	bool is_counted;        /* … and these are all of them */
	uint64_t bytes;
};

/* Starts all zero. */
struct errant_list {
	struct errant_item *items;
	size_t count;           /* of items */
	uint64_t total;         /* transactions seen */
	uint64_t rows;          /* in all of them */
	bool is_counted;        /* … and these are all of them; once there is one */
	struct gtid_set gtids;  /* of all of them, once errant_list_end() was called */
	struct errant_tx *open; /* what is being read */
};

/* An event that belongs to no transaction ends the one before it. 0, or -1 for a GTID that cannot be read. */
int errant_list_feed(struct errant_list *l, const struct binlog_event *event, struct err *e);
void errant_list_end(struct errant_list *l); /* no more will come */
void errant_list_clear(struct errant_list *l);

#endif
