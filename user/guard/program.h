/* SPDX-License-Identifier: GPL-2.0 */
/* The XDP program with its maps, from the object embedded in this binary. */
#ifndef TFOGUARD_PROGRAM_H
#define TFOGUARD_PROGRAM_H

#include <stdbool.h>

#include "config.h"
#include "fault.h"
#include "interface.h"
#include "keyring.h"
#include "shared.h"

/* What to do where the kernel has no memory for programs and maps. */
#define PROGRAM_MEMORY                                                         \
	"free memory, or allow it more (memory.max of its cgroup), and try "   \
	"again"

struct guard_bpf;

struct program_config;

struct program {
	struct guard_bpf *skel;
	const struct program_config *config;
	struct shared *shared;
	struct counter_names names;
	int fd; /* of the program, once loaded; not to be closed */
};

/* Maps of a guard that is there already, to go on with; -1 where there are
 * none and fresh ones are made. */
struct program_maps {
	int keyring;
	int counters;
	int counter_names;
	int cuts;
	struct shared *shared; /* what is missing there is added */
};

struct program_config {
	struct settings settings;
	bool chained; /* which entry point: behind a dispatcher, or alone */
	const struct port_policy *ports; /* PORT_COUNT of them */
	struct tables tables; /* not to be freed */
};

/* Opens, ready to be loaded. Fills why and advice of @f on failure; close with
 * program_close() in any case. @config must live as long. */
int program_open(struct program *, const struct program_config *,
		 const struct program_maps *, struct fault *f);

/* Loads an opened one and fills its maps. A chained one is loaded by joining
 * the chain. */
int program_load(struct program *, struct fault *f);

/* Fills all maps of a loaded one but the key ring, the record and the turn. */
int program_fill(const struct program *, struct fault *);

void program_close(struct program *);

unsigned int program_id(int fd); /* 0 where it can't be told */

/* Whether the kernel knows it by this name; negative errno: can't be told. */
int program_is_named(int fd, const char *name);

/* Returns when no packet is under way that saw the maps as they were before. */
int program_wait(void);

/* Puts @ring in force in the map of maps @keyring_fd, in one step. */
int program_set_keyring(int keyring_fd, const struct keyring *ring);
int program_get_keyring(int keyring_fd, struct keyring *ring);

/* The slot that has this name, or a free one that is given it; -ENOSPC. */
int program_find_slot(struct counter_names *names, const char *name);

/* Totals over all CPUs. */
int program_read_counters(int counters_fd, struct counters *sum);

int program_read_cuts(int cuts_fd, __u64 bytes[FAMILY_COUNT]);

/* The first thing that libbpf or libxdp complained about since the catching
 * began, one line; for why. */
const char *program_complaint(void);
void program_catch_complaints(void);

const char *program_libbpf_version(void);

#endif
