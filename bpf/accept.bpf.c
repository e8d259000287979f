// SPDX-License-Identifier: GPL-2.0
/*
 * The ACK of an answered SYN, at tc ingress of the device that owns the address:
 * where it brings our SYN cookie back, the kernel is handed a request that is
 * ready to become a connection (bpf_sk_assign_tcp_reqsk, Linux 6.9). Everything
 * else goes on as it came. Returns at once unless something was answered within
 * the life of a cookie.
 */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "clock.h"
#include "intact.h"
#include "kernel.h"
#include "limit.h"
#include "offer.h"
#include "parse.h"
#include "proven.h"
#include "replay.h"
#include "secret.h"
#include "shared.h"
#include "window.h"

char LICENSE[] SEC("license") = "GPL";

/* Bytes that hold the headers of nearly every segment. */
#define PULLED 256
/* An ACK that comes again within this time may meet the first on another CPU:
 * the kernel makes one connection and drops the rest. */
#define MAKING_MS 200
/* In so much time, on one CPU, it is of the same batch as the first: the kernel
 * sees that one before, and drops none if only that one is handed over. */
#define BATCH_MS 20
/* One that comes again later was refused behind us. */
#define REFUSED_MS 64000
/* So many sources' on one CPU, and more than there are connections that live, in
 * so many seconds: answering stops, for so long. */
#define REFUSED_SOURCES 8
#define REFUSED_UNITS 8
#define STOPPED_UNITS 60

struct bpf_tcp_req_attrs {
	__u32 rcv_tsval;
	__u32 rcv_tsecr;
	__u16 mss;
	__u8 rcv_wscale;
	__u8 snd_wscale;
	__u8 ecn_ok;
	__u8 wscale_ok;
	__u8 sack_ok;
	__u8 tstamp_ok;
	__u8 usec_ts_ok;
	__u8 reserved[3];
};

extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *skb, struct sock *sk,
				   struct bpf_tcp_req_attrs *attrs,
				   int attrs__sz) __ksym;

/* Written by user space before load, then frozen: the counter slot of each
 * outcome. */
const volatile __u8 ack_slot[ACK_COUNT] = {};

/* Written here alone, read by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} ack_counters SEC(".maps");

/* The name of each slot. Written and read by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counter_names);
} ack_names SEC(".maps");

#define PORT_PLACES 64
#define BATCH_PLACES 64

/* What one CPU has seen of ACKs lately. */
struct lately {
	__u64 bad; /* bucket: ACKs without a cookie of ours */
	__u64 batch[BATCH_PLACES]; /* prints of what was handed over */
	struct {
		__u32 since; /* clock_units */
		__u32 alive; /* went on as the kernel's connections */
		__u32 refused;
		__u32 reserved; /* zero */
	} port[PORT_PLACES];
};

/* Written and read here alone. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lately);
} lately SEC(".maps");

/* A segment that may be the ACK of an answer, or of what was made of one. */
struct final_ack {
	struct syncookie_flow flow;
	struct syncookie cookie;
	struct syncookie_options agreed;
	struct packet packet;
	__u32 header_len; /* bytes of the TCP header with its options */
	__u32 data_len;
	__u32 tsval; /* the client's */
	int timestamps; /* TSecr can be a cookie's */
	int is_signed; /* by TCP-MD5 or TCP-AO */
	int is_reset; /* and so opens nothing */
};

