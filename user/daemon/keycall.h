/* SPDX-License-Identifier: GPL-2.0 */
/*
 * key_do() by the daemon, on behalf of a command: both ends of the call, by
 * control.h.
 *
 *   {"do": "key", "action": "rotate", "emergency": false, "overlap": 3600,
 *    "ring": null}
 *   {"exit": 0, "source": "file", "attached": true}
 *   {"exit": 0, "direct": true}    a ring that is none of the daemon's
 *
 * "overlap" is null where it was not given, "ring" where no file was named.
 * Behind the request goes the given ring, behind the answer all that key_do()
 * tells.
 */
#ifndef TFOGUARD_KEYCALL_H
#define TFOGUARD_KEYCALL_H

#include "control.h"
#include "keys.h"

/*
 * -ENOENT, and no fault, where the command is to do it itself: no daemon runs
 * in this namespace, or it follows the kernel and @ring (or NULL) is a file of
 * the command's. A daemon does not wait either: it retires what is due.
 */
int keycall_ask(const struct key_request *, const char *ring,
		struct key_result *, struct fault *);

/* The daemon's answer, with the ring that it keeps (or NULL). *@action is what
 * was asked for; KEY_ACTION_COUNT: nothing that it did. */
json_t *keycall_serve(struct keys *, const char *ring, json_t *request,
		      struct control_secret *, enum key_action *action);

const char *key_action_name(unsigned int action);

#endif
