// SPDX-License-Identifier: GPL-2.0
/*
 * The generator, run on live frames (BPF_F_TEST_XDP_LIVE_FRAMES): what returns
 * XDP_TX leaves by the interface. And what stands at the ends of a cable that
 * is flooded.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "fastopen.h"
#include "plan.h"

char LICENSE[] SEC("license") = "GPL";

const volatile struct plan plan;

/* By the generator only, which runs on one CPU. */
__u64 sent[KINDS_COUNT];
__u64 sent_all, due_ps, started_ns;

/* How far a late generator may catch up, in SYNs: less than a ring holds. */
#define CATCH_UP 32

static __always_inline int is_due(void)
{
	__u64 now_ps, behind = CATCH_UP * plan.interval_ps;

	if (plan.count && sent_all >= plan.count)
		return 0;
	if (!started_ns)
		started_ns = bpf_ktime_get_ns();
	if (!plan.interval_ps)
		return 1;
	now_ps = bpf_ktime_get_ns() * 1000;
	if (now_ps < due_ps)
		return 0;
	if (due_ps + behind < now_ps)
		due_ps = now_ps - behind;
	due_ps += plan.interval_ps;
	return 1;
}

/* An address of the prefix that a router would let come from outside. */
static __always_inline __be32 draw_ipv4(enum kind kind)
{
	__u32 addr = plan.prefix[0] |
		     (bpf_get_prandom_u32() & plan.host_mask[0]);

	if (kind == KIND_valid && plan.holder)
		return bpf_htonl(plan.holder);
	if (addr >> 29 == 7) /* multicast and beyond */
		addr &= 0x7fffffff;
	if (addr >> 24 == 127 || addr >> 24 == 0)
		addr ^= 1 << 24;
	return bpf_htonl(addr);
}

static __always_inline __u32 sum_u32(__u32 word)
{
	return (word & 0xffff) + (word >> 16);
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* Returns what it adds to the checksums. */
static __always_inline __u32 write_source(void *data, enum kind kind,
					  __u32 ip_sum)
{
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	struct iphdr *ip = data + ETH_HLEN;
	__u32 sum = 0;

	if (!plan.ipv6) {
		ip->saddr = draw_ipv4(kind);
		sum = sum_u32(ip->saddr);
		ip->check = fold(ip_sum + sum);
		return sum;
	}
	for (int i = 0; i < 4; i++) {
		__be32 word = bpf_htonl(plan.prefix[i] |
					(bpf_get_prandom_u32() &
					 plan.host_mask[i]));

		ip6->saddr.in6_u.u6_addr32[i] = word;
		sum += sum_u32(word);
	}
	return sum;
}

static __always_inline __u64 valid_cookie(void *data)
{
	struct siphash_key key = { plan.key.k0, plan.key.k1 };
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	struct iphdr *ip = data + ETH_HLEN;
	struct tfo_path path = { 0 };

	if (!plan.ipv6) {
		path.words[0] = (__u64)ip->daddr << 32 | ip->saddr;
		return tfo_cookie(&key, &path, TFO_PATH_WORDS_IPV4);
	}
	__builtin_memcpy(&path, &ip6->saddr, sizeof(path));
	return tfo_cookie(&key, &path, TFO_PATH_WORDS_IPV6);
}

/* @at is behind the options of templates.c. */
static __always_inline __u32 write_cookie(void *data, enum kind kind, void *at)
{
	__u32 *cookie = at;
	__u64 value;

	if (kind == KIND_valid)
		value = valid_cookie(data);
	else
		value = (__u64)bpf_get_prandom_u32() << 32 |
			bpf_get_prandom_u32();
	cookie[0] = (__u32)value;
	cookie[1] = (__u32)(value >> 32);
	return sum_u32(cookie[0]) + sum_u32(cookie[1]);
}

/*
 * The whole frame each time: pages come back as their last reader left them,
 * and the guard's own rewriting would be sent as the next SYN.
 */
SEC("xdp")
int flood(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp = data + ETH_HLEN + (plan.ipv6 ?
							sizeof(struct ipv6hdr) :
							sizeof(struct iphdr));
	const volatile struct template *from;
	__u32 kind, sum, sources;
	__u64 *words = data;

	if (data + FLOOD_FRAME > end)
		return XDP_ABORTED;
	if (!is_due())
		return XDP_DROP;
	kind = plan.kinds[sent_all % plan.n_kinds % KINDS_COUNT];
	if (kind >= KINDS_COUNT)
		return XDP_ABORTED;
	from = &plan.templates[kind];
	for (int i = 0; i < FLOOD_FRAME / 8; i++)
		words[i] = from->words[i];

	sources = write_source(data, kind, from->ip_sum);
	tcp->source = bpf_htons(1024 | (__u16)bpf_get_prandom_u32());
	tcp->seq = bpf_get_prandom_u32();
	sum = from->tcp_sum + sources + sum_u32(tcp->seq) + tcp->source;
	if (from->has_cookie)
		sum += write_cookie(data, kind,
				    (void *)(tcp + 1) + 20 + TFO_HEADER);
	tcp->check = fold(sum);

	if (bpf_xdp_adjust_tail(ctx, (int)from->len - FLOOD_FRAME))
		return XDP_ABORTED;
	sent[kind]++;
	sent_all++;
	return XDP_TX;
}

/* ---- what stands at an end ----------------------------------------------- */

enum count { COUNT_all, COUNT_lost, COUNTS };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline void count(__u32 which)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &which);

	if (n)
		(*n)++;
}

SEC("xdp.frags")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	count(COUNT_all);
	return XDP_PASS;
}

SEC("xdp.frags")
int drop(struct xdp_md *ctx)
{
	(void)ctx;
	count(COUNT_all);
	return XDP_DROP;
}

SEC("xdp.frags")
int bounce(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u16 *mac = data, other;

	if (data + ETH_HLEN > end)
		return XDP_DROP;
	count(COUNT_all);
	for (int i = 0; i < 3; i++) {
		other = mac[i];
		mac[i] = mac[i + 3];
		mac[i + 3] = other;
	}
	return XDP_TX;
}

/* The first address that somebody has, and how many; host byte order. By IPv6
 * nobody has any. */
const volatile __u32 kept, n_kept;

static __always_inline int is_kept(__be32 address)
{
	return bpf_ntohl(address) - kept < n_kept;
}

static __always_inline int is_for_nobody(void *at, void *end, __be16 proto)
{
	struct ipv6hdr *ip6 = at;
	struct iphdr *ip = at;

	if (proto == bpf_htons(ETH_P_IP))
		return (void *)(ip + 1) <= end && !is_kept(ip->daddr);
	return proto == bpf_htons(ETH_P_IPV6) && (void *)(ip6 + 1) <= end &&
	       ip6->nexthdr == IPPROTO_TCP;
}

/* Loses what goes to spoofed addresses, as the internet does. */
SEC("xdp.frags")
int internet(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	count(COUNT_all);
	if ((void *)(eth + 1) > end ||
	    !is_for_nobody(eth + 1, end, eth->h_proto))
		return XDP_PASS;
	count(COUNT_lost);
	return XDP_DROP;
}

/* Takes IPv4 from those who are kept alone. */
SEC("xdp.frags")
int oracle(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);

	count(COUNT_all);
	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    is_kept(ip->saddr))
		return XDP_PASS;
	count(COUNT_lost);
	return XDP_DROP;
}
