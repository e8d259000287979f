/* SPDX-License-Identifier: GPL-2.0 */
/*
 * look: before anything is done to a SYN, ask the kernel. Is the packet for
 * this host and not for a container, a bridge's port or a next hop? Does
 * something listen? Would that listener take the SYN as it is?
 *
 * The socket lookup alone can't tell: it does not check that the destination
 * is local, so a wildcard listener matches routed packets too.
 */
#ifndef TFOGUARD_LISTENER_H
#define TFOGUARD_LISTENER_H

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "packet.h"
#include "policy.h"
#include "prove.h"

#define AF_INET 2
#define AF_INET6 10

#define TFO_SERVER_ENABLE 2 /* include/net/tcp.h */
#define TFO_SERVER_COOKIE_NOT_REQD 0x200

/*
 * The kernel's structures, only the fields that are read: CO-RE finds where
 * they are in the kernel that runs.
 */
#pragma clang attribute push(__attribute__((preserve_access_index)),           \
			     apply_to = record)

typedef struct {
	__u64 key[2];
} siphash_key_t;

struct tcp_fastopen_context {
	siphash_key_t key[2];
	int num;
};

struct fastopen_queue {
	int max_qlen;
	struct tcp_fastopen_context *ctx;
};

struct request_sock_queue {
	struct fastopen_queue fastopenq;
};

struct inet_connection_sock {
	struct request_sock_queue icsk_accept_queue;
};

struct netns_ipv4 {
	int sysctl_tcp_fastopen;
	struct tcp_fastopen_context *tcp_fastopen_ctx;
};

struct net {
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	possible_net_t skc_net;
};

struct sock {
	struct sock_common __sk_common;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u8 fastopen_no_cookie : 1;
};

#pragma clang attribute pop

#define CONTEXT_KEYS 2

/* The device that the frame's tags say it is for. */
stage struct link *link_of(const struct syn *s)
{
	/* A copy: were a part of *s to have an address, all of it would have to
	 * live in memory, where the verifier forgets the bounds of offsets. */
	struct link_key tags = s->tags;
	__u32 zero = 0;

	if (!tags.tag[0] && !tags.tag[1])
		return bpf_map_lookup_elem(&untagged, &zero);
	return bpf_map_lookup_elem(&vlans, &tags);
}

/* By the frame's tags and its destination MAC: for this host's own stack? */
stage struct link *our_link(const struct syn *s)
{
	struct link *link = link_of(s);

	if (!link || settings.any_mac || settings.no_ethernet)
		return link;
	for (int i = 0; i < LINK_MACS; i++)
		if (link->mac[i] && link->mac[i] == s->dmac)
			return link;
	return NULL;
}

/* By the routing table: delivered here, not forwarded? */
stage int is_local(struct xdp_md *ctx, const struct syn *s, __u32 ifindex)
{
	struct bpf_fib_lookup fib = {
		.ifindex = ifindex,
		.l4_protocol = IPPROTO_TCP,
		.sport = s->sport,
		.dport = s->dport,
	};
	long way;

	if (s->family == FAMILY_ipv4) {
		fib.family = AF_INET;
		fib.tos = s->tos;
		__builtin_memcpy(&fib.ipv4_src, &s->path, 4);
		__builtin_memcpy(&fib.ipv4_dst, (void *)&s->path + 4, 4);
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, &s->path, 16);
		__builtin_memcpy(fib.ipv6_dst, (void *)&s->path + 16, 16);
	}
	way = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	/* Where the device does not forward, what it is sent is local or lost. */
	return way == BPF_FIB_LKUP_RET_NOT_FWDED ||
	       way == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/* The socket that would get the packet; to be released. */
stage struct bpf_sock *socket_for(struct xdp_md *ctx, const struct syn *s)
{
	struct bpf_sock_tuple tuple = {};

	if (s->family == FAMILY_ipv4) {
		__builtin_memcpy(&tuple.ipv4.saddr, &s->path, 8);
		tuple.ipv4.sport = s->sport;
		tuple.ipv4.dport = s->dport;
		return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4),
					  BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(&tuple.ipv6.saddr, &s->path, 32);
	tuple.ipv6.sport = s->sport;
	tuple.ipv6.dport = s->dport;
	return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6),
				  BPF_F_CURRENT_NETNS, 0);
}

