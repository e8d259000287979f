/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The TCP Fast Open cookie as Linux makes it (RFC 7413 section 4.1.2;
 * __tcp_fastopen_cookie_gen_cipher in net/ipv4/tcp_fastopen.c):
 *
 *   cookie = SipHash-2-4(key, saddr || daddr)
 *
 * over the addresses exactly as they stand in the IP header, 8 bytes for IPv4
 * and 32 for IPv6; no ports, no time. The 64-bit hash goes on the wire
 * little-endian.
 */
#ifndef TFOGUARD_FASTOPEN_H
#define TFOGUARD_FASTOPEN_H

#include "siphash.h"

#define TFO_KIND 34            /* RFC 7413 section 4.1.1 */
#define TFO_KIND_EXP 254       /* RFC 6994, before 34 was assigned */
#define TFO_EXP_MAGIC 0xF989   /* big-endian on the wire */
#define TFO_HEADER 2           /* bytes: kind, size */
#define TFO_HEADER_EXP 4       /* bytes: kind, size, magic */
#define TFO_COOKIE_LEN 8       /* bytes; the only length Linux makes */

#define TFO_PATH_WORDS_IPV4 1
#define TFO_PATH_WORDS_IPV6 4

/* saddr || daddr as little-endian words; IPv4 fills the first one only. */
struct tfo_path {
	__u64 words[TFO_PATH_WORDS_IPV6];
};

/*
 * The cookie as the 64-bit number whose little-endian bytes go on the wire.
 * @words is TFO_PATH_WORDS_IPV4 or TFO_PATH_WORDS_IPV6.
 */
static inline __attribute__((always_inline)) __u64
tfo_cookie(const struct siphash_key *key, const struct tfo_path *path,
	   unsigned int words)
{
	return siphash(key, path->words, words);
}

#endif
