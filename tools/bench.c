// SPDX-License-Identifier: GPL-2.0
/*
 * What each path of the program costs, by BPF_PROG_TEST_RUN, beside an empty
 * program in the same run. Rounds go over all paths in turn, so that a machine
 * whose speed drifts slows all alike; each figure is a median over the rounds.
 *
 *   build/bench [ROUNDS [REPEAT]] >build/bench.json
 *
 * JSON on standard output, a table on standard error.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <jansson.h>

#include "bench.skel.h"
#include "frames.h"
#include "judge.h"
#include "kernel.h"
#include "ports.h"

#define ROUNDS_MAX 101
#define RESTORED_BYTES (14 * 8) /* as in bench.bpf.c */
#define LISTEN_PORT 443
#define DROP_PORT 444

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
};

#define N_PATHS (sizeof(paths) / sizeof(*paths))
#define N_FIGURES (2 * N_PATHS) /* IPv4, then IPv6 */

static int die(const char *what, int err)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

/* A program that passes everything: what TEST_RUN itself costs. */
static int load_empty(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	/* As the guard is loaded, or no prog array takes both. */
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_XDP_HAS_FRAGS,
		    .expected_attach_type = BPF_XDP);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "empty", "GPL", code, 2,
			       &opts);

	return fd < 0 ? die("the empty program", errno) : fd;
}

/* The forged paths look at a real listener with Fast Open on. */
static void listen_on(int port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
				    .sin6_port = htons((unsigned short)port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), queue = 1024, yes = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    setsockopt(fd, IPPROTO_TCP, 23 /* TCP_FASTOPEN */, &queue,
		       sizeof(queue)) ||
	    listen(fd, 1024))
		die("a listener", errno);
}

/* The frames' destinations, on a device of theirs. */
static void fill_tables(struct tables *tables)
{
	static const char *const addresses[] = { "::ffff:192.0.2.2",
						 "fd00:99::2" };
	struct link_row here = { .link.ifindex = 1 };
	struct local_prefix local = { .len = 128 };

	memcpy(&here.link.mac[0], "\x02\0\0\0\0\0\0\0", 8);
	if (tables_add_row(tables, &here))
		die("tables", ENOMEM);
	for (int i = 0; i < 2; i++) {
		inet_pton(AF_INET6, addresses[i], local.address);
		if (tables_append_local(tables, &local))
			die("tables", ENOMEM);
	}
	tables_sort(tables);
}

static struct judge *open_judge(void)
{
	static struct port_policy ports[PORT_COUNT];
	/* More SYNs come in a clock tick than any queue has room for. */
	struct tuning calm = TUNING_DEFAULT;
	struct program_config config = { .settings = { .can_answer = 1 },
					 .ports = ports };
	struct fault f = { 0 };
	struct keyring ring;
	struct judge *judge;

	fill_tables(&config.tables);
	calm.admit_share = 1U << 30;
	ports_guard_all(ports);
	ports[DROP_PORT].forged = FORGED_drop;
	/* As between two rotations: current and previous. */
	frame_ring(&ring);
	memset(&ring.slot[KEY_staged], 0, sizeof(ring.slot[KEY_staged]));
	if (judge_open(&judge, &config, &ring, &f) ||
	    judge_set_tuning(judge, &calm)) {
		fprintf(stderr, "bench: %s\n", f.why);
		exit(1);
	}
	tables_free(&config.tables);
	return judge;
}

/* A path that ends elsewhere than it should would be timed under a wrong name. */
static void check(struct judge *judge, const struct path *path, bool ipv6)
{
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];
	struct frame frame = path->frame;
	struct judgement judged;

	frame.ipv6 = ipv6;
	if (judge_packet(judge, in, (__u32)frame_build(&frame, in), out,
			 &judged) ||
	    judged.verdict != path->verdict) {
		fprintf(stderr, "bench: %s ends as %s\n", path->name,
			judge_verdict_name(judged.verdict));
		exit(1);
	}
}

/* The frame restorer of bench.bpf.c, with @prog_fd behind it. */
static struct bench_bpf *load_restorer(int prog_fd)
{
	struct bench_bpf *skel = bench_bpf__open_and_load();
	__u32 zero = 0;

