/*
 * check_probe.h: runs a type of check once on 127.0.0.1 and keeps what it found.
 */
#ifndef TESTS_UNIT_CHECK_PROBE_H
#define TESTS_UNIT_CHECK_PROBE_H

#include "io_test.h"

#include "feature/check_type.h"

#define PROBE_AMPLE_MS 20000 /* of what does not depend on it: no busy machine makes it fail */
#define PROBE_LATE_MS 5000   /* beyond a limit, on a busy machine and under valgrind */

struct probe_got {
	int done;
	struct check_result result;
};

static inline void
probe_done(struct check_result *r, void *arg)
{
	struct probe_got *got = arg;

	got->done++;
	check_result_clear(&got->result);
	got->result = *r;
	r->view = NULL;
}

static inline struct endpoint
probe_endpoint(int port)
{
	struct endpoint out;
	char text[32];

	snprintf(text, sizeof(text), "127.0.0.1:%d", port);
	assert_int_equal(0, endpoint_parse(text, -1, &out));
	return out;
}

/* Once more on a probe that is open. The result is got's: clear it. */
static inline void
probe_again(struct loop *l, const struct check_type *type, void *probe, int port,
    enum check_role role, int64_t limit_ms, struct probe_got *got)
{
	const struct endpoint to = probe_endpoint(port);
	const struct check_run run = { .endpoint = &to, .role = role, .limit_ms = limit_ms };

	got->done = 0;
	type->start(probe, &run, probe_done, got);
	assert_int_equal(0, got->done); /* never inside start */
	assert_true(io_test_wait(l, &got->done, 1, limit_ms + PROBE_AMPLE_MS));
	assert_true(got->result.took_us / 1000 <= limit_ms + PROBE_LATE_MS);
	assert_true(got->result.text[0] != '\0');
}

static inline struct check_result
probe_once(
    struct loop *l, const struct check_spec *spec, int port, enum check_role role, int64_t limit_ms)
{
	const struct check_type *type = check_type_find(spec->type);
	struct probe_got got = { 0 };
	void *probe = type->open(l, spec);

	probe_again(l, type, probe, port, role, limit_ms, &got);
	type->close(probe);
	io_test_idle(l, 5);
	assert_int_equal(1, got.done);
	return got.result;
}

static inline double
probe_number(const struct check_result *r, const char *label)
{
	for (size_t i = 0; i < r->number_count; i++) {
		if (strcmp(r->numbers[i].label, label) == 0)
			return r->numbers[i].value;
	}
	fail_msg("no number %s", label);
	return 0;
}

#define assert_found(r, want, words) \
	do { \
		if ((r)->class != (want) || strstr((r)->text, (words)) == NULL) \
			fail_msg("%s: %s", check_class_name((r)->class), (r)->text); \
	} while (0)

#endif
