/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Prefixes that are allowed or blocked, as a sorted table. What was given of a
 * prefix and what the data plane obeys differ: a block inside an allow is
 * allowed, and is a block again when the allow goes.
 */
#ifndef TFOGUARD_LISTS_H
#define TFOGUARD_LISTS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "fault.h"

struct prefix {
	__u8 ipv6;
	__u8 bits;
	/* Network byte order; IPv4 in the first four. Zero beyond the bits. */
	__u8 address[16];
};

struct list_row {
	struct prefix prefix;
	struct list_value value;
};

/* Zeroed at first; free with lists_free(). */
struct lists {
	struct list_row *row;
	size_t n, room;
};

#define PREFIX_LEN 52 /* as text, with the NUL */

/*
 * Reads "192.0.2.0/24", "2001:db8::/32", or an address alone. Fills why and
 * advice of @f on failure.
 */
int prefix_parse(const char *text, struct prefix *, struct fault *f);
void prefix_format(const struct prefix *, char text[PREFIX_LEN]);

/* One more, given as @entry. -ENOMEM. The table is not sorted then. */
int lists_give(struct lists *, const struct prefix *, enum list_entry entry);

/* As many as the file has lines; # begins a comment. "-" is standard input. */
int lists_read(struct lists *, const char *path, enum list_entry entry,
	       struct fault *f);

void lists_sort(struct lists *);

/* Sorts, makes one row of those for the same prefix, and sets what is to be
 * obeyed; rows for which nothing is given any more go. */
void lists_settle(struct lists *);

/* The row of a prefix in a sorted table, or NULL. */
struct list_row *lists_find(const struct lists *, const struct prefix *);

/* How many are IPv4 ([0]) and IPv6 ([1]). */
void lists_count(const struct lists *, size_t n[2]);

int lists_copy(struct lists *to, const struct lists *from);
void lists_free(struct lists *);

/* Orders prefixes as a settled table does: what holds others comes first. */
int prefix_compare(const struct prefix *, const struct prefix *);

#endif
