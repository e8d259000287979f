/* SPDX-License-Identifier: GPL-2.0 */
/*
 * relieve: under pressure, what would enter a listener's SYN queue is answered
 * in the kernel's place, so that the queue never fills and Fast Open stays on.
 */
#ifndef TFOGUARD_RELIEVE_H
#define TFOGUARD_RELIEVE_H

#include "clock.h"
#include "limit.h"
#include "maps.h"
#include "packet.h"
#include "policy.h"
#include "proven.h"
#include "secret.h"
#include "share.h"

#define TICK_PLACES 64
#define TICK_SHIFT 26 /* 32 bits to as many */
#define VALID_MOST 32

/* What one CPU may admit without a look, by listener's address: unproven ones
 * in the present clock tick, valid cookies of one sort until they are used. */
struct allowance {
	__u64 tick;
	__u32 whose; /* tells addresses, and sorts, apart */
	__u32 left;
};

struct admissions {
	struct allowance allowance[TICK_PLACES];
	__u64 odd; /* bucket: what can't be judged */
};

/* Written and read by the data plane. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct admissions);
} admissions SEC(".maps");

#define GROWTH_PLACES 1024

/* By listener, a hash of it. Written and read by the data plane. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GROWTH_PLACES);
	__type(key, __u32);
	__type(value, struct growth);
} growths SEC(".maps");

stage __u32 whose_allowance(const struct syn *s)
{
	return (__u32)(s->path.words[0] >> 32) ^
	       (s->family == FAMILY_ipv4 ?
			0 :
			(__u32)(s->path.words[2] ^
				(s->path.words[3] >> 32))) ^
	       ((__u32)s->dport << 16) ^ s->dport;
}

stage struct allowance *allowance_of(__u32 whose)
{
	struct admissions *a;
	__u32 zero = 0;

	a = bpf_map_lookup_elem(&admissions, &zero);
	return a ? &a->allowance[whose * 0x9e3779b1U >> TICK_SHIFT] : NULL;
}

/*
 * Below the lower mark: a look lets so many pass, until the clock ticks again,
 * as the queue has room for; the next ones of this tick need not look (admit),
 * and what is beyond is a burst.
 */
stage int is_burst(const struct syn *s, const struct heard *h,
		   const struct tuning *t, __u64 now)
{
	__u64 limit = h->syn_limit ?: 1;
	__u32 whose = whose_allowance(s);
	struct allowance *a;

	if (!t->admit_share)
		return 0;
	a = allowance_of(whose);
	if (!a)
		return 0;
	if (a->tick != now) {
		a->tick = now;
		a->whose = whose;
		a->left = ((limit * t->mark_hi -
			    ((__u64)h->syn_queue << 8)) *
			   t->admit_share) >> 16 ?: 1;
	}
	if (!a->left)
		return 1;
	a->left--;
	return 0;
}

stage __u32 whose_valid(const struct syn *s)
{
	return whose_allowance(s) ^ (__u32)s->as << 16;
}

/* A look in calm lets so many valid cookies pass as are a part of what its Fast
 * Open queue has left to its mark: not to be overrun between two looks. */
stage void allow_valid(const struct syn *s, const struct heard *h,
		       const struct tuning *t)
{
	__u32 whose = whose_valid(s), left;
	struct allowance *a = allowance_of(whose);

	left = (h->tfo_limit * t->tfo_mark / 256 - h->tfo_queue) / 4;
	if (!a)
		return;
	a->tick = 0;
	a->whose = whose;
	a->left = left < VALID_MOST ? left : VALID_MOST;
}

stage struct growth *growth_of(const struct heard *h)
{
	__u32 place = (h->self >> 6) & (GROWTH_PLACES - 1);

	return bpf_map_lookup_elem(&growths, &place);
}

/* Between the marks: whether one more may enter. */
stage int is_admitted(const struct heard *h, const struct tuning *t,
		      __u32 hash, __u64 now)
{
	struct growth *g = growth_of(h);

	return g && may_grow(g, h, t, hash, now);
}

/* Whether it is answered, whatever limits say. */
stage int is_answered(const struct syn *s, const struct heard *h, __u64 now,
		      int burst)
{
	struct growth *g;

	if (s->policy.answer == ANSWER_always || burst ||
	    h->share >= SHARE_ALL)
		return 1;
	g = h->share ? growth_of(h) : NULL;
	return g && is_given_all(g, h, now);
}

/* A retransmission has the hash of its first. */
stage __u32 flow_hash(const struct syn *s, const struct secrets *secrets)
{
	__u64 path = s->path.words[0];

	if (s->family != FAMILY_ipv4)
		path ^= s->path.words[1] ^ s->path.words[3];
	return hash_words(secrets, path,
			  s->sport | (__u64)s->dport << 16 |
				  (__u64)s->seq << 32);
}

/* ACKs of answers may come from now on, on any interface. */
stage void note_answer(const struct syn *s, __u64 now)
{
	struct port_state *port = state_of(be16(s->dport)), *any = state_of(0);
	__u32 until = clock_units(now) + ANSWERS_LAST;

	if (port && port->answered_until != until) {
		port->answered_until = until;
		port->replay = s->policy.replay;
	}
	if (any && any->answered_until != until)
		any->answered_until = until;
}

/* Its share of the listener's Fast Open queue, which binds only while that
 * queue is above its mark. */
stage int within_tfo_budget(const struct syn *s, const struct heard *h,
			    const struct tuning *t,
			    const struct secrets *secrets, __u64 now)
{
	struct source source = source_key(s->family, &s->path);
	__u64 period = t->tfo_period * SECOND_NS;
	__u32 slots = (h->tfo_limit * t->tfo_share) >> 8;
	struct proof *proof;

	proof = enter_proven(&source, prefix_of(s->family, &s->path), t, secrets,
			     now);
	if (!proof)
		return 0;
	/* Who completes is given the place back, by the tc program. */
	note_answer(s, now);
	proof->tfo_cost = period / (slots ?: 1);
	return take(&proof->tfo, now, proof->tfo_cost, period);
}

