// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <errno.h>

#include "cmd.h"
#include "control.h"
#include "guard.h"
#include "ifname.h"
#include "output.h"

struct arguments {
	struct output output;
	const char *ifname;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case ARGP_KEY_ARG:
		if (a->ifname)
			argp_error(state, "one interface at a time");
		a->ifname = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->ifname)
			argp_error(state, "which interface?");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.parser = parse_option,
	.args_doc = "IFACE",
	.doc = "Take the guard off an interface, and leave it as it was before.",
	.children = children,
};

/* A daemon would attach it again. */
static int release(const char *ifname, struct fault *f)
{
	char real[IF_NAMESIZE];
	int err;

	fault_tried(f, "tell the daemon to release %s", ifname);
	err = control_ask(json_pack("{s:s,s:o}", "do", "release", "interface",
				    output_text(ifname_real(ifname, real))),
			  NULL, NULL, f);
	return err == -ENOENT ? 0 : err;
}

int cmd_detach(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct fault f = { 0 };

	output_parse(&argp, argc, argv, &a);
	if (release(a.ifname, &f) || guard_detach(a.ifname, &f))
		return output_fault(&a.output, &f);
	return EXIT_DONE;
}
