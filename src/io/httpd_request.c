/*
 * httpd_request.c: RFC 9112 as far as a server needs it that answers GET and HEAD and takes no body.
 *
 * Strict where leniency has been used against servers: no folded lines, no space before a colon, no
 * control characters, one Host. A line may end in LF alone, which RFC 9112 (2.2) leaves to us and which
 * people typing into nc(1) produce.
 *
 * A head that is refused ends the connection: where its body would end is not worth finding out.
 */
#include "io/httpd_request.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* What the header lines said, gathered before it is judged. */
struct fields {
	struct httpd_text host;
	int hosts;
	bool has_body;
	bool wants_close;
	bool is_bad;
};

static bool
is_text(struct httpd_text a, const char *b)
{
	return a.len == strlen(b) && strncasecmp(a.data, b, a.len) == 0;
}

/* A byte of a method or of a field's name (RFC 9110, 5.6.2). */
static bool
is_token_byte(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool
is_token(struct httpd_text t)
{
	for (size_t i = 0; i < t.len; i++) {
		if (!is_token_byte(t.data[i]))
			return false;
	}
	return t.len > 0;
}

static struct httpd_text
trim(struct httpd_text t)
{
	while (t.len > 0 && (t.data[0] == ' ' || t.data[0] == '\t')) {
		t.data++;
		t.len--;
	}
	while (t.len > 0 && (t.data[t.len - 1] == ' ' || t.data[t.len - 1] == '\t'))
		t.len--;
	return t;
}

/* Cuts what stands before c off rest; all of it when there is no c. */
static struct httpd_text
cut(struct httpd_text *rest, char c)
{
	const char *end = memchr(rest->data, c, rest->len);
	struct httpd_text head = { rest->data,
		end != NULL ? (size_t)(end - rest->data) : rest->len };

	rest->data += head.len + (end != NULL);
	rest->len -= head.len + (end != NULL);
	return head;
}

static struct httpd_text
cut_line(struct httpd_text *rest)
{
	struct httpd_text line = cut(rest, '\n');

	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

static void
take_host(struct fields *f, struct httpd_text value)
{
	f->host = value;
	f->hosts++;
}

static void
take_length(struct fields *f, struct httpd_text value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9')
			f->is_bad = true;
		else if (value.data[i] != '0')
			f->has_body = true;
	}
	if (value.len == 0)
		f->is_bad = true;
}

static void
take_encoding(struct fields *f, struct httpd_text value)
{
	(void)value;
	f->has_body = true;
}

static void
take_connection(struct fields *f, struct httpd_text value)
{
	while (value.len > 0) {
		if (is_text(trim(cut(&value, ',')), "close"))
			f->wants_close = true;
	}
}

static const struct {
	const char *name;
	void (*take)(struct fields *f, struct httpd_text value);
} known_fields[] = {
	{ "host", take_host },
	{ "content-length", take_length },
	{ "transfer-encoding", take_encoding },
	{ "connection", take_connection },
};

static void
parse_field(struct fields *f, struct httpd_text line)
{
	struct httpd_text value = line, name = cut(&value, ':');

	/* A line that continues the one before begins with a space, which is in no name either. */
	if (!is_token(name) || name.len == line.len) {
		f->is_bad = true;
		return;
	}
	value = trim(value);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			f->is_bad = true;
	}
	for (size_t i = 0; i < MEM_COUNT(known_fields); i++) {
		if (is_text(name, known_fields[i].name))
			known_fields[i].take(f, value);
	}
}

/* "/path?query" or, as a proxy sends it, "http://host/path", whose host then counts. */
static bool
parse_target(struct httpd_text target, struct httpd_request *out)
{
	static const char scheme[] = "http://";
	const size_t scheme_len = sizeof(scheme) - 1;

	for (size_t i = 0; i < target.len; i++) {
		if (target.data[i] <= 0x20 || target.data[i] >= 0x7f || target.data[i] == '#')
			return false;
	}
	if (target.len > scheme_len && strncasecmp(target.data, scheme, scheme_len) == 0) {
		target.data += scheme_len;
		target.len -= scheme_len;
		out->host.data = target.data;
		while (out->host.len < target.len && target.data[out->host.len] != '/')
			out->host.len++;
		target.data += out->host.len;
		target.len -= out->host.len;
	}
	if (target.len == 0 || target.data[0] != '/')
		return false;
	out->path = cut(&target, '?');
	return true;
}

/* The status to refuse the line with, or 0. */
static int
parse_request_line(struct httpd_text line, struct httpd_request *out, bool *is_http11)
{
	struct httpd_text method = cut(&line, ' '), target = cut(&line, ' ');

	if (!is_token(method) || !parse_target(target, out))
		return 400;
	if (line.len != strlen("HTTP/1.1") || memcmp(line.data, "HTTP/", 5) != 0)
		return 400;
	if (memcmp(line.data + 5, "1.", 2) != 0)
		return 505;
	*is_http11 = line.data[7] != '0';
	out->is_head = method.len == 4 && memcmp(method.data, "HEAD", 4) == 0;
	if (!out->is_head && (method.len != 3 || memcmp(method.data, "GET", 3) != 0))
		return 405;
	return 0;
}

/* Bytes up to and with the empty line that ends a head, 0 when it is not there yet. */
static size_t
head_length(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n')
			continue;
		if (i + 1 < len && data[i + 1] == '\n')
			return i + 2;
		if (i + 2 < len && data[i + 1] == '\r' && data[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

bool
httpd_request_parse(const char *data, size_t len, struct httpd_request *out)
{
	struct httpd_text rest;
	struct fields f = { 0 };
	bool is_http11 = false;
	size_t blank = 0;

	/* Empty lines before a request are to be skipped (RFC 9112, 2.2). */
	while (blank < len && (data[blank] == '\r' || data[blank] == '\n'))
		blank++;
	*out = (struct httpd_request){ .len = head_length(data + blank, len - blank) };
	if (out->len == 0)
		return false;
	rest = (struct httpd_text){ data + blank, out->len };
	out->len += blank;
	out->status = parse_request_line(cut_line(&rest), out, &is_http11);
	if (out->status == 400 || out->status == 505)
		return true;
	for (struct httpd_text line = cut_line(&rest); line.len > 0; line = cut_line(&rest))
		parse_field(&f, line);
	if (out->host.data == NULL)
		out->host = f.host;
	if (f.is_bad || f.hosts > 1 || (is_http11 && f.hosts == 0))
		out->status = 400;
	else if (out->status == 0 && f.has_body)
		out->status = 413;
	out->is_kept = out->status == 0 && is_http11 && !f.wants_close;
	return true;
}
