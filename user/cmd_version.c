// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "cmd.h"
#include "guard.h"
#include "output.h"
#include "program.h"
#include "version.h"

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = state->input;
		return 0;
	}
	if (key == ARGP_KEY_ARG)
		argp_usage(state);
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.parser = parse_option,
	.doc = "Print the versions of this program and what it runs on.",
	.children = children,
};

int cmd_version(int argc, char **argv)
{
	struct output out = { 0 };
	struct utsname kernel;

	output_parse(&argp, argc, argv, &out);
	uname(&kernel);
	if (out.json)
		output_json(&out, json_pack("{s:s,s:i,s:s,s:s}", "version",
					    VERSION, "layout", GUARD_LAYOUT,
					    "libbpf", program_libbpf_version(),
					    "kernel", kernel.release));
	else
		printf("tfoguard %s (pins layout %d), libbpf %s, Linux %s\n",
		       VERSION, GUARD_LAYOUT, program_libbpf_version(),
		       kernel.release);
	return EXIT_DONE;
}
