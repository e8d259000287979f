// SPDX-License-Identifier: GPL-2.0
/* The entry points, and a packet's way, stage by stage. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "packet.h"
#include "parse.h"
#include "classify.h"
#include "prove.h"
#include "maps.h"
#include "lists.h"
#include "policy.h"
#include "relieve.h"
#include "listener.h"
#include "odd.h"
#include "challenge.h"
#include "answer.h"
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
 * The rest of the way of a SYN to a guarded port, in parts that are global
 * functions: the verifier walks each once by itself, not once for every shape
 * of packet that leads to it, each has a stack of its own, and the code that
 * every packet runs stays short. What one finds out the next reads from the
 * scratch.
 */
__attribute__((noinline)) int prove_syn(struct xdp_md *ctx)
{
	struct bytes bytes = first_buffer(ctx);
	struct scratch *w = the_scratch();
	struct syn *s;

	if (!w)
		return V_act_failed;
	s = &w->syn;
	return read_syn(&bytes, &w->packet, s)
	    ?: classify(&bytes, s)
	    ?: lists(s)
	    ?: prove(s, ring_for(s))
	    ?: admit(s);
}

__attribute__((noinline)) int decide_syn(struct xdp_md *ctx)
{
	struct bytes bytes = first_buffer(ctx);
	const struct tuning *t = tuning_in_force();
	struct scratch *w = the_scratch();
	struct heard *h;
	enum verdict v;
	struct syn *s;

	if (!t || !w)
		return V_act_failed;
	s = &w->syn;
	h = &w->heard;
	*h = (struct heard){};
	v = look(ctx, &bytes, s, ring_for(s), t, h)
	 ?: relieve(s, h)
	 ?: settle(s);
	return spare_signed(s, v);
}

/* What could not be answered passes, but not into a queue that is at its upper
 * mark. */
stage enum verdict answer_failed(void)
{
	const struct scratch *w = the_scratch();

	return w && w->heard.share >= SHARE_ALL ? V_odd_limit : V_act_failed;
}

/* Does what the verdict says; a failure is a verdict too. */
stage enum verdict act(struct xdp_md *ctx, enum verdict v, int may_resize)
{
	if (verdict_action(v) == ACTION_answer)
		v = compose(ctx, v);
	if (settings.observe)
		return v;
	switch (verdict_action(v)) {
	case ACTION_strip:
		return strip(ctx, v) ? V_act_failed : v;
	case ACTION_answer:
		return (may_resize && resize(ctx)) || answer(ctx) ?
			       answer_failed() :
			       v;
	default:
		return v;
	}
}

stage enum verdict judge(struct xdp_md *ctx, const struct packet *p,
			 int may_resize)
{
	struct scratch *w = the_scratch();

	if (!w)
		return V_act_failed;
	w->packet = *p;
	return act(ctx, (enum verdict)prove_syn(ctx) ?: decide_syn(ctx),
		   may_resize);
}

/* Few packets come here. */
stage enum verdict judge_rest(struct xdp_md *ctx, const struct packet *p,
			      enum verdict v)
{
	struct scratch *w = the_scratch();

	if (!w)
		return v;
	w->packet = *p;
	return v == V_segment ? judge_rst(ctx) : judge_odd(ctx, v);
}

/* @may_resize: the verifier notes a call that resizes packets even where it is
 * never made, and dispatchers refuse programs that have one. */
stage int guard(struct xdp_md *ctx, int may_resize)
{
	struct packet p = { .len = bpf_xdp_get_buff_len(ctx) };
	struct bytes bytes = first_buffer(ctx);
	enum verdict v;

	v = parse(&bytes, &p, settings.no_ethernet);
	/* What nearly every packet is: no test more than it takes. */
	if (v == V_segment && !settings.can_challenge)
		return leave(&p, v);
	v = v ?: screen(&p) ?: judge(ctx, &p, may_resize);
	if (is_odd(v) || v == V_segment)
		v = judge_rest(ctx, &p, v);
	return leave(&p, v);
}

/* Alone on its interface. */
SEC("xdp.frags")
int tfoguard(struct xdp_md *ctx)
{
	return guard(ctx, 1);
}

/* Behind libxdp's dispatcher, beside other programs. */
SEC("xdp.frags")
int tfoguard_chained(struct xdp_md *ctx)
{
	return is_our_turn() ? guard(ctx, 0) : XDP_PASS;
}
