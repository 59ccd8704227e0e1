/*
 * config_load.h: what the parts of reading a configuration hand on to each other. For config*.c.
 */
#ifndef FEATURE_CONFIG_LOAD_H
#define FEATURE_CONFIG_LOAD_H

#include "base/conf.h"
#include "feature/config.h"
#include "feature/config_keys.h"

struct config_loader {
	struct config *config;
	struct str *problems;
	struct conf tree;
	/* Where each part was written; NULL: it was not. */
	const struct conf_entry *consul, *agent;
	const struct conf_entry **titled[CONFIG_BLOCKS]; /* as many as the configuration has */
};

/* From the tree into the configuration: unknown and repeated keys, values that are not allowed. */
void config_fill(struct config_loader *l);

/* CONSUL_* over the file, and the token. */
void config_apply_environment(struct config_loader *l);

/* What one key alone cannot tell: what is missing, what does not go together. */
void config_check(struct config_loader *l);
/* The same for checks and pairs; adds the checks that a pair has without being asked for. */
void config_check_checks(struct config_loader *l);

/* The last entry of that key in a block (NULL: no block), or NULL. */
const struct conf_entry *config_entry(const struct conf_entry *block, const char *key);

/* A problem with a key: "FILE:LINE: KEY = VALUE: " and the rest. */
void config_problem(struct config_loader *l, const struct conf_entry *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A problem with a block as such: "FILE:LINE: output "hosts": " and the rest. */
void config_block_problem(struct config_loader *l, const struct conf_entry *block, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

#endif
