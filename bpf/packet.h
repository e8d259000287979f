/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the stages may know: struct packet of every packet, struct syn of a SYN
 * to a guarded port. parse fills the one, read_syn and classify the other; only
 * they and act are handed the bytes.
 *
 * This header and parse.h, options.h, walk.h, classify.h and prove.h are pure:
 * no map, no clock, no helper but bpf_loop. They compile on the host too, for
 * unit tests and fuzzers.
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
	__u64 dmac; /* as in struct link */
	struct link_key tags;
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
};

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
#else
#define le64(v) __builtin_bswap64(v)
#define be16(v) (v)
#endif

/* Whether @n bytes from @at lie in the first buffer. */
#define fits(bytes, at, n) ((void *)(at) + (n) <= (bytes)->end)

#endif
