/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Settings as users write them, in the configuration file and on the command
 * line: numbers, choices, durations ("10s", "24h") and shares ("12.5 %").
 */
#ifndef TFOGUARD_VALUE_H
#define TFOGUARD_VALUE_H

#include <linux/types.h>

enum value_kind {
	VALUE_NUMBER,
	VALUE_TIME, /* in seconds */
	VALUE_SHARE, /* of @whole; min and max are in percent */
	VALUE_CHOICE, /* where it is in @names */
};

struct value_form {
	enum value_kind kind;
	__u64 min, max;
	unsigned int whole;
	/* Ends with NULL. An underscore is written as a dash. */
	const char *const *names;
};

#define VALUE_RIGHT_LEN 128 /* of what is right, with the NUL */

/* -EINVAL where @text is not of that form; then *@value is untouched. */
int value_read(const char *text, const struct value_form *, __u64 *value);

/* What would be right, as it follows "not": "a number from 1 to 65535". */
void value_right(const struct value_form *, char right[VALUE_RIGHT_LEN]);

/* An initializer for names, from a list of the form X(name, meaning). */
#define VALUE_NAME(name, meaning) #name,
#define VALUE_NAMES(LIST) ((const char *const[]){ LIST(VALUE_NAME) NULL })

#endif
