/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Data that came before (RFC 7413 section 6.1): the fingerprints of SYNs with
 * data, and of vouched ACKs with data, in a table of fixed size. Each has two
 * places; the newer entry stays. Where the table is full, that is, where more
 * come in a port's window than there are places, old entries are lost and their
 * repetition passes; a false alarm takes 32 equal bits in one of two places,
 * once in 2^31.
 */
#ifndef TFOGUARD_REPLAY_H
#define TFOGUARD_REPLAY_H

#include "maps.h"
#include "secret.h"

#define SEEN_PLACES (1U << 17)

struct seen {
	__u32 print;
	__u32 at; /* ms of the clock; wraps in 49 days */
};

/* Of the network namespace. Written and read by the data plane, for ports with
 * a replay filter. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SEEN_PLACES);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

/*
 * Whether @print was noted less than @window ms ago; notes it. The hash must
 * not roll within the window: it is of the namespace's master.
 */
stage int was_seen(__u64 print, __u32 window, __u64 now)
{
	__u32 one = print & (SEEN_PLACES - 1);
	__u32 two = (print >> 17) & (SEEN_PLACES - 1);
	__u32 ms = now / 1000000, mark = print >> 32;
	struct seen *first = bpf_map_lookup_elem(&seen, &one);
	struct seen *second = bpf_map_lookup_elem(&seen, &two);
	struct seen *older;

	if (!first || !second)
		return 0;
	if ((first->print == mark && ms - first->at < window) ||
	    (second->print == mark && ms - second->at < window))
		return 1;
	older = ms - first->at > ms - second->at ? first : second;
	older->print = mark;
	older->at = ms;
	return 0;
}

/* What tells the SYN of one connection from others. */
stage __u64 flow_print(const struct siphash_key *key,
		       const struct syncookie_flow *flow)
{
	__u64 ports = flow->sport | (__u64)flow->dport << 16 |
		      (__u64)flow->client_isn << 32;

	if (flow->path_words == TFO_PATH_WORDS_IPV4) {
		const __u64 words[2] = { flow->path.words[0], ports };

		return siphash(key, words, 2);
	} else {
		const __u64 words[5] = { flow->path.words[0],
					 flow->path.words[1],
					 flow->path.words[2],
					 flow->path.words[3],
					 ports };

		return siphash(key, words, 5);
	}
}

#endif
