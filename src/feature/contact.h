/*
 * contact.h: whether Consul answers, seen over everything that asks it.
 */
#ifndef FEATURE_CONTACT_H
#define FEATURE_CONTACT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CONTACT_KINDS (ERR_CANCELED + 1)

/* All zero: never asked. */
struct contact {
	bool is_up;
	int64_t last_ok_ms;             /* monotonic; 0: never */
	int64_t since_wall_s;           /* up or down since */
	struct err err;                 /* the last failure while down */
	uint64_t errors[CONTACT_KINDS]; /* by err_code, since the start */
};

enum contact_turn { CONTACT_SAME, CONTACT_CAME, CONTACT_WENT };

/* Notes one answer (e->code ERR_NONE) or failure; tells whether that changed anything. */
enum contact_turn contact_note(struct contact *c, const struct err *e);
/* Since the last answer; -1: never. */
int64_t contact_age_ms(const struct contact *c);

#endif