/* Its addresses, ports and numbers; 0 where it can't be read. */
stage int read_ack(const struct bytes *bytes, struct final_ack *a)
{
	void *ip = bytes->data + (a->packet.l3 & L3_MASK);
	void *tcp = bytes->data + (a->packet.l4 & IPV6_CHAIN_MAX);
	struct asked asked;
	__u32 ip_len;

	if (!fits(bytes, ip, sizeof(struct ipv6hdr)) ||
	    !fits(bytes, tcp, TCP_HEADER))
		return 0;
	if (a->packet.family == FAMILY_ipv4) {
		a->flow.path_words = TFO_PATH_WORDS_IPV4;
		a->flow.path.words[0] = le64(load64(ip + 12));
		ip_len = be16(load16(ip + 2));
	} else {
		a->flow.path_words = TFO_PATH_WORDS_IPV6;
		a->flow.path.words[0] = le64(load64(ip + 8));
		a->flow.path.words[1] = le64(load64(ip + 16));
		a->flow.path.words[2] = le64(load64(ip + 24));
		a->flow.path.words[3] = le64(load64(ip + 32));
		ip_len = sizeof(struct ipv6hdr) + be16(load16(ip + 4));
	}
	a->flow.sport = load16(tcp);
	a->flow.dport = load16(tcp + 2);
	a->flow.client_isn = be32(load32(tcp + 4)) - 1;
	a->cookie.isn = be32(load32(tcp + 8)) - 1;
	a->is_reset = *(__u8 *)(tcp + 13) & TCP_RST;
	a->header_len = (*(__u8 *)(tcp + 12) >> 4) * 4;
	if (a->header_len < TCP_HEADER ||
	    !fits(bytes, tcp, a->header_len & 63))
		return 0;
	a->data_len = 0;
	if (a->packet.l3 + ip_len > a->packet.l4 + a->header_len)
		a->data_len = a->packet.l3 + ip_len - a->packet.l4 -
			      a->header_len;
	asked_walk(bytes, tcp + TCP_HEADER, a->header_len - TCP_HEADER, 0,
		   &asked);
	a->timestamps = (asked.options_asked & OFFER_TIMESTAMPS) &&
			asked.tsecr;
	a->is_signed = asked.is_signed;
	a->tsval = be32(asked.tsval);
	a->cookie.tsval = be32(asked.tsecr);
	return 1;
}

/* Whether it brings a cookie of ours back, of this epoch or the last. */
stage int is_vouched(struct final_ack *a, const struct sock *sk,
		     const struct netns_ipv4 *ipv4, const struct tuning *t,
		     const struct secrets *secrets)
{
	a->agreed = syncookie_read(&a->cookie, a->timestamps);
	if (!a->timestamps && a->agreed.snd_wscale != SYNCOOKIE_NO_WSCALE)
		a->agreed.rcv_wscale = receive_wscale(sk, ipv4, t);
	return syncookie_fits(&secrets->cookie[0], &a->flow, &a->agreed,
			      &a->cookie) ||
	       syncookie_fits(&secrets->cookie[1], &a->flow, &a->agreed,
			      &a->cookie);
}

/* The kernel drops it before it looks at a listener; who sent it so, says
 * nothing of what is behind us. Answers sign nothing, so no client does. */
stage int is_spoilt(struct __sk_buff *skb, const struct final_ack *a)
{
	return a->is_signed ||
	       !is_intact(skb, &a->packet, a->header_len + a->data_len);
}

/* IP options and extension headers may make the kernel drop it. */
stage int is_plain(const struct packet *p)
{
	return p->l4 - p->l3 == (p->family == FAMILY_ipv4 ?
					 sizeof(struct iphdr) :
					 sizeof(struct ipv6hdr));
}

/*
 * Counts connections that live, and ACKs that came again: for each IPv4 source
 * and each IPv6 prefix once, since a /48 is 65536 sources. Who takes an answer up
 * and resets the connection, to show the ACK again, has shown that it lived.
 */
stage void note_outcome(const struct final_ack *a, const struct siphash_key *key,
			int refused, __u64 now)
{
	__u32 zero = 0, i = be16(a->flow.dport) & (PORT_PLACES - 1);
	struct syncookie_flow source = {
		.path.words[0] = a->packet.family == FAMILY_ipv4 ?
					 source_of(FAMILY_ipv4, &a->flow.path) :
					 prefix_of(FAMILY_ipv6, &a->flow.path),
		.path_words = TFO_PATH_WORDS_IPV4,
		.dport = a->flow.dport,
	};
	struct lately *l = bpf_map_lookup_elem(&lately, &zero);
	struct port_state *state = state_of(be16(a->flow.dport));

	if (!l || !state)
		return;
	if (clock_units(now) - l->port[i].since > REFUSED_UNITS) {
		l->port[i].since = clock_units(now);
		l->port[i].alive = l->port[i].refused = 0;
	}
	if (!refused) {
		l->port[i].alive++;
		return;
	}
	if (vouched_ago(flow_print(key, PRINT_REFUSED, &source), REFUSED_MS,
			now) == NEVER_SEEN)
		l->port[i].refused++;
	if (l->port[i].refused >= REFUSED_SOURCES &&
	    l->port[i].refused > l->port[i].alive)
		state->stopped_until = clock_units(now) + STOPPED_UNITS;
}

/* By MAC and routing table: neither bridged nor forwarded? A wildcard listener
 * is found for what goes on to others too. */
