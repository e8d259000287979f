/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sources that proved that they hold their address, by a valid cookie or by the
 * ACK of an answer: the only table with an entry for each, and only they can
 * enter it. A /48 enters no more than some in a second, for it has as many /64 as
 * the table holds; a /24 has no more.
 */
#ifndef TFOGUARD_PROVEN_H
#define TFOGUARD_PROVEN_H

#include "limit.h"
#include "shared.h"

#define PROVEN_PER_PREFIX 256 /* new ones, in a second */

struct source {
	__u64 net;
	__u32 family; /* enum family */
	__u32 reserved; /* zero */
};

struct proof {
	__u64 until; /* ns: counts as proven for limits */
	__u64 tfo; /* bucket: its share of Fast Open queues */
	__u64 tfo_cost; /* ns of it, for one place */
};

stage struct source source_key(enum family family, const struct tfo_path *path)
{
	return (struct source){ .net = source_of(family, path),
				.family = family };
}

/* Of the network namespace. Written and read by the data plane. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct source);
	__type(value, struct proof);
} proven SEC(".maps");

stage struct proof *proof_of(const struct source *source)
{
	return bpf_map_lookup_elem(&proven, source);
}

/* An entry for a source that just proved itself; NULL where its prefix has
 * entered too many. */
stage struct proof *enter_proven(const struct source *source, __u64 prefix,
				 const struct tuning *t,
				 const struct secrets *secrets, __u64 now)
{
	struct proof fresh = { .until = now + t->proven * SECOND_NS };
	struct proof *proof = proof_of(source);

	if (proof) {
		/* Seldom: a line that others read. */
		if (proof->until < fresh.until - SECOND_NS)
			proof->until = fresh.until;
		return proof;
	}
	if (!is_within(LIMIT_PREFIX_PROVEN, prefix, PROVEN_PER_PREFIX, secrets,
		       now))
		return NULL;
	bpf_map_update_elem(&proven, source, &fresh, BPF_ANY);
	return proof_of(source);
}

#endif
