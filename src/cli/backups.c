/* backups.c: looks through the output's directory. */
#include "cli/backups.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"

/* "<unix ms>.<generation>": 0, or -1 when it is some other file. */
static int
parse_tail(const char *tail, uint64_t *ms, uint64_t *generation)
{
	const char *dot = strchr(tail, '.');
	char *first;
	int rc;

	if (dot == NULL)
		return -1;
	first = mem_strndup(tail, (size_t)(dot - tail));
	rc = str_parse_u64(first, ms) == 0 && str_parse_u64(dot + 1, generation) == 0 ? 0 : -1;
	free(first);
	return rc;
}

static void
add(struct backups *b, const char *dir, const char *file, uint64_t ms, uint64_t generation)
{
	char *path = mem_printf("%s/%s", dir, file);
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
		free(path);
		return;
	}
	b->list = mem_grow(b->list, b->count + 1, sizeof(*b->list));
	b->list[b->count++] = (struct backup){ .path = path,
		.generation = generation,
		.written_s = (int64_t)st.st_mtime,
		.replaced_ms = (int64_t)ms };
}

static int
compare(const void *a, const void *b)
{
	const struct backup *x = a, *y = b;

	if (x->replaced_ms != y->replaced_ms)
		return x->replaced_ms < y->replaced_ms ? -1 : 1;
	return x->generation < y->generation ? -1 : x->generation > y->generation;
}

int
backups_load(struct backups *b, const char *output_path, struct err *e)
{
	const char *slash = strrchr(output_path, '/');
	char *dir = slash == NULL ? mem_strdup(".")
				  : mem_strndup(output_path, (size_t)(slash - output_path));
	char *prefix = mem_printf(".%s.", slash != NULL ? slash + 1 : output_path);
	struct dirent *entry;
	int rc = -1;
	DIR *d;

	memset(b, 0, sizeof(*b));
	if ((d = opendir(dir[0] != '\0' ? dir : "/")) == NULL) {
		err_errno(e, "%s", dir);
		goto out;
	}
	while ((entry = readdir(d)) != NULL) {
		uint64_t ms, generation;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
		    parse_tail(entry->d_name + strlen(prefix), &ms, &generation) == 0)
			add(b, dir, entry->d_name, ms, generation);
	}
	closedir(d);
	if (b->count > 1)
		qsort(b->list, b->count, sizeof(*b->list), compare);
	rc = 0;
out:
	free(prefix);
	free(dir);
	return rc;
}

void
backups_clear(struct backups *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->list[i].path);
	free(b->list);
	memset(b, 0, sizeof(*b));
}

const struct backup *
backups_find(const struct backups *b, uint64_t generation)
{
	for (size_t i = b->count; i > 0; i--) {
		if (b->list[i - 1].generation == generation)
			return &b->list[i - 1];
	}
	return NULL;
}
