// SPDX-License-Identifier: GPL-2.0
/*
 * A flood of SYNs made in the kernel, and what stands at its ends.
 *
 *   flood send INTERFACE …      see --help
 *   flood stand INTERFACE pass|drop|bounce|internet|oracle
 *
 * Exit codes: 0 done, 1 failed, 2 usage. JSON on standard output.
 */
#include <argp.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "plan.h"

#include "flood.skel.h"
#include "keytext.h"
#include "port.h"
#include "templates.h"

/*
 * A call sleeps for tens of milliseconds before it sends: what is faster than
 * this is sent by one call, whose program keeps the pace. What is slower needs
 * no core to itself.
 */
#define SLOW_PPS 1000
#define TICK_NS (5 * 1000 * 1000)
#define BATCH 64 /* of live frames: less than a veth's ring of 256 holds */

/* An address, and a mask of the bits of hosts; words in host byte order. */
struct prefix {
	bool ipv6;
	__u32 first[4], hosts[4];
};

struct arguments {
	bool stand;
	const char *interface, *program;
	struct target target;
	struct plan plan;
	const char *kind, *to;
	struct prefix from;
	bool has_mac, has_from, anywhere;
	struct siphash_key keys[KEYTEXT_KEYS_MAX];
	int n_keys, cpu;
	__u32 keep, n_keep;
	__u64 pps, burst, count;
	double seconds;
};

static volatile sig_atomic_t ended;

static void end(int signal)
{
	ended = signal;
}

static __attribute__((noreturn, format(printf, 1, 2))) void
fail(const char *format, ...)
{
	va_list args;

	fputs("flood: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
}

static void print_json(json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(value);
}

/* ---- send ---------------------------------------------------------------- */

struct generator {
	const struct arguments *arguments;
	struct flood_bpf *skel;
	struct xdp_md md;
	pthread_t sender;
	volatile sig_atomic_t stopped;
	__u64 end_ns;
};

static __u64 sent(const struct generator *g)
{
	return *(volatile __u64 *)&g->skel->bss->sent_all;
}

/* From the first SYN on. */
static __u64 elapsed_ns(const struct generator *g)
{
	__u64 started = *(volatile __u64 *)&g->skel->bss->started_ns;

	return started ? now_ns() - started : 0;
}

static bool is_over(const struct generator *g)
{
	return ended || sent(g) >= g->arguments->count ||
	       (double)elapsed_ns(g) >= g->arguments->seconds * 1e9;
}

/* Runs the program @n times, or until a signal comes. */
static void call(struct generator *g, __u64 n)
{
	static unsigned char frame[FLOOD_FRAME];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
		    .data_size_in = sizeof(frame), .ctx_in = &g->md,
		    .ctx_size_in = sizeof(g->md), .repeat = (int)n,
		    .batch_size = n < BATCH ? (__u32)n : BATCH,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	if (bpf_prog_test_run_opts(bpf_program__fd(g->skel->progs.flood),
				   &opts) &&
	    errno != EINTR)
		fail("cannot send live frames: %s; the interface needs an XDP "
		     "program (flood stand), its peer one or ethtool -K gro on",
		     strerror(errno));
}

static void send_slowly(struct generator *g)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	const struct arguments *a = g->arguments;
	__u64 due;

	for (; !is_over(g); nanosleep(&tick, NULL)) {
		due = elapsed_ns(g) * a->pps / 1000000000;
		due = (due / a->burst + 1) * a->burst;
		due = due < a->count ? due : a->count;
		while (sent(g) < due && !ended)
			call(g, due - sent(g) < BATCH ? due - sent(g) : BATCH);
	}
	g->end_ns = now_ns();
}