	if (!skel ||
	    bpf_map_update_elem(bpf_map__fd(skel->maps.behind), &zero, &prog_fd,
				BPF_ANY))
		die("the frame restorer", errno);
	return skel;
}

static void set_original(struct bench_bpf *skel, const unsigned char *frame,
			 size_t len)
{
	unsigned char bytes[RESTORED_BYTES] = { 0 };
	__u32 zero = 0;

	memcpy(bytes, frame, len < sizeof(bytes) ? len : sizeof(bytes));
	if (bpf_map_update_elem(bpf_map__fd(skel->maps.original), &zero, bytes,
				BPF_ANY))
		die("the original frame", errno);
}

static unsigned int time_program(int fd, const unsigned char *frame, size_t len,
				 unsigned int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = (__u32)len, .repeat = (int)repeat);

	if (bpf_prog_test_run_opts(fd, &opts))
		die("BPF_PROG_TEST_RUN", errno);
	return opts.duration;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), by_value);
	return values[n / 2];
}

struct bench {
	struct judge *judge;
	struct bench_bpf *guard, *empty; /* restorers */
	int guard_fd, empty_fd;
	unsigned int repeat;
	double samples[N_FIGURES + 1][ROUNDS_MAX]; /* the last: empty */
};

static bool rewrites(const struct path *path)
{
	return verdict_action(path->verdict) == ACTION_strip;
}

/* Nanoseconds of one run of a path, the empty program's included. */
static double time_path(struct bench *b, const struct path *path, bool ipv6,
			double empty_ns)
{
	static unsigned char in[FRAME_MAX];
	struct frame frame = path->frame;
	size_t len;
	double ns;

	frame.ipv6 = ipv6;
	len = frame_build(&frame, in);
	if (!rewrites(path))
		return time_program(b->guard_fd, in, len, b->repeat);
	set_original(b->guard, in, len);
	set_original(b->empty, in, len);
	ns = time_program(bpf_program__fd(b->guard->progs.restore), in, len,
			  b->repeat);
	ns -= time_program(bpf_program__fd(b->empty->progs.restore), in, len,
			   b->repeat);
	return ns + empty_ns;
}

static void run_round(struct bench *b, int round)
{
	static unsigned char in[FRAME_MAX];
	struct frame plain = { 0 };
	double empty;

	empty = time_program(b->empty_fd, in, frame_build(&plain, in),
			     b->repeat);
	b->samples[N_FIGURES][round] = empty;
	for (size_t i = 0; i < N_FIGURES; i++)
		b->samples[i][round] = time_path(b, &paths[i % N_PATHS],
						 i >= N_PATHS, empty);
}

static void report(struct bench *b, int rounds)
{
	double empty = median(b->samples[N_FIGURES], rounds);
	json_t *path_ns = json_object(), *all;
	struct utsname kernel;

	fprintf(stderr, "empty program: %.0f ns\n%-24s %8s %8s %8s\n", empty,
		"path", "ns", "beyond", "goal");
	for (size_t i = 0; i < N_FIGURES; i++) {
		const struct path *path = &paths[i % N_PATHS];
		double ns = median(b->samples[i], rounds);
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
			"rounds", rounds, "repeat", (int)b->repeat,
			"empty_pass_ns", empty, "path_ns", path_ns);
	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
}

int main(int argc, char **argv)
{
	static struct bench b = { .repeat = 200000 };
	int rounds = argc > 1 ? atoi(argv[1]) : 9;

	if (argc > 2)
		b.repeat = (unsigned int)atoi(argv[2]);
	if (rounds < 5 || rounds > ROUNDS_MAX || !b.repeat) {
		fprintf(stderr, "usage: bench [ROUNDS [REPEAT]], 5 to %d rounds\n",
			ROUNDS_MAX);
		return 2;
	}
	listen_on(LISTEN_PORT);
	listen_on(DROP_PORT);
	b.judge = open_judge();
	b.guard_fd = judge_program_fd(b.judge);
	b.empty_fd = load_empty();
	b.guard = load_restorer(b.guard_fd);
	b.empty = load_restorer(b.empty_fd);
	for (size_t i = 0; i < N_FIGURES; i++)
		check(b.judge, &paths[i % N_PATHS], i >= N_PATHS);
	for (int round = 0; round < rounds; round++)
		run_round(&b, round);
	report(&b, rounds);
	judge_close(b.judge);
	return 0;
}
