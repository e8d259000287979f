// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <string.h>

#include "cmd.h"
#include "guard.h"
#include "output.h"
#include "ports.h"

struct arguments {
	struct output output;
	struct guard_request request;
	struct port_policy ports[PORT_COUNT];
	bool some_ports;
};

#define OPT_OBSERVE 0x100
#define OPT_PORT 0x101

static const struct argp_option options[] = {
	{ "mode", 'm', "native|skb", 0,
	  "Where the program runs: in the driver (the default), or in the stack, "
	  "for devices whose driver can't",
	  1 },
	{ "port", OPT_PORT, "N[,mode=MODE][,forged=WHAT]", 0,
	  "Guard this port, and no other that is not named; MODE is guard (the "
	  "default), off, drop or pass, WHAT is strip (the default) or drop; may "
	  "be repeated",
	  1 },
	{ "observe", OPT_OBSERVE, 0, 0, "Count every verdict, touch no packet",
	  1 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	char why[128];

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case 'm':
		if (!strcmp(arg, "native"))
			a->request.mode = ATTACH_native;
		else if (!strcmp(arg, "skb"))
			a->request.mode = ATTACH_skb;
		else
			argp_error(state, "\"%s\" is not native or skb", arg);
		return 0;
	case OPT_OBSERVE:
		a->request.observe = true;
		return 0;
	case OPT_PORT:
		if (!a->some_ports)
			memset(a->ports, 0, sizeof(a->ports));
		a->some_ports = true;
		if (ports_parse(arg, a->ports, why, sizeof(why)))
			argp_error(state, "--port %s: %s", arg, why);
		return 0;
	case ARGP_KEY_ARG:
		if (a->request.ifname)
			argp_error(state, "one interface at a time");
		a->request.ifname = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->request.ifname)
			argp_error(state, "which interface?");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "IFACE",
	.doc = "Guard TCP Fast Open on an interface. With no --port every port "
	       "is guarded. Over an attached guard this exchanges the program "
	       "and its settings; no packet passes unguarded, counters stay.",
	.children = children,
};

int cmd_attach(int argc, char **argv)
{
	static struct arguments a;
	struct fault f = { 0 };

	ports_guard_all(a.ports);
	a.request.ports = a.ports;
	output_parse(&argp, argc, argv, &a);
	if (guard_attach(&a.request, &f))
		return output_fault(&a.output, &f);
	return EXIT_DONE;
}
