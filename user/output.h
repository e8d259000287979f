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

/* What @argv asks for, of which parsing may break off before it gets there.
 * Short options that take an argument are those of @known. */
struct output output_asked(const struct argp_option *known, char **argv);

/* argp_parse() of all of @argv; errors are told as JSON where that is asked
 * for, and end the program in any case. */
void output_parse(const struct argp *, int argc, char **argv, void *input);

/* Writes out what was printed; negative errno where any of it was lost. */
int output_flush(void);

/* From now on the program ends with an error where output was lost. */
void output_check_at_exit(char **argv);

/* Prints @value and a newline, and releases it. */
void output_json(const struct output *out, json_t *value);

/* Prints the fault on standard error, as JSON where @out says so; returns its
 * exit code. */
int output_fault(const struct output *out, const struct fault *f);

/* Text that users or the kernel chose, as a JSON string: an interface's name
 * need not be UTF-8; what isn't becomes U+FFFD. */
json_t *output_text(const char *text);

#endif
