/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tables by which an attached guard tells what is for this host: the
 * devices that frames are for, and the addresses. They are of the time when
 * they were written, and can be written again while the program runs.
 */
#ifndef TFOGUARD_TABLES_H
#define TFOGUARD_TABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "fault.h"

struct link_row {
	struct link_key key;
	struct link link;
};

/* Both lists in the order of their keys, no key twice. */
struct tables {
	struct link_row *rows; /* one untagged, one for each VLAN device */
	size_t n_rows;
	struct local_prefix *locals;
	size_t n_locals;
};

/* Adds one that is not there yet; -ENOMEM, or 0. */
int tables_add_row(struct tables *, const struct link_row *);

/* Adds one at the end, for tables_sort() to put it in its place. */
int tables_append_local(struct tables *, const struct local_prefix *);

/* Brings what was appended into order. */
void tables_sort(struct tables *);

void tables_free(struct tables *);

/* The maps, by descriptor. */
struct table_maps {
	int untagged, vlans, locals;
};

/* Makes the maps say what @tables say; what is ours before and after is ours all
 * the while, and where there is room what is new comes before what is old goes.
 * Fills the fault where a map is full. */
int tables_write(const struct table_maps *, const struct tables *,
		 struct fault *);

/* What the maps say. Free with tables_free(). */
int tables_read(const struct table_maps *, struct tables *);

/* How two differ. */
struct tables_difference {
	bool untagged; /* the device of untagged frames, or its MAC addresses */
	bool vlans;
	bool locals;
};
struct tables_difference tables_compare(const struct tables *,
					const struct tables *);

#endif