stage int is_proven_source(const struct syn *s, __u64 now)
{
	struct source source = source_key(s->family, &s->path);
	struct proof *proof = proof_of(&source);

	return proof && proof->until > now;
}

/* Whether this SYN's source or prefix sends more than it may; a limit that
 * drops has the word in calm too. */
stage enum relief over_limits(const struct syn *s, const struct heard *h,
			      const struct tuning *t,
			      const struct secrets *secrets, __u64 now)
{
	int forged = s->class == SYN_COOKIE || s->class == SYN_BAD_LENGTH;
	__u64 source = source_of(s->family, &s->path);
	__u64 prefix = prefix_of(s->family, &s->path);
	enum relief relief = RELIEF_PASS;

	if (s->allowed || s->proven)
		return RELIEF_PASS;
	if ((h->share || s->policy.over_prefix == OVER_drop) &&
	    !is_within(LIMIT_PREFIX_SYN, prefix, t->prefix_syn, secrets, now))
		relief = s->policy.over_prefix == OVER_drop ?
				 RELIEF_PREFIX_LIMIT :
				 RELIEF_ANSWER;
	if ((h->share || s->policy.over_source == OVER_drop) &&
	    (!is_within(LIMIT_SOURCE_SYN, source, t->source_syn, secrets,
			now) ||
	     (forged && !is_within(LIMIT_SOURCE_FORGED, source,
				   t->source_forged, secrets, now))))
		relief = s->policy.over_source == OVER_drop ?
				 RELIEF_SOURCE_LIMIT :
				 (relief ?: RELIEF_ANSWER);
	if (relief && is_proven_source(s, now))
		return RELIEF_PASS;
	return relief;
}

/* What becomes of a SYN that is ours and has a listener. */
stage enum relief relief_of(const struct syn *s, const struct heard *h,
			    const struct tuning *t,
			    const struct secrets *secrets, __u64 now,
			    int burst)
{
	enum relief relief;
	int answered;

	if (s->proven && h->tfo_room) {
		if (!h->tfo_busy || s->allowed ||
		    within_tfo_budget(s, h, t, secrets, now))
			return RELIEF_PASS;
		return RELIEF_BUDGET;
	}
	answered = is_answered(s, h, now, burst);
	/* Limits that answer need not be asked: their buckets lie far apart,
	 * and each is a wait for memory. */
	if (answered && !has_drop_limit(s))
		return RELIEF_ANSWER;
	relief = over_limits(s, h, t, secrets, now);
	if (relief)
		return relief;
	if (answered)
		return RELIEF_ANSWER;
	if (h->share && !is_admitted(h, t, flow_hash(s, secrets), now))
		return RELIEF_ANSWER;
	return RELIEF_PASS;
}

/* A second or two; written once a second, for others read the line. */
stage void note_pressure(__be16 dport, __u64 now)
{
	struct port_state *port = state_of(be16(dport)), *any = state_of(0);
	__u32 until = clock_units(now) + 2;

	if (port && port->pressed_until != until)
		port->pressed_until = until;
	if (any && any->pressed_until != until)
		any->pressed_until = until;
}

/*
 * Calm needs no look at the listener for each SYN. An unproven one may pass by
 * the allowance of one that looked in this clock tick; a valid cookie by that
 * of the last one, unless its port was under pressure of late.
 */
stage enum verdict admit(const struct syn *s)
{
	struct allowance *a;
	__u32 whose;

	if (settings.assume_listener || wants_look(s))
		return UNDECIDED;
	if (!s->proven) {
		if (would_touch(s))
			return UNDECIDED;
		if (!settings.can_answer && !settings.can_challenge)
			return settle(s);
		whose = whose_allowance(s);
		a = allowance_of(whose);
		if (!a || a->whose != whose || a->tick != clock_ns() ||
		    !a->left)
			return UNDECIDED;
		a->left--;
		return settle(s);
	}
	if (is_pressed_now(be16(s->dport)))
		return UNDECIDED;
	whose = whose_valid(s);
	a = allowance_of(whose);
	if (!a || a->whose != whose || !a->left)
		return UNDECIDED;
	a->left--;
	return s->as;
}

/* What can't be judged keeps to a small rate while any listener is pressed. */
stage int is_odd_beyond_rate(const struct tuning *t, __u64 now)
{
	struct admissions *a;
	__u32 zero = 0;

	a = bpf_map_lookup_elem(&admissions, &zero);
	return a && t->odd && !take_of_rate(&a->odd, now, t->odd);
}

/* The verdict of what look found out. */
stage enum verdict relieve(const struct syn *s, const struct heard *h)
{
	switch (h->relief) {
	case RELIEF_SOURCE_LIMIT:
		return V_source_limit;
	case RELIEF_PREFIX_LIMIT:
		return V_prefix_limit;
	case RELIEF_BUDGET:
		return h->can_answer ? V_answer_downgraded : V_tfo_budget;
	case RELIEF_ANSWER:
		if (!s->as && port_drops(s))
			break;
		if (!h->can_answer && h->can_challenge)
			return V_challenge;
		if (!h->can_answer)
			break;
		if (s->proven)
			return V_answer_downgraded;
		if (is_overruled(s))
			return V_answer_plain;
		if (s->class == SYN_COOKIE || s->class == SYN_BAD_LENGTH)
			return V_answer_forged;
		return s->class == SYN_REQUEST ? V_answer_request :
						 V_answer_plain;
	}
	return s->as;
}

#endif
