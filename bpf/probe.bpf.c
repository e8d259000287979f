// SPDX-License-Identifier: GPL-2.0
/*
 * Whether this kernel lets one program take the place of another's function,
 * which is how libxdp's dispatcher chains programs. Loaded, tried and thrown
 * away: libxdp itself falls back to a single program without a word.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__attribute__((noinline)) int probe_slot(struct xdp_md *ctx)
{
	volatile int action = XDP_PASS;

	return ctx ? action : XDP_ABORTED;
}

SEC("xdp")
int probe_target(struct xdp_md *ctx)
{
	return probe_slot(ctx);
}

SEC("freplace/probe_slot")
int probe_replacement(struct xdp_md *ctx)
{
	return ctx->data ? XDP_PASS : XDP_ABORTED;
}
