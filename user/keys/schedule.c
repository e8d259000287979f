// SPDX-License-Identifier: GPL-2.0
#include "schedule.h"

#include <string.h>

/* A number for a key by which no key can be told: a SipHash under the key. */
static __u64 name_of(const struct siphash_key *secret)
{
	static const __u64 word[1] = { 0x656c756465686373ULL };

	return key_is_empty(secret) ? 0 : siphash(secret, word, 1) | 1;
}

void schedule_see(struct sightings *seen, const struct keyring *ring,
		  const struct moment *now)
{
	for (int i = 0; i < KEY_SLOT_COUNT; i++) {
		const struct key *key = &ring->slot[i];
		struct sighting *s = &seen->slot[i];
		__u64 id = name_of(&key->secret);

		if (s->id == id && s->since == key->since)
			continue;
		/* A key from the future is one whose clock was set back. */
		*s = (struct sighting){ .id = id,
					.since = key->since,
					.boot = now->boot,
					.age = now->wall > key->since ?
						       now->wall - key->since :
						       0 };
	}
}

static __u64 age_of(const struct sighting *s, __u64 boot)
{
	return s->age + (boot > s->boot ? boot - s->boot : 0);
}

/* The same for one key at each start of a process. */
static __u64 jitter(const struct schedule *schedule, __u64 id)
{
	__u64 most = schedule->rotate_every / 100 * schedule->jitter +
		     schedule->rotate_every % 100 * schedule->jitter / 100;

	return id % (most + 1);
}

/* By how much a key may be younger than it looks: it is first seen by one clock,
 * and from then on by another, and each tells whole seconds. */
#define GAINED 2

static __u64 left(__u64 of, __u64 age)
{
	return age < of ? of - age : 0;
}

enum due schedule_due(const struct schedule *schedule,
		      const struct keyring *ring, const struct sightings *seen,
		      __u64 boot, __u64 *wait)
{
	const struct key *previous = &ring->slot[KEY_previous];
	const struct sighting *current = &seen->slot[KEY_current];
	__u64 overlap = previous->overlap;

	*wait = DUE_NEVER;
	/* While a key is staged an operator is at work. */
	if (!key_is_empty(&ring->slot[KEY_staged].secret))
		return DUE_NOTHING;
	if (!key_is_empty(&previous->secret)) {
		if (!overlap && schedule->rotate_every)
			overlap = schedule->overlap;
		else if (!overlap)
			return DUE_NOTHING;
		/* A promise: cookies are out that count on the whole of it. */
		*wait = left(overlap + GAINED,
			     age_of(&seen->slot[KEY_previous], boot));
		return *wait ? DUE_NOTHING : DUE_RETIRE;
	}
	if (!schedule->rotate_every)
		return DUE_NOTHING;
	if (!current->id) {
		*wait = 0;
		return DUE_ROTATE;
	}
	*wait = left(schedule->rotate_every - jitter(schedule, current->id),
		     age_of(current, boot));
	return *wait ? DUE_NOTHING : DUE_ROTATE;
}
