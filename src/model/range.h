/*
 * range.h: the ranges of the Nagios plugin guidelines, "10", "10:", "~:10", "10:20", "@10:20". A
 * number that the range catches raises the alarm: outside of it, or inside when it begins with '@'.
 */
#ifndef MODEL_RANGE_H
#define MODEL_RANGE_H

#include <stdbool.h>

#include "base/err.h"

#define RANGE_TEXT_SIZE 64

struct range {
	double low, high;           /* -INFINITY and INFINITY where it is open */
	bool is_inside;             /* '@': alarms inside, its ends included */
	bool is_set;                /* all zero: no range, catches nothing */
	char text[RANGE_TEXT_SIZE]; /* as it was written, for perfdata */
};

/* 0, or -1 with what is allowed (ERR_CONFIG) and out untouched. */
int range_parse(const char *text, struct range *out, struct err *e);
/* NAN is caught by every range that is set: a number that is none is no good news. */
bool range_catches(const struct range *r, double value);

#endif
