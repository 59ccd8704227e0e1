/*
 * output_file.c: the file of an output on disk. The order of a write:
 *
 *   stage   the new bytes, beside the file, fsynced
 *   record  "this digest is coming" in the state directory
 *   swap    backup link, rename
 *   tell    the signal, or the start of the command (output_tell.c)
 *   sync    fsync of the directory
 *
 * Killed before the rename the file is the old one and known by record.digest; killed after it the
 * file is the new one and known by record.pending_digest. Any other digest was not written by us.
 *
 * The reader of the file is told before the directory is on the disk: a rename is whole for it at
 * once, and the disk may take longer than all the rest. A power cut between the two brings the old
 * file back, for a reader that starts anew as well: no more is lost than by the same cut a moment
 * earlier. But nobody was told "served" meanwhile: the proof is looked at, and published, from the
 * loop, that is after the sync.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "feature/config.h"
#include "feature/map_datum.h"
#include "feature/output_impl.h"
#include "feature/template.h"

static int
read_digest(const struct output *o, char out[FILE_DIGEST_SIZE], struct err *e)
{
	struct str text = STR_INIT;
	int result = file_read(o->config->path, MUSTACHE_OUTPUT_MAX, &text, e);

	if (result == 0)
		file_digest(out, str_text(&text), text.len);
	str_clear(&text);
	return result;
}

static void
remember_identity(struct output *o)
{
	if (stat(o->config->path, &o->identity) != 0)
		memset(&o->identity, 0, sizeof(o->identity));
}

enum output_found
output_file_adopt(struct output *o)
{
	struct record *r = &o->record;
	char digest[FILE_DIGEST_SIZE];
	struct err e;

	record_load(o->record_path, r, &e);
	if (e.code != ERR_NONE)
		log_warning("output %s: its record is lost, the file will be written again: %s",
		    o->config->name, e.text);
	file_sweep_temps(o->config->path);
	if (read_digest(o, digest, &e) != 0)
		return OUTPUT_FOUND_MISSING;
	remember_identity(o);
	if (r->pending_digest[0] != '\0' && strcmp(digest, r->pending_digest) == 0) {
		r->generation = r->pending_generation;
		strcpy(r->digest, r->pending_digest);
		return OUTPUT_FOUND_OURS;
	}
	if (strcmp(digest, r->digest) == 0)
		return OUTPUT_FOUND_OURS;
	return r->digest[0] != '\0' ? OUTPUT_FOUND_EDITED : OUTPUT_FOUND_FOREIGN;
}

int
output_file_render(struct output *o, const struct name_map *map, struct str *text, struct err *e)
{
	struct map_view view;
	struct datum root;
	int result;

	map_view_init(&view, map, o->env.node, o->env.domain, clock_wall_s());
	root = map_view_datum(&view);
	result = template_render(o->template, &root, text, e);
	map_view_clear(&view);
	if (result == 0)
		file_digest(o->new_digest, str_text(text), text->len);
	return result;
}

/* "/d/hosts" is kept as "/d/.hosts.<unix ms>.<generation>": dnsmasq skips names with a dot in front. */
static char *
backup_path(const struct output *o)
{
	const char *path = o->config->path, *base = strrchr(path, '/') + 1;

	if (o->config->backups == 0 || o->record.digest[0] == '\0')
		return NULL;
	return mem_printf("%.*s.%s.%" PRId64 ".%" PRIu64, (int)(base - path), path, base,
	    clock_wall_ms(), o->record.generation);
}

int
output_file_swap(struct output *o, uint64_t generation, struct err *e)
{
	struct record *r = &o->record;
	char *backup = backup_path(o);
	struct err unsaved;
	int result;

	r->pending_generation = generation;
	strcpy(r->pending_digest, o->new_digest);
	r->is_owed = true;
	/* Names that are served matter more than a record that helps after a crash. */
	if (record_save(o->record_path, r, &unsaved) != 0)
		log_warning("output %s: %s", o->config->name, unsaved.text);
	result = file_swap(&o->stage, backup, e);
	if (result == 0) {
		r->generation = generation;
		strcpy(r->digest, o->new_digest);
		remember_identity(o);
	}
	free(backup);
	return result;
}

void
output_file_sync(const struct output *o)
{
	struct err e;

	/* The new file is in place. To put the old one back would be a lie of our own. */
	if (file_sync_dir(o->config->path, &e) != 0)
		log_warning("output %s: a power cut may bring the file before back: %s",
		    o->config->name, e.text);
}

bool
output_file_has_drifted(struct output *o)
{
	char digest[FILE_DIGEST_SIZE];
	struct stat now;

	if (stat(o->config->path, &now) != 0)
		return errno == ENOENT || errno == ENOTDIR;
	if (now.st_ino == o->identity.st_ino && now.st_size == o->identity.st_size &&
	    now.st_mtim.tv_sec == o->identity.st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == o->identity.st_mtim.tv_nsec &&
	    now.st_mode == o->identity.st_mode)
		return false;
	/* A file that its reader may not read is as bad as none: 0600 empties dnsmasq at the next HUP. */
	if ((now.st_mode & 07777) != o->config->mode)
		return true;
	if (read_digest(o, digest, NULL) == 0 && strcmp(digest, o->record.digest) == 0) {
		o->identity = now;
		return false;
	}
	return true;
}

void
output_file_settle_debt(struct output *o)
{
	struct err e;

	o->record.is_owed = false;
	o->record.pending_digest[0] = '\0';
	if (record_save(o->record_path, &o->record, &e) != 0)
		log_warning(
		    "output %s: cannot note that it is served: %s", o->config->name, e.text);
}

/* --- backups ------------------------------------------------------------------------------------- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The backups of one output, oldest first: their names begin with the time in milliseconds. */
static size_t
list_backups(const char *dir, const char *base, char ***out)
{
	char *prefix = mem_printf(".%s.", base);
	size_t prefix_len = strlen(prefix), count = 0;
	struct dirent *entry;
	DIR *d = opendir(dir);

	*out = NULL;
	while (d != NULL && (entry = readdir(d)) != NULL) {
		const char *tail = entry->d_name + prefix_len;

		if (strncmp(entry->d_name, prefix, prefix_len) != 0 ||
		    strspn(tail, "0123456789.") != strlen(tail))
			continue;
		*out = mem_grow(*out, count + 1, sizeof(**out));
		(*out)[count++] = mem_strdup(entry->d_name);
	}
	if (d != NULL)
		closedir(d);
	free(prefix);
	if (count > 0)
		qsort(*out, count, sizeof(**out), compare_names);
	return count;
}

void
output_file_prune_backups(const struct output *o)
{
	const char *base = strrchr(o->config->path, '/') + 1;
	char *dir = mem_strndup(o->config->path, (size_t)(base - o->config->path));
	char **names;
	size_t count = list_backups(dir, base, &names);

	for (size_t i = 0; i < count; i++) {
		char *path = file_join(dir, names[i]);

		if (i + o->config->backups < count)
			unlink(path);
		free(path);
		free(names[i]);
	}
	free(names);
	free(dir);
}
