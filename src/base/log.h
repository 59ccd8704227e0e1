/*
 * log.h: one line an event, to standard error; under systemd with the <N> priority prefix, else
 * with a UTC time stamp. Only feature, daemon and cli log (style.md). A line never holds control
 * characters: everything passes str_add_printable.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

const char *log_level_name(enum log_level level);
int log_level_parse(const char *text, enum log_level *out); /* "error" "warning" "info" "debug" */

void log_set_level(enum log_level level); /* default: info */

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
