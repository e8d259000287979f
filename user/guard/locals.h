/* SPDX-License-Identifier: GPL-2.0 */
/* What this network namespace takes for its own, read by rtnetlink. */
#ifndef TFOGUARD_LOCALS_H
#define TFOGUARD_LOCALS_H

#include "tables.h"

/*
 * Adds the addresses of all interfaces, and the prefixes of the local table's
 * local routes (127.0.0.0/8, "ip route add local …"). 0 or negative errno.
 */
int locals_read(struct tables *);

#endif
