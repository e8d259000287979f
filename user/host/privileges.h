/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a process that runs for years may do: the few capabilities that attaching
 * takes are effective only around the calls that need them, so not while it
 * reads what others sent.
 */
#ifndef TFOGUARD_PRIVILEGES_H
#define TFOGUARD_PRIVILEGES_H

/*
 * From here on: no other capability, none effective, none gained by execve, no
 * core dump. Also where there were none. Returns 0 or negative errno.
 */
int privileges_shed(void);

/* Effective in between; calls may nest. Without privileges_shed() nothing
 * changes. */
void privileges_raise(void);
void privileges_lower(void);

#endif
