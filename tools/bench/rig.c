// SPDX-License-Identifier: GPL-2.0
#include "rig.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "locals.h"
#include "ports.h"
#include "restore.skel.h"
#include "tables.h"

#define RESTORED_BYTES (14 * 8) /* as in restore.bpf.c */
#define BACKLOG 1024
#define CPUS_MAX 64

void rig_die(const char *what, int err)
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

	if (fd < 0)
		rig_die("the empty program", errno);
	return fd;
}

void rig_listen(int port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
				    .sin6_port = htons((unsigned short)port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), queue = BACKLOG, yes = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    setsockopt(fd, IPPROTO_TCP, 23 /* TCP_FASTOPEN */, &queue,
		       sizeof(queue)) ||
	    listen(fd, BACKLOG))
		rig_die("a listener", errno);
}

/* It has the frames' destinations, and by it come SYNs whose SYN-ACKs are
 * lost. */
static int open_tun(void)
{
	struct ifreq request = { .ifr_name = "bench0",
				 .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		rig_die("a tun device", errno);
	if (system("ip link set bench0 up && "
		   "ip addr add 192.0.2.2/24 dev bench0 && "
		   "ip addr add fd00:99::2/64 dev bench0 nodad && "
		   "ip route add default dev bench0"))
		rig_die("addresses for a tun device", EINVAL);
	return fd;
}

void rig_press(struct rig *rig)
{
	static unsigned char bytes[FRAME_MAX];
	char source[INET_ADDRSTRLEN];

	for (int i = 0; i <= BACKLOG; i++) {
		struct frame frame = { .no_ethernet = true,
				       .options = "mss",
				       .saddr = source,
				       .dport = PRESSED_PORT };
		size_t len;

		snprintf(source, sizeof(source), "198.18.%d.%d", i >> 8,
			 i & 255);
		len = frame_build(&frame, bytes);
		if (write(rig->tun, bytes, len) != (ssize_t)len)
			rig_die("a SYN by the tun device", errno);
	}
}

static struct judge *open_judge(void)
{
	static struct port_policy ports[PORT_COUNT];
	/* More SYNs come in a clock tick than any queue has room for. */
	struct tuning calm = TUNING_DEFAULT;
	struct program_config config = { .settings = { .can_answer = 1 },
					 .ports = ports };
	struct link_row here = { .link.ifindex = if_nametoindex("bench0") };
	struct fault f = { 0 };
	struct keyring ring;
	struct judge *judge;

	memcpy(&here.link.mac[0], "\x02\0\0\0\0\0\0\0", 8);
	if (tables_add_row(&config.tables, &here) ||
	    locals_read(&config.tables))
		rig_die("tables", ENOMEM);
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

/* With @prog_fd behind it. */
static struct restore_bpf *load_restorer(int prog_fd)
{
	struct restore_bpf *skel = restore_bpf__open_and_load();
	__u32 zero = 0;

	if (!skel ||
	    bpf_map_update_elem(bpf_map__fd(skel->maps.behind), &zero, &prog_fd,
				BPF_ANY))
		rig_die("the frame restorer", errno);
	return skel;
}

void rig_open(struct rig *rig, unsigned int repeat)
{
	rig->repeat = repeat;
	rig->tun = open_tun();
	rig_listen(LISTEN_PORT);
	rig_listen(DROP_PORT);
	rig_listen(PRESSED_PORT);
	rig->judge = open_judge();
	rig->guard_fd = judge_program_fd(rig->judge);
	rig->empty_fd = load_empty();
	rig->guard = load_restorer(rig->guard_fd);
	rig->empty = load_restorer(rig->empty_fd);
}

void rig_close(struct rig *rig)
{
	restore_bpf__destroy(rig->guard);
	restore_bpf__destroy(rig->empty);
	judge_close(rig->judge);
	close(rig->empty_fd);
	close(rig->tun);
}

static double time_program(int fd, const unsigned char *frame, size_t len,
			   unsigned int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = (__u32)len, .repeat = (int)repeat);

	if (bpf_prog_test_run_opts(fd, &opts))
		rig_die("BPF_PROG_TEST_RUN", errno);
	return opts.duration;
}

double rig_empty_ns(struct rig *rig)
{
	static unsigned char in[FRAME_MAX];
	struct frame plain = { 0 };

	return time_program(rig->empty_fd, in, frame_build(&plain, in),
			    rig->repeat);
}

double rig_beyond_ns(struct rig *rig, const struct frame *frame,
		     double empty_ns)
{
	static unsigned char in[FRAME_MAX];
	size_t len = frame_build(frame, in);

	return time_program(rig->guard_fd, in, len, rig->repeat) - empty_ns;
}

/* ---- restored ------------------------------------------------------------ */

static void prepare(struct restore_bpf *skel, const unsigned char *frame,
		    size_t len, const struct vary *vary)
{
	unsigned char bytes[RESTORED_BYTES] = { 0 };
	__u32 zero = 0;

	memcpy(bytes, frame, len < sizeof(bytes) ? len : sizeof(bytes));
	if (bpf_map_update_elem(bpf_map__fd(skel->maps.original), &zero, bytes,
				BPF_ANY))
		rig_die("the original frame", errno);
	memcpy((void *)&skel->bss->vary, vary, sizeof(*vary));
}

/* The frame as the restorer hands it on. */
static void draw(struct rig *rig, unsigned char *frame, size_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = (__u32)len, .data_out = frame,
		    .data_size_out = (__u32)len, .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(rig->empty->progs.restore),
				   &opts))
		rig_die("BPF_PROG_TEST_RUN", errno);
}

