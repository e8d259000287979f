/* SPDX-License-Identifier: GPL-2.0 */
/* What the guard must know of a network interface, read by rtnetlink. */
#ifndef TFOGUARD_INTERFACE_H
#define TFOGUARD_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "fault.h"
#include "tables.h"

struct interface {
	__u32 ifindex;
	char name[16];
	__u16 type; /* ARPHRD_ */
	__u32 mtu;
	__u32 mtu_max; /* of the device as it is now; 0: unknown */
	/* VLAN devices exist on it, and its driver takes the tags off before
	 * XDP sees the frame. */
	bool vlans_hidden;
	/* By which the guard tells what is for this host. */
	struct tables tables;
};

/* -ENODEV where there is none of that name; the second fills the fault. Free
 * with interface_free(). */
int interface_read(const char *name, struct interface *);
int interface_find(const char *name, struct interface *, struct fault *);
void interface_free(struct interface *);

/* Whether frames start with an Ethernet header, with an IP header, or with
 * something that the guard does not know. */
enum link_kind { LINK_ETHERNET, LINK_BARE_IP, LINK_UNKNOWN };
enum link_kind interface_kind(const struct interface *);

/* Whether frames for this host may show any MAC address (lo: zeros). */
bool interface_has_any_mac(const struct interface *);

/* Whether the driver strips VLAN tags ("rx-vlan-offload" of ethtool -k). */
bool interface_strips_vlans(const char *name);

/*
 * Whether what a native program sends back (XDP_TX) arrives. From a veth it does
 * only where a program runs at the other end: else veth_xdp_flush() wakes
 * nobody, or veth_xdp_xmit() drops it.
 */
bool interface_sends_back(const struct interface *);

/* Whether that of a guard in this mode is lost: the generic one sends it as the
 * stack does. */
bool interface_loses_answers(const struct interface *, enum attach_mode);

/* The driver's name ("veth", "virtio_net"); empty where it tells none. */
void interface_driver(const char *name, char driver[32]);

/*
 * Routes of this namespace with fastopen_no_cookie: 1 where there is one, and
 * the first one's text in @text, as "ip route" takes it; else 0, or negative
 * errno.
 */
int interface_routes_take_data(char *text, size_t size);

#endif
