/* fuzz_health.c: a document below health/ of whatever kind, and its key. The first line is the key. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "feature/health.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t key_len = end != NULL ? (size_t)(end - data) : 0;
	char *key = mem_strndup((const char *)data, key_len);
	struct health_opinion o;
	struct health_vantage v;
	struct health_mute m;
	struct health_key k;

	if (health_key_parse(key, &k) == 0) {
		check_printable(k.check);
		check_printable(k.vantage);
	}
	free(key);
	data += end != NULL ? key_len + 1 : 0;
	size -= end != NULL ? key_len + 1 : 0;
	if (health_read_opinion(data, size, &o, NULL) == 0) {
		check_printable(o.output);
		check_printable(o.target);
		check_printable(o.type);
	}
	if (health_read_vantage(data, size, &v, NULL) == 0)
		check_printable(v.why);
	if (health_read_mute(data, size, &m, NULL) == 0) {
		check_printable(m.why);
		check_printable(m.who);
	}
	return 0;
}
