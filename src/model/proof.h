/*
 * proof.h: the generation of a hosts file as an address, which a resolver that has read the file
 * can be asked for: fd70:6d:: ("pm" in a unique local prefix) with the generation as its low 64
 * bits.
 */
#ifndef MODEL_PROOF_H
#define MODEL_PROOF_H

#include <stdint.h>

#include "model/name.h"

#define PROOF_NAME "generation.pointsman.internal"

/* In the form of inet_ntop(3): 8813 is "fd70:6d::226d". Returns out. */
char *proof_address(uint64_t generation, char out[ADDRESS_SIZE]);

#endif
