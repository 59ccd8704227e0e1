/*
 * fuzz_credentials.c: an option file of anybody. There are credentials or there is a message, never both;
 * the message is one printable line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "feature/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct credentials c = { 0 };
	struct err e = { 0 };
	char shown[ERR_TEXT_MAX * 4];
	int rc = credentials_parse((const char *)data, size, "a.cnf", &c, &e);

	if ((rc == 0) != (e.code == ERR_NONE))
		abort();
	if (rc != 0 && (c.user != NULL || c.password != NULL || c.is_tls))
		abort();
	if (rc == 0 &&
	    ((c.ssl_cert == NULL) != (c.ssl_key == NULL) || (c.is_verified && !c.is_tls)))
		abort();
	if (strcmp(str_printable(shown, sizeof(shown), e.text, strlen(e.text)), e.text) != 0)
		abort();
	credentials_clear(&c);
	return 0;
}
