/*
 * httpd_host.h: which Host values a request may have.
 */
#ifndef IO_HTTPD_HOST_H
#define IO_HTTPD_HOST_H

#include <stdbool.h>

#include "io/endpoint.h"
#include "io/httpd_request.h"

/*
 * Known are, with any port: localhost, literal loopback addresses, the address of listening (any literal
 * address of its family, if that is 0.0.0.0 or [::]; none, if its len is 0), and hosts, NULL-terminated.
 */
bool httpd_host_is_known(
    struct httpd_text text, const struct endpoint *listening, char *const *hosts);

#endif
