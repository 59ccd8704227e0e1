/*
 * check_type.c: the table of the types of checks. Whoever adds a type adds a line here, a file
 * check_NAME.c beside it and a paragraph to man/pointsman.conf.5.
 */
#include "feature/check_type.h"

#include <string.h>

#include "base/mem.h"

static const struct check_type *const types[] = {
	&check_type_exec,
	&check_type_file,
	&check_type_http,
	&check_type_mysql,
	&check_type_redis,
	&check_type_sql,
	&check_type_tcp,
	&check_type_unit,
};

const struct check_type *
check_type_find(const char *name)
{
	for (size_t i = 0; i < MEM_COUNT(types); i++) {
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	}
	return NULL;
}