/* Whether prove tried this key. */
stage int is_in(const struct keyring *ring, const struct siphash_key *key)
{
	__u64 differs = 1;

	if (!ring || key_is_empty(key))
		return 0;
	/* One branch for all: each would double the verifier's ways. */
	for (int i = 0; i < KEY_SLOT_COUNT; i++)
		differs = differs && ((ring->slot[i].secret.k0 ^ key->k0) |
				      (ring->slot[i].secret.k1 ^ key->k1));
	return !differs;
}

/*
 * Does a key of @kernel, the keys of a listener or of the namespace, fit the
 * cookie? Even the key of all zeros, which the ring never holds, does where it
 * is the kernel's: the guard is not to be stricter than the kernel.
 */
stage int context_fits(const struct syn *s, const struct keyring *ring,
		       const struct tcp_fastopen_context *kernel)
{
	struct {
		siphash_key_t key[CONTEXT_KEYS];
	} copy;
	int num;

	if (!kernel)
		return 0;
	num = kernel->num;
	/* Copied and not read in place: on 6.1 the verifier refuses the latter
	 * ("Type 'siphash_key_t' is not a struct"). */
	if (bpf_core_read(&copy, sizeof(copy), &kernel->key))
		return 0;
	for (int i = 0; i < CONTEXT_KEYS; i++) {
		struct siphash_key key = {
			.k0 = copy.key[i].key[0],
			.k1 = copy.key[i].key[1],
		};

		if (i < num && !is_in(ring, &key) && cookie_fits(s, &key))
			return 1;
	}
	return 0;
}

/* tcp_try_fastopen(): would the listener take this SYN's data or its cookie? */
stage enum verdict listener_accepts(const struct syn *s,
				    const struct keyring *ring,
				    const struct tcp_sock *listener)
{
	const struct fastopen_queue *queue =
		&listener->inet_conn.icsk_accept_queue.fastopenq;
	const struct netns_ipv4 *ipv4 =
		&((struct sock *)listener)->__sk_common.skc_net.net->ipv4;
	int fastopen = ipv4->sysctl_tcp_fastopen;

	/* A full queue is not asked for: it may have room when the SYN gets
	 * there. */
	if (!(fastopen & TFO_SERVER_ENABLE) || queue->max_qlen <= 0)
		return UNDECIDED;
	if ((fastopen & TFO_SERVER_COOKIE_NOT_REQD) ||
	    settings.routes_take_data ||
	    BPF_CORE_READ_BITFIELD(listener, fastopen_no_cookie))
		return V_data_accepted;
	if (s->class != SYN_COOKIE)
		return UNDECIDED;
	/* Its own keys replace the namespace's altogether. */
	if (queue->ctx)
		return context_fits(s, ring, queue->ctx) ? V_valid_listener :
							   UNDECIDED;
	return context_fits(s, ring, ipv4->tcp_fastopen_ctx) ?
		       V_valid_namespace :
		       UNDECIDED;
}

stage enum verdict ask_listener(const struct syn *s, const struct keyring *ring,
				struct bpf_sock *sk)
{
	struct tcp_sock *listener;

	/* What ends in TIME_WAIT may begin anew with this SYN. */
	if (is_overruled(s) && (sk->state == BPF_TCP_LISTEN ||
				sk->state == BPF_TCP_TIME_WAIT))
		return UNDECIDED;
	if (sk->state != BPF_TCP_LISTEN)
		return V_socket_exists;
	listener = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
	return listener ? listener_accepts(s, ring, listener) : V_no_listener;
}

/* @ring is what prove tried already. */
stage enum verdict look(struct xdp_md *ctx, const struct syn *s,
			const struct keyring *ring)
{
	struct bpf_sock *sk;
	struct link *link;
	enum verdict v;

	if (settings.assume_listener || !would_touch(s))
		return UNDECIDED;
	if (settings.vlans_hidden)
		return V_not_ours;
	link = our_link(s);
	if (!link || !is_local(ctx, s, link->ifindex))
		return V_not_ours;
	sk = socket_for(ctx, s);
	if (!sk)
		return V_no_listener;
	v = ask_listener(s, ring, sk);
	bpf_sk_release(sk);
	return v;
}

#endif
