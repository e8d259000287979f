/* SPDX-License-Identifier: GPL-2.0 */
/* What the XDP program and the tc program share: who writes it, who reads it. */
#ifndef TFOGUARD_SHARED_H
#define TFOGUARD_SHARED_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "packet.h"

/* Written by user space before load, then frozen. Read by every packet. */
const volatile struct settings settings = {};

/* What may be changed while the guard runs, for all interfaces of the network
 * namespace. Written by user space, read by SYNs to a guarded port. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tuning);
} tuning SEC(".maps");

/* By port; 0 for any. Of the network namespace. Written by the data plane when
 * something changes, read by SYNs and ACKs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct port_state);
} port_states SEC(".maps");

stage const struct tuning *tuning_in_force(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tuning, &zero);
}

stage struct port_state *state_of(__u32 port)
{
	return bpf_map_lookup_elem(&port_states, &port);
}

#endif
