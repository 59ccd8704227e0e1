/*
 * report.h: how a command says no. Every refusal and every failure has the fact, why it matters and
 * what to do (design, section 7):
 *
 *	pointsman: node db33 is not known
 *	  why  a name must lead somewhere: agents would keep db3
 *	  do   pointsman set maindb db3     (near: db3, db13)
 *
 * It goes to standard error; with -o json one object {"error": {…}} goes to standard output instead.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "base/err.h"
#include "base/str.h"
#include "cli/exit_code.h"

struct cli;

/* Starts as all zero; _send() frees. Foreign text in it has gone through shown(). */
struct report {
	struct str fact;
	struct str why; /* lines */
	struct str todo;
};

void report_fact(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void report_why(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void report_do(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints, frees and returns code, for `return report_send(…)`. */
enum exit_code report_send(struct report *r, const struct cli *cli, enum exit_code code);

/* An error that has nothing to do with the KV (client.h has those): the fact, as a problem. */
enum exit_code report_err(const struct cli *cli, const struct err *e, const char *what);

/* Foreign text made fit to be shown. As an argument: SHOWN(text), which lives as long as its block. */
#define SHOWN_SIZE 332 /* STR_SHOW_MAX bytes, four characters each at most, "..." and the NUL */
const char *shown(char out[SHOWN_SIZE], const char *text);
#define SHOWN(text) shown((char[SHOWN_SIZE]){ 0 }, (text))
/* The same for whole sentences of others. */
#define SHOWN_LONG_MAX 400
#define SHOWN_LONG_SIZE (4 * SHOWN_LONG_MAX + 4)
const char *shown_long(char out[SHOWN_LONG_SIZE], const char *text);
#define SHOWN_LONG(text) shown_long((char[SHOWN_LONG_SIZE]){ 0 }, (text))

/* The same for a line of a file: all of it, tabs as two blanks. */
void add_shown_line(struct str *out, const char *text, size_t len);

#endif
