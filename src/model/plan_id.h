/*
 * plan_id.h: what stands for a plan between the screen that showed it and the person who confirms it:
 * "7f3a91c2-4k8d", a digest of all that the plan was made of, and the second it was made in. Nothing is
 * kept anywhere: who brings it back has the plan made anew, and it is that plan or none. Pure.
 */
#ifndef MODEL_PLAN_ID_H
#define MODEL_PLAN_ID_H

#include <stdbool.h>
#include <stdint.h>

#define PLAN_ID_SIZE 16
#define PLAN_VALID_S 120 /* screens.md: long enough to read it, too short to forget it */

/* made_of: whatever must not have changed. */
char *plan_id_make(char out[PLAN_ID_SIZE], const char *made_of, int64_t wall_s);

enum plan_id_fit { PLAN_FITS, PLAN_OLD, PLAN_CHANGED, PLAN_NONE /* not such an id */ };
/* *age_s: how old it is, where it could be read. */
enum plan_id_fit plan_id_check(const char *id, const char *made_of, int64_t wall_s, int64_t *age_s);

#endif
