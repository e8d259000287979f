// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "exposition.h"
#include "metrics.h"
#include "output.h"

struct arguments {
	struct output output;
	const char *textfile;
};

#define OPT_TEXTFILE 0x100

static const struct argp_option options[] = {
	{ "textfile", OPT_TEXTFILE, "FILE", 0,
	  "Write to this file in one step, for node_exporter's textfile "
	  "collector",
	  1 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case OPT_TEXTFILE:
		a->textfile = arg;
		return 0;
	case ARGP_KEY_END:
		if (a->textfile && a->output.json)
			argp_error(state, "--textfile is not for JSON");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.doc = "Print the metrics of this network namespace as Prometheus reads "
	       "them; \"tfoguard run\" exports the same, and its own.",
	.children = children,
};

/* The reader sees the old file or the new one. */
static int write_file(const char *path, const char *text, size_t size,
		      struct fault *f)
{
	char *fresh = NULL;
	FILE *to = NULL;
	int err, fd;

	/* Not *.prom: the collector would read it half-written. */
	if (asprintf(&fresh, "%s.XXXXXX", path) < 0)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd >= 0)
		to = fdopen(fd, "w");
	if (to && fwrite(text, 1, size, to) == size && fflush(to) == 0 &&
	    fchmod(fd, 0644) == 0 && rename(fresh, path) == 0) {
		fclose(to);
		free(fresh);
		return 0;
	}
	err = errno;
	if (fd >= 0)
		unlink(fresh);
	if (to)
		fclose(to);
	free(fresh);
	return fault_fail(f, EXIT_FAILED, err, "%s", strerror(err));
}

static int print(const struct arguments *a, const struct samples *samples,
		 struct fault *f)
{
	size_t size;
	char *text;
	int err = 0;

	if (a->output.json) {
		output_json(&a->output, exposition_json(samples));
		return 0;
	}
	text = exposition_text(samples, &size);
	if (!text)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
	if (a->textfile) {
		fault_tried(f, "write the metrics to %s", a->textfile);
		err = write_file(a->textfile, text, size, f);
	} else {
		fwrite(text, 1, size, stdout);
	}
	free(text);
	return err;
}

int cmd_metrics(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct samples samples;
	struct fault f = { 0 };
	int err;

	output_parse(&argp, argc, argv, &a);
	err = metrics_collect(&samples, NULL, &f) ?: print(&a, &samples, &f);
	samples_free(&samples);
	return err ? output_fault(&a.output, &f) : EXIT_DONE;
}
