/*
 * check.c: the table of classes, and the few verbs of a result.
 *
 * One line a class says everything that follows from it: its word in JSON, its sentence, how bad it
 * is, whether it is evidence that the server cannot take writes, and whether the server itself told
 * it. Nobody else compares classes.
 *
 * Not evidence of "down", though critical: what we could not find out (no address, TLS, an answer
 * that we do not understand: the server may serve everybody but us), a role that a person has to
 * sort out, and whatever concerns a standby. A full disk, read_only and a daemon that does not run
 * are: the server itself says that it does not take writes.
 */
#include "model/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/server_view.h"

struct class_row {
	const char *name, *text;
	enum check_level level;
	bool is_down, is_told;
};

static const struct class_row classes[CHECK_CLASS_COUNT] = {
	[CHECK_OK] = { "ok", "is well", LEVEL_OK, false, true },
	[CHECK_WARNING] = { "warning", "is near its limit", LEVEL_WARNING, false, true },
	[CHECK_AUTH] = { "auth", "refused our account", LEVEL_WARNING, false, true },
	[CHECK_TOO_MANY] = { "too-many-connections", "has too many connections", LEVEL_WARNING,
	    false, true },
	[CHECK_REFUSED] = { "refused", "refused the connection", LEVEL_CRITICAL, true, false },
	[CHECK_RESET] = { "reset", "closed the connection on us", LEVEL_CRITICAL, true, false },
	[CHECK_TIMEOUT] = { "timeout", "did not answer in time", LEVEL_CRITICAL, true, false },
	[CHECK_UNREACHABLE] = { "unreachable", "cannot be reached", LEVEL_CRITICAL, true, false },
	[CHECK_RESOLVE] = { "resolve", "has no address", LEVEL_CRITICAL, false, false },
	[CHECK_TLS] = { "tls", "failed TLS", LEVEL_CRITICAL, false, false },
	[CHECK_PROTOCOL] = { "protocol", "does not speak the protocol", LEVEL_CRITICAL, false,
	    false },
	[CHECK_READ_ONLY] = { "read-only", "is read-only", LEVEL_CRITICAL, true, true },
	[CHECK_ROLE] = { "role", "has the wrong role", LEVEL_CRITICAL, false, true },
	[CHECK_REPLICATION] = { "replication", "does not replicate", LEVEL_CRITICAL, false, true },
	[CHECK_LAG] = { "lag", "lags behind", LEVEL_CRITICAL, false, true },
	[CHECK_DISK_FULL] = { "disk-full", "has no room on its disk", LEVEL_CRITICAL, true, true },
	[CHECK_STOPPED] = { "stopped", "does not run", LEVEL_CRITICAL, true, true },
	[CHECK_VALUE] = { "value", "is out of its range", LEVEL_CRITICAL, false, true },
	[CHECK_MISSING] = { "missing", "is not there", LEVEL_CRITICAL, false, false },
	[CHECK_UNKNOWN] = { "unknown", "could not be checked", LEVEL_UNKNOWN, false, false },
};

static const struct class_row *
class_row(enum check_class c)
{
	return &classes[(size_t)c < CHECK_CLASS_COUNT ? c : CHECK_UNKNOWN];
}

const char *
check_class_name(enum check_class c)
{
	return class_row(c)->name;
}

int
check_class_parse(const char *name, enum check_class *out)
{
	for (size_t i = 0; i < CHECK_CLASS_COUNT; i++) {
		if (strcmp(classes[i].name, name) == 0) {
			*out = (enum check_class)i;
			return 0;
		}
	}
	return -1;
}

const char *
check_class_text(enum check_class c)
{
	return class_row(c)->text;
}

enum check_level
check_class_level(enum check_class c)
{
	return class_row(c)->level;
}

bool
check_class_is_down(enum check_class c)
{
	return class_row(c)->is_down;
}

bool
check_class_is_told(enum check_class c)
{
	return class_row(c)->is_told;
}

void
check_result_clear(struct check_result *r)
{
	server_view_free(r->view);
	memset(r, 0, sizeof(*r));
}

void
check_result_number(struct check_result *r, const char *label, double value, const char *unit,
    const struct range *warning, const struct range *critical)
{
	struct check_number *n;

	if (r->number_count == CHECK_NUMBERS_MAX)
		return;
	n = &r->numbers[r->number_count++];
	*n = (struct check_number){ .value = value };
	str_copy_printable(n->label, sizeof(n->label), label);
	str_copy_printable(n->unit, sizeof(n->unit), unit);
	if (warning != NULL)
		n->warning = *warning;
	if (critical != NULL)
		n->critical = *critical;
}

void
check_result_set(struct check_result *r, enum check_class c, const char *format, ...)
{
	char raw[2 * CHECK_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	r->class = c;
	str_copy_printable(r->text, sizeof(r->text), raw);
}
