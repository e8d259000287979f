/* SPDX-License-Identifier: GPL-2.0 */
/* The maps of the XDP program: who writes them, who reads them. */
#ifndef TFOGUARD_MAPS_H
#define TFOGUARD_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "packet.h"
#include "shared.h"

/* Written by user space before load, then frozen: the counter slot of each
 * verdict. Read by every packet. */
const volatile __u8 counter_slot[VERDICT_COUNT] = {};

/*
 * The keys of the network namespace, shared by all its interfaces. Written by
 * user space, which puts a whole new ring in the place of the old one: no
 * packet sees half of a change, and when the write returns no packet sees the
 * old ring. Read by SYNs that show a cookie.
 */
struct keyring_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	/* Sizes, not types: clang leaves a type that only an inner map names
	 * out of the BTF ("can't determine value size"). */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct keyring));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct keyring_map);
} keyring SEC(".maps");

/* By port in host byte order. Written by user space, read by every SYN. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct port_policy);
} ports SEC(".maps");

/* The device that untagged frames are for. Written by user space, read by
 * look. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct link);
} untagged SEC(".maps");

/* The devices that tagged frames are for. Written by user space, read by look. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096); /* every VLAN of a device */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct link_key);
	__type(value, struct link);
} vlans SEC(".maps");

/*
 * Blocked and allowed prefixes, of the network namespace. Written by user
 * space, read by SYNs to a guarded port where list_sizes says that there are
 * any.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, LIST_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct list_key4);
	__type(value, struct list_value);
} list4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, LIST_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct list_key6);
	__type(value, struct list_value);
} list6 SEC(".maps");

/* How many prefixes list4 ([0]) and list6 ([1]) hold. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} list_sizes SEC(".maps");

/* What this host takes for its own. Written by user space, read by look. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 20); /* of what is there, none is made ahead */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct local_prefix);
	__type(value, __u8);
} locals SEC(".maps");

/* Written by the exit alone, read by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

/* Bytes of data that were cut from SYNs, by enum family. Written by act alone,
 * read by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FAMILY_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} cuts SEC(".maps");

/* The name of each counter slot. Written and read by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counter_names);
} counter_names SEC(".maps");

/* Written and read by user space: what this guard is. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct guard_record);
} record SEC(".maps");

/* One packet's, in no need to be cleared: judge_syn fills it. The stack is too
 * small for all of it, and what is read from here the verifier takes for any
 * value. */
struct scratch {
	struct packet packet;
	struct syn syn;
	struct heard heard;
	struct reply reply;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

stage struct scratch *the_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

stage const struct keyring *ring_in_force(void)
{
	__u32 zero = 0;
	void *inner;

	inner = bpf_map_lookup_elem(&keyring, &zero);
	return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

/* NULL for a SYN that shows no cookie to try. */
stage const struct keyring *ring_for(const struct syn *s)
{
	return s->class == SYN_COOKIE ? ring_in_force() : NULL;
}

#endif
