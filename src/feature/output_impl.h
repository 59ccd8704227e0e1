/*
 * output_impl.h: the inside of an output, shared by output.c (what goes into the file), output_file.c
 * (the file on disk) and output_tell.c (its reader).
 */
#ifndef FEATURE_OUTPUT_IMPL_H
#define FEATURE_OUTPUT_IMPL_H

#include <sys/stat.h>

#include "feature/output.h"
#include "feature/record.h"
#include "model/settle.h"

struct output {
	const struct config_output *config;
	struct output_env env;
	struct template *template;

	enum output_state state; /* output_show() derives it, err and since */
	int64_t since_wall_s;
	struct err err;

	/* the way of a map: offered -> (settle, guard) -> working -> (write) -> map */
	struct output_offer offer; /* offer.map: the newest, not yet at work; NULL: none */
	struct name_map *working, *map, *guarded;
	struct err guard_err; /* why, while guarded is not NULL */
	struct settle settle;
	struct loop_timer *settle_timer;

	/* at work */
	struct file_stage stage;
	char new_digest[FILE_DIGEST_SIZE];
	struct exec *validator;
	bool is_repair; /* working is map again, because the file is not what we left */
	int64_t working_seen_us;
	struct err failure; /* why the file is not what it should be */
	struct loop_timer *retry_timer;
	int64_t retry_ms;
	struct loop_timer *drift_timer; /* the file was changed again too soon */
	int64_t repaired_ms;

	/* the reader of the file */
	struct notify *notify;
	struct prover *prover;
	struct name_map *told_before; /* what the reader may still have; NULL: the file's own map */
	struct err trouble;           /* why it was not told, or does not prove it */
	bool is_proven;
	bool is_notify_failing; /* the last attempt did */
	bool is_notify_late;    /* one more when the one under way is over: the file is newer */
	struct loop_timer *tell_timer;  /* owed: again */
	struct loop_timer *proof_timer; /* asks now and then whether it is still served */
	int64_t tell_ms, notified_ms;
	int64_t seen_us; /* of the file's map, until it landed; 0: landed, or no flip */

	/* the file */
	char *record_path;
	struct record record;
	struct stat
	    identity; /* of the file as we left it: a quick look tells whether it still is */
	struct fswatch *fswatch;
	uint64_t served;
	struct output_report totals;
};

/* After a failure: doubling from here. */
#define OUTPUT_RETRY_MIN_MS 500
#define OUTPUT_RETRY_MAX_MS 30000

/* output.c */
void output_show(struct output *o);                              /* derives the state */
void output_set_map(struct name_map **slot, struct name_map *m); /* with references */
int64_t output_back_off(int64_t *ms);                            /* this time's delay */
void output_go_on(struct output *o); /* with an offer that waited for a child to end */

/* output_tell.c */
void output_tell_init(struct output *o);
void output_tell_clear(struct output *o);
/* There is a new file; before: the map of the one before, or NULL. */
void output_tell_new(struct output *o, struct name_map *before);
/* The file is as it was: only what is still owed, and the proof. */
void output_tell_same(struct output *o);

/* output_file.c */

/* What the file is at start. */
enum output_found {
	OUTPUT_FOUND_OURS,
	OUTPUT_FOUND_MISSING,
	OUTPUT_FOUND_EDITED,
	OUTPUT_FOUND_FOREIGN
};
enum output_found output_file_adopt(struct output *o);
/* Renders map into text and its digest into o->new_digest. */
int output_file_render(
    struct output *o, const struct name_map *map, struct str *text, struct err *e);
/* Puts the staged file in place and remembers it. */
int output_file_swap(struct output *o, uint64_t generation, struct err *e);
/* Makes that last through a power cut, or warns. */
void output_file_sync(const struct output *o);
/* Whether somebody else changed or removed the file since we left it. */
bool output_file_has_drifted(struct output *o);
/* Notes in the record that everything was told and proven. */
void output_file_settle_debt(struct output *o);
/* Deletes the oldest backups beyond the configured number. */
void output_file_prune_backups(const struct output *o);

#endif
