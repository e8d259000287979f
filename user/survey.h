/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All that doctor looks at, read once and judged nowhere: of this process, of
 * the kernel, of the network namespace, of the guards and of interfaces. What
 * could not be read is marked as unknown.
 */
#ifndef TFOGUARD_SURVEY_H
#define TFOGUARD_SURVEY_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"
#include "firewall.h"
#include "guard.h"
#include "hook.h"
#include "interface.h"
#include "ring.h"
#include "listening.h"
#include "pressure.h"

/* X(name, sysctl below net.) */
#define SURVEY_SYSCTLS(X)                                                      \
	X(fastopen, "ipv4.tcp_fastopen")                                       \
	X(syncookies, "ipv4.tcp_syncookies")                                   \
	X(somaxconn, "core.somaxconn")                                         \
	X(conntrack_loose, "netfilter.nf_conntrack_tcp_loose")

struct sysctl {
	bool known;
	long value;
};

/* The outcome of trying something. */
struct trial {
	bool tried;
	bool failed;
	struct fault fault;
};

/* One interface: that was asked for, or that has a guard. */
struct surveyed_interface {
	struct interface link; /* .name is empty where it has gone */
	bool bare_ip, unknown_link;
	char driver[32];
	bool features_known;
	__u64 xdp_features;
	bool sends_back; /* what a native program answers arrives */
	enum hook_holder holder;
	char holder_name[16];
	unsigned int holder_id;
	bool guarded; /* a guard is pinned: then */
	struct guard_status guard;
	enum guard_answers answers;
	bool tables_known;
	struct tables tables; /* that the guard goes by; link.tables is of now */
	/* Its ports as options of attach; ports_fit is false where they are too
	 * many for a command, or have more than options can say. */
	char ports[384];
	bool ports_fit;
	__u16 drops_over; /* a port that drops beyond a limit; 0: none does */
};

struct survey {
	const char *ifname; /* that was asked for, or NULL */

	/* this process */
	bool is_root;
	__u64 capabilities;
	bool bpffs_hidden;
	char netns[64]; /* its name in /run/netns, empty where it has none */

	/* the kernel */
	bool has_btf;
	struct trial program; /* the guard's own program, loaded */
	struct trial chaining; /* libxdp's way of sharing; why in fault.why */

	/* the network namespace */
#define X(name, path) struct sysctl name;
	SURVEY_SYSCTLS(X)
#undef X
	bool keys_known;
	struct kernel_pair keys;
	bool listeners_known;
	struct listener *listeners;
	size_t n_listeners;
	struct firewall firewall;
	bool routes_known;
	bool route_takes_data;
	char route[192]; /* the first such route, for "ip route" */

	/* the guards */
	struct trial guards; /* reading their pins */
	bool ring_known;
	struct keyring ring;
	struct surveyed_interface *interfaces;
	size_t n_interfaces;
	struct pressure *guarded; /* ports that have a listener */
	size_t n_guarded;
};

/*
 * Changes nothing. -ENODEV and a fault where @ifname is not NULL and there is
 * neither such an interface nor a guard of one. Free with survey_free().
 */
int survey_read(struct survey *, const char *ifname, struct fault *);
void survey_free(struct survey *);

/* Whether this process has the capability (CAP_…) with what implies it. */
bool survey_can(const struct survey *, unsigned int capability);

#endif
