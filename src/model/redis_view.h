/*
 * redis_view.h: what Redis' INFO says, and what it means for a check. Pure: the text in, a view and a
 * class out.
 */
#ifndef MODEL_REDIS_VIEW_H
#define MODEL_REDIS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/check.h"
#include "model/server_view.h"

#define REDIS_WORD_SIZE 64

/* The fields of INFO that mean something here. Numbers are -1 and words empty where it lacks them. */
struct redis_info {
	char version[REDIS_WORD_SIZE], run_id[REDIS_WORD_SIZE], mode[REDIS_WORD_SIZE];
	char role[REDIS_WORD_SIZE]; /* "master", "slave", "sentinel" */
	int64_t clients, max_clients;
	int64_t loading, loading_eta_s;                                   /* loading: 0 or 1 */
	char bgsave_status[REDIS_WORD_SIZE], aof_status[REDIS_WORD_SIZE]; /* "ok", "err" */
	int64_t used_memory, max_memory;
	char memory_policy[REDIS_WORD_SIZE];
	char replid[REDIS_WORD_SIZE];
	int64_t offset; /* a master's own */
	/* The history that it had before it was promoted, and the first byte that is not of it. */
	char replid2[REDIS_WORD_SIZE];
	int64_t second_offset;
	int64_t backlog_first, backlog_len; /* bytes of its history that a replica can ask for */
	int64_t good_replicas;              /* only with min-replicas-to-write */
	int64_t replicas;
	int64_t replica_behind,
	    replica_lag_s; /* of the one that is worst, as the master knows it */
	char master_host[256];
	int64_t master_port;
	char link[REDIS_WORD_SIZE]; /* "up", "down" */
	int64_t silent_s, link_down_s, is_syncing;
	int64_t received, applied; /* a replica's offsets */
	int64_t is_read_only;      /* a replica's */
	int64_t is_saving;         /* a BGSAVE is under way */
	int64_t keys;              /* of all databases; 0 also where INFO does not tell */
};

/* 0, or -1: that is no INFO (ERR_PROTOCOL). Never believes a length or a number that is not there. */
int redis_info_parse(const char *text, size_t len, struct redis_info *out, struct err *e);

/* A new view of it. */
struct server_view *redis_view_new(const struct redis_info *info);

/*
 * Class, text and numbers of a server that has answered. link_state: what ROLE says of a replica's link
 * ("connect", "sync" …), NULL: not known. max_lag_ms 0: any lag is fine.
 */
void redis_view_judge(struct check_result *r, const struct redis_info *info, enum check_role role,
    int64_t max_lag_ms, const char *link_state);

/* "-LOADING …", "-NOAUTH …": class and text of a server that answers with an error. */
void redis_view_error(struct check_result *r, const char *error);

#endif
