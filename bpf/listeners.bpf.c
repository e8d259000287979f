// SPDX-License-Identifier: GPL-2.0
/*
 * Lists the listening sockets of a network namespace with their queues, as a
 * stream of struct listener: sock_diag does not tell the Fast Open queue, its
 * limit, or whether a listener has a key of its own.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "listening.h"

char LICENSE[] SEC("license") = "GPL";

#define AF_INET6 10

/*
 * The kernel's structures, only the fields that are read: CO-RE finds where
 * they are in the kernel that runs.
 */
#pragma clang attribute push(__attribute__((preserve_access_index)),           \
			     apply_to = record)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num; /* of this socket, from 0 */
};

struct in6_addr {
	__u8 in6_u[16]; /* a union in the kernel, of the same size */
};

struct sock_common {
	__be32 skc_rcv_saddr;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock {
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__u64 key[2];
} siphash_key_t;

struct tcp_fastopen_context {
	siphash_key_t key[2]; /* primary, backup */
};

struct fastopen_queue {
	int qlen;
	int max_qlen;
	struct tcp_fastopen_context *ctx;
};

struct request_sock_queue {
	atomic_t qlen;
	struct fastopen_queue fastopenq;
};

struct inet_connection_sock {
	struct request_sock_queue icsk_accept_queue;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u8 fastopen_no_cookie : 1;
	__u8 is_mptcp : 1; /* only where the kernel was built with it */
};

/* What the kernel calls the program with, once for each socket. */
struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

#pragma clang attribute pop

/*
 * Listeners come first, in the order of the kernel's own table of them; to find
 * the next socket after the last of them it walks the table of connections, of
 * the whole machine, which takes longer than all the rest. So it is stopped at
 * the last one, which then isn't part of the stream.
 */
__u64 how_many = ~0ULL; /* written by user space before the walk */
bool stopped = false; /* at the last one, which is: */
struct listener last = {};

/* What ends the walk: -EAGAIN to who reads the stream. */
#define STOP 1

static __always_inline void read_address(struct listener *to,
					 const struct sock_common *from)
{
	to->port = from->skc_num;
	to->device = (__u32)from->skc_bound_dev_if;
	to->ipv6 = from->skc_family == AF_INET6;
	if (to->ipv6)
		bpf_core_read(to->address, sizeof(to->address),
			      &from->skc_v6_rcv_saddr);
	else
		bpf_core_read(to->address, sizeof(from->skc_rcv_saddr),
			      &from->skc_rcv_saddr);
}

static __always_inline void read_queues(struct listener *to,
					struct tcp_sock *from)
{
	const struct request_sock_queue *queue =
		&from->inet_conn.icsk_accept_queue;
	const struct sock *sk = (struct sock *)from;
	const struct tcp_fastopen_context *own = queue->fastopenq.ctx;
	siphash_key_t primary;

	to->backlog = sk->sk_max_ack_backlog;
	to->accept_queue = sk->sk_ack_backlog;
	to->syn_queue = (__u32)queue->qlen.counter;
	to->fastopen_queue = (__u32)queue->fastopenq.qlen;
	to->fastopen_limit = (__u32)queue->fastopenq.max_qlen;
	to->no_cookie = BPF_CORE_READ_BITFIELD(from, fastopen_no_cookie);
	if (bpf_core_field_exists(from->is_mptcp))
		to->mptcp = BPF_CORE_READ_BITFIELD(from, is_mptcp);
	if (!own)
		return;
	to->own_key = 1;
	if (bpf_core_read(&primary, sizeof(primary), &own->key) == 0)
		to->own_key_zero = !(primary.key[0] | primary.key[1]);
}

SEC("iter/tcp")
int list_listeners(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct listener listener = {};
	struct tcp_sock *tcp;

	if (!sk)
		return 0;
	if (sk->skc_state != BPF_TCP_LISTEN)
		return STOP;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	read_address(&listener, sk);
	read_queues(&listener, tcp);
	if (ctx->meta->seq_num + 1 >= how_many) {
		last = listener;
		stopped = true;
		return STOP;
	}
	bpf_seq_write(ctx->meta->seq, &listener, sizeof(listener));
	return 0;
}
