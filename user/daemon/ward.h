/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interfaces that the daemon keeps guarded: what is missing is attached,
 * what is attached already is adopted as it is, what was lost is attached anew
 * with the settings it had, ever more seldom while that fails.
 */
#ifndef TFOGUARD_WARD_H
#define TFOGUARD_WARD_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "fault.h"

struct wards;

/* One that a configuration names. */
struct ward_plan {
	char name[16];
	enum attach_mode mode;
};

/* @all: also every other guard of the namespace. NULL where there is no
 * memory. */
struct wards *wards_new(bool all);
void wards_free(struct wards *);

/* To be attached with default settings, or adopted. -ENOMEM. */
int wards_add(struct wards *, const char *ifname);

/*
 * Those of a configuration, which get its settings also where a guard is
 * attached already. The guards of those that an earlier one named and this one
 * does not are taken off at once. -ENOMEM.
 */
int wards_configure(struct wards *, const struct ward_plan *, size_t n,
		    const struct port_policy *ports, const struct tuning *);

/* One look at every interface, and what follows from it. @now in seconds, of a
 * clock that never goes back. Logs what it finds and does. */
void wards_look(struct wards *, double now);

/* Tells the guards the addresses, MACs and VLANs of now, and exchanges those
 * whose programs were loaded for something else. Logs what fails. */
void wards_refresh(struct wards *, double now);

/* Try at once what waits after a failure. */
void wards_hurry(struct wards *);

/* Leave it alone from now on, until somebody attaches it. -ENOENT where it is
 * none of ours. */
int wards_release(struct wards *, const char *ifname);

/* Take all guards off; logs what fails. */
void wards_detach(struct wards *);

struct wards_summary {
	size_t wanted, guarded;
	unsigned long heals;
};
struct wards_summary wards_summary(const struct wards *);

/* The names of those that are wanted; returns how many. */
size_t wards_names(const struct wards *, char (*names)[16], size_t max);

#endif
