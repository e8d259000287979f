/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rules of this network namespace that stand between the wire and a listener
 * in a way that XDP, which comes before them, can't see: of nftables, of
 * iptables over nftables, and of the older iptables.
 */
#ifndef TFOGUARD_FIREWALL_H
#define TFOGUARD_FIREWALL_H

#include <stddef.h>

enum firewall_effect {
	/* The packet goes to another address than the one it came with. */
	FIREWALL_TRANSLATES,
	/* SYNs are answered by netfilter, which knows no Fast Open. */
	FIREWALL_SYNPROXY,
	/* Refused where conntrack, which saw no SYN, takes it for new. */
	FIREWALL_REFUSES_ACKS,
};

struct firewall_rule {
	enum firewall_effect effect;
	char *place; /* "dnat by handle 4 of chain pre in table ip nat" */
	char *remove; /* the command; NULL where a name in it is odd */
};

struct firewall {
	struct firewall_rule *rules;
	size_t n;
};

/*
 * Reads what can be read: no rules where the kernel has no such firewall.
 * Negative errno, and nothing to free, where reading it failed.
 */
int firewall_read(struct firewall *);
void firewall_free(struct firewall *);

#endif
