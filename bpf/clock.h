/* SPDX-License-Identifier: GPL-2.0 */
/* The only clock. A coarse one: it costs 4 ns, and ticks every few ms. */
#ifndef TFOGUARD_CLOCK_H
#define TFOGUARD_CLOCK_H

#include "shared.h"

/* Written by user space where the clock is frozen: nanoseconds. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} frozen_time SEC(".maps");

/* Nanoseconds of the monotonic clock. */
stage __u64 clock_ns(void)
{
	__u32 zero = 0;
	__u64 *frozen;

	if (!settings.frozen_clock)
		return bpf_ktime_get_coarse_ns();
	frozen = bpf_map_lookup_elem(&frozen_time, &zero);
	return frozen ? *frozen : 0;
}

/* The unit of struct port_state. */
stage __u32 clock_units(__u64 ns)
{
	return ns >> 30;
}

/* Whether a listener of the port was above its lower mark a moment ago. */
stage int is_pressed(__u32 port, __u64 now)
{
	struct port_state *state = state_of(port);

	return state && state->pressed_until > clock_units(now);
}

/* The same, but no clock is read where there has been no pressure. */
stage int is_pressed_now(__u32 port)
{
	struct port_state *state = state_of(port);

	if (!state || !state->pressed_until)
		return 0;
	if (state->pressed_until > clock_units(clock_ns()))
		return 1;
	/* It is over; the next ones need no clock. */
	state->pressed_until = 0;
	return 0;
}

#endif
