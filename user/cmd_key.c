// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "keycall.h"
#include "keyjson.h"
#include "keysource.h"
#include "output.h"
#include "value.h"

struct arguments {
	struct output output;
	int action; /* enum key_action; KEY_ACTION_COUNT: none yet */
	const char *path, *ring;
	__u64 overlap; /* seconds */
	bool overlap_given, emergency, reveal;
};

#define OPT_RING 0x100
#define OPT_OVERLAP 0x101
#define OPT_EMERGENCY 0x102
#define OPT_REVEAL 0x103

static const struct argp_option options[] = {
	{ "ring", OPT_RING, "FILE", 0,
	  "The ring is kept in FILE, such as " KEYRING_FILE
	  "; without this the keys follow the kernel's",
	  1 },
	{ "overlap", OPT_OVERLAP, "TIME", 0,
	  "promote, rotate: how long the old key is to be accepted, such as 90s, "
	  "12h or 7d; rotate: 24h unless told, and waits for it",
	  1 },
	{ "emergency", OPT_EMERGENCY, 0, 0,
	  "rotate: drop every old key at once; each client loses a round trip",
	  1 },
	{ "reveal", OPT_REVEAL, 0, 0,
	  "show: print the keys; export: even to a terminal", 1 },
	{ 0 }
};

static const struct action {
	const char *name, *arguments, *meaning;
} actions[] = {
#define X(action, arguments, meaning) { #action, arguments, meaning },
	KEY_ACTIONS(X)
#undef X
};

static const struct value_form overlap_form = { .kind = VALUE_TIME,
						.min = 1,
						.max = 3650 * 86400 };

/* Completes "cannot …". */
static const char *const tried[] = {
	[KEY_ACTION_show] = "show the keys",
	[KEY_ACTION_stage] = "stage a key",
	[KEY_ACTION_promote] = "promote the staged key",
	[KEY_ACTION_retire] = "retire a key",
	[KEY_ACTION_rotate] = "rotate the key",
	[KEY_ACTION_import] = "import a ring",
	[KEY_ACTION_export] = "export the ring",
	[KEY_ACTION_history] = "tell what became of the keys",
};

static void take_argument(struct arguments *a, char *arg,
			  struct argp_state *state)
{
	if (a->action != KEY_ACTION_COUNT) {
		if (a->path || !actions[a->action].arguments[0])
			argp_error(state, "%s takes no argument \"%s\"",
				   actions[a->action].name, arg);
		a->path = arg;
		return;
	}
	for (a->action = 0; a->action < KEY_ACTION_COUNT; a->action++)
		if (!strcmp(arg, actions[a->action].name))
			return;
	argp_error(state, "there is nothing \"%s\" to do with the keys", arg);
}

