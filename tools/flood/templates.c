// SPDX-License-Identifier: GPL-2.0
#include "templates.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <string.h>

#include "fastopen.h"

#define DATA 100 /* bytes, as of a small request */

static const unsigned char linux_options[] = {
	2, 4, 1460 >> 8, 1460 & 0xff, /* MSS */
	4, 2, /* SACK permitted */
	8, 10, 0x1f, 0x2e, 0x3d, 0x4c, 0, 0, 0, 0, /* timestamps */
	1, 3, 3, 7, /* window scale */
};

_Static_assert(sizeof(linux_options) == 20, "flood.bpf.c's COOKIE_AT");

/* The Internet checksum's sum, in the byte order in which the words lie. */
static __u32 sum_of(const unsigned char *bytes, size_t len)
{
	__u32 sum = 0;

	for (size_t i = 0; i < len; i += 2) {
		unsigned short word;

		memcpy(&word, bytes + i, 2);
		sum += word;
	}
	return sum;
}

static size_t put_fastopen(unsigned char *at, enum kind kind)
{
	if (kind == KIND_plain)
		return 0;
	at[0] = TFO_KIND;
	at[1] = TFO_HEADER;
	if (kind != KIND_request)
		at[1] += TFO_COOKIE_LEN;
	memset(at + at[1], 1, 2); /* NOPs: to whole words */
	return at[1] + 2;
}

static void put_ip(void *at, const struct target *target, size_t tcp_len)
{
	struct ipv6hdr *ip6 = at;
	struct iphdr *ip = at;

	if (target->ipv6) {
		ip6->version = 6;
		ip6->payload_len = htons((unsigned short)tcp_len);
		ip6->nexthdr = IPPROTO_TCP;
		ip6->hop_limit = 60;
		memcpy(&ip6->daddr, &target->addr, sizeof(ip6->daddr));
		return;
	}
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons((unsigned short)(sizeof(*ip) + tcp_len));
	ip->frag_off = htons(0x4000);
	ip->ttl = 60;
	ip->protocol = IPPROTO_TCP;
	memcpy(&ip->daddr, &target->addr, sizeof(ip->daddr));
}

void template_make(struct template *t, enum kind kind,
		   const struct target *target)
{
	unsigned char *frame = (unsigned char *)t->words, *options;
	size_t ip_len = target->ipv6 ? sizeof(struct ipv6hdr) :
				       sizeof(struct iphdr), len;
	struct ethhdr *eth = (void *)frame;
	void *ip = frame + ETH_HLEN;
	struct tcphdr *tcp = ip + ip_len;

	memset(t, 0, sizeof(*t));
	t->has_cookie = kind == KIND_forged || kind == KIND_valid;

	options = (unsigned char *)(tcp + 1);
	memcpy(options, linux_options, sizeof(linux_options));
	len = sizeof(linux_options);
	len += put_fastopen(options + len, kind);
	tcp->doff = (sizeof(*tcp) + len) / 4;
	len += sizeof(*tcp);
	if (t->has_cookie) {
		memset((unsigned char *)tcp + len, 'f', DATA);
		len += DATA;
	}
	tcp->dest = htons(target->port);
	tcp->syn = 1;
	tcp->window = htons(64240);

	put_ip(ip, target, len);
	memcpy(eth->h_dest, target->mac, ETH_ALEN);
	memcpy(eth->h_source, target->own_mac, ETH_ALEN);
	eth->h_proto = htons(target->ipv6 ? ETH_P_IPV6 : ETH_P_IP);

	t->len = (__u32)(ETH_HLEN + ip_len + len);
	t->ip_sum = sum_of(ip, ip_len);
	t->tcp_sum = sum_of((unsigned char *)tcp, len) + htons(IPPROTO_TCP) +
		     htons((unsigned short)len) +
		     sum_of((unsigned char *)&target->addr,
			    sizeof(target->addr));
}
