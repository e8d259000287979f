/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a SYN's options ask of its SYN-ACK, read as tcp_parse_options() reads
 * them. Apart from options.h: only SYNs that are answered need it.
 */
#ifndef TFOGUARD_OFFER_H
#define TFOGUARD_OFFER_H

#include "options.h"
#include "packet.h"
#include "walk.h"

#define OPTION_MSS 2
#define OPTION_WSCALE 3
#define OPTION_SACK 4
#define OPTION_TIMESTAMPS 8

struct asked {
	void *options;
	void *end;
	__u32 len; /* bytes of options, at most OPTIONS_MAX */
	__u32 at; /* offset of the next one */
	__u32 options_asked; /* OFFER_ bits */
	__u16 mss;
	__u8 wscale;
	__u8 is_signed;
	__be32 tsval;
	__be32 tsecr;
};

static long asked_step(__u32 i, void *state)
{
	struct asked *w = state;
	__u32 at = w->at, size;
	__u8 *option;

	(void)i;
	if (at + 2 > w->len)
		return WALK_STOP;
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
	if (option[0] == OPTION_MSS && size == 4 &&
	    (void *)option + 4 <= w->end) {
		w->mss = be16(load16(option + 2));
		w->options_asked |= OFFER_MSS;
	} else if (option[0] == OPTION_WSCALE && size == 3 &&
		   (void *)option + 3 <= w->end) {
		w->wscale = option[2];
		w->options_asked |= OFFER_WSCALE;
	} else if (option[0] == OPTION_SACK && size == 2) {
		w->options_asked |= OFFER_SACK;
	} else if (option[0] == OPTION_TIMESTAMPS && size == 10 &&
		   (void *)option + 10 <= w->end) {
		w->tsval = load32(option + 2);
		w->tsecr = load32(option + 6);
		w->options_asked |= OFFER_TIMESTAMPS;
	} else if (option[0] == OPTION_MD5 || option[0] == OPTION_AO) {
		w->is_signed = 1;
	}
	return WALK_ON;
}

/* @usual: of usual_beginning, which is read by its places; 0 where there is none
 * to be expected. */
stage void asked_walk(const struct bytes *bytes, void *options, __u32 len,
		      __u32 usual, struct asked *w)
{
	*w = (struct asked){
		.options = options,
		.end = bytes->end,
		.len = len,
		.at = usual,
	};
	if (usual) {
		w->options_asked = OFFER_MSS | OFFER_SACK | OFFER_TIMESTAMPS |
				   OFFER_WSCALE;
		w->mss = be16(load16(options + 2));
		w->tsval = load32(options + 8);
		w->tsecr = load32(options + 12);
		w->wscale = ((__u8 *)options)[USUAL_LEN - 1];
	}
	if (!usual || usual < len)
		walk(OPTIONS_MAX, asked_step, w);
}

#endif
