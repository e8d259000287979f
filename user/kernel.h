/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel of this network namespace says of itself in /proc. */
#ifndef TFOGUARD_KERNEL_H
#define TFOGUARD_KERNEL_H

#include <stdbool.h>

#include "keyring.h"

/*
 * The namespace's TFO keys, primary first. Returns how many there are: a key
 * of all zeros is none, so 0 where none was ever set. Negative errno where it
 * can't be read (it takes root).
 */
int kernel_keys(struct siphash_key keys[2]);

/* A ring of what the kernel has now: its primary key as current, its backup as
 * previous. The same returns as kernel_keys(). */
int kernel_keyring(struct keyring *ring);

/* net.<name> with dots or slashes; negative errno where it does not exist. */
int kernel_sysctl(const char *name, long *value);

/* The namespace's cookie, which no other namespace has until the next boot. */
int kernel_netns_cookie(unsigned long long *cookie);

/* Whether /sys/kernel/btf/vmlinux is there. */
bool kernel_has_btf(void);

#endif
