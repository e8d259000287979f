/* SPDX-License-Identifier: GPL-2.0 */
/* Which data a port takes in a SYN: by its size, its sort, and only once. */
#ifndef TFOGUARD_EARLY_H
#define TFOGUARD_EARLY_H

#include "limit.h"
#include "packet.h"
#include "parse.h"
#include "replay.h"

#define TLS_HANDSHAKE 22 /* RFC 8446 section 5.1 */
#define TLS_CLIENT_HELLO 1

/* A TLS record that begins a ClientHello. */
stage int is_client_hello(const struct bytes *bytes, const __u8 *data)
{
	return fits(bytes, data, 6) && data[0] == TLS_HANDSHAKE &&
	       data[1] == 3 && data[5] == TLS_CLIENT_HELLO;
}

/* A method that changes nothing (RFC 9110 section 9.2.1). */
stage int is_safe_request(const struct bytes *bytes, const __u8 *data)
{
	__u32 first;

	if (!fits(bytes, data, 8))
		return 0;
	first = be32(load32(data));
	return first == 0x47455420 /* "GET " */ ||
	       (first == 0x48454144 && data[4] == ' ') /* "HEAD " */ ||
	       (first == 0x4f505449 && be32(load32(data + 4)) == 0x4f4e5320);
}

stage int is_welcome(const struct bytes *bytes, const struct syn *s)
{
	const __u8 *data = tcp_of(bytes, s) + (s->header_len & 63);

	if (s->policy.early_max && s->data_len > s->policy.early_max)
		return 0;
	switch (s->policy.early) {
	case EARLY_tls:
		return is_client_hello(bytes, data);
	case EARLY_http_safe:
		return is_safe_request(bytes, data);
	}
	return 1;
}

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
