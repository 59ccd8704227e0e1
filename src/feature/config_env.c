/*
 * config_env.c: the environment variables of Consul's own tools, which win over the file and mean
 * what they mean there (Consul's api.go, DefaultConfig):
 *
 *   a variable that is set to nothing is not set
 *   CONSUL_HTTP_SSL=true makes an http address https, and nothing makes an https address http
 *   CONSUL_HTTP_TOKEN_FILE wins over CONSUL_HTTP_TOKEN
 *
 * and the token itself, which comes from there or from the file that token-file names. It is never
 * shown, and has no byte that could end a header.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "feature/config_load.h"

#define TOKEN_FILE_MAX 4096 /* Consul's tokens are UUIDs */

static const struct conf_where nowhere = { NULL, 0 };

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* As strconv.ParseBool. */
static int
parse_bool(const char *text, bool *out)
{
	static const char *const words[] = { "1", "t", "T", "TRUE", "true", "True", "0", "f", "F",
		"FALSE", "false", "False" };

	for (size_t i = 0; i < MEM_COUNT(words); i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*out = i < MEM_COUNT(words) / 2;
		return 0;
	}
	return -1;
}

static void
apply_bool(struct config_loader *l, const char *name, bool *field)
{
	const char *value = variable(name);
	char shown[4 * STR_SHOW_MAX + 4];

	if (value != NULL && parse_bool(value, field) != 0)
		conf_problem(l->problems, &nowhere,
		    "%s = \"%s\": allowed is true, false, 1, 0, t or f", name,
		    str_printable(shown, sizeof(shown), value, strlen(value)));
}

/* A variable that says what a key of the file says. */
static void
apply_key(struct config_loader *l, const char *name, const char *key_name)
{
	const struct config_key *k = config_key_find(&config_blocks[CONFIG_CONSUL], key_name);
	const char *value = variable(name);
	char here[PATH_MAX], *path = NULL;
	const char *values[] = { value, NULL };
	const struct conf_entry e = { .key = name, .values = values, .count = 1 };

	if (value == NULL)
		return;
	/* A person types these in a shell: a path begins where they are. */
	if (k->read == config_read_path && getcwd(here, sizeof(here)) != NULL)
		values[0] = path = file_join(here, value);
	if (k->read(k, values, (char *)&l->config->consul + k->offset) != 0) {
		values[0] = value;
		config_problem(l, &e, "allowed is %s", k->allowed);
	}
	free(path);
}

static void
apply_ssl(struct config_loader *l)
{
	struct config_consul *c = &l->config->consul;
	bool is_wanted = false;
	char *https;

	apply_bool(l, "CONSUL_HTTP_SSL", &is_wanted);
	if (!is_wanted || strncmp(c->address, "http://", strlen("http://")) != 0)
		return;
	https = mem_printf("https://%s", c->address + strlen("http://"));
	free(c->address);
	c->address = https;
}

/* --- the token ----------------------------------------------------------------------------------- */

/* where: of the key or variable it came from, for what is wrong with it. */
static void
set_token(struct config_loader *l, const struct conf_where *where, const char *name,
    const char *text, size_t len)
{
	static const char blank[] = " \t\r\n";

	while (len > 0 && strchr(blank, text[len - 1]) != NULL)
		len--;
	while (len > 0 && strchr(blank, *text) != NULL) {
		text++;
		len--;
	}
	if (len == 0) {
		conf_problem(l->problems, where, "%s: the token is empty", name);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] > 0x20 && text[i] < 0x7f)
			continue;
		conf_problem(l->problems, where,
		    "%s: the token has a byte that no token has (it is not shown)", name);
		return;
	}
	free(l->config->consul.token);
	l->config->consul.token = mem_strndup(text, len);
}

static void
read_token_file(struct config_loader *l, const struct conf_where *where, const char *name)
{
	const char *path = l->config->consul.token_file;
	struct str text = STR_INIT;
	struct stat st;
	struct err e;

	if (file_read(path, TOKEN_FILE_MAX, &text, &e) != 0)
		conf_problem(l->problems, where, "%s: %s", name, e.text);
	else
		set_token(l, where, name, str_text(&text), text.len);
	str_clear(&text);
	if (stat(path, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		conf_problem(&l->config->warnings, where,
		    "%s: everybody on this host can read the token in %s; chmod 0640 it, and give "
		    "it "
		    "the group of pointsmand",
		    name, path);
}

static void
find_token(struct config_loader *l)
{
	const struct conf_entry *e = config_entry(l->consul, "token-file");
	const char *token = variable("CONSUL_HTTP_TOKEN");
	struct config_consul *c = &l->config->consul;

	/* The embedded KV knows no tokens. */
	if (strncmp(c->address, "file:", strlen("file:")) == 0)
		return;
	if (variable("CONSUL_HTTP_TOKEN_FILE") != NULL) {
		if (c->token_file != NULL)
			read_token_file(l, &nowhere, "CONSUL_HTTP_TOKEN_FILE");
	} else if (token != NULL) {
		set_token(l, &nowhere, "CONSUL_HTTP_TOKEN", token, strlen(token));
	} else if (c->token_file != NULL) {
		read_token_file(l, e != NULL ? &e->where : &nowhere, "token-file");
	}
}

void
config_apply_environment(struct config_loader *l)
{
	static const struct {
		const char *name, *key;
	} keys[] = {
		{ "CONSUL_HTTP_ADDR", "address" },
		{ "CONSUL_HTTP_TOKEN_FILE", "token-file" },
		{ "CONSUL_CACERT", "ca-file" },
		{ "CONSUL_CLIENT_CERT", "cert-file" },
		{ "CONSUL_CLIENT_KEY", "key-file" },
		{ "CONSUL_TLS_SERVER_NAME", "tls-server-name" },
	};

	for (size_t i = 0; i < MEM_COUNT(keys); i++)
		apply_key(l, keys[i].name, keys[i].key);
	apply_bool(l, "CONSUL_HTTP_SSL_VERIFY", &l->config->consul.is_verified);
	apply_ssl(l);
	find_token(l);
}
