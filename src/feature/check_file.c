/*
 * check_file.c: the age or the size of a file: a heartbeat that some daemon touches, a dump that must
 * have been written last night, a queue on a disk. That it is there is asked in any case. io/file_stat.h
 * never waits, so that a file on a network disk whose server is gone times out like everything else.
 *
 * A file from the future has a negative age, which every usual range ("600" is 0 to 600) catches: a
 * heartbeat whose clock is wrong is no proof of life.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/check_type.h"
#include "io/file_stat.h"
#include "io/loop.h"

struct file_probe {
	struct loop *loop;
	const struct check_spec *spec;
	struct file_stat *stat; /* NULL: not running */
	check_done_fn *done;
	void *arg;
};

/* What an error of stat(2) is here; all others are unknown: nothing was learned about the file. */
static const struct {
	enum err_code code;
	enum check_class class;
} classes[] = {
	{ ERR_NOT_FOUND, CHECK_MISSING },
	{ ERR_TIMEOUT, CHECK_TIMEOUT },
};

static int
file_validate(const struct check_spec *s, struct err *e)
{
	if (s->path == NULL)
		return err_set(e, ERR_CONFIG, "path is missing: the file");
	return 0;
}

static void *
file_open(struct loop *l, const struct check_spec *s)
{
	struct file_probe *p = mem_alloc(sizeof(*p));

	p->loop = l;
	p->spec = s;
	return p;
}

static enum check_class
class_of_value(const struct check_spec *s, double value)
{
	if (range_catches(&s->critical, value))
		return CHECK_VALUE;
	return range_catches(&s->warning, value) ? CHECK_WARNING : CHECK_OK;
}

static enum check_class
class_of_error(const struct err *e)
{
	for (size_t i = 0; i < MEM_COUNT(classes); i++) {
		if (classes[i].code == e->code)
			return classes[i].class;
	}
	return CHECK_UNKNOWN;
}

static void
judge_size(const struct check_spec *s, const struct file_stat_result *r, struct check_result *out)
{
	double size = (double)r->size;

	check_result_set(
	    out, class_of_value(s, size), "%s has %lld bytes", s->path, (long long)r->size);
	check_result_number(out, "size", size, "B", &s->warning, &s->critical);
}

static void
judge_age(const struct check_spec *s, const struct file_stat_result *r, struct check_result *out)
{
	double age = (double)clock_wall_ms() / 1000 - r->mtime;
	char shown[16];

	/* Some filesystems round up, and times are taken at the clock's last tick, 4 ms at most. */
	if (age < 0 && age > -0.01)
		age = 0;
	str_duration(shown, sizeof(shown), (int64_t)((age < 0 ? -age : age) * 1000));
	check_result_set(out, class_of_value(s, age), "%s is %s %s", s->path, shown,
	    age < 0 ? "from the future" : "old");
	check_result_number(out, "age", age, "s", &s->warning, &s->critical);
	check_result_number(out, "size", (double)r->size, "B", NULL, NULL);
}

static void
stat_done(const struct file_stat_result *r, void *arg)
{
	struct file_probe *p = arg;
	const struct check_spec *s = p->spec;
	struct check_result result = { .took_us = r->took_us };

	p->stat = NULL;
	if (r->err.code != ERR_NONE)
		check_result_set(&result, class_of_error(&r->err), "%s", r->err.text);
	else if (s->measure != NULL && strcmp(s->measure, "size") == 0)
		judge_size(s, r, &result);
	else
		judge_age(s, r, &result);
	p->done(&result, p->arg);
	check_result_clear(&result);
}

static void
file_start(void *probe, const struct check_run *run, check_done_fn *done, void *arg)
{
	struct file_probe *p = probe;

	p->done = done;
	p->arg = arg;
	p->stat = file_stat_start(p->loop, p->spec->path, run->limit_ms, stat_done, p);
}

static void
file_close(void *probe)
{
	struct file_probe *p = probe;

	if (p == NULL)
		return;
	file_stat_cancel(p->stat);
	loop_defer_free(p->loop, p);
}

const struct check_type check_type_file = {
	.name = "file",
	.validate = file_validate,
	.open = file_open,
	.start = file_start,
	.close = file_close,
};
