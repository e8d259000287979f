/* SPDX-License-Identifier: GPL-2.0 */
/* How the listeners of guarded ports stand, and what the guard makes of it. */
#ifndef TFOGUARD_PRESSURE_H
#define TFOGUARD_PRESSURE_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* Of a port's listener with the fullest SYN queue, and with the fullest Fast
 * Open queue: each member of a reuseport group has its own. */
struct pressure {
	__u16 port;
	double pressure; /* share of unproven SYNs that is answered, 0 to 1 */
	__u32 syn_queue, syn_limit;
	__u32 tfo_queue, tfo_limit; /* zero: Fast Open is off */
	bool stopped; /* answers, since their ACKs are refused behind us */
};

/* By port in rising order; of ports with a listener that are guarded. The list is
 * the caller's to free. Negative errno where the kernel does not let us look. */
int pressure_read(bool (*is_guarded)(__u16 port, void *arg), void *arg,
		  struct pressure **list, size_t *n);

#endif
