/*
 * checker.h: runs the checks of a vantage, each at its own pace, and keeps what is known of them. It
 * informs; what that means for pairs, the KV and people is decided by others.
 */
#ifndef FEATURE_CHECKER_H
#define FEATURE_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feature/check_history.h"
#include "feature/check_type.h"
#include "feature/lateness.h"
#include "model/check.h"
#include "model/debounce.h"
#include "model/name_map.h"
#include "model/vantage.h"

struct loop;
struct checker;

/* One check and what is known of it. Only checker*.c writes here. */
struct check {
	struct check_spec spec; /* a copy: it outlives a reload */
	const struct check_type *type;
	struct debounce debounce;
	int64_t since_wall_ms; /* of the state */
	bool is_known;         /* a result was believed since the start */
	/* What the state stands on: the last result while passing, else the last bad one. */
	enum check_class class;
	char text[CHECK_TEXT_SIZE];
	/* Of the last run that was believed. */
	int64_t took_us;
	struct check_number *numbers;
	size_t number_count;
	struct endpoint endpoint; /* where it looked; len 0: nowhere yet */
	enum check_role role;     /* that it looked for */
	/* What a database server last said of itself. */
	struct server_view *view; /* NULL: never */
	bool is_view_fresh;       /* by the last run */
	struct vantage_target doubt;
	struct check_history history;
};

struct checker_env {
	/* Where names and nodes are; NULL: not known yet. */
	const struct name_map *(*map)(void *arg);
	/* What the check's server must be at this moment. */
	enum check_role (*role)(const struct check *check, void *arg);
	bool (*is_consul_silent)(void *arg);
	bool (*is_gateway_silent)(void *arg); /* asked several times a second */
	/* A result was believed, or earlier ones are not any more. is_changed: state, level or class. */
	void (*ran)(
	    const struct check *check, enum debounce_event event, bool is_changed, void *arg);
	/* Sight or score changed; before is the sight until now. */
	void (*sighted)(enum vantage_sight before, void *arg);
	void *arg;
};

struct checker *checker_new(struct loop *l);
void checker_free(struct checker *c);

/*
 * These checks from now on: those that were there, with the same spec, go on as if nothing had
 * happened, their connections included. The specs are copied; their types exist.
 */
void checker_load(
    struct checker *c, const struct checker_env *env, const struct check_spec *specs, size_t count);

size_t checker_count(const struct checker *c);
const struct check *checker_at(const struct checker *c, size_t i); /* in the order of the specs */
const struct check *checker_find(const struct checker *c, const char *name); /* or NULL */

const struct vantage *checker_vantage(const struct checker *c);
const struct lateness *checker_lateness(const struct checker *c);
size_t checker_running(const struct checker *c);
size_t checker_queued(const struct checker *c);

#endif
