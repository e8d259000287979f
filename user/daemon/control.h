/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How commands and the daemon of a network namespace talk: a Unix socket that
 * only root may use, one message each way: a JSON object, and behind it, after
 * a zero byte, keys where there are any. JSON is read and written in memory
 * that nobody locks or wipes, so keys are no part of it; and both ends run on
 * one machine.
 *
 *   {"do": "release", "interface": "eth0"}    do not guard it any more
 *   {"do": "key", ...}                        see keycall.h
 *   {"exit": 0} | {"error": {"tried", "why", "do"}, "exit": 1}
 */
#ifndef TFOGUARD_CONTROL_H
#define TFOGUARD_CONTROL_H

#include <jansson.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "fault.h"

#define CONTROL_SECRET_MAX 8192

/* In locked memory, and wiped when the message was handled. */
struct control_secret {
	char *data;
	size_t size; /* at most CONTROL_SECRET_MAX */
};

struct control;

/* Answers a request; returns a new object. @secret holds what came with the
 * request, and then what goes with the answer. */
typedef json_t *(*control_handler)(json_t *request,
				   struct control_secret *secret, void *arg);

/* Refused where another daemon runs in this namespace. */
int control_open(struct control **, sd_event *, control_handler, void *arg,
		 struct fault *);
void control_close(struct control *);

/* What a handler answers where it could not do it; of @f, which is filled. */
json_t *control_refuse(const struct fault *f);

/*
 * Asks the daemon, with a request that is released. Returns -ENOENT, and no
 * fault, where none runs; else fills the fault with what it answered. *@answer
 * is the caller's to release, and NULL where there is none; both may be NULL.
 * @secret->data has room for CONTROL_SECRET_MAX bytes.
 */
int control_ask(json_t *request, struct control_secret *secret,
		json_t **answer, struct fault *);

#endif
