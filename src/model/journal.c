/*
 * journal.c: the document of an operation, both ways.
 *
 * Reading is strict where an operation is resumed by it: who would guess a direction or a step's state
 * might undo what was never done. So what is missing, of another type, too long or none of our words
 * makes the whole document none of ours; only members that we do not know are passed over, so that an
 * older pointsman can show what a newer one wrote.
 *
 * All text is made printable and cut when it is set, not when it is shown: what was read back is then
 * byte for byte what was noted, and a step may rely on its facts after a crash as before it. Times are
 * milliseconds of the wall clock (at_ms); "at" is the same for people and is not read when at_ms is there.
 */
#include "model/journal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

/* Bytes: four times what an error text holds. Facts hold sets of GTIDs, which are long. */
#define TEXT_MAX 1024
#define NAME_MAX_LEN 64 /* of steps and facts: words of ours */
#define FACT_MAX 16384
#define FACTS_MAX 64

/* The end of the year 9999, as in clock_iso_parse(). */
#define WALL_MS_MAX INT64_C(253402300799999)
/* A hundred years: no operation and no step takes longer. */
#define DURATION_MS_MAX 3.2e12

/* --- ids -------------------------------------------------------------------------------------------- */

#define ID_DIGITS (OP_ID_SIZE - 1)

/* Crockford's: no I, L, O, U, which are misread or swear; in the order of ASCII, so that ids sort. */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

char *
op_id_make(char out[OP_ID_SIZE], int64_t wall_ms)
{
	uint64_t rest = wall_ms > 0 ? (uint64_t)wall_ms : 0;

	for (size_t i = ID_DIGITS; i > 0; i--) {
		out[i - 1] = digits[rest & 31];
		rest >>= 5;
	}
	out[ID_DIGITS] = '\0';
	return out;
}

int
op_id_parse(const char *text, char out[OP_ID_SIZE])
{
	char id[OP_ID_SIZE] = "";

	if (strnlen(text, OP_ID_SIZE) != ID_DIGITS)
		return -1;
	for (size_t i = 0; i < ID_DIGITS; i++) {
		char c = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 'a' + 'A') : text[i];

		if (strchr(digits, c) == NULL)
			return -1;
		id[i] = c;
	}
	memcpy(out, id, OP_ID_SIZE);
	return 0;
}

int64_t
op_id_ms(const char *id)
{
	char upper[OP_ID_SIZE];
	int64_t ms = 0;

	if (op_id_parse(id, upper) != 0)
		return 0;
	for (size_t i = 0; i < ID_DIGITS; i++)
		ms = ms << 5 | (strchr(digits, upper[i]) - digits);
	return ms;
}

/* --- words ------------------------------------------------------------------------------------------ */

static const char *const result_names[] = {
	[OP_RUNNING] = "running",
	[OP_DONE] = "done",
	[OP_UNDONE] = "undone",
	[OP_FAILED] = "failed",
	[OP_INTERRUPTED] = "interrupted",
	[OP_OUTSIDE] = "outside",
};

static const char *const state_names[] = {
	[STEP_WAITING] = "waiting",
	[STEP_BEGUN] = "begun",
	[STEP_DONE] = "done",
	[STEP_SKIPPED] = "skipped",
	[STEP_FAILED] = "failed",
	[STEP_UNDONE] = "undone",
};

static const char *const directions[] = { "forward", "back" };

const char *
op_result_name(enum op_result r)
{
	return result_names[r];
}

const char *
step_state_name(enum step_state s)
{
	return state_names[s];
}

/* --- making one ------------------------------------------------------------------------------------- */

/* Printable and at most so many bytes, cut at the end of a character; the same again stays the same. */
static char *
fit(const char *text, size_t max)
{
	struct str s = STR_INIT;
	char *out;

	/* Four more, so that the character at the cut is seen whole. */
	str_add_printable(&s, text, strnlen(text, max + 4), max + 4);
	if (s.len <= max)
		return str_take(&s);
	while (max > 0 && ((unsigned char)s.data[max] & 0xc0) == 0x80)
		max--;
	out = mem_strndup(s.data, max);
	str_clear(&s);
	return out;
}

/* The owned strings of a journal, in the order of the document. */
static const struct {
	const char *key;
	size_t offset;
	bool is_null_when_empty; /* for people's jq: no error is null */
	bool is_needed;
} texts[] = {
	{ "kind", offsetof(struct journal, kind), false, true },
	{ "pair_kind", offsetof(struct journal, pair_kind), false, false },
	{ "pair", offsetof(struct journal, pair), false, false },
	{ "name", offsetof(struct journal, name), false, false },
	{ "from", offsetof(struct journal, from), false, false },
	{ "to", offsetof(struct journal, to), false, false },
	{ "by", offsetof(struct journal, by), false, false },
	{ "host", offsetof(struct journal, host), false, false },
	{ "plan", offsetof(struct journal, plan), false, false },
	{ "session", offsetof(struct journal, session), false, false },
	{ "error", offsetof(struct journal, error), true, false },
	{ "approved_by", offsetof(struct journal, approved_by), true, false },
};

