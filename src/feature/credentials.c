/*
 * credentials.c: the [pointsman] group of an option file, in the syntax that MySQL's and MariaDB's own
 * programs read, so that one file may serve them and us:
 *
 *   # comment, also behind a value; ; comment, at the beginning of a line only
 *   [group]
 *   key   key = value   key = "value"   key = 'value'     '-' and '_' are the same in a key
 *   in values: \b \t \n \r \s (a space) \\ \" \'          any other \x stays as it is
 *
 * Other groups are ignored, the last of two equal keys counts. Stricter than they are where a slip would
 * show as "access denied" at night: an unknown key of our group, a value that is missing and a quote
 * without an end are errors. !include is refused, too: what it names has rights of its own, and nobody
 * would look there for our password.
 *
 * Secrets: the buffer of the file is made large enough at once, so that no growth leaves a copy behind,
 * and is overwritten, as is the password when it is let go. No message holds a value. libmariadb can read
 * option files by itself (MYSQL_READ_DEFAULT_FILE); it would be bound to its own groups, would not mind
 * the file's rights and would obey any option that it knows, plugin directories included.
 */
#include "feature/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/mysql.h"

#define GROUP "pointsman"
#define FILE_MAX (64u << 10)     /* an option file of all programs has some 10 KB */
#define READ_ROOM (2 * FILE_MAX) /* file_read() wants 64 KB more than there is */
#define KEY_SIZE 32              /* the longest has 22 */

enum kind { KIND_TEXT, KIND_FLAG };

struct draft {
	struct credentials c;
	int ssl, verify; /* -1: not said */
};

static const struct key {
	const char *name;
	enum kind kind;
	size_t offset;
} keys[] = {
	{ "user", KIND_TEXT, offsetof(struct draft, c.user) },
	{ "password", KIND_TEXT, offsetof(struct draft, c.password) },
	{ "default-auth", KIND_TEXT, offsetof(struct draft, c.default_auth) },
	{ "ssl", KIND_FLAG, offsetof(struct draft, ssl) },
	{ "ssl-ca", KIND_TEXT, offsetof(struct draft, c.ssl_ca) },
	{ "ssl-cert", KIND_TEXT, offsetof(struct draft, c.ssl_cert) },
	{ "ssl-key", KIND_TEXT, offsetof(struct draft, c.ssl_key) },
	{ "ssl-verify-server-cert", KIND_FLAG, offsetof(struct draft, verify) },
};

static const struct {
	const char *word;
	int value;
} flags[] = {
	{ "1", 1 },
	{ "on", 1 },
	{ "true", 1 },
	{ "yes", 1 },
	{ "0", 0 },
	{ "off", 0 },
	{ "false", 0 },
	{ "no", 0 },
};

