/*
 * check_net.c: tables and small verbs; nothing here waits.
 */
#include "feature/check_net.h"

#include <string.h>

#include "base/mem.h"

static const enum check_class classes[] = {
	[FAULT_NONE] = CHECK_OK,
	[FAULT_REFUSED] = CHECK_REFUSED,
	[FAULT_RESET] = CHECK_RESET,
	[FAULT_TIMEOUT] = CHECK_TIMEOUT,
	[FAULT_UNREACHABLE] = CHECK_UNREACHABLE,
	[FAULT_RESOLVE] = CHECK_RESOLVE,
	[FAULT_TLS] = CHECK_TLS,
	[FAULT_PROTOCOL] = CHECK_PROTOCOL,
	[FAULT_LOCAL] = CHECK_UNKNOWN, /* we could not look: nothing is known of the peer */
};

void
check_net_failed(struct check_result *r, enum fault f, const struct err *e)
{
	check_result_set(r, classes[f], "%s", e->text);
}

void
check_net_took(struct check_result *r, const struct check_spec *s, int64_t took_us)
{
	double seconds = (double)took_us / 1e6;
	const struct range *caught = NULL;
	char text[CHECK_TEXT_SIZE];

	r->took_us = took_us;
	check_result_number(r, "time", seconds, "s", &s->warning, &s->critical);
	if (r->class != CHECK_OK)
		return;
	if (range_catches(&s->critical, seconds))
		caught = &s->critical;
	else if (range_catches(&s->warning, seconds))
		caught = &s->warning;
	if (caught == NULL)
		return;
	memcpy(text, r->text, sizeof(text));
	check_result_set(r, caught == &s->critical ? CHECK_VALUE : CHECK_WARNING,
	    "took %.3f s (range %s): %s", seconds, caught->text, text);
}

const char *
check_net_host(const struct check_spec *s, char out[RESOLVE_HOST_SIZE])
{
	int port;

	if (s->host != NULL)
		return s->host;
	return s->target != NULL && resolve_split(s->target, out, &port) == 0 ? out : NULL;
}

bool
check_net_tls(const struct check_spec *s, const struct credentials *c, char host[RESOLVE_HOST_SIZE],
    struct stream_tls *out)
{
	bool is_from_file = c != NULL && c->is_tls;

	*out = (struct stream_tls){ .name = check_net_host(s, host) };
	if (is_from_file) {
		out->ca_file = c->ssl_ca;
		out->cert_file = c->ssl_cert;
		out->key_file = c->ssl_key;
		/* An authority that is named is asked; the name as the file says. */
		out->is_verified = c->ssl_ca != NULL || c->is_verified;
		out->is_name_verified = c->is_verified;
	}
	if (s->is_tls) {
		out->is_verified = out->is_name_verified = true;
		if (s->ca_file != NULL)
			out->ca_file = s->ca_file;
	}
	if (out->name == NULL)
		out->is_name_verified = false;
	return s->is_tls || is_from_file;
}
