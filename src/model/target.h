/*
 * target.h: what a check is aimed at, as the configuration writes it: "maindb" (a name), "db3" (a
 * node), "cache.example:6379", "10.0.4.13:3306", "[fd00::1]:80". Which of the first three a host is,
 * the caller's map tells. Pure.
 */
#ifndef MODEL_TARGET_H
#define MODEL_TARGET_H

#include <stdbool.h>

#include "model/name.h"

struct target {
	char host[NAME_SIZE]; /* lower-cased; of an address the form of inet_ntop(3) */
	int port;             /* 0: none given */
	bool is_address;
};

/* 0, or -1 with out untouched. */
int target_parse(const char *text, struct target *out);

#endif