static void check(const struct arguments *a, struct argp_state *state)
{
	if (a->action == KEY_ACTION_COUNT)
		argp_error(state, "what about the keys? show, stage, promote, "
				  "retire, rotate, import, export or history");
	if (a->action == KEY_ACTION_import && !a->path)
		argp_error(state, "import which FILE? \"-\" is standard input");
	if (a->emergency && a->action != KEY_ACTION_rotate)
		argp_error(state, "--emergency is for rotate");
	if (a->emergency && a->overlap_given)
		argp_error(state, "--emergency leaves no --overlap");
	if (a->overlap_given && a->action != KEY_ACTION_rotate &&
	    a->action != KEY_ACTION_promote)
		argp_error(state, "--overlap is for rotate and promote");
	if (a->reveal && a->action != KEY_ACTION_show &&
	    a->action != KEY_ACTION_export)
		argp_error(state, "--reveal is for show and export");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	char right[VALUE_RIGHT_LEN];

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case OPT_RING:
		a->ring = arg;
		return 0;
	case OPT_OVERLAP:
		a->overlap_given = true;
		if (value_read(arg, &overlap_form, &a->overlap)) {
			value_right(&overlap_form, right);
			argp_error(state, "--overlap: \"%s\" is not %s", arg,
				   right);
		}
		return 0;
	case OPT_EMERGENCY:
		a->emergency = true;
		return 0;
	case OPT_REVEAL:
		a->reveal = true;
		return 0;
	case ARGP_KEY_ARG:
		take_argument(a, arg, state);
		return 0;
	case ARGP_KEY_END:
		check(a, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "ACTION [FILE]",
	.doc = "Show and change the Fast Open keys of this network namespace. A "
	       "key is accepted by the guard before the kernel issues its "
	       "cookies, and as long as the kernel accepts them. FILE holds keys "
	       "in the form of net.ipv4.tcp_fastopen_key, or a ring that was "
	       "exported; \"-\" is standard input. Keys are printed by "
	       "fingerprint.\vACTION is one of"
#define X(action, arguments, meaning) "\n  " #action arguments ": " meaning
		KEY_ACTIONS(X)
#undef X
	,
	.children = children,
};

/* All of it in locked memory, wiped when it is freed. */
struct job {
	struct key_request request;
	struct key_result result;
	struct siphash_key keys[KEYTEXT_KEYS_MAX];
	char text[RINGFILE_MAX];
};

static void keep_out_of_core_dumps(void)
{
	const struct rlimit none = { 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

/* Reads a file of keys into the request. */
static int read_given(const struct arguments *a, struct job *job,
		      struct fault *f)
{
	static const enum key_slot slots[] = { KEY_current, KEY_previous };
	struct keyring *given = &job->request.given;
	struct ring_record *record = &job->result.record;
	bool ring = a->action == KEY_ACTION_import;
	int n = ringfile_read(a->path, job->text, sizeof(job->text), f), err;

	if (n < 0)
		return n;
	job->text[n] = '\0';
	if (ring && job->text[strspn(job->text, " \t\r\n")] == '{') {
		err = ringfile_parse(job->text, (size_t)n, record, f);
		if (!err)
			*given = record->ring;
		return err;
	}
	n = keytext_parse(job->text, job->keys);
	if (n < 1 || (n > 1 && !ring)) {
		fault_advise(f, "write it as 00112233-44556677-8899aabb-ccddeeff");
		return fault_fail(f, EXIT_FAILED, EINVAL,
				  ring ? "there is no ring in it, and no key" :
					 "there is not one key in it");
	}
	for (int i = 0; i < n; i++) {
		given->slot[slots[i]].secret = job->keys[i];
		given->slot[slots[i]].since = (__u64)time(NULL);
		given->slot[slots[i]].origin = KEY_ORIGIN_given;
		if (key_is_empty(&job->keys[i]))
			return fault_fail(f, EXIT_FAILED, EINVAL,
					  "a key of all zeros is no key: anybody "
					  "can make its cookies");
	}
	return 0;
}

static int write_export(const struct arguments *a, struct job *job,
			struct fault *f)
{
	int n;

	job->result.record.journal.n = 0;
	n = ringfile_format(&job->result.record, job->text);
	if (n < 0)
		return fault_fail(f, EXIT_FAILED, n, "no memory");
	if (a->path)
		return ringfile_write(a->path, job->text, (size_t)n, f);
	if (isatty(STDOUT_FILENO) && !a->reveal) {
		fault_advise(f, "name a FILE, or insist with --reveal");
		return fault_fail(f, EXIT_FAILED, EPERM,
				  "standard output is a terminal");
	}
	if (write(STDOUT_FILENO, job->text, (size_t)n) != n)
		return fault_fail(f, EXIT_FAILED, EIO,
				  "standard output can't be written");
	return 0;
}

static void format_time(__u64 when, char text[32])
{
	time_t t = (time_t)when;
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(text, 32, "%Y-%m-%d %H:%M:%S %z", &tm);
}

static void print_key(const char *slot, const struct key *key, bool reveal)
{
	char id[KEYTEXT_ID_LEN + 1], when[32], text[KEYTEXT_LEN + 1];

	keytext_id(&key->secret, id);
	printf("ring   %-9s %s", slot, id);
	if (!key_is_empty(&key->secret)) {
		printf("  %s", key_origin_name(key->origin));
		format_time(key->since, when);
		if (key->since)
			printf(", since %s", when);
		format_time(key->since + key->overlap, when);
		if (key->overlap)
			printf(", until %s", when);
		keytext_format(&key->secret, text);
		if (reveal)
			printf("  %s", text);
		explicit_bzero(text, sizeof(text));
	}
	putchar('\n');
}

static void print_show(const struct key_result *result, bool reveal)
{
	static const char *const kernel_names[] = { "primary", "backup" };
	char id[KEYTEXT_ID_LEN + 1];

	for (unsigned int i = 0; i < KEY_SLOT_COUNT; i++)
		print_key(key_slot_name(i), &result->record.ring.slot[i],
			  reveal);
	for (unsigned int i = 0; result->attached && i < KEY_SLOT_COUNT; i++) {
		keytext_id(&result->map.slot[i].secret, id);
		printf("guard  %-9s %s\n", key_slot_name(i), id);
	}
	if (!result->attached)
		puts("guard            none is attached");
	for (int i = 0; i < result->kernel.n; i++) {
		keytext_id(&result->kernel.key[i], id);
		printf("kernel %-9s %s\n", kernel_names[i], id);
	}
	if (!result->kernel.n)
		puts("kernel           none: no listener has turned Fast Open on "
		     "yet, or the key is all zeros");
	if (result->attached && !ring_covers(&result->map, &result->kernel))
		puts("The kernel has a key that the guard's map lacks; \"tfoguard "
		     "attach\" again adopts it.");
	else if (!keyjson_in_step(result))
		puts("The kernel or the guard has other keys than the ring; any "
		     "step puts the ring in force.");
}

static void print_history(const struct journal *journal)
{
	char when[32];

	for (int i = 0; i < journal->n; i++) {
		const struct journal_entry *e = &journal->entry[i];

		format_time(e->time, when);
		printf("%s  %s  %s\n", when, e->id, key_event_name(e->event));
	}
}

static void print(const struct arguments *a, const struct key_result *result)
{
	if (a->action == KEY_ACTION_export)
		return;
	if (a->action == KEY_ACTION_history && a->output.json)
		output_json(&a->output, keyjson_history(result));
	else if (a->action == KEY_ACTION_history)
		print_history(&result->record.journal);
	else if (a->output.json)
		output_json(&a->output, keyjson_show(result, a->reveal));
	else if (a->action == KEY_ACTION_show)
		print_show(result, a->reveal);
}

/*
 * The end of a rotation, which a daemon sees to where one runs: when the overlap
 * is over the previous key is retired, unless somebody did so before.
 */
static int wait_and_retire(struct keys *keys, __u64 overlap, struct job *job,
			   struct fault *f)
{
	const struct key *previous =
		&job->result.record.ring.slot[KEY_previous];
	struct timespec end;

	if (key_is_empty(&previous->secret))
		return 0;
	job->request.action = KEY_ACTION_retire;
	job->request.only = previous->secret;
	clock_gettime(CLOCK_BOOTTIME, &end);
	end.tv_sec += (time_t)overlap;
	while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &end, NULL) ==
	       EINTR)
		;
	return key_do(keys, &job->request, &job->result, f);
}

/* Who only reads another ring than the daemon's does not ask it. */
static int ask_daemon(const struct arguments *a, struct job *job,
		      struct fault *f)
{
	if (a->ring && !key_action_changes((enum key_action)a->action))
		return -ENOENT;
	return keycall_ask(&job->request, a->ring, &job->result, f);
}

static int do_it(const struct arguments *a, struct job *job, struct keys *keys,
		 __u32 usual_overlap, struct fault *f)
{
	int err = ask_daemon(a, job, f);

	if (err != -ENOENT || f->exit)
		return err;
	err = key_do(keys, &job->request, &job->result, f);
	if (!err && a->action == KEY_ACTION_rotate && !a->emergency)
		err = wait_and_retire(keys,
				      a->overlap_given ? a->overlap :
							 usual_overlap,
				      job, f);
	return err;
}

static int run(const struct arguments *a, struct job *job, struct keys *keys,
	       __u32 usual_overlap, struct fault *f)
{
	bool given = a->path && a->action != KEY_ACTION_export;
	char why[sizeof(f->why)];
	int err = given ? read_given(a, job, f) : 0;

	if (err) {
		memcpy(why, f->why, sizeof(why));
		return fault_fail(f, f->exit, err, "%.100s: %.400s", a->path,
				  why);
	}
	job->request.action = (enum key_action)a->action;
	job->request.emergency = a->emergency;
	job->request.overlap_given = a->overlap_given;
	job->request.overlap = (__u32)a->overlap;
	err = do_it(a, job, keys, usual_overlap, f);
	if (!err && a->action == KEY_ACTION_export)
		err = write_export(a, job, f);
	return err;
}

int cmd_key(int argc, char **argv)
{
	struct arguments a = { .action = KEY_ACTION_COUNT };
	struct key_config config = { .source = &keysource_kernel,
				     .plane = &keysource_plane,
				     .schedule = SCHEDULE_DEFAULT };
	struct key_source file;
	struct fault f = { 0 };
	struct keys *keys;
	struct job *job;
	int err;

	output_parse(&argp, argc, argv, &a);
	keep_out_of_core_dumps();
	fault_tried(&f, "%s", tried[a.action]);
	if (a.ring) {
		file = keysource_file(a.ring);
		config.source = &file;
	}
	keys = keys_new(&config);
	job = sodium_malloc(sizeof(*job));
	if (keys && job) {
		memset(job, 0, sizeof(*job));
		err = run(&a, job, keys, config.schedule.overlap, &f);
	} else {
		err = fault_fail(&f, EXIT_FAILED, ENOMEM, "no memory");
	}
	if (!err)
		print(&a, &job->result);
	sodium_free(job);
	keys_free(keys);
	return err ? output_fault(&a.output, &f) : EXIT_DONE;
}
