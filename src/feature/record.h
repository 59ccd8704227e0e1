/*
 * record.h: what an agent remembers of one output across restarts: which bytes are its own, which
 * generation they stand for, and whether a notification is still owed. Lies in
 * <state-dir>/output-<name>.
 *
 * Written twice a flip: before the rename with the digest that is coming (pending), after it is
 * served with what is. Whatever instant the daemon is killed at, the next start can tell its own file
 * from one that somebody edited.
 */
#ifndef FEATURE_RECORD_H
#define FEATURE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"

struct record {
	uint64_t generation;
	char digest[FILE_DIGEST_SIZE]; /* of the file, "" before the first */
	uint64_t pending_generation;
	char pending_digest[FILE_DIGEST_SIZE]; /* "" when nothing is under way */
	bool is_owed; /* whoever reads the file was not yet told, or did not yet prove it */
};

char *record_path(const char *state_dir, const char *output);
/* No file, an empty one, or one that cannot be read: an empty record; the last also fills e. */
void record_load(const char *path, struct record *out, struct err *e);
int record_save(const char *path, const struct record *r, struct err *e);

#endif
