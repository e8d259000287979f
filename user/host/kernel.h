/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel of this network namespace says of itself in /proc. */
#ifndef TFOGUARD_KERNEL_H
#define TFOGUARD_KERNEL_H

#include <stdbool.h>

#include "ring.h"

/*
 * The namespace's TFO keys. A key of all zeros is none, so there may be none at
 * all. Negative errno where they can't be read (it takes root).
 */
int kernel_keys(struct kernel_pair *);

/* Puts both in the place of what is there in one step; one alone removes the
 * backup. */
int kernel_set_keys(const struct kernel_pair *);

/* net.<name> with dots or slashes; negative errno where it does not exist. */
int kernel_sysctl(const char *name, long *value);

/* The namespace's cookie, which no other namespace has until the next boot. */
int kernel_netns_cookie(unsigned long long *cookie);

/* Whether /sys/kernel/btf/vmlinux is there. */
bool kernel_has_btf(void);

#endif
