/*
 * preflight_other.c: pairs of Redis and of daemons. Their checks have the words already; here is what
 * is between the two, and what a Sentinel means for a person who flips by hand.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/preflight_rules.h"

static bool
reached_both(const struct preflight_facts *f, struct preflight *out)
{
	bool first = preflight_is_reached(preflight_active(f), out);

	return preflight_is_reached(preflight_standby(f), out) && first;
}

void
preflight_rule_redis_writer(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f),
				      *standby = preflight_standby(f);
	bool a, b;

	if (!reached_both(f, out))
		return;
	a = active->redis->view->is_writable;
	b = standby->redis->view->is_writable;
	if (a && b) {
		preflight_say(out, PREFLIGHT_REFUSED, "both are masters: %s and %s", active->node,
		    standby->node);
		preflight_why(out, "whatever is written on %s is lost when it becomes a replica",
		    standby->node);
		preflight_do(
		    out, "on %s: REPLICAOF %s %d", standby->node, active->host, active->port);
	} else if (!a && !b) {
		preflight_say(out, PREFLIGHT_REFUSED, "neither %s nor %s is a master", active->node,
		    standby->node);
		preflight_why(out, "all writes fail now");
		if (f->unfinished[0] != '\0')
			preflight_do(out, "end operation %s, see \"operation\"", f->unfinished);
		else
			preflight_do(out, "on %s: REPLICAOF NO ONE", active->node);
	} else if (!a) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s is the master, but %s = %s",
		    standby->node, f->name, f->value);
		preflight_why(out, "all writes through the name fail now");
		preflight_do(out, "pointsman set %s %s", f->name, standby->node);
	} else {
		preflight_say(out, PREFLIGHT_OK, "%s is the master, %s is a replica", active->node,
		    standby->node);
	}
}

static const struct replication_view *
source_of(const struct preflight_server *s)
{
	return s->redis->view->source_count > 0 ? &s->redis->view->sources[0] : NULL;
}

void
preflight_rule_redis_link(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f),
				      *standby = preflight_standby(f);
	const struct replication_view *r;

	if (!preflight_is_reached(standby, out))
		return;
	r = source_of(standby);
	if (r == NULL) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s is no replica", standby->node);
	} else if (r->source_port != active->port ||
		   (strcmp(r->source_host, active->host) != 0 &&
		       strcmp(r->source_host, active->node) != 0)) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s replicates from %s:%d, which is not %s",
		    standby->node, r->source_host, r->source_port, active->node);
	} else if (!r->is_io_running) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s: its link to %s is down", standby->node,
		    active->node);
	} else {
		preflight_say(
		    out, PREFLIGHT_OK, "%s replicates from %s", standby->node, active->node);
		return;
	}
	preflight_why(out, "it does not have what %s has acknowledged", active->node);
	preflight_do(out, "on %s: REPLICAOF %s %d", standby->node, active->host, active->port);
}

void
preflight_rule_redis_offset(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *standby = preflight_standby(f);
	const struct replication_view *r;
	char limit[16];

	if (!preflight_is_reached(standby, out) || (r = source_of(standby)) == NULL)
		return; /* rule "link" has said it */
	str_duration(limit, sizeof(limit), f->max_lag_ms);
	if (!isnan(r->lag_s) && f->max_lag_ms > 0 && r->lag_s * 1000 > (double)f->max_lag_ms) {
		preflight_say(out, PREFLIGHT_REFUSED,
		    "%s heard nothing of its master for %.0f s "
		    "(max-lag %s)",
		    standby->node, r->lag_s, limit);
		preflight_why(out, "what the master has acknowledged since would be lost");
		preflight_do(out, "pointsman check %s/%s", f->pair, standby->node);
	} else if (isnan(r->behind)) {
		preflight_say(out, PREFLIGHT_OK, "%s tells no offset", standby->node);
	} else {
		preflight_say(out, PREFLIGHT_OK, "%s is %.0f bytes behind what it has received",
		    standby->node, r->behind);
	}
}

/* Whether they do. */
static bool
say_watched(const struct preflight_server *s, const char *why, struct preflight *out)
{
	const char *what = s->redis->view->sentinel;

	if (s->redis->sentinel_clients <= 0 && what[0] == '\0')
		return false;
	preflight_say(out, PREFLIGHT_REFUSED, "%s is watched by Sentinels%s%s", s->node,
	    what[0] != '\0' ? ": " : "", what);
	preflight_why(out, "%s: only one of us may decide", why);
	preflight_do(out,
	    "let them do it, SENTINEL FAILOVER NAME, and flip the name after them; or take "
	    "the pair from each of them, SENTINEL REMOVE NAME");
	return true;
}

void
preflight_rule_redis_sentinel(const struct preflight_facts *f, struct preflight *out)
{
	bool is_known = true;

	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (!preflight_is_reached(s, out))
			continue;
		is_known = is_known && s->redis->sentinel_clients >= 0;
		say_watched(
		    s, "they take a master that we demote for a dead one, and move it back", out);
	}
	if (preflight_has_said(out))
		return;
	if (is_known) {
		preflight_say(out, PREFLIGHT_OK, "no Sentinel watches them");
		return;
	}
	preflight_say(out, PREFLIGHT_UNKNOWN, "not known: CLIENT LIST is refused to our account");
	preflight_why(out, "Sentinels that watch them would move the master back");
	preflight_do(out, "allow our account CLIENT|LIST");
}

