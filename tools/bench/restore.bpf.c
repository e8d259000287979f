// SPDX-License-Identifier: GPL-2.0
/*
 * Puts the frame's first bytes back before each run of the program behind it:
 * TEST_RUN does not, and a stripped SYN would come back as a cookie request.
 * Draws its source and its port, where they are to vary. What this costs is
 * measured with an empty program behind it.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "vary.h"

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

volatile struct vary vary;

/* RFC 1624, for a word in place of another. */
static __always_inline __u16 mend(__u16 check, __u32 was, __u32 is)
{
	__u64 sum = (__u16)~check;

	sum += (__u32)~was;
	sum += is;
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline __u32 draw_source(void)
{
	__u32 number = bpf_get_prandom_u32(), hosts, addr;

	if (vary.sources >> 32 == 0)
		number %= (__u32)vary.sources;
	addr = number * VARY_SPREAD;
	if (vary.prefix_bits) {
		hosts = ~0U >> vary.prefix_bits;
		return (addr & ~hosts) | (bpf_get_prandom_u32() & hosts);
	}
	if (addr >> 29 == 7) /* multicast and beyond */
		addr &= 0x7fffffff;
	if (addr >> 24 == 127 || addr >> 24 == 0)
		addr ^= 1 << 24;
	return addr;
}

static __always_inline void draw(void *data, void *end)
{
	struct iphdr *ip = data + ETH_HLEN;
	struct tcphdr *tcp = (void *)(ip + 1);
	__be32 source;
	__be16 port;

	if ((void *)(tcp + 1) > end)
		return;
	if (vary.sources) {
		source = bpf_htonl(draw_source());
		ip->check = mend(ip->check, ip->saddr, source);
		tcp->check = mend(tcp->check, ip->saddr, source);
		ip->saddr = source;
	}
	if (vary.ports) {
		port = bpf_htons((__u16)(bpf_ntohs(tcp->dest) +
					 bpf_get_prandom_u32() % vary.ports));
		tcp->check = mend(tcp->check, tcp->dest, port);
		tcp->dest = port;
	}
}

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
	draw((void *)(long)ctx->data, end);
	bpf_tail_call(ctx, &behind, 0);
	return XDP_ABORTED;
}
