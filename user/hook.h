/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The XDP hook of an interface, held in one of two ways: chained, behind
 * libxdp's dispatcher beside other programs, where the kernel can chain; else
 * alone, by a bpf_link that nobody else can replace. Either way the program is
 * exchanged in one step.
 */
#ifndef TFOGUARD_HOOK_H
#define TFOGUARD_HOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "fault.h"

struct hook {
	unsigned int ifindex;
	const char *ifname; /* for faults */
	enum attach_mode mode;
};

/* Whether this kernel chains programs; if not, says why in @why. */
bool hook_can_chain(char *why, size_t size);

/* What is on the hook now. */
enum hook_holder {
	HOOK_FREE,
	HOOK_DISPATCHER, /* libxdp's, which takes another program */
	HOOK_FOREIGN, /* a program that was not loaded through it */
};
int hook_holder(const struct hook *, enum hook_holder *, char name[16],
		unsigned int *prog_id);

/* Attach the program and pin what holds it. Nothing is left on failure. */
int hook_attach_alone(const struct hook *, int prog_fd, struct fault *);
int hook_attach_chained(const struct hook *, int prog_fd, struct fault *);

/* Whether the pins of the interface hold a hook that is still there. */
bool hook_is_held(unsigned int ifindex, bool chained);

/* Exchange the program behind pins that hold. */
int hook_replace(unsigned int ifindex, bool chained, int prog_fd);

/* Let go of it; the pins are the caller's to remove. */
int hook_detach(const struct hook *, bool chained, struct fault *);

/* Calls @visit with the name and id of each program of the dispatcher. */
int hook_neighbours(unsigned int ifindex,
		    void (*visit)(const char *name, unsigned int id, void *arg),
		    void *arg);

#endif
