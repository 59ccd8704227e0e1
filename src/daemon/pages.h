/* pages.h: the paths that the agent's HTTP server knows. */
#ifndef DAEMON_PAGES_H
#define DAEMON_PAGES_H

#include "io/httpd.h"

/* An httpd_page_fn; arg is the agent. */
void pages_get(const char *path, struct httpd_page *page, void *arg);

#endif
