/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The RST that meets a challenge: its sender holds its address, and its next
 * SYN passes. For ports with answer=challenge, where the kernel can't take the
 * ACKs of answers.
 */
#ifndef TFOGUARD_CHALLENGE_H
#define TFOGUARD_CHALLENGE_H

#include "early.h"
#include "maps.h"
#include "odd.h"
#include "parse.h"
#include "proven.h"
#include "secret.h"

__attribute__((noinline)) int judge_rst(struct xdp_md *ctx)
{
	struct bytes bytes = {
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	const struct tuning *t = tuning_in_force();
	struct scratch *w = the_scratch();
	struct port_policy *policy;
	const struct secrets *secrets;
	struct syncookie_flow flow;
	__u64 now = clock_ns();
	struct source source;
	__u32 seq, port;
	struct syn *s;
	void *tcp;

	if (!w || !t)
		return V_segment;
	s = &w->syn;
	s->l4 = w->packet.l4;
	tcp = tcp_of(&bytes, s);
	if (!fits(&bytes, tcp, TCP_HEADER) ||
	    (*(__u8 *)(tcp + 13) &
	     (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_RST ||
	    !read_addresses(&bytes, &w->packet, s))
		return V_segment;
	s->sport = load16(tcp);
	s->dport = load16(tcp + 2);
	port = be16(s->dport);
	policy = bpf_map_lookup_elem(&ports, &port);
	secrets = secrets_at(now);
	if (!policy || policy->answer != ANSWER_challenge || !secrets)
		return V_segment;
	flow = flow_of(s);
	seq = be32(load32(tcp + 4));
	if (seq != syncookie_challenge(&secrets->cookie[0], &flow) &&
	    seq != syncookie_challenge(&secrets->cookie[1], &flow))
		return V_segment;
	source = source_key(s->family, &s->path);
	enter_proven(&source, prefix_of(s->family, &s->path), t, secrets, now);
	return V_challenge_met;
}

#endif
