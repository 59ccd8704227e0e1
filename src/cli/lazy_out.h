/*
 * lazy_out.h: standard output for what must not wait for whoever reads it: a stopped terminal, a dead ssh,
 * a full pipe. What cannot be written now is kept and tried again; at the end it is given a moment, and
 * then dropped. A reader that went away is no error.
 */
#ifndef CLI_LAZY_OUT_H
#define CLI_LAZY_OUT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define LAZY_OUT_MAX (1u << 20)        /* kept; what comes on top is dropped */
#define LAZY_OUT_PATIENCE_MS 2000      /* at the end, since the last byte that went out */
#define LAZY_OUT_PATIENCE_MAX_MS 10000 /* less than a lock's TTL */

enum lazy_kind {
	LAZY_OWN,    /* an open file description of our own, which does not block */
	LAZY_SOCKET, /* told so at each write */
	LAZY_POLLED, /* neither: asked before each write */
	LAZY_FILE,   /* is always ready */
};

struct lazy_out {
	int fd; /* -1: nobody can be written to any more */
	enum lazy_kind kind;
	bool is_terminal;
	struct str kept;
	struct sigaction old_ttou;
};

/* Takes what stdio still holds with it. */
void lazy_out_open(struct lazy_out *l);
/* Keeps it; writes nothing yet. */
void lazy_out_add(struct lazy_out *l, const char *text, size_t len);
/* Writes what can be written now. */
void lazy_out_try(struct lazy_out *l);
/* Writes the rest, with patience, and closes. */
void lazy_out_close(struct lazy_out *l);

#endif
