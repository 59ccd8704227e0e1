/*
 * vantage.h: how far a vantage may trust its own eyes. Pure, with the caller's monotonic clock.
 *
 *   score    0 (healthy) and up: loop lag, no answer from Consul or the gateway, many suspects.
 *            Timeouts are multiplied by 1 + score.
 *   blind    at least max(3, 30 %) of the targets became suspect within 10 s: it looks like us,
 *            not like them. Verdicts are held, one alarm.
 *   held     two turns of the loop were more than 2 s apart (a stopped process): what came in is
 *            dropped, verdicts are held for 30 s.
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
	int64_t since_ms;
	int score;
	int64_t turn_ms; /* the last turn of the loop */
	int64_t held_until_ms;
	bool is_consul_silent, is_gateway_silent;
	int64_t lag_ms; /* of the loop, the worst of late */
	int64_t lag_seen_ms;
	size_t target_count, suspect_count;
};

void vantage_init(struct vantage *v, int64_t now_ms);
/* To be called several times a second, when it was due. true: sight or score changed. */
bool vantage_turn(struct vantage *v, int64_t due_ms, int64_t now_ms);
void vantage_set_consul(struct vantage *v, bool is_silent);
void vantage_set_gateway(struct vantage *v, bool is_silent);
/*
 * Distinct targets (addresses, not checks) and how many of them became suspect within the last 10 s
 * or are since, without being failing for longer. true: sight changed.
 */
bool vantage_set_targets(struct vantage *v, size_t count, size_t suspects, int64_t now_ms);
int64_t vantage_timeout_ms(
    const struct vantage *v, int64_t timeout_ms); /* stretched by the score */
bool vantage_may_judge(const struct vantage *v);  /* sighted */

#endif
