/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From the frame to the TCP header: Ethernet with up to two VLAN tags or none
 * at all, IPv4, IPv6 with extension headers. What is not an opening SYN leaves
 * here, after as few loads as tell it. read_syn reads the rest of a SYN's
 * headers, and checks lengths as the kernel does (ip_rcv_core, ip6_rcv_core,
 * tcp_v4_rcv).
 */
#ifndef TFOGUARD_PARSE_H
#define TFOGUARD_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "packet.h"
#include "walk.h"

#define VLAN_VID_MASK 0x0fff
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MAC_MASK 0x0000ffffffffffffULL
#else
#define MAC_MASK 0xffffffffffff0000ULL
#endif
#define L3_MASK 31 /* l3 is at most 22 bytes: Ethernet and two tags */

#define IPV4_DF 0x4000 /* all but this bit of frag_off says "fragment" */
#define IPV4_RESERVED 0x8000
#define IPV4_FRAGMENT ((__u16)~(IPV4_DF | IPV4_RESERVED))
#define IPV6_FRAGMENT 0xfff9 /* offset and M, RFC 8200 section 4.5 */
#define IPV6_CHAIN_MAX 2047 /* bytes from the frame's start, all headers */
/* The kernel has no limit; each is of 8 bytes at least. */
#define IPV6_EXTENSIONS_MAX ((IPV6_CHAIN_MAX + 1) / 8)

#define TCP_HEADER 20
#define TCP_HEADER_MAX 60
#define TCP_CHECK_AT 16
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_ECE 0x40

struct vlan_header {
	__be16 tci;
	__be16 proto;
};

stage int is_vlan(__be16 proto)
{
	return proto == be16(ETH_P_8021Q) || proto == be16(ETH_P_8021AD);
}

/* Zero for a tag with VLAN 0 (priority only), which the kernel ignores. */
stage __u32 link_tag(__be16 tpid, __be16 tci)
{
	__u32 vid = be16(tci) & VLAN_VID_MASK;

	return vid ? (__u32)be16(tpid) << 16 | vid : 0;
}

/* Sets l3; @proto is the EtherType found there. */
stage enum verdict parse_link(const struct bytes *bytes, struct packet *p,
			      int no_ethernet, __be16 *proto)
{
	struct vlan_header *vlan;
	struct ethhdr *eth = bytes->data;

	if (no_ethernet) {
		if (!fits(bytes, bytes->data, 1))
			return V_unparsed_link;
		*proto = (*(__u8 *)bytes->data >> 4) == 6 ? be16(ETH_P_IPV6) :
							be16(ETH_P_IP);
		return UNDECIDED;
	}
	if (!fits(bytes, eth, sizeof(*eth)))
		return V_unparsed_link;
	*proto = load16((void *)eth + offsetof(struct ethhdr, h_proto));
	p->l3 = sizeof(*eth);
	if (!is_vlan(*proto))
		return UNDECIDED;

	vlan = (void *)(eth + 1);
	if (!fits(bytes, vlan, sizeof(*vlan)))
		return V_unparsed_link;
	*proto = vlan->proto;
	p->l3 += sizeof(*vlan);
	if (!is_vlan(*proto))
		return UNDECIDED;

	vlan++;
	if (!fits(bytes, vlan, sizeof(*vlan)))
		return V_unparsed_link;
	*proto = vlan->proto;
	p->l3 += sizeof(*vlan);
	return is_vlan(*proto) ? V_unparsed_link : UNDECIDED;
}

/* What parse_link passed over: few packets need it. */
stage void read_link(const struct bytes *bytes, const struct packet *p,
		     struct syn *s)
{
	struct ethhdr *eth = bytes->data;
	struct vlan_header *vlan;

