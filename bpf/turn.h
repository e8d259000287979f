/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which of two guards takes a packet, while one is exchanged for the other in
 * libxdp's dispatcher. What a dispatcher holds can't be exchanged in one step,
 * so for a moment both stand in the chain, the elder first:
 *
 *   step of user space              elder           successor
 *   -                               takes           (not there)
 *   elder.has_successor = 1         takes, marks    (not there)
 *   the successor joins the chain   takes, marks    sees the mark, passes
 *   elder.retired = 1               clears, passes  sees no mark, takes
 *   the elder leaves the chain      (gone)          takes
 *
 * The mark is per CPU, and both run for one packet before the next comes, so
 * exactly one of them takes each packet: none is unguarded, none counted twice.
 */
#ifndef TFOGUARD_TURN_H
#define TFOGUARD_TURN_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "packet.h"

/* Written by user space, each program's own. Read by every chained packet. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct turn);
} turn SEC(".maps");

/* The elder's mark: it took this packet. Shared by both; written by the elder,
 * and by user space when there is none. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} taken SEC(".maps");

stage int is_our_turn(void)
{
	__u32 zero = 0, *mark = bpf_map_lookup_elem(&taken, &zero);
	struct turn *ours = bpf_map_lookup_elem(&turn, &zero);

	if (!mark || !ours)
		return 0;
	if (!ours->has_successor)
		return !*mark;
	*mark = !ours->retired;
	return *mark;
}

#endif