/* Interrupts the call: it does not look at what the program returns. */
static void *watch(void *context)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	struct generator *g = context;

	while (!is_over(g))
		nanosleep(&tick, NULL);
	ended = SIGTERM;
	g->end_ns = now_ns();
	/* Again: the first may come before the call has begun. */
	while (!g->stopped) {
		pthread_kill(g->sender, SIGTERM);
		nanosleep(&tick, NULL);
	}
	return NULL;
}

static void send_fast(struct generator *g)
{
	pthread_t watcher;
	sigset_t signals;

	sigfillset(&signals);
	g->sender = pthread_self();
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (pthread_create(&watcher, NULL, watch, g))
		fail("cannot start a thread");
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	while (!ended)
		call(g, INT_MAX);
	g->stopped = 1;
	pthread_join(watcher, NULL);
}

/* A real network must not be flooded by mistake. */
static void refuse_outside(const struct arguments *a)
{
	if (a->anywhere)
		return;
	if (!port_is_veth(a->interface))
		fail("cannot flood %s: it is not one end of a veth; make a "
		     "network namespace for it, or insist by --anywhere",
		     a->interface);
	if (port_leads_out())
		fail("cannot flood %s: this network namespace has a default "
		     "route; make one for the flood, or insist by --anywhere",
		     a->interface);
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("cannot run on CPU %d: %s", cpu, strerror(errno));
}

static void report(const struct generator *g, const struct arguments *a,
		   const struct ring *before)
{
	static const char *const names[] = {
#define X(id, what) #id,
		KINDS(X)
#undef X
	};
	double seconds = (double)(g->end_ns - g->skel->bss->started_ns) / 1e9;
	json_t *kinds = json_object();
	__u64 all = sent(g);
	struct ring ring;

	for (int i = 0; i < KINDS_COUNT; i++)
		json_object_set_new(kinds, names[i],
				    json_integer((json_int_t)
						 g->skel->bss->sent[i]));
	if (!port_ring(a->interface, a->cpu, &ring))
		fail("cannot read the counters of %s: %s", a->interface,
		     strerror(errno));
	ring.taken -= before->taken;
	ring.dropped -= before->dropped;
	if (port_is_veth(a->interface) && ring.taken + ring.dropped < all)
		fail("%llu of %llu frames vanished: the peer of %s is down, or "
		     "has neither an XDP program nor ethtool -K gro on",
		     all - ring.taken - ring.dropped, all, a->interface);
	print_json(json_pack("{s:o,s:f,s:f,s:I}", "sent", kinds, "seconds",
			     seconds, "offered_pps", (double)all / seconds,
			     "ring_drops", (json_int_t)ring.dropped));
}

static void do_send(struct arguments *a)
{
	struct generator g = {
		.arguments = a,
		.md = { .data_end = FLOOD_FRAME,
			.ingress_ifindex = if_nametoindex(a->interface) },
		.skel = flood_bpf__open(),
	};
	struct plan *plan = &a->plan;
	struct ring before;

	if (!g.md.ingress_ifindex)
		fail("cannot flood %s: there is no such interface",
		     a->interface);
	refuse_outside(a);
	if (!g.skel || !port_mac(a->interface, a->target.own_mac))
		fail("cannot flood %s: %s", a->interface, strerror(errno));
	for (int i = 0; i < KINDS_COUNT; i++)
		template_make(&plan->templates[i], (enum kind)i, &a->target);
	if (a->pps > SLOW_PPS)
		plan->interval_ps = 1000000000000 / a->pps;
	plan->count = a->count;
	memcpy((void *)&g.skel->rodata->plan, plan, sizeof(*plan));
	if (flood_bpf__load(g.skel))
		fail("cannot load the generator: %s", strerror(errno));
	stay_on(a->cpu);
	port_ring(a->interface, a->cpu, &before);
	if (a->pps && a->pps <= SLOW_PPS)
		send_slowly(&g);
	else
		send_fast(&g);
	report(&g, a, &before);
	flood_bpf__destroy(g.skel);
}

/* ---- stand --------------------------------------------------------------- */

