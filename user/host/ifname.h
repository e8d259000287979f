/* SPDX-License-Identifier: GPL-2.0 */
/* The names of network interfaces. */
#ifndef TFOGUARD_IFNAME_H
#define TFOGUARD_IFNAME_H

#include <net/if.h>

/*
 * The name of the interface that is called @name, be it an alternative one ("ip
 * link property add"), in @real; @name itself where there is no such interface.
 */
const char *ifname_real(const char *name, char real[IF_NAMESIZE]);

#endif
