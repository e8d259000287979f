/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whether the kernel will take a segment for what it says: the checks of
 * ip_rcv_core and tcp_v4_rcv that come before any look at a socket.
 */
#ifndef TFOGUARD_INTACT_H
#define TFOGUARD_INTACT_H

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <linux/in.h>

#include "kernel.h"
#include "packet.h"
#include "walk.h"

#define SUM_PART 32 /* bytes; the stack is small */
#define SUM_PARTS (0x10000 / SUM_PART)
#define SUM_RIGHT 0xffff

#define CHECKSUM_UNNECESSARY 1 /* include/linux/skbuff.h */
#define CHECKSUM_PARTIAL 3

extern void *bpf_cast_to_kern_ctx(void *skb) __ksym;

struct sum_walk {
	struct __sk_buff *skb;
	__u32 at; /* offset in the packet */
	__u32 left; /* bytes */
	__u32 sum;
	__u32 cut; /* the packet ends before */
};

static long sum_step(__u32 i, void *state)
{
	struct sum_walk *w = state;
	__u8 part[SUM_PART] = {};
	__u32 rest = w->left & (SUM_PART - 1);

	(void)i;
	if (w->left >= SUM_PART) {
		w->cut |= bpf_skb_load_bytes(w->skb, w->at, part, SUM_PART);
		w->at += SUM_PART;
		w->left -= SUM_PART;
	} else if (rest) {
		w->cut |= bpf_skb_load_bytes(w->skb, w->at, part, rest);
		w->left = 0;
	} else {
		return WALK_STOP;
	}
	w->sum = bpf_csum_diff(NULL, 0, (void *)part, SUM_PART, w->sum);
	return WALK_ON;
}

/* Adds what is from @at on; an odd length ends the sum. */
stage void sum_add(struct sum_walk *w, __u32 at, __u32 len)
{
	w->at = at;
	w->left = len;
	walk(SUM_PARTS, sum_step, w);
}

stage int is_right(const struct sum_walk *w)
{
	__u32 sum = (w->sum & 0xffff) + (w->sum >> 16);

	sum = (sum & 0xffff) + (sum >> 16);
	return !w->cut && sum == SUM_RIGHT;
}

/* The device found the sum right, or it is a packet of this machine, which has
 * none yet. */
stage int needs_no_sum(struct __sk_buff *skb)
{
	const struct sk_buff *buffer = bpf_cast_to_kern_ctx(skb);
	__u32 summed = BPF_CORE_READ_BITFIELD(buffer, ip_summed);

	return summed == CHECKSUM_UNNECESSARY || summed == CHECKSUM_PARTIAL;
}

/* @len: of TCP, header and data. */
stage int is_intact(struct __sk_buff *skb, const struct packet *p, __u32 len)
{
	struct sum_walk w = { .skb = skb };

	if (p->family == FAMILY_ipv4) {
		sum_add(&w, p->l3, p->l4 - p->l3);
		if (!is_right(&w))
			return 0;
	}
	if (needs_no_sum(skb))
		return 1;
	w.sum = be16(IPPROTO_TCP) + be16(len);
	if (p->family == FAMILY_ipv4)
		sum_add(&w, p->l3 + 12, 8);
	else
		sum_add(&w, p->l3 + 8, 32);
	sum_add(&w, p->l4, len);
	return is_right(&w);
}

#endif
