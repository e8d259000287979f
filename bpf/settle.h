/* SPDX-License-Identifier: GPL-2.0 */
/* The last word on a SYN that nothing else decided, by class and policy. */
#ifndef TFOGUARD_SETTLE_H
#define TFOGUARD_SETTLE_H

#include "packet.h"

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

/* What is signed is not cut. Mode off overrules even this: anybody can write
 * such an option. */
stage enum verdict spare_signed(const struct syn *s, enum verdict v)
{
	return s->is_signed && verdict_action(v) == ACTION_strip &&
			       v != V_port_off ?
		       V_signed_syn :
		       v;
}

#endif
