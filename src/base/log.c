/*
 * log.c: standard error is the only target: systemd, a container runtime or a shell redirect already
 * know how to keep, rotate and ship it. syslog(3) was rejected: it may block on a full /dev/log.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define LOG_LINE_MAX 2048

/* syslog priorities for the "<N>" prefix that journald reads (sd-daemon(3)). */
static const struct {
	const char *name;
	const char *prefix;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", "<3>" },
	[LOG_LEVEL_WARNING] = { "warning", "<4>" },
	[LOG_LEVEL_INFO] = { "info", "<6>" },
	[LOG_LEVEL_DEBUG] = { "debug", "<7>" },
};

static enum log_level threshold = LOG_LEVEL_INFO;

const char *
log_level_name(enum log_level level)
{
	return levels[level].name;
}

int
log_level_parse(const char *text, enum log_level *out)
{
	for (size_t i = 0; i < MEM_COUNT(levels); i++) {
		if (strcmp(text, levels[i].name) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

void
log_set_level(enum log_level level)
{
	threshold = level;
}

static void log_line(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX], when[CLOCK_ISO_SIZE];
	struct str line = STR_INIT;
	ssize_t written;

	if (level > threshold)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	if (getenv("JOURNAL_STREAM") != NULL)
		str_adds(&line, levels[level].prefix);
	else
		str_addf(&line, "%s %s: ", clock_iso(when, clock_wall_s()), levels[level].name);
	str_add_printable(&line, text, strlen(text), sizeof(text));
	str_addc(&line, '\n');
	/* One write, so that lines of several processes do not mix; nobody to tell when it fails. */
	written = write(STDERR_FILENO, line.data, line.len);
	(void)written;
	str_clear(&line);
}

#define LOG_FUNCTION(function, level) \
	void function(const char *fmt, ...) \
	{ \
		va_list ap; \
\
		va_start(ap, fmt); \
		log_line(level, fmt, ap); \
		va_end(ap); \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
