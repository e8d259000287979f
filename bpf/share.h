/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pressure is the listener's SYN queue against two marks. Below the lower one
 * SYNs pass, no more in one clock tick than the queue has room for, since its
 * reading lags. From the upper one on nothing passes that would enter. Between
 * them the share that is answered rises, and what passes is bounded by what
 * became of those before: a listener whose queue does not grow by what it was
 * given is served by clients that complete, and is given twice as many in the
 * next half second; one whose queue grows is given so few that they can't fill
 * it within the minute for which the kernel keeps them, until it has been left
 * alone for some periods. Without that, the queue would stand at the upper mark
 * for a minute after every attack.
 *
 * Pure.
 */
#ifndef TFOGUARD_SHARE_H
#define TFOGUARD_SHARE_H

#include "packet.h"

#define SHARE_ALL 256
#define PERIOD_SHIFT 29 /* of admissions between the marks: half a second */
#define PULSE 4 /* periods: a silence no longer than this tells nothing */
#define BUDGET_MAX (1U << 20)

/* How a listener's queue took what it was given between the marks. */
struct growth {
	__u64 self; /* of struct heard */
	__u64 period;
	__u64 full_in; /* the period in which it was given all of its budget */
	__u32 queue; /* at the period's start */
	__u32 tried;
	__u32 admitted;
	__u32 budget; /* in a period; 0: the least */
};

/* Of unproven SYNs, in 1/256: by the listener's queue and the marks. */
stage __u32 share_of(const struct heard *h, const struct tuning *t)
{
	__u64 limit = h->syn_limit ?: 1;
	__u64 queue = (__u64)h->syn_queue << 8;
	__u64 lo = limit * t->mark_lo, hi = limit * t->mark_hi;

	if (queue < lo)
		return 0;
	if (queue >= hi)
		return SHARE_ALL;
	return ((queue - lo) << 8) / (hi - lo) ?: 1;
}

/* The least that a listener is given in a period: they stay in its queue for
 * a minute, 126 periods, and fill half of what is between the marks. */
stage __u32 least_budget(const struct growth *g, __u32 span)
{
	__u32 rest = span & 255;

	return (span >> 8) +
	       ((((__u32)g->period * 0x9e3779b1U) >> 24) < rest);
}

/* Between the marks: whether one more may enter. */
stage int may_grow(struct growth *g, const struct heard *h,
		   const struct tuning *t, __u32 hash, __u64 now)
{
	__u64 limit = h->syn_limit ?: 1;
	__u32 top = limit * t->mark_hi >> 8;
	__u32 span = ((limit * t->mark_hi - limit * t->mark_lo) >> 8) ?: 1;
	__u64 period = now >> PERIOD_SHIFT, elapsed;
	__u32 grew, budget, room;

	if (g->self != h->self) {
		g->self = h->self;
		g->period = period;
		g->full_in = 0;
		g->queue = h->syn_queue;
		g->tried = g->admitted = g->budget = 0;
	}
	if (g->period != period) {
		elapsed = period - g->period;
		grew = h->syn_queue > g->queue ? h->syn_queue - g->queue : 0;
		if (g->admitted && 2 * grew > g->admitted) {
			g->budget = 0;
			/* A longer silence since then says it's over. */
			elapsed -= elapsed < PULSE ? elapsed : PULSE;
		} else if (g->tried && !g->admitted) {
			elapsed--; /* that one told nothing */
		}
		if (elapsed)
			g->budget = elapsed >= 20 ||
						    g->budget >> (20 - elapsed) ?
					    BUDGET_MAX :
					    (g->budget ?: 1) << elapsed;
		g->period = period;
		g->queue = h->syn_queue;
		g->tried = g->admitted = 0;
	}
	/* A part of the room that there was: not even pulses fill it. */
	room = g->queue < top ? top - g->queue : 0;
	if (h->syn_queue >= g->queue + room / 4)
		g->budget = 0;
	g->tried++;
	budget = g->budget;
	if (!budget) {
		if ((hash & 255) < h->share)
			return 0;
		budget = least_budget(g, span);
	}
	if (g->admitted >= budget) {
		g->full_in = period;
		return 0;
	}
	g->admitted++;
	return 1;
}

/* Whether none enters before the next period. */
stage int is_given_all(const struct growth *g, const struct heard *h, __u64 now)
{
	return g->self == h->self && g->full_in == now >> PERIOD_SHIFT;
}

#endif
