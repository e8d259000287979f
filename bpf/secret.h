/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Secrets that roll. All come from one master, drawn from getrandom by user
 * space; each CPU derives those of the present epoch when it first needs them.
 */
#ifndef TFOGUARD_SECRET_H
#define TFOGUARD_SECRET_H

#include "clock.h"
#include "shared.h"
#include "syncookie.h"

/* One for the network namespace: a SYN may come in on one interface and its ACK
 * on another. Written once by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct siphash_key);
} master SEC(".maps");

struct secrets {
	__u64 epoch; /* plus 1: zero is none yet */
	struct siphash_key cookie[SYNCOOKIE_EPOCHS]; /* of this epoch and the last */
	struct siphash_key hash; /* of hashes that nobody else sees */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct secrets);
} secrets SEC(".maps");

#define HASH_EPOCH (1ULL << 63) /* apart from the epochs of cookies */

stage const struct secrets *secrets_at(__u64 now)
{
	__u64 epoch = (now >> SYNCOOKIE_EPOCH_SHIFT) + 1;
	const struct siphash_key *from;
	struct secrets *s;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&secrets, &zero);
	if (!s || s->epoch == epoch)
		return s;
	from = bpf_map_lookup_elem(&master, &zero);
	if (!from)
		return NULL;
	s->cookie[0] = syncookie_secret(from, epoch);
	s->cookie[1] = syncookie_secret(from, epoch - 1);
	s->hash = syncookie_secret(from, HASH_EPOCH | epoch);
	s->epoch = epoch;
	return s;
}

/* A keyed hash of two words, for choosing buckets: not for MACs. */
stage __u64 hash_words(const struct secrets *s, __u64 a, __u64 b)
{
	__u64 h = (a ^ s->hash.k0) * 0x9e3779b97f4a7c15ULL;

	h ^= h >> 32;
	h = (h ^ b ^ s->hash.k1) * 0xd6e8feb86659fd93ULL;
	h ^= h >> 32;
	h = (h ^ s->hash.k0) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

#endif
