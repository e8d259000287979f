/* SPDX-License-Identifier: GPL-2.0 */
/* What the daemon is to do: by its command line, and by a configuration file
 * that may be read again. What the command line says counts more. */
#ifndef TFOGUARD_RUNPLAN_H
#define TFOGUARD_RUNPLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "configuration.h"
#include "exporter.h"
#include "fault.h"
#include "lists.h"
#include "ward.h"

#define RUN_INTERFACES_MAX 64

/* The command line. */
struct run_options {
	const char *file; /* NULL: no configuration */
	/* To be kept guarded; none: those of the configuration, or without one
	 * each that is attached. */
	const char *interfaces[RUN_INTERFACES_MAX];
	size_t n_interfaces;
	bool detach_on_exit;
	bool log_format_given;
	enum log_format log_format;
	struct exporter_config exporter;
};

struct runplan {
	struct config config;
	struct lists lists;
	struct ward_plan wards[RUN_INTERFACES_MAX];
	size_t n_wards;
	struct exporter_config exporter; /* points into config, and options */
	enum log_format log_format;
};

/* Nothing is left on failure; free with runplan_free(). @plan must not move. */
int runplan_read(const struct run_options *, struct runplan *plan,
		 struct fault *);
void runplan_free(struct runplan *);

#endif
