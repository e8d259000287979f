/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The SYN cookie of the guard's own SYN-ACKs: all that the ACK must bring back,
 * since nothing is kept of an unproven SYN.
 *
 * Both sides use timestamps: the options ride in the SYN-ACK's TSval, which the
 * ACK echoes, and the ISN is all MAC.
 *
 *   TSval  31            16 15      12 11       8   7    6   5         0
 *         +----------------+----------+----------+----+----+------------+
 *         |      mss       |snd_wscale|rcv_wscale|sack|ecn | MAC 37..32 |
 *         +----------------+----------+----------+----+----+------------+
 *   ISN    31                                                          0
 *         +-------------------------------------------------------------+
 *         |                          MAC 31..0                          |
 *         +-------------------------------------------------------------+
 *
 * Without timestamps the options ride in the ISN; rcv_wscale has no room and is
 * derived again from the listener, and the MAC covers it.
 *
 *   ISN    31                                     9 8   6 5       2  1   0
 *         +---------------------------------------+-----+----------+----+---+
 *         |                MAC 22..0              | mss |snd_wscale|sack|ecn|
 *         +---------------------------------------+-----+----------+----+---+
 *
 *   MAC = SipHash-2-4(secret(epoch), saddr || daddr || sport dport client ISN ||
 *                     the options, and whether they ride in TSval)
 *   secret(epoch) = SipHash-2-4(master, epoch || 0), SipHash-2-4(master, epoch || 1)
 *
 * The cookie does not say its epoch: the current one and the one before are
 * tried. A wscale of 15 is none.
 */
#ifndef TFOGUARD_SYNCOOKIE_H
#define TFOGUARD_SYNCOOKIE_H

#include "fastopen.h"
#include "siphash.h"

#define SYNCOOKIE_EPOCH_SHIFT 35 /* an epoch: 2^35 ns, 34 seconds */
#define SYNCOOKIE_EPOCHS 2
#define SYNCOOKIE_NO_WSCALE 15

/* What the two sides agreed on; host byte order. */
struct syncookie_options {
	__u16 mss; /* the client's */
	__u8 snd_wscale; /* the client's, SYNCOOKIE_NO_WSCALE where none */
	__u8 rcv_wscale; /* ours; 0 where none */
	__u8 sack;
	__u8 ecn;
	__u8 timestamps;
};

/* Whose cookie it is; addresses and ports as they stand in the client's
 * packets. */
struct syncookie_flow {
	struct tfo_path path;
	unsigned int path_words; /* TFO_PATH_WORDS_IPV4 or _IPV6 */
	__be16 sport, dport;
	__u32 client_isn; /* host byte order */
};

/* Host byte order; tsval only where both sides use timestamps. */
struct syncookie {
	__u32 isn;
	__u32 tsval;
};

#define SYNCOOKIE_MSS_COUNT 8

/* The largest that is not above the client's: 0 is the smallest that an IPv4
 * host must take. A switch, for a small table may land where libbpf 1.1 refuses
 * it. */
static inline __attribute__((always_inline)) __u32
syncookie_mss(unsigned int index)
{
	switch (index) {
	case 1:
		return 966;
	case 2:
		return 1220;
	case 3:
		return 1360;
	case 4:
		return 1400;
	case 5:
		return 1440;
	case 6:
		return 1460;
	case 7:
		return 8960;
	default:
		return 536;
	}
}

static inline __attribute__((always_inline)) unsigned int
syncookie_mss_index(__u32 mss)
{
	return (mss >= 966) + (mss >= 1220) + (mss >= 1360) + (mss >= 1400) +
	       (mss >= 1440) + (mss >= 1460) + (mss >= 8960);
}

static inline __attribute__((always_inline)) struct siphash_key
syncookie_secret(const struct siphash_key *master, __u64 epoch)
{
	__u64 words[2] = { epoch, 0 };
	struct siphash_key secret;

	secret.k0 = siphash(master, words, 2);
	words[1] = 1;
	secret.k1 = siphash(master, words, 2);
	return secret;
}

