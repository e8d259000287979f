/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An attached guard as its pins have it: what every step that works on one
 * needs (attach.c, detach.c, refresh.c, state.c), and what it says where there
 * is none. guard.h is what the rest of user space sees of all this.
 */
#ifndef TFOGUARD_PINNED_H
#define TFOGUARD_PINNED_H

#include <stdbool.h>

#include "config.h"
#include "fault.h"
#include "tables.h"

/* Beside those of pins.h. */
#define PIN_RECORD "record"
#define PIN_COUNTERS "counters"
#define PIN_COUNTER_NAMES "counter_names"
#define PIN_CUTS "cuts"
#define PIN_PORTS "ports"
#define PIN_UNTAGGED "untagged"
#define PIN_VLANS "vlans"
#define PIN_LOCALS "locals"

/* Closes a descriptor, unless it is negative. */
void pinned_close(int *fd);
#define owned __attribute__((cleanup(pinned_close)))

/* -ENOENT where there is none; -EPROTO where a newer version left it, which
 * fills the fault, if one is given. */
int pinned_record(unsigned int ifindex, struct guard_record *, struct fault *);

/* Whether the pinned guard is on the hook; negative errno: can't be told. */
int pinned_is_held(unsigned int ifindex, bool chained);

/* The index by which the guard on @ifname is pinned, also of an interface that
 * has gone, by the name it had; 0 where there is none. */
unsigned int pinned_index(const char *ifname);

/* That of an interface that has gone, whatever has its name now; 0: none. */
unsigned int pinned_gone(const char *ifname);

/* Opens the maps of tables.h; negative errno where one is missing. To be closed
 * in any case. */
int pinned_open_tables(unsigned int ifindex, struct table_maps *);
void pinned_close_tables(struct table_maps *);

/* Faults; each returns its error. */
int pinned_incomplete(struct fault *);
int pinned_unreadable(int err, struct fault *);
int pinned_hidden(struct fault *); /* a guard whose pins are in another bpffs */
int pinned_none(const char *ifname, struct fault *); /* NULL: on no interface */

#endif