static __u64 total(int fd, __u32 which)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 values[cpus], sum = 0;

	if (bpf_map_lookup_elem(fd, &which, values))
		fail("cannot read the counts: %s", strerror(errno));
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	return sum;
}

static void do_stand(const struct arguments *a)
{
	struct flood_bpf *skel = flood_bpf__open();
	int ifindex = (int)if_nametoindex(a->interface), fd;
	struct bpf_program *program;
	struct bpf_link *link;

	if (!ifindex)
		fail("cannot stand at %s: there is no such interface",
		     a->interface);
	if (!skel)
		fail("cannot open the programs: %s", strerror(errno));
	skel->rodata->kept = a->keep;
	skel->rodata->n_kept = a->n_keep;
	if (flood_bpf__load(skel))
		fail("cannot load the programs: %s", strerror(errno));
	program = bpf_object__find_program_by_name(skel->obj, a->program);
	link = bpf_program__attach_xdp(program, ifindex);
	if (!link)
		fail("cannot attach to %s: %s", a->interface, strerror(errno));
	puts("ready");
	fflush(stdout);
	while (!ended)
		pause();
	fd = bpf_map__fd(skel->maps.counts);
	print_json(json_pack("{s:I,s:I}", "packets", (json_int_t)total(fd, 0),
			     "lost", (json_int_t)total(fd, 1)));
	bpf_link__destroy(link);
	flood_bpf__destroy(skel);
}

/* ---- the command line ---------------------------------------------------- */

enum { OPT_ANYWHERE = 256, OPT_BURST, OPT_CPU, OPT_KEEP, OPT_HOLDER };

static const struct argp_option options[] = {
	{ 0, 0, 0, 0, "send:", 1 },
	{ "to", 't', "ADDRESS", 0, "Server's address", 1 },
	{ "mac", 'm', "MAC", 0, "Server's or router's address on the link", 1 },
	{ "port", 'p', "N", 0, "Server's port (443)", 1 },
	{ "kind", 'k', "KIND", 0,
	  "plain, request (of a cookie), forged (cookie, with data), valid "
	  "(cookie, with data), or mix: all in turn, valid ones with --key",
	  1 },
	{ "prefix", 'P', "ADDRESS/N", 0,
	  "Sources are drawn from it (0.0.0.0/0: any that a router lets in; or "
	  "2000::/3)",
	  1 },
	{ "key", 'K', "KEY", 0,
	  "Makes valid cookies; in the form of net.ipv4.tcp_fastopen_key", 1 },
	{ "holder", OPT_HOLDER, "ADDRESS", 0,
	  "Whom valid cookies come from (the prefix): who floods has those of "
	  "his own addresses",
	  1 },
	{ "pps", 'r', "N", 0, "SYNs per second (0: as fast as it goes)", 1 },
	{ "burst", OPT_BURST, "N", 0,
	  "So many at once, whenever that many are due (1); the pace must be "
	  "slow, up to 1000",
	  1 },
	{ "count", 'n', "N", 0, "Ends after so many", 1 },
	{ "seconds", 's', "S", 0, "Ends after so long", 1 },
	{ "cpu", OPT_CPU, "N", 0, "Runs there (0)", 1 },
	{ "anywhere", OPT_ANYWHERE, 0, 0,
	  "By any interface, not only by a veth in a namespace that has no "
	  "default route",
	  1 },
	{ 0, 0, 0, 0, "stand internet, oracle:", 2 },
	{ "keep", OPT_KEEP, "ADDRESS/N", 0,
	  "What goes elsewhere is lost (0.0.0.0/0)", 2 },
	{ 0 }
};

static __u64 read_number(const char *arg, __u64 max, struct argp_state *state)
{
	char *rest;
	unsigned long long n;

	errno = 0;
	n = strtoull(arg, &rest, 10);
	if (errno || rest == arg || *rest || *arg == '-' || n > max)
		argp_error(state, "\"%s\" is no number up to %llu", arg,
			   (unsigned long long)max);
	return n;
}

