// SPDX-License-Identifier: GPL-2.0
#include "ring.h"

#include <string.h>

static const struct refusal no_current = {
	"there is no current key to stand beside",
	"make one: tfoguard key rotate",
};
static const struct refusal zero_key = {
	"a key of all zeros is no key: anybody can make its cookies",
	"give another, or none: then one is made at random",
};
static const struct refusal known_key = {
	"that key is in the ring already",
	"see \"tfoguard key show\"",
};
static const struct refusal already_staged = {
	"another key is staged, and the kernel holds two",
	"promote that one, or drop it: tfoguard key retire",
};
static const struct refusal still_previous = {
	"the previous key is still accepted, and the kernel holds two",
	"drop it, which costs clients that have not come back a round trip: "
	"tfoguard key retire",
};
static const struct refusal none_staged = {
	"no key is staged",
	"stage one first: tfoguard key stage",
};
static const struct refusal none_to_retire = {
	"there is none beside the current key",
	"",
};
static const struct refusal no_ring = {
	"it has no current key",
	"",
};

static bool is_empty(const struct keyring *ring, enum key_slot slot)
{
	return key_is_empty(&ring->slot[slot].secret);
}

static void empty(struct keyring *ring, enum key_slot slot)
{
	explicit_bzero(&ring->slot[slot], sizeof(ring->slot[slot]));
}

bool ring_has(const struct keyring *ring, const struct siphash_key *key)
{
	for (int i = 0; i < KEY_SLOT_COUNT; i++)
		if (key_equal(&ring->slot[i].secret, key))
			return true;
	return false;
}

const struct refusal *ring_stage(struct keyring *ring, const struct key *fresh)
{
	if (key_is_empty(&fresh->secret))
		return &zero_key;
	if (is_empty(ring, KEY_current))
		return &no_current;
	if (ring_has(ring, &fresh->secret))
		return &known_key;
	if (!is_empty(ring, KEY_staged))
		return &already_staged;
	if (!is_empty(ring, KEY_previous))
		return &still_previous;
	ring->slot[KEY_staged] = *fresh;
	return NULL;
}

const struct refusal *ring_promote(struct keyring *ring, __u64 now,
				   __u32 overlap)
{
	if (is_empty(ring, KEY_staged))
		return &none_staged;
	ring->slot[KEY_previous] = ring->slot[KEY_current];
	ring->slot[KEY_previous].since = now;
	ring->slot[KEY_previous].overlap = overlap;
	ring->slot[KEY_current] = ring->slot[KEY_staged];
	ring->slot[KEY_current].since = now;
	empty(ring, KEY_staged);
	return NULL;
}

const struct refusal *ring_retire(struct keyring *ring)
{
	if (is_empty(ring, KEY_previous) && is_empty(ring, KEY_staged))
		return &none_to_retire;
	empty(ring, KEY_previous);
	empty(ring, KEY_staged);
	return NULL;
}

const struct refusal *ring_replace(struct keyring *ring,
				   const struct key *fresh)
{
	if (key_is_empty(&fresh->secret))
		return &zero_key;
	if (ring_has(ring, &fresh->secret))
		return &known_key;
	empty(ring, KEY_previous);
	empty(ring, KEY_staged);
	ring->slot[KEY_current] = *fresh;
	return NULL;
}

const struct refusal *ring_import(struct keyring *ring,
				  const struct keyring *given, __u64 now,
				  __u32 overlap)
{
	struct key current = ring->slot[KEY_current];
	bool alone = is_empty(given, KEY_previous) &&
		     is_empty(given, KEY_staged);

	if (is_empty(given, KEY_current))
		return &no_ring;
	/* What is current here already keeps its age. */
	if (alone &&
	    key_equal(&given->slot[KEY_current].secret, &current.secret))
		return &known_key;
	*ring = *given;
	if (alone && !key_is_empty(&current.secret)) {
		ring->slot[KEY_previous] = current;
		ring->slot[KEY_previous].since = now;
		ring->slot[KEY_previous].overlap = overlap;
	}
	explicit_bzero(&current, sizeof(current));
	return NULL;
}

const char *ring_fault(const struct keyring *ring)
{
	const struct siphash_key *current = &ring->slot[KEY_current].secret;
	const struct siphash_key *previous = &ring->slot[KEY_previous].secret;
	const struct siphash_key *staged = &ring->slot[KEY_staged].secret;

	if (key_is_empty(current))
		return "it has no current key";
	if (!key_is_empty(previous) && !key_is_empty(staged))
		return "it has a staged and a previous key, and the kernel "
		       "holds two keys";
	if (key_equal(current, previous) || key_equal(current, staged))
		return "one key is in two slots";
	return NULL;
}

void ring_pair(const struct keyring *ring, struct kernel_pair *pair)
{
	/* A staged key is accepted by the kernel, too: on another server of
	 * the farm it may be in force already. */
	static const enum key_slot order[] = { KEY_current, KEY_staged,
					       KEY_previous };

	memset(pair, 0, sizeof(*pair));
	for (int i = 0; i < KEY_SLOT_COUNT; i++)
		if (!is_empty(ring, order[i]) && pair->n < KERNEL_KEYS_MAX)
			pair->key[pair->n++] = ring->slot[order[i]].secret;
}

static const struct key *find(const struct keyring *ring,
			      const struct siphash_key *key)
{
	for (int i = 0; i < KEY_SLOT_COUNT; i++)
		if (key_equal(&ring->slot[i].secret, key))
			return &ring->slot[i];
	return NULL;
}

