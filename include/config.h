/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What user space decides and the data plane obeys, and what user space leaves
 * beside the data plane for the next command to read. Native byte order, since
 * both sides run on one machine, except where a type says otherwise.
 */
#ifndef TFOGUARD_CONFIG_H
#define TFOGUARD_CONFIG_H

#include <linux/types.h>

#include "verdict.h"

/* X(mode, meaning); zero is not guarded at all. */
#define PORT_MODES(X)                                                          \
	X(unguarded, "not looked at")                                          \
	X(guard, "cookies checked, what does not fit is stripped")             \
	X(off, "Fast Open switched off: options and data cut from every SYN")  \
	X(drop, "SYNs that carry data are dropped")                            \
	X(pass, "counted, never touched")

enum port_mode {
#define X(mode, meaning) PORT_##mode,
	PORT_MODES(X)
#undef X
	PORT_MODE_COUNT
};

/* What becomes of a cookie that no key made. X(what, meaning) */
#define FORGED_POLICIES(X)                                                     \
	X(strip, "data cut, the cookie becomes a request for a fresh one")     \
	X(drop, "dropped")

enum forged_policy {
#define X(what, meaning) FORGED_##what,
	FORGED_POLICIES(X)
#undef X
	FORGED_POLICY_COUNT
};

/* One for each of the 65,536 ports, indexed by the port in host byte order. */
struct port_policy {
	__u8 mode; /* enum port_mode */
	__u8 forged; /* enum forged_policy */
};

/*
 * Frozen when the program is loaded, so that the verifier removes what is
 * switched off.
 */
struct settings {
	__u8 observe; /* count every verdict, touch nothing */
	__u8 no_ethernet; /* the device hands us bare IP packets (tun) */
	/* Look nothing up: judge as for a local listener with Fast Open on,
	 * whose keys are the ring's. For captures made elsewhere. */
	__u8 assume_listener;
	/* Any destination MAC is ours: a capture has no interface. */
	__u8 any_mac;
	/* A route of this namespace takes data without a cookie
	 * (fastopen_no_cookie), and XDP cannot see which packets it serves:
	 * data to a Fast Open listener is left alone. */
	__u8 routes_take_data;
	/* Tags are stripped by the device before XDP while VLANs exist on it:
	 * which device a packet is for can't be known, so nothing is ours. */
	__u8 vlans_hidden;
};

/*
 * Which device a frame is for, by its in-band VLAN tags: the untagged one is
 * the interface itself, tagged ones are the VLAN devices on top of it. A frame
 * whose tags are not in the table is not ours.
 */
struct link_key {
	__u32 tag[2]; /* outer, inner: TPID << 16 | VID; zero where absent */
};

#define LINK_MACS 2 /* the device's own, and its master's (bridge, bond) */

struct link {
	__u32 ifindex;
	__u32 reserved; /* zero */
	/* The six bytes as they stand in memory, in the low-addressed bytes of
	 * the word; the rest zero. Zero where there is none. */
	__u64 mac[LINK_MACS];
};

/*
 * Counters live in slots that have names, so that a map outlives the program
 * that made it: a newer program finds its verdicts by name, takes free slots
 * for new ones, and what it no longer counts keeps its total.
 */
#define COUNTER_SLOTS 64
#define COUNTER_NAME_LEN 32

struct counter {
	__u64 packets;
	__u64 bytes; /* of whole frames, as received */
};

struct counters {
	struct counter slot[COUNTER_SLOTS][FAMILY_COUNT];
};

struct counter_names {
	char name[COUNTER_SLOTS][COUNTER_NAME_LEN];
};

/*
 * What an attached guard tells the next command about itself. The layout is of
 * all pinned maps together: a command that knows a lower one refuses to touch
 * them. New fields take the place of reserved ones.
 */
#define GUARD_LAYOUT 1

struct guard_record {
	__u32 layout; /* GUARD_LAYOUT */
	__u32 ifindex;
	char ifname[16]; /* as it was called when attached */
	char version[16]; /* of the tfoguard that attached */
	__u64 attached_at; /* seconds since the epoch: first attached */
	__u64 loaded_at; /* seconds since the epoch: this program */
	__u8 attach_mode; /* enum attach_mode */
	__u8 chained; /* behind libxdp's dispatcher */
	struct settings settings;
	char alone_because[128]; /* why it is not chained */
	__u8 reserved[64]; /* zero */
};

/* X(mode, meaning) */
#define ATTACH_MODES(X)                                                        \
	X(native, "in the driver")                                             \
	X(skb, "in the stack, after a socket buffer was made: slower")

enum attach_mode {
#define X(mode, meaning) ATTACH_##mode,
	ATTACH_MODES(X)
#undef X
	ATTACH_MODE_COUNT
};

/*
 * While a chained guard is exchanged, the old one and the new one stand in the
 * chain together, the old one first; see bpf/turn.h.
 */
struct turn {
	__u32 has_successor; /* a newer guard stands behind this one */
	__u32 retired; /* and takes the packets from now on */
};

_Static_assert(sizeof(struct turn) == 8, "shared with BPF maps");
_Static_assert(sizeof(struct port_policy) == 2, "shared with BPF maps");
_Static_assert(sizeof(struct link_key) == 8, "shared with BPF maps");
_Static_assert(sizeof(struct link) == 24, "shared with BPF maps");
_Static_assert(sizeof(struct settings) == 6, "shared with BPF maps");
_Static_assert(sizeof(struct guard_record) == 256, "shared with BPF maps");
_Static_assert(VERDICT_COUNT <= COUNTER_SLOTS, "a slot for each verdict");

#endif
