/* SPDX-License-Identifier: GPL-2.0 */
/* What the operator decided for a port, asked early; settle concludes. */
#ifndef TFOGUARD_POLICY_H
#define TFOGUARD_POLICY_H

#include "maps.h"
#include "packet.h"
#include "settle.h"

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

stage int has_drop_limit(const struct syn *s)
{
	return s->policy.over_source == OVER_drop ||
	       s->policy.over_prefix == OVER_drop;
}

/* Whether there is more to decide than what pressure and the class say. */
stage int wants_look(const struct syn *s)
{
	return s->blocked || s->policy.answer == ANSWER_always ||
	       has_drop_limit(s) ||
	       (s->data_len && (s->policy.early != EARLY_any ||
				s->policy.early_max || s->policy.replay));
}

#endif
