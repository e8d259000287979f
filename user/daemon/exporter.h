/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The HTTP side: /metrics for Prometheus, /healthz and /readyz for whoever
 * watches the daemon. It runs inside the daemon's event loop. Connections are
 * few and short: one request each, ten seconds at most; when there are too many
 * the oldest goes.
 */
#ifndef TFOGUARD_EXPORTER_H
#define TFOGUARD_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "fault.h"

#define EXPORTER_PATH "/metrics"
#define EXPORTER_ADDRESSES_MAX 8

struct exporter_config {
	/* HOST:PORT, [IPv6]:PORT or :PORT. Ignored where systemd hands us
	 * sockets. */
	const char *addresses[EXPORTER_ADDRESSES_MAX];
	size_t n_addresses;
	const char *path; /* of the metrics; must live as long */
	const char *web_config; /* read at once; NULL: no TLS, no password */
};

/* What it asks the daemon. */
struct exporter_source {
	/* The metrics' text, freed by free(); NULL where they can't be told. */
	char *(*metrics)(void *arg, size_t *size);
	/* Whether all is guarded that should be. */
	bool (*ready)(void *arg);
	void *arg;
};

struct exporter;

int exporter_start(struct exporter **, sd_event *,
		   const struct exporter_config *,
		   const struct exporter_source *, struct fault *);

/* Goes over to these addresses and this web configuration, reading its files
 * anew; connections under way are ended. On failure all stays as it was. */
int exporter_reload(struct exporter *, const struct exporter_config *,
		    struct fault *);

void exporter_stop(struct exporter *);

#endif
