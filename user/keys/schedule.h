/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When a ring is due. Times in a ring are of the wall clock, which may be set
 * forwards and backwards; so it is asked once, when a key is first seen, how old
 * the key is, and CLOCK_BOOTTIME, which counts while suspended and is never
 * set, tells its age from then on. Both in whole seconds, so a previous key is
 * retired up to two late, never early.
 */
#ifndef TFOGUARD_SCHEDULE_H
#define TFOGUARD_SCHEDULE_H

#include "keyring.h"

/* Seconds. */
struct schedule {
	__u64 rotate_every; /* 0: never */
	__u32 overlap;
	unsigned int jitter; /* percent of rotate_every: earlier by up to that */
};

#define SCHEDULE_DEFAULT                                                       \
	((struct schedule){ .rotate_every = 86400, .overlap = 86400,           \
			    .jitter = 10 })

/* Both clocks at one moment, in seconds. */
struct moment {
	__u64 wall; /* CLOCK_REALTIME */
	__u64 boot; /* CLOCK_BOOTTIME */
};

/* When the keys of a ring were first seen, and how old they were then. Zeroed
 * at first. */
struct sightings {
	struct sighting {
		__u64 id; /* tells keys apart; 0: none */
		__u64 since;
		__u64 boot;
		__u64 age;
	} slot[KEY_SLOT_COUNT];
};

void schedule_see(struct sightings *, const struct keyring *,
		  const struct moment *);

enum due { DUE_NOTHING, DUE_RETIRE, DUE_ROTATE };

#define DUE_NEVER (~0ULL)

/* What is to be done now with a ring that was seen; where that is nothing,
 * *@wait is how many seconds nothing will be. */
enum due schedule_due(const struct schedule *, const struct keyring *,
		      const struct sightings *, __u64 boot, __u64 *wait);

#endif
