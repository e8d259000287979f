/* SPDX-License-Identifier: GPL-2.0 */
/* The operator's lists of prefixes. */
#ifndef TFOGUARD_LISTS_H
#define TFOGUARD_LISTS_H

#include "maps.h"
#include "packet.h"

stage struct list_value *find_listed(const struct syn *s)
{
	__u32 family = s->family == FAMILY_ipv4 ? 0 : 1;
	__u32 *size = bpf_map_lookup_elem(&list_sizes, &family);

	if (!size || !*size)
		return NULL;
	if (s->family == FAMILY_ipv4) {
		struct list_key4 key = { .bits = 32 };

		__builtin_memcpy(&key.address, &s->path, 4);
		return bpf_map_lookup_elem(&list4, &key);
	} else {
		struct list_key6 key = { .bits = 128 };

		__builtin_memcpy(&key.address, &s->path, 16);
		return bpf_map_lookup_elem(&list6, &key);
	}
}

/* Only marks: what is blocked is dropped once it is known to be ours. */
stage enum verdict lists(struct syn *s)
{
	struct list_value *listed = find_listed(s);

	if (listed) {
		s->allowed = listed->entry == LIST_ALLOW;
		s->blocked = listed->entry == LIST_BLOCK;
	}
	return UNDECIDED;
}

#endif
