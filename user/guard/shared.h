/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Maps that belong to the network namespace: all its guards work with them, and
 * so does what takes the ACKs of answers, since a SYN may come in on one
 * interface and its ACK on another. Pinned beside the key ring.
 */
#ifndef TFOGUARD_SHARED_H
#define TFOGUARD_SHARED_H

#include "config.h"

struct bpf_object;

/* X(map), as the map is called in bpf/ and pinned. */
#define SHARED_MAPS(X)                                                         \
	X(tuning)                                                              \
	X(list4)                                                               \
	X(list6)                                                               \
	X(list_sizes)                                                          \
	X(port_states)                                                         \
	X(master)                                                              \
	X(buckets)                                                             \
	X(proven)                                                              \
	X(seen)                                                                \
	X(vouched)

enum shared_map {
#define X(map) SHARED_##map,
	SHARED_MAPS(X)
#undef X
	SHARED_COUNT
};

/* Descriptors; -1 where a map is not there yet. */
struct shared {
	int fd[SHARED_COUNT];
};

#define SHARED_NONE ((struct shared){ .fd = { [0 ... SHARED_COUNT - 1] = -1 } })

/* Opens what is pinned. Close with shared_close(). */
int shared_open(struct shared *);
void shared_close(struct shared *);

/* Before a load: @object goes on with the maps that are there. */
int shared_reuse(const struct shared *, struct bpf_object *object);

/* After a load: takes from @object what was not there, with what it must hold
 * before a packet comes. */
int shared_adopt(struct shared *, struct bpf_object *object);

/* What the pinned maps say; negative errno where there are none. */
int shared_tuning(struct tuning *);
int shared_port_state(unsigned int port, struct port_state *);

/* Puts @tuning in force, but for what the machine decides. */
int shared_tune(const struct shared *, const struct tuning *tuning);

/* Pins all in the place of nothing. */
int shared_pin(const struct shared *);

#endif
