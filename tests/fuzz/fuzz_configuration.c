// SPDX-License-Identifier: GPL-2.0
/* The configuration file: taken and sound, or refused in one line. */
#include "configuration.h"
#include "fuzz.h"

static void check_policy(const struct port_policy *policy)
{
	must(ports_mode_name(policy->mode));
	must(policy->forged <= FORGED_drop);
	must(policy->answer <= ANSWER_challenge);
	must(policy->early <= EARLY_http_safe);
	must(policy->over_source <= OVER_drop);
	must(policy->over_prefix <= OVER_drop);
}

static void check_config(const struct config *config)
{
	static struct port_policy ports[PORT_COUNT];

	must(config->tuning.mark_lo < config->tuning.mark_hi);
	must(config->keys.source <= KEY_SOURCE_file);
	must(config->keys.on_foreign_change <= FOREIGN_adopt);
	must(config->logging.format <= LOG_FORMAT_json);
	must(config->logging.level <= LOG_LEVEL_debug);
	for (size_t i = 0; i < config->n_interfaces; i++) {
		must(config->interfaces[i].name[0]);
		must(config->interfaces[i].attach_mode < ATTACH_MODE_COUNT);
	}
	check_policy(&config->all);
	for (size_t i = 0; i < config->n_ports; i++) {
		must(config->ports[i].port && config->ports[i].port < PORT_COUNT);
		check_policy(&config->ports[i].policy);
	}
	config_ports(config, ports);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config empty;
	struct fault f = { 0 };
	struct config config;

	if (config_read(file_of(data, size), &config, &f)) {
		must(f.exit && f.why[0] && f.advice[0]);
		for (const char *c = f.why; *c; c++)
			must((unsigned char)*c >= ' ');
		must(!memcmp(&config, &empty, sizeof(config)));
	} else {
		check_config(&config);
	}
	config_free(&config);
	return 0;
}
