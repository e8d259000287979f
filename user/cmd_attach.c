// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "configuration.h"
#include "guard.h"
#include "listmaps.h"
#include "output.h"
#include "ports.h"

struct arguments {
	struct output output;
	struct guard_request request;
	struct port_policy ports[PORT_COUNT];
	const char **port; /* the texts of --port */
	size_t n_ports;
	bool mode_given;
	const char *file;
};

#define OPT_OBSERVE 0x100
#define OPT_PORT 0x101

static const struct argp_option options[] = {
	{ "mode", 'm', "native|skb", 0,
	  "Where the program runs: in the driver (the default), or in the stack, "
	  "for devices whose driver can't",
	  1 },
	{ "config", 'c', "FILE", 0,
	  "Settings from this file: see \"tfoguard check\" and "
	  "tfoguard.yaml.example",
	  1 },
	{ "port", OPT_PORT, "N[,NAME=VALUE]...", 0,
	  "Guard this port, and without -c no other that is not named; "
	  "mode=guard (the default), off, drop or pass; forged=strip (the "
	  "default) or drop; answer=auto (the default), always, never or challenge; "
	  "replay=TIME for which repeated data is cut; early=any (the default), "
	  "tls or http-safe data; may be repeated",
	  1 },
	{ "observe", OPT_OBSERVE, 0, 0, "Count every verdict, touch no packet",
	  1 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	/* Only looked at: what counts are ports beside a configuration's. */
	static struct port_policy ports[PORT_COUNT];
	struct arguments *a = state->input;
	char why[160];

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case 'c':
		a->file = arg;
		return 0;
	case 'm':
		a->mode_given = true;
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
		if (ports_parse(arg, ports, why, sizeof(why)))
			argp_error(state, "--port %s: %s", arg, why);
		a->port[a->n_ports++] = arg;
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

/* What the configuration says of the ports, and --port on top of it. */
static void set_ports(struct arguments *a, const struct config *config)
{
	char why[160];

	if (a->file || !a->n_ports)
		config_ports(config, a->ports);
	for (size_t i = 0; i < a->n_ports; i++)
		ports_parse(a->port[i], a->ports, why, sizeof(why));
}

static void set_mode(struct arguments *a, const struct config *config)
{
	for (size_t i = 0; i < config->n_interfaces && !a->mode_given; i++)
		if (!strcmp(config->interfaces[i].name, a->request.ifname))
			a->request.mode = (enum attach_mode)
				config->interfaces[i].attach_mode;
}

static int set_lists(const struct arguments *a, const struct config *config,
		     const struct lists *lists, struct fault *f)
{
	char why[256];
	int err;

	if (!config->lists.allow.n && !config->lists.block.n)
		return 0;
	err = listmaps_replace(lists, f);
	if (!err)
		return 0;
	snprintf(why, sizeof(why), "%.255s", f->why);
	fault_tried(f, "set the lists");
	return fault_fail(f, EXIT_PARTLY, err, "%s is attached, but %s",
			  a->request.ifname, why);
}

static int read_and_attach(struct arguments *a, struct config *config,
			   struct lists *lists, struct fault *f)
{
	int err = a->file ? config_read(a->file, config, f) :
			    config_defaults(config);

	if (err && !f->exit) {
		fault_tried(f, "attach to %s", a->request.ifname);
		fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err));
	}
	if (err)
		return err;
	/* First all is read: a bad list attaches nothing. */
	err = config_lists(config, lists, f);
	if (err)
		return err;
	set_ports(a, config);
	set_mode(a, config);
	a->request.ports = a->ports;
	/* Other guards obey it too: only who names a file changes it. */
	a->request.tuning = a->file ? &config->tuning : NULL;
	return guard_attach(&a->request, f) ?: set_lists(a, config, lists, f);
}

int cmd_attach(int argc, char **argv)
{
	static struct arguments a;
	struct config config = { 0 };
	struct lists lists = { 0 };
	struct fault f = { 0 };
	int exit = EXIT_DONE;

	a.port = calloc((size_t)argc, sizeof(*a.port));
	if (!a.port)
		return EXIT_FAILED;
	output_parse(&argp, argc, argv, &a);
	if (read_and_attach(&a, &config, &lists, &f))
		exit = output_fault(&a.output, &f);
	lists_free(&lists);
	config_free(&config);
	free(a.port);
	return exit;
}
