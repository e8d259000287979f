/* SPDX-License-Identifier: GPL-2.0 */
/* What the generator has to know of the interface that it sends by. */
#ifndef TFOGUARD_FLOOD_PORT_H
#define TFOGUARD_FLOOD_PORT_H

#include <linux/types.h>
#include <stdbool.h>

/* Of one queue of a veth's peer: what went into its ring, and what did not. */
struct ring {
	__u64 taken, dropped;
};

bool port_is_veth(const char *name);
bool port_mac(const char *name, unsigned char mac[6]);

/* The ring that frames sent on @cpu go to. */
bool port_ring(const char *name, int cpu, struct ring *ring);

/* Whether this network namespace leads anywhere by IPv4. */
bool port_leads_out(void);

#endif
