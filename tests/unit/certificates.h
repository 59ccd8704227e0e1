/*
 * certificates.h: a directory with an authority (ca.pem), one that nobody trusts (other.pem) and a server's
 * certificate of the first (cert.pem, key.pem) for cache.test and 127.0.0.1, made by openssl(1).
 */
#ifndef TESTS_UNIT_CERTIFICATES_H
#define TESTS_UNIT_CERTIFICATES_H

#include "io_test.h"

#include "base/mem.h"

static inline char *
certificates_make(void)
{
	char *dir = mem_strdup("/tmp/pm-certs-XXXXXX"), *command;

	assert_non_null(mkdtemp(dir));
	command = mem_printf(
	    "cd %s && exec >/dev/null 2>&1; for n in ca other; do "
	    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$n -keyout $n.key "
	    "-out $n.pem || exit 1; done; "
	    "printf 'subjectAltName=DNS:cache.test,IP:127.0.0.1' >ext; "
	    "openssl req -newkey rsa:2048 -nodes -subj /CN=cache.test -keyout key.pem -out csr && "
	    "openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -days 2 -extfile ext -out cert.pem",
	    dir);
	assert_int_equal(0, system(command));
	free(command);
	return dir;
}

static inline void
certificates_remove(char *dir)
{
	char *command = mem_printf("rm -r %s", dir);

	assert_int_equal(0, system(command));
	free(command);
	free(dir);
}

#endif
