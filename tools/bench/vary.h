/* SPDX-License-Identifier: GPL-2.0 */
/* What the restorer changes in each run, of a frame by IPv4. */
#ifndef TFOGUARD_BENCH_VARY_H
#define TFOGUARD_BENCH_VARY_H

#include <linux/types.h>

struct vary {
	__u64 sources; /* so many, up to 2^32; 0: the frame's own */
	__u32 ports; /* so many from the frame's on; 0: the frame's own */
	__u32 prefix_bits; /* sources are any of so many prefixes; 0: addresses */
};

/* Spreads numbers over all addresses: odd, hence no two meet. */
#define VARY_SPREAD 0x9e3779b1U

#endif
