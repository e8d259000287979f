/* SPDX-License-Identifier: GPL-2.0 */
/* Changes of this namespace's links, addresses and filters, as rtnetlink tells
 * them. */
#ifndef TFOGUARD_NETWATCH_H
#define TFOGUARD_NETWATCH_H

/* A descriptor that becomes readable when something changed; close() it.
 * Negative errno where there is none. */
int netwatch_open(void);

/* Takes in all that is there to be read. What changed is not told: messages may
 * be lost, and who looks at all there is needs none. */
void netwatch_drain(int fd);

#endif
