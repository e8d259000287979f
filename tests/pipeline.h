/* SPDX-License-Identifier: GPL-2.0 */
/* The pure stages in the program's order, on the host. */
#ifndef TFOGUARD_TESTS_PIPELINE_H
#define TFOGUARD_TESTS_PIPELINE_H

#include "classify.h"
#include "options.h"
#include "packet.h"
#include "parse.h"
#include "prove.h"
#include "settle.h"
#include "welcome.h"

/* Up to what a cookie proves, over @len bytes at @data; fills @s where a SYN
 * got that far. */
static inline enum verdict pipeline(void *data, size_t len, int no_ethernet,
				    const struct keyring *ring, struct syn *s)
{
	struct bytes bytes = { .data = data, .end = (char *)data + len };
	struct packet p = { .len = (__u32)len };
	enum verdict v = parse(&bytes, &p, no_ethernet);

	memset(s, 0, sizeof(*s));
	if (v)
		return v;
	p.policy.mode = PORT_guard;
	return read_syn(&bytes, &p, s) ?: classify(&bytes, s) ?: prove(s, ring);
}

/* To the last word, as for a local listener with Fast Open on and without
 * pressure: what the program says with assume_listener. @p holds the length of
 * the frame, of which @bytes may be a part. */
static inline enum verdict whole_pipeline(const struct bytes *bytes,
					  int no_ethernet,
					  const struct port_policy *ports,
					  const struct keyring *ring,
					  struct packet *p, struct syn *s)
{
	enum verdict v = parse(bytes, p, no_ethernet);

	memset(s, 0, sizeof(*s));
	if (v)
		return v;
	p->policy = ports[be16(p->dport)];
	if (p->policy.mode == PORT_unguarded)
		return V_unguarded;
	if (p->policy.mode == PORT_pass)
		return V_port_pass;
	v = read_syn(bytes, p, s) ?: classify(bytes, s) ?: prove(s, ring);
	if (v)
		return v;
	if (s->data_len && s->as && !is_welcome(bytes, s))
		s->as = V_early_data;
	return spare_signed(s, (enum verdict)s->as ?: settle(s));
}

#endif
