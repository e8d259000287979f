// SPDX-License-Identifier: GPL-2.0
#include <argp.h>

#include "cmd.h"
#include "configuration.h"
#include "output.h"

struct arguments {
	struct output output;
	const char *file;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "The file; else " CONFIG_FILE, 1 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case 'c':
		a->file = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.doc = "Read a configuration and the lists that it names, and say what "
	       "is wrong: where, and what would be right. Nothing is changed.",
	.children = children,
};

int cmd_check(int argc, char **argv)
{
	struct arguments a = { .file = CONFIG_FILE };
	struct lists lists;
	struct config config;
	struct fault f = { 0 };

	output_parse(&argp, argc, argv, &a);
	if (config_read(a.file, &config, &f))
		return output_fault(&a.output, &f);
	if (config_lists(&config, &lists, &f)) {
		config_free(&config);
		return output_fault(&a.output, &f);
	}
	if (a.output.json)
		output_json(&a.output,
			    json_pack("{s:o,s:i,s:i,s:I}", "file",
				      output_text(a.file), "interfaces",
				      (int)config.n_interfaces, "ports",
				      (int)config.n_ports, "prefixes",
				      (json_int_t)lists.n));
	lists_free(&lists);
	config_free(&config);
	return EXIT_DONE;
}
