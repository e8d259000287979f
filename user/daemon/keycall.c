// SPDX-License-Identifier: GPL-2.0
#include "keycall.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keysource.h"

_Static_assert(sizeof(struct key_result) <= CONTROL_SECRET_MAX,
	       "fits behind an answer");

static const char *const names[] = {
#define X(action, arguments, meaning) #action,
	KEY_ACTIONS(X)
#undef X
};

const char *key_action_name(unsigned int action)
{
	return action < KEY_ACTION_COUNT ? names[action] : "unknown";
}

/* ---- the command's end ---------------------------------------------------- */

static json_t *request_json(const struct key_request *request, const char *ring)
{
	char path[PATH_MAX];

	return json_pack("{s:s,s:s,s:b,s:o,s:s?}", "do", "key", "action",
			 key_action_name(request->action), "emergency",
			 request->emergency, "overlap",
			 request->overlap_given ?
				 json_integer(request->overlap) :
				 json_null(),
			 "ring",
			 ring && realpath(ring, path) ? path : ring);
}

static int read_answer(json_t *answer, const struct control_secret *secret,
		       struct key_result *result, struct fault *f)
{
	const char *source = "";
	int direct = 0;

	json_unpack(answer, "{s?b,s?s}", "direct", &direct, "source", &source);
	if (direct)
		return -ENOENT;
	if (secret->size != sizeof(*result)) {
		fault_advise(f, "use the same version of both");
		return fault_fail(f, EXIT_FAILED, EPROTO,
				  "the daemon's answer makes no sense");
	}
	memcpy(result, secret->data, sizeof(*result));
	result->source = strcmp(source, "file") ? "kernel" : "file";
	return 0;
}

int keycall_ask(const struct key_request *request, const char *ring,
		struct key_result *result, struct fault *f)
{
	struct control_secret secret = {
		.data = sodium_malloc(CONTROL_SECRET_MAX),
		.size = sizeof(request->given),
	};
	json_t *answer = NULL;
	int err;

	if (!secret.data)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "no memory");
	memcpy(secret.data, &request->given, secret.size);
	err = control_ask(request_json(request, ring), &secret, &answer, f);
	if (!err)
		err = read_answer(answer, &secret, result, f);
	json_decref(answer);
	sodium_free(secret.data);
	return err;
}

/* ---- the daemon's end ----------------------------------------------------- */

static enum key_action action_of(const char *name)
{
	unsigned int i = 0;

	while (i < KEY_ACTION_COUNT && strcmp(names[i], name))
		i++;
	return (enum key_action)i;
}

static int read_request(json_t *json, const struct control_secret *secret,
			struct key_request *request, const char **ring,
			struct fault *f)
{
	const char *what, *action;
	json_t *overlap, *path;
	json_int_t seconds;
	int emergency;

	if (json_unpack_ex(json, NULL, JSON_STRICT, "{s:s,s:s,s:b,s:o,s:o}",
			   "do", &what, "action", &action, "emergency",
			   &emergency, "overlap", &overlap, "ring", &path) ||
	    action_of(action) == KEY_ACTION_COUNT ||
	    secret->size != sizeof(request->given))
		goto unknown;
	*ring = json_string_value(path);
	seconds = json_integer_value(overlap);
	if (!json_is_null(overlap) &&
	    (!json_is_integer(overlap) || seconds < 0 || seconds > UINT_MAX))
		goto unknown;
	request->action = action_of(action);
	request->emergency = emergency;
	request->overlap_given = !json_is_null(overlap);
	request->overlap = (__u32)seconds;
	memcpy(&request->given, secret->data, sizeof(request->given));
	return 0;
unknown:
	fault_advise(f, "use the same version of both");
	return fault_fail(f, EXIT_FAILED, EINVAL, "it does not know how");
}

static json_t *serve(struct keys *keys, struct key_request *request,
		     struct control_secret *secret, struct fault *f)
{
	struct key_result *result = sodium_malloc(sizeof(*result));
	json_t *answer;

	if (!result) {
		fault_fail(f, EXIT_FAILED, ENOMEM, "no memory");
		return control_refuse(f);
	}
	memset(result, 0, sizeof(*result));
	if (key_do(keys, request, result, f)) {
		answer = control_refuse(f);
	} else {
		answer = json_pack("{s:i,s:s,s:b}", "exit", EXIT_DONE, "source",
				   result->source, "attached",
				   result->attached);
		result->source = NULL;
		secret->size = sizeof(*result);
		memcpy(secret->data, result, secret->size);
	}
	sodium_free(result);
	return answer;
}

json_t *keycall_serve(struct keys *keys, const char *ring, json_t *json,
		      struct control_secret *secret, enum key_action *action)
{
	struct key_request *request = sodium_malloc(sizeof(*request));
	struct fault f = { 0 };
	const char *theirs = NULL;
	json_t *answer;

	*action = KEY_ACTION_COUNT;
	if (!request) {
		fault_fail(&f, EXIT_FAILED, ENOMEM, "no memory");
		return control_refuse(&f);
	}
	memset(request, 0, sizeof(*request));
	if (read_request(json, secret, request, &theirs, &f)) {
		answer = control_refuse(&f);
	} else if (theirs && !ring) {
		answer = json_pack("{s:i,s:b}", "exit", EXIT_DONE, "direct", 1);
	} else if (theirs && strcmp(theirs, ring)) {
		fault_advise(&f, "leave out --ring, or end the daemon first");
		fault_fail(&f, EXIT_FAILED, EBUSY,
			   "the daemon keeps its ring in %s, and would put that "
			   "one's keys back",
			   ring);
		answer = control_refuse(&f);
	} else {
		answer = NULL;
	}
	secret->size = 0;
	if (!answer) {
		answer = serve(keys, request, secret, &f);
		if (!f.exit)
			*action = request->action;
	}
	sodium_free(request);
	return answer;
}
