/*
 * set_record.h: a plain flip and the journal that tells of it, in one transaction: no flip by pointsman
 * without a record of it, and no record of a flip that was not.
 */
#ifndef OPERATE_SET_RECORD_H
#define OPERATE_SET_RECORD_H

struct client;
struct kv_op;
struct write_result;

struct set_record {
	const char *name, *from, *to; /* the values; "": there is none */
	const char *by;
};

/* As client_write() of flip alone; what it says is about flip. */
void set_record_write(struct client *client, const struct kv_op *flip, const struct set_record *r,
    struct write_result *out);

#endif
