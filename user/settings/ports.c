// SPDX-License-Identifier: GPL-2.0
#include "ports.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "value.h"

#define NAME(name, meaning) #name,
#define NAMES(function, list, count)                                           \
	const char *function(unsigned int i)                                   \
	{                                                                      \
		static const char *const names[] = { list(NAME) };             \
		return i < (count) ? names[i] : "unknown";                     \
	}
NAMES(ports_mode_name, PORT_MODES, PORT_MODE_COUNT)
NAMES(ports_forged_name, FORGED_POLICIES, FORGED_POLICY_COUNT)
NAMES(ports_answer_name, ANSWER_POLICIES, ANSWER_POLICY_COUNT)
NAMES(ports_over_name, OVER_POLICIES, OVER_POLICY_COUNT)
static NAMES(early_name, EARLY_POLICIES, EARLY_POLICY_COUNT)

const char *ports_early_name(unsigned int early)
{
	/* C has no such name. */
	return early == EARLY_http_safe ? "http-safe" : early_name(early);
}

void ports_guard_all(struct port_policy ports[PORT_COUNT])
{
	for (int i = 0; i < PORT_COUNT; i++)
		ports[i] = (struct port_policy){ .mode = PORT_guard };
}

/* What may follow the port's number, as NAME=VALUE. */
static const struct option {
	const char *name;
	struct value_form form;
	size_t offset, size; /* in struct port_policy */
} options[] = {
#define CHOICE(name, field, LIST, from)                                        \
	{ name "=",                                                            \
	  { VALUE_CHOICE, .min = from, .names = VALUE_NAMES(LIST) },           \
	  offsetof(struct port_policy, field),                                 \
	  sizeof(__u8) }
	CHOICE("mode", mode, PORT_MODES, PORT_guard),
	CHOICE("forged", forged, FORGED_POLICIES, 0),
	CHOICE("answer", answer, ANSWER_POLICIES, 0),
	CHOICE("early", early, EARLY_POLICIES, 0),
	{ "replay=",
	  { VALUE_TIME, .max = 3600 },
	  offsetof(struct port_policy, replay),
	  sizeof(__u16) },
#undef CHOICE
};

#define N_OPTIONS (sizeof(options) / sizeof(*options))

static int parse_option(const char *word, struct port_policy *policy, char *why,
			unsigned int why_size)
{
	char right[VALUE_RIGHT_LEN];
	const struct option *o = options;
	__u64 value;
	size_t n;

	while (o < options + N_OPTIONS &&
	       strncmp(word, o->name, strlen(o->name)))
		o++;
	if (o == options + N_OPTIONS) {
		snprintf(why, why_size,
			 "\"%.20s\" is not mode=…, forged=…, answer=…, replay=… "
			 "or early=…",
			 word);
		return -EINVAL;
	}
	n = strlen(o->name);
	if (value_read(word + n, &o->form, &value)) {
		value_right(&o->form, right);
		snprintf(why, why_size, "%.*s \"%.20s\" is not %s", (int)n - 1,
			 o->name, word + n, right);
		return -EINVAL;
	}
	if (o->size == sizeof(__u8))
		*(__u8 *)((char *)policy + o->offset) = (__u8)value;
	else
		*(__u16 *)((char *)policy + o->offset) = (__u16)value;
	return 0;
}

int ports_parse(const char *text, struct port_policy ports[PORT_COUNT],
		char *why, unsigned int why_size)
{
	const struct value_form number = { VALUE_NUMBER, .min = 1,
					   .max = PORT_COUNT - 1 };
	char copy[128], *rest = copy, *word;
	struct port_policy policy;
	__u64 port;
	int err = 0;

	if (strlen(text) >= sizeof(copy)) {
		snprintf(why, why_size, "\"%.20s…\" is too long", text);
		return -EINVAL;
	}
	strcpy(copy, text);
	word = strsep(&rest, ",");
	if (value_read(word, &number, &port)) {
		snprintf(why, why_size, "\"%s\" is no port from 1 to 65535",
			 word);
		return -EINVAL;
	}
	policy = ports[port];
	if (policy.mode == PORT_unguarded)
		policy.mode = PORT_guard;
	while (!err && (word = strsep(&rest, ",")))
		err = parse_option(word, &policy, why, why_size);
	if (!err)
		ports[port] = policy;
	return err;
}
