/*
 * kvfile_format.h: the two files of a file store as text.
 *
 * The main file is what `consul kv export` writes, and what `consul kv import` and a person write:
 * an array of objects with key, flags and base64 value, nothing else. The index is an array with a
 * row a line: a head, then the keys with all that Consul knows of them, the sessions, the
 * tombstones and the lock delays.
 */
#ifndef IO_KVFILE_FORMAT_H
#define IO_KVFILE_FORMAT_H

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "io/kvfile_state.h"

#define KVFILE_IDENT_SIZE 96
#define KVFILE_BOOT_SIZE 40

/* Which main file the index goes with (kvfile_disk.h), and since which boot its times count. */
struct kvfile_head {
	char digest[FILE_DIGEST_SIZE];
	char replaced[KVFILE_IDENT_SIZE];
	char boot[KVFILE_BOOT_SIZE];
};

void kvfile_format_main(struct str *out, const struct kvfile_state *s);
void kvfile_format_index(
    struct str *out, const struct kvfile_head *head, const struct kvfile_state *s);

/* Both: ERR_PROTOCOL; the main file's with the line and the column of what is wrong. */
int kvfile_parse_main(const char *text, size_t len, struct kv_list *out, struct err *e);
/* s starts all zero. On failure both are to be cleared. */
int kvfile_parse_index(
    const char *text, size_t len, struct kvfile_head *head, struct kvfile_state *s, struct err *e);

#endif
