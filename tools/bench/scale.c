// SPDX-License-Identifier: GPL-2.0
/*
 * How what a SYN costs grows: by sources, guarded ports, prefixes on the block
 * list and CPUs that work at once; and the memory of the maps. Nanoseconds
 * beyond an empty program, which runs in turn with the guard.
 *
 *   build/bench-scale [ROUNDS [REPEAT]] >build/bench-scale.json
 *
 * JSON on standard output, a table on standard error.
 */
#include <bpf/bpf.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <jansson.h>

#include "memory.h"
#include "rig.h"

#define ROUNDS_MAX 101
#define FIRST_PORT 20000
#define PORTS_MAX 10000
#define PREFIXES_MAX 100000
#define PREFIX_BITS 24

#define LINUX_SYN "mss sackok ts nop ws"

struct point {
	const char *path;
	struct frame frame;
	enum verdict verdict;
	struct vary vary;
	int cpus;
};

struct scale {
	struct rig rig;
	int rounds;
	json_t *points, *memory;
};

static const struct point plain = {
	"plain_syn", { .options = LINUX_SYN }, V_plain_syn, .cpus = 1
};
static const struct point valid = {
	"valid_current",
	{ .options = LINUX_SYN " tfo:current", .data_len = 200 },
	V_valid_current,
	.cpus = 1
};
static const struct point forged = {
	"forged_drop",
	{ .options = LINUX_SYN " tfo:other",
	  .dport = DROP_PORT,
	  .data_len = 200 },
	V_forged_drop,
	.cpus = 1
};
static const struct point answer = {
	"answer_plain",
	{ .options = LINUX_SYN, .dport = PRESSED_PORT },
	V_answer_plain,
	.cpus = 1
};

static json_t *spread(double *samples, int n)
{
	double median = rig_median(samples, n);

	return json_pack("{s:f,s:f,s:f}", "median", median, "least", samples[0],
			 "most", samples[n - 1]);
}

static void report(struct scale *s, const char *by, __u64 n,
		   const struct point *point, double *samples)
{
	json_t *ns = spread(samples, s->rounds);

	fprintf(stderr, "%-10s %12llu %-16s %8.0f  %.0f to %.0f\n", by,
		(unsigned long long)n, point->path,
		json_real_value(json_object_get(ns, "median")), samples[0],
		samples[s->rounds - 1]);
	json_array_append_new(s->points,
			      json_pack("{s:s,s:I,s:s,s:o}", "by", by, "n",
					(json_int_t)n, "path", point->path,
					"ns", ns));
}

#define POINTS_MAX 32

/* All in turn, round after round; @of is what they are points of. */
static void measure(struct scale *s, const char *by, const __u64 *of,
		    const struct point *points, int n)
{
	static double samples[POINTS_MAX][ROUNDS_MAX];

	rig_press(&s->rig);
	for (int i = 0; i < n; i++)
		rig_check(&s->rig, points[i].path, &points[i].frame,
			  &points[i].vary, points[i].verdict);
	for (int round = 0; round < s->rounds; round++) {
		rig_press(&s->rig);
		for (int i = 0; i < n; i++)
			samples[i][round] = rig_restored_ns(
				&s->rig, &points[i].frame, &points[i].vary,
				points[i].cpus);
	}
	for (int i = 0; i < n; i++)
		report(s, by, of[i], &points[i], samples[i]);
}

static void by_sources(struct scale *s)
{
	static const struct point *const paths[] = { &plain, &forged, &answer };
	struct point points[POINTS_MAX];
	__u64 of[POINTS_MAX];
	int n = 0;

	for (int i = 0; i < 3; i++) {
		for (int bits = 0; bits <= 32; bits += 8, n++) {
			of[n] = 1ULL << bits;
			points[n] = *paths[i];
			points[n].vary.sources = of[n];
		}
	}
	measure(s, "sources", of, points, n);
}

static void by_cpus(struct scale *s)
{
	static const struct point *const paths[] = { &plain, &forged, &answer };
	struct point points[POINTS_MAX];
	__u64 of[POINTS_MAX];
	int n = 0, cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);

	for (int i = 0; i < 3; i++) {
		for (int at_once = 1; at_once <= cpus && at_once <= 64;
		     at_once *= 2, n++) {
			of[n] = (__u64)at_once;
			points[n] = *paths[i];
			points[n].vary.sources = 1ULL << 32;
			points[n].cpus = at_once;
		}
	}
	measure(s, "cpus", of, points, n);
}

