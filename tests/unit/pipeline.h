/* SPDX-License-Identifier: GPL-2.0 */
/* The pure stages in the program's order, on the host. */
#ifndef TFOGUARD_TESTS_PIPELINE_H
#define TFOGUARD_TESTS_PIPELINE_H

#include "classify.h"
#include "options.h"
#include "packet.h"
#include "parse.h"
#include "prove.h"

/* Runs them over @len bytes at @data; fills @s where a SYN got that far. */
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

#endif