stage int is_kept_ack(struct __sk_buff *skb, const struct final_ack *a)
{
	struct bpf_fib_lookup fib = {
		.ifindex = skb->ifindex,
		.l4_protocol = IPPROTO_TCP,
		.sport = a->flow.sport,
		.dport = a->flow.dport,
	};
	long way;

	if (skb->pkt_type != PACKET_HOST)
		return 0;
	if (a->packet.family == FAMILY_ipv4) {
		fib.family = AF_INET;
		__builtin_memcpy(&fib.ipv4_src, &a->flow.path, 4);
		__builtin_memcpy(&fib.ipv4_dst, (void *)&a->flow.path + 4, 4);
	} else {
		fib.family = AF_INET6;
		__builtin_memcpy(fib.ipv6_src, &a->flow.path, 16);
		__builtin_memcpy(fib.ipv6_dst, (void *)&a->flow.path + 16, 16);
	}
	way = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	return way == BPF_FIB_LKUP_RET_NOT_FWDED ||
	       way == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

stage enum ack refuse(struct __sk_buff *skb, const struct final_ack *a,
		      const struct tuning *t, __u64 now)
{
	__u32 zero = 0;
	struct lately *l = bpf_map_lookup_elem(&lately, &zero);

	if (l && t->bad_acks && is_pressed(be16(a->flow.dport), now) &&
	    is_kept_ack(skb, a) && !take_of_rate(&l->bad, now, t->bad_acks))
		return A_ack_refused_drop;
	return A_ack_refused_pass;
}

/* Whether a port with a replay filter has had this data before. What is beyond
 * its source's rate can't be told from that: see is_replay. */
stage int is_repeated(const struct final_ack *a, const struct tuning *t,
		      const struct secrets *secrets,
		      const struct siphash_key *key, __u64 now)
{
	struct port_state *state = state_of(be16(a->flow.dport));

	if (!a->data_len || !state || !state->replay)
		return 0;
	return !is_within(LIMIT_SOURCE_DATA,
			  source_of(a->packet.family, &a->flow.path),
			  t->source_syn, secrets, now) ||
	       seen_ago(flow_print(key, PRINT_ACK_DATA, &a->flow),
			state->replay * 1000U, now) != NEVER_SEEN;
}

/* Whether the kernel was handed an ACK of the same connection in this batch. */
stage int is_of_batch(__u64 print, __u32 ago)
{
	__u32 zero = 0, place = print & (BATCH_PLACES - 1);
	struct lately *l = bpf_map_lookup_elem(&lately, &zero);

	if (!l)
		return 0;
	if (l->batch[place] == print)
		return ago < BATCH_MS;
	l->batch[place] = print;
	return 0;
}

/* What the kernel will do with an ACK that it is handed; whatever it is, without
 * it the kernel would answer with a reset, unless it is @of_batch. */
stage enum ack expected_of(const struct final_ack *a,
			   const struct siphash_key *key, __u64 now,
			   int *of_batch)
{
	__u64 print;
	__u32 ago;

	print = flow_print(key, PRINT_VOUCHED, &a->flow);
	ago = vouched_ago(print, REFUSED_MS, now);
	*of_batch = is_of_batch(print, ago);
	if (ago >= MAKING_MS && ago != NEVER_SEEN && is_plain(&a->packet))
		note_outcome(a, key, 1, now);
	return ago == NEVER_SEEN ? A_ack_accepted : A_ack_known;
}

stage enum ack hand_over(struct __sk_buff *skb, struct final_ack *a,
			 struct tcp_sock *listener, const struct tuning *t)
{
	struct sock *sk = (struct sock *)listener;
	const struct secrets *secrets;
	const struct siphash_key *key;
	__u64 now = clock_ns();
	struct bpf_tcp_req_attrs attrs = {};
	enum ack outcome;
	__u32 zero = 0;
	int of_batch = 0;

	secrets = secrets_at(now);
	key = bpf_map_lookup_elem(&master, &zero);
	if (!secrets || !key)
		return A_ack_failed;
	if (!is_vouched(a, sk, &sk->__sk_common.skc_net.net->ipv4, t, secrets))
		return refuse(skb, a, t, now);
	if (is_spoilt(skb, a))
		return A_ack_failed;
	if (sk->sk_ack_backlog > sk->sk_max_ack_backlog)
		/* Dropped, but by no firewall: it may come again. */
		outcome = A_ack_failed;
	else if (is_repeated(a, t, secrets, key, now))
		return A_ack_repeated;
	else
		outcome = expected_of(a, key, now, &of_batch);
	if (of_batch)
		return outcome;

	attrs.mss = a->agreed.mss;
	attrs.wscale_ok = a->agreed.snd_wscale != SYNCOOKIE_NO_WSCALE;
	if (attrs.wscale_ok) {
		attrs.snd_wscale = a->agreed.snd_wscale;
		attrs.rcv_wscale = a->agreed.rcv_wscale;
	}
	attrs.sack_ok = a->agreed.sack;
	attrs.ecn_ok = a->agreed.ecn;
	attrs.tstamp_ok = a->timestamps;
	if (a->timestamps) {
		attrs.rcv_tsval = a->tsval;
		attrs.rcv_tsecr = a->cookie.tsval;
	}
	if (bpf_sk_assign_tcp_reqsk(skb, sk, &attrs, sizeof(attrs)))
		return A_ack_failed;
	/* Without timestamps the MAC is short. */
	if (a->timestamps) {
		struct source source =
			source_key(a->packet.family, &a->flow.path);

		enter_proven(&source, prefix_of(a->packet.family, &a->flow.path),
			     t, secrets, now);
	}
	return outcome;
}

stage struct bpf_sock *ack_socket(struct __sk_buff *skb, const struct final_ack *a)
{
	struct bpf_sock_tuple tuple = {};

	if (a->packet.family == FAMILY_ipv4) {
		__builtin_memcpy(&tuple.ipv4.saddr, &a->flow.path, 8);
		tuple.ipv4.sport = a->flow.sport;
		tuple.ipv4.dport = a->flow.dport;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4),
					  BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(&tuple.ipv6.saddr, &a->flow.path, 32);
	tuple.ipv6.sport = a->flow.sport;
	tuple.ipv6.dport = a->flow.dport;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6),
				  BPF_F_CURRENT_NETNS, 0);
}

