/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The window that a SYN-ACK of a listener's may offer, as the kernel chooses it
 * (tcp_select_initial_window): a larger one than its buffer holds costs
 * retransmissions. The same when the ACK comes.
 */
#ifndef TFOGUARD_WINDOW_H
#define TFOGUARD_WINDOW_H

#include <bpf/bpf_core_read.h>

#include "config.h"
#include "kernel.h"
#include "packet.h"

#define WINDOW_MAX 65535 /* unscaled, as in every SYN-ACK */
#define WSCALE_MAX 14

/* Bytes. Half of the buffer is for overhead, as with tcp_adv_win_scale=1. */
stage __u32 receive_space(const struct sock *sk)
{
	return (__u32)sk->sk_rcvbuf / 2;
}

/* Of it, whole segments of the client's. */
stage __u32 receive_window(__u32 space, __u32 mss)
{
	if (space > mss)
		space -= space % mss;
	return space < WINDOW_MAX ? space : WINDOW_MAX;
}

stage __u32 receive_wscale(const struct sock *sk, const struct netns_ipv4 *ipv4,
			   const struct tuning *t)
{
	__u32 space = receive_space(sk);
	__u32 most = ipv4->sysctl_tcp_rmem[2], wscale = 0;

	if (!(BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_RCVBUF_LOCK)) {
		if (space < most)
			space = most;
		if (space < t->rmem_max)
			space = t->rmem_max;
	}
	while (space > WINDOW_MAX && wscale < WSCALE_MAX) {
		space >>= 1;
		wscale++;
	}
	return wscale;
}

#endif
