/*
 * perfdata.c: the output of plugins, as the Nagios plugin guidelines have it:
 *
 *	TEXT | perfdata			the first line, all that most plugins print
 *	long output …			skipped
 *	last of it | perfdata		from the first '|' here on all that follows is perfdata
 *	perfdata …
 *
 * One item of perfdata that cannot be read takes only itself away: half a plugin's numbers are better
 * than none, and its exit code is what counts. Units are not converted to seconds or bytes: the
 * thresholds beside a value are in the same unit, and whether KB is 1,000 or 1,024 only its author
 * knows.
 */
#include "model/perfdata.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE 40 /* digits, exponent and all; a double has 17 */

/* A part of the output; text is not NUL-terminated. */
struct piece {
	const char *text;
	size_t len;
};

/* Takes what is before the first such character off *rest, and the character with it. */
static struct piece
take_until(struct piece *rest, char end)
{
	const char *at = memchr(rest->text, end, rest->len);
	struct piece taken = { rest->text, at == NULL ? rest->len : (size_t)(at - rest->text) };
	size_t skip = at == NULL ? rest->len : taken.len + 1;

	rest->text += skip;
	rest->len -= skip;
	return taken;
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static struct piece
trim(struct piece p)
{
	while (p.len > 0 && is_blank(p.text[0])) {
		p.text++;
		p.len--;
	}
	while (p.len > 0 && is_blank(p.text[p.len - 1]))
		p.len--;
	return p;
}

static void
skip_item(struct piece *rest)
{
	while (rest->len > 0 && !is_blank(rest->text[0])) {
		rest->text++;
		rest->len--;
	}
}

/* In quotes '' is one quote; '=' and '|' are not allowed in any label, and become '_'. */
static void
add_label(struct str *label, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		str_addc(label, text[i] == '=' || text[i] == '|' ? '_' : text[i]);
}

static int
read_quoted(struct piece *rest, struct str *label)
{
	do {
		struct piece part;

		rest->text++; /* the quote */
		rest->len--;
		if (memchr(rest->text, '\'', rest->len) == NULL)
			return -1;
		if (label->len > 0)
			str_addc(label, '\'');
		part = take_until(rest, '\'');
		add_label(label, part.text, part.len);
	} while (rest->len > 0 && rest->text[0] == '\'');
	return 0;
}

/* Up to and with its '='. */
static int
read_label(struct piece *rest, struct str *label)
{
	size_t len = 0;

	if (rest->text[0] == '\'') {
		if (read_quoted(rest, label) != 0 || rest->len == 0 || rest->text[0] != '=')
			return -1;
	} else {
		while (len < rest->len && rest->text[len] != '=' && !is_blank(rest->text[len]))
			len++;
		if (len == rest->len || rest->text[len] != '=')
			return -1;
		add_label(label, rest->text, len);
		rest->text += len;
		rest->len -= len;
	}
	rest->text++;
	rest->len--;
	return label->len > 0 ? 0 : -1;
}

/* "12.5ms". strtod() would take "nan", "0x1p3" and the locale's comma; a plugin has none of them. */
static int
read_value(struct piece p, double *value, char unit[8])
{
	size_t digits = 0;
	char text[NUMBER_SIZE], *end;

	while (digits < p.len && strchr("+-.0123456789eE", p.text[digits]) != NULL &&
	       p.text[digits] != '\0')
		digits++;
	if (digits == 0 || digits >= sizeof(text) || p.len - digits >= 8)
		return -1;
	memcpy(text, p.text, digits);
	text[digits] = '\0';
	*value = strtod(text, &end);
	/* "5EB": what strtod() leaves begins the unit */
	digits = (size_t)(end - text);
	if (digits == 0 || p.len - digits >= 8 || !isfinite(*value))
		return -1;
	for (size_t i = digits; i < p.len; i++) {
		if (!isalpha((unsigned char)p.text[i]) && p.text[i] != '%')
			return -1;
	}
	memcpy(unit, p.text + digits, p.len - digits);
	unit[p.len - digits] = '\0';
	return 0;
}

static struct range
read_range(struct piece p)
{
	struct range r = { 0 };
	char text[RANGE_TEXT_SIZE];

	if (p.len > 0 && p.len < sizeof(text)) {
		memcpy(text, p.text, p.len);
		text[p.len] = '\0';
		if (strlen(text) == p.len)
			range_parse(text, &r, NULL);
	}
	return r;
}

static void
read_item(struct piece *rest, struct check_result *r)
{
	struct str label = STR_INIT, shown = STR_INIT;
	struct range warning, critical;
	struct piece item;
	double value;
	char unit[8];

	if (read_label(rest, &label) == 0) {
		item.text = rest->text;
		skip_item(rest);
		item.len = (size_t)(rest->text - item.text);
		if (read_value(take_until(&item, ';'), &value, unit) == 0) {
			warning = read_range(take_until(&item, ';'));
			critical = read_range(take_until(&item, ';'));
			str_add_printable(&shown, label.data, label.len, CHECK_LABEL_SIZE);
			check_result_number(r, str_text(&shown), value, unit, &warning, &critical);
		}
	} else
		skip_item(rest);
	str_clear(&label);
	str_clear(&shown);
}

static void
read_items(struct piece p, struct check_result *r)
{
	for (p = trim(p); p.len > 0; p = trim(p))
		read_item(&p, r);
}

void
perfdata_read(const char *output, size_t len, struct check_result *r)
{
	struct piece rest = { output, len }, line = take_until(&rest, '\n');
	struct piece text = trim(take_until(&line, '|'));
	struct str shown = STR_INIT;

	str_add_printable(&shown, text.text, text.len, CHECK_TEXT_SIZE);
	check_result_set(r, r->class, "%s", str_text(&shown));
	str_clear(&shown);
	read_items(line, r);
	take_until(&rest, '|');
	read_items(rest, r);
}

/* --- the other way ------------------------------------------------------------------------------- */

/* What would end the text or the label too early. */
static void
add_without(struct str *out, const char *text, const char *unwanted, char instead)
{
	for (; *text != '\0'; text++)
		str_addc(out, strchr(unwanted, *text) != NULL ? instead : *text);
}

static void
add_number(struct str *out, const struct check_number *n)
{
	struct str label = STR_INIT;

	add_without(&label, n->label, "=|\n", '_');
	str_addc(out, '\'');
	for (const char *p = str_text(&label); *p != '\0'; p++) {
		str_addc(out, *p);
		if (*p == '\'')
			str_addc(out, '\'');
	}
	/* 15 digits: as many as every double keeps, and 0.1 stays 0.1 */
	str_addf(out, "'=%.15g%s", n->value, n->unit);
	if (n->warning.is_set || n->critical.is_set)
		str_addf(out, ";%s", n->warning.text);
	if (n->critical.is_set)
		str_addf(out, ";%s", n->critical.text);
	str_clear(&label);
}

void
perfdata_write(const struct check_result *r, const char *name, struct str *out)
{
	const char *separator = " | ";

	str_addf(out, "%s ", name);
	for (const char *p = check_level_name(check_class_level(r->class)); *p != '\0'; p++)
		str_addc(out, (char)toupper((unsigned char)*p));
	str_adds(out, ": ");
	add_without(out, r->text, "|\n", '/');
	for (size_t i = 0; i < r->number_count; i++) {
		if (!isfinite(r->numbers[i].value))
			continue;
		str_adds(out, separator);
		add_number(out, &r->numbers[i]);
		separator = " ";
	}
}
