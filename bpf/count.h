/* SPDX-License-Identifier: GPL-2.0 */
/* The one exit: a verdict becomes a count and what XDP does with the packet. */
#ifndef TFOGUARD_COUNT_H
#define TFOGUARD_COUNT_H

#include "maps.h"
#include "packet.h"

stage int leave(const struct packet *p, enum verdict v)
{
	struct counters *all;
	struct counter *c;
	__u32 zero = 0, slot, family = p->family;

	all = bpf_map_lookup_elem(&counters, &zero);
	/* The number that is checked is the one that is used, in one register:
	 * of two loads from the stack the verifier believes nothing. */
	asm volatile("" : "+r"(family));
	if (all && v < VERDICT_COUNT && family < FAMILY_COUNT) {
		slot = counter_slot[v];
		if (slot < COUNTER_SLOTS) {
			c = &all->slot[slot][family];
			c->packets++;
			c->bytes += p->len;
		}
	}
	if (settings.observe)
		return XDP_PASS;
	switch (verdict_action(v)) {
	case ACTION_answer:
		return XDP_TX;
	case ACTION_drop:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

#endif
