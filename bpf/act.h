/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only writer of packets. Stripping a SYN never resizes its frame: a lower
 * IP length is enough, the kernel trims the frame to it, and a program that
 * does not resize runs on every driver and behind every dispatcher.
 *
 * Checksums are changed by the difference between old bytes and new ones (RFC
 * 1624), never computed afresh: what was corrupt stays corrupt, and the kernel
 * drops it as it would have.
 */
#ifndef TFOGUARD_ACT_H
#define TFOGUARD_ACT_H

#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "options.h"
#include "packet.h"
#include "parse.h"

#define OPTION_WORDS (OPTIONS_MAX / 4)
#define NOP_WORD 0x01010101U

/*
 * Data that is cut, bytes: what a first buffer of four pages could hold. The
 * verifier follows packet offsets up to 64 KiB only.
 */
#define CUT_MAX 16383
#define SUM_END_MAX (IPV6_CHAIN_MAX + 2048 + 60 + CUT_MAX)
/* Parts of at most 512 bytes, all that bpf_csum_diff takes up to kernel 6.12;
 * then halves, and the last three bytes. */
#define SUM_STEPS_MAX (CUT_MAX / 512 + 9)

/* Sums of 16-bit words as they stand in memory, carries not folded yet. */
stage __u16 sum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* @change is the sum of the new words and of the old ones' complements. */
stage void checksum_change(__sum16 *check, __u64 change)
{
	*check = ~sum_fold((__u16)~*check + change);
}

stage __u64 word_change(__u16 old, __u16 new)
{
	return (__u16)~old + (__u64)new;
}

struct sum_walk {
	void *data;
	void *end;
	__u32 at; /* offset from data */
	__u32 left; /* bytes */
	__u32 sum;
};

/* The helper wants constant sizes: the largest that fits in what is left. */
#define SUM_PART(size)                                                         \
	if (w->left >= (size) && part + (size) <= w->end) {                    \
		w->sum = bpf_csum_diff(NULL, 0, part, size, w->sum);           \
		w->at += (size);                                               \
		w->left -= (size);                                             \
		return WALK_ON;                                                \
	}

static long sum_step(__u32 i, void *state)
{
	struct sum_walk *w = state;
	__u8 tail[4] = {};
	void *part;

	(void)i;
	if (w->at > SUM_END_MAX)
		return WALK_STOP;
	part = w->data + w->at;
	SUM_PART(512)
	SUM_PART(256)
	SUM_PART(128)
	SUM_PART(64)
	SUM_PART(32)
	SUM_PART(16)
	SUM_PART(8)
	SUM_PART(4)
	/* The last odd bytes, padded with zeros as RFC 9293 section 3.1 says. */
	for (__u32 j = 0; j < 3; j++)
		if (w->left > j && part + j + 1 <= w->end)
			tail[j] = *(__u8 *)(part + j);
	w->sum = bpf_csum_diff(NULL, 0, (void *)tail, sizeof(tail), w->sum);
	return WALK_STOP;
}

/* The sum of @len bytes from offset @at, all in the first buffer. */
stage __u32 sum_bytes(const struct bytes *bytes, __u32 at, __u32 len)
{
	struct sum_walk w = {
		.data = bytes->data,
		.end = bytes->end,
		.at = at,
		.left = len,
	};

	walk(SUM_STEPS_MAX, sum_step, &w);
	return w.sum;
}

/* The bits of @bytes' low four, each spread over its byte of a word. */
stage __u32 byte_mask(__u32 bytes)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (((bytes & 0xf) * 0x00204081U) & NOP_WORD) * 0xff;
#else
	return (((bytes & 1) << 24) | ((bytes & 2) << 15) | ((bytes & 4) << 6) |
		((bytes & 8) >> 3)) * 0xff;
#endif
}

/*
 * Makes NOPs of the Fast Open options, and of the one that counts a cookie
 * request of its kind where @request says so. Returns the change of the sum.
 */
