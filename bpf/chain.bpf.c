// SPDX-License-Identifier: GPL-2.0
/*
 * The guard's place in libxdp's dispatcher. What the dispatcher holds can't be
 * exchanged, only taken out and put in, which would leave packets unguarded or
 * count them twice; so it holds this jump, and the guard behind it is exchanged
 * by one write.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* Written by user space: the guard that runs. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} entry SEC(".maps");

SEC("xdp.frags")
int tfoguard_entry(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &entry, 0);
	return XDP_PASS; /* no guard is there */
}
