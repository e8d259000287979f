/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is told to Prometheus. This table is the only list of metrics: names,
 * types, help texts and what collects them come from it, and the alerts and the
 * dashboard are held against it. Labels come from closed sets: never an address,
 * never a key's id.
 */
#ifndef TFOGUARD_METRICS_H
#define TFOGUARD_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "fault.h"

/* X(name, type, what, help) */
#define METRICS(X)                                                             \
	X(tfoguard_packets_total, counter, packets,                            \
	  "Packets received, by the one verdict that each had.")               \
	X(tfoguard_bytes_total, counter, bytes,                                \
	  "Bytes of whole frames received, by verdict.")                       \
	X(tfoguard_data_cut_bytes_total, counter, data_cut,                    \
	  "Bytes of data cut from SYNs that may not carry them.")              \
	X(tfoguard_acks_total, counter, acks,                                  \
	  "Segments that met a listener while ACKs of answers may come.")      \
	X(tfoguard_pressure, gauge, pressure,                                  \
	  "Share of a guarded port's unproven SYNs that is answered in the "   \
	  "kernel's place, 0 to 1.")                                           \
	X(tfoguard_syn_queue_ratio, gauge, syn_queue,                          \
	  "How full the fullest SYN queue of a guarded port is; above 1 the "  \
	  "kernel takes no Fast Open.")                                        \
	X(tfoguard_tfo_queue_ratio, gauge, tfo_queue,                          \
	  "How full the fullest Fast Open queue of a guarded port is.")        \
	X(tfoguard_answers_stopped, gauge, answers_stopped,                    \
	  "1 where a guarded port is not answered for, since its ACKs are "    \
	  "refused behind the guard.")                                         \
	X(tfoguard_attached, gauge, attached,                                  \
	  "1 where the guard's program is on the interface, 0 where it "       \
	  "should be.")                                                        \
	X(tfoguard_attach_info, gauge, attach_info,                            \
	  "How the guard is attached.")                                        \
	X(tfoguard_key_age_seconds, gauge, key_age,                            \
	  "How long the key has been in its slot of the ring.")                \
	X(tfoguard_key_drift, gauge, key_drift,                                \
	  "1 where the kernel has a key that the guard's ring lacks.")         \
	X(tfoguard_key_rotations_total, counter, key_rotations,                \
	  "Keys that the daemon put in force on schedule.")                    \
	X(tfoguard_key_generation, gauge, key_generation,                      \
	  "How often the daemon put another ring in force, or its own again.") \
	X(tfoguard_map_fill_ratio, gauge, map_fill,                            \
	  "How full a map is whose size is bounded.")                          \
	X(tfoguard_kernel_tcpext_total, counter, tcpext,                       \
	  "The kernel's own TcpExt counters of Fast Open and SYN cookies.")    \
	X(tfoguard_build_info, gauge, build_info,                              \
	  "What this program was built from.")                                 \
	X(tfoguard_config_last_reload_successful, gauge, reload_successful,    \
	  "1 where the last reload of the configuration was taken.")           \
	X(tfoguard_config_last_reload_success_timestamp_seconds, gauge,        \
	  reload_time, "When a configuration was last taken.")                 \
	X(tfoguard_heals_total, counter, heals,                                \
	  "Guards that were gone and that the daemon attached anew.")          \
	X(process_cpu_seconds_total, counter, process_cpu,                     \
	  "User and system CPU time spent in seconds.")                        \
	X(process_resident_memory_bytes, gauge, process_memory,                \
	  "Resident memory size in bytes.")                                    \
	X(process_open_fds, gauge, process_fds,                                \
	  "Number of open file descriptors.")                                  \
	X(process_start_time_seconds, gauge, process_start,                    \
	  "Start time of the process since unix epoch in seconds.")

enum metric {
#define X(name, type, what, help) METRIC_##what,
	METRICS(X)
#undef X
	METRIC_COUNT
};

#define LABELS_MAX 3

struct sample {
	enum metric metric;
	double value;
	struct label {
		const char *name; /* NULL after the last */
		char value[40]; /* any bytes */
	} label[LABELS_MAX];
};

/* In the order of the table. Free with samples_free(). */
struct samples {
	struct sample *list;
	size_t n, room;
};

/* What only a daemon can tell. */
struct metrics_daemon {
	bool reload_successful;
	time_t reloaded_at;
	time_t started_at;
	unsigned long heals;
	unsigned long key_rotations;
	unsigned long key_generation;
	/* Interfaces that it keeps guarded, also those that are not there. */
	const char (*wanted)[16];
	size_t n_wanted;
};

/* Collects all of this network namespace; @daemon is NULL where none asks.
 * Also where nothing is attached. */
int metrics_collect(struct samples *, const struct metrics_daemon *,
		    struct fault *);

void samples_free(struct samples *);

#endif