stage __u64 rewrite_options(const struct bytes *bytes, void *options,
			    const struct syn *s, int request)
{
	__u64 nops = s->tfo_bytes, change = 0;
	__u32 *word = options;

	if (request) {
		__u32 header = s->tfo_header & 7;
		__u32 size_at = (s->tfo_at & 63) + 1;
		__u16 *at = options + (size_at & ~1U);
		union {
			__u16 word;
			__u8 byte[2];
		} pair;

		nops &= ~(((1ULL << header) - 1) << (s->tfo_at & 63));
		if (!fits(bytes, at, 2))
			return 0;
		pair.word = *at;
		if (size_at & 1)
			pair.byte[1] = header;
		else
			pair.byte[0] = header;
		change = word_change(*at, pair.word);
		*at = pair.word;
	}
	for (int i = 0; i < OPTION_WORDS; i++, word++, nops >>= 4) {
		__u32 mask = byte_mask(nops), old, new;

		/* Words without NOPs are written back as they are: to leave
		 * them out would double the verifier's ways at each. */
		if (!fits(bytes, word, 4))
			break;
		old = *word;
		new = (old & ~mask) | (NOP_WORD & mask);
		*word = new;
		change += (__u64)(__u32)~old + new;
	}
	return change;
}

/* Lower the IP length by @by bytes. */
stage void shorten_ipv4(struct iphdr *ip, __u32 by)
{
	__be16 old = ip->tot_len;

	ip->tot_len = be16(be16(old) - by);
	checksum_change(&ip->check, word_change(old, ip->tot_len));
}

/* To @len bytes, the header's own included: the old length may be 0. */
stage void shorten_ipv6(struct ipv6hdr *ip, __u32 len)
{
	ip->payload_len = be16(len - sizeof(*ip));
}

stage void count_cut(const struct syn *s)
{
	__u32 family = s->family;
	__u64 *bytes = bpf_map_lookup_elem(&cuts, &family);

	if (bytes)
		*bytes += s->data_len;
}

/*
 * Leaves the SYN without the data that its sender may not send yet. Data that
 * lies beyond the first buffer stays: the kernel ignores it, for what passes
 * here without a cookie goes to a listener that wants one. Not so in port mode
 * off, which overrules the listener: there the SYN is left as it was.
 */
__attribute__((noinline)) int strip(struct xdp_md *ctx, int v)
{
	struct bytes first = {
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	const struct scratch *w = the_scratch();
	const struct bytes *bytes = &first;
	const struct syn *s;
	__u64 change = 0;
	void *ip, *tcp;
	int cut;

	if (!w)
		return -1;
	s = &w->syn;
	ip = ip_of(bytes, s);
	tcp = tcp_of(bytes, s);
	cut = s->data_len && s->data_len <= CUT_MAX &&
	      fits(bytes, tcp, s->header_len + s->data_len);
	if (!fits(bytes, ip, sizeof(struct ipv6hdr)) ||
	    !fits(bytes, tcp, TCP_HEADER))
		return -1;
	if (s->data_len && !cut &&
	    (v == V_port_off || (v == V_early_data && !s->proven)))
		return -1;
	/* The cookie stays where only its data is refused, and can be cut. */
	if (s->tfo_bytes && (v != V_early_data || !cut))
		change = rewrite_options(bytes, tcp + TCP_HEADER, s,
					 v != V_port_off &&
						 v != V_data_without_cookie);
	if (cut) {
		/* Out go the data, and the length in the pseudo-header. */
		change += (__u32)~sum_bytes(bytes, s->l4 + s->header_len,
					    s->data_len);
		change += word_change(be16(s->header_len + s->data_len),
				      be16(s->header_len));
		if (s->family == FAMILY_ipv4)
			shorten_ipv4(ip, s->data_len);
		else
			shorten_ipv6(ip, s->l4 + s->header_len - s->l3);
		count_cut(s);
	}
	checksum_change(tcp + TCP_CHECK_AT, change);
	return 0;
}

#endif
