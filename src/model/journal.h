/*
 * journal.h: the record of one operation, as it stands in the KV under ops/<id> and as `history -o json`
 * shows it. Pure: the document in and out, and what may be concluded from it.
 *
 * It is written before each act. So whoever reads it after a crash knows which acts may have been made:
 * those of steps that have begun.
 */
#ifndef MODEL_JOURNAL_H
#define MODEL_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Ten digits of Crockford's base 32: milliseconds since 1970 of the wall clock; ids sort by time. */
#define OP_ID_SIZE 11
char *op_id_make(char out[OP_ID_SIZE], int64_t wall_ms);
/* Exactly that form, letters in either case; out is upper case. 0 or -1. */
int op_id_parse(const char *text, char out[OP_ID_SIZE]);
/* What it was made of; 0 of what is none. */
int64_t op_id_ms(const char *id);

enum op_result {
	OP_RUNNING,     /* somebody is at it, or was when it died */
	OP_DONE,        /* the way of the table, to its end */
	OP_UNDONE,      /* everything is as it was */
	OP_FAILED,      /* a person has to look */
	OP_INTERRUPTED, /* never written: running, and its lock is free */
	OP_OUTSIDE,     /* never written: somebody changed the name without pointsman */
};

const char *op_result_name(enum op_result r); /* "running", … */

enum step_state {
	STEP_WAITING,
	STEP_BEGUN,   /* its act may have been made */
	STEP_DONE,    /* and was verified */
	STEP_SKIPPED, /* it was so before we came: never undone */
	STEP_FAILED,  /* its act may have been made, and what it was for is not so */
	STEP_UNDONE,
};

const char *step_state_name(enum step_state s);

struct journal_step {
	char *name;
	enum step_state state;
	double at_ms, took_ms; /* since the operation began; NAN: not yet */
	char *note;            /* what was seen: "3-3-160812"; "" */
};

/* Text is printable. Strings are owned and never NULL. */
struct journal {
	char id[OP_ID_SIZE];
	char *kind;      /* "failover", "emergency", "rejoin", "rehearse", "set" */
	char *pair_kind; /* "mysql", "redis", "daemon"; "": of a plain flip */
	char *pair, *name;
	char *from, *to; /* nodes; of a plain flip the values; "": none */
	char *by, *host; /* "ola (uid 1004)"; of the last one that took it up */
	int64_t pid;
	int64_t at_wall_ms;
	char *plan;    /* the id that was confirmed */
	char *session; /* of Consul, that holds the lock */
	enum op_result result;
	bool is_back;      /* going back: what was begun is being undone */
	char *error;       /* why it failed or was undone; "" */
	double refused_ms; /* how long writes were refused; NAN: not known */
	double felt_ms;    /* and until the last old session was ended, or the name led back */
	char *approved_by; /* "": nobody yet, or nobody has to */
	json_t *facts;     /* what steps noted for later ones: an object of strings */
	struct journal_step *steps;
	size_t step_count;
};

struct journal *journal_new(void);
void journal_free(struct journal *j); /* NULL is allowed */
/* Replaces an owned string of it. */
void journal_set(char **field, const char *text);
struct journal_step *journal_add_step(struct journal *j, const char *name);
void journal_clear_steps(struct journal *j);
/* NULL: there is none of that name. */
struct journal_step *journal_find(const struct journal *j, const char *name);

void journal_note(struct journal *j, const char *fact, const char *text);
/* "" when it was never noted. */
const char *journal_fact(const struct journal *j, const char *fact);

/*
 * An operation that came after another one on its pair, and keeps that from being gone on with, or taken back.
 * One that is done has settled it; one that is halfway itself has to be ended first.
 */
struct journal_later {
	char id[OP_ID_SIZE]; /* "": there is none */
	bool is_done;
};

/* Whether other is one for j; of several one that is done is kept, else the newest. out starts all zero. */
void journal_see_later(
    struct journal_later *out, const struct journal *j, const struct journal *other);

#define JOURNAL_MAX 65536 /* bytes of a document; a longer one is none of ours */
#define JOURNAL_STEPS_MAX 64

/* A new reference. */
json_t *journal_to_json(const struct journal *j);
/* NULL with e: that is no journal. Members that it does not know are passed over. */
struct journal *journal_parse(const void *text, size_t len, struct err *e);

#endif
