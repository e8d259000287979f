/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loops whose bodies read the packet at an offset that the packet decides.
 *
 * In the kernel these are bpf_loop: the verifier walks the body once, where an
 * unrolled walk over 40 bytes of options costs 745,000 instructions and one
 * with an advancing packet pointer more than its million.
 */
#ifndef TFOGUARD_WALK_H
#define TFOGUARD_WALK_H

#include "packet.h"

#define WALK_ON 0
#define WALK_STOP 1

#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#define walk(steps, body, state) bpf_loop(steps, body, state, 0)
#else
static inline void walk(unsigned int steps, long (*body)(__u32, void *),
			void *state)
{
	for (unsigned int i = 0; i < steps && body(i, state) == WALK_ON; i++)
		;
}
#endif

#endif
