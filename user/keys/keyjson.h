/* SPDX-License-Identifier: GPL-2.0 */
/* What key_do() tells, as JSON. */
#ifndef TFOGUARD_KEYJSON_H
#define TFOGUARD_KEYJSON_H

#include <jansson.h>

#include "keys.h"

/* By fingerprint; whole where @reveal says so, in memory that is not locked. */
json_t *keyjson_show(const struct key_result *, bool reveal);

/* Oldest first. */
json_t *keyjson_history(const struct key_result *);

/* Whether guard and kernel do what the ring says. */
bool keyjson_in_step(const struct key_result *);

#endif
