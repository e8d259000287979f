/* SPDX-License-Identifier: GPL-2.0 */
/* How every command prints: text or JSON, and faults. */
#ifndef TFOGUARD_OUTPUT_H
#define TFOGUARD_OUTPUT_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

#include "fault.h"

struct output {
	bool json;
	bool pretty;
};

/* -j and -p, as a child parser whose input is a struct output. */
extern const struct argp output_argp;

/* Prints @value and a newline, and releases it. */
void output_json(const struct output *out, json_t *value);

/* Prints the fault on standard error, as JSON where @out says so; returns its
 * exit code. */
int output_fault(const struct output *out, const struct fault *f);

/* Text that users or the kernel chose, as a JSON string: an interface's name
 * need not be UTF-8; what isn't becomes U+FFFD. */
json_t *output_text(const char *text);

#endif
