/*
 * fuzz_redis_info.c: what a hostile Redis can say in INFO. The first byte chooses the role that it must
 * have and the link that ROLE told.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/redis_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition) \
	do { \
		if (!(condition)) \
			abort(); \
	} while (0)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct redis_info info;
	struct check_result r = { 0 };
	struct err e = { 0 };

	if (size == 0)
		return 0;
	if (redis_info_parse((const char *)data + 1, size - 1, &info, &e) != 0) {
		must(e.code == ERR_PROTOCOL);
		return 0;
	}
	r.view = redis_view_new(&info);
	redis_view_judge(&r, &info, (enum check_role)(data[0] % 3), data[0],
	    (data[0] & 0x80) != 0 ? "sync" : NULL);
	must(r.text[0] != '\0' && str_is_utf8(r.text, strlen(r.text)));
	must(r.class < CHECK_CLASS_COUNT && r.number_count <= CHECK_NUMBERS_MAX);
	for (size_t i = 0; i < r.number_count; i++)
		must(isfinite(r.numbers[i].value));
	check_result_clear(&r);
	return 0;
}
