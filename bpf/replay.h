/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Data that came before (RFC 7413 section 6.1): the fingerprints of SYNs with
 * data, and of vouched ACKs with data, in a table of fixed size, 1 MiB. Each
 * has two places of four slots, and takes the oldest of them. Where more come
 * in a port's window than the table holds, old entries are lost and their
 * repetition passes; a false alarm takes 32 equal bits in one of eight slots,
 * once in 2^29. tests/kernel/test_answer.c measures both. ACKs that were
 * vouched for have a table of their own, of the same kind: they come at no
 * source's rate, and would flush the other.
 */
#ifndef TFOGUARD_REPLAY_H
#define TFOGUARD_REPLAY_H

#include "shared.h"
#include "secret.h"

#define SEEN_PLACES (1U << 15)
#define VOUCHED_PLACES (1U << 14)
#define SEEN_SLOTS 4

struct seen {
	struct {
		__u32 print;
		__u32 at; /* ms of the clock; wraps in 49 days */
	} slots[SEEN_SLOTS];
};

/* Of the network namespace. Written and read by the data plane, for ports with
 * a replay filter. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SEEN_PLACES);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");

/* Of the network namespace. Written and read for ACKs of answers. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VOUCHED_PLACES);
	__type(key, __u32);
	__type(value, struct seen);
} vouched SEC(".maps");

#define NEVER_SEEN 0xffffffffU

/*
 * How many ms ago @print was noted in @table, if no more than @window; where it
 * was not, and @noting, it is noted now. The hash must not roll within the
 * window: it is of the namespace's master.
 */
stage __u32 look_up(void *table, __u32 places, __u64 print, __u32 window,
		    __u64 now, int noting)
{
	__u32 ms = now / 1000000, mark = print >> 32, age, oldest_age = 0;
	struct seen *place, *oldest = NULL;
	__u32 at, slot = 0;

	for (int i = 0; i < 2; i++) {
		at = print >> 16 * i & (places - 1);
		place = bpf_map_lookup_elem(table, &at);
		if (!place)
			return NEVER_SEEN;
		for (int j = 0; j < SEEN_SLOTS; j++) {
			age = ms - place->slots[j].at;
			if (place->slots[j].print == mark && age < window)
				return age;
			if (age >= oldest_age) {
				oldest = place;
				slot = j;
				oldest_age = age;
			}
		}
	}
	if (noting && oldest) {
		oldest->slots[slot & (SEEN_SLOTS - 1)].print = mark;
		oldest->slots[slot & (SEEN_SLOTS - 1)].at = ms;
	}
	return NEVER_SEEN;
}

/* Data. */
stage __u32 seen_ago(__u64 print, __u32 window, __u64 now)
{
	return look_up(&seen, SEEN_PLACES, print, window, now, 1);
}

/* An ACK; noted only by the next. */
stage __u32 noted_ago(__u64 print, __u32 window, __u64 now)
{
	return look_up(&vouched, VOUCHED_PLACES, print, window, now, 0);
}

stage __u32 vouched_ago(__u64 print, __u32 window, __u64 now)
{
	return look_up(&vouched, VOUCHED_PLACES, print, window, now, 1);
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