/* What @was knows of a key: where it came from, and where it is in the same
 * slot, since when. */
static void follow(const struct keyring *was, const struct siphash_key *key,
		   __u64 now, struct keyring *ring, enum key_slot slot)
{
	const struct key *known = find(was, key);
	struct key *to = &ring->slot[slot];

	if (known == &was->slot[slot]) {
		*to = *known;
		return;
	}
	*to = (struct key){ .secret = *key, .since = now,
			    .origin = known ? known->origin :
					      KEY_ORIGIN_kernel };
}

void ring_follow(const struct keyring *was, const struct kernel_pair *kernel,
		 __u64 now, struct keyring *ring)
{
	enum key_slot second = KEY_previous;

	memset(ring, 0, sizeof(*ring));
	if (kernel->n > 0)
		follow(was, &kernel->key[0], now, ring, KEY_current);
	if (kernel->n < 2 || key_equal(&kernel->key[0], &kernel->key[1]))
		return;
	/* The kernel can't tell a staged key from a previous one. */
	if (key_equal(&was->slot[KEY_staged].secret, &kernel->key[1]) &&
	    key_equal(&was->slot[KEY_current].secret, &kernel->key[0]))
		second = KEY_staged;
	follow(was, &kernel->key[1], now, ring, second);
}

bool ring_covers(const struct keyring *ring, const struct kernel_pair *pair)
{
	for (int i = 0; i < pair->n; i++)
		if (!ring_has(ring, &pair->key[i]))
			return false;
	return true;
}

bool ring_equal(const struct keyring *a, const struct keyring *b)
{
	return !memcmp(a, b, sizeof(*a));
}

bool pair_equal(const struct kernel_pair *a, const struct kernel_pair *b)
{
	if (a->n != b->n)
		return false;
	for (int i = 0; i < a->n; i++)
		if (!key_equal(&a->key[i], &b->key[i]))
			return false;
	return true;
}

static bool pair_has(const struct kernel_pair *pair,
		     const struct siphash_key *key)
{
	for (int i = 0; i < pair->n; i++)
		if (key_equal(&pair->key[i], key))
			return true;
	return false;
}

/* Puts a key that the ring lacks into a free slot. */
static void accept_too(struct keyring *ring, const struct key *key)
{
	static const enum key_slot order[] = { KEY_staged, KEY_previous,
					       KEY_current };

	if (key_is_empty(&key->secret) || ring_has(ring, &key->secret))
		return;
	for (int i = 0; i < KEY_SLOT_COUNT; i++)
		if (is_empty(ring, order[i])) {
			ring->slot[order[i]] = *key;
			return;
		}
}

/*
 * What the map must have while the kernel goes from @kernel to @next's pair:
 * both. Keys that are in @map keep their slots, so that one who follows the
 * kernel reads the ring as it was before if nothing more happens.
 */
static void unite(const struct keyring *map, const struct kernel_pair *kernel,
		  const struct keyring *next, struct keyring *both)
{
	*both = *map;
	for (int i = 0; i < KEY_SLOT_COUNT; i++)
		if (!pair_has(kernel, &both->slot[i].secret) &&
		    !ring_has(next, &both->slot[i].secret))
			empty(both, (enum key_slot)i);
	for (int i = 0; i < kernel->n; i++) {
		const struct key foreign = { .secret = kernel->key[i],
					     .origin = KEY_ORIGIN_kernel };

		accept_too(both, &foreign);
	}
	for (int i = 0; i < KEY_SLOT_COUNT; i++)
		accept_too(both, &next->slot[i]);
}

static void to_map(struct ring_plan *plan, const struct keyring *ring)
{
	plan->step[plan->n].where = RING_TO_MAP;
	plan->step[plan->n++].ring = *ring;
}

static void to_kernel(struct ring_plan *plan, const struct kernel_pair *pair)
{
	plan->step[plan->n].where = RING_TO_KERNEL;
	plan->step[plan->n++].pair = *pair;
}

/* How many keys the kernel and the next ring have together. */
static int count(const struct kernel_pair *kernel, const struct keyring *next)
{
	int n = 0;

	for (int i = 0; i < kernel->n; i++)
		n += !ring_has(next, &kernel->key[i]);
	for (int i = 0; i < KEY_SLOT_COUNT; i++)
		n += !is_empty(next, (enum key_slot)i);
	return n;
}

void ring_plan(const struct keyring *map, const struct kernel_pair *kernel,
	       const struct keyring *next, struct ring_plan *plan)
{
	struct kernel_pair now = *kernel, then;
	struct keyring both;

	memset(plan, 0, sizeof(*plan));
	ring_pair(next, &then);
	/* Two pairs that share no key don't fit the map together: what the
	 * kernel has as backup would go anyway. */
	if (map && count(&now, next) > KEY_SLOT_COUNT) {
		now.n = 1;
		to_kernel(plan, &now);
	}
	if (map) {
		unite(map, &now, next, &both);
		if (!ring_equal(&both, map))
			to_map(plan, &both);
	}
	plan->turn = plan->n;
	if (then.n > 0 && !pair_equal(&now, &then))
		to_kernel(plan, &then);
	if (map && !ring_equal(&both, next))
		to_map(plan, next);
	explicit_bzero(&both, sizeof(both));
	explicit_bzero(&now, sizeof(now));
	explicit_bzero(&then, sizeof(then));
}
