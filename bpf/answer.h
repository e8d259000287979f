/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The SYN-ACK. compose says what is in it, while the SYN is whole and its
 * listener known; answer writes it over the SYN. Nothing of the SYN goes back
 * but its addresses, ports, sequence number and timestamp, and the answer is
 * not larger by more than the cookie.
 */
#ifndef TFOGUARD_ANSWER_H
#define TFOGUARD_ANSWER_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "act.h"
#include "early.h"
#include "maps.h"
#include "offer.h"
#include "packet.h"
#include "parse.h"
#include "prove.h"
#include "relieve.h"
#include "secret.h"
#include "syncookie.h"
#include "window.h"

#define ETHERNET_MIN 60 /* bytes of a frame without its checksum */
#define ANSWER_TTL 64
#define MSS_MIN_IPV4 536 /* the least that the kernel takes from us */
#define MSS_MIN_IPV6 1220

/* The MSS that we offer: of the device that owns the address, unless set. */
stage __u32 offered_mss(struct xdp_md *ctx, const struct syn *s,
			const struct heard *h, const struct tuning *t)
{
	__u32 headers = s->family == FAMILY_ipv4 ? 40 : 60, mtu = 0;
	__u32 mss;

	if (t->mss)
		mss = t->mss;
	else if (!h->ifindex ||
		 bpf_check_mtu(ctx, h->ifindex, &mtu, 0, 0) < 0 ||
		 mtu <= headers)
		mss = 1500 - headers;
	else
		mss = mtu - headers;
	if (mss > 65535)
		mss = 65535;
	return h->mss && h->mss < mss ? h->mss : mss;
}

/* Bytes of options, as put_options writes them. */
stage __u32 options_len(__u32 options)
{
	__u32 len = 0;

	if (options & OFFER_MSS)
		len += 4;
	if (options & (OFFER_TIMESTAMPS | OFFER_SACK))
		len += options & OFFER_TIMESTAMPS ? 12 : 4;
	if (options & OFFER_WSCALE)
		len += 4;
	if (options & OFFER_COOKIE)
		len += 12;
	return len;
}

/* The offset at which the answer ends. */
stage __u32 answer_end(const struct packet *p, __u32 options)
{
	return (p->l3 & L3_MASK) +
	       (p->family == FAMILY_ipv4 ? sizeof(struct iphdr) :
					   sizeof(struct ipv6hdr)) +
	       TCP_HEADER + options_len(options);
}

/* Where the listener's key is the ring's, prove has made it already. */
stage __u64 fresh_cookie(const struct syn *s, const struct siphash_key *key)
{
	if (!key_is_empty(&s->current) && key_equal(&s->current, key))
		return s->made;
	return cookie_for(s, key);
}

