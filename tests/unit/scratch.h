/*
 * scratch.h: a directory of a test's own, without others in it, and children that may die in it.
 */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

/* Its entries, "." and ".." aside. */
int scratch_count(const char *dir);
/* With its files; 0, or -1. */
int scratch_remove(const char *dir);

/* Runs fn(n) in a child that does not outlive us; what wait(2) says of it. */
int scratch_run(void (*fn)(int n), int n);
/* The same, which must die of SIGKILL. */
void scratch_run_killed(void (*fn)(int n), int n);

/*
 * Runs fn in a child of root's for which dir is a file system of this size ("64k"); fn ends it with a
 * number of its own when something is wrong. Who is not root skips the test, and says so.
 */
void scratch_run_on_small_disk(const char *dir, const char *size, void (*fn)(int n));

#endif
