/* SPDX-License-Identifier: GPL-2.0 */
/* What the maps of a program take, in bytes, as the kernel accounts for them. */
#ifndef TFOGUARD_BENCH_MEMORY_H
#define TFOGUARD_BENCH_MEMORY_H

#include <linux/types.h>

struct memory {
	__u64 shared; /* by all interfaces of a network namespace */
	__u64 own; /* of one interface */
	int err; /* negative errno, or 0 */
};

struct memory memory_of(int prog_fd);

#endif
