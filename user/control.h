/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How commands and the daemon of a network namespace talk: a Unix socket that
 * only root may use, one JSON object each way.
 *
 *   {"do": "release", "interface": "eth0"}    do not guard it any more
 *   {"exit": 0} | {"error": {"tried", "why", "do"}, "exit": 1}
 */
#ifndef TFOGUARD_CONTROL_H
#define TFOGUARD_CONTROL_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "fault.h"

struct control;

/* Answers a request; returns a new object. */
typedef json_t *(*control_handler)(json_t *request, void *arg);

/* Refused where another daemon runs in this namespace. */
int control_open(struct control **, sd_event *, control_handler, void *arg,
		 struct fault *);
void control_close(struct control *);

/*
 * Asks the daemon, with a request that is released. Returns -ENOENT, and no
 * fault, where none runs; else fills the fault with what it answered.
 */
int control_ask(json_t *request, struct fault *);

#endif
