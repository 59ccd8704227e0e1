/*
 * output.h: one rendered file and all that belongs to it: settle, guard, render, validate, write,
 * notify, prove. Each output does this by itself: one that fails does not hold up another.
 */
#ifndef FEATURE_OUTPUT_H
#define FEATURE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/file.h"
#include "model/name_map.h"

struct config_output;
struct loop;
struct output;

enum output_state {
	OUTPUT_EMPTY,   /* nothing was ever written, or nothing is known yet */
	OUTPUT_WRITTEN, /* in the file; not (yet) proven to be served */
	OUTPUT_SERVED,  /* the resolver answers it */
	OUTPUT_GUARDED, /* the new map is not believed; the file keeps what it has */
	OUTPUT_HELD,    /* somebody holds everything; the same */
	OUTPUT_FAILED,  /* could not be rendered, validated or written; the same, and tried again */
};

const char *output_state_name(enum output_state s); /* "served" */

/* What happened to the renders so far, for the metrics. */
enum output_result {
	OUTPUT_RESULT_WRITTEN,
	OUTPUT_RESULT_UNCHANGED, /* the same bytes: neither written nor told */
	OUTPUT_RESULT_GUARDED,
	OUTPUT_RESULT_FAILED,
	OUTPUT_RESULT_REPAIRED, /* somebody had edited or deleted the file */
	OUTPUT_RESULTS,
};

const char *output_result_name(enum output_result r);

struct output_env {
	struct loop *loop;
	const char *node, *domain, *template_dir, *state_dir;
	/* After every change that a reader of the report would see; also from inside a call: note it. */
	void (*changed)(struct output *o, void *arg);
	/* There is a newer output_map(); the same. */
	void (*written)(struct output *o, void *arg);
	/* A flip is served now (or told of, where nothing is asked for proof); once for each file. */
	void (*landed)(struct output *o, void *arg);
	void *arg;
};

/* c and the strings of env live longer. Template errors and missing directories are found here. */
struct output *output_new(
    const struct config_output *c, const struct output_env *env, struct err *e);
void output_free(struct output *o);

/*
 * Adopts what is on disk: the file is ours, or was edited, or is missing; known is the map of the
 * state directory (NULL: none), from which a missing file is made again at once.
 */
void output_start(struct output *o, struct name_map *known);

struct output_offer {
	struct name_map *map;
	int64_t seen_us; /* monotonic: when Consul's answer came in */
	bool was_canary_seen;
	const char *accepted; /* the digest that an operator let through the guard; "" for none */
	bool is_held;
};

/* The newest map; may be the same as before with a hold, or an acceptance, that is new. */
void output_offer(struct output *o, const struct output_offer *offer);

struct output_report {
	const struct config_output *config;
	enum output_state state;
	uint64_t generation; /* in the file */
	uint64_t served;     /* the newest that landed; 0: none since the start */
	char digest[FILE_DIGEST_SIZE];
	int64_t since_wall_s; /* in this state */
	struct err err; /* why it is not better than it is; ERR_NONE: it is as good as it gets */
	struct err guard_err; /* why output_guarded_map() is kept out, in any state */
	bool is_owed;
	double seen_ms, written_ms,
	    served_ms; /* of the last flip, from Consul's answer on; 0: never */
	int64_t rendered_wall_s;
	uint64_t results[OUTPUT_RESULTS];
	int64_t drift_wall_s; /* last time somebody else had changed the file; 0: never */
};

void output_report(const struct output *o, struct output_report *out);
/* The map that is in the file, and the one that the guard keeps out (NULL: none). */
struct name_map *output_map(const struct output *o);
struct name_map *output_guarded_map(const struct output *o);
/* The map that all have in their files, but for those that cannot write theirs; NULL: they differ. */
struct name_map *output_common_map(struct output *const *outputs, size_t count);

#endif
