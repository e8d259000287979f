/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SipHash-2-4 with 64-bit output (Aumasson and Bernstein, 2012), over whole
 * 64-bit words: all that cookies need. Compiled by the data plane, the
 * control plane and the tests; held against libsodium's in tests/unit.
 */
#ifndef TFOGUARD_SIPHASH_H
#define TFOGUARD_SIPHASH_H

#include <linux/types.h>

/* k0 and k1 are the key's bytes 0..7 and 8..15, each read little-endian. */
struct siphash_key {
	__u64 k0;
	__u64 k1;
};

#define SIPHASH_ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

#define SIPHASH_ROUND                                                          \
	do {                                                                   \
		v0 += v1;                                                      \
		v2 += v3;                                                      \
		v1 = SIPHASH_ROTL(v1, 13) ^ v0;                                \
		v3 = SIPHASH_ROTL(v3, 16) ^ v2;                                \
		v0 = SIPHASH_ROTL(v0, 32);                                     \
		v2 += v1;                                                      \
		v0 += v3;                                                      \
		v1 = SIPHASH_ROTL(v1, 17) ^ v2;                                \
		v3 = SIPHASH_ROTL(v3, 21) ^ v0;                                \
		v2 = SIPHASH_ROTL(v2, 32);                                     \
	} while (0)

#define SIPHASH_ABSORB(word)                                                   \
	do {                                                                   \
		v3 ^= (word);                                                  \
		SIPHASH_ROUND;                                                 \
		SIPHASH_ROUND;                                                 \
		v0 ^= (word);                                                  \
	} while (0)

#define SIPHASH_WORDS_MAX 6

/*
 * The hash of @n words, 1 to SIPHASH_WORDS_MAX, each the value of eight input
 * bytes read little-endian.
 *
 * No loop: an array that a loop indexes stays in memory even when the loop is
 * unrolled (clang 14), and with it the whole struct that holds the array.
 */
static inline __attribute__((always_inline)) __u64
siphash(const struct siphash_key *key, const __u64 *words, unsigned int n)
{
	__u64 v0 = 0x736f6d6570736575ULL ^ key->k0;
	__u64 v1 = 0x646f72616e646f6dULL ^ key->k1;
	__u64 v2 = 0x6c7967656e657261ULL ^ key->k0;
	__u64 v3 = 0x7465646279746573ULL ^ key->k1;
	__u64 length = (__u64)(n * 8) << 56;

	SIPHASH_ABSORB(words[0]);
	if (n > 1)
		SIPHASH_ABSORB(words[1]);
	if (n > 2)
		SIPHASH_ABSORB(words[2]);
	if (n > 3)
		SIPHASH_ABSORB(words[3]);
	if (n > 4)
		SIPHASH_ABSORB(words[4]);
	if (n > 5)
		SIPHASH_ABSORB(words[5]);
	SIPHASH_ABSORB(length);
	v2 ^= 0xff;
	SIPHASH_ROUND;
	SIPHASH_ROUND;
	SIPHASH_ROUND;
	SIPHASH_ROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

#endif