stage int count_ack(const struct __sk_buff *skb, const struct final_ack *a,
		    enum ack outcome)
{
	struct counters *all;
	__u32 zero = 0, slot, family = a->packet.family;

	all = bpf_map_lookup_elem(&ack_counters, &zero);
	asm volatile("" : "+r"(family));
	if (all && outcome < ACK_COUNT && family < FAMILY_COUNT) {
		slot = ack_slot[outcome];
		if (slot < COUNTER_SLOTS) {
			all->slot[slot][family].packets++;
			all->slot[slot][family].bytes += skb->len;
		}
	}
	/* What is repeated the listener would answer with a reset. */
	return outcome == A_ack_refused_drop || outcome == A_ack_repeated ?
		       TC_ACT_SHOT :
		       TC_ACT_UNSPEC;
}

struct child {
	__u32 left; /* the queue, and its place was given back */
};

/* By socket: a Fast Open child that a client was heard to answer while its
 * source's budget counts. Written and read by the data plane. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct child);
} children SEC(".maps");

/*
 * The budget bounds what a source keeps of a Fast Open queue and not what it
 * uses: it gets a place back when the child has left the queue. No single
 * segment shows that, for the kernel may yet refuse it; the state in which the
 * next one finds the child does.
 */
stage void return_place(const struct final_ack *a, struct tcp_sock *tcp,
			int in_queue)
{
	struct source source = source_key(a->packet.family, &a->flow.path);
	struct proof *proof;
	struct child *child;

	child = bpf_sk_storage_get(&children, tcp, NULL,
				   in_queue ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	if (!child || in_queue || child->left)
		return;
	child->left = 1;
	proof = proof_of(&source);
	if (proof)
		give_back(&proof->tfo, clock_ns(), proof->tfo_cost);
}

/* The segment after the ACK finds the connection that was made of an answer:
 * nothing behind us refuses them all. */
stage void note_life(struct final_ack *a, const struct tcp_sock *tcp)
{
	__u64 now = clock_ns();
	const struct siphash_key *key;
	__u32 zero = 0;

	if (tcp->segs_in > 2)
		return;
	key = bpf_map_lookup_elem(&master, &zero);
	a->flow.client_isn = tcp->rcv_nxt - (__u32)tcp->bytes_received - 1;
	if (key && noted_ago(flow_print(key, PRINT_VOUCHED, &a->flow),
			     REFUSED_MS, now) != NEVER_SEEN)
		note_outcome(a, key, 0, now);
}

/* Of a connection, or of what is left of one. */
stage void follow(struct final_ack *a, struct bpf_sock *sk)
{
	int in_queue = sk->state == BPF_TCP_SYN_RECV;
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk); /* full ones alone */

	if (!tcp)
		return;
	return_place(a, tcp, in_queue);
	if (!in_queue)
		note_life(a, tcp);
}

