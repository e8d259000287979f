/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon's log, on standard error: one line an event. On the journal with
 * its level in front (sd-daemon(3)), else with time and level.
 */
#ifndef TFOGUARD_LOG_H
#define TFOGUARD_LOG_H

#include "fault.h"

enum log_format { LOG_TEXT, LOG_JSON };

/* X(level, number of syslog(3)) */
#define LOG_LEVELS(X)                                                          \
	X(error, 3)                                                            \
	X(warning, 4)                                                          \
	X(notice, 5)                                                           \
	X(info, 6)

enum log_level {
#define X(level, number) LOG_##level,
	LOG_LEVELS(X)
#undef X
};

void log_open(enum log_format);

/* @ifname is what it is about, or NULL. */
void log_event(enum log_level, const char *ifname, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void log_fault(enum log_level, const char *ifname, const struct fault *);

#endif
