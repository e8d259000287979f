/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The XDP hook of an interface: who holds it, whether programs can be chained
 * on it, and the guard alone on it, by a bpf_link that nobody else can replace.
 * chain.h is about the guard among others.
 */
#ifndef TFOGUARD_HOOK_H
#define TFOGUARD_HOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "fault.h"

/* Advice where one of them was missing: the second is for libxdp, which finds
 * programs by their ids. */
#define HOOK_CAPABILITIES "give it CAP_NET_ADMIN and CAP_SYS_ADMIN"

struct hook {
	unsigned int ifindex;
	const char *ifname; /* for faults */
	enum attach_mode mode;
};

/* What to do about a guard whose pins are not to be found. */
#define HOOK_HIDDEN                                                            \
	"if bpffs was mounted over the one that has them, `umount "            \
	"/sys/fs/bpf`; else take it off: see \"bpftool link show\" and "       \
	"\"bpftool link detach id ID\""

/* Whether this kernel chains programs; if not, says why in @why. */
bool hook_can_chain(char *why, size_t size);

/* What is on the hook now; -EPERM where that can't be told. */
enum hook_holder {
	HOOK_FREE,
	HOOK_DISPATCHER, /* libxdp's, which takes another program */
	HOOK_FOREIGN, /* a program that was not loaded through it */
	HOOK_GUARD, /* a guard that stands alone, here or of another bpffs */
};
int hook_holder(const struct hook *, enum hook_holder *, char name[16],
		unsigned int *prog_id);

/* Attach the program alone and pin its link. Nothing is left on failure. */
int hook_attach(const struct hook *, int prog_fd, struct fault *);

/* Whether the pinned link still holds the hook; negative errno where that can't
 * be told. */
int hook_is_held(unsigned int ifindex);

/* Whether the interface that a link was for has gone. */
bool hook_is_dead(int link_fd);

/* Exchange the program behind the pinned link, in one step. */
int hook_exchange(unsigned int ifindex, int prog_fd);

/* Let go of the hook; the pin is the caller's to remove. -ENOENT where no link
 * is pinned. */
int hook_detach(unsigned int ifindex);

/* Why the kernel refused to attach, as a fault; returns @err. */
int hook_refused(const struct hook *, int err, struct fault *);

#endif
