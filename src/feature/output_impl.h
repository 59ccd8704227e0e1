/* output_impl.h: the inside of an output, shared by output.c (what to do) and output_file.c (the file). */
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

	enum output_state state;
	int64_t since_wall_s;
	struct err err;

	/* the way of a map: offered -> (settle, guard) -> working -> (write) -> map */
	struct output_offer offer; /* offer.map: the newest, not yet at work; NULL: none */
	struct name_map *working, *map, *guarded;
	struct settle settle;
	struct loop_timer *settle_timer;

	/* at work; at most one of validator and notify runs */
	struct file_stage stage;
	char new_digest[FILE_DIGEST_SIZE];
	struct exec *validator;
	struct notify *notify;
	struct prover *prover;
	struct loop_timer *retry_timer; /* after a failure: the write, or the notification */
	struct loop_timer *proof_timer; /* asks again now and then whether it is still served */
	struct loop_timer *drift_timer; /* the file was changed again too soon */
	bool is_notify_failing; /* the last attempt did */
	int64_t retry_ms, notified_ms, repaired_ms;
	int64_t seen_us; /* of the map at work */

	/* the file */
	char *record_path;
	struct record record;
	struct stat
	    identity; /* of the file as we left it: a quick look tells whether it still is */
	struct fswatch *fswatch;
	uint64_t served;
	struct output_report totals;
};

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
int output_file_commit(struct output *o, uint64_t generation, struct err *e);
/* Whether somebody else changed or removed the file since we left it. */
bool output_file_has_drifted(struct output *o);
/* Notes in the record that everything was told and proven. */
void output_file_settle_debt(struct output *o);
/* Deletes the oldest backups beyond the configured number. */
void output_file_prune_backups(const struct output *o);

#endif