/* A piece of a line. */
struct span {
	const char *at;
	size_t len;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct span
trim(const char *at, size_t len)
{
	while (len > 0 && is_blank(at[0])) {
		at++;
		len--;
	}
	while (len > 0 && is_blank(at[len - 1]))
		len--;
	return (struct span){ at, len };
}

static void
free_secret(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void
credentials_lend(const struct credentials *c, struct mysql_account *out)
{
	out->user = c->user;
	out->password = c->password;
	out->default_auth = c->default_auth;
	out->ssl_ca = c->ssl_ca;
	out->ssl_cert = c->ssl_cert;
	out->ssl_key = c->ssl_key;
	out->is_tls = c->is_tls;
	out->is_verified = c->is_verified;
}

void
credentials_clear(struct credentials *c)
{
	free_secret(c->password);
	free(c->user);
	free(c->default_auth);
	free(c->ssl_ca);
	free(c->ssl_cert);
	free(c->ssl_key);
	*c = (struct credentials){ 0 };
}

/* Cuts a comment behind a value off: a '#' that no quote holds. -1: a quote without an end. */
static int
cut_comment(struct span *s)
{
	char quote = '\0';

	for (size_t i = 0; i < s->len; i++) {
		char c = s->at[i];

		if (c == '\\' && quote != '\0' && i + 1 < s->len)
			i++;
		else if (quote != '\0' && c == quote)
			quote = '\0';
		else if (quote == '\0' && (c == '"' || c == '\''))
			quote = c;
		else if (quote == '\0' && c == '#') {
			*s = trim(s->at, i);
			return 0;
		}
	}
	return quote == '\0' ? 0 : -1;
}

/* The value with its quotes taken off and its escapes put in; NULL for a NUL in it. */
static char *
unquote(struct span s)
{
	static const char escapes[] = "btnrs\\\"'", meant[] = "\b\t\n\r \\\"'";
	char *out, *end;

	if (memchr(s.at, '\0', s.len) != NULL)
		return NULL;
	if (s.len >= 2 && (s.at[0] == '"' || s.at[0] == '\'') && s.at[s.len - 1] == s.at[0])
		s = (struct span){ s.at + 1, s.len - 2 };
	end = out = mem_alloc(s.len + 1);
	for (size_t i = 0; i < s.len; i++) {
		const char *p = NULL;

		if (s.at[i] == '\\' && i + 1 < s.len)
			p = strchr(escapes, s.at[i + 1]);
		*end++ = p != NULL ? meant[p - escapes] : s.at[i];
		if (p != NULL)
			i++;
	}
	*end = '\0';
	return out;
}

static const struct key *
find_key(struct span name)
{
	char wanted[KEY_SIZE];

	if (name.len >= sizeof(wanted))
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		wanted[i] = name.at[i] == '_' ? '-' : name.at[i];
	wanted[name.len] = '\0';
	for (size_t i = 0; i < MEM_COUNT(keys); i++) {
		if (strcmp(keys[i].name, wanted) == 0)
			return &keys[i];
	}
	return NULL;
}

/* value NULL: the key stands alone, which turns a flag on. */
static int
set_flag(int *out, const char *value)
{
	if (value == NULL) {
		*out = 1;
		return 0;
	}
	for (size_t i = 0; i < MEM_COUNT(flags); i++) {
		if (strcasecmp(flags[i].word, value) == 0) {
			*out = flags[i].value;
			return 0;
		}
	}
	return -1;
}

/* One "key" or "key = value" of our group: NULL, or what is wrong with it. */
static const char *
take_option(struct draft *d, struct span line, const struct key **key)
{
	const char *equal, *wrong = NULL;
	struct span name, value = { NULL, 0 };
	char *text = NULL;

	if (cut_comment(&line) != 0)
		return "has a quote without an end";
	name = line;
	if ((equal = memchr(line.at, '=', line.len)) != NULL) {
		name = trim(line.at, (size_t)(equal - line.at));
		value = trim(equal + 1, line.len - (size_t)(equal + 1 - line.at));
		if ((text = unquote(value)) == NULL)
			return "has a NUL in it";
	}
	if ((*key = find_key(name)) == NULL)
		wrong = "is no option of [" GROUP "]";
	else if ((*key)->kind == KIND_FLAG)
		wrong = set_flag((int *)((char *)d + (*key)->offset), text) == 0 ? NULL
										 : "is on or off";
	else if (text == NULL)
		wrong = "wants a value";
	else {
		char **slot = (char **)((char *)d + (*key)->offset);

		free_secret(*slot);
		*slot = text;
		text = NULL;
	}
	free_secret(text);
	return wrong;
}

/* "[group]": 1 when it is ours, 0 when not, -1 when it is none. */
static int
group_of(struct span line)
{
	struct span name;

	if (cut_comment(&line) != 0 || line.at[line.len - 1] != ']')
		return -1;
	name = trim(line.at + 1, line.len - 2);
	return name.len == strlen(GROUP) && memcmp(name.at, GROUP, name.len) == 0;
}

static int
complain(struct err *e, const char *path, unsigned number, const struct key *key, const char *what)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	return err_set(e, ERR_CONFIG, "%s:%u: %s %s",
	    str_printable(shown, sizeof(shown), path, strlen(path)), number,
	    key != NULL ? key->name : "this line", what);
}

/* One line, trimmed and not empty. */
static int
take_line(struct draft *d, struct span line, bool *is_ours, const char *path, unsigned number,
    struct err *e)
{
	const struct key *key = NULL;
	const char *wrong;
	int group;

