/* SPDX-License-Identifier: GPL-2.0 */
/* The guard on interfaces of this network namespace. */
#ifndef TFOGUARD_GUARD_H
#define TFOGUARD_GUARD_H

#include <stdbool.h>

#include "config.h"
#include "fault.h"
#include "keyring.h"
#include "ports.h"
#include "tables.h"

struct guard_request {
	const char *ifname;
	enum attach_mode mode;
	bool observe;
	const struct port_policy *ports; /* PORT_COUNT of them */
	/* Of all guards of the namespace. NULL: as it is, else the defaults. */
	const struct tuning *tuning;
};

/*
 * Attach, or replace what is attached: no packet passes unguarded, none is
 * counted twice, counters and keys stay. On failure all is as it was before.
 * One at a time: a second one waits, and gives up after ten seconds.
 */
int guard_attach(const struct guard_request *, struct fault *);

/* Leave the interface and the pins as they were before the first attach. Also
 * of an interface that has gone, by the name it had. */
int guard_detach(const char *ifname, struct fault *);

/* What is attached to one interface. */
struct guard_status {
	struct guard_record record;
	char ifname[16]; /* as it is called now; empty where it has gone */
	bool held; /* the program is on the hook, for certain */
	int held_error; /* why that can't be told; 0: it can */
	unsigned int prog_id;
	struct counters counters;
	__u64 cut[FAMILY_COUNT]; /* bytes of data cut from SYNs */
	struct counter_names names;
};

/*
 * Visit each guard of the namespace, or the one on @ifname where that is not
 * NULL. EXIT_NOT_ATTACHED where there is none; EXIT_PARTLY where there are more
 * than could be read.
 */
int guard_each(const char *ifname,
	       void (*visit)(const struct guard_status *, void *arg), void *arg,
	       struct fault *);

/* What becomes of the answers of a guard that gives them. */
enum guard_answers {
	ANSWERS_FINE, /* or it gives none */
	ANSWERS_UNSENT, /* they don't arrive at its veth's other end */
	ANSWERS_UNHEARD, /* what takes their ACKs is gone: they are reset */
};
enum guard_answers guard_answers(const struct guard_status *);

/*
 * Writes the tables of an attached guard again (tables.h), for when an
 * address, a MAC, a VLAN, a master or the name has changed; the program stays.
 * -ESTALE where only a guard_attach() can make good what has changed.
 */
int guard_refresh(const char *ifname, struct fault *);

/* The tables that an attached guard goes by. Free with tables_free(). */
int guard_tables(unsigned int ifindex, struct tables *);

/* The policy of each port of an attached guard, and of one. */
int guard_ports(unsigned int ifindex, struct port_policy ports[PORT_COUNT]);
int guard_port(unsigned int ifindex, __u16 port, struct port_policy *);

/* The total of a verdict and family, found by its name. */
struct counter guard_counter(const struct guard_status *, const char *verdict,
			     enum family);

/* Visit each map of a guard that can be full, with how full it is: 0 to 1; of
 * the namespace where @ifindex is 0. */
void guard_fill(unsigned int ifindex,
		void (*visit)(const char *map, double ratio, void *arg),
		void *arg);

/* The ring of the namespace; -ENOENT where nothing is attached. */
int guard_keyring(struct keyring *);

/* Puts a ring in the place of the namespace's in one step: when it returns no
 * packet sees the old one. -ENOENT where nothing is attached. */
int guard_set_keyring(const struct keyring *);

const char *guard_mode_name(unsigned int mode);

#endif