static char **
text_at(const struct journal *j, size_t i)
{
	return (char **)((char *)(uintptr_t)j + texts[i].offset);
}

struct journal *
journal_new(void)
{
	struct journal *j = mem_alloc(sizeof(*j));

	for (size_t i = 0; i < MEM_COUNT(texts); i++)
		*text_at(j, i) = mem_strdup("");
	j->refused_ms = NAN;
	j->felt_ms = NAN;
	j->facts = json_object();
	return j;
}

void
journal_free(struct journal *j)
{
	if (j == NULL)
		return;
	for (size_t i = 0; i < MEM_COUNT(texts); i++)
		free(*text_at(j, i));
	journal_clear_steps(j);
	json_decref(j->facts);
	free(j);
}

void
journal_clear_steps(struct journal *j)
{
	for (size_t i = 0; i < j->step_count; i++) {
		free(j->steps[i].name);
		free(j->steps[i].note);
	}
	free(j->steps);
	j->steps = NULL;
	j->step_count = 0;
}

void
journal_set(char **field, const char *text)
{
	char *old = *field; /* text may lie in it */

	*field = fit(text, TEXT_MAX);
	free(old);
}

struct journal_step *
journal_add_step(struct journal *j, const char *name)
{
	struct journal_step *s;

	j->steps = mem_grow(j->steps, j->step_count + 1, sizeof(*j->steps));
	s = &j->steps[j->step_count++];
	*s = (struct journal_step){
		.name = fit(name, NAME_MAX_LEN),
		.state = STEP_WAITING,
		.at_ms = NAN,
		.took_ms = NAN,
		.note = mem_strdup(""),
	};
	return s;
}

struct journal_step *
journal_find(const struct journal *j, const char *name)
{
	for (size_t i = 0; i < j->step_count; i++) {
		if (strcmp(j->steps[i].name, name) == 0)
			return &j->steps[i];
	}
	return NULL;
}

void
journal_note(struct journal *j, const char *fact, const char *text)
{
	char *key = fit(fact, NAME_MAX_LEN), *value = fit(text, FACT_MAX);

	json_object_set_new(j->facts, key, json_text(value));
	free(key);
	free(value);
}

const char *
journal_fact(const struct journal *j, const char *fact)
{
	return json_get_string(j->facts, fact, "");
}

/* --- writing ---------------------------------------------------------------------------------------- */

static json_t *
steps_to_json(const struct journal *j)
{
	json_t *list = json_array();

	for (size_t i = 0; i < j->step_count; i++) {
		const struct journal_step *s = &j->steps[i];

		json_array_append_new(
		    list, json_pack("{s:o, s:s, s:o, s:o, s:o}", "name", json_text(s->name),
			      "state", state_names[s->state], "at_ms", json_number(s->at_ms),
			      "took_ms", json_number(s->took_ms), "note", json_text(s->note)));
	}
	return list;
}

static void
set_texts(const struct journal *j, json_t *object)
{
	for (size_t i = 0; i < MEM_COUNT(texts); i++) {
		const char *text = *text_at(j, i);

		json_object_set_new(object, texts[i].key,
		    texts[i].is_null_when_empty && text[0] == '\0' ? json_null() : json_text(text));
	}
}

void
journal_see_later(struct journal_later *out, const struct journal *j, const struct journal *other)
{
	bool is_done = other->result == OP_DONE;

	/* What was undone, or only rehearsed, left everything as it was. */
	if (strcmp(other->pair, j->pair) != 0 || strcmp(other->id, j->id) <= 0 ||
	    other->result == OP_UNDONE ||
	    (strcmp(other->kind, "rehearse") == 0 && strcmp(j->kind, "rehearse") != 0))
		return;
	if (is_done < out->is_done || (is_done == out->is_done && strcmp(other->id, out->id) <= 0))
		return;
	memcpy(out->id, other->id, sizeof(out->id));
	out->is_done = is_done;
}

json_t *
journal_to_json(const struct journal *j)
{
	json_t *object = json_object();

	json_object_set_new(object, "id", json_text(j->id));
	set_texts(j, object);
	json_object_set_new(object, "pid", json_integer((json_int_t)j->pid));
	json_object_set_new(object, "at", json_time(j->at_wall_ms / 1000));
	json_object_set_new(object, "at_ms", json_integer((json_int_t)j->at_wall_ms));
	json_object_set_new(object, "result", json_string(result_names[j->result]));
	json_object_set_new(object, "direction", json_string(directions[j->is_back]));
	json_object_set_new(object, "refused_ms", json_number(j->refused_ms));
	json_object_set_new(object, "felt_ms", json_number(j->felt_ms));
	json_object_set_new(object, "facts", json_deep_copy(j->facts));
	json_object_set_new(object, "steps", steps_to_json(j));
	return object;
}

/* --- reading ---------------------------------------------------------------------------------------- */

/* What is being read; the first member that is wrong is the one that is named. */
struct reader {
	struct err *e;
	bool is_bad;
};

