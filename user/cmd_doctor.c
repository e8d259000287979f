// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "doctor.h"
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
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.parser = parse_option,
	.args_doc = "[IFACE]",
	.doc = "Tell what keeps Fast Open or the guard from working in this "
	       "network namespace and on an interface, or on all that have a "
	       "guard, and what to do about it. Changes nothing. The exit code "
	       "is 0 where all is well, 4 where something is limited, 1 where "
	       "something is broken.\v"
	       "What \"sysctl -w\" changes lasts until the next boot; "
	       "sysctl.d(5) tells how to keep it.",
	.children = children,
};

static const struct {
	const char *name, *state;
	enum exit_code exit;
} severities[] = {
#define X(severity, state, exit) { #severity, #state, exit },
	SEVERITIES(X)
#undef X
};

static json_t *to_json(const struct diagnosis *d)
{
	json_t *findings = json_array();

	for (size_t i = 0; i < d->n; i++) {
		const struct finding *f = &d->findings[i];

		json_array_append_new(
			findings,
			json_pack("{s:s,s:s,s:s,s:s}", "id", doctor_id(f->id),
				  "severity",
				  severities[doctor_severity(f->id)].name,
				  "what", f->what, "do", f->advice));
	}
	return json_pack("{s:s,s:o}", "state",
			 severities[doctor_worst(d)].state, "findings",
			 findings);
}

static void print_text(const struct diagnosis *d)
{
	puts(severities[doctor_worst(d)].state);
	for (size_t i = 0; i < d->n; i++) {
		const struct finding *f = &d->findings[i];

		printf("%-8s %s (%s)\n",
		       severities[doctor_severity(f->id)].name, f->what,
		       doctor_id(f->id));
		printf("         → %s\n", f->advice);
	}
}

int cmd_doctor(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct diagnosis diagnosis;
	struct fault f = { 0 };
	struct survey survey;
	enum exit_code exit;
	char real[IF_NAMESIZE];
	int err;

	output_parse(&argp, argc, argv, &a);
	fault_tried(&f, "examine %s", a.ifname ?: "this network namespace");
	if (a.ifname)
		a.ifname = ifname_real(a.ifname, real);
	if (survey_read(&survey, a.ifname, &f))
		return output_fault(&a.output, &f);
	err = doctor_examine(&survey, &diagnosis);
	survey_free(&survey);
	if (err) {
		fault_fail(&f, EXIT_FAILED, err, "%s", strerror(-err));
		return output_fault(&a.output, &f);
	}
	if (a.output.json)
		output_json(&a.output, to_json(&diagnosis));
	else
		print_text(&diagnosis);
	exit = severities[doctor_worst(&diagnosis)].exit;
	doctor_free(&diagnosis);
	return exit;
}
