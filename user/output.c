// SPDX-License-Identifier: GPL-2.0
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- usage errors ------------------------------------------------------- */

/* What argp and getopt say of usage while it is to be told as JSON. */
static struct {
	FILE *stream, *to; /* NULL where nothing is caught */
	char *text;
	size_t size;
	struct output as;
	const char *command;
} caught;

/* The short options of one word, up to one that takes the rest of it. */
static void read_flags(const struct argp_option *known, const char *flags,
		       struct output *out)
{
	for (; *flags; flags++) {
		for (const struct argp_option *o = known; o && o->key; o++)
			if (o->key == *flags && o->arg)
				return;
		if (*flags == 'j' || *flags == 'p')
			out->json = true;
		if (*flags == 'p')
			out->pretty = true;
	}
}

struct output output_asked(const struct argp_option *known, char **argv)
{
	struct output out = { 0 };

	for (int i = 1; argv[i] && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--json"))
			read_flags(NULL, "j", &out);
		else if (!strcmp(argv[i], "--pretty"))
			read_flags(NULL, "p", &out);
		else if (argv[i][0] == '-' && argv[i][1] != '-')
			read_flags(known, argv[i] + 1, &out);
	}
	return out;
}

static void end_catching(void)
{
	if (!caught.stream)
		return;
	stderr = caught.to;
	fclose(caught.stream);
	caught.stream = NULL;
}

/* Reached with something caught where argp has called exit(). */
static void tell_usage(void)
{
	struct fault f = { .exit = EXIT_USAGE };
	size_t prefix;
	char *why;

	end_catching();
	if (!caught.size)
		return;
	why = caught.text;
	why[strcspn(why, "\n")] = '\0';
	prefix = strlen(caught.command);
	if (!strncmp(why, caught.command, prefix) && why[prefix] == ':')
		why += prefix + 2;
	fault_tried(&f, "read the arguments of \"%s\"", caught.command);
	fault_advise(&f, "see \"%s --help\"", caught.command);
	fault_fail(&f, EXIT_USAGE, EINVAL, "%s", why);
	output_fault(&caught.as, &f);
}

void output_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	caught.as = output_asked(argp->options, argv);
	if (caught.as.json)
		caught.stream = open_memstream(&caught.text, &caught.size);
	if (caught.stream) {
		caught.command = argv[0];
		caught.to = stderr;
		stderr = caught.stream; /* getopt knows no other way */
		atexit(tell_usage);
	}
	argp_parse(argp, argc, argv, 0, NULL, input);
	end_catching();
	free(caught.text);
	caught.text = NULL;
	caught.size = 0;
}

/* ---- what is printed ---------------------------------------------------- */

static int lost; /* errno of the first output that could not be written */

int output_flush(void)
{
	if (fflush(stdout) && !lost)
		lost = errno;
	if (ferror(stdout) && !lost)
		lost = EIO;
	return -lost;
}

static struct output finish_as;

/* Whatever ends the program. */
static void finish(void)
{
	struct fault f = { 0 };

	if (!output_flush())
		return;
	fault_tried(&f, "write the output");
	fault_fail(&f, EXIT_FAILED, lost, "%s", strerror(lost));
	output_fault(&finish_as, &f);
	_exit(EXIT_FAILED);
}

void output_check_at_exit(char **argv)
{
	finish_as = output_asked(NULL, argv);
	atexit(finish);
}

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
	json_t *whole = json_string(text);
	size_t at = 0;

	if (whole && json_string_length(whole) < sizeof(clean) - 4)
		return whole;
	json_decref(whole);
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
