// SPDX-License-Identifier: GPL-2.0
#include "output.h"

#include <stdio.h>
#include <string.h>

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
			"{s:{s:o,s:o,s:o},s:i}", "error", "tried",
			output_text(f->tried), "why", output_text(f->why), "do",
			output_text(f->advice), "exit", (int)f->exit);

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

json_t *output_text(const char *text)
{
	char clean[4 * sizeof(((struct fault *)0)->why)];
	size_t at = 0;

	/* jansson tells whether one character's bytes are UTF-8. */
	while (*text && at + 4 < sizeof(clean)) {
		size_t n = 1;
		json_t *one;

		while (n < 4 && (text[n] & 0xc0) == 0x80)
			n++;
		one = json_stringn(text, n);
		if (one) {
			memcpy(clean + at, text, n);
			at += n;
		} else {
			memcpy(clean + at, "\xef\xbf\xbd", 3);
			at += 3;
			n = 1;
		}
		json_decref(one);
		text += n;
	}
	return json_stringn(clean, at);
}
