/*
 * time_window.h: the hours in which a planned operation may begin, "Mon-Fri 09:00-17:00": days from Mon
 * to Sun, one or a range of them, and times of the day. A range of days may go over the end of the week
 * (Fri-Mon), and times over midnight: "Sat 22:00-02:00" belongs to Saturday and ends on Sunday.
 *
 * It is asked about the local time as a clock on the wall shows it. So an hour that daylight saving
 * repeats is inside twice, and one that it leaves out is not missed.
 */
#ifndef MODEL_TIME_WINDOW_H
#define MODEL_TIME_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define TIME_WINDOWS_MAX 16       /* two a day, and two to spare */
#define TIME_WINDOW_TEXT_SIZE 24  /* "Mon-Fri 09:00-17:00" */
#define TIME_WINDOW_START_SIZE 16 /* "Mon 09:00" */

struct time_window {
	int first_day, last_day; /* 0 is Monday; the last may be before the first */
	int begin,
	    end; /* minutes of the day, the end is outside; not after the begin: on the next day */
};

/* All zero: any time will do. */
struct time_windows {
	size_t count;
	struct time_window list[TIME_WINDOWS_MAX];
};

/*
 * 0, or -1 with out untouched. The case of letters is no matter. An end may be 24:00. One that is the
 * beginning as well is refused: it could mean a whole day, 00:00-24:00, or nothing.
 */
int time_window_parse(const char *text, struct time_window *out);
/* As it is written; returns out. */
char *time_window_format(char out[TIME_WINDOW_TEXT_SIZE], const struct time_window *w);

/* Whether local is in one of them, or there are none. */
bool time_windows_allow(const struct time_windows *all, const struct tm *local);
/*
 * When the next of them begins after local, "Mon 09:00"; "" when there are none. When all begin at the
 * very time of local, that is in a week.
 */
char *time_windows_next(
    char out[TIME_WINDOW_START_SIZE], const struct time_windows *all, const struct tm *local);

#endif