#define DRAWS 16

void rig_check(struct rig *rig, const char *name, const struct frame *frame,
	       const struct vary *vary, enum verdict verdict)
{
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];
	__u32 len = (__u32)frame_build(frame, in);
	struct judgement judged;
	int astray = 0;

	prepare(rig->empty, in, len, vary);
	/* Takes note of what runs without the judge have counted. */
	judge_packet(rig->judge, in, len, out, &judged);
	for (int i = 0; i < DRAWS; i++) {
		draw(rig, in, len);
		astray += judge_packet(rig->judge, in, len, out, &judged) ||
			  judged.verdict != verdict;
	}
	/* A few sources may be blocked, where prefixes are many. */
	if (astray > DRAWS / 4) {
		fprintf(stderr, "bench: %s ends as %s\n", name,
			judge_verdict_name(judged.verdict));
		exit(1);
	}
}

struct runner {
	pthread_t thread;
	pthread_barrier_t *start;
	int fd, cpu;
	const unsigned char *frame;
	size_t len;
	unsigned int repeat;
	double ns;
};

static void *run_there(void *context)
{
	struct runner *r = context;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		rig_die("a CPU of its own", errno);
	pthread_barrier_wait(r->start);
	r->ns = time_program(r->fd, r->frame, r->len, r->repeat);
	return NULL;
}

/* The mean of @cpus that run at once. */
static double time_at_once(int fd, const unsigned char *frame, size_t len,
			   unsigned int repeat, int cpus)
{
	struct runner runners[CPUS_MAX];
	pthread_barrier_t start;
	double sum = 0;

	pthread_barrier_init(&start, NULL, (unsigned int)cpus);
	for (int i = 0; i < cpus; i++) {
		struct runner *r = &runners[i];

		*r = (struct runner){ .start = &start,
				      .fd = fd,
				      .cpu = i,
				      .frame = frame,
				      .len = len,
				      .repeat = repeat };
		if (pthread_create(&r->thread, NULL, run_there, r))
			rig_die("a thread", errno);
	}
	for (int i = 0; i < cpus; i++) {
		pthread_join(runners[i].thread, NULL);
		sum += runners[i].ns;
	}
	pthread_barrier_destroy(&start);
	return sum / cpus;
}

double rig_restored_ns(struct rig *rig, const struct frame *frame,
		       const struct vary *vary, int cpus)
{
	static unsigned char in[FRAME_MAX];
	size_t len = frame_build(frame, in);
	double ns;

	prepare(rig->guard, in, len, vary);
	prepare(rig->empty, in, len, vary);
	ns = time_at_once(bpf_program__fd(rig->guard->progs.restore), in, len,
			  rig->repeat, cpus);
	return ns - time_at_once(bpf_program__fd(rig->empty->progs.restore), in,
				 len, rig->repeat, cpus);
}

/* ---- figures ------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double rig_median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), by_value);
	return values[n / 2];
}
