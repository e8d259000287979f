/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rates, without an entry for anybody: arrays of buckets that a keyed hash
 * chooses. A source has two; it is over its rate only where both are, so that
 * it takes two collisions to suffer from a stranger.
 */
#ifndef TFOGUARD_LIMIT_H
#define TFOGUARD_LIMIT_H

#include "rate.h"
#include "secret.h"
#include "shared.h"

enum limit {
	LIMIT_SOURCE_SYN,
	LIMIT_SOURCE_FORGED,
	LIMIT_SOURCE_DATA,
	LIMIT_PREFIX_SYN,
	LIMIT_PREFIX_ANSWERS,
	LIMIT_PREFIX_PROVEN,
	LIMIT_COUNT,
};

#define BUCKETS (1U << 18) /* of each limit */

/* Of the network namespace. Written by the data plane, under pressure. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMIT_COUNT * BUCKETS);
	__type(key, __u32);
	__type(value, __u64);
} buckets SEC(".maps");

/* Whether @id is within @rate per second; 0 is no limit. */
stage int is_within(enum limit limit, __u64 id, __u32 rate,
		    const struct secrets *secrets, __u64 now)
{
	__u64 hash = hash_words(secrets, id, limit);
	__u32 one = limit * BUCKETS + (hash & (BUCKETS - 1));
	__u32 two = limit * BUCKETS + ((hash >> 32) & (BUCKETS - 1));
	__u64 *first, *second;
	int within;

	if (!rate)
		return 1;
	first = bpf_map_lookup_elem(&buckets, &one);
	second = bpf_map_lookup_elem(&buckets, &two);
	if (!first || !second)
		return 1;
	within = take_of_rate(first, now, rate);
	within |= take_of_rate(second, now, rate);
	return within;
}

/* IPv4 /32, IPv6 /64; the words are little-endian. */
stage __u64 source_of(enum family family, const struct tfo_path *path)
{
	return family == FAMILY_ipv4 ? (__u32)path->words[0] : path->words[0];
}

/* IPv4 /24, IPv6 /48. */
stage __u64 prefix_of(enum family family, const struct tfo_path *path)
{
	return path->words[0] &
	       (family == FAMILY_ipv4 ? 0xffffffULL : 0xffffffffffffULL);
}

#endif
