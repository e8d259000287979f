/* SPDX-License-Identifier: GPL-2.0 */
/* The lists of this network namespace, where the data plane reads them: pinned
 * as long as a guard is attached. */
#ifndef TFOGUARD_LISTMAPS_H
#define TFOGUARD_LISTMAPS_H

#include "lists.h"

/* Settled. EXIT_NOT_ATTACHED where no guard is. */
int listmaps_read(struct lists *, struct fault *f);

/*
 * Give @prefixes as @entry, or take that back; or make the lists what
 * @prefixes, settled, says. Packets meet some prefixes as they were and some
 * as they will be while this runs, but none that is allowed before and after is
 * blocked in between. On failure all is as it was before.
 */
int listmaps_add(const struct lists *prefixes, enum list_entry entry,
		 struct fault *f);
int listmaps_remove(const struct lists *prefixes, enum list_entry entry,
		    struct fault *f);
int listmaps_replace(const struct lists *prefixes, struct fault *f);

#endif
