// SPDX-License-Identifier: GPL-2.0
/*
 * Puts the frame's first bytes back before each run of the program behind it:
 * TEST_RUN does not, and a stripped SYN would come back as a cookie request.
 * What this costs is measured with an empty program behind it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define RESTORED_WORDS 14 /* all headers of a SYN but the data */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} behind SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, RESTORED_WORDS * 8);
} original SEC(".maps");

SEC("xdp.frags")
int restore(struct xdp_md *ctx)
{
	__u64 *at = (void *)(long)ctx->data, *from;
	void *end = (void *)(long)ctx->data_end;
	__u32 zero = 0;

	from = bpf_map_lookup_elem(&original, &zero);
	if (!from)
		return XDP_ABORTED;
	for (int i = 0; i < RESTORED_WORDS && (void *)(at + i + 1) <= end; i++)
		at[i] = from[i];
	bpf_tail_call(ctx, &behind, 0);
	return XDP_ABORTED;
}
