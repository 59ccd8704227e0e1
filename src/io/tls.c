/*
 * tls.c: what of OpenSSL a client needs. The context is made for each connection: the files are read as
 * they are now, so that a renewed certificate needs no reload, at some 0.1 ms a connection.
 *
 * OpenSSL keeps a queue of errors for each thread; it is emptied before every call, or an old one would
 * be taken for the reason of this call's failure. A key with a passphrase is refused instead of asking
 * for it on the terminal.
 */
#include "io/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct tls {
	SSL_CTX *context;
	SSL *ssl;
	bool wants_write;
};

/* The words of the newest error of OpenSSL's queue; a certificate's own when that was the reason. */
static void
explain(struct tls *t, const char *what, struct err *e)
{
	unsigned long code = ERR_peek_last_error();
	long verdict = t->ssl != NULL ? SSL_get_verify_result(t->ssl) : X509_V_OK;
	const char *words = code != 0 ? ERR_reason_error_string(code) : NULL;

	if (verdict != X509_V_OK)
		words = X509_verify_cert_error_string(verdict);
	err_set(e, ERR_DENIED, "%s: %s", what, words != NULL ? words : "no reason given");
}

static int
file_failed(struct tls *t, const char *what, const char *path, struct err *e)
{
	char shown[STR_SHOW_MAX * 4 + 4];

	explain(t, str_printable(shown, sizeof(shown), path, strlen(path)), e);
	e->code = ERR_CONFIG;
	return err_wrap(e, "the %s", what);
}

static int
no_passphrase(char *out, int size, int is_writing, void *arg)
{
	(void)out;
	(void)size;
	(void)is_writing;
	(void)arg;
	return -1;
}

static int
load_files(struct tls *t, const struct stream_tls *config, struct err *e)
{
	const char *key = config->key_file != NULL ? config->key_file : config->cert_file;

	SSL_CTX_set_default_passwd_cb(t->context, no_passphrase);
	if (config->is_verified) {
		SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
		if (config->ca_file == NULL)
			SSL_CTX_set_default_verify_paths(t->context);
		else if (SSL_CTX_load_verify_file(t->context, config->ca_file) != 1)
			return file_failed(t, "CA file", config->ca_file, e);
	}
	if (config->cert_file == NULL)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(t->context, config->cert_file) != 1)
		return file_failed(t, "certificate", config->cert_file, e);
	if (SSL_CTX_use_PrivateKey_file(t->context, key, SSL_FILETYPE_PEM) != 1)
		return file_failed(t, "key", key, e);
	return 0;
}

static void
set_name(struct tls *t, const struct stream_tls *config)
{
	unsigned char address[sizeof(struct in6_addr)];
	bool is_address = inet_pton(AF_INET, config->name, address) == 1 ||
			  inet_pton(AF_INET6, config->name, address) == 1;
	int result = 1;

	if (!is_address)
		result = (int)SSL_set_tlsext_host_name(t->ssl, config->name);
	if (result == 1 && config->is_name_verified)
		result = is_address
			     ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), config->name)
			     : SSL_set1_host(t->ssl, config->name);
	if (result != 1)
		abort(); /* out of memory */
}

struct tls *
tls_new(int fd, const struct stream_tls *config, struct err *e)
{
	struct tls *t = mem_alloc(sizeof(*t));

	ERR_clear_error();
	if ((t->context = SSL_CTX_new(TLS_client_method())) == NULL)
		abort(); /* out of memory */
	SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
	/* A peer that is killed says no goodbye; that is the connection's end, not an attack. */
	SSL_CTX_set_options(t->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(
	    t->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (load_files(t, config, e) != 0) {
		tls_free(t);
		return NULL;
	}
	if ((t->ssl = SSL_new(t->context)) == NULL || SSL_set_fd(t->ssl, fd) != 1)
		abort(); /* out of memory */
	SSL_set_connect_state(t->ssl);
	if (config->name != NULL)
		set_name(t, config);
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	SSL_CTX_free(t->context);
	free(t);
}

/* What a call of OpenSSL that returned no success means. saved: errno after it. */
static int
judge(struct tls *t, int result, int saved, const char *what, struct err *e)
{
	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		t->wants_write = false;
		return TLS_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		t->wants_write = true;
		return TLS_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		errno = saved != 0 ? saved : ECONNRESET;
		return TLS_BROKEN;
	default:
		explain(t, what, e);
		return TLS_FAILED;
	}
}

int
tls_handshake(struct tls *t, struct err *e)
{
	int result;

	ERR_clear_error();
	errno = 0;
	if ((result = SSL_do_handshake(t->ssl)) == 1)
		return 0;
	result = judge(t, result, errno, "no TLS", e);
	if (result == 0 || result == TLS_BROKEN) {
		err_set(e, ERR_DENIED, "no TLS: %s",
		    result == 0 ? "the connection was closed" : strerror(errno));
		return TLS_FAILED;
	}
	return result;
}

ssize_t
tls_read(struct tls *t, char *data, size_t len, struct err *e)
{
	size_t done;
	int result;

	ERR_clear_error();
	errno = 0;
	if ((result = SSL_read_ex(t->ssl, data, len, &done)) == 1)
		return (ssize_t)done;
	return judge(t, result, errno, "TLS", e);
}

ssize_t
tls_write(struct tls *t, const char *data, size_t len, struct err *e)
{
	size_t done;
	int result;

	ERR_clear_error();
	errno = 0;
	if ((result = SSL_write_ex(t->ssl, data, len, &done)) == 1)
		return (ssize_t)done;
	return judge(t, result, errno, "TLS", e);
}

bool
tls_wants_write(const struct tls *t)
{
	return t->wants_write;
}
