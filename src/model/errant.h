/*
 * errant.h: what the old master has and the active does not. Pure; errant_list.h tells what it is, and
 * operate/errant.h saves it.
 */
#ifndef MODEL_ERRANT_H
#define MODEL_ERRANT_H

#include "model/gtid.h"

/*
 * What a server has executed, as sql_facts.h asks for it. MySQL: gtid_executed. MariaDB: gtid_binlog_state
 * and gtid_slave_pos with a comma between; old_id is the old one's server_id (0: not known).
 *
 * 0 with out, which is gtid_clear()ed later and empty when the old master may come back as it is; -1
 * (ERR_PROTOCOL) with out untouched when one of the two is no set. Read the old one first: then nothing
 * that it got from the active in between counts against it.
 *
 * MariaDB: the members are ranges of numbers. Servers of one domain share its numbers, so that a range
 * may have numbers of which there is no such transaction; its last one there is.
 */
int errant_find(enum gtid_dialect dialect, const char *old, uint64_t old_id, const char *active,
    struct gtid_set *out, struct err *e);

#endif
