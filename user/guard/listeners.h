/* SPDX-License-Identifier: GPL-2.0 */
/* The listening TCP sockets of this network namespace, and their queues. */
#ifndef TFOGUARD_LISTENERS_H
#define TFOGUARD_LISTENERS_H

#include <stddef.h>

#include "listening.h"

/*
 * One for each socket: a reuseport group has as many as it has members. The
 * list is the caller's to free. Negative errno, and nothing to free, where the
 * kernel does not let us look (it takes CAP_BPF and CAP_PERFMON). What is loaded
 * for the first look stays for the next.
 */
int listeners_read(struct listener **list, size_t *n);

#endif
