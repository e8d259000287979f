/* SPDX-License-Identifier: GPL-2.0 */
/* The listeners, in a process and a network namespace of their own. */
#ifndef TFOGUARD_TESTS_SERVER_H
#define TFOGUARD_TESTS_SERVER_H

#include <sys/types.h>

#include "siphash.h"

struct server {
	pid_t pid;
	int to, from; /* pipes: keys, and a byte when they are in force */
};

/* Returns when all listen; the process ends with this one. @own are the two
 * keys of the listener that has its own. */
struct server server_start(const char *netns, const struct siphash_key own[2]);

/* In their place @n others, while it listens. Returns when they are in force. */
void server_set_keys(const struct server *, const struct siphash_key own[2],
		     int n);

void server_stop(const struct server *);

#endif
