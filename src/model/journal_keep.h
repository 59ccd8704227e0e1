/*
 * journal_keep.h: which journals tell nobody anything any more. A drill a week of each pair, or a script that
 * sets names, would else make every list of them longer, until it is larger than an answer may be.
 */
#ifndef MODEL_JOURNAL_KEEP_H
#define MODEL_JOURNAL_KEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "model/journal.h"

#define KEEP_REHEARSALS 10  /* of each pair; expected times are of the last five */
#define KEEP_OPERATIONS 100 /* of each pair, those that have ended: years of them */
#define KEEP_SETS 1000      /* plain flips, of all names */

/*
 * Sets is_old of each that may go. newest_first: NULL stands for what cannot be read, and stays. So do those that
 * are halfway, and the last flip of each name, without which it would look as if somebody had edited that.
 */
void journal_choose_old(struct journal *const *newest_first, size_t count, bool *is_old);

#endif