	/* Hides that it lies before what callers checked: clang would leave
	 * these checks out, and the verifier wants them. */
	asm volatile("" : "+r"(eth));
	vlan = (void *)(eth + 1);
	s->dmac = 0;
	s->tags = (struct link_key){};
	if (!p->l3 || !fits(bytes, eth, sizeof(*eth)))
		return;
	s->dmac = load64(eth) & MAC_MASK;
	if (p->l3 == sizeof(*eth) || !fits(bytes, vlan, sizeof(*vlan)))
		return;
	s->tags.tag[0] = link_tag(eth->h_proto, vlan->tci);
	if (p->l3 == sizeof(*eth) + sizeof(*vlan) ||
	    !fits(bytes, vlan + 1, sizeof(*vlan)))
		return;
	s->tags.tag[1] = link_tag(vlan->proto, vlan[1].tci);
}

stage enum verdict parse_ipv4(const struct bytes *bytes, struct packet *p)
{
	struct iphdr *ip = bytes->data + p->l3;

	p->family = FAMILY_ipv4;
	if (!fits(bytes, ip, sizeof(*ip)))
		return V_unparsed_ip;
	if (ip->version != 4 || ip->ihl < 5)
		return V_unparsed_ip;
	if (ip->protocol != IPPROTO_TCP)
		return V_not_tcp;
	if (ip->frag_off & be16(IPV4_FRAGMENT))
		return V_fragment;
	p->l4 = p->l3 + ip->ihl * 4;
	return UNDECIDED;
}

struct extension_walk {
	void *data;
	void *end;
	__u32 at; /* offset from data */
	__u32 next; /* what stands there, an IPPROTO_ */
	__be16 payload_len; /* of the IPv6 header */
	enum verdict verdict;
};

/* One extension header of RFC 8200 section 4. */
static long extension_step(__u32 i, void *state)
{
	struct extension_walk *w = state;
	__u8 *ext;

	(void)i;
	if (w->at > IPV6_CHAIN_MAX) {
		w->verdict = V_unparsed_ip;
		return WALK_STOP;
	}
	if (w->next != IPPROTO_HOPOPTS && w->next != IPPROTO_ROUTING &&
	    w->next != IPPROTO_DSTOPTS && w->next != IPPROTO_FRAGMENT)
		return WALK_STOP;

	ext = w->data + w->at;
	if ((void *)ext + 8 > w->end) {
		w->verdict = V_unparsed_ip;
		return WALK_STOP;
	}
	if (w->next == IPPROTO_FRAGMENT) {
		/* Without offset and M it is a whole packet (RFC 6946). */
		if (load16(ext + 2) & be16(IPV6_FRAGMENT)) {
			w->verdict = V_fragment;
			return WALK_STOP;
		}
		/* The kernel drops it; with a length it would not. */
		if (!w->payload_len) {
			w->verdict = V_unparsed_ip;
			return WALK_STOP;
		}
		w->at += 8;
	} else {
		/* Segments left: this is a hop, not the destination. */
		if (w->next == IPPROTO_ROUTING && ext[3]) {
			w->verdict = V_not_ours;
			return WALK_STOP;
		}
		w->at += 8 + ext[1] * 8;
	}
	w->next = ext[0];
	return WALK_ON;
}

stage enum verdict parse_ipv6(const struct bytes *bytes, struct packet *p)
{
	struct ipv6hdr *ip = bytes->data + p->l3;
	struct extension_walk w;

	p->family = FAMILY_ipv6;
	if (!fits(bytes, ip, sizeof(*ip)))
		return V_unparsed_ip;
	if (ip->version != 6)
		return V_unparsed_ip;
	p->l4 = p->l3 + sizeof(*ip);
	if (ip->nexthdr == IPPROTO_TCP)
		return UNDECIDED;

	w = (struct extension_walk){
		.data = bytes->data,
		.end = bytes->end,
		.at = p->l4,
		.next = ip->nexthdr,
		.payload_len = ip->payload_len,
	};
	walk(IPV6_EXTENSIONS_MAX, extension_step, &w);
	if (w.verdict) {
		p->l4 = w.at & IPV6_CHAIN_MAX; /* of what it stopped at */
		return w.verdict;
	}
	if (w.next == IPPROTO_HOPOPTS || w.next == IPPROTO_ROUTING ||
	    w.next == IPPROTO_DSTOPTS || w.next == IPPROTO_FRAGMENT)
		return V_unparsed_ip; /* a longer chain than we follow */
	if (w.next != IPPROTO_TCP)
		return V_not_tcp;
	if (w.at > IPV6_CHAIN_MAX)
		return V_unparsed_ip;
	p->l4 = w.at;
	return UNDECIDED;
}