/* The old one is dead: the standby says who watches. Not known is no reason to leave it down. */
void
preflight_rule_redis_sentinel_heir(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *s = preflight_standby(f);

	if (preflight_is_reached(s, out) &&
	    !say_watched(
		s, "they promote it by themselves, or make a replica of what we promote", out))
		preflight_say(out, PREFLIGHT_OK, "no Sentinel is known to watch %s", s->node);
}

void
preflight_rule_redis_min_replicas(const struct preflight_facts *f, struct preflight *out)
{
	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (!preflight_is_reached(s, out))
			continue;
		if (s->redis->min_replicas < 0) {
			preflight_say(out, PREFLIGHT_UNKNOWN,
			    "not known: %s: CONFIG GET is refused to our account", s->node);
			preflight_why(
			    out, "after an emergency it is alone, and might refuse all writes");
			preflight_do(out, "allow our account CONFIG|GET");
		} else if (s->redis->min_replicas > 0) {
			preflight_say(out, PREFLIGHT_WARNING,
			    "%s: min-replicas-to-write is %" PRId64, s->node,
			    s->redis->min_replicas);
			preflight_why(
			    out, "alone it refuses all writes: after an emergency it is alone");
			preflight_do(out, "CONFIG SET min-replicas-to-write 0, for a pair of two");
		}
	}
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "each takes writes without the other");
}

void
preflight_rule_redis_read_only(const struct preflight_facts *f, struct preflight *out)
{
	for (size_t i = 0; i < 2; i++) {
		const struct preflight_server *s = &f->servers[i];

		if (!preflight_is_reached(s, out) || s->redis->is_read_only_replica != 0)
			continue;
		preflight_say(out, PREFLIGHT_REFUSED, "%s: replica-read-only is no", s->node);
		preflight_why(
		    out, "as a replica it takes writes that its master never has, and loses them");
		preflight_do(
		    out, "on %s: CONFIG SET replica-read-only yes, CONFIG REWRITE", s->node);
	}
	if (!preflight_has_said(out))
		preflight_say(out, PREFLIGHT_OK, "neither takes writes as a replica");
}

/* What the replica needs to be let in, its master will need when it is the replica. */
void
preflight_rule_redis_password(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f),
				      *standby = preflight_standby(f);

	if (!reached_both(f, out))
		return;
	if (standby->redis->has_masterauth != 1 || active->redis->has_masterauth != 0) {
		preflight_say(out, PREFLIGHT_OK, "what %s needs to replicate %s has, too",
		    standby->node, active->node);
		return;
	}
	preflight_say(
	    out, PREFLIGHT_REFUSED, "%s has masterauth, %s has none", standby->node, active->node);
	preflight_why(out, "%s could not replicate from %s: there would be no way back",
	    active->node, standby->node);
	preflight_do(out, "on %s: CONFIG SET masterauth, as on %s; CONFIG REWRITE", active->node,
	    standby->node);
}

/* "7.0.15" as a number; 0: cannot be read. */
static unsigned
version_of(const struct preflight_server *s)
{
	unsigned major, minor, patch;

	if (sscanf(s->redis->view->version, "%3u.%3u.%3u", &major, &minor, &patch) != 3)
		return 0;
	return major * 1000000 + minor * 1000 + patch;
}

void
preflight_rule_redis_versions(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f),
				      *standby = preflight_standby(f);

	if (!reached_both(f, out))
		return;
	if (version_of(standby) >= version_of(active)) {
		preflight_say(out, PREFLIGHT_OK, "%s has %s, %s has %s", active->node,
		    active->redis->view->version, standby->node, standby->redis->view->version);
		return;
	}
	preflight_say(out, PREFLIGHT_WARNING, "%s has %s, older than the %s of %s", standby->node,
	    standby->redis->view->version, active->redis->view->version, active->node);
	preflight_why(out, "an older replica cannot load the dump of a newer master");
	preflight_do(out, "upgrade %s first", standby->node);
}

void
preflight_rule_daemon(const struct preflight_facts *f, struct preflight *out)
{
	const struct preflight_server *active = preflight_active(f),
				      *standby = preflight_standby(f);

	if (preflight_is_reached(active, out)) {
		bool is_well = active->is_running;

		preflight_say(out, is_well ? PREFLIGHT_OK : PREFLIGHT_REFUSED, "%s, the active: %s",
		    active->node, active->text);
		if (!is_well) {
			preflight_why(out, "nobody does the work now");
			preflight_do(out, "pointsman check %s/%s", f->pair, active->node);
		}
	}
	if (!preflight_is_reached(standby, out))
		return;
	if (standby->is_running) {
		preflight_say(out, PREFLIGHT_REFUSED, "%s, the standby, runs: %s", standby->node,
		    standby->text);
		preflight_why(out, "the work is done twice, or by the wrong one");
		preflight_do(out, "stop it on %s", standby->node);
	} else {
		preflight_say(
		    out, PREFLIGHT_OK, "%s, the standby: %s", standby->node, standby->text);
	}
}
