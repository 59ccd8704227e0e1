/*
 * check_spec.c: the one place that knows what a spec holds; whoever adds a string adds it here.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "model/check.h"

static void
free_list(char **list)
{
	for (char **p = list; p != NULL && *p != NULL; p++)
		free(*p);
	free(list);
}

void
check_spec_clear(struct check_spec *s)
{
	char *const texts[] = { s->name, s->pair, s->node, s->type, s->target, s->credentials,
		s->query, s->database, s->path, s->measure, s->unit, s->host, s->expect,
		s->sentinel_master, s->ca_file };

	for (size_t i = 0; i < MEM_COUNT(texts); i++)
		free(texts[i]);
	free_list(s->sentinels);
	free_list(s->command);
	*s = (struct check_spec){ .name = NULL };
}
