// SPDX-License-Identifier: GPL-2.0
#include "runplan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int add_ward(struct runplan *plan, const char *name,
		    enum attach_mode mode, struct fault *f)
{
	struct ward_plan *ward = &plan->wards[plan->n_wards];

	if (plan->n_wards == RUN_INTERFACES_MAX)
		return fault_fail(f, EXIT_FAILED, E2BIG,
				  "it names more than %d interfaces",
				  RUN_INTERFACES_MAX);
	snprintf(ward->name, sizeof(ward->name), "%s", name);
	ward->mode = mode;
	plan->n_wards++;
	return 0;
}

/* How the configuration wants it attached. */
static enum attach_mode mode_of(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (!strcmp(config->interfaces[i].name, name))
			return (enum attach_mode)config->interfaces[i]
				.attach_mode;
	return ATTACH_native;
}

static int plan_wards(const struct run_options *options, struct runplan *plan,
		      struct fault *f)
{
	const struct config *config = &plan->config;
	int err = 0;

	for (size_t i = 0; !err && i < options->n_interfaces; i++)
		err = add_ward(plan, options->interfaces[i],
			       mode_of(config, options->interfaces[i]), f);
	for (size_t i = 0;
	     !err && !options->n_interfaces && i < config->n_interfaces; i++)
		err = add_ward(plan, config->interfaces[i].name,
			       (enum attach_mode)config->interfaces[i]
				       .attach_mode,
			       f);
	if (!err && options->file && !plan->n_wards) {
		fault_advise(f, "name them there, under \"interfaces\", or by "
				"-i");
		err = fault_fail(f, EXIT_FAILED, EINVAL,
				 "%s names no interface to guard",
				 options->file);
	}
	return err;
}

static int plan_exporter(const struct run_options *options,
			 struct runplan *plan, struct fault *f)
{
	const struct texts *listen = &plan->config.exporter.listen;
	struct exporter_config *exporter = &plan->exporter;

	*exporter = options->exporter;
	if (!exporter->web_config && plan->config.exporter.web_config &&
	    plan->config.exporter.web_config[0])
		exporter->web_config = plan->config.exporter.web_config;
	if (exporter->n_addresses)
		return 0;
	if (listen->n > EXPORTER_ADDRESSES_MAX)
		return fault_fail(f, EXIT_FAILED, E2BIG,
				  "exporter.listen has more than %d addresses",
				  EXPORTER_ADDRESSES_MAX);
	for (size_t i = 0; i < listen->n; i++)
		exporter->addresses[i] = listen->text[i];
	exporter->n_addresses = listen->n;
	return 0;
}

int runplan_read(const struct run_options *options, struct runplan *plan,
		 struct fault *f)
{
	int err;

	memset(plan, 0, sizeof(*plan));
	fault_tried(f, "run");
	err = options->file ? config_read(options->file, &plan->config, f) :
			      config_defaults(&plan->config);
	if (!err)
		err = config_lists(&plan->config, &plan->lists, f);
	if (!err)
		err = plan_wards(options, plan, f) ?:
		      plan_exporter(options, plan, f);
	plan->log_format = options->log_format_given ?
				   options->log_format :
				   (enum log_format)plan->config.logging.format;
	if (err) {
		if (!f->exit)
			fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err));
		runplan_free(plan);
	}
	return err;
}

void runplan_free(struct runplan *plan)
{
	lists_free(&plan->lists);
	config_free(&plan->config);
	memset(plan, 0, sizeof(*plan));
}
