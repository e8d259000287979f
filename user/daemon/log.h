/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon's log, on standard error: one line an event. On the journal with
 * its level in front (sd-daemon(3)), else with time and level.
 */
#ifndef TFOGUARD_LOG_H
#define TFOGUARD_LOG_H

#include "configuration.h"
#include "fault.h"

/* What is less than @least is left out. */
void log_open(enum log_format, enum log_level least);

/* @ifname is what it is about, or NULL. */
void log_event(enum log_level, const char *ifname, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void log_fault(enum log_level, const char *ifname, const struct fault *);

#endif
