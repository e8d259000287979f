/* SPDX-License-Identifier: GPL-2.0 */
/* What does not change in a flood's frames. */
#ifndef TFOGUARD_FLOOD_TEMPLATES_H
#define TFOGUARD_FLOOD_TEMPLATES_H

#include <netinet/in.h>
#include <stdbool.h>

#include "plan.h"

struct target {
	unsigned char mac[6], own_mac[6];
	bool ipv6;
	struct in6_addr addr; /* of IPv4 the first word */
	unsigned short port; /* host byte order */
};

void template_make(struct template *, enum kind, const struct target *);

#endif
