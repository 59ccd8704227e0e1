/*
 * range.c: Nagios' ranges, read strictly. The plugins' own library reads with strtod() and does not
 * look at the rest: "10x" is 10 and "a:b" is 0:0, so that a typing error becomes a threshold that
 * nobody meant. Here it is an error. Taken are the forms of the guidelines and ":10", as that
 * library does.
 *
 *	[@] [low:] [high]	low: a number or '~', 0 when not given; high: a number, open when not given
 */
#include "model/range.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define ALLOWED "ranges are \"10\", \"10:\", \"~:10\", \"10:20\" and \"@10:20\""

/* strtod() takes hexadecimal, "nan", "infinity" and leading space as well: not from us. */
static int
parse_number(const char **at, double *out)
{
	const char *text = *at;
	const char *digits = text + (*text == '-' || *text == '+');
	char *end;

	if ((*digits < '0' || *digits > '9') && *digits != '.')
		return -1;
	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		return -1;
	*out = strtod(text, &end);
	if (end == text || !isfinite(*out))
		return -1;
	*at = end;
	return 0;
}

/* The two ends, from after the '@'. */
static int
parse_ends(const char *at, double *low, double *high)
{
	const char *colon = strchr(at, ':');

	*low = 0;
	*high = INFINITY;
	if (colon == NULL)
		return parse_number(&at, high) == 0 && *at == '\0' ? 0 : -1;
	if (at == colon && colon[1] == '\0')
		return -1;
	if (*at == '~') {
		*low = -INFINITY;
		at++;
	} else if (at != colon && parse_number(&at, low) != 0)
		return -1;
	if (*at++ != ':')
		return -1;
	return *at == '\0' || (parse_number(&at, high) == 0 && *at == '\0') ? 0 : -1;
}

int
range_parse(const char *text, struct range *out, struct err *e)
{
	struct range r = { .is_set = true };
	char shown[RANGE_TEXT_SIZE];
	size_t len = strlen(text);

	if (len >= sizeof(r.text))
		return err_set(e, ERR_CONFIG, "a range of %zu characters; " ALLOWED, len);
	r.is_inside = *text == '@';
	if (parse_ends(text + r.is_inside, &r.low, &r.high) != 0)
		return err_set(e, ERR_CONFIG, "\"%s\" is no range; " ALLOWED,
		    str_printable(shown, sizeof(shown), text, len));
	if (r.low > r.high)
		return err_set(e, ERR_CONFIG, "\"%s\" begins above its end; " ALLOWED, text);
	memcpy(r.text, text, len + 1);
	*out = r;
	return 0;
}

bool
range_catches(const struct range *r, double value)
{
	if (!r->is_set)
		return false;
	if (isnan(value))
		return true;
	return (value >= r->low && value <= r->high) == r->is_inside;
}
