/* SPDX-License-Identifier: GPL-2.0 */
/* What a driver can do for XDP, by the generic netlink family "netdev". */
#ifndef TFOGUARD_NETDEV_H
#define TFOGUARD_NETDEV_H

#include <linux/types.h>

/* Bits of enum netdev_xdp_act of <linux/netdev.h>. */
#define XDP_ACT_BASIC 1 /* it runs programs */
#define XDP_ACT_RX_SG 32 /* on frames larger than a page, too */

/*
 * What the driver says of its native XDP; 0 where it has none. -EOPNOTSUPP
 * where the kernel can't tell (before 6.3).
 */
int netdev_xdp_features(__u32 ifindex, __u64 *features);

#endif
