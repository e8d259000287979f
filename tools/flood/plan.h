/* SPDX-License-Identifier: GPL-2.0 */
/* What the generator's two halves agree on. */
#ifndef TFOGUARD_FLOOD_PLAN_H
#define TFOGUARD_FLOOD_PLAN_H

#include <linux/types.h>

#include "siphash.h"

/* Kinds of SYN: id, what it is. */
#define KINDS(X)                                                               \
	X(plain, "without Fast Open")                                          \
	X(request, "asks for a cookie")                                        \
	X(forged, "a random cookie, and data")                                 \
	X(valid, "the cookie that --key makes, and data")

enum kind {
#define X(id, what) KIND_##id,
	KINDS(X)
#undef X
	KINDS_COUNT,
};

/* Headers, a Linux client's options, and data: a multiple of eight bytes. */
#define FLOOD_FRAME 208

/* All of a kind's SYN that does not change; the rest is zero. */
struct template {
	__u64 words[FLOOD_FRAME / 8];
	__u32 len; /* of the frame */
	__u32 ip_sum, tcp_sum; /* of the headers, unfolded, as they lie */
	__u32 has_cookie;
};

struct plan {
	struct template templates[KINDS_COUNT];
	__u32 kinds[KINDS_COUNT]; /* sent in turn */
	__u32 n_kinds;
	__u32 ipv6;
	/* Of the sources; words in host byte order, of IPv4 the first. */
	__u32 prefix[4], host_mask[4];
	__u64 interval_ps; /* between two SYNs; 0: as fast as it goes */
	__u64 count; /* no more than these; 0: no end */
	struct siphash_key key; /* of valid cookies */
	__u32 holder; /* whom they come from; host byte order, 0: the prefix */
};

#endif
