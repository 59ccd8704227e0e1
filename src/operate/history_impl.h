/* history_impl.h: for history*.c. */
#ifndef OPERATE_HISTORY_IMPL_H
#define OPERATE_HISTORY_IMPL_H

#include "operate/history.h"

struct client;
struct config;
struct fleet;
struct kv_list;

struct history_entry *history_add(struct history *h);

/* Adds what the agents saw and no operation did. Pure. */
void history_add_seen(struct history *h, const struct config *c, const struct fleet *f);
/* Adds what the keys of names say; after the above, which knows more. Pure. */
void history_add_unseen(
    struct history *h, const struct client *client, const struct kv_list *names);

#endif
