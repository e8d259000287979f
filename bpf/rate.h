/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bucket is one number (GCRA): the time at which it will be empty again. Two
 * CPUs that write it at once lose a token, no more. Pure.
 */
#ifndef TFOGUARD_RATE_H
#define TFOGUARD_RATE_H

#include "packet.h"

#define SECOND_NS 1000000000ULL

/* Takes a token that costs @cost ns of a bucket that holds @burst ns. */
stage int take(__u64 *bucket, __u64 now, __u64 cost, __u64 burst)
{
	__u64 full_at = *bucket > now ? *bucket : now;

	if (full_at + cost > now + burst)
		return 0;
	*bucket = full_at + cost;
	return 1;
}

/* Gives a token back that cost @cost ns. */
stage void give_back(__u64 *bucket, __u64 now, __u64 cost)
{
	if (*bucket > now)
		*bucket -= cost < *bucket - now ? cost : *bucket - now;
}

stage int take_of_rate(__u64 *bucket, __u64 now, __u32 rate)
{
	return take(bucket, now, SECOND_NS / rate, SECOND_NS);
}

#endif
