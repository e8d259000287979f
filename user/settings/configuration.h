/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The configuration file: YAML, of which what is not understood is refused by
 * file, line and column. user/settings/schema.h lists the settings.
 */
#ifndef TFOGUARD_CONFIGURATION_H
#define TFOGUARD_CONFIGURATION_H

#include <stddef.h>

#include "config.h"
#include "fault.h"
#include "lists.h"
#include "ports.h"

#define CONFIG_FILE "/etc/tfoguard/tfoguard.yaml"

/* X(source, meaning) */
#define KEY_SOURCES(X)                                                         \
	X(kernel, "net.ipv4.tcp_fastopen_key, whoever changes it")             \
	X(file, "a ring on disk, rotated by the daemon")

enum config_key_source {
#define X(source, meaning) KEY_SOURCE_##source,
	KEY_SOURCES(X)
#undef X
};

/* X(what, meaning) */
#define FOREIGN_CHANGES(X)                                                     \
	X(repair, "our key is put back")                                       \
	X(adopt, "the other key becomes ours")

enum foreign_change {
#define X(what, meaning) FOREIGN_##what,
	FOREIGN_CHANGES(X)
#undef X
};

/* X(format, meaning) */
#define LOG_FORMATS(X)                                                         \
	X(text, "lines of text")                                               \
	X(json, "an object on each line")

enum log_format {
#define X(format, meaning) LOG_FORMAT_##format,
	LOG_FORMATS(X)
#undef X
};

/* X(level, meaning) */
#define LOG_LEVELS(X)                                                          \
	X(error, "what keeps the guard from working")                          \
	X(warning, "what needs attention")                                     \
	X(info, "what changed")                                                \
	X(debug, "all")

enum log_level {
#define X(level, meaning) LOG_LEVEL_##level,
	LOG_LEVELS(X)
#undef X
};

struct texts {
	char **text;
	size_t n;
};

struct config_interface {
	char *name;
	__u32 attach_mode; /* enum attach_mode */
};

struct config_port {
	__u32 port;
	struct port_policy policy;
};

struct config {
	struct config_interface *interfaces;
	size_t n_interfaces;
	struct port_policy all; /* of each port that is not in @ports */
	struct config_port *ports;
	size_t n_ports;
	struct tuning tuning;
	struct {
		struct texts allow, block; /* paths */
	} lists;
	struct {
		__u32 source; /* enum config_key_source */
		__u32 rotate_every; /* seconds; 0: never */
		__u32 overlap; /* seconds */
		__u32 jitter; /* percent */
		__u32 on_foreign_change; /* enum foreign_change */
	} keys;
	struct {
		struct texts listen; /* ADDRESS:PORT, [ADDRESS]:PORT */
		char *web_config; /* a path; NULL: none */
	} exporter;
	struct {
		__u32 format; /* enum log_format */
		__u32 level; /* enum log_level */
	} logging;
};

/* -ENOMEM is all that can go wrong. */
int config_defaults(struct config *);

/*
 * The defaults, and what the file says instead. The file is not trusted. On
 * failure @config is empty; config_free() is right in any case.
 */
int config_read(const char *path, struct config *, struct fault *);
void config_free(struct config *);

/* What the files of its lists say, settled. */
int config_lists(const struct config *, struct lists *, struct fault *);

/* The policy of every port. */
void config_ports(const struct config *, struct port_policy ports[PORT_COUNT]);

#endif
