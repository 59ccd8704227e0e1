/*
 * name.c: the gate that every foreign name, node, address and value goes through. What passes holds
 * nothing but letters, digits, '-', '_', '.', ',' and ':', so it needs no quoting in a hosts file, on
 * a command line or in JSON.
 *
 * The bytes are looked up in a table of 256: isalnum(3) would follow the locale, and ten thousand
 * names pass here at every flip.
 *
 * A newline behind a value ("echo db3 | consul kv put …") is refused, not forgiven: it is the one
 * byte that would make a second line in the file, so it is nowhere harmless by convention. The
 * message says where it came from.
 */
#include "model/name.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* What a byte of a name becomes; 0: not allowed. The dot is a byte like the others here. */
/* clang-format off */
static const char lowered[256] = {
	['-'] = '-', ['.'] = '.', ['_'] = '_',
	['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',
	['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9',
	['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g',
	['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n',
	['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u',
	['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
	['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g',
	['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n',
	['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u',
	['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
};
/* clang-format on */

static int
refuse_byte(unsigned char c, struct err *e)
{
	if (c > 0x20 && c < 0x7f)
		return err_set(
		    e, ERR_PROTOCOL, "has '%c'; allowed are letters, digits, '-', '_' and '.'", c);
	return err_set(e, ERR_PROTOCOL,
	    "has the byte \\x%02x; allowed are letters, digits, '-', '_' and '.'", c);
}

/* The label is out[start..end). */
static int
check_label(const char *out, size_t start, size_t end, struct err *e)
{
	if (start == end)
		return err_set(e, ERR_PROTOCOL, "has an empty label");
	if (end - start > LABEL_MAX_LEN)
		return err_set(e, ERR_PROTOCOL, "has a label longer than %d bytes", LABEL_MAX_LEN);
	if (out[start] == '-' || out[end - 1] == '-')
		return err_set(e, ERR_PROTOCOL, "has a label that begins or ends with '-'");
	return 0;
}

/* Names and nodes alike. */
static int
labels_parse(const char *text, size_t len, char out[NAME_SIZE], struct err *e)
{
	size_t label = 0;
	char low[NAME_SIZE];
	struct in_addr ignored;

	if (len == 0)
		return err_set(e, ERR_PROTOCOL, "is empty");
	if (len > NAME_MAX_LEN)
		return err_set(
		    e, ERR_PROTOCOL, "is %zu bytes long, more than %d", len, NAME_MAX_LEN);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((low[i] = lowered[c]) == 0)
			return refuse_byte(c, e);
		if (c != '.')
			continue;
		if (check_label(low, label, i, e) != 0)
			return -1;
		label = i + 1;
	}
	if (check_label(low, label, len, e) != 0)
		return -1;
	low[len] = '\0';
	/* RFC 1123, 2.1: #.#.#.# is an address wherever a host name may stand. */
	if (isdigit((unsigned char)low[0]) && inet_pton(AF_INET, low, &ignored) == 1)
		return err_set(e, ERR_PROTOCOL, "is an address");
	memcpy(out, low, len + 1);
	return 0;
}

static bool
is_in_proof_domain(const char *name, size_t len)
{
	static const char domain[] = PROOF_DOMAIN;
	const size_t tail = sizeof(domain) - 1;

	return len >= tail && memcmp(name + len - tail, domain, tail) == 0 &&
	       (len == tail || name[len - tail - 1] == '.');
}

int
name_parse(const char *text, size_t len, char out[NAME_SIZE], struct err *e)
{
	char low[NAME_SIZE];

	if (labels_parse(text, len, low, e) != 0)
		return -1;
	if (is_in_proof_domain(low, len))
		return err_set(
		    e, ERR_PROTOCOL, "is in %s, which belongs to the agents", PROOF_DOMAIN);
	memcpy(out, low, len + 1);
	return 0;
}

int
node_parse(const char *text, size_t len, char out[NAME_SIZE], struct err *e)
{
	return labels_parse(text, len, out, e);
}

/* What no machine has as its own: 0.0.0.0, 224.0.0.0 and above; ::, ff00::/8. */
static bool
is_of_a_machine(const unsigned char *bytes, bool is_ipv6)
{
	static const unsigned char unspecified[16];

	if (!is_ipv6)
		return bytes[0] != 0 && bytes[0] < 224;
	return bytes[0] != 0xff && memcmp(bytes, unspecified, sizeof(unspecified)) != 0;
}

int
address_parse(const char *text, size_t len, char out[ADDRESS_SIZE], bool *is_ipv6, struct err *e)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char copy[ADDRESS_SIZE];
	bool is_six;

	if (len == 0)
		return err_set(e, ERR_PROTOCOL, "is empty");
	if (len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
		return err_set(e, ERR_PROTOCOL, "is not an IP address");
	memcpy(copy, text, len);
	copy[len] = '\0';
	is_six = memchr(copy, ':', len) != NULL;
	if (inet_pton(is_six ? AF_INET6 : AF_INET, copy, bytes) != 1)
		return err_set(e, ERR_PROTOCOL, "is not an IP address");
	if (!is_of_a_machine(bytes, is_six))
		return err_set(e, ERR_PROTOCOL, "is not the address of a machine");
	inet_ntop(is_six ? AF_INET6 : AF_INET, bytes, out, ADDRESS_SIZE);
	*is_ipv6 = is_six;
	return 0;
}

/* Whether the writer of these bytes meant an address: then a slip in it is not an unknown node. */
static bool
looks_like_address(const char *text, size_t len)
{
	size_t digits = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == ':')
			return true;
		digits += isdigit((unsigned char)text[i]) || text[i] == '.';
	}
	return digits == len && memchr(text, '.', len) != NULL;
}

static int
item_parse(const char *text, size_t len, struct value_item *out, struct err *e)
{
	char shown[4 * STR_SHOW_MAX + 4];
	struct err why;

	if (len == 0)
		return err_set(e, ERR_PROTOCOL, "has an empty part");
	out->is_address = looks_like_address(text, len);
	if (!out->is_address)
		return node_parse(text, len, out->text, e);
	if (address_parse(text, len, out->text, &out->is_ipv6, &why) == 0)
		return 0;
	return err_set(e, why.code, "has %s, which %s",
	    str_printable(shown, sizeof(shown), text, len), why.text);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int
items_parse(const char *text, size_t len, struct value *v, struct err *e)
{
	const char *end = text + len;

	for (const char *p = text, *comma; p <= end; p = comma + 1) {
		struct value_item *item = &v->items[v->count];
		const char *last;

		comma = memchr(p, ',', (size_t)(end - p));
		if (comma == NULL)
			comma = end;
		for (last = comma; last > p && is_blank(last[-1]); last--)
			;
		while (p < last && is_blank(*p))
			p++;
		if (item_parse(p, (size_t)(last - p), item, e) != 0)
			return -1;
		for (size_t i = 0; i < v->count; i++) {
			if (strcmp(v->items[i].text, item->text) == 0)
				return err_set(e, ERR_PROTOCOL, "has %s twice", item->text);
		}
		v->count++;
	}
	return 0;
}

int
value_parse(const char *text, size_t len, struct value *out, struct err *e)
{
	struct value v = { NULL, 0 };
	size_t count = 1;

	if (len == 0)
		return err_set(e, ERR_PROTOCOL, "is empty");
	if (len > VALUE_MAX_LEN)
		return err_set(e, ERR_LIMIT, "is %zu bytes long, more than %d", len, VALUE_MAX_LEN);
	if (text[len - 1] == '\n')
		return err_set(
		    e, ERR_PROTOCOL, "ends with a newline (echo writes one, printf does not)");
	for (size_t i = 0; i < len; i++)
		count += text[i] == ',';
	if (count > VALUE_ADDRESSES_MAX)
		return err_set(
		    e, ERR_LIMIT, "has %zu parts, more than %d", count, VALUE_ADDRESSES_MAX);
	v.items = mem_array(count, sizeof(v.items[0]));
	if (items_parse(text, len, &v, e) != 0) {
		value_clear(&v);
		return -1;
	}
	*out = v;
	return 0;
}

void
value_clear(struct value *v)
{
	free(v->items);
	*v = (struct value){ NULL, 0 };
}
