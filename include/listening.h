/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel says of one listening TCP socket, as the data plane hands it
 * to user space, which can't see the Fast Open queue by itself.
 */
#ifndef TFOGUARD_LISTENING_H
#define TFOGUARD_LISTENING_H

#include <linux/types.h>

/* Native byte order, except for the address. */
struct listener {
	__u8 address[16]; /* network byte order; IPv4 in the first four */
	__u16 port;
	__u8 ipv6; /* the address is an IPv6 one; :: may take IPv4 too */
	/* setsockopt(TCP_FASTOPEN_NO_COOKIE): takes data without a cookie. */
	__u8 no_cookie;
	/* setsockopt(TCP_FASTOPEN_KEY): it has keys of its own, which take the
	 * place of the namespace's; and its primary is all zeros. */
	__u8 own_key;
	__u8 own_key_zero;
	__u8 mptcp; /* Multipath TCP: it is never answered for */
	__u8 reserved; /* zero */
	__u32 backlog; /* limit of the SYN queue and of the accept queue */
	__u32 syn_queue; /* the kernel sends SYN cookies when above the limit */
	__u32 accept_queue; /* full when above the limit */
	__u32 fastopen_queue; /* full when at its limit */
	__u32 fastopen_limit; /* zero: Fast Open is off */
	__u32 device; /* SO_BINDTODEVICE: the only one it listens on; 0: any */
};

_Static_assert(sizeof(struct listener) == 48, "shared with BPF programs");

#endif
