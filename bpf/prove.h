/* SPDX-License-Identifier: GPL-2.0 */
/* A cookie that one of our keys made proves that its sender held the address. */
#ifndef TFOGUARD_PROVE_H
#define TFOGUARD_PROVE_H

#include "packet.h"

/* The cookie for the addresses of @s. */
stage __u64 cookie_for(const struct syn *s, const struct siphash_key *key)
{
	return tfo_cookie(key, &s->path,
			  s->family == FAMILY_ipv4 ? TFO_PATH_WORDS_IPV4 :
						     TFO_PATH_WORDS_IPV6);
}

/* UNDECIDED where no key fits. @ring may be NULL: no key is known. What the
 * current one makes is kept for an answer, which brings it. */
stage enum verdict ring_fits(struct syn *s, const struct keyring *ring)
{
	__u64 cookie;

	s->current = (struct siphash_key){ 0 };
	if (s->class != SYN_COOKIE || is_overruled(s) || !ring)
		return UNDECIDED;
#define X(name, meaning)                                                       \
	if (!key_is_empty(&ring->slot[KEY_##name].secret)) {                   \
		cookie = cookie_for(s, &ring->slot[KEY_##name].secret);        \
		if (KEY_##name == KEY_current) {                               \
			s->current = ring->slot[KEY_current].secret;           \
			s->made = cookie;                                      \
		}                                                              \
		if (cookie == s->cookie)                                       \
			return V_valid_##name;                                 \
	}
	KEY_SLOTS(X)
#undef X
	return UNDECIDED;
}

stage enum verdict prove(struct syn *s, const struct keyring *ring)
{
	s->as = ring_fits(s, ring);
	s->proven = s->as != UNDECIDED;
	return UNDECIDED;
}

#endif
