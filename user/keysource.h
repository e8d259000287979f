/* SPDX-License-Identifier: GPL-2.0 */
/* The places of keys on a real machine. */
#ifndef TFOGUARD_KEYSOURCE_H
#define TFOGUARD_KEYSOURCE_H

#include "keys.h"

#define KEYRING_FILE "/var/lib/tfoguard/keyring.json"

/* Keeps nothing: follows the kernel. */
extern const struct key_source keysource_kernel;

/* A ring on disk; @path must live as long. */
struct key_source keysource_file(const char *path);

/* The guard and the kernel of this network namespace. */
extern const struct key_plane keysource_plane;

#endif
