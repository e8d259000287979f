/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the stages may know: struct packet of every packet, struct syn of a SYN
 * to a guarded port. parse fills the one, read_syn and classify the other; only
 * they and act are handed the bytes.
 *
 * This header and parse.h, options.h, offer.h, walk.h, classify.h, prove.h,
 * settle.h, welcome.h, rate.h and share.h are pure: no map, no clock, no helper
 * but bpf_loop. They compile on the host too, for unit tests and fuzzers.
 */
#ifndef TFOGUARD_PACKET_H
#define TFOGUARD_PACKET_H

#include <linux/types.h>
#include <stddef.h>

#include "config.h"
#include "fastopen.h"
#include "keyring.h"
#include "verdict.h"

#define stage static inline __attribute__((always_inline))

/* In the order in which a packet's way may end. */
enum syn_class {
	SYN_PLAIN = 1, /* no Fast Open option that counts, no data */
	SYN_REQUEST, /* asks for a cookie, with or without data */
	SYN_COOKIE, /* shows a cookie of 8 bytes, with or without data */
	SYN_BAD_LENGTH, /* a cookie of a length that cannot match */
	SYN_DATA, /* data and no Fast Open option that counts */
};

/* The packet's first buffer: nothing is read outside. */
struct bytes {
	void *data;
	void *end;
};

struct packet {
	__u32 len; /* bytes of the whole frame, further buffers included */
	enum family family;
	__u16 l3; /* offset of the IP header, in bytes from data */
	__u16 l4; /* offset of the TCP header */
	struct port_policy policy; /* of the destination port */
	__be16 dport;
};

/*
 * For what later stages branch on. A branch that the verifier can decide makes
 * what it decided by part of the state, and the rest of the program is walked
 * once for each value of it; a byte that went through the stack has no known
 * value (but for zero).
 */
typedef volatile __u8 undecided_u8;

struct syn {
	/* The layers, as parse found them. */
	undecided_u8 family; /* enum family */
	__u64 dmac; /* as in struct link */
	struct link_key tags;
	__u32 l3;
	__u32 l4;
	struct port_policy policy;

	/* The headers. */
	__u32 tos; /* IPv4 tos, IPv6 traffic class */
	struct tfo_path path;
	__be16 sport;
	__be16 dport;
	__be32 seq;
	__u32 header_len; /* bytes of the TCP header with its options */
	__u32 data_len; /* bytes of data, by the IP length */

	/* The options. */
	undecided_u8 class; /* enum syn_class */
	__u64 tfo_bytes; /* bit i: byte i of the options is of a TFO option */
	__u32 tfo_at; /* offset in the options of the TFO option that counts */
	__u32 tfo_header; /* its bytes before the cookie */
	__u64 cookie; /* its 8 bytes read little-endian */
	/* TCP-MD5 or TCP-AO: a changed byte breaks the signature. */
	undecided_u8 is_signed;

	/* What is found out about it. */
	struct siphash_key current; /* of the ring, if it was tried; else zero */
	__u64 made; /* the cookie that key makes */
	undecided_u8 allowed; /* its source is on the allow list */
	undecided_u8 blocked; /* or on the block list */
	undecided_u8 proven; /* its cookie proves its address */
	undecided_u8 reopens; /* a connection of which TIME_WAIT is left */
	undecided_u8 as; /* enum verdict if the kernel takes it as it is */
};

/* What becomes of a SYN under pressure, or beyond a limit. */
enum relief {
	RELIEF_PASS,
	RELIEF_ANSWER,
	RELIEF_BUDGET, /* beyond its source's share of the Fast Open queue */
	RELIEF_SOURCE_LIMIT,
	RELIEF_PREFIX_LIMIT,
};

#define LISTENER_KEYS 2 /* TCP_FASTOPEN_KEY_MAX */

/* What a listener says, and what its answer would offer. */
struct heard {
	/* The share of unproven SYNs that are to be answered, in 1/256. */
	__u32 share;
	__u32 syn_queue;
	__u32 syn_limit;
	__u32 tfo_queue;
	__u32 tfo_limit; /* of its Fast Open queue; 0: off */
	undecided_u8 tfo_room; /* it would take a valid cookie's data */
	undecided_u8 tfo_busy; /* that queue is above its mark */
	undecided_u8 relief; /* enum relief */
	undecided_u8 can_answer; /* the kernel would take the ACK */
	undecided_u8 can_challenge; /* else: its client may be challenged */
	undecided_u8 unheld; /* the ring's key that fits is none of its own */
	__u64 self; /* tells listeners apart */
	/* Its cookies are made with the first, and taken by both. */
	struct siphash_key keys[LISTENER_KEYS];
	__u32 n_keys; /* 0: none, or not asked for */
	__u32 options; /* OFFER_ bits that its sysctls allow */
	__u32 ifindex; /* of the device that owns the address */
	__u32 mss; /* the most that it may offer; 0: what the MTU allows */
	__u32 space; /* bytes that its buffer has for data */
	__u32 wscale;
};

/* Options of a SYN-ACK. */
#define OFFER_MSS 1
#define OFFER_SACK 2
#define OFFER_TIMESTAMPS 4
#define OFFER_WSCALE 8
#define OFFER_COOKIE 16
#define OFFER_COOKIE_EXP 32 /* with OFFER_COOKIE: of kind 254 */
#define OFFER_ECN 64 /* a flag and not an option */

/* A SYN-ACK but for what can be copied from its SYN. Host byte order where the
 * type does not say otherwise. */
struct reply {
	__u32 options; /* OFFER_ bits */
	__be16 sport; /* the client's */
	__be16 dport;
	__u32 isn;
	__u32 ack;
	__u32 tsval;
	__be32 tsecr;
	__u16 window;
	__u16 mss;
	__u32 wscale;
	__u32 reserved; /* zero */
	__u64 cookie; /* its eight bytes read little-endian */
};

_Static_assert(sizeof(struct reply) == 48, "no padding");

/* A port's mode that says what becomes of this SYN, whatever its cookie or its
 * listener. */
stage int is_overruled(const struct syn *s)
{
	return s->policy.mode == PORT_off ||
	       (s->policy.mode == PORT_drop && s->data_len);
}

/*
 * Loads from an address of any alignment. The verifier allows them where the
 * kernel was built for a machine that does; clang, told the truth, would load
 * byte by byte.
 */
#ifdef __bpf__
#define load16(at) (*(const __u16 *)(at))
#define load32(at) (*(const __u32 *)(at))
#define load64(at) (*(const __u64 *)(at))
#else
#include <string.h>
#define LOAD(bits)                                                             \
	static inline __u##bits load##bits(const void *at)                     \
	{                                                                      \
		__u##bits v;                                                   \
		memcpy(&v, at, sizeof(v));                                     \
		return v;                                                      \
	}
LOAD(16)
LOAD(32)
LOAD(64)
#undef LOAD
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define le64(v) (v)
#define be16(v) ((__u16)__builtin_bswap16(v))
#define be32(v) ((__u32)__builtin_bswap32(v))
#else
#define le64(v) __builtin_bswap64(v)
#define be16(v) (v)
#define be32(v) (v)
#endif

/* Whether @n bytes from @at lie in the first buffer. */
#define fits(bytes, at, n) ((void *)(at) + (n) <= (bytes)->end)

#endif
