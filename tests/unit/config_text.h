/*
 * config_text.h: a configuration from a text, and what an operator is told about it.
 */
#ifndef TESTS_CONFIG_TEXT_H
#define TESTS_CONFIG_TEXT_H

#include <stddef.h>
#include <sys/types.h>

#include "feature/config.h"

extern char config_dir[]; /* where the files lie; made and removed by the fixtures */

void config_write(const char *name, const char *text, mode_t mode);
/* Copies text without "<config_dir>/". */
void config_without_dir(char *out, size_t size, const char *text);
/*
 * The problems of text as main.conf, without the directory; "" when there is none, and *out is the
 * configuration. Valid until the next call.
 */
const char *config_load_text(const char *text, struct config **out);
/* Fails the test when there is any problem. */
struct config *config_load_good(const char *text);

/* Fixtures. */
int config_make_dir(void **state);
int config_remove_dir(void **state);
int config_clean_environment(void **state); /* without Consul's variables */

#endif