static inline __attribute__((always_inline)) __u32
syncookie_tsval(const struct syncookie_options *o)
{
	return (__u32)o->mss << 16 | (o->snd_wscale & 15U) << 12 |
	       (o->rcv_wscale & 15U) << 8 | (o->sack & 1U) << 7 |
	       (o->ecn & 1U) << 6;
}

static inline __attribute__((always_inline)) __u32
syncookie_low_bits(const struct syncookie_options *o)
{
	return syncookie_mss_index(o->mss) << 6 | (o->snd_wscale & 15U) << 2 |
	       (o->sack & 1U) << 1 | (o->ecn & 1U);
}

static inline __attribute__((always_inline)) __u64
syncookie_mac(const struct siphash_key *secret,
	      const struct syncookie_flow *flow,
	      const struct syncookie_options *o)
{
	__u64 ports = flow->sport | (__u64)flow->dport << 16 |
		      (__u64)flow->client_isn << 32;
	__u64 options = o->timestamps ? 1ULL << 32 | syncookie_tsval(o) :
					(__u64)o->rcv_wscale << 40 |
						syncookie_low_bits(o);

	if (flow->path_words == TFO_PATH_WORDS_IPV4) {
		const __u64 words[3] = { flow->path.words[0], ports, options };

		return siphash(secret, words, 3);
	} else {
		const __u64 words[6] = { flow->path.words[0],
					 flow->path.words[1],
					 flow->path.words[2],
					 flow->path.words[3],
					 ports,
					 options };

		return siphash(secret, words, 6);
	}
}

static inline __attribute__((always_inline)) struct syncookie
syncookie_make(const struct siphash_key *secret,
	       const struct syncookie_flow *flow,
	       const struct syncookie_options *o)
{
	__u64 mac = syncookie_mac(secret, flow, o);

	if (o->timestamps)
		return (struct syncookie){
			.isn = (__u32)mac,
			.tsval = syncookie_tsval(o) | ((mac >> 32) & 0x3f),
		};
	return (struct syncookie){
		.isn = (__u32)mac << 9 | syncookie_low_bits(o),
	};
}

/* What an ACK's cookie says of the options; whether it is ours, the MAC tells.
 * For a cookie without timestamps the caller fills rcv_wscale. */
static inline __attribute__((always_inline)) struct syncookie_options
syncookie_read(const struct syncookie *c, int timestamps)
{
	if (timestamps)
		return (struct syncookie_options){
			.mss = c->tsval >> 16,
			.snd_wscale = (c->tsval >> 12) & 15,
			.rcv_wscale = (c->tsval >> 8) & 15,
			.sack = (c->tsval >> 7) & 1,
			.ecn = (c->tsval >> 6) & 1,
			.timestamps = 1,
		};
	return (struct syncookie_options){
		.mss = syncookie_mss((c->isn >> 6) & 7),
		.snd_wscale = (c->isn >> 2) & 15,
		.sack = (c->isn >> 1) & 1,
		.ecn = c->isn & 1,
	};
}

static inline __attribute__((always_inline)) int
syncookie_fits(const struct siphash_key *secret,
	       const struct syncookie_flow *flow,
	       const struct syncookie_options *o, const struct syncookie *c)
{
	struct syncookie right = syncookie_make(secret, flow, o);

	return right.isn == c->isn &&
	       (!o->timestamps || right.tsval == c->tsval);
}

/*
 * The challenge, for kernels that can't be handed a request: a SYN-ACK whose ack
 * number is wrong, and which the client's RST carries back as its sequence
 * number (RFC 9293 section 3.10.7.3).
 */
static inline __attribute__((always_inline)) __u32
syncookie_challenge(const struct siphash_key *secret,
		    const struct syncookie_flow *flow)
{
	__u64 ports = flow->sport | (__u64)flow->dport << 16;

	if (flow->path_words == TFO_PATH_WORDS_IPV4) {
		const __u64 words[3] = { flow->path.words[0], ports,
					 2ULL << 32 };

		return (__u32)siphash(secret, words, 3);
	} else {
		const __u64 words[6] = { flow->path.words[0],
					 flow->path.words[1],
					 flow->path.words[2],
					 flow->path.words[3],
					 ports,
					 2ULL << 32 };

		return (__u32)siphash(secret, words, 6);
	}
}

#endif
