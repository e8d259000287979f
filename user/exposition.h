/* SPDX-License-Identifier: GPL-2.0 */
/* Samples as text: Prometheus' format 0.0.4, or JSON. */
#ifndef TFOGUARD_EXPOSITION_H
#define TFOGUARD_EXPOSITION_H

#include <jansson.h>

#include "metrics.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Free with free(); NULL where there is no memory. */
char *exposition_text(const struct samples *, size_t *size);

/* Every metric of the table, also one without samples:
 * {"name": {"type", "help", "samples": [{"labels": {}, "value"}]}} */
json_t *exposition_json(const struct samples *);

#endif
