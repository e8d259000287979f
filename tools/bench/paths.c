// SPDX-License-Identifier: GPL-2.0
/*
 * What each path of the program costs, by BPF_PROG_TEST_RUN, beside an empty
 * program in the same run. Rounds go over all paths in turn, so that a machine
 * whose speed drifts slows all alike; each figure is a median over the rounds.
 *
 *   build/bench-paths [ROUNDS [REPEAT]] >build/bench.json
 *
 * JSON on standard output, a table on standard error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <jansson.h>

#include "rig.h"

#define ROUNDS_MAX 101

static const struct path {
	const char *name;
	struct frame frame;
	enum verdict verdict;
	unsigned int goal_ns; /* beyond empty; 0: none is set */
} paths[] = {
#define LINUX_SYN "mss sackok ts nop ws"
	{ "not_tcp", { .protocol = 17 }, V_not_tcp, 0 },
	{ "data_segment",
	  { .flags = ACK | PSH, .options = "nop nop ts", .data_len = 1000 },
	  V_segment,
	  8 },
	{ "plain_syn", { .options = LINUX_SYN }, V_plain_syn, 40 },
	{ "cookie_request", { .options = LINUX_SYN " tfo" }, V_cookie_request,
	  0 },
	{ "valid_current",
	  { .options = LINUX_SYN " tfo:current", .data_len = 200 },
	  V_valid_current,
	  60 },
	{ "valid_previous",
	  { .options = LINUX_SYN " tfo:previous", .data_len = 200 },
	  V_valid_previous,
	  85 },
	{ "forged_strip", { .options = LINUX_SYN " tfo:other" }, V_forged, 0 },
	{ "forged_strip_512",
	  { .options = LINUX_SYN " tfo:other", .data_len = 512 },
	  V_forged,
	  0 },
	{ "forged_strip_1400",
	  { .options = LINUX_SYN " tfo:other", .data_len = 1400 },
	  V_forged,
	  0 },
	{ "forged_drop",
	  { .options = LINUX_SYN " tfo:other",
	    .dport = DROP_PORT,
	    .data_len = 200 },
	  V_forged_drop,
	  130 },
	{ "valid_under_pressure",
	  { .options = LINUX_SYN " tfo:current",
	    .dport = PRESSED_PORT,
	    .data_len = 200 },
	  V_valid_current,
	  0 },
	/* Answers of the length of their SYNs: no run resizes the frame. */
	{ "answer_plain",
	  { .options = LINUX_SYN, .dport = PRESSED_PORT },
	  V_answer_plain,
	  0 },
	{ "answer_forged",
	  { .options = LINUX_SYN " tfo:other", .dport = PRESSED_PORT },
	  V_answer_forged,
	  0 },
};

#define N_PATHS (sizeof(paths) / sizeof(*paths))
#define N_FIGURES (2 * N_PATHS) /* IPv4, then IPv6 */

struct bench {
	struct rig rig;
	double samples[N_FIGURES + 1][ROUNDS_MAX]; /* the last: empty */
};

static bool rewrites(const struct path *path)
{
	enum action action = verdict_action(path->verdict);

	return action == ACTION_strip || action == ACTION_answer;
}

static const struct vary unvaried;

/* Nanoseconds of one run of a path, the empty program's included. */
static double time_path(struct rig *rig, const struct path *path, bool ipv6,
			double empty_ns)
{
	struct frame frame = path->frame;

	frame.ipv6 = ipv6;
	return empty_ns + (rewrites(path) ?
				   rig_restored_ns(rig, &frame, &unvaried, 1) :
				   rig_beyond_ns(rig, &frame, empty_ns));
}

static void run_round(struct bench *b, int round)
{
	double empty = rig_empty_ns(&b->rig);

	rig_press(&b->rig);
	b->samples[N_FIGURES][round] = empty;
	for (size_t i = 0; i < N_FIGURES; i++)
		b->samples[i][round] = time_path(&b->rig, &paths[i % N_PATHS],
						 i >= N_PATHS, empty);
}

static void check_all(struct rig *rig)
{
	rig_press(rig);
	for (size_t i = 0; i < N_FIGURES; i++) {
		const struct path *path = &paths[i % N_PATHS];
		struct frame frame = path->frame;

		frame.ipv6 = i >= N_PATHS;
		rig_check(rig, path->name, &frame, &unvaried, path->verdict);
	}
}

static void report(struct bench *b, int rounds)
{
	double empty = rig_median(b->samples[N_FIGURES], rounds);
	json_t *path_ns = json_object(), *all;
	struct utsname kernel;

	fprintf(stderr, "empty program: %.0f ns\n%-24s %8s %8s %8s\n", empty,
		"path", "ns", "beyond", "goal");
	for (size_t i = 0; i < N_FIGURES; i++) {
		const struct path *path = &paths[i % N_PATHS];
		double ns = rig_median(b->samples[i], rounds);
		char name[40], goal[16] = "";

		snprintf(name, sizeof(name), "%s%s", path->name,
			 i >= N_PATHS ? "_v6" : "");
		if (path->goal_ns && i < N_PATHS)
			snprintf(goal, sizeof(goal), "%u", path->goal_ns);
		fprintf(stderr, "%-24s %8.0f %8.0f %8s\n", name, ns, ns - empty,
			goal);
		json_object_set_new(path_ns, name, json_real(ns));
	}
	uname(&kernel);
	all = json_pack("{s:s,s:i,s:i,s:f,s:o}", "kernel", kernel.release,
			"rounds", rounds, "repeat", (int)b->rig.repeat,
			"empty_pass_ns", empty, "path_ns", path_ns);
	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
}

int main(int argc, char **argv)
{
	static struct bench b;
	int rounds = argc > 1 ? atoi(argv[1]) : 9;
	int repeat = argc > 2 ? atoi(argv[2]) : 200000;

	if (rounds < 5 || rounds > ROUNDS_MAX || repeat <= 0) {
		fprintf(stderr, "usage: bench-paths [ROUNDS [REPEAT]], 5 to %d rounds\n",
			ROUNDS_MAX);
		return 2;
	}
	rig_open(&b.rig, (unsigned int)repeat);
	check_all(&b.rig);
	for (int round = 0; round < rounds; round++)
		run_round(&b, round);
	report(&b, rounds);
	rig_close(&b.rig);
	return 0;
}
