/*
 * check_spec.h: specs by their name, and specs that outlive the configuration they came from, so that a
 * check which a reload did not touch goes on with its history and its connection.
 */
#ifndef MODEL_CHECK_SPEC_H
#define MODEL_CHECK_SPEC_H

#include "model/check.h"

/* Into a struct that holds nothing yet. */
void check_spec_copy(struct check_spec *to, const struct check_spec *from);
bool check_spec_is_same(const struct check_spec *a, const struct check_spec *b);

/* One of the lists in a spec, NULL-terminated; NULL gives NULL. The caller frees it and its texts. */
char **check_spec_copy_list(char *const *list);

/* NULL: none has that name. */
const struct check_spec *check_spec_find(
    const struct check_spec *specs, size_t count, const char *name);

#endif
