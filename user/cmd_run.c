// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <net/if.h>
#include <string.h>

#include "cmd.h"
#include "daemon.h"
#include "output.h"

struct arguments {
	struct output output;
	struct run_options options;
};

#define OPT_DETACH 0x100
#define OPT_LOG 0x101
#define OPT_LISTEN 0x102
#define OPT_WEB_CONFIG 0x103
#define OPT_PATH 0x104

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0,
	  "Settings from this file; SIGHUP reads it again: see \"tfoguard "
	  "check\" and tfoguard.yaml.example",
	  1 },
	{ "interface", 'i', "IFACE", 0,
	  "Keep this interface guarded; may be repeated. Without it, those of "
	  "the configuration, or without one each that is attached",
	  1 },
	{ "detach-on-exit", OPT_DETACH, 0, 0,
	  "Take the guards off when it ends; else they go on without it", 1 },
	{ "log-format", OPT_LOG, "text|json", 0, "How to log, on standard error",
	  1 },
	{ "web.listen-address", OPT_LISTEN, "HOST:PORT", 0,
	  "Where to export metrics, instead of what the configuration says "
	  "(127.0.0.1:9435); may be repeated",
	  2 },
	{ "web.config.file", OPT_WEB_CONFIG, "FILE", 0,
	  "TLS and passwords, in the format of Prometheus' exporter-toolkit",
	  2 },
	{ "web.telemetry-path", OPT_PATH, "PATH", 0,
	  "Where the metrics are, " EXPORTER_PATH " where it is not given", 2 },
	{ 0 }
};

static void add_interface(struct arguments *a, const char *name,
			  struct argp_state *state)
{
	if (!*name || strlen(name) >= IF_NAMESIZE)
		argp_error(state, "\"%s\" is no name of an interface", name);
	if (a->options.n_interfaces == RUN_INTERFACES_MAX)
		argp_error(state, "at most %d interfaces",
			   RUN_INTERFACES_MAX);
	a->options.interfaces[a->options.n_interfaces++] = name;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	struct exporter_config *exporter = &a->options.exporter;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case 'c':
		a->options.file = arg;
		return 0;
	case 'i':
		add_interface(a, arg, state);
		return 0;
	case OPT_DETACH:
		a->options.detach_on_exit = true;
		return 0;
	case OPT_LOG:
		if (strcmp(arg, "text") && strcmp(arg, "json"))
			argp_error(state, "\"%s\" is not text or json", arg);
		a->options.log_format_given = true;
		a->options.log_format = strcmp(arg, "json") ?
						LOG_FORMAT_text :
						LOG_FORMAT_json;
		return 0;
	case OPT_LISTEN:
		if (exporter->n_addresses == EXPORTER_ADDRESSES_MAX)
			argp_error(state, "at most %d addresses",
				   EXPORTER_ADDRESSES_MAX);
		exporter->addresses[exporter->n_addresses++] = arg;
		return 0;
	case OPT_WEB_CONFIG:
		exporter->web_config = arg;
		return 0;
	case OPT_PATH:
		if (arg[0] != '/' || !arg[1] || strpbrk(arg, "\"<>&?# ") ||
		    !strcmp(arg, "/healthz") || !strcmp(arg, "/readyz"))
			argp_error(state, "\"%s\" is no path for metrics", arg);
		exporter->path = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.doc = "Keep interfaces guarded, follow the kernel's keys, and export "
	       "metrics, in the foreground. SIGHUP reads the configurations anew. "
	       "When it ends the guards go on.",
	.children = children,
};

int cmd_run(int argc, char **argv)
{
	static struct arguments a;
	struct fault f = { 0 };

	a.options.exporter.path = EXPORTER_PATH;
	output_parse(&argp, argc, argv, &a);
	if (daemon_run(&a.options, &f))
		return output_fault(&a.output, &f);
	return EXIT_DONE;
}
