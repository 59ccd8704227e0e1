/*
 * time_window.c: windows as minutes of a day, so that a question is a comparison of small numbers and
 * knows nothing of time zones. A window over midnight has two parts: the evening of a day that it
 * names, and the morning of the day behind one.
 */
#include "model/time_window.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define DAYS 7
#define HOUR 60
#define DAY (24 * HOUR)

static const char *const day_names[DAYS] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

/* --- from and to text ---------------------------------------------------------------------------- */

static bool
take_day(const char **text, int *out)
{
	for (int i = 0; i < DAYS; i++) {
		size_t len = strlen(day_names[i]);

		if (strncasecmp(*text, day_names[i], len) != 0)
			continue;
		*out = i;
		*text += len;
		return true;
	}
	return false;
}

/* "Mon-Fri " or "Sat ". */
static bool
take_days(const char **text, struct time_window *w)
{
	if (!take_day(text, &w->first_day))
		return false;
	w->last_day = w->first_day;
	if (**text == '-') {
		(*text)++;
		if (!take_day(text, &w->last_day))
			return false;
	}
	if (**text != ' ')
		return false;
	while (**text == ' ')
		(*text)++;
	return true;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Four digits and a colon, to 24:00. */
static bool
take_time(const char **text, int *out)
{
	const char *t = *text;
	int hours, minutes;

	for (size_t i = 0; i < strlen("HH:MM"); i++) {
		if (i == 2 ? t[i] != ':' : !is_digit(t[i]))
			return false;
	}
	hours = (t[0] - '0') * 10 + t[1] - '0';
	minutes = (t[3] - '0') * 10 + t[4] - '0';
	if (minutes >= HOUR || hours * HOUR + minutes > DAY)
		return false;
	*out = hours * HOUR + minutes;
	*text += strlen("HH:MM");
	return true;
}

static bool
take_times(const char **text, struct time_window *w)
{
	if (!take_time(text, &w->begin) || **text != '-')
		return false;
	(*text)++;
	return take_time(text, &w->end);
}

int
time_window_parse(const char *text, struct time_window *out)
{
	struct time_window w;

	if (!take_days(&text, &w) || !take_times(&text, &w) || *text != '\0')
		return -1;
	if (w.begin == DAY || w.begin == w.end)
		return -1;
	*out = w;
	return 0;
}

char *
time_window_format(char out[TIME_WINDOW_TEXT_SIZE], const struct time_window *w)
{
	const char *first = day_names[w->first_day], *last = day_names[w->last_day];
	bool is_range = w->first_day != w->last_day;

	snprintf(out, TIME_WINDOW_TEXT_SIZE, "%s%s%s %02d:%02d-%02d:%02d", first,
	    is_range ? "-" : "", is_range ? last : "", w->begin / HOUR % 100, w->begin % HOUR,
	    w->end / HOUR % 100, w->end % HOUR);
	return out;
}

/* --- questions ----------------------------------------------------------------------------------- */

/* Monday is 0 here, Sunday in struct tm. */
static int
day_of(const struct tm *local)
{
	return (local->tm_wday + DAYS - 1) % DAYS;
}

static int
minute_of(const struct tm *local)
{
	return local->tm_hour * HOUR + local->tm_min;
}

static bool
names_day(const struct time_window *w, int day)
{
	int length = (w->last_day - w->first_day + DAYS) % DAYS;

	return (day - w->first_day + DAYS) % DAYS <= length;
}

static bool
has_time(const struct time_window *w, int day, int minute)
{
	int yesterday = (day + DAYS - 1) % DAYS;

	if (w->end > w->begin)
		return names_day(w, day) && minute >= w->begin && minute < w->end;
	return (names_day(w, day) && minute >= w->begin) ||
	       (names_day(w, yesterday) && minute < w->end);
}

bool
time_windows_allow(const struct time_windows *all, const struct tm *local)
{
	for (size_t i = 0; i < all->count; i++) {
		if (has_time(&all->list[i], day_of(local), minute_of(local)))
			return true;
	}
	return all->count == 0;
}

char *
time_windows_next(
    char out[TIME_WINDOW_START_SIZE], const struct time_windows *all, const struct tm *local)
{
	int today = day_of(local), now = minute_of(local), next = -1;

	for (size_t i = 0; i < all->count; i++) {
		const struct time_window *w = &all->list[i];

		/* A week from now is the same day again: today's beginning may be over. */
		for (int ahead = 0; ahead <= DAYS; ahead++) {
			int at = ahead * DAY + w->begin;

			if (names_day(w, (today + ahead) % DAYS) && at > now &&
			    (next < 0 || at < next))
				next = at;
		}
	}
	if (next < 0)
		out[0] = '\0';
	else
		snprintf(out, TIME_WINDOW_START_SIZE, "%s %02d:%02d",
		    day_names[(today + next / DAY) % DAYS], next % DAY / HOUR % 100, next % HOUR);
	return out;
}
