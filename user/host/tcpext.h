/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own counters beside ours: TcpExt of this network namespace. */
#ifndef TFOGUARD_TCPEXT_H
#define TFOGUARD_TCPEXT_H

/*
 * Calls @visit with each counter of Fast Open, of SYN cookies and of full
 * queues. Returns 0 or negative errno.
 */
int tcpext_each(void (*visit)(const char *name, unsigned long long value,
			      void *arg),
		void *arg);

#endif
