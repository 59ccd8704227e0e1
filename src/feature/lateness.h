/*
 * lateness.h: how much later than planned runs began, over the last LATENESS_RUNS of them: the measure
 * of whether this host keeps up with its checks.
 */
#ifndef FEATURE_LATENESS_H
#define FEATURE_LATENESS_H

#include <stddef.h>
#include <stdint.h>

#define LATENESS_RUNS 4096 /* 20 s at 1,000 checks every 5 s */

/* Starts all zero. */
struct lateness {
	uint32_t late_us[LATENESS_RUNS]; /* a ring */
	uint64_t count;                  /* ever */
	double sum_s;                    /* ever */
};

void lateness_add(struct lateness *l, int64_t late_us);
/* Of those remembered: shares (0.5, 0.99, 1) of them were at most so late; 0 when there are none. */
void lateness_quantiles(
    const struct lateness *l, const double *shares, size_t count, int64_t *out_us);

#endif