static struct prefix read_prefix(const char *arg, struct argp_state *state)
{
	char text[INET6_ADDRSTRLEN + 4], *slash;
	struct prefix p = { .ipv6 = strchr(arg, ':') };
	__u32 longest = p.ipv6 ? 128 : 32;
	__u64 bits = longest;

	snprintf(text, sizeof(text), "%s", arg);
	slash = strchr(text, '/');
	if (slash) {
		*slash = 0;
		bits = read_number(slash + 1, longest, state);
	}
	if (inet_pton(p.ipv6 ? AF_INET6 : AF_INET, text, p.first) != 1)
		argp_error(state, "\"%s\" is no prefix", arg);
	for (__u32 i = 0; i < longest / 32; i++) {
		__u64 here = bits > 32 * i ? bits - 32 * i : 0;

		p.first[i] = ntohl(p.first[i]);
		p.hosts[i] = here < 32 ? ~0U >> here : 0;
		if (p.first[i] & p.hosts[i])
			argp_error(state, "\"%s\" has bits beyond the prefix",
				   arg);
	}
	return p;
}

/* Of what can be a single address or a range of them by IPv4. */
static __u32 read_ipv4(const char *arg, __u32 *hosts, struct argp_state *state)
{
	struct prefix p = read_prefix(arg, state);

	if (p.ipv6)
		argp_error(state, "\"%s\" is not IPv4", arg);
	*hosts = p.hosts[0];
	return p.first[0];
}

static void read_mac(const char *arg, struct target *to,
		     struct argp_state *state)
{
	unsigned char *m = to->mac;
	int end_at = 0;

	if (sscanf(arg, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &m[0], &m[1],
		   &m[2], &m[3], &m[4], &m[5], &end_at) != 6 ||
	    arg[end_at])
		argp_error(state, "\"%s\" is no MAC address", arg);
}

static void read_seconds(const char *arg, struct arguments *a,
			 struct argp_state *state)
{
	char *rest;

	a->seconds = strtod(arg, &rest);
	if (rest == arg || *rest || !(a->seconds > 0 && a->seconds <= 86400))
		argp_error(state, "\"%s\" is no time in seconds, up to a day",
			   arg);
}

