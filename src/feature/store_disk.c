/*
 * store_disk.c: <state-dir>/state.json: whether a canary was seen, and the map.
 *
 * The copy before (state.json.old) is a hard link made at each save: a broken disk block or an
 * unlucky editor costs one generation, not the memory of what was served.
 */
#include "feature/store_disk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define STATE_MAX (64u << 20)

char *
store_disk_path(const char *state_dir)
{
	return file_join(state_dir, "state.json");
}

static struct name_map *
load_one(const char *path, bool *was_canary_seen, struct err *e)
{
	struct str text = STR_INIT;
	struct name_map *m = NULL;
	json_t *j = NULL;

	if (file_read(path, STATE_MAX, &text, e) != 0)
		goto out;
	if ((j = json_parse(text.data, text.len, path, e)) == NULL)
		goto out;
	if ((m = name_map_from_json(json_object_get(j, "map"), e)) == NULL)
		err_wrap(e, "%s", path);
	else
		*was_canary_seen = json_get_bool(j, "canary_seen", false);
out:
	json_decref(j);
	str_clear(&text);
	return m;
}

struct name_map *
store_disk_load(const char *path, bool *was_canary_seen, struct err *e)
{
	struct name_map *m;
	struct err first;
	char *old;

	err_clear(e);
	if ((m = load_one(path, was_canary_seen, &first)) != NULL)
		return m;
	old = mem_printf("%s.old", path);
	m = load_one(old, was_canary_seen, NULL);
	free(old);
	/* Neither: a new agent. Only the copy: the save was cut short between link and rename. */
	if (first.code != ERR_NOT_FOUND && e != NULL)
		*e = first;
	return m;
}

int
store_disk_save(const char *path, const struct name_map *m, bool was_canary_seen, struct err *e)
{
	struct str text = STR_INIT;
	char *old = mem_printf("%s.old", path);
	struct file_stage stage = { 0 };
	int result = -1;

	str_addf(&text, "{\"canary_seen\":%s,\"map\":", was_canary_seen ? "true" : "false");
	name_map_add_json(&text, m);
	str_adds(&text, "}\n");
	if (file_stage(&stage, path, text.data, text.len, 0640, e) != 0)
		goto out;
	unlink(old);
	result = file_commit(&stage, old, e);
out:
	file_discard(&stage);
	free(old);
	str_clear(&text);
	return result;
}
