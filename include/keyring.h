/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring of TFO keys: what the guard accepts by itself, without asking the
 * kernel. One ring per network namespace, replaced as a whole.
 */
#ifndef TFOGUARD_KEYRING_H
#define TFOGUARD_KEYRING_H

#include "siphash.h"

/*
 * In the order in which the data plane tries them: most cookies were made with
 * the current key.
 * X(slot, meaning)
 */
#define KEY_SLOTS(X)                                                           \
	X(current, "issued and accepted")                                      \
	X(previous, "accepted until its clients have come back")               \
	X(staged, "accepted, not issued yet")

enum key_slot {
#define X(slot, meaning) KEY_##slot,
	KEY_SLOTS(X)
#undef X
	KEY_SLOT_COUNT
};

/* Where a key came from. X(origin, meaning) */
#define KEY_ORIGINS(X)                                                         \
	X(none, "the slot is empty")                                           \
	X(kernel, "net.ipv4.tcp_fastopen_key of this network namespace")       \
	X(given, "given by an operator")                                       \
	X(made, "made here at random")

enum key_origin {
#define X(origin, meaning) KEY_ORIGIN_##origin,
	KEY_ORIGINS(X)
#undef X
	KEY_ORIGIN_COUNT
};

/*
 * An all-zero secret means that the slot is empty: zero is what the kernel
 * reports when no key was ever set, and a key that everybody knows proves
 * nothing.
 */
struct key {
	struct siphash_key secret;
	__u64 since; /* seconds since the epoch: when it entered this slot */
	__u32 origin; /* enum key_origin */
	/* Of a previous key: retired so many seconds after it entered the slot;
	 * 0 is when somebody says so. */
	__u32 overlap;
};

struct keyring {
	struct key slot[KEY_SLOT_COUNT];
};

static inline __attribute__((always_inline)) int
key_is_empty(const struct siphash_key *secret)
{
	return (secret->k0 | secret->k1) == 0;
}

static inline __attribute__((always_inline)) int
key_equal(const struct siphash_key *a, const struct siphash_key *b)
{
	return ((a->k0 ^ b->k0) | (a->k1 ^ b->k1)) == 0;
}

_Static_assert(sizeof(struct key) == 32, "shared with BPF maps");
_Static_assert(sizeof(struct keyring) == 96, "shared with BPF maps");

#endif