/* What the request is to remember, and what the SYN-ACK says of it. */
__attribute__((noinline)) int compose(struct xdp_md *ctx, int v)
{
	struct bytes bytes = {
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	const struct tuning *t = tuning_in_force();
	struct scratch *w = the_scratch();
	struct syncookie_options o = {};
	const struct secrets *secrets;
	struct syncookie_flow flow;
	struct syncookie cookie;
	__u64 now = clock_ns();
	const struct heard *h;
	const struct syn *s;
	struct asked asked;
	undecided_u8 wanted; /* OFFER_ bits */
	__u32 least, both, len;
	struct reply *r;
	void *tcp;

	if (!w || !t)
		return V_act_failed;
	s = &w->syn;
	h = &w->heard;
	r = &w->reply;
	flow = flow_of(s);
	tcp = tcp_of(&bytes, s);
	secrets = secrets_at(now);
	if (!secrets || !fits(&bytes, tcp, TCP_HEADER))
		return V_act_failed;
	if (v == V_challenge) {
		*r = (struct reply){
			.sport = s->sport,
			.dport = s->dport,
			.ack = syncookie_challenge(&secrets->cookie[0], &flow),
		};
		return v;
	}
	if (!s->allowed &&
	    !is_within(LIMIT_PREFIX_ANSWERS, prefix_of(s->family, &s->path),
		       t->prefix_answers, secrets, now) &&
	    !is_proven_source(s, now))
		return V_answer_ceiling;

	len = s->header_len - TCP_HEADER;
	asked_walk(&bytes, tcp + TCP_HEADER, len,
		   usual_beginning(&bytes, tcp + TCP_HEADER, len), &asked);
	wanted = asked.options_asked;
	both = wanted & h->options;
	least = s->family == FAMILY_ipv4 ? MSS_MIN_IPV4 : MSS_MIN_IPV6;
	o.mss = wanted & OFFER_MSS ? asked.mss : least;
	if (h->mss && h->mss < o.mss)
		o.mss = h->mss;
	if (o.mss < least)
		o.mss = least;
	o.snd_wscale = SYNCOOKIE_NO_WSCALE;
	if (both & OFFER_WSCALE) {
		o.snd_wscale = asked.wscale < 14 ? asked.wscale : 14;
		o.rcv_wscale = h->wscale;
	}
	o.sack = !!(both & OFFER_SACK);
	o.timestamps = !!(both & OFFER_TIMESTAMPS);
	/* Both bits, and not marked on its way (tcp_ecn_create_request). */
	if ((h->options & OFFER_ECN) && !(s->tos & 3) &&
	    (*(__u8 *)(tcp + 13) & 0xc0) == 0xc0) {
		o.ecn = 1;
		both |= OFFER_ECN;
	}
	cookie = syncookie_make(&secrets->cookie[0], &flow, &o);

	r->sport = s->sport;
	r->dport = s->dport;
	r->isn = cookie.isn;
	r->ack = be32(s->seq) + 1;
	r->tsval = cookie.tsval;
	r->tsecr = asked.tsval;
	/* By the MSS that the ACK will say, in whole segments: what is offered
	 * beyond would be thrown away. */
	r->window = receive_window(h->space,
				   o.timestamps ?
					   o.mss :
					   syncookie_mss(
						   syncookie_mss_index(o.mss)));
	r->mss = offered_mss(ctx, s, h, t);
	r->wscale = o.rcv_wscale;
	if (h->n_keys && (v == V_answer_request || v == V_answer_forged ||
			  (v == V_answer_downgraded && h->unheld))) {
		both |= OFFER_COOKIE;
		if (s->tfo_header == TFO_HEADER_EXP)
			both |= OFFER_COOKIE_EXP;
		r->cookie = fresh_cookie(s, &h->keys[0]);
	}
	/* Else all of it fits, for it is what the SYN asked for. */
	if (!settings.may_resize && answer_end(&w->packet, both) > w->packet.len)
		both &= ~(OFFER_COOKIE | OFFER_COOKIE_EXP);
	r->options = both;
	note_answer(s, now);
	return v;
}

/* Where the next word goes, and the sum of what was written. */
struct pen {
	const struct bytes *bytes;
	void *tcp;
	__u32 at; /* offset from tcp */
	__u64 sum;
};

/* @word as it stands in memory. */
stage void put(struct pen *pen, __u32 word)
{
	__u32 *to = pen->tcp + (pen->at & 63);

	if (fits(pen->bytes, to, 4))
		*to = word;
	pen->sum += word;
	pen->at += 4;
}

/* In the order in which Linux writes them (tcp_options_write). */
stage void put_options(struct pen *pen, const struct reply *r)
{
	__u32 nops = NOP_WORD & be32(0xffff0000);

	if (r->options & OFFER_MSS)
		put(pen, be32(0x02040000 | r->mss));
	if (r->options & OFFER_TIMESTAMPS) {
		put(pen, be32((r->options & OFFER_SACK ? 0x04020000 :
							 0x01010000) |
			      0x080a));
		put(pen, be32(r->tsval));
		put(pen, r->tsecr);
	} else if (r->options & OFFER_SACK) {
		put(pen, nops | be32(0x0402));
	}
	if (r->options & OFFER_WSCALE)
		put(pen, be32(0x01030300 | r->wscale));
	if (r->options & OFFER_COOKIE) {
		__u64 cookie = le64(r->cookie);

		if (r->options & OFFER_COOKIE_EXP)
			put(pen, be32(0xfe0c0000 | TFO_EXP_MAGIC));
		else
			put(pen, nops | be32(0x220a));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		put(pen, (__u32)cookie);
		put(pen, cookie >> 32);
#else
		put(pen, cookie >> 32);
		put(pen, (__u32)cookie);
#endif
	}
}

/* Swaps the addresses; returns their sum. */
stage __u64 turn_ipv4(struct iphdr *ip, __u32 tcp_len)
{
	__be32 from = load32((void *)ip + 12), to = load32((void *)ip + 16);
	__u64 sum;

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = 0;
	ip->tot_len = be16(sizeof(*ip) + tcp_len);
	ip->id = 0;
	ip->frag_off = be16(IPV4_DF);
	ip->ttl = ANSWER_TTL;
	ip->protocol = IPPROTO_TCP;
	ip->check = 0;
	ip->saddr = to;
	ip->daddr = from;
	sum = (__u64)from + to;
	ip->check = ~sum_fold(sum + be16(0x4500) + ip->tot_len +
			      ip->frag_off +
			      be16(ANSWER_TTL << 8 | IPPROTO_TCP));
	return sum;
}

stage __u64 turn_ipv6(struct ipv6hdr *ip, __u32 tcp_len)
{
	__u32 *from = (void *)&ip->saddr, *to = (void *)&ip->daddr, word;
	__u64 sum = 0;

	*(__be32 *)ip = be32(0x60000000);
	ip->payload_len = be16(tcp_len);
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = ANSWER_TTL;
	for (int i = 0; i < 4; i++) {
		word = from[i];
		from[i] = to[i];
		to[i] = word;
		sum += (__u64)word + from[i];
	}
	return sum;
}

/* Makes the frame as long as an answer of these options. Not 0 where the driver
 * left no room to grow. */
stage long resize_for(struct xdp_md *ctx, struct packet *p, __u32 options)
{
	__u32 end = answer_end(p, options), size = end, linear;

	if (!settings.no_ethernet && size < ETHERNET_MIN)
		size = p->len < ETHERNET_MIN ? p->len : ETHERNET_MIN;
	if (size < end)
		size = end;
	/* In several buffers, it would be the last one that grows. */
	linear = ctx->data_end - ctx->data;
	if ((linear < p->len && linear < size) ||
	    bpf_xdp_adjust_tail(ctx, (int)size - (int)p->len))
		return -1;
	p->len = size;
	return 0;
}

__attribute__((noinline)) int resize(struct xdp_md *ctx)
{
	struct scratch *w = the_scratch();

	if (!w)
		return -1;
	if (!resize_for(ctx, &w->packet, w->reply.options))
		return 0;
	/* A cookie is not worth an entry in the SYN queue. */
	if (!(w->reply.options & OFFER_COOKIE))
		return -1;
	w->reply.options &= ~(OFFER_COOKIE | OFFER_COOKIE_EXP);
	return resize_for(ctx, &w->packet, w->reply.options) ? -1 : 0;
}

struct wipe_walk {
	void *data;
	void *end;
	__u32 at; /* offset from data */
	__u32 left; /* bytes */
};

static long wipe_step(__u32 i, void *state)
{
	struct wipe_walk *w = state;
	__u8 *at;

	(void)i;
	if (!w->left || w->at > SUM_END_MAX)
		return WALK_STOP;
	at = w->data + w->at;
	if (w->left >= 8 && (void *)at + 8 <= w->end) {
		*(__u64 *)at = 0;
		w->at += 8;
		w->left -= 8;
		return WALK_ON;
	}
	if ((void *)at + 1 > w->end)
		return WALK_STOP;
	*at = 0;
	w->at++;
	w->left--;
	return WALK_ON;
}

/* Clears the frame from @from on: padding, which a driver need not clear, and
 * where it could not be shortened the SYN's data. */
stage void wipe(const struct bytes *bytes, __u32 from, __u32 to)
{
	struct wipe_walk w = {
		.data = bytes->data,
		.end = bytes->end,
		.at = from,
		.left = to - from,
	};

	if (from < to)
		walk(SUM_END_MAX / 8 + 8, wipe_step, &w);
}

/* Turns the SYN into its answer. Not 0 where it could not: then nothing was
 * changed. */
__attribute__((noinline)) int answer(struct xdp_md *ctx)
{
	struct bytes bytes = {
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	const struct scratch *w = the_scratch();
	const struct packet *p;
	const struct reply *r;
	__u32 header, tcp_len, end;
	struct ethhdr *eth;
	struct pen pen = {};
	void *ip;

	if (!w)
		return -1;
	p = &w->packet;
	r = &w->reply;
	header = p->family == FAMILY_ipv4 ? sizeof(struct iphdr) :
					    sizeof(struct ipv6hdr);
	tcp_len = TCP_HEADER + options_len(r->options);
	end = answer_end(p, r->options);
	ip = bytes.data + (p->l3 & L3_MASK);
	eth = bytes.data;
	/* All of it in the first buffer, or not all could be cleared. */
	if (end > p->len || p->len > SUM_END_MAX ||
	    (__u64)(bytes.end - bytes.data) < p->len)
		return -1;
	/* In this order: where the second is checked first, clang knows that the
	 * first holds and leaves it out, and the verifier does not. */
	if (!fits(&bytes, eth, sizeof(*eth)) ||
	    !fits(&bytes, ip, sizeof(struct ipv6hdr)))
		return -1;
	if (!settings.no_ethernet) {
		__u8 mac[ETH_ALEN];

		__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
		__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
		__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	}
	pen.bytes = &bytes;
	pen.tcp = ip + header;
	pen.sum = p->family == FAMILY_ipv4 ? turn_ipv4(ip, tcp_len) :
					     turn_ipv6(ip, tcp_len);
	pen.sum += be16(IPPROTO_TCP);
	pen.sum += be16(tcp_len);
	put(&pen, r->dport | (__u32)r->sport << 16);
	put(&pen, be32(r->isn));
	put(&pen, be32(r->ack));
	put(&pen, be32(tcp_len << 26 |
		       (TCP_SYN | TCP_ACK |
			(r->options & OFFER_ECN ? TCP_ECE : 0)) << 16 |
		       r->window));
	put(&pen, 0);
	put_options(&pen, r);
	if (fits(&bytes, pen.tcp, TCP_HEADER))
		*(__sum16 *)(pen.tcp + TCP_CHECK_AT) = ~sum_fold(pen.sum);
	wipe(&bytes, end, p->len);
	return 0;
}

#endif
