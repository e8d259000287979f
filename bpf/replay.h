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

#include "shared.h"
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

#define NEVER_SEEN 0xffffffffU

stage struct seen *place_of(__u32 i)
{
	i &= SEEN_PLACES - 1;
	return bpf_map_lookup_elem(&seen, &i);
}

/*
 * How many ms ago @print was noted, if no more than @window. The hash must not
 * roll within the window: it is of the namespace's master.
 */
stage __u32 noted_ago(__u64 print, __u32 window, __u64 now)
{
	struct seen *first = place_of(print), *second = place_of(print >> 17);
	__u32 ms = now / 1000000, mark = print >> 32;

	if (first && first->print == mark && ms - first->at < window)
		return ms - first->at;
	if (second && second->print == mark && ms - second->at < window)
		return ms - second->at;
	return NEVER_SEEN;
}

/* The same; and what was not is noted now. */
stage __u32 seen_ago(__u64 print, __u32 window, __u64 now)
{
	struct seen *first = place_of(print), *second = place_of(print >> 17);
	__u32 ms = now / 1000000, ago = noted_ago(print, window, now);
	struct seen *older;

	if (ago != NEVER_SEEN || !first || !second)
		return ago;
	older = ms - first->at > ms - second->at ? first : second;
	older->print = print >> 32;
	older->at = ms;
	return NEVER_SEEN;
}

/* What tells one connection from others; @sort keeps apart what is noted of
 * it. */
enum print_sort {
	PRINT_DATA, /* data in its SYN */
	PRINT_ACK_DATA, /* in the ACK of an answer: what its SYN had */
	PRINT_VOUCHED, /* its ACK was vouched for */
	PRINT_REFUSED, /* and came again */
};

stage __u64 flow_print(const struct siphash_key *key, enum print_sort sort,
		       const struct syncookie_flow *flow)
{
	__u64 ports = flow->sport | (__u64)flow->dport << 16 |
		      (__u64)flow->client_isn << 32;

	if (flow->path_words == TFO_PATH_WORDS_IPV4) {
		const __u64 words[3] = { flow->path.words[0], ports, sort };

		return siphash(key, words, 3);
	} else {
		const __u64 words[6] = { flow->path.words[0],
					 flow->path.words[1],
					 flow->path.words[2],
					 flow->path.words[3],
					 ports,
					 sort };

		return siphash(key, words, 6);
	}
}

#endif
