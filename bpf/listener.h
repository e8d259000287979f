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

#include "early.h"
#include "kernel.h"
#include "maps.h"
#include "packet.h"
#include "policy.h"
#include "prove.h"
#include "relieve.h"
#include "window.h"

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

/* An address of this host's? */
stage int is_own_address(const struct syn *s)
{
	struct local_prefix to = { .len = 128 };

	if (s->family == FAMILY_ipv4) {
		to.address[LOCAL_IPV4_AT - 2] = 0xff;
		to.address[LOCAL_IPV4_AT - 1] = 0xff;
		__builtin_memcpy(&to.address[LOCAL_IPV4_AT],
				 (void *)&s->path + 4, 4);
	} else {
		__builtin_memcpy(to.address, (void *)&s->path + 16, 16);
	}
	return bpf_map_lookup_elem(&locals, &to) != NULL;
}

/* By the routing table: not forwarded? It sees rules of policy, and what
 * changed since the table of addresses was written; but it also says so of what
 * it has no route for, and of all where the device does not forward, which may
 * be for a container that shares the device's MAC. */
stage int is_kept(struct xdp_md *ctx, const struct syn *s, __u32 ifindex)
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
	return way == BPF_FIB_LKUP_RET_NOT_FWDED ||
	       way == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/* The socket that would get the packet if it came from @sport; to be released. */
