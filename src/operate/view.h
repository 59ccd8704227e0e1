/*
 * view.h: the names as the KV has them at one moment, resolved and judged by the same code as in the
 * agents (model/name_map.h), but without anything remembered: what a fresh agent would make of them.
 */
#ifndef OPERATE_VIEW_H
#define OPERATE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "feature/canary.h"
#include "feature/hold.h"
#include "model/name_map.h"

struct client;

struct view {
	struct kv_list list;       /* names, and in the default layout nodes/ too */
	struct kv_list list_nodes; /* nodes/ when the names lie elsewhere */
	struct kv_nodes catalog;
	uint64_t index; /* the generation that agents are to serve */
	struct name_map *map;
	bool has_canary;      /* the key is there … */
	bool is_canary_valid; /* … and canary is what it says */
	struct canary canary;
	uint64_t canary_index; /* modify_index; 0: there is none */
};

/* Consistent reads. Clear it in any case. */
int view_load(struct view *v, struct client *client, struct err *e);
void view_clear(struct view *v);

/* The entry of a name, whatever the case of its key; NULL: there is none. */
const struct kv_entry *view_find(
    const struct view *v, const struct client *client, const char *name);
/* The name of a key below the names prefix, lower-cased into out; false when it is none. */
bool view_name_of(const struct client *client, const struct kv_entry *entry, char out[NAME_SIZE]);

/* The holds alone: one consistent read. */
int view_load_holds(struct hold_set *out, struct client *client, struct err *e);

#endif
