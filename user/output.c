// SPDX-License-Identifier: GPL-2.0
#include "output.h"

#include <stdio.h>

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct output *out = state->input;

	(void)arg;
	switch (key) {
	case 'j':
		out->json = true;
		return 0;
	case 'p':
		out->json = true;
		out->pretty = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option options[] = {
	{ "json", 'j', 0, 0, "Print JSON", 10 },
	{ "pretty", 'p', 0, 0, "Print JSON with line breaks", 10 },
	{ 0 }
};

const struct argp output_argp = { .options = options, .parser = parse_option };

void output_json(const struct output *out, json_t *value)
{
	json_dumpf(value, stdout, out->pretty ? JSON_INDENT(2) : JSON_COMPACT);
	putchar('\n');
	json_decref(value);
}

int output_fault(const struct output *out, const struct fault *f)
{
	if (out->json) {
		json_t *error = json_pack(
			"{s:{s:s,s:s,s:s},s:i}", "error", "tried", f->tried,
			"why", f->why, "do", f->advice, "exit", (int)f->exit);

		json_dumpf(error, stderr,
			   out->pretty ? JSON_INDENT(2) : JSON_COMPACT);
		fputc('\n', stderr);
		json_decref(error);
		return f->exit;
	}
	fprintf(stderr, "tfoguard: cannot %s: %s", f->tried, f->why);
	if (f->advice[0])
		fprintf(stderr, "; %s", f->advice);
	fputc('\n', stderr);
	return f->exit;
}

json_t *output_u64(unsigned long long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", value);
	return json_string(text);
}
