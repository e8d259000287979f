/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's structures, only the fields that are read: CO-RE finds where
 * they are in the kernel that runs.
 */
#ifndef TFOGUARD_KERNEL_H
#define TFOGUARD_KERNEL_H

#include <linux/types.h>

#define AF_INET 2
#define AF_INET6 10

#define TFO_SERVER_ENABLE 2 /* include/net/tcp.h */
#define TFO_SERVER_COOKIE_NOT_REQD 0x200
#define SOCK_RCVBUF_LOCK 2 /* include/uapi/linux/socket.h */

#pragma clang attribute push(__attribute__((preserve_access_index)),           \
			     apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__u64 key[2];
} siphash_key_t;

struct tcp_fastopen_context {
	siphash_key_t key[2];
	int num;
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

struct ipv6_pinfo {
	__u8 min_hopcount;
};

struct inet_sock {
	struct ipv6_pinfo *pinet6;
	__u8 min_ttl;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct request_sock_queue icsk_accept_queue;
};

struct netns_ipv4 {
	int sysctl_tcp_fastopen;
	int sysctl_tcp_rmem[3];
	__u8 sysctl_tcp_syncookies;
	__u8 sysctl_tcp_timestamps;
	__u8 sysctl_tcp_window_scaling;
	__u8 sysctl_tcp_sack;
	__u8 sysctl_tcp_ecn;
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
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	int sk_rcvbuf;
	__u8 sk_userlocks : 4;
};

struct tcp_options_received {
	__u16 user_mss;
};

struct tcp_md5sig_info;
struct tcp_ao_info;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 bytes_received; /* without SYN and FIN */
	__u32 segs_in;
	__u32 rcv_nxt;
	struct tcp_options_received rx_opt;
	__u8 fastopen_no_cookie : 1;
	/* Only where the kernel was built with them. */
	__u8 is_mptcp : 1;
	struct tcp_md5sig_info *md5sig_info;
	struct tcp_ao_info *ao_info;
};

struct sk_buff {
	__u8 ip_summed : 2;
};

#pragma clang attribute pop

#endif
