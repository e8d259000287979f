// SPDX-License-Identifier: GPL-2.0
/*
 * What each program costs this kernel's verifier, held to the committed budget:
 * more than a tenth above it is a failure. Needs root.
 *
 *   test_verifier [BUDGET]   default: tests/kernel/verifier-budget
 *   test_verifier --list     the rows of that file for this kernel
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <cmocka.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "acceptor.h"
#include "listening.h"
#include "ports.h"
#include "program.h"

#include "accept.skel.h"
#include "guard.skel.h"
#include "listeners.skel.h"

#define BUDGET "tests/kernel/verifier-budget"
#define LOG_STATS 4 /* BPF_LOG_STATS */
#define LOG_SIZE 65536

struct cost {
	unsigned long insns; /* that the verifier walked */
	unsigned long states;
	unsigned long stack; /* bytes, the deepest frame */
};

static char kernel[32]; /* its release series, as 6.18 */
static char verifier_log[LOG_SIZE];
static const char *budget_file = BUDGET;

/* ---- loading -------------------------------------------------------------- */

static void listen_to(struct bpf_program *program)
{
	verifier_log[0] = '\0';
	bpf_program__set_log_level(program, LOG_STATS);
	bpf_program__set_log_buf(program, verifier_log, sizeof(verifier_log));
}

static int load_guard(const struct settings *settings, bool chained)
{
	static struct port_policy ports[PORT_COUNT];
	struct shared shared = SHARED_NONE;
	struct program_maps none = { -1, -1, -1, -1, &shared };
	struct program_config config = { .settings = *settings,
					 .chained = chained,
					 .ports = ports };
	struct program program;
	struct fault f = { 0 };
	int err;

	config.settings.may_resize = !chained;
	err = program_open(&program, &config, &none, &f);
	if (!err) {
		listen_to(chained ? program.skel->progs.tfoguard_chained :
				    program.skel->progs.tfoguard);
		err = guard_bpf__load(program.skel);
	}
	program_close(&program);
	shared_close(&shared);
	return err;
}

static int load_alone(void)
{
	return load_guard(&(struct settings){ .can_answer = 1 }, false);
}

static int load_chained(void)
{
	return load_guard(&(struct settings){ .can_answer = 1 }, true);
}

static int load_challenging(void)
{
	return load_guard(&(struct settings){ .can_challenge = 1 }, false);
}

static int load_bare_ip(void)
{
	return load_guard(&(struct settings){ .can_answer = 1,
					      .no_ethernet = 1 },
			  false);
}

static int load_acceptor(void)
{
	struct accept_bpf *skel = accept_bpf__open();
	int err;

	if (!skel)
		return -errno;
	listen_to(skel->progs.tfoguard_ack);
	err = accept_bpf__load(skel);
	accept_bpf__destroy(skel);
	return err;
}

static int load_listeners(void)
{
	struct listeners_bpf *skel = listeners_bpf__open();
	struct bpf_program *program;
	int err;

	if (!skel)
		return -errno;
	bpf_object__for_each_program(program, skel->obj)
		listen_to(program);
	err = listeners_bpf__load(skel);
	listeners_bpf__destroy(skel);
	return err;
}

/* Each program, and the guard under the settings that change it most. */
static const struct subject {
	const char *name;
	int (*load)(void);
} subjects[] = {
	{ "guard", load_alone },
	{ "guard-chained", load_chained },
	{ "guard-challenging", load_challenging },
	{ "guard-bare-ip", load_bare_ip },
	{ "acceptor", load_acceptor },
	{ "listeners", load_listeners },
};

#define N_SUBJECTS (sizeof(subjects) / sizeof(*subjects))

/* Not every kernel has what the acceptor calls. */
static bool is_possible(const struct subject *subject)
{
	char why[WHY_SILENT_MAX];

	return subject->load != load_acceptor || acceptor_possible(why);
}

/* ---- measuring ------------------------------------------------------------ */

static unsigned long number_after(const char *word)
{
	const char *at = strstr(verifier_log, word);

	return at ? strtoul(at + strlen(word), NULL, 10) : 0;
}

