/* SPDX-License-Identifier: GPL-2.0 */
/* What does not change in a flood's frames. */
#ifndef TFOGUARD_FLOOD_TEMPLATES_H
#define TFOGUARD_FLOOD_TEMPLATES_H

#include "plan.h"

struct target {
	unsigned char mac[6], own_mac[6];
	__be32 addr;
	unsigned short port; /* host byte order */
};

void template_make(struct template *, enum kind, const struct target *);

#endif
