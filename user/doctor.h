/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What keeps Fast Open or the guard from working, and what to do about it:
 * judgements on a survey. Each finding goes away when its advice is followed.
 */
#ifndef TFOGUARD_DOCTOR_H
#define TFOGUARD_DOCTOR_H

#include "fault.h"
#include "survey.h"

/* From bad to worse. X(severity, state that it makes, exit code) */
#define SEVERITIES(X)                                                          \
	X(info, ok, EXIT_DONE)                                                 \
	X(limited, limited, EXIT_PARTLY)                                       \
	X(broken, broken, EXIT_FAILED)

enum severity {
#define X(severity, state, exit) SEVERITY_##severity,
	SEVERITIES(X)
#undef X
	SEVERITY_COUNT
};

/* Of the process, the kernel and the network namespace. X(id, severity) */
#define GENERAL_FINDINGS(X)                                                    \
	X(missing_capabilities, broken)                                        \
	X(missing_sys_admin, limited)                                          \
	X(no_btf, broken)                                                      \
	X(program_refused, broken)                                             \
	X(no_bpffs, broken)                                                    \
	X(guards_unreadable, broken)                                           \
	X(fastopen_server_off, broken)                                         \
	X(syncookies_always, broken)                                           \
	X(syncookies_off, limited)                                             \
	X(fastopen_without_cookie, limited)                                    \
	X(listener_without_cookie, limited)                                    \
	X(route_without_cookie, limited)                                       \
	X(zero_key, broken)                                                    \
	X(key_drift, limited)                                                  \
	X(no_fastopen_listener, broken)                                        \
	X(fastopen_queue_full, limited)                                        \
	X(syn_queue_full, limited)                                             \
	X(accept_queue_full, limited)                                          \
	X(small_backlog, limited)                                              \
	X(mptcp_listener, limited)                                             \
	X(answers_stopped, limited)                                            \
	X(address_translation, limited)                                        \
	X(synproxy, limited)                                                   \
	X(conntrack_strict, limited)                                           \
	X(acks_refused, limited)                                               \
	X(cannot_chain, info)                                                  \
	X(no_guard, info)

/* Of an interface. X(id, severity) */
#define INTERFACE_FINDINGS(X)                                                  \
	X(interface_gone, limited)                                             \
	X(guard_not_held, broken)                                              \
	X(guard_outdated, limited)                                             \
	X(guard_silent, limited)                                               \
	X(answers_unsent, broken)                                              \
	X(answers_unheard, broken)                                             \
	X(limits_drop, limited)                                                \
	X(unknown_link, limited)                                               \
	X(listener_on_upper_device, limited)                                   \
	X(foreign_xdp, limited)                                                \
	X(guard_hidden, limited)                                               \
	X(driver_without_native_xdp, limited)                                  \
	X(mtu_needs_frags, limited)                                            \
	X(generic_mode, limited)                                               \
	X(vlans_hidden, limited)                                               \
	X(generic_only, info)                                                  \
	X(observe_only, info)                                                  \
	X(not_guarded, info)

enum finding_id {
#define X(id, severity) FINDING_##id,
	GENERAL_FINDINGS(X)
	INTERFACE_FINDINGS(X)
#undef X
	FINDING_COUNT
};

struct finding {
	enum finding_id id;
	char what[640];
	char advice[1280]; /* a sentence; commands in it stand in backquotes */
};

struct diagnosis {
	struct finding *findings; /* the worst first */
	size_t n;
};

/* -ENOMEM, or 0. Free with doctor_free(). */
int doctor_examine(const struct survey *, struct diagnosis *);
void doctor_free(struct diagnosis *);

enum severity doctor_severity(enum finding_id);
const char *doctor_id(enum finding_id);

/* The worst of all findings; info where there are none. */
enum severity doctor_worst(const struct diagnosis *);

#endif
