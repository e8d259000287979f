// SPDX-License-Identifier: GPL-2.0
/* The entry points, and a packet's way, stage by stage. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "packet.h"
#include "parse.h"
#include "classify.h"
#include "prove.h"
#include "maps.h"
#include "policy.h"
#include "listener.h"
#include "act.h"
#include "count.h"
#include "turn.h"

char LICENSE[] SEC("license") = "GPL";

stage struct bytes first_buffer(struct xdp_md *ctx)
{
	return (struct bytes){
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
}

/*
 * The rest of the way of a SYN to a guarded port. A global function: the
 * verifier walks it once by itself, not once for every shape of link and
 * network header that leads to it, and the code that every packet runs stays
 * short.
 */
__attribute__((noinline)) int judge_syn(struct xdp_md *ctx,
					const struct packet *p)
{
	struct bytes bytes = first_buffer(ctx);
	const struct keyring *ring;
	struct syn s = {};
	enum verdict v;

	if (!p)
		return UNDECIDED;
	v = read_syn(&bytes, p, &s)
	 ?: classify(&bytes, &s)
	 ?: prove(&s, ring = ring_for(&s))
	 ?: look(ctx, &s, ring)
	 ?: settle(&s);
	return act(&bytes, &s, v);
}

/* Only a copy of the packet has an address: the original stays in registers. */
stage enum verdict judge(struct xdp_md *ctx, const struct packet *p)
{
	struct packet copy = *p;

	return judge_syn(ctx, &copy);
}

stage int guard(struct xdp_md *ctx)
{
	struct packet p = { .len = bpf_xdp_get_buff_len(ctx) };
	struct bytes bytes = first_buffer(ctx);
	enum verdict v;

	v = parse(&bytes, &p, settings.no_ethernet)
	 ?: screen(&p)
	 ?: judge(ctx, &p);
	return leave(&p, v);
}

/* Alone on its interface. */
SEC("xdp.frags")
int tfoguard(struct xdp_md *ctx)
{
	return guard(ctx);
}

/* Behind libxdp's dispatcher, beside other programs. */
SEC("xdp.frags")
int tfoguard_chained(struct xdp_md *ctx)
{
	return is_our_turn() ? guard(ctx) : XDP_PASS;
}
