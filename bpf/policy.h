/* SPDX-License-Identifier: GPL-2.0 */
/* What the operator decided for a port: screen asks early, settle concludes. */
#ifndef TFOGUARD_POLICY_H
#define TFOGUARD_POLICY_H

#include "maps.h"
#include "packet.h"

/* Is the port guarded at all? */
stage enum verdict screen(struct packet *p)
{
	__u32 port = be16(p->dport);
	struct port_policy *policy = bpf_map_lookup_elem(&ports, &port);

	if (!policy || policy->mode == PORT_unguarded)
		return V_unguarded;
	p->policy = *policy;
	if (policy->mode == PORT_pass)
		return V_port_pass;
	return UNDECIDED;
}

/*
 * Whether settle will do something to this SYN, given that it proved nothing:
 * what passes in any case need not be looked up.
 */
stage int would_touch(const struct syn *s)
{
	if (is_overruled(s))
		return s->class != SYN_PLAIN || s->tfo_bytes;
	return s->class != SYN_PLAIN && s->class != SYN_REQUEST;
}

/* Whether there is more to decide than what pressure and the class say. */
stage int wants_look(const struct syn *s)
{
	return s->blocked || s->policy.answer == ANSWER_always ||
	       s->policy.over_source == OVER_drop ||
	       s->policy.over_prefix == OVER_drop ||
	       (s->data_len && (s->policy.early != EARLY_any ||
				s->policy.early_max || s->policy.replay));
}

/* What its port drops, under pressure too, given that it proved nothing. */
stage enum verdict port_drops(const struct syn *s)
{
	if (s->policy.mode == PORT_drop && s->data_len)
		return V_port_drop;
	if (s->class == SYN_COOKIE && s->policy.mode != PORT_off &&
	    s->policy.forged == FORGED_drop)
		return V_forged_drop;
	return UNDECIDED;
}

/* The last word, by class and policy: nothing was proven, and it is ours. */
stage enum verdict settle(const struct syn *s)
{
	enum verdict v = port_drops(s);

	if (v)
		return v;
	if (!would_touch(s))
		return s->class == SYN_PLAIN ? V_plain_syn : V_cookie_request;
	if (s->policy.mode == PORT_off)
		return V_port_off;
	switch (s->class) {
	case SYN_COOKIE:
		return V_forged;
	case SYN_BAD_LENGTH:
		return V_bad_length;
	default:
		return V_data_without_cookie;
	}
}

#endif
