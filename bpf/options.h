/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TCP options, read as tcp_parse_options() reads them (net/ipv4/tcp_input.c):
 * an end-of-list stops; a NOP is skipped; any other kind needs a size of at
 * least 2 that fits in what remains, else the walk stops and what came before
 * stands. Of the Fast Open options (34, or 254 with the magic) the last one of
 * even cookie length counts; a parser that takes the first disagrees with the
 * kernel.
 */
#ifndef TFOGUARD_OPTIONS_H
#define TFOGUARD_OPTIONS_H

#include "packet.h"
#include "walk.h"

#define OPTIONS_MAX 40 /* bytes */
#define USUAL_LEN 20
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MD5 19 /* RFC 2385 */
#define OPTION_AO 29 /* RFC 5925 */

struct option_walk {
	void *options;
	void *end;
	__u32 len; /* bytes of options, at most OPTIONS_MAX */
	__u32 at; /* offset of the next one */
	__u64 tfo_bytes; /* as in struct syn */
	/* The option that counts: its offset, its size and how much of that is
	 * not cookie. Bytes, not words: see undecided_u8. */
	__u8 tfo_at;
	__u8 tfo_size; /* 0: no option counts */
	__u8 tfo_header; /* TFO_HEADER or TFO_HEADER_EXP */
	__u8 is_signed;
};

stage long read_option(struct option_walk *w)
{
	__u32 at = w->at, size, header;
	__u8 *option;

	/* The last byte alone can't be an option that matters. */
	if (at + 2 > w->len)
		return WALK_STOP;
	/* The mask changes nothing; it is a bound that any verifier sees. */
	option = w->options + (at & 63);
	if ((void *)option + 2 > w->end)
		return WALK_STOP;
	if (option[0] == OPTION_NOP) {
		w->at = at + 1;
		return WALK_ON;
	}
	size = option[1];
	if (option[0] == OPTION_END || size < 2 || at + size > w->len)
		return WALK_STOP;
	w->at = at + size;

	if (option[0] == TFO_KIND) {
		header = TFO_HEADER;
	} else if (option[0] == TFO_KIND_EXP && size >= TFO_HEADER_EXP &&
		   (void *)option + TFO_HEADER_EXP <= w->end &&
		   load16(option + 2) == be16(TFO_EXP_MAGIC)) {
		header = TFO_HEADER_EXP;
	} else {
		if (option[0] == OPTION_MD5 || option[0] == OPTION_AO)
			w->is_signed = 1;
		return WALK_ON;
	}
	w->tfo_bytes |= ((1ULL << (size & 63)) - 1) << (at & 63);
	if ((size & 1) == 0) {
		w->tfo_at = at;
		w->tfo_size = size;
		w->tfo_header = header;
	}
	return WALK_ON;
}

/* Two at a time: a call costs as much as an option. */
static long option_step(__u32 i, void *state)
{
	(void)i;
	return read_option(state) || read_option(state);
}

/*
 * How long a beginning is that nearly every SYN of Linux has, in which nothing
 * matters here: MSS, SACK permitted, timestamps, NOP, window scale. 0: it begins
 * in another way. To walk over it costs as much as a hash.
 */
stage __u32 usual_beginning(const struct bytes *bytes, void *options, __u32 len)
{
	if (len < USUAL_LEN || !fits(bytes, options, USUAL_LEN) ||
	    (le64(load64(options)) & ~(0xffffULL << 16)) !=
		    0x0a08020400000402ULL ||
	    (be32(load32(options + 16)) & ~0xffU) != 0x01030300)
		return 0;
	return USUAL_LEN;
}

/* @len bytes of options, which end where the TCP header does. */
stage void options_walk(const struct bytes *bytes, void *options, __u32 len,
			struct option_walk *w)
{
	*w = (struct option_walk){
		.options = options,
		.end = bytes->end,
		.len = len,
		.at = usual_beginning(bytes, options, len),
	};
	if (w->at < len)
		walk(OPTIONS_MAX, option_step, w);
}

#endif
