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
	__u32 zero = 0, slot;

	all = bpf_map_lookup_elem(&counters, &zero);
	if (all && v < VERDICT_COUNT && p->family < FAMILY_COUNT) {
		slot = counter_slot[v];
		if (slot < COUNTER_SLOTS) {
			c = &all->slot[slot][p->family];
			c->packets++;
			c->bytes += p->len;
		}
	}
	if (settings.observe || verdict_action(v) != ACTION_drop)
		return XDP_PASS;
	return XDP_DROP;
}

#endif
