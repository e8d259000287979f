/* SPDX-License-Identifier: GPL-2.0 */
/* Which data a port takes in a SYN: by its size, its sort, and only once. */
#ifndef TFOGUARD_EARLY_H
#define TFOGUARD_EARLY_H

#include "limit.h"
#include "packet.h"
#include "replay.h"
#include "welcome.h"

stage struct syncookie_flow flow_of(const struct syn *s)
{
	return (struct syncookie_flow){
		.path = s->path,
		.path_words = s->family == FAMILY_ipv4 ? TFO_PATH_WORDS_IPV4 :
							 TFO_PATH_WORDS_IPV6,
		.sport = s->sport,
		.dport = s->dport,
		.client_isn = be32(s->seq),
	};
}

/* Only what is within its source's rate enters the filter: one that holds a
 * cookie can't flush it. What is beyond can't be told from a replay. */
stage int is_replay(const struct syn *s, const struct tuning *t, __u64 now)
{
	const struct secrets *secrets = secrets_at(now);
	struct syncookie_flow flow = flow_of(s);
	const struct siphash_key *key;
	__u32 zero = 0;

	key = bpf_map_lookup_elem(&master, &zero);
	if (!key || !secrets)
		return 0;
	return !is_within(LIMIT_SOURCE_DATA, source_of(s->family, &s->path), t->source_syn,
			  secrets, now) ||
	       seen_ago(flow_print(key, PRINT_DATA, &flow),
			s->policy.replay * 1000U, now) != NEVER_SEEN;
}

/* What the kernel would take of this SYN's data, the port may not. */
stage void early(const struct bytes *bytes, struct syn *s,
		 const struct tuning *t)
{
	if (!s->data_len || !s->as)
		return;
	if ((s->policy.early || s->policy.early_max) &&
	    !is_welcome(bytes, s)) {
		s->as = V_early_data;
	} else if (s->policy.replay && is_replay(s, t, clock_ns())) {
		s->as = V_replay;
		s->proven = 0;
	}
}

#endif
