/*
 * inject.h: system calls that fail, or kill the process, at a chosen point. The calls of the code
 * under test are bent here by the linker (--wrap, see inject_ldflags in Makefile.am), so that the
 * tests need no tracer and no preloaded library.
 */
#ifndef TESTS_INJECT_H
#define TESTS_INJECT_H

/* From now on the nth wrapped call (the first is 1) fails with errno no and does nothing. */
void inject_fail(int nth, int no);
/* The nth call kills the process with SIGKILL, half-way when it is a write; 0: count only. */
void inject_kill(int nth);
/* No write takes more than max bytes at once. */
void inject_short_writes(unsigned max);
/* Only call fails, each time: "fsync", "rename", … */
void inject_fail_always(const char *call, int no);
/* Runs fn once, before the nth call of that name: what others do in just that moment. */
void inject_before(const char *call, int nth, void (*fn)(void));
void inject_off(void);

/* Wrapped calls since the last of the above. */
int inject_calls(void);

#endif
