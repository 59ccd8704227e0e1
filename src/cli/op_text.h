/* op_text.h: an operation's journal in words and bars, for what is shown live, at its end and later. */
#ifndef CLI_OP_TEXT_H
#define CLI_OP_TEXT_H

#include <stdbool.h>

#include "base/str.h"
#include "model/journal.h"

struct cli;

/* "13 ms", "0.31 s", "4m12s", "-" when it is not known. */
#define OP_MS_SIZE 16
char *op_text_ms(char out[OP_MS_SIZE], double ms);

/* Characters of UTF-8. */
int op_text_columns(const char *text);
/* As much of text as fits into so many columns, with "..." at its end when some is missing. */
void op_text_cut(struct str *out, const char *text, int width);

/* The same, filled up with blanks to that width. */
void op_text_add_cell(struct str *out, const char *text, int width);

/* "failover maindb db3>db4", "rehearse maindb", "set chat db1>db2" */
void op_text_add_what(struct str *out, const struct journal *j);

/* What began it, to be typed again: "pointsman failover maindb --emergency" */
void op_text_add_command(struct str *out, const struct journal *j);

/* Whether it can only be carried on: by the table of its kind, as far as this pointsman knows it. */
bool op_text_is_past_return(const struct journal *j);

/* Of one that stopped halfway, what to type and what that does; each malloc'ed. How many. */
#define OP_WAYS_MAX 2
size_t op_text_ways(const struct journal *j, char *out[OP_WAYS_MAX]);

/*
 * The whole of it: how it ended and who did it, how long writes were refused, a bar for each step that has
 * begun, what is so now and what to type.
 */
struct op_story {
	const struct journal *journal;
	enum op_result
	    result;        /* as whoever shows it knows it: the journal cannot say "interrupted" */
	const char *word;  /* it begins with: "STOPPED"; NULL: the one of the result */
	const char *error; /* why, where the journal does not say it; NULL or "": nothing more */
	const struct journal_later *later; /* what came after it; NULL: it is not known */
	double expected_ms; /* how long writes were expected to be refused; NAN: not known */
	bool is_record;     /* looked up: also when and where it ran, by which plan */
};

void op_text_add_story(struct str *out, const struct cli *cli, const struct op_story *s);

#endif
