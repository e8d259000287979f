// SPDX-License-Identifier: GPL-2.0
#include "value.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
	char letter;
	__u64 seconds;
} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

#define N_UNITS (sizeof(units) / sizeof(*units))

/* Decimal, without sign, and without the leading zero that other programs read
 * as octal. Returns what follows it, or NULL. */
static const char *read_digits(const char *text, __u64 *value)
{
	const char *start = text;

	*value = 0;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (text - start == 18)
			return NULL;
		*value = *value * 10 + (__u64)(*text - '0');
	}
	if (text == start || (*start == '0' && text - start > 1))
		return NULL;
	return text;
}

static int read_number(const char *text, __u64 *value)
{
	text = read_digits(text, value);
	return text && !*text ? 0 : -EINVAL;
}

static int read_time(const char *text, __u64 *value)
{
	text = read_digits(text, value);
	if (!text)
		return -EINVAL;
	if (!*text && !*value)
		return 0;
	for (size_t i = 0; i < N_UNITS; i++) {
		if (text[0] != units[i].letter || text[1])
			continue;
		return __builtin_mul_overflow(*value, units[i].seconds, value) ?
			       -EINVAL :
			       0;
	}
	return -EINVAL;
}

/* In thousandths of a percent. */
static int read_percent(const char *text, __u64 *value)
{
	__u64 unit = 1000;

	text = read_digits(text, value);
	if (!text || *value > 1000000)
		return -EINVAL;
	*value *= unit;
	if (*text == '.') {
		if (text[1] < '0' || text[1] > '9')
			return -EINVAL;
		for (text++; *text >= '0' && *text <= '9'; text++) {
			unit /= 10;
			*value += unit * (__u64)(*text - '0');
		}
	}
	if (*text == ' ')
		text++;
	return strcmp(text, "%") ? -EINVAL : 0;
}

static bool is_name(const char *text, const char *name)
{
	for (; *name; name++, text++)
		if (*text != (*name == '_' ? '-' : *name))
			return false;
	return !*text;
}

static int read_choice(const char *text, const char *const *names,
		       __u64 *value)
{
	for (*value = 0; names[*value]; ++*value)
		if (is_name(text, names[*value]))
			return 0;
	return -EINVAL;
}

int value_read(const char *text, const struct value_form *form, __u64 *value)
{
	__u64 read, min = form->min, max = form->max;
	int err = -EINVAL;

	switch (form->kind) {
	case VALUE_NUMBER:
		err = read_number(text, &read);
		break;
	case VALUE_TIME:
		err = read_time(text, &read);
		break;
	case VALUE_SHARE:
		err = read_percent(text, &read);
		min *= 1000;
		max *= 1000;
		break;
	case VALUE_CHOICE:
		err = read_choice(text, form->names, &read);
		min = form->min;
		max = ~0ULL;
		break;
	}
	if (err || read < min || read > max)
		return -EINVAL;
	if (form->kind == VALUE_SHARE)
		read = (read * form->whole + 50000) / 100000;
	*value = read;
	return 0;
}

static void print_time(__u64 seconds, char text[24])
{
	size_t i = 0;

	while (i < N_UNITS - 1 && (!seconds || seconds % units[i].seconds))
		i++;
	snprintf(text, 24, "%llu%c",
		 (unsigned long long)(seconds / units[i].seconds),
		 units[i].letter);
}

static void print_choices(const struct value_form *form,
			  char text[VALUE_RIGHT_LEN])
{
	const char *const *name = &form->names[form->min];
	size_t at = 0;

	for (; *name && at < VALUE_RIGHT_LEN; name++)
		at += (size_t)snprintf(text + at, VALUE_RIGHT_LEN - at, "%s%s",
				       name == &form->names[form->min] ? "" :
				       name[1]			       ? ", " :
									 " or ",
				       *name);
	for (; *text; text++)
		if (*text == '_')
			*text = '-';
}

void value_right(const struct value_form *form, char right[VALUE_RIGHT_LEN])
{
	unsigned long long min = form->min, max = form->max;
	char shortest[24], longest[24];

	switch (form->kind) {
	case VALUE_NUMBER:
		snprintf(right, VALUE_RIGHT_LEN, "a number from %llu to %llu",
			 min, max);
		break;
	case VALUE_TIME:
		print_time(min, shortest);
		print_time(max, longest);
		snprintf(right, VALUE_RIGHT_LEN,
			 "a time from %s to %s, such as 30s, 10m or 24h",
			 shortest, longest);
		break;
	case VALUE_SHARE:
		snprintf(right, VALUE_RIGHT_LEN,
			 "a share from %llu %% to %llu %%, such as 12.5 %%",
			 min, max);
		break;
	case VALUE_CHOICE:
		print_choices(form, right);
		break;
	}
}
