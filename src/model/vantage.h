/*
 * vantage.h: how far a vantage may trust its own eyes. Pure, with the caller's monotonic clock.
 *
 *   score    0 (healthy) and up, a point each: the loop was late, Consul does not answer, the gateway
 *            does not answer, as many suspects as make it blind. Timeouts are multiplied by 1 + score.
 *   blind    at least max(3, 30 %) of the targets became suspect within 10 s: it looks like us,
 *            not like them. Verdicts are held, one alarm.
 *   held     two turns of the loop were more than 2 s apart (a stopped process): what came in is
 *            dropped, verdicts are held for 30 s.
 *
 * Our gateway and Consul are things that we look at, too: each that is silent counts as one suspect
 * more (as long as a target is one). So a vantage with one target is blind when that one, the
 * gateway and Consul are silent together; a rule of targets alone could never make it blind.
 *
 * Blind ends when fewer than half of that number are still bad. It also ends after a minute, if the
 * gateway and Consul answer all the while: then it is not us, a whole rack is gone, and somebody
 * has to hear of it. The guard is armed again once those targets are well or failing.
 *
 * Whoever feeds debounce: not while !vantage_may_judge(); debounce_forget() for all when that
 * begins and when it ends. Targets are noted all the time, or it would never end.
 */
#ifndef MODEL_VANTAGE_H
#define MODEL_VANTAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vantage_sight { VANTAGE_SIGHTED, VANTAGE_BLIND, VANTAGE_HELD };

const char *vantage_sight_name(enum vantage_sight s); /* "sighted", "blind", "held" */
int vantage_sight_parse(const char *name, enum vantage_sight *out);

#define VANTAGE_SCORE_MAX 4 /* timeouts five times as long are long enough */

struct vantage {
	enum vantage_sight sight;
	int64_t since_ms; /* of this sight */
	int score;
	int64_t turn_ms; /* the last turn of the loop */
	int64_t held_until_ms;
	bool is_consul_silent, is_gateway_silent;
	int64_t lag_ms; /* of the loop, the worst of late */
	int64_t lag_seen_ms;
	size_t target_count, suspect_count;
	bool is_blind;    /* by the targets, held or not */
	bool is_spent;    /* it was blind for too long; not again for the same suspects */
	int64_t blind_ms; /* when it became blind; the suspects of that time are counted from it */
	int64_t witness_ms; /* since when gateway and Consul answer, both */
};

void vantage_init(struct vantage *v, int64_t now_ms);
/* To be called several times a second, when it was due. true: sight or score changed. */
bool vantage_turn(struct vantage *v, int64_t due_ms, int64_t now_ms);
void vantage_set_consul(struct vantage *v, bool is_silent); /* silent: also when it has no leader */
void vantage_set_gateway(struct vantage *v, bool is_silent);
/*
 * Distinct targets (addresses, not checks) and how many of them became suspect within the last 10 s
 * or are since, without being failing for longer: vantage_target_is_suspect(). true: sight changed.
 */
bool vantage_set_targets(struct vantage *v, size_t count, size_t suspects, int64_t now_ms);
int64_t vantage_timeout_ms(
    const struct vantage *v, int64_t timeout_ms); /* stretched by the score */
bool vantage_may_judge(const struct vantage *v);  /* sighted */

/* One target, all zero at first: noted at every result, fed or not. */
struct vantage_target {
	bool is_bad;
	bool is_failing;
	int64_t bad_ms; /* when the row of bad results began */
};

/*
 * is_bad: the result was critical, and not what the target told of itself: then the way there is
 * well, and so are our eyes. is_failing: debounce says so, which is then no news.
 */
void vantage_target_note(struct vantage_target *t, bool is_bad, bool is_failing, int64_t now_ms);
bool vantage_target_is_suspect(
    const struct vantage_target *t, const struct vantage *v, int64_t now_ms);

#endif
