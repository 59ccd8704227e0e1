/*
 * config_keys.h: every block and key of the configuration as a table, from which it is read,
 * checked and told about, and against which the manual page is tested.
 */
#ifndef FEATURE_CONFIG_KEYS_H
#define FEATURE_CONFIG_KEYS_H

#include "feature/config.h"

enum {
	CONFIG_CONSUL,
	CONFIG_AGENT,
	CONFIG_OUTPUT,
	CONFIG_CHECK,
	CONFIG_PAIR,
	CONFIG_HOOK,
	CONFIG_BLOCKS
};

struct config_key;

/* values: NULL-terminated, at least one. 0, or -1 with field untouched: it is not what is allowed. */
typedef int config_read_fn(const struct config_key *key, const char *const *values, void *field);

struct config_key {
	const char *name;
	const char *fallback; /* the default, as one would write it; NULL: none */
	config_read_fn *read;
	const char *allowed; /* words that follow "KEY = VALUE: " */
	size_t offset;       /* of the field in the block's struct */
	bool is_list;
	double min, max;   /* of numbers and durations (milliseconds) */
	const char *types; /* of checks: those that have it, "sql mysql"; NULL: all */
};

struct config_block {
	const char *name;
	bool has_title;
	const struct config_key *keys; /* ends with a NULL name */
	size_t size; /* of the block's struct; with a title, that is its first member */
	/*
	 * Where it is in struct config: the struct itself, or with a title the pointer to an array of
	 * them, and the count of that.
	 */
	size_t offset, count_offset;
};

extern const struct config_block config_blocks[CONFIG_BLOCKS];

const struct config_key *config_key_find(const struct config_block *b, const char *name);

/* Defaults into a struct that is all zero. */
void config_block_init(const struct config_block *b, void *block);

/* Of lists in those structs; NULL is allowed. */
void config_free_list(char **list);
int config_set_list(void *field, const char *const *values); /* replaces it; 0 */

/* --- the readers ----------------------------------------------------------------------------- */

config_read_fn config_read_text, config_read_path, config_read_argv, config_read_bool;
config_read_fn config_read_duration, config_read_count, config_read_share, config_read_mode;
config_read_fn config_read_escape, config_read_signal, config_read_log_level, config_read_events;
config_read_fn config_read_address, config_read_prefix, config_read_prefix_or_none;
config_read_fn config_read_node, config_read_domain, config_read_word, config_read_http;
config_read_fn config_read_server, config_read_template, config_read_process;
config_read_fn config_read_validate, config_read_type, config_read_kind, config_read_role;
config_read_fn config_read_measure, config_read_range, config_read_target;
config_read_fn config_read_int, config_read_nodes, config_read_name, config_read_targets;
config_read_fn config_read_url_path, config_read_systemd_unit, config_read_windows;
config_read_fn config_read_fence;

#endif
