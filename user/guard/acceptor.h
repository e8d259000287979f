/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What takes the ACKs of answers: the tc program, on every device that owns an
 * address behind a guard of this network namespace. Without it a guard must not
 * answer.
 */
#ifndef TFOGUARD_ACCEPTOR_H
#define TFOGUARD_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "interface.h"
#include "shared.h"

#define WHY_SILENT_MAX 48

struct acceptor {
	struct accept_bpf *skel; /* NULL where there is none */
};

/* Whether the kernel has what it takes; else @why says what is missing. */
bool acceptor_possible(char why[WHY_SILENT_MAX]);

/* Loads it with the namespace's maps; what is missing there is added. */
int acceptor_open(struct acceptor *, struct shared *, char why[WHY_SILENT_MAX]);
void acceptor_close(struct acceptor *);

/* Attaches it to the devices of @iface, and remembers them in pins. On failure
 * none of them has it that had not. */
int acceptor_attach(struct acceptor *, const struct interface *iface,
		    char why[WHY_SILENT_MAX]);

/* 1: each device of the tables has it; 0: one has not; negative errno where that
 * can't be told, as of a device that has gone. */
int acceptor_is_on(const struct tables *);

/* Takes out of the tables what is for a device that has it not: nothing there
 * is ours, so that nothing there is answered. */
void acceptor_withhold(struct tables *);

/* Takes it off every device that no guard needs: where none that answers is left,
 * nor is what takes its ACKs. @except: a guard that goes, or 0. */
int acceptor_tidy(unsigned int except);

/* Takes it off the devices of @iface where nobody remembers it, for the pins of
 * this network namespace are lost. */
void acceptor_forget(const struct interface *iface);

/* Totals of what became of ACKs, with the names of their slots; -ENOENT where
 * nothing was ever answered here. */
int acceptor_counters(struct counters *, struct counter_names *);

#endif