/* A segment to a port of which ACKs may come. */
__attribute__((noinline)) int accept_ack(struct __sk_buff *skb, __u32 l3,
					 __u32 l4, __u32 family)
{
	struct bytes bytes = {
		.data = (void *)(long)skb->data,
		.end = (void *)(long)skb->data_end,
	};
	const struct tuning *t = tuning_in_force();
	struct tcp_sock *listener;
	struct bpf_sock *sk;
	enum ack outcome;
	struct final_ack a = {};

	a.packet.l3 = l3;
	a.packet.l4 = l4;
	a.packet.family = family;
	if (!t || !read_ack(&bytes, &a))
		return TC_ACT_UNSPEC;
	sk = ack_socket(skb, &a);
	if (!sk)
		return a.is_reset ? TC_ACT_UNSPEC :
				    count_ack(skb, &a, A_ack_no_listener);
	if (sk->state != BPF_TCP_LISTEN || a.is_reset) {
		if (sk->state != BPF_TCP_LISTEN)
			follow(&a, sk);
		bpf_sk_release(sk);
		return TC_ACT_UNSPEC;
	}
	listener = (struct tcp_sock *)bpf_skc_to_tcp_sock(sk);
	outcome = listener ? hand_over(skb, &a, listener, t) : A_ack_failed;
	bpf_sk_release(sk);
	return count_ack(skb, &a, outcome);
}

stage int may_be_answered(__u32 port, __u64 now)
{
	struct port_state *state = state_of(port);

	return state && state->answered_until > clock_units(now);
}

/*
 * Whether the packet begins with its IP header: on devices without Ethernet
 * (tun), and on any where XDP runs in generic mode and copied the packet, for
 * the copy has forgotten how long its link header is (Linux 6.9 and later).
 */
stage int is_bare(struct __sk_buff *skb, const struct bytes *bytes)
{
	__u64 ip[2];

	return fits(bytes, bytes->data, sizeof(ip)) &&
	       !bpf_skb_load_bytes_relative(skb, 0, ip, sizeof(ip),
					    BPF_HDR_START_NET) &&
	       load64(bytes->data) == ip[0] && load64(bytes->data + 8) == ip[1];
}

/* Finds the TCP header, all of it at hand; a verdict where it can't. */
stage enum verdict find_tcp(struct __sk_buff *skb, const struct bytes *bytes,
			    struct packet *p)
{
	enum verdict v = parse_layers(bytes, p, is_bare(skb, bytes));
	__u8 *tcp;

	if (v)
		return v;
	tcp = bytes->data + (p->l4 & IPV6_CHAIN_MAX);
	if (!fits(bytes, tcp, TCP_HEADER) ||
	    !fits(bytes, tcp, (tcp[12] >> 4) * 4))
		return V_unparsed_tcp;
	return UNDECIDED;
}

SEC("tc")
int tfoguard_ack(struct __sk_buff *skb)
{
	struct bytes bytes = {
		.data = (void *)(long)skb->data,
		.end = (void *)(long)skb->data_end,
	};
	struct packet p = {};
	__u64 now = clock_ns();
	enum verdict v;
	__u8 *tcp;

	if (!may_be_answered(0, now))
		return TC_ACT_UNSPEC;
	v = find_tcp(skb, &bytes, &p);
	/* A driver may leave headers outside the first buffer. */
	if ((v == V_unparsed_link || v == V_unparsed_ip ||
	     v == V_unparsed_tcp) &&
	    skb->data_end - skb->data < skb->len) {
		if (bpf_skb_pull_data(skb, skb->len < PULLED ? skb->len :
							       PULLED))
			return TC_ACT_UNSPEC;
		bytes.data = (void *)(long)skb->data;
		bytes.end = (void *)(long)skb->data_end;
		p = (struct packet){};
		v = find_tcp(skb, &bytes, &p);
	}
	if (v != UNDECIDED)
		return TC_ACT_UNSPEC;
	tcp = bytes.data + (p.l4 & IPV6_CHAIN_MAX);
	if (!fits(&bytes, tcp, TCP_HEADER) || (tcp[13] & TCP_SYN) ||
	    !(tcp[13] & (TCP_RST | TCP_ACK)) ||
	    !may_be_answered(be16(load16(tcp + 2)), now))
		return TC_ACT_UNSPEC;
	return accept_ack(skb, p.l3, p.l4, p.family);
}