stage struct bpf_sock *socket_for(struct xdp_md *ctx, const struct syn *s,
				  __u16 sport)
{
	struct bpf_sock_tuple tuple = {};

	if (s->family == FAMILY_ipv4) {
		__builtin_memcpy(&tuple.ipv4.saddr, &s->path, 8);
		tuple.ipv4.sport = sport;
		tuple.ipv4.dport = s->dport;
		return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4),
					  BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(&tuple.ipv6.saddr, &s->path, 32);
	tuple.ipv6.sport = sport;
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
 * Does one of its keys, or of the namespace where it has none, fit the cookie?
 * Even the key of all zeros, which the ring never holds, does where it is the
 * kernel's: the guard is not to be stricter than the kernel.
 */
stage int listener_fits(const struct syn *s, const struct keyring *ring,
			const struct heard *h)
{
	for (__u32 i = 0; i < LISTENER_KEYS; i++)
		if (i < h->n_keys && !is_in(ring, &h->keys[i]) &&
		    cookie_for(s, &h->keys[i]) == s->cookie)
			return 1;
	return 0;
}

/* Whether it takes data from whoever comes. */
stage int takes_all(const struct tcp_sock *listener,
		    const struct netns_ipv4 *ipv4)
{
	return (ipv4->sysctl_tcp_fastopen & TFO_SERVER_COOKIE_NOT_REQD) ||
	       settings.routes_take_data ||
	       BPF_CORE_READ_BITFIELD(listener, fastopen_no_cookie);
}

/*
 * Its own keys replace the namespace's altogether. Copied and not read in place:
 * on 6.1 the verifier refuses the latter ("Type 'siphash_key_t' is not a
 * struct").
 */
stage void hear_keys(const struct tcp_sock *listener,
		     const struct netns_ipv4 *ipv4, struct heard *h)
{
	const struct tcp_fastopen_context *keys =
		listener->inet_conn.icsk_accept_queue.fastopenq.ctx;

	if (!keys)
		keys = ipv4->tcp_fastopen_ctx;
	if (keys && !bpf_core_read(&h->keys, sizeof(h->keys), &keys->key))
		h->n_keys = keys->num;
}

/*
 * Whether the kernel would take the cookie, which a key of @ring fits, for this
 * listener: that key may be staged, or its map stale, or the listener have keys
 * of its own. Then it proves the address, but its SYN enters the SYN queue.
 */
stage int is_held(const struct syn *s, const struct keyring *ring,
		  const struct tcp_sock *listener,
		  const struct netns_ipv4 *ipv4, struct heard *h)
{
	enum key_slot slot = s->as == V_valid_current  ? KEY_current :
			     s->as == V_valid_previous ? KEY_previous :
							 KEY_staged;
	__u64 k0, k1, first, second;

	if (takes_all(listener, ipv4))
		return 1;
	hear_keys(listener, ipv4, h);
	if (!h->n_keys || !ring)
		return 0;
	k0 = ring->slot[slot].secret.k0;
	k1 = ring->slot[slot].secret.k1;
	first = (h->keys[0].k0 ^ k0) | (h->keys[0].k1 ^ k1);
	second = (h->keys[1].k0 ^ k0) | (h->keys[1].k1 ^ k1);
	return !first || (h->n_keys > 1 && !second);
}

/* tcp_try_fastopen(): would the listener take this SYN's data or its cookie? */
stage enum verdict listener_accepts(const struct syn *s,
				    const struct keyring *ring,
				    const struct tcp_sock *listener,
				    const struct netns_ipv4 *ipv4,
				    const struct heard *h)
{
	const struct fastopen_queue *queue =
		&listener->inet_conn.icsk_accept_queue.fastopenq;
	int fastopen = ipv4->sysctl_tcp_fastopen;

	/* A full queue is not asked for: it may have room when the SYN gets
	 * there. */
	if (!(fastopen & TFO_SERVER_ENABLE) || queue->max_qlen <= 0)
		return UNDECIDED;
	if (takes_all(listener, ipv4))
		return V_data_accepted;
	if (s->class != SYN_COOKIE)
		return UNDECIDED;
	if (!listener_fits(s, ring, h))
		return UNDECIDED;
	return queue->ctx ? V_valid_listener : V_valid_namespace;
}

/* Its queues, which say whether there is pressure. */
stage void hear_queues(const struct tcp_sock *listener,
		       const struct netns_ipv4 *ipv4, const struct tuning *t,
		       struct heard *h)
{
	const struct request_sock_queue *queue =
		&listener->inet_conn.icsk_accept_queue;
	const struct sock *sk = (const struct sock *)listener;
	__u32 tfo_queue = queue->fastopenq.qlen;
	__u32 tfo_limit = queue->fastopenq.max_qlen;

	h->syn_queue = queue->qlen.counter;
	h->syn_limit = sk->sk_max_ack_backlog;
	if (!(ipv4->sysctl_tcp_fastopen & TFO_SERVER_ENABLE))
		tfo_limit = 0;
	h->tfo_queue = tfo_queue;
	h->tfo_limit = tfo_limit;
	h->tfo_room = tfo_queue < tfo_limit &&
		      sk->sk_ack_backlog <= h->syn_limit;
	h->tfo_busy = tfo_limit && ((__u64)tfo_queue << 8) >=
					  (__u64)tfo_limit * t->tfo_mark;
}

stage int has_signatures(const struct tcp_sock *listener)
{
	if (bpf_core_field_exists(listener->md5sig_info) &&
	    listener->md5sig_info)
		return 1;
	return bpf_core_field_exists(listener->ao_info) && listener->ao_info;
}

/* MPTCP, signatures, and peers that show by the TTL that they are near (RFC
 * 5082): their SYN-ACKs are the kernel's business. */
stage int has_own_protocol(const struct tcp_sock *listener)
{
	const struct inet_sock *inet = &listener->inet_conn.icsk_inet;

	return has_signatures(listener) || inet->min_ttl ||
	       (inet->pinet6 && inet->pinet6->min_hopcount) ||
	       (bpf_core_field_exists(listener->is_mptcp) &&
		BPF_CORE_READ_BITFIELD(listener, is_mptcp));
}

/* ACKs of our answers were refused behind us (accept.bpf.c). */
stage int is_stopped(__u32 port, __u64 now)
{
	struct port_state *state = state_of(port);

	return state && state->stopped_until > clock_units(now);
}

/*
 * Whether the kernel would take the ACK of an answer (bpf_sk_assign_tcp_reqsk,
 * cookie_v4_check), and what the answer may offer: what a SYN-ACK of the
 * listener's would.
 */
stage void hear_offer(const struct syn *s, const struct tcp_sock *listener,
		      const struct netns_ipv4 *ipv4, const struct tuning *t,
		      __u64 now, struct heard *h)
{
	const struct sock *sk = (const struct sock *)listener;

	h->can_answer = settings.can_answer &&
			s->policy.answer != ANSWER_never &&
			ipv4->sysctl_tcp_syncookies &&
			sk->sk_ack_backlog <= h->syn_limit &&
			!has_own_protocol(listener) &&
			!is_stopped(be16(s->dport), now);
	h->can_challenge = settings.can_challenge &&
			   s->policy.answer == ANSWER_challenge &&
			   !has_signatures(listener) &&
			   !is_proven_source(s, now);
	h->options = OFFER_MSS |
		     (ipv4->sysctl_tcp_sack ? OFFER_SACK : 0) |
		     (ipv4->sysctl_tcp_timestamps ? OFFER_TIMESTAMPS : 0) |
		     (ipv4->sysctl_tcp_window_scaling ? OFFER_WSCALE : 0) |
		     (ipv4->sysctl_tcp_ecn == 1 || ipv4->sysctl_tcp_ecn == 2 ?
			      OFFER_ECN : 0);
	h->mss = listener->rx_opt.user_mss;
	h->space = receive_space(sk);
	h->wscale = receive_wscale(sk, ipv4, t);
}

/* By tag, MAC, address and routing table: for this host's own stack? */
stage int is_ours(struct xdp_md *ctx, const struct syn *s, struct heard *h)
{
	struct link *link;

	if (settings.vlans_hidden)
		return 0;
	link = our_link(s);
	if (!link || !is_own_address(s) || !is_kept(ctx, s, link->ifindex))
		return 0;
	h->ifindex = link->ifindex;
	return 1;
}

/* A socket that is no listener: the kernel deals with its SYNs, which keep to a
 * small rate under pressure. */
stage enum verdict look_at_other(struct xdp_md *ctx, const struct syn *s,
				 const struct tuning *t, struct heard *h)
{
	__u64 now = clock_ns();
	int pressed = is_pressed(be16(s->dport), now);

	if ((pressed || would_touch(s)) && !is_ours(ctx, s, h))
		return V_not_ours;
	return pressed && is_odd_beyond_rate(t, now) ? V_odd_limit :
						       V_socket_exists;
}

/*
 * A SYN in TIME_WAIT's place can't be answered, for that socket would get the
 * ACK; and the kernel lets it enter even a full queue. So at the upper mark it is
 * dropped, and below it keeps to a small rate, where others are answered.
 */
stage enum verdict reopen(const struct tuning *t, struct heard *h, __u64 now)
{
	if (h->relief != RELIEF_ANSWER && h->relief != RELIEF_BUDGET)
		return UNDECIDED;
	if (h->can_answer &&
	    (h->share >= SHARE_ALL || is_odd_beyond_rate(t, now)))
		return V_odd_limit;
	h->relief = RELIEF_PASS;
	return UNDECIDED;
}

stage enum verdict look_at(struct xdp_md *ctx, const struct bytes *bytes,
			   struct syn *s, const struct keyring *ring,
			   const struct tuning *t, struct heard *h,
			   struct bpf_sock *sk)
{
	const struct netns_ipv4 *ipv4;
	const struct secrets *secrets;
	struct tcp_sock *listener;
	__u64 now = clock_ns();
	int burst;

	if (sk->state != BPF_TCP_LISTEN)
		return look_at_other(ctx, s, t, h);
	listener = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
	if (!listener)
		return V_no_listener;
	ipv4 = &((struct sock *)listener)->__sk_common.skc_net.net->ipv4;
	h->self = (__u64)listener;
	hear_queues(listener, ipv4, t, h);
	h->share = share_of(h, t);
	if (s->proven && h->tfo_room && !is_held(s, ring, listener, ipv4, h)) {
		h->tfo_room = 0;
		h->unheld = 1;
	}
	if (h->share || h->tfo_busy)
		note_pressure(s->dport, now);
	burst = !h->share && !(s->proven && h->tfo_room) &&
		is_burst(s, h, t, now);
	if (!h->share && !burst && !(s->proven && h->tfo_busy) &&
	    (s->proven || !would_touch(s)) && !wants_look(s)) {
		if (s->proven && h->tfo_room)
			allow_valid(s, h, t);
		return UNDECIDED;
	}

	if (!is_ours(ctx, s, h))
		return V_not_ours;
	/* Of a proven one is_held has, if there is room for it; else its answer
	 * brings no cookie, nor does that of who shows no option. */
	if (!s->proven && h->tfo_limit && s->tfo_bytes)
		hear_keys(listener, ipv4, h);
	if (!s->proven && would_touch(s) && !is_overruled(s)) {
		s->as = listener_accepts(s, ring, listener, ipv4, h);
		s->proven = s->as == V_valid_listener ||
			    s->as == V_valid_namespace;
	}
	early(bytes, s, t);
	secrets = secrets_at(now);
	if (secrets)
		h->relief = relief_of(s, h, t, secrets, now, burst);
	if (h->relief)
		hear_offer(s, listener, ipv4, t, now, h);
	return s->reopens ? reopen(t, h, now) : UNDECIDED;
}

/* A capture has no listener: one with Fast Open on, whose keys are the ring's. */
stage void assume(const struct syn *s, struct heard *h)
{
	const struct keyring *ring;

	if (s->policy.answer == ANSWER_never ||
	    (!settings.assume_pressure && s->policy.answer != ANSWER_always))
		return;
	h->relief = s->proven ? RELIEF_PASS : RELIEF_ANSWER;
	h->can_answer = 1;
	h->options = OFFER_MSS | OFFER_SACK | OFFER_TIMESTAMPS | OFFER_WSCALE |
		     OFFER_ECN;
	h->space = 65536;
	h->wscale = 7;
	ring = ring_in_force();
	if (ring && !key_is_empty(&ring->slot[KEY_current].secret)) {
		h->keys[0] = ring->slot[KEY_current].secret;
		h->n_keys = 1;
	}
}

/* @ring is what prove tried already. What passes in any case is not asked
 * whether it is ours. */
stage enum verdict look(struct xdp_md *ctx, const struct bytes *bytes,
			struct syn *s, const struct keyring *ring,
			const struct tuning *t, struct heard *h)
{
	struct bpf_sock *sk;
	enum verdict v;

	if (settings.assume_listener) {
		early(bytes, s, t);
		assume(s, h);
		return s->blocked ? V_blocked : UNDECIDED;
	}
	if (s->blocked)
		return is_ours(ctx, s, h) ? V_blocked : V_not_ours;
	sk = socket_for(ctx, s, s->sport);
	/* What ends may begin anew with this SYN. */
	if (sk && sk->state == BPF_TCP_TIME_WAIT) {
		bpf_sk_release(sk);
		s->reopens = 1;
		sk = socket_for(ctx, s, 0); /* nobody's port: the listener */
	}
	if (sk) {
		v = look_at(ctx, bytes, s, ring, t, h, sk);
		bpf_sk_release(sk);
		return v;
	}
	if (!would_touch(s))
		return UNDECIDED;
	return is_ours(ctx, s, h) ? V_no_listener : V_not_ours;
}

#endif
