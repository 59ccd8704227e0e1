/* proof.c: the generation as an address. */
#include "model/proof.h"

#include <arpa/inet.h>

char *
proof_address(uint64_t generation, char out[ADDRESS_SIZE])
{
	/* RFC 4193: fd, then 40 bits of our own choice ("pm" in ASCII and zeros), then a subnet */
	struct in6_addr address = { .s6_addr = { 0xfd, 0x70, 0x00, 0x6d } };

	for (int i = 0; i < 8; i++)
		address.s6_addr[15 - i] = (unsigned char)(generation >> (8 * i) & 0xff);
	inet_ntop(AF_INET6, &address, out, ADDRESS_SIZE);
	return out;
}
