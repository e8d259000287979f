/* SPDX-License-Identifier: GPL-2.0 */
/* One question to the kernel by netlink, and all its answers. */
#ifndef TFOGUARD_NETLINK_H
#define TFOGUARD_NETLINK_H

#include <libmnl/libmnl.h>
#include <stddef.h>

/*
 * Sends a dump request of @type with the @size bytes of @header and hands each
 * message to @each. Returns 0 or negative errno.
 */
int netlink_dump(int bus, unsigned int type, const void *header, size_t size,
		 mnl_cb_t each, void *arg);

#endif
