/*
 * record.c: a JSON object of five members, filled up with blanks to one length, so that it can be
 * written where it lies (file_overwrite): it stands between a flip and its file, and a temporary file
 * with its rename took a fifth of that time. Not fsynced: it protects against a killed process, whose
 * writes the kernel keeps; after a power cut the bytes of the output itself, which are fsynced, are
 * compared with a fresh render anyway.
 */
#include "feature/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

/* A sector: the five members take at most 300 bytes. */
#define RECORD_SIZE 512

char *
record_path(const char *state_dir, const char *output)
{
	char *name = mem_printf("output-%s", output);
	char *path = file_join(state_dir, name);

	free(name);
	return path;
}

static void
copy_digest(char out[FILE_DIGEST_SIZE], const json_t *j, const char *key)
{
	const char *text = json_get_string(j, key, "");

	if (strlen(text) < FILE_DIGEST_SIZE)
		strcpy(out, text);
}

void
record_load(const char *path, struct record *out, struct err *e)
{
	struct str text = STR_INIT;
	json_t *j;

	*out = (struct record){ 0 };
	err_clear(e);
	if (file_read(path, RECORD_SIZE, &text, e) != 0) {
		if (e != NULL && e->code == ERR_NOT_FOUND)
			err_clear(e);
		goto out;
	}
	if (text.len == 0)
		goto out; /* killed before the first write */
	if ((j = json_parse(text.data, text.len, path, e)) == NULL)
		goto out;
	out->generation = (uint64_t)json_get_int(j, "generation", 0);
	out->pending_generation = (uint64_t)json_get_int(j, "pending_generation", 0);
	out->is_owed = json_get_bool(j, "owed", true);
	copy_digest(out->digest, j, "digest");
	copy_digest(out->pending_digest, j, "pending_digest");
	json_decref(j);
out:
	str_clear(&text);
}

int
record_save(const char *path, const struct record *r, struct err *e)
{
	char json[RECORD_SIZE], text[RECORD_SIZE + 1];

	snprintf(json, sizeof(json),
	    "{\"generation\":%llu,\"digest\":\"%s\",\"pending_generation\":%llu,"
	    "\"pending_digest\":\"%s\",\"owed\":%s}",
	    (unsigned long long)r->generation, r->digest, (unsigned long long)r->pending_generation,
	    r->pending_digest, r->is_owed ? "true" : "false");
	snprintf(text, sizeof(text), "%-*s\n", RECORD_SIZE - 1, json);
	return file_overwrite(path, text, RECORD_SIZE, 0640, e);
}