/* Leaves at once what is not an opening SYN. */
stage enum verdict parse_tcp(const struct bytes *bytes, struct packet *p)
{
	__u8 *tcp = bytes->data + p->l4;

	if (!fits(bytes, tcp, TCP_HEADER))
		return V_unparsed_tcp;
	if ((tcp[13] & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return V_segment;
	p->dport = load16(tcp + 2);
	return UNDECIDED;
}

/* Up to where TCP begins. */
stage enum verdict parse_layers(const struct bytes *bytes, struct packet *p,
				int no_ethernet)
{
	enum verdict v;
	__be16 proto;

	v = parse_link(bytes, p, no_ethernet, &proto);
	if (v)
		return v;
	if (proto == be16(ETH_P_IP))
		return parse_ipv4(bytes, p);
	if (proto == be16(ETH_P_IPV6))
		return parse_ipv6(bytes, p);
	return V_not_tcp;
}

stage enum verdict parse(const struct bytes *bytes, struct packet *p,
			 int no_ethernet)
{
	return parse_layers(bytes, p, no_ethernet) ?: parse_tcp(bytes, p);
}

/* The masks change nothing; they are bounds that any verifier sees. */
stage void *ip_of(const struct bytes *bytes, const struct syn *s)
{
	return bytes->data + (s->l3 & L3_MASK);
}

stage void *tcp_of(const struct bytes *bytes, const struct syn *s)
{
	return bytes->data + (s->l4 & IPV6_CHAIN_MAX);
}

/* Fills the headers of @s from what parse found out. */
stage enum verdict read_syn(const struct bytes *bytes, const struct packet *p,
			    struct syn *s)
{
	__u32 ip_len;
	void *ip, *tcp;

	/* What stages only add to; the rest is written before it is read. */
	s->tfo_bytes = 0;
	s->tfo_at = s->tfo_header = 0;
	s->is_signed = 0;
	s->allowed = s->blocked = s->reopens = 0;

	s->family = p->family;
	read_link(bytes, p, s);
	s->policy = p->policy;
	s->l3 = p->l3;
	s->l4 = p->l4;
	ip = ip_of(bytes, s);
	tcp = tcp_of(bytes, s);
	/* An IPv4 header and a TCP header are no shorter than one of IPv6. */
	if (!fits(bytes, ip, sizeof(struct ipv6hdr)) ||
	    !fits(bytes, tcp, TCP_HEADER))
		return V_unparsed_tcp;

	if (s->family == FAMILY_ipv4) {
		ip_len = be16(load16(ip + 2));
		s->tos = *(__u8 *)(ip + 1);
		s->path.words[0] = le64(load64(ip + 12));
	} else {
		ip_len = sizeof(struct ipv6hdr) + be16(load16(ip + 4));
		/* Room for a jumbo option: without one the kernel takes the
		 * whole frame (ip6_rcv_core). */
		if (!load16(ip + 4) && *(__u8 *)(ip + 6) == IPPROTO_HOPOPTS)
			ip_len = p->len - s->l3;
		s->tos = (be16(load16(ip)) >> 4) & 0xff;
		s->path.words[0] = le64(load64(ip + 8));
		s->path.words[1] = le64(load64(ip + 16));
		s->path.words[2] = le64(load64(ip + 24));
		s->path.words[3] = le64(load64(ip + 32));
	}
	s->sport = load16(tcp);
	s->dport = load16(tcp + 2);
	s->seq = load32(tcp + 4);
	s->header_len = (*(__u8 *)(tcp + 12) >> 4) * 4;

	if (s->l3 + ip_len > p->len || s->l3 + ip_len < s->l4)
		return V_unparsed_ip;
	if (s->header_len < TCP_HEADER ||
	    s->l4 + s->header_len > s->l3 + ip_len)
		return V_unparsed_tcp;
	s->data_len = s->l3 + ip_len - s->l4 - s->header_len;
	return UNDECIDED;
}

#endif
