/*
 * check_unit.h: the judgement of the unit type, apart from the asking, so that tests can hand it a
 * clock and a systemd of their own.
 */
#ifndef FEATURE_CHECK_UNIT_H
#define FEATURE_CHECK_UNIT_H

#include <stdbool.h>
#include <stdint.h>

struct check_result;
struct unit_status;

/* What is kept from one run to the next; all zero at first. */
struct unit_memory {
	bool is_set;
	uint32_t restarts; /* systemd's own count at the last run */
	uint32_t deaths;   /* of them, since there was quiet for UNIT_QUIET_US */
	int64_t died_us;   /* when the last one was noticed */
};

#define UNIT_FRESH_US (60 * INT64_C(1000000))  /* so long one death is told */
#define UNIT_QUIET_US (600 * INT64_C(1000000)) /* without a death: it is forgiven */

/* Fills class, text, numbers and took of a result that is all zero. */
void check_unit_judge(const char *unit, const struct unit_status *s, int64_t now_us,
    struct unit_memory *m, struct check_result *out);

#endif
