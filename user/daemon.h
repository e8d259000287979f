/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What runs for years: keeps interfaces guarded, follows the kernel's keys,
 * exports metrics. The guard does not need it to go on: it can be ended, killed
 * or upgraded at any time, and the next one finds all in the pins.
 */
#ifndef TFOGUARD_DAEMON_H
#define TFOGUARD_DAEMON_H

#include <stdbool.h>
#include <stddef.h>

#include "exporter.h"
#include "fault.h"

#define DAEMON_INTERFACES_MAX 64

struct daemon_config {
	/* To be kept guarded; none: each that is attached. */
	const char *interfaces[DAEMON_INTERFACES_MAX];
	size_t n_interfaces;
	bool detach_on_exit;
	struct exporter_config exporter;
};

/* Returns when it was asked to end, by SIGTERM or SIGINT; logs by log.h. */
int daemon_run(const struct daemon_config *, struct fault *);

#endif
