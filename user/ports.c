// SPDX-License-Identifier: GPL-2.0
#include "ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const mode_names[] = {
#define X(mode, meaning) #mode,
	PORT_MODES(X)
#undef X
};

static const char *const forged_names[] = {
#define X(what, meaning) #what,
	FORGED_POLICIES(X)
#undef X
};

const char *ports_mode_name(unsigned int mode)
{
	return mode < PORT_MODE_COUNT ? mode_names[mode] : "unknown";
}

const char *ports_forged_name(unsigned int forged)
{
	return forged < FORGED_POLICY_COUNT ? forged_names[forged] : "unknown";
}

void ports_guard_all(struct port_policy ports[PORT_COUNT])
{
	for (int i = 0; i < PORT_COUNT; i++)
		ports[i] = (struct port_policy){ .mode = PORT_guard };
}

/* Where @word is in @names from @first on, or -1. */
static int find(const char *word, const char *const names[], int first, int n)
{
	for (int i = first; i < n; i++)
		if (!strcmp(word, names[i]))
			return i;
	return -1;
}

int ports_parse(const char *text, struct port_policy ports[PORT_COUNT],
		char *why, unsigned int why_size)
{
	struct port_policy policy = { .mode = PORT_guard };
	char copy[128], *rest = copy, *word, *end;
	unsigned long port;
	int value;

	if (strlen(text) >= sizeof(copy)) {
		snprintf(why, why_size, "\"%.20s…\" is too long", text);
		return -EINVAL;
	}
	strcpy(copy, text);
	word = strsep(&rest, ",");
	port = strtoul(word, &end, 10);
	if (word[0] < '0' || word[0] > '9' || *end || port < 1 ||
	    port >= PORT_COUNT) {
		snprintf(why, why_size, "\"%s\" is no port from 1 to 65535",
			 word);
		return -EINVAL;
	}
	while ((word = strsep(&rest, ","))) {
		if (!strncmp(word, "mode=", 5)) {
			value = find(word + 5, mode_names, PORT_guard,
				     PORT_MODE_COUNT);
			if (value < 0) {
				snprintf(why, why_size,
					 "\"%s\" is no mode: guard, off, drop "
					 "or pass",
					 word + 5);
				return -EINVAL;
			}
			policy.mode = (__u8)value;
		} else if (!strncmp(word, "forged=", 7)) {
			value = find(word + 7, forged_names, 0,
				     FORGED_POLICY_COUNT);
			if (value < 0) {
				snprintf(why, why_size,
					 "\"%s\" is not strip or drop",
					 word + 7);
				return -EINVAL;
			}
			policy.forged = (__u8)value;
		} else {
			snprintf(why, why_size,
				 "\"%s\" is not mode=… or forged=…", word);
			return -EINVAL;
		}
	}
	ports[port] = policy;
	return 0;
}
