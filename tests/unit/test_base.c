/*
 * test_base.c: err, mem, clock, log and str. What a person reads (printable text, durations, error
 * sentences) is compared byte for byte, because nothing behind it would catch a slip.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

/* --- err ---------------------------------------------------------------------------------- */

static void
err_every_code_has_a_name(void **state)
{
	(void)state;
	for (int a = ERR_NONE; a <= ERR_CANCELED; a++) {
		assert_non_null(err_code_name((enum err_code)a));
		for (int b = ERR_NONE; b < a; b++)
			assert_string_not_equal(
			    err_code_name((enum err_code)a), err_code_name((enum err_code)b));
	}
	assert_string_equal(err_code_name(ERR_TIMEOUT), "timeout");
}

static void
err_set_then_wrap_reads_from_the_outside_in(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_set(&e, ERR_DENIED, "token %d refused", 7), -1);
	assert_int_equal(err_wrap(&e, "pair %s", "maindb"), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_string_equal(e.text, "pair maindb: token 7 refused");
	err_clear(&e);
	assert_int_equal(e.code, ERR_NONE);
	assert_string_equal(e.text, "");
}

static void
err_null_is_allowed_everywhere(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, ERR_IO, "x"), -1);
	assert_int_equal(err_errno(NULL, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
	err_clear(NULL);
}

static void
err_errno_tells_the_kinds_apart(void **state)
{
	static const struct {
		int no;
		enum err_code code;
	} cases[] = {
		{ EACCES, ERR_DENIED },
		{ EPERM, ERR_DENIED },
		{ EROFS, ERR_DENIED },
		{ ENOENT, ERR_NOT_FOUND },
		{ ETIMEDOUT, ERR_TIMEOUT },
		{ ECONNREFUSED, ERR_UNREACHABLE },
		{ EHOSTUNREACH, ERR_UNREACHABLE },
		{ ENETUNREACH, ERR_UNREACHABLE },
		{ ECONNRESET, ERR_UNREACHABLE },
		{ ENOSPC, ERR_IO },
		{ EIO, ERR_IO },
	};
	struct err e;
	char want[ERR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		errno = cases[i].no;
		assert_int_equal(err_errno(&e, "open %s", "/x"), -1);
		assert_int_equal(e.code, cases[i].code);
		snprintf(want, sizeof(want), "open /x: %s", strerror(cases[i].no));
		assert_string_equal(e.text, want);
	}
}

static void
err_long_text_is_cut_and_terminated(void **state)
{
	struct err e;
	char big[ERR_TEXT_MAX * 2];

	(void)state;
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e, ERR_IO, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	err_wrap(&e, "outer");
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(e.text, "outer: aaaa", 11);
	err_wrap(&e, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	errno = EIO;
	err_errno(&e, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
}

/* --- mem ---------------------------------------------------------------------------------- */

static void
mem_new_memory_is_zeroed(void **state)
{
	char *p = mem_alloc(64);
	int *q = mem_array(16, sizeof(*q));

	(void)state;
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(p[i], 0);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(q[i], 0);
	free(p);
	free(q);
}

static void
mem_nothing_is_still_a_pointer(void **state)
{
	void *p = mem_alloc(0), *q = mem_array(0, 8), *r = mem_grow(NULL, 0, 8);

	(void)state;
	assert_non_null(p);
	assert_non_null(q);
	assert_non_null(r);
	free(p);
	free(q);
	free(r);
}

static void
mem_strings_are_copies(void **state)
{
	char *a = mem_strdup("maindb"), *b = mem_strndup("maindb", 4),
	     *c = mem_printf("%s:%d", "x", 7);

	(void)state;
	assert_string_equal(a, "maindb");
	assert_string_equal(b, "main");
	assert_string_equal(c, "x:7");
	free(a);
	free(b);
	free(c);
}

static void
ask_for_more_than_there_is_array(void)
{
	volatile size_t count = SIZE_MAX / 2;

	free(mem_array(count, 16));
}

static void
ask_for_more_than_there_is_grow(void)
{
	volatile size_t count = SIZE_MAX / 2;

	free(mem_grow(NULL, count, 16));
}

/* What would overflow must end the program; a wrapped product would be a small, wrong block. */
static void
mem_overflow_does_not_survive(void **state)
{
	static void (*const asks[])(void) = {
		ask_for_more_than_there_is_array,
		ask_for_more_than_there_is_grow,
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(asks); i++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			signal(SIGABRT, SIG_DFL);
			if (freopen("/dev/null", "w", stderr) == NULL)
				_exit(0);
			asks[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

/* --- clock -------------------------------------------------------------------------------- */

static void
clock_iso_is_utc(void **state)
{
	char out[CLOCK_ISO_SIZE];

	(void)state;
	setenv("TZ", "Pacific/Auckland", 1);
	assert_string_equal(clock_iso(out, 0), "1970-01-01T00:00:00Z");
	assert_string_equal(clock_iso(out, 1795300624), "2026-11-21T22:37:04Z");
	assert_string_equal(clock_iso(out, 951827696), "2000-02-29T12:34:56Z");
	unsetenv("TZ");
}

static void
clock_fake_replaces_the_monotonic_clock_only(void **state)
{
	int64_t wall = clock_wall_s(), before = clock_mono_us();

	(void)state;
	assert_true(wall > 1600000000);
	clock_fake_set(0);
	assert_int_equal(clock_mono_us(), 0);
	clock_fake_set(1234567);
	assert_int_equal(clock_mono_us(), 1234567);
	assert_int_equal(clock_mono_ms(), 1234);
	assert_true(clock_wall_s() >= wall);
	clock_fake_set(-1);
	assert_true(clock_mono_us() >= before);
}

/* --- log ---------------------------------------------------------------------------------- */

/* Runs the calls of a log test with standard error in a pipe; what came out lands in out. */
static void
capture_log(char *out, size_t size, void (*calls)(void))
{
	int fds[2], saved = dup(STDERR_FILENO);
	size_t len = 0;
	ssize_t n;

	assert_true(saved >= 0);
	assert_int_equal(pipe(fds), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	close(fds[1]);
	calls();
	dup2(saved, STDERR_FILENO);
	close(saved);
	while ((n = read(fds[0], out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	out[len] = '\0';
}

static void
log_hostile_line(void)
{
	log_info("value %s", "db3\n<3>forged \x1b[31m");
}

static void
log_all_levels(void)
{
	log_error("e");
	log_warning("w");
	log_info("i");
	log_debug("d");
}

static void
log_a_line_stays_a_line(void **state)
{
	char out[512];

	(void)state;
	setenv("JOURNAL_STREAM", "8:1", 1);
	capture_log(out, sizeof(out), log_hostile_line);
	assert_string_equal(out, "<6>value db3\\x0a<3>forged \\x1b[31m\n");
	unsetenv("JOURNAL_STREAM");
	capture_log(out, sizeof(out), log_hostile_line);
	/* "2026-11-21T22:37:04Z info: " in front */
	assert_int_equal(strlen(out), 20 + strlen(" info: value db3\\x0a<3>forged \\x1b[31m\n"));
	assert_string_equal(out + 20, " info: value db3\\x0a<3>forged \\x1b[31m\n");
}

static void
log_levels_filter(void **state)
{
	char out[512];
	enum log_level level = LOG_LEVEL_INFO;

	(void)state;
	setenv("JOURNAL_STREAM", "8:1", 1);
	capture_log(out, sizeof(out), log_all_levels);
	assert_string_equal(out, "<3>e\n<4>w\n<6>i\n");
	log_set_level(LOG_LEVEL_ERROR);
	capture_log(out, sizeof(out), log_all_levels);
	assert_string_equal(out, "<3>e\n");
	log_set_level(LOG_LEVEL_DEBUG);
	capture_log(out, sizeof(out), log_all_levels);
	assert_string_equal(out, "<3>e\n<4>w\n<6>i\n<7>d\n");
	log_set_level(LOG_LEVEL_INFO);
	unsetenv("JOURNAL_STREAM");
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		assert_int_equal(log_level_parse(log_level_name((enum log_level)i), &level), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_level_parse("loud", &level), -1);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
}

/* --- str: the buffer ---------------------------------------------------------------------- */

static void
str_grows_and_stays_terminated(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	assert_string_equal(str_text(&s), "");
	for (int i = 0; i < 10000; i++) {
		str_addc(&s, (char)('a' + i % 26));
		assert_int_equal(s.data[s.len], '\0');
	}
	assert_int_equal(s.len, 10000);
	assert_true(s.cap < 4 * s.len);
	str_reset(&s);
	assert_int_equal(s.len, 0);
	assert_string_equal(str_text(&s), "");
	str_adds(&s, "again");
	assert_string_equal(s.data, "again");
	str_clear(&s);
	assert_null(s.data);
	assert_string_equal(str_text(&s), "");
}

static void
str_counts_nul_bytes(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	str_add(&s, "a\0b", 3);
	str_add(&s, NULL, 0);
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.data, "a\0b", 4);
	str_clear(&s);
}

static void
str_addf_of_any_length(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	str_addf(&s, "%s", "");
	assert_int_equal(s.len, 0);
	str_addf(&s, "%d-%s;", 7, "x");
	str_addf(&s, "%1000d", 1);
	assert_int_equal(s.len, 4 + 1000);
	assert_memory_equal(s.data, "7-x;    ", 8);
	assert_int_equal(s.data[s.len - 1], '1');
	str_clear(&s);
}

static void
str_take_hands_over(void **state)
{
	struct str s = STR_INIT;
	char *p;

	(void)state;
	p = str_take(&s);
	assert_string_equal(p, "");
	free(p);
	str_adds(&s, "mine");
	p = str_take(&s);
	assert_null(s.data);
	assert_int_equal(s.len, 0);
	assert_string_equal(p, "mine");
	free(p);
}

/* --- str: what a person sees -------------------------------------------------------------- */

/* Bytes with their length, so that a case may hold a NUL. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static void
printable_lets_nothing_through(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{ BYTES(""), "" },
		{ BYTES("maindb ~"), "maindb ~" },
		{ BYTES("a\nb\rc\td"), "a\\x0ab\\x0dc\\x09d" },
		{ BYTES("\0\x1f\x7f"), "\\x00\\x1f\\x7f" },
		{ BYTES("\x1b[2J\x1b]0;x\a"), "\\x1b[2J\\x1b]0;x\\x07" },
		{ BYTES("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\x82"),
		    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\x82" },
		{ BYTES("\xe2\x80\xa6"), "\xe2\x80\xa6" },   /* ... of three dots in one */
		{ BYTES("\xe2\x80\x93"), "\xe2\x80\x93" },   /* en dash */
		{ BYTES("\xc2\x9b[31m"), "\\xc2\\x9b[31m" }, /* C1: CSI */
		{ BYTES("\xc2\xa0"), "\xc2\xa0" },           /* no-break space */
		{ BYTES("\xe2\x80\xae"
			"cod"),
		    "\\xe2\\x80\\xaecod" }, /* right-to-left override */
		{ BYTES("\xe2\x80\x8e\xe2\x80\x8f"), "\\xe2\\x80\\x8e\\xe2\\x80\\x8f" },
		{ BYTES("\xe2\x80\x8b"), "\\xe2\\x80\\x8b" }, /* zero width space */
		{ BYTES("\xe2\x81\xa6\xe2\x81\xa9"), "\\xe2\\x81\\xa6\\xe2\\x81\\xa9" },
		{ BYTES("\xe2\x80\xa8\xe2\x80\xa9"),
		    "\\xe2\\x80\\xa8\\xe2\\x80\\xa9" },       /* line, paragraph */
		{ BYTES("\xd8\x9c"), "\\xd8\\x9c" },          /* Arabic letter mark */
		{ BYTES("\xef\xbb\xbf"), "\\xef\\xbb\\xbf" }, /* byte order mark */
		{ BYTES("\x80\xff\xc3"), "\\x80\\xff\\xc3" }, /* not UTF-8 */
		{ BYTES("\xc0\x80\xe0\x80\xaf"), "\\xc0\\x80\\xe0\\x80\\xaf" }, /* overlong */
		{ BYTES("\xed\xa0\x80"), "\\xed\\xa0\\x80" },                   /* a surrogate */
		{ BYTES("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80" }, /* beyond U+10FFFF */
		{ BYTES("\xe2\x82"), "\\xe2\\x82" },                   /* cut short */
		{ BYTES("\xc3\x28"), "\\xc3(" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct str s = STR_INIT;

		str_add_printable(&s, cases[i].in, cases[i].len, 1000);
		assert_string_equal(str_text(&s), cases[i].out);
		str_clear(&s);
	}
}

/* All single bytes and all pairs: whatever comes in, what goes out is UTF-8 without controls. */
static void
printable_output_is_always_clean(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	for (unsigned v = 0; v < 0x10000; v++) {
		const unsigned char in[2] = { (unsigned char)(v >> 8), (unsigned char)v };

		str_reset(&s);
		str_add_printable(&s, in, 2, 2);
		assert_true(str_is_utf8(s.data, s.len));
		for (size_t i = 0; i < s.len; i++)
			assert_true((unsigned char)s.data[i] >= 0x20 && s.data[i] != 0x7f);
		assert_int_equal(strlen(s.data), s.len);
	}
	str_clear(&s);
}

static void
printable_is_cut_at_the_maximum(void **state)
{
	struct str s = STR_INIT;
	char small[8];

	(void)state;
	str_add_printable(&s, "abcdef", 6, 6);
	assert_string_equal(s.data, "abcdef");
	str_reset(&s);
	str_add_printable(&s, "abcdef", 6, 5);
	assert_string_equal(s.data, "abcde...");
	str_reset(&s);
	/* A sequence that the maximum cuts is shown as bytes, not half. */
	str_add_printable(&s, "ab\xc3\xa9", 4, 3);
	assert_string_equal(s.data, "ab\\xc3...");
	str_clear(&s);
	assert_string_equal(str_printable(small, sizeof(small), "0123456789", 10), "0123456");
}

static void
utf8_is_judged_whole(void **state)
{
	(void)state;
	assert_true(str_is_utf8("", 0));
	assert_true(str_is_utf8(BYTES("a\0b")));
	assert_true(str_is_utf8(BYTES("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf")));
	assert_false(str_is_utf8(BYTES("ok\xff")));
	assert_false(str_is_utf8(BYTES("\xed\xa0\x80")));
	assert_false(str_is_utf8(BYTES("\xc1\xbf")));
	assert_false(str_is_utf8(BYTES("\xf0\x8f\xbf\xbf")));
	assert_false(str_is_utf8(BYTES("\xf5\x80\x80\x80")));
	assert_false(str_is_utf8(BYTES("\xe2\x82")));
}

/* --- str: base64 -------------------------------------------------------------------------- */

static void
base64_of_the_rfc(void **state)
{
	/* RFC 4648, section 10 */
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(pairs); i++) {
		struct str s = STR_INIT;

		str_add_base64(&s, pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(str_text(&s), pairs[i][1]);
		str_clear(&s);
		assert_int_equal(str_add_base64_decoded(&s, pairs[i][1], strlen(pairs[i][1])), 0);
		assert_string_equal(str_text(&s), pairs[i][0]);
		str_clear(&s);
	}
}

static void
base64_there_and_back_for_every_length(void **state)
{
	unsigned char in[256];
	struct str text = STR_INIT, back = STR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)(i * 167 + 13);
	for (size_t len = 0; len <= sizeof(in); len++) {
		str_reset(&text);
		str_reset(&back);
		str_adds(&back, "kept:");
		str_add_base64(&text, in, len);
		assert_int_equal(str_add_base64_decoded(&back, str_text(&text), text.len), 0);
		assert_int_equal(back.len, 5 + len);
		assert_memory_equal(back.data, "kept:", 5);
		assert_memory_equal(back.data + 5, in, len);
	}
	str_clear(&text);
	str_clear(&back);
}

static void
base64_malformed_is_refused_and_adds_nothing(void **state)
{
	static const struct {
		const char *in;
		size_t len;
	} cases[] = {
		{ BYTES("Z") },
		{ BYTES("Zg") },
		{ BYTES("Zg=") },
		{ BYTES("Zm9v\n") },
		{ BYTES("Zm 9") },
		{ BYTES("Zm9v\n\n\n\n") },
		{ BYTES("====") },
		{ BYTES("Z===") },
		{ BYTES("Zg==Zg==") },
		{ BYTES("Zg=A") },
		{ BYTES("=Zg=") },
		{ BYTES("Zm9-") },
		{ BYTES("Zm9_") },
		{ BYTES("Zm9\0") },
		{ BYTES("\xff\xff\xff\xff") },
		{ BYTES("Zm9vZm9") },
	};

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		struct str s = STR_INIT;

		str_adds(&s, "kept");
		assert_int_equal(str_add_base64_decoded(&s, cases[i].in, cases[i].len), -1);
		assert_string_equal(s.data, "kept");
		assert_int_equal(s.len, 4);
		str_clear(&s);
		assert_int_equal(str_add_base64_decoded(&s, cases[i].in, cases[i].len), -1);
		assert_string_equal(str_text(&s), "");
		str_clear(&s);
	}
}

/* --- str: numbers with units -------------------------------------------------------------- */

static void
parse_u64_takes_whole_decimal_numbers(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "-1", "+1", "0x10", "1.0", "1e3", "a",
		"18446744073709551616", "99999999999999999999999" };
	uint64_t v = 1;

	(void)state;
	assert_int_equal(str_parse_u64("0", &v), 0);
	assert_true(v == 0);
	assert_int_equal(str_parse_u64("007", &v), 0);
	assert_true(v == 7);
	assert_int_equal(str_parse_u64("18446744073709551615", &v), 0);
	assert_true(v == UINT64_MAX);
	for (size_t i = 0; i < MEM_COUNT(bad); i++) {
		v = 42;
		assert_int_equal(str_parse_u64(bad[i], &v), -1);
		assert_true(v == 42);
	}
}

static void
parse_duration_needs_a_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "250ms", 250 },
		{ "2s", 2000 },
		{ "1.5s", 1500 },
		{ "0.25s", 250 },
		{ "10m", 600000 },
		{ "1h", 3600000 },
		{ "2d", 172800000 },
		{ "366d", 31622400000 },
	};
	static const char *const bad[] = { "", "5", "s", "ms", "-1s", "+1s", " 1s", "1 s", "1s ",
		"1S", "1sec", "1e3s", "1E3s", "0x10s", "1.2.3s", "1..5s", "nan", "inf", "infs",
		".5s", "367d", "99999999999999999999d", "1s2m", "1p4s" };
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(good); i++) {
		ms = -1;
		assert_int_equal(str_parse_duration(good[i].text, &ms), 0);
		assert_true(ms == good[i].ms);
	}
	for (size_t i = 0; i < MEM_COUNT(bad); i++) {
		ms = 42;
		if (str_parse_duration(bad[i], &ms) != -1)
			fail_msg("\"%s\" was taken as %lld ms", bad[i], (long long)ms);
		assert_true(ms == 42);
	}
}

static void
parse_share_is_between_nothing_and_all(void **state)
{
	static const char *const bad[] = { "", "%", "-1%", "101%", "1.01", "20 %", "20%%", "a",
		"1e-1", "1E-1", "0x1", "nan", "20percent" };
	double v;

	(void)state;
	assert_int_equal(str_parse_share("20%", &v), 0);
	assert_true(v > 0.1999 && v < 0.2001);
	assert_int_equal(str_parse_share("0.2", &v), 0);
	assert_true(v > 0.1999 && v < 0.2001);
	assert_int_equal(str_parse_share("0", &v), 0);
	assert_true(v <= 0);
	assert_int_equal(str_parse_share("100%", &v), 0);
	assert_true(v >= 1);
	assert_int_equal(str_parse_share("1", &v), 0);
	assert_true(v >= 1);
	for (size_t i = 0; i < MEM_COUNT(bad); i++) {
		v = 0.5;
		if (str_parse_share(bad[i], &v) != -1)
			fail_msg("\"%s\" was taken as %f", bad[i], v);
		assert_true(v > 0.4999 && v < 0.5001);
	}
}

static void
durations_read_well_at_every_size(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "0ms" },
		{ 3, "3ms" },
		{ 99, "99ms" },
		{ 100, "0.10s" },
		{ 250, "0.25s" },
		{ 9990, "9.99s" },
		{ 9999, "9.99s" },
		{ 10000, "10s" },
		{ 59999, "59s" },
		{ 60000, "1m00s" },
		{ 252000, "4m12s" },
		{ 3599999, "59m59s" },
		{ 3600000, "1h00m" },
		{ 21780000, "6h03m" },
		{ 172799999, "47h59m" },
		{ 172800000, "2d" },
		{ 3542400000, "41d" },
		{ 315360000000, "3650d" },
	};
	char out[16];

	(void)state;
	for (size_t i = 0; i < MEM_COUNT(cases); i++) {
		assert_string_equal(str_duration(out, sizeof(out), cases[i].ms), cases[i].text);
		assert_true(strlen(out) <= 8);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_every_code_has_a_name),
		cmocka_unit_test(err_set_then_wrap_reads_from_the_outside_in),
		cmocka_unit_test(err_null_is_allowed_everywhere),
		cmocka_unit_test(err_errno_tells_the_kinds_apart),
		cmocka_unit_test(err_long_text_is_cut_and_terminated),
		cmocka_unit_test(mem_new_memory_is_zeroed),
		cmocka_unit_test(mem_nothing_is_still_a_pointer),
		cmocka_unit_test(mem_strings_are_copies),
		cmocka_unit_test(mem_overflow_does_not_survive),
		cmocka_unit_test(clock_iso_is_utc),
		cmocka_unit_test(clock_fake_replaces_the_monotonic_clock_only),
		cmocka_unit_test(log_a_line_stays_a_line),
		cmocka_unit_test(log_levels_filter),
		cmocka_unit_test(str_grows_and_stays_terminated),
		cmocka_unit_test(str_counts_nul_bytes),
		cmocka_unit_test(str_addf_of_any_length),
		cmocka_unit_test(str_take_hands_over),
		cmocka_unit_test(printable_lets_nothing_through),
		cmocka_unit_test(printable_output_is_always_clean),
		cmocka_unit_test(printable_is_cut_at_the_maximum),
		cmocka_unit_test(utf8_is_judged_whole),
		cmocka_unit_test(base64_of_the_rfc),
		cmocka_unit_test(base64_there_and_back_for_every_length),
		cmocka_unit_test(base64_malformed_is_refused_and_adds_nothing),
		cmocka_unit_test(parse_u64_takes_whole_decimal_numbers),
		cmocka_unit_test(parse_duration_needs_a_unit),
		cmocka_unit_test(parse_share_is_between_nothing_and_all),
		cmocka_unit_test(durations_read_well_at_every_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
