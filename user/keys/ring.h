/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The life of a key, and how a change of the ring reaches the guard and the
 * kernel. No clock, no file, no map: all of it can be tried out in memory.
 *
 *            stage              promote               retire
 *   (new) ─────────► staged ─────────────► current ─► previous ─► (gone)
 *
 * The kernel holds two keys, so the ring does: beside the current one there is
 * a staged or a previous one, never both. A third would be a key that the guard
 * accepts and the kernel refuses.
 */
#ifndef TFOGUARD_RING_H
#define TFOGUARD_RING_H

#include <stdbool.h>

#include "keyring.h"

#define KERNEL_KEYS_MAX 2

/* The kernel's keys, primary first. */
struct kernel_pair {
	struct siphash_key key[KERNEL_KEYS_MAX];
	int n;
};

/* Why a step is refused, and what to do instead. */
struct refusal {
	const char *why, *advice;
};

/* Each returns NULL when done; else the ring is untouched. Times are seconds
 * since the epoch. */
const struct refusal *ring_stage(struct keyring *, const struct key *fresh);
const struct refusal *ring_promote(struct keyring *, __u64 now, __u32 overlap);
/* Drops the key beside the current one: previous, or staged and not wanted. */
const struct refusal *ring_retire(struct keyring *);
/* The new key in force, every other one dropped. */
const struct refusal *ring_replace(struct keyring *, const struct key *fresh);
/* The ring of a file. Where it has one key only, the present one becomes its
 * previous: its clients keep their cookies. */
const struct refusal *ring_import(struct keyring *, const struct keyring *given,
				  __u64 now, __u32 overlap);

/* Whether a ring that came from elsewhere is one; else why not. */
const char *ring_fault(const struct keyring *);

/* What the kernel should have: the current key first. */
void ring_pair(const struct keyring *, struct kernel_pair *);

/*
 * The ring of one who follows the kernel: its keys, in the slots of @was where
 * they still mean the same.
 */
void ring_follow(const struct keyring *was, const struct kernel_pair *,
		 __u64 now, struct keyring *ring);

bool ring_has(const struct keyring *, const struct siphash_key *);
bool ring_covers(const struct keyring *, const struct kernel_pair *);
bool ring_equal(const struct keyring *, const struct keyring *);
bool pair_equal(const struct kernel_pair *, const struct kernel_pair *);

/*
 * The way from what is in force to @next, as steps of which each is atomic.
 * Between any two of them, and in the midst of each, the guard's map has every
 * key that the kernel has.
 */
enum ring_where { RING_TO_MAP, RING_TO_KERNEL };

#define RING_STEPS_MAX 4

struct ring_step {
	enum ring_where where;
	struct keyring ring; /* to the map */
	struct kernel_pair pair; /* to the kernel */
};

struct ring_plan {
	struct ring_step step[RING_STEPS_MAX];
	int n;
	/* From this step on the new ring is the truth; before, the old one. */
	int turn;
};

/* @map is NULL where no guard is attached. */
void ring_plan(const struct keyring *map, const struct kernel_pair *kernel,
	       const struct keyring *next, struct ring_plan *plan);

#endif