/* Each has a listener, as each guarded port has. */
static void by_ports(struct scale *s)
{
	struct rlimit files = { PORTS_MAX + 1000, PORTS_MAX + 1000 };
	__u32 open = 0;

	setrlimit(RLIMIT_NOFILE, &files);
	for (__u32 n = 1; n <= PORTS_MAX; n *= 10) {
		struct point points[] = { plain, valid };
		__u64 of[] = { n, n };

		for (; open < n; open++)
			rig_listen(FIRST_PORT + (int)open);
		for (int i = 0; i < 2; i++) {
			points[i].frame.dport = FIRST_PORT;
			points[i].vary.ports = n;
		}
		measure(s, "ports", of, points, 2);
	}
}

/* ---- the block list ------------------------------------------------------ */

static void put(struct scale *s, const char *map, const void *key,
		const void *value)
{
	int fd = judge_map_fd(s->rig.judge, map);

	if (fd < 0 || bpf_map_update_elem(fd, key, value, BPF_ANY))
		rig_die(map, errno);
}

/* As the restorer draws them. */
static void block(struct scale *s, __u32 number)
{
	struct list_value value = { .entry = LIST_BLOCK,
				    .given = 1 << LIST_BLOCK };
	struct list_key4 key = {
		.bits = PREFIX_BITS,
		.address = htonl(number * VARY_SPREAD & ~0U << (32 - PREFIX_BITS)),
	};
	__u32 family = 0, size = number + 1;

	put(s, "list4", &key, &value);
	put(s, "list_sizes", &family, &size);
}

static void by_prefixes(struct scale *s)
{
	__u32 blocked = 0;

	for (__u32 n = 1; n <= PREFIXES_MAX; n *= 10) {
		struct point points[] = { plain, plain };
		__u64 of[] = { n, n };

		while (blocked < n)
			block(s, blocked++);
		points[0].vary.sources = 1ULL << 32;
		points[1].path = "blocked";
		points[1].verdict = V_blocked;
		points[1].vary = (struct vary){ .sources = n,
						.prefix_bits = PREFIX_BITS };
		measure(s, "prefixes", of, points, 2);
	}
}

/* ---- memory -------------------------------------------------------------- */

static void weigh(struct scale *s, const char *what)
{
	struct memory m = memory_of(judge_program_fd(s->rig.judge));

	if (m.err)
		rig_die("the size of the maps", m.err);
	fprintf(stderr, "memory, %s: %.1f MB shared, %.1f MB per interface\n",
		what, (double)m.shared / 1e6, (double)m.own / 1e6);
	json_array_append_new(s->memory,
			      json_pack("{s:s,s:I,s:I}", "configuration", what,
					"shared_bytes", (json_int_t)m.shared,
					"interface_bytes", (json_int_t)m.own));
}

int main(int argc, char **argv)
{
	struct scale s = { .rounds = argc > 1 ? atoi(argv[1]) : 9,
			   .points = json_array(),
			   .memory = json_array() };
	int repeat = argc > 2 ? atoi(argv[2]) : 100000;
	json_t *all;

	if (s.rounds < 5 || s.rounds > ROUNDS_MAX || repeat <= 0) {
		fprintf(stderr, "usage: bench-scale [ROUNDS [REPEAT]], 5 to %d "
				"rounds\n",
			ROUNDS_MAX);
		return 2;
	}
	rig_open(&s.rig, (unsigned int)repeat);
	weigh(&s, "nothing configured");
	by_sources(&s);
	by_cpus(&s);
	weigh(&s, "after SYNs from 2^32 sources");
	by_ports(&s);
	weigh(&s, "10,000 listeners");
	by_prefixes(&s);
	weigh(&s, "100,000 IPv4 prefixes blocked");
	all = json_pack("{s:i,s:i,s:o,s:o}", "rounds", s.rounds, "repeat",
			repeat, "points", s.points, "memory", s.memory);
	json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
	rig_close(&s.rig);
	return 0;
}
