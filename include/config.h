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

/* When the guard answers an unproven SYN in the kernel's place. X(when, meaning) */
#define ANSWER_POLICIES(X)                                                     \
	X(auto, "when the listener's queue fills")                             \
	X(always, "always")                                                    \
	X(never, "never")                                                      \
	X(challenge, "as auto; where the kernel can't take the ACK, a "        \
		     "challenge that proves the address")

enum answer_policy {
#define X(when, meaning) ANSWER_##when,
	ANSWER_POLICIES(X)
#undef X
	ANSWER_POLICY_COUNT
};

/* What becomes of a SYN beyond a limit. X(what, meaning) */
#define OVER_POLICIES(X)                                                       \
	X(answer, "answered instead of passed, under pressure only")           \
	X(drop, "dropped, in calm too")

enum over_policy {
#define X(what, meaning) OVER_##what,
	OVER_POLICIES(X)
#undef X
	OVER_POLICY_COUNT
};

/* Which data a SYN may carry; what does not fit is cut. X(what, meaning) */
#define EARLY_POLICIES(X)                                                      \
	X(any, "any")                                                          \
	X(tls, "a TLS ClientHello")                                            \
	X(http_safe, "a GET, HEAD or OPTIONS request")

enum early_policy {
#define X(what, meaning) EARLY_##what,
	EARLY_POLICIES(X)
#undef X
	EARLY_POLICY_COUNT
};

/* One for each of the 65,536 ports, indexed by the port in host byte order. */
struct port_policy {
	__u8 mode; /* enum port_mode */
	__u8 forged; /* enum forged_policy */
	__u8 answer; /* enum answer_policy */
	__u8 early; /* enum early_policy */
	__u8 over_source; /* enum over_policy */
	__u8 over_prefix; /* enum over_policy */
	__u16 early_max; /* bytes of data that a SYN may carry; 0: any number */
	__u16 replay; /* seconds for which repeated data is cut; 0: off */
	__u16 reserved; /* zero */
};

/*
 * What may be changed while the guard runs. A rate of 0 is no limit. Marks and
 * shares are in 1/256.
 */
struct tuning {
	__u32 mark_lo; /* of a listener's SYN queue: some are answered */
	__u32 mark_hi; /* all are */
	/* Unproven SYNs that one CPU admits in a clock tick: this share of what
	 * is left to mark_hi. 0: no such limit. */
	__u32 admit_share;
	__u32 source_syn; /* per second and source (IPv4 /32, IPv6 /64) */
	__u32 source_forged;
	__u32 prefix_syn; /* per second and prefix (IPv4 /24, IPv6 /48) */
	__u32 prefix_answers;
	__u32 tfo_mark; /* of a TFO queue: the budget of sources binds */
	__u32 tfo_share; /* of a TFO queue: what one source may take ... */
	__u32 tfo_period; /* ... in so many seconds */
	__u32 proven; /* seconds for which a source counts as proven */
	__u32 odd; /* per second and CPU: what can't be judged, under pressure */
	__u32 bad_acks; /* per second and CPU: ACKs without a cookie of ours */
	__u32 mss; /* that answers offer; 0: what the MTU allows */
	__u32 rmem_max; /* net.core.rmem_max, bytes */
};

#define TUNING_DEFAULT                                                         \
	((struct tuning){ .mark_lo = 32,                                       \
			  .mark_hi = 128,                                      \
			  .admit_share = 64,                                   \
			  .source_syn = 100,                                   \
			  .source_forged = 10,                                 \
			  .prefix_syn = 1000,                                  \
			  .tfo_mark = 64,                                      \
			  .tfo_share = 16,                                     \
			  .tfo_period = 60,                                    \
			  .proven = 600,                                       \
			  .odd = 100,                                          \
			  .bad_acks = 1000,                                    \
			  .rmem_max = 212992 })

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
	/* The kernel takes the ACKs of our answers. */
	__u8 can_answer;
	/* A port is to be challenged where it can't. */
	__u8 can_challenge;
	/* This entry point may resize packets; else answers must fit into the
	 * frames of their SYNs. */
	__u8 may_resize;
	/* With assume_listener: its SYN queue is above the upper mark. */
	__u8 assume_pressure;
	/* The clock is what user space wrote into its map. */
	__u8 frozen_clock;
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
 * Prefixes that are blocked, or allowed: exempt from limits and ceilings. In a
 * trie for each IP version, the longest match counts; a block inside an allow
 * is stored as allow. One pair for all interfaces of the namespace.
 */
#define LIST_MAX 1000000 /* prefixes in a trie */

struct list_key4 {
	__u32 bits; /* of the prefix */
	__be32 address;
};

struct list_key6 {
	__u32 bits;
	__be32 address[4];
};

enum list_entry {
	LIST_NONE,
	LIST_ALLOW,
	LIST_BLOCK,
};

struct list_value {
	__u8 entry; /* enum list_entry: what the data plane obeys */
	__u8 given; /* 1 << enum list_entry: what was asked for */
	__u8 reserved[2]; /* zero */
};

/*
 * What is known of a port, by its number in host byte order; port 0 stands for
 * any. Times in units of 2^30 ns of the monotonic clock, about a second.
 */
#define ANSWERS_LAST 64 /* of these: two epochs of SYN cookies */

struct port_state {
	__u32 pressed_until; /* a listener's queue was above the lower mark */
	__u32 answered_until; /* ACKs of answers may come */
	__u32 stopped_until; /* no answers: their ACKs are refused behind us */
	__u32 replay; /* seconds, of the port's policy */
};

/*
 * Destinations that this host takes for its own: its addresses, and what its
 * table of local routes says. IPv4 as ::ffff:a.b.c.d, so that one table serves
 * both. The key of an LPM trie.
 */
struct local_prefix {
	__u32 len; /* in bits, of the 128 */
	__u8 address[16]; /* network byte order; zero behind the prefix */
};

#define LOCAL_IPV4_AT 12 /* where an IPv4 address stands; 0xffff before it */

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
	char silent_because[48]; /* why it does not answer; empty where it does */
	__u8 unsent; /* answers would not arrive at a veth's other end */
	__u8 reserved[10]; /* zero */
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
_Static_assert(sizeof(struct port_policy) == 12, "shared with BPF maps");
_Static_assert(sizeof(struct link_key) == 8, "shared with BPF maps");
_Static_assert(sizeof(struct link) == 24, "shared with BPF maps");
_Static_assert(sizeof(struct local_prefix) == 20, "shared with BPF maps");
_Static_assert(sizeof(struct settings) == 11, "shared with BPF maps");
_Static_assert(sizeof(struct guard_record) == 256, "shared with BPF maps");
_Static_assert(VERDICT_COUNT <= COUNTER_SLOTS, "a slot for each verdict");

#endif
