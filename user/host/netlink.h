/* SPDX-License-Identifier: GPL-2.0 */
/* One question to the kernel by netlink, and all its answers. */
#ifndef TFOGUARD_NETLINK_H
#define TFOGUARD_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>

struct netlink_request {
	int bus; /* NETLINK_ROUTE, … */
	unsigned int type; /* of the message */
	const void *header; /* what follows the netlink header */
	size_t size;
	/* Have the kernel heed all of the header and refuse what it can't
	 * (NETLINK_GET_STRICT_CHK). */
	bool strict;
};

/*
 * Asks for a dump and hands each message to @each. What changed while it was
 * dumped makes it incomplete: it is asked for again, some twenty times; each
 * time @restart, where it is not NULL, is to forget what came before. Returns 0
 * or negative errno, -EINTR where it never came whole.
 */
int netlink_dump(const struct netlink_request *, void (*restart)(void *arg),
		 mnl_cb_t each, void *arg);

/* The same of all links of this network namespace. */
int netlink_links(void (*restart)(void *arg), mnl_cb_t each, void *arg);

#endif
