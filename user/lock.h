/* SPDX-License-Identifier: GPL-2.0 */
/* One process at a time changes guards and keys. */
#ifndef TFOGUARD_LOCK_H
#define TFOGUARD_LOCK_H

#include "fault.h"

#define RUN_FOLDER "/run/tfoguard"
#define LOCK_FILE RUN_FOLDER "/lock"

/* Held until the returned descriptor is closed. A second one waits, and gives
 * up after ten seconds. */
int lock_take(struct fault *);

#endif
