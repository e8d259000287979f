/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What can't be parsed is no way around the answers. While a port is under
 * pressure a first fragment with a SYN to it, or one too short to tell, is
 * dropped; what else of TCP can't be read and is for this host, and so could
 * enter a SYN queue for all we know, keeps to a small rate.
 */
#ifndef TFOGUARD_ODD_H
#define TFOGUARD_ODD_H

#include "listener.h"
#include "maps.h"
#include "packet.h"
#include "parse.h"
#include "relieve.h"

#define IPV4_OFFSET 0x1fff /* of frag_off: not the first fragment */
#define IPV6_OFFSET 0xfff8
#define TCP_FLAGS_END 14 /* bytes of a TCP header up to its flags */

/* Addresses, for is_ours. 0 where they can't be read. */
stage int read_addresses(const struct bytes *bytes, const struct packet *p,
			 struct syn *s)
{
	void *ip = bytes->data + (p->l3 & L3_MASK);

	s->family = p->family;
	read_link(bytes, p, s);
	s->sport = s->dport = 0;
	s->tos = 0;
	if (p->family == FAMILY_ipv4 && fits(bytes, ip, sizeof(struct iphdr))) {
		s->path.words[0] = le64(load64(ip + 12));
		return 1;
	}
	if (p->family == FAMILY_ipv6 &&
	    fits(bytes, ip, sizeof(struct ipv6hdr))) {
		s->path.words[0] = le64(load64(ip + 8));
		s->path.words[1] = le64(load64(ip + 16));
		s->path.words[2] = le64(load64(ip + 24));
		s->path.words[3] = le64(load64(ip + 32));
		return 1;
	}
	return 0;
}

/* What the packet that a fragment is of may be. */
enum begins {
	BEGINS_OTHER, /* nothing of ours, or this is a later fragment */
	BEGINS_TCP,
	BEGINS_HIDDEN, /* TCP, for all we can read */
};

/* @at: the offset from data of its TCP header; @end: of its end. */
stage enum begins ipv4_begins(const struct bytes *bytes,
			      const struct packet *p, __u32 *at, __u32 *end)
{
	void *ip = bytes->data + (p->l3 & L3_MASK);

	if (!fits(bytes, ip, sizeof(struct iphdr)) ||
	    load16(ip + 6) & be16(IPV4_OFFSET))
		return BEGINS_OTHER;
	*at = p->l3 + (*(__u8 *)ip & 15) * 4;
	*end = p->l3 + be16(load16(ip + 2));
	return BEGINS_TCP;
}

stage enum begins ipv6_begins(const struct bytes *bytes,
			      const struct packet *p, __u32 *at, __u32 *end)
{
	void *ip = bytes->data + (p->l3 & L3_MASK);
	__u8 *fragment = bytes->data + (p->l4 & IPV6_CHAIN_MAX);
	struct extension_walk w;

	if (!fits(bytes, ip, sizeof(struct ipv6hdr)) ||
	    !fits(bytes, fragment, 8) ||
	    load16(fragment + 2) & be16(IPV6_OFFSET))
		return BEGINS_OTHER;
	w = (struct extension_walk){
		.data = bytes->data,
		.end = bytes->end,
		.at = p->l4 + 8,
		.next = fragment[0],
		.payload_len = load16(ip + 4),
	};
	walk(IPV6_EXTENSIONS_MAX, extension_step, &w);
	if (w.verdict)
		return w.verdict == V_not_ours ? BEGINS_OTHER : BEGINS_HIDDEN;
	if (w.next != IPPROTO_TCP)
		return BEGINS_OTHER;
	*at = w.at;
	*end = p->l3 + sizeof(struct ipv6hdr) + be16(load16(ip + 4));
	return BEGINS_TCP;
}

/*
 * Whether a fragment begins a SYN to a guarded port under pressure. One that
 * leaves the flags of TCP to the next may, and no stack sends such.
 */
stage int is_pressing(const struct bytes *bytes, const struct packet *p,
		      __u64 now)
{
	__u32 at = 0, end = 0, port;
	struct port_policy *policy;
	enum begins begins;
	__u8 *tcp;

	begins = p->family == FAMILY_ipv4 ?
			 ipv4_begins(bytes, p, &at, &end) :
			 ipv6_begins(bytes, p, &at, &end);
	if (begins != BEGINS_TCP)
		return begins == BEGINS_HIDDEN;
	tcp = bytes->data + (at & IPV6_CHAIN_MAX);
	if (at > IPV6_CHAIN_MAX || at + TCP_FLAGS_END > end ||
	    !fits(bytes, tcp, TCP_FLAGS_END))
		return 1;
	if ((tcp[13] & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return 0;
	port = be16(load16(tcp + 2));
	policy = bpf_map_lookup_elem(&ports, &port);
	return policy && policy->mode != PORT_unguarded &&
	       policy->mode != PORT_pass && is_pressed(port, now);
}

stage int is_odd(enum verdict v)
{
	return v == V_fragment || v == V_unparsed_link || v == V_unparsed_ip ||
	       v == V_unparsed_tcp;
}

/* Only while some port is under pressure. */
__attribute__((noinline)) int judge_odd(struct xdp_md *ctx, int v)
{
	struct bytes bytes = {
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	const struct tuning *t = tuning_in_force();
	struct scratch *w = the_scratch();
	__u64 now = clock_ns();
	struct packet *p;

	if (!w || !t || !is_pressed(0, now))
		return v;
	p = &w->packet;
	if (v == V_fragment ? !is_pressing(&bytes, p, now) :
			      !is_odd_beyond_rate(t, now))
		return v;
	if (!read_addresses(&bytes, p, &w->syn) ||
	    !is_ours(ctx, &w->syn, &w->heard))
		return v;
	return v == V_fragment ? V_fragment_pressure : V_odd_limit;
}

#endif
