/*
 * check_net.h: what the checks that talk over the network share: the class of a fault, the settings of
 * TLS, the time of an answer against its ranges.
 */
#ifndef FEATURE_CHECK_NET_H
#define FEATURE_CHECK_NET_H

#include "base/err.h"
#include "feature/credentials.h"
#include "io/fault.h"
#include "io/resolve.h"
#include "io/stream.h"
#include "model/check.h"

/* The class and the text of a run that ended with a fault. */
void check_net_failed(struct check_result *r, enum fault f, const struct err *e);

/*
 * The time of the run as its number "time", in seconds. When the run was fine it becomes a warning or
 * CHECK_VALUE if the spec's ranges catch it.
 */
void check_net_took(struct check_result *r, const struct check_spec *s, int64_t took_us);

/* The host that the spec is about, for a certificate and a Host header; out holds it. */
const char *check_net_host(const struct check_spec *s, char out[RESOLVE_HOST_SIZE]);

/*
 * TLS as the spec wants it (tls: by an authority and by name) or else as the credentials do. false:
 * in the clear. c NULL: none. What it points to belongs to s, c and host.
 */
bool check_net_tls(const struct check_spec *s, const struct credentials *c,
    char host[RESOLVE_HOST_SIZE], struct stream_tls *out);

#endif
