/* SPDX-License-Identifier: GPL-2.0 */
/* Which ports are guarded, and how: the text of --port, and back. */
#ifndef TFOGUARD_PORTS_H
#define TFOGUARD_PORTS_H

#include "config.h"

#define PORT_COUNT 65536

/* Sets every port to guard, forged=strip. */
void ports_guard_all(struct port_policy ports[PORT_COUNT]);

/*
 * Reads "N[,mode=guard|off|drop|pass][,forged=strip|drop]
 * [,answer=auto|always|never|challenge][,replay=TIME][,early=any|tls|http-safe]" and sets
 * that for the port; what it does not name stays, but the port is guarded.
 * Returns -EINVAL with @why naming the word that is wrong; then nothing is set.
 */
int ports_parse(const char *text, struct port_policy ports[PORT_COUNT],
		char *why, unsigned int why_size);

const char *ports_mode_name(unsigned int mode);
const char *ports_forged_name(unsigned int forged);
const char *ports_answer_name(unsigned int answer);
const char *ports_early_name(unsigned int early);
const char *ports_over_name(unsigned int over);

#endif
