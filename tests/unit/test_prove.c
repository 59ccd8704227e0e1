/*
 * test_prove.c: feature/prove.c with a resolver that the test plays (--wrap=dns_start): it sees how long
 * each question may wait, and answers what the test says.
 */
#include "base/mem.h"
#include "feature/prove.h"
#include "io/dns.h"
#include "io_test.h"

static struct fake {
	dns_done_fn *done;
	void *arg;
	int64_t limit_ms, pause_ms;
	char name[64];
} fake;

struct dns_query *__wrap_dns_start(struct loop *l, const char *server, const char *name,
    enum dns_type type, int64_t limit_ms, dns_done_fn *done, void *arg);
void __wrap_dns_cancel(struct dns_query *q);
void __real_loop_timer_set(struct loop_timer *t, int64_t delay_ms);
void __wrap_loop_timer_set(struct loop_timer *t, int64_t delay_ms);

struct dns_query *
__wrap_dns_start(struct loop *l, const char *server, const char *name, enum dns_type type,
    int64_t limit_ms, dns_done_fn *done, void *arg)
{
	(void)l;
	(void)server;
	(void)type;
	fake.done = done;
	fake.arg = arg;
	fake.limit_ms = limit_ms;
	snprintf(fake.name, sizeof(fake.name), "%s", name);
	return (struct dns_query *)&fake;
}

void
__wrap_dns_cancel(struct dns_query *q)
{
	(void)q;
	fake.done = NULL;
}

void
__wrap_loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
	fake.pause_ms = delay_ms;
	__real_loop_timer_set(t, 0);
}

static struct loop *loop;
static struct err last;
static int rounds;

static void
round_over(const struct err *e, void *arg)
{
	(void)arg;
	last = *e;
	rounds++;
}

/* Answers the question that waits, and turns until the next one is asked, if one is. */
static void
answer(enum err_code code, const char *address)
{
	struct dns_result r = { .err = { .code = code } };
	dns_done_fn *done = fake.done;

	assert_non_null(done);
	if (address != NULL)
		strcpy(r.addresses[r.count++], address);
	fake.done = NULL;
	done(&r, fake.arg);
	for (int i = 0; i < 4; i++)
		loop_turn(loop, 1);
}

static struct prover *
begin(const struct proof *p)
{
	fake = (struct fake){ 0 };
	rounds = 0;
	loop = loop_new();
	return prover_start(loop, p, round_over, NULL);
}

static void
end(struct prover *p)
{
	prover_cancel(p);
	loop_turn(loop, 0);
	loop_free(loop);
}

static const struct proof proof = { .server = "127.0.0.1:53", .generation = 8813 };

/* Silence makes the next question wait longer, the old answer does not. */
static void
test_waits_longer_after_silence(void **test)
{
	static const int64_t limits[] = { 300, 600, 1200, 2000, 2000 };
	struct prover *p = begin(&proof);

	(void)test;
	answer(ERR_NONE, "fd70:6d::1");
	assert_int_equal(last.code, ERR_CONFLICT);
	for (size_t i = 0; i < MEM_COUNT(limits); i++) {
		assert_int_equal(fake.limit_ms, limits[i]);
		answer(ERR_TIMEOUT, NULL);
		assert_int_equal(last.code, ERR_TIMEOUT);
	}
	answer(ERR_NONE, "fd70:6d::226d");
	assert_int_equal(last.code, ERR_NONE);
	assert_null(fake.done);
	end(p);
}

static void
test_asks_at_a_slower_pace(void **test)
{
	static const int64_t pauses[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024,
		PROVE_PAUSE_MAX_MS, PROVE_PAUSE_MAX_MS };
	struct prover *p = begin(&proof);

	(void)test;
	for (size_t i = 0; i < MEM_COUNT(pauses); i++) {
		answer(ERR_NONE, "fd70:6d::1");
		assert_int_equal(fake.pause_ms, pauses[i]);
	}
	assert_int_equal(rounds, MEM_COUNT(pauses));
	end(p);
}

/* The generation and the name are of one moment: after a wrong name both are asked for again. */
static void
test_both_questions_again(void **test)
{
	struct proof both = proof;
	struct prover *p;

	(void)test;
	both.fqdn = "x.service.consul";
	p = begin(&both);
	answer(ERR_NONE, "fd70:6d::226d");
	assert_int_equal(rounds, 0);
	assert_string_equal(fake.name, "x.service.consul");
	answer(ERR_NONE, "10.0.0.1");
	assert_int_equal(last.code, ERR_CONFLICT);
	assert_string_equal(fake.name, "generation.pointsman.internal");
	answer(ERR_NONE, "fd70:6d::226d");
	answer(ERR_NOT_FOUND, NULL);
	assert_int_equal(last.code, ERR_NONE);
	end(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_longer_after_silence),
		cmocka_unit_test(test_asks_at_a_slower_pace),
		cmocka_unit_test(test_both_questions_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
