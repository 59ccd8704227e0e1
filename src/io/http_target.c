/*
 * http_target.c: where to connect and whom to trust. Everything that an operator can get wrong is found
 * here, before the first request: curl would tell about a missing file at the first handshake only.
 */
#include "io/http_target.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define UNIX_SCHEME "unix://"
#define UNIX_PATH_MAX_LEN ((int)sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static int
check_readable(const char *path, const char *what, struct err *e)
{
	char shown[STR_SHOW_MAX * 4 + 4];
	int fd;

	if (path == NULL)
		return 0;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return err_errno(
		    e, "the %s %s", what, str_printable(shown, sizeof(shown), path, strlen(path)));
	close(fd);
	return 0;
}

static int
set_tls(struct http_target *t, const struct http_peer *peer, struct err *e)
{
	t->is_verified = peer->is_verified;
	if (check_readable(peer->ca_file, "CA file", e) == -1 ||
	    check_readable(peer->cert_file, "certificate", e) == -1 ||
	    check_readable(peer->key_file, "key", e) == -1)
		return -1;
	if (peer->ca_file != NULL)
		t->ca_file = mem_strdup(peer->ca_file);
	if (peer->cert_file != NULL)
		t->cert_file = mem_strdup(peer->cert_file);
	if (peer->key_file != NULL)
		t->key_file = mem_strdup(peer->key_file);
	return 0;
}

static int
set_headers(struct http_target *t, const char *const *headers, struct err *e)
{
	/* Expect costs a round trip for large values; the others tell the peer nothing. */
	static const char *const silenced[] = { "Expect:", "Accept:", "Content-Type:" };

	for (size_t i = 0; i < MEM_COUNT(silenced); i++)
		t->headers = curl_slist_append(t->headers, silenced[i]);
	for (; headers != NULL && *headers != NULL; headers++) {
		/* The value is not shown: it may be a secret. */
		for (const unsigned char *p = (const unsigned char *)*headers; *p != '\0'; p++) {
			if (*p < ' ' || *p == 0x7f)
				return err_set(e, ERR_CONFIG,
				    "the value for %.*s holds a control character",
				    (int)strcspn(*headers, ":"), *headers);
		}
		t->headers = curl_slist_append(t->headers, *headers);
	}
	return 0;
}

static int
set_unix(struct http_target *t, const char *path, struct err *e)
{
	if (path[0] != '/' || strlen(path) > (size_t)UNIX_PATH_MAX_LEN)
		return err_set(e, ERR_CONFIG,
		    "%s: " UNIX_SCHEME " takes an absolute path of at most %d bytes", t->url,
		    UNIX_PATH_MAX_LEN);
	t->unix_path = mem_strdup(path);
	t->base = mem_strdup("http://localhost");
	return 0;
}

/*
 * A certificate in another name than the host's is verified by making that name the URL's host and saying
 * where to connect instead. The Host header says what it would have said.
 */
static CURLUcode
set_server_name(struct http_target *t, CURLU *u, const char *name)
{
	char *host = NULL, *port = NULL, *text;
	CURLUcode result;

	if ((result = curl_url_get(u, CURLUPART_HOST, &host, 0)) == CURLUE_OK &&
	    (result = curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) == CURLUE_OK &&
	    (result = curl_url_set(u, CURLUPART_HOST, name, 0)) == CURLUE_OK) {
		text = mem_printf("::%s:%s", host, port);
		t->connect_to = curl_slist_append(NULL, text);
		free(text);
		text = mem_printf("Host: %s:%s", host, port);
		t->headers = curl_slist_append(t->headers, text);
		free(text);
	}
	curl_free(host);
	curl_free(port);
	return result;
}

/* Whether the URL has that part. */
static bool
has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

static void
trim_slashes(char *url)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		url[--n] = '\0';
}

static int
set_url(struct http_target *t, const struct http_peer *peer, struct err *e)
{
	CURLU *u = curl_url();
	char *base = NULL;
	int result = -1;

	if (curl_url_set(u, CURLUPART_URL, peer->url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS) !=
		CURLUE_OK ||
	    has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT) ||
	    (strncmp(peer->url, "http://", 7) != 0 && strncmp(peer->url, "https://", 8) != 0)) {
		/* There may be a password before the @ or a token behind the question mark. */
		err_set(e, ERR_CONFIG,
		    "%s is not http://HOST:PORT or https://HOST:PORT (no user, password or query)",
		    strpbrk(peer->url, "@?") != NULL ? "the address" : t->url);
		goto out;
	}
	if (peer->server_name != NULL && set_server_name(t, u, peer->server_name) != CURLUE_OK) {
		err_set(e, ERR_CONFIG, "the TLS server name is not a host name");
		goto out;
	}
	if (peer->connect_to != NULL) {
		char *text = mem_printf("::%s", peer->connect_to);

		t->connect_to = curl_slist_append(t->connect_to, text);
		free(text);
	}
	if (curl_url_get(u, CURLUPART_URL, &base, 0) != CURLUE_OK)
		abort(); /* out of memory */
	trim_slashes(base);
	t->base = mem_strdup(base);
	result = 0;
out:
	curl_free(base);
	curl_url_cleanup(u);
	return result;
}

int
http_target_init(struct http_target *t, const struct http_peer *peer, struct err *e)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	t->url = mem_strdup(str_printable(shown, sizeof(shown), peer->url, strlen(peer->url)));
	trim_slashes(t->url);
	if (set_headers(t, peer->headers, e) == -1)
		return -1;
	if (strncmp(peer->url, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0)
		return set_unix(t, peer->url + strlen(UNIX_SCHEME), e);
	if (set_url(t, peer, e) == -1)
		return -1;
	/* CONSUL_CACERT may be set on a host whose address is plain http. */
	return strncmp(peer->url, "https:", 6) == 0 ? set_tls(t, peer, e) : 0;
}

void
http_target_clear(struct http_target *t)
{
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->connect_to);
	free(t->url);
	free(t->base);
	free(t->unix_path);
	free(t->ca_file);
	free(t->cert_file);
	free(t->key_file);
}

void
http_target_apply(const struct http_target *t, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	/* A Consul agent is reached directly. "" also stops curl from asking the environment. */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, t->unix_path);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, t->connect_to);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, t->is_verified ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, t->is_verified ? 2L : 0L);
	if (t->ca_file != NULL) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, t->ca_file);
		/* Debian's curl would trust the system's authorities as well. */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (t->cert_file != NULL) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, t->cert_file);
		curl_easy_setopt(
		    easy, CURLOPT_SSLKEY, t->key_file != NULL ? t->key_file : t->cert_file);
	}
}

void
http_add_encoded(struct str *s, const char *text, bool keeps_slash)
{
	/* RFC 3986, unreserved. */
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL || (keeps_slash && *text == '/'))
			str_addc(s, *text);
		else
			str_addf(s, "%%%02X", (unsigned char)*text);
	}
}
