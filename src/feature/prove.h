/*
 * prove.h: asks the resolver of this host until it answers what the new file says. Only then is a
 * generation served; everything before is hope.
 */
#ifndef FEATURE_PROVE_H
#define FEATURE_PROVE_H

#include <stdint.h>

#include "base/err.h"
#include "model/name_map.h"

struct loop;
struct prover;

struct proof {
	const char *server; /* "127.0.0.1:53" */
	uint64_t generation;
	/*
	 * One more question, for files whose generation is the same as that of the file before (a
	 * node got another address): name is asked for and must have exactly the addresses of
	 * expected, or not exist when expected is NULL. fqdn NULL: no such question.
	 */
	const char *fqdn;
	const struct name *expected;
};

/* e->code ERR_NONE: proven. Else what the last question got, called after each round without. */
typedef void prove_fn(const struct err *e, void *arg);

/*
 * Asks at once and again after 1, 2, 4 ms and so on up to PROVE_PAUSE_MAX_MS, until it is proven or
 * cancelled. Copies what it needs of p.
 */
#define PROVE_PAUSE_MAX_MS 2000
struct prover *prover_start(struct loop *l, const struct proof *p, prove_fn *fn, void *arg);
void prover_cancel(struct prover *p); /* NULL is allowed */

#endif