static void
refuse(struct reader *r, const char *key)
{
	if (!r->is_bad)
		err_set(r->e, ERR_PROTOCOL, "%s is missing, or is none of ours", key);
	r->is_bad = true;
}

/* Null and what is not there is empty. */
static char *
read_text(struct reader *r, const json_t *object, const char *key, bool is_needed, size_t max)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_is_string(value) ? json_string_value(value) : "";

	if ((value != NULL && !json_is_string(value) && !json_is_null(value)) ||
	    (is_needed && text[0] == '\0') || strlen(text) > max)
		refuse(r, key);
	return fit(text, max);
}

static int64_t
read_int(struct reader *r, const json_t *object, const char *key, int64_t max)
{
	const json_t *value = json_object_get(object, key);
	int64_t n = json_is_integer(value) ? json_integer_value(value) : 0;

	if ((value != NULL && !json_is_integer(value)) || n < 0 || n > max) {
		refuse(r, key);
		return 0;
	}
	return n;
}

/* Null and what is not there is NAN. */
static double
read_ms(struct reader *r, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	double ms = json_is_number(value) ? json_number_value(value) : NAN;

	if (value != NULL && !json_is_null(value) && !(ms >= 0 && ms <= DURATION_MS_MAX)) {
		refuse(r, key);
		return NAN;
	}
	return ms;
}

static int
read_word(
    struct reader *r, const json_t *object, const char *key, const char *const *words, int count)
{
	const char *text = json_get_string(object, key, "");

	for (int i = 0; i < count; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	refuse(r, key);
	return 0;
}

static int64_t
read_wall_ms(struct reader *r, const json_t *object)
{
	int64_t s = 0;

	if (json_object_get(object, "at_ms") != NULL)
		return read_int(r, object, "at_ms", WALL_MS_MAX);
	if (clock_iso_parse(json_get_string(object, "at", ""), &s) != 0)
		refuse(r, "at");
	return s * 1000;
}

static void
read_step(struct reader *r, struct journal *j, const json_t *object)
{
	char *name = read_text(r, object, "name", true, NAME_MAX_LEN);
	struct journal_step *s;

	if (!json_is_object(object) || journal_find(j, name) != NULL)
		refuse(r, "a step");
	s = journal_add_step(j, name);
	s->state =
	    (enum step_state)read_word(r, object, "state", state_names, MEM_COUNT(state_names));
	s->at_ms = read_ms(r, object, "at_ms");
	s->took_ms = read_ms(r, object, "took_ms");
	free(s->note);
	s->note = read_text(r, object, "note", false, TEXT_MAX);
	free(name);
}

static void
read_steps(struct reader *r, struct journal *j, const json_t *list)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > JOURNAL_STEPS_MAX) {
		refuse(r, "steps");
		return;
	}
	json_array_foreach (list, i, item)
		read_step(r, j, item);
}

static void
read_facts(struct reader *r, struct journal *j, json_t *object)
{
	const char *key;
	json_t *value;

	if (object == NULL)
		return;
	if (!json_is_object(object) || json_object_size(object) > FACTS_MAX) {
		refuse(r, "facts");
		return;
	}
	json_object_foreach (object, key, value) {
		if (!json_is_string(value) || json_string_length(value) > FACT_MAX)
			refuse(r, "a fact");
		else
			journal_note(j, key, json_string_value(value));
	}
}

/* Of what is written OP_FAILED is the last: the others are conclusions of whoever reads it. */
static void
read_all(struct reader *r, struct journal *j, const json_t *object)
{
	if (op_id_parse(json_get_string(object, "id", ""), j->id) != 0)
		refuse(r, "id");
	for (size_t i = 0; i < MEM_COUNT(texts); i++) {
		free(*text_at(j, i));
		*text_at(j, i) = read_text(r, object, texts[i].key, texts[i].is_needed, TEXT_MAX);
	}
	j->pid = read_int(r, object, "pid", INT64_MAX);
	j->at_wall_ms = read_wall_ms(r, object);
	j->result = (enum op_result)read_word(r, object, "result", result_names, OP_FAILED + 1);
	j->is_back = read_word(r, object, "direction", directions, MEM_COUNT(directions)) == 1;
	j->refused_ms = read_ms(r, object, "refused_ms");
	j->felt_ms = read_ms(r, object, "felt_ms");
	read_facts(r, j, json_object_get(object, "facts"));
	read_steps(r, j, json_object_get(object, "steps"));
}

struct journal *
journal_parse(const void *text, size_t len, struct err *e)
{
	struct reader r = { .e = e };
	struct journal *j;
	json_t *object;

	if (len > JOURNAL_MAX) {
		err_set(e, ERR_LIMIT, "a document of %zu bytes", len);
		return NULL;
	}
	if ((object = json_parse(text, len, "the journal", e)) == NULL)
		return NULL;
	j = journal_new();
	if (json_is_object(object))
		read_all(&r, j, object);
	else
		refuse(&r, "the object");
	json_decref(object);
	if (!r.is_bad)
		return j;
	journal_free(j);
	return NULL;
}
