/*
 * clock.h: the two clocks. Everything that measures or waits uses the monotonic one; the wall clock
 * is for people's eyes only. Tests replace the monotonic clock (clock_fake_set) and never sleep.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_mono_us(void);
int64_t clock_mono_ms(void);
int64_t clock_wall_s(void);
int64_t clock_wall_ms(void);

/* UTC, ISO 8601 with seconds: "2026-11-21T22:37:04Z" (20 characters and the NUL). */
#define CLOCK_ISO_SIZE 32
char *clock_iso(char out[CLOCK_ISO_SIZE], int64_t wall_s);
/* Exactly that form, of the years 1970 to 9999: 0, or -1 with out untouched. */
int clock_iso_parse(const char *text, int64_t *out_s);

/* From now on the monotonic clock says us; a negative value gives the real clock back. */
void clock_fake_set(int64_t us);

#endif
