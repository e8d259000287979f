/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guard behind libxdp's dispatcher, beside other programs. What stands in a
 * dispatcher can't be exchanged in one step; bpf/turn.h tells how two guards
 * share the packets while one takes over from the other.
 */
#ifndef TFOGUARD_CHAIN_H
#define TFOGUARD_CHAIN_H

#include "fault.h"
#include "hook.h"
#include "program.h"

/* Join the dispatcher, made where there is none, with an opened program; it is
 * loaded, filled and takes packets when this returns. */
int chain_join(const struct hook *, struct program *, struct fault *);

/* Let an opened program take over from the pinned one, which stays as it is but
 * takes no packet. On failure the pinned one goes on as before. */
int chain_exchange(const struct hook *, struct program *, struct fault *);

/* Once a program that joined or took over is pinned: every other guard leaves,
 * the one before it and any that was left by who was killed. */
int chain_settle(const struct hook *, const struct program *);

/* Take every guard out of the dispatcher, which goes when it is empty; also what
 * chain_rescue() does. -ENOENT where there is none. */
int chain_leave(const struct hook *);

/* Take off a guard that libxdp loaded without a dispatcher for an attach that
 * was killed before it could. */
void chain_rescue(const struct hook *);

/* Whether the pinned guard stands in the dispatcher; negative errno where that
 * can't be told. */
int chain_holds(unsigned int ifindex);

/* After an exchange that was cut short: the pinned guard takes all packets, any
 * other of ours leaves. */
int chain_repair(const struct hook *);

/* Calls @visit with the name and id of each other program in the dispatcher. */
int chain_neighbours(unsigned int ifindex,
		     void (*visit)(const char *name, unsigned int id, void *arg),
		     void *arg);

#endif
