/*
 * err.h: what went wrong, in words for the operator and a code for the caller.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL), takes a struct err last and
 * fills it; on failure its other outputs are untouched. The text is one sentence without a final
 * full stop, and contains nothing that came from outside unless it went through str_add_printable().
 * Library code never logs: it fills an err, and whoever handles it logs it once.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
	ERR_NONE,
	ERR_USAGE,       /* the caller asked for something that makes no sense */
	ERR_CONFIG,      /* a configuration file or a template is wrong */
	ERR_IO,          /* a system call failed: disk, descriptor, fork */
	ERR_UNREACHABLE, /* nobody there: refused, no route, name not resolved */
	ERR_TIMEOUT,     /* somebody there, but no answer within the limit */
	ERR_DENIED,      /* not allowed: token, ACL, permissions, TLS verification */
	ERR_NOT_FOUND,   /* asked, and there is no such thing */
	ERR_CONFLICT,    /* a check-and-set lost, a lock is taken */
	ERR_PROTOCOL,    /* an answer that does not follow its format */
	ERR_LIMIT,       /* larger or more than we accept */
	ERR_UNAVAILABLE, /* the peer says "not now": 429, 500, no leader */
	ERR_UNKNOWN,     /* a write whose outcome is not known: re-read before you say anything */
	ERR_CANCELED,    /* the operator or the shutdown stopped it */
};

#define ERR_TEXT_MAX 256

struct err {
	enum err_code code;
	char text[ERR_TEXT_MAX];
};

/* A stable one-word name: "timeout". Used in metrics and JSON. */
const char *err_code_name(enum err_code code);

/* All of these accept e == NULL and return -1, so that a caller may write `return err_set(...)`. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* As err_set, with ": strerror(errno)" added and the code made from errno (EACCES is denied, ...). */
int err_errno(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts context in front of an error on its way up: "pair maindb: " + what was there. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_clear(struct err *e);

#endif
