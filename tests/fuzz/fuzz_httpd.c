/*
 * fuzz_httpd.c: the head of a request, from anybody who can connect.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/httpd_host.h"
#include "io/httpd_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool is_so)
{
	if (!is_so)
		abort();
}

static bool
is_within(struct httpd_text t, const char *data, size_t len)
{
	return t.data >= data && t.data <= data + len && t.len <= (size_t)(data + len - t.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char web[] = "web-03";
	char *const hosts[] = { web, NULL };
	struct endpoint listening = { 0 };
	struct httpd_request r;
	char *bytes = mem_alloc(size); /* of its own: a byte too far is seen */

	memcpy(bytes, data, size);
	if (httpd_request_parse(bytes, size, &r)) {
		check(r.len > 0 && r.len <= size);
		check(r.status == 0 || !r.is_kept);
		if (r.status == 0)
			check(is_within(r.path, bytes, r.len) && r.path.len > 0 &&
			      r.path.data[0] == '/');
		if (r.status == 0 && r.host.data != NULL) {
			check(is_within(r.host, bytes, r.len));
			httpd_host_is_known(r.host, &listening, hosts);
		}
		/* A head that is complete stays as it is, whatever follows. */
		check(httpd_request_parse(bytes, r.len, &r));
	}
	free(bytes);
	return 0;
}
