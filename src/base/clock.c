/* clock.c: CLOCK_MONOTONIC and CLOCK_REALTIME, with a fake of the first for unit tests. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t fake_us = -1;

static int64_t
read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_mono_us(void)
{
	return fake_us >= 0 ? fake_us : read_us(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t
clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

int64_t
clock_wall_s(void)
{
	return clock_wall_ms() / 1000;
}

char *
clock_iso(char out[CLOCK_ISO_SIZE], int64_t wall_s)
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	if (strftime(out, CLOCK_ISO_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = '\0';
	return out;
}

int
clock_iso_parse(const char *text, int64_t *out_s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	char again[CLOCK_ISO_SIZE];
	struct tm tm = { 0 };
	int64_t s;

	for (size_t i = 0; i < sizeof(form); i++) {
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return -1;
	}
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		&tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	s = (int64_t)timegm(&tm);
	/* timegm() forgives a 31st of February; a time that comes out as another one is none. */
	if (s < 0 || strcmp(clock_iso(again, s), text) != 0)
		return -1;
	*out_s = s;
	return 0;
}

void
clock_fake_set(int64_t us)
{
	fake_us = us;
}