static void choose_kinds(struct arguments *a, struct argp_state *state)
{
	struct plan *plan = &a->plan;

	plan->n_kinds = 0;
#define X(id, what)                                                            \
	if (!strcmp(a->kind, #id) ||                                           \
	    (!strcmp(a->kind, "mix") && (KIND_##id != KIND_valid || a->n_keys)))\
		plan->kinds[plan->n_kinds++] = KIND_##id;
	KINDS(X)
#undef X
	if (!plan->n_kinds)
		argp_error(state, "\"%s\" is no kind of SYN", a->kind);
	if (!strcmp(a->kind, "valid") && !a->n_keys)
		argp_error(state, "valid cookies are made with a key: --key");
	plan->key = a->keys[0];
}

static void choose_sources(struct arguments *a, struct argp_state *state)
{
	if (!a->has_from)
		a->from = read_prefix(a->target.ipv6 ? "2000::/3" : "0.0.0.0/0",
				      state);
	if (a->from.ipv6 != a->target.ipv6 ||
	    (a->plan.holder && a->target.ipv6))
		argp_error(state, "sources and --to must be of one IP version");
	a->plan.ipv6 = a->target.ipv6;
	memcpy(a->plan.prefix, a->from.first, sizeof(a->from.first));
	memcpy(a->plan.host_mask, a->from.hosts, sizeof(a->from.hosts));
}

static void check_end(struct arguments *a, struct argp_state *state)
{
	static const char *const programs[] = { "pass", "drop", "bounce",
						"internet", "oracle", NULL };
	const char *const *p = programs;

	if (!a->interface)
		argp_usage(state);
	if (a->stand) {
		while (*p && (!a->program || strcmp(*p, a->program)))
			p++;
		if (!*p)
			argp_error(state, "what stands there? pass, drop, "
					  "bounce, internet or oracle");
		return;
	}
	if (!a->to || !a->has_mac)
		argp_error(state, "whom to flood? --to and --mac");
	choose_sources(a, state);
	if (a->count == ~0ULL && a->seconds > 86400)
		argp_error(state, "when does it end? --seconds or --count");
	if (a->burst != 1 && (!a->burst || !a->pps || a->pps > SLOW_PPS))
		argp_error(state, "--burst is 1 or more, with --pps up to %d",
			   SLOW_PPS);
	choose_kinds(a, state);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	__u32 hosts;

	switch (key) {
	case 't':
		a->target.ipv6 = strchr(arg, ':');
		a->to = arg;
		if (inet_pton(a->target.ipv6 ? AF_INET6 : AF_INET, arg,
			      &a->target.addr) != 1)
			argp_error(state, "\"%s\" is no address", arg);
		return 0;
	case 'm':
		read_mac(arg, &a->target, state);
		a->has_mac = true;
		return 0;
	case 'p':
		a->target.port = (unsigned short)read_number(arg, 65535, state);
		return 0;
	case 'k':
		a->kind = arg;
		return 0;
	case 'P':
		a->from = read_prefix(arg, state);
		a->has_from = true;
		return 0;
	case 'K':
		a->n_keys = keytext_parse(arg, a->keys);
		if (a->n_keys < 1)
			argp_error(state, "the key is not of the form "
					  "00112233-44556677-8899aabb-ccddeeff");
		return 0;
	case OPT_HOLDER:
		a->plan.holder = read_ipv4(arg, &hosts, state);
		if (hosts)
			argp_error(state, "\"%s\" is no address", arg);
		return 0;
	case 'r':
		a->pps = read_number(arg, 100000000, state);
		return 0;
	case OPT_BURST:
		a->burst = read_number(arg, 1000000, state);
		return 0;
	case 'n':
		a->count = read_number(arg, ~0ULL - 1, state);
		return 0;
	case 's':
		read_seconds(arg, a, state);
		return 0;
	case OPT_CPU:
		a->cpu = (int)read_number(arg, CPU_SETSIZE - 1, state);
		return 0;
	case OPT_ANYWHERE:
		a->anywhere = true;
		return 0;
	case OPT_KEEP:
		a->keep = read_ipv4(arg, &a->n_keep, state);
		a->n_keep++;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0 && !strcmp(arg, "stand"))
			a->stand = true;
		else if (state->arg_num == 0 && strcmp(arg, "send"))
			argp_error(state, "send or stand, not \"%s\"", arg);
		else if (state->arg_num == 1)
			a->interface = arg;
		else if (state->arg_num == 2 && a->stand)
			a->program = arg;
		else if (state->arg_num > 1)
			argp_usage(state);
		return 0;
	case ARGP_KEY_END:
		check_end(a, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options, parse_option,
	"send INTERFACE --to ADDRESS --mac MAC [OPTION...]\n"
	"stand INTERFACE pass|drop|bounce|internet|oracle [--keep PREFIX]",
	"A flood of SYNs, for tests and the bench.\v"
	"send floods by INTERFACE, and reports what it sent and what the ring "
	"of a veth's other end had no room for. stand puts an XDP program "
	"there, counts until it is told to end, and reports.",
	0, 0, 0
};

int main(int argc, char **argv)
{
	static struct arguments a = { .target.port = 443,
				      .kind = "plain",
				      .n_keep = ~0U,
				      .burst = 1,
				      .count = ~0ULL,
				      .seconds = 1e9 };
	struct sigaction action = { .sa_handler = end };

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (a.stand)
		do_stand(&a);
	else
		do_send(&a);
	return 0;
}
