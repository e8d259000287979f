/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What runs for years: keeps interfaces guarded, follows the kernel's keys,
 * exports metrics. The guard does not need it to go on: it can be ended, killed
 * or upgraded at any time, and the next one finds all in the pins.
 */
#ifndef TFOGUARD_DAEMON_H
#define TFOGUARD_DAEMON_H

#include "fault.h"
#include "runplan.h"

/* Returns when it was asked to end, by SIGTERM or SIGINT; logs by log.h. */
int daemon_run(const struct run_options *, struct fault *);

#endif