/* Of "stack depth 208+0+64", one number for each function. */
static unsigned long deepest_frame(void)
{
	const char *at = strstr(verifier_log, "stack depth ");
	unsigned long deepest = 0, depth;
	char *end;

	for (at = at ? at + strlen("stack depth ") : ""; *at; at = end + 1) {
		depth = strtoul(at, &end, 10);
		deepest = depth > deepest ? depth : deepest;
		if (*end != '+')
			break;
	}
	return deepest;
}

static int measure(const struct subject *subject, struct cost *cost)
{
	int err = subject->load();

	if (err)
		return err;
	*cost = (struct cost){
		.insns = number_after("\nprocessed "),
		.states = number_after("total_states "),
		.stack = deepest_frame(),
	};
	return cost->insns ? 0 : -EPROTO;
}

/* ---- the budget ----------------------------------------------------------- */

/* Its row for this kernel and compiler. */
static bool find_budget(const char *name, struct cost *cost)
{
	char series[32], compiler[32], program[64], line[256];
	FILE *file = fopen(budget_file, "r");
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%31s %31s %63s %lu %lu %lu", series,
			       compiler, program, &cost->insns, &cost->states,
			       &cost->stack) == 6 &&
			!strcmp(series, kernel) &&
			!strcmp(compiler, "clang-" CLANG_VERSION) &&
			!strcmp(program, name);
	if (file)
		fclose(file);
	return found;
}

static bool any_budget(void)
{
	struct cost ignored;

	for (size_t i = 0; i < N_SUBJECTS; i++)
		if (find_budget(subjects[i].name, &ignored))
			return true;
	return false;
}

static void expect_within(const char *what, unsigned long cost,
			  unsigned long budget)
{
	if (cost * 10 <= budget * 11)
		return;
	print_message("# %lu %s, where the budget says %lu: make it cheaper, or "
		      "run make verifier-budget and tell why in the commit\n",
		      cost, what, budget);
	fail();
}

static void test_subject(void **state)
{
	const struct subject *subject = *state;
	struct cost cost = { 0 }, budget = { 0 };

	assert_int_equal(measure(subject, &cost), 0);
	if (!find_budget(subject->name, &budget))
		fail_msg("the budget has no row for it; make verifier-budget "
			 "writes one");
	expect_within("instructions", cost.insns, budget.insns);
	expect_within("states", cost.states, budget.states);
	expect_within("bytes of stack", cost.stack, budget.stack);
}

static int list(void)
{
	for (size_t i = 0; i < N_SUBJECTS; i++) {
		struct cost cost;
		int err;

		if (!is_possible(&subjects[i]))
			continue;
		err = measure(&subjects[i], &cost);
		if (err) {
			fprintf(stderr, "%s: %s\n%s\n", subjects[i].name,
				strerror(-err), program_complaint());
			return 1;
		}
		printf("%-6s clang-%s %-20s %8lu %7lu %6lu\n", kernel,
		       CLANG_VERSION, subjects[i].name, cost.insns, cost.states,
		       cost.stack);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[N_SUBJECTS];
	unsigned int major, minor;
	size_t n = 0;
	struct utsname name;

	if (uname(&name) ||
	    sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return 1;
	snprintf(kernel, sizeof(kernel), "%u.%u", major, minor);
	program_catch_complaints();
	if (argc > 1 && !strcmp(argv[1], "--list"))
		return list();
	if (argc > 1)
		budget_file = argv[1];
	if (access(budget_file, R_OK)) {
		perror(budget_file);
		return 1;
	}
	if (!any_budget()) {
		printf("ok 1 - verifier # SKIP no budget for Linux %s and clang "
		       CLANG_VERSION "; make verifier-budget writes one\n",
		       kernel);
		return 0;
	}
	for (size_t i = 0; i < N_SUBJECTS; i++) {
		if (!is_possible(&subjects[i]))
			continue;
		tests[n++] = (struct CMUnitTest){
			.name = subjects[i].name,
			.test_func = test_subject,
			.initial_state = (void *)&subjects[i],
		};
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("verifier", tests, n, NULL, NULL);
}
