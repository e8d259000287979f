/* SPDX-License-Identifier: GPL-2.0 */
/* The listeners, in a process and a network namespace of their own. */
#ifndef TFOGUARD_TESTS_SERVER_H
#define TFOGUARD_TESTS_SERVER_H

#include <sys/types.h>

#include "siphash.h"

/* Returns when all listen; the process ends with this one. @own are the two
 * keys of the listener that has its own. */
pid_t server_start(const char *netns, const struct siphash_key own[2]);

#endif