	if (line.at[0] == '#' || line.at[0] == ';')
		return 0;
	if (line.at[0] == '!')
		return complain(e, path, number, NULL, "includes another file: not followed here");
	if (line.at[0] == '[') {
		if ((group = group_of(line)) < 0)
			return complain(e, path, number, NULL, "lacks the ']' of a group");
		*is_ours = group == 1;
		return 0;
	}
	if (!*is_ours || (wrong = take_option(d, line, &key)) == NULL)
		return 0;
	return complain(e, path, number, key, wrong);
}

static int
take_lines(
    struct draft *d, const char *text, size_t len, const char *path, bool *has_group, struct err *e)
{
	static const char bom[] = "\xef\xbb\xbf";
	bool is_ours = false;
	unsigned number = 0;

	if (len >= 3 && memcmp(text, bom, 3) == 0) {
		text += 3;
		len -= 3;
	}
	while (len > 0) {
		const char *newline = memchr(text, '\n', len);
		size_t line_len = newline != NULL ? (size_t)(newline - text) : len;
		struct span line = trim(text, line_len);

		number++;
		if (line.len > 0 && take_line(d, line, &is_ours, path, number, e) != 0)
			return -1;
		*has_group |= is_ours;
		line_len += newline != NULL;
		text += line_len;
		len -= line_len;
	}
	return 0;
}

int
credentials_parse(
    const char *text, size_t len, const char *path, struct credentials *out, struct err *e)
{
	struct draft d = { .ssl = -1, .verify = -1 };
	char shown[STR_SHOW_MAX * 4 + 4];
	bool has_group = false, has_files;

	if (take_lines(&d, text, len, path, &has_group, e) != 0)
		goto fail;
	str_printable(shown, sizeof(shown), path, strlen(path));
	if (!has_group) {
		err_set(e, ERR_CONFIG, "%s has no [" GROUP "] group", shown);
		goto fail;
	}
	has_files = d.c.ssl_ca != NULL || d.c.ssl_cert != NULL || d.c.ssl_key != NULL;
	if ((d.c.ssl_cert == NULL) != (d.c.ssl_key == NULL)) {
		err_set(e, ERR_CONFIG, "%s: ssl-cert and ssl-key want each other", shown);
		goto fail;
	}
	if (d.ssl == 0 && (has_files || d.verify == 1)) {
		err_set(e, ERR_CONFIG, "%s: ssl is off, and other ssl options stand there", shown);
		goto fail;
	}
	d.c.is_tls = d.ssl == 1 || has_files || d.verify == 1;
	d.c.is_verified = d.verify == 1 || (d.verify == -1 && d.c.ssl_ca != NULL);
	*out = d.c;
	return 0;
fail:
	credentials_clear(&d.c);
	return -1;
}

int
credentials_read(const char *path, struct credentials *out, struct err *e)
{
	struct str bytes = STR_INIT;
	struct stat st;
	int rc = -1;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IROTH) != 0)
		return err_set(e, ERR_DENIED,
		    "%s: everybody may read it, and it holds a password: chmod 0640", path);
	str_reserve(&bytes, READ_ROOM);
	if (file_read(path, FILE_MAX, &bytes, e) == 0)
		rc = credentials_parse(str_text(&bytes), bytes.len, path, out, e);
	explicit_bzero(bytes.data, bytes.cap);
	str_clear(&bytes);
	return rc;
}
