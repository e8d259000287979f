// SPDX-License-Identifier: GPL-2.0
/*
 * Pressure, with real listeners whose queues hold real half-open requests: SYNs
 * come in by a tun device, and nobody answers their SYN-ACKs. The guard judges
 * by BPF_PROG_TEST_RUN, with a clock that moves by hand. In a network namespace
 * of the test's own (tests/isolate). Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fastopen.h"
#include "frames.h"
#include "interface.h"
#include "judge.h"
#include "kernel.h"
#include "listeners.h"
#include "locals.h"
#include "ports.h"
#include "syncookie.h"
#include "tables.h"

#define SECOND 1000000000ULL
#define MS 1000000ULL
#define PERIOD (1ULL << 29) /* of admissions between the marks */

#define TCP_FASTOPEN_KEY_OPT 33
#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

/* Those that the ring holds as current and previous. */
#define KERNEL_KEYS                                                            \
	"00112233-44556677-8899aabb-ccddeeff,"                                 \
	"a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4"

/* A queue of 64: some are answered from 8 on, all from 32 on. */
#define BACKLOG 64
#define LO 8
#define HI 32

enum {
	NEVER_PORT = 7001,
	ALWAYS_PORT,
	SOURCE_PORT, /* over_source=drop */
	PREFIX_PORT,
	OFF_PORT,
};

static int tun, any_port = 9000;
static struct judge *judge;
static __u64 now = 1000 * SECOND;
static const struct siphash_key master = { 0x1716151413121110,
					   0x1f1e1d1c1b1a1918 };

static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];
static struct judgement judged;

static void run(const char *command)
{
	pid_t pid = fork();
	int status;

	/* Not system(): a guest's sh has an ip of its own. */
	if (!pid) {
		execlp("bash", "bash", "-c", command, NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		fail_msg("failed: %s", command);
}

static void set_sysctl(const char *name, const char *value)
{
	char command[256];

	snprintf(command, sizeof(command), "sysctl -qw net.ipv4.%s='%s'", name,
		 value);
	run(command);
}

static void put_map(const char *name, __u32 key, const void *value)
{
	int fd = judge_map_fd(judge, name);

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &key, value, BPF_ANY), 0);
}

static void set_tuning(struct tuning t)
{
	put_map("tuning", 0, &t);
}

static void pass_time(__u64 ns)
{
	now += ns;
	put_map("frozen_time", 0, &now);
}

static struct port_state state_of(int port)
{
	struct port_state state;
	__u32 key = (__u32)port;

	assert_int_equal(bpf_map_lookup_elem(judge_map_fd(judge, "port_states"),
					     &key, &state),
			 0);
	return state;
}

/* ---- listeners, and what fills their queues ---- */

struct server {
	int fd, port;
};

static struct server make_server(int port, int protocol)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	struct server s = { .port = port ?: any_port++ };
	int yes = 1;

	/* For both families: one queue for all packets. */
	any.sin6_port = htons((uint16_t)s.port);
	s.fd = socket(AF_INET6, SOCK_STREAM, protocol);
	assert_true(s.fd >= 0);
	setsockopt(s.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	assert_int_equal(bind(s.fd, (void *)&any, sizeof(any)), 0);
	return s;
}

static void set_option(const struct server *s, int level, int option,
		       const void *value, size_t size)
{
	assert_int_equal(setsockopt(s->fd, level, option, value,
				    (socklen_t)size),
			 0);
}

static struct server serve(int port, int backlog, int tfo_queue)
{
	struct server s = make_server(port, 0);

	if (tfo_queue)
		set_option(&s, IPPROTO_TCP, TCP_FASTOPEN, &tfo_queue,
			   sizeof(tfo_queue));
	assert_int_equal(listen(s.fd, backlog), 0);
	return s;
}

static struct listener queues_of(const struct server *s)
{
	struct listener *list, found = { 0 };
	size_t n;

	assert_int_equal(listeners_read(&list, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (list[i].port == s->port)
			found = list[i];
	free(list);
	assert_int_equal(found.port, s->port);
	return found;
}

/* What the kernel sends is of no interest, and must not fill the device. */
static void drain(void)
{
	static unsigned char bytes[4096];

	while (read(tun, bytes, sizeof(bytes)) > 0)
		;
}

/* The kernel gets this very packet. */
static void inject(const struct frame *f)
{
	static unsigned char bytes[FRAME_MAX];
	struct frame bare = *f;
	size_t len;

	bare.no_ethernet = true;
	len = frame_build(&bare, bytes);
	assert_int_equal(write(tun, bytes, len), len);
}

/* @n half-open requests more, of strangers. */
static void half_open(const struct server *s, unsigned int n)
{
	unsigned int before = queues_of(s).syn_queue;
	static unsigned int stranger;
	char from[32];

	for (unsigned int i = 0; i < n; i++) {
		struct frame f = { .saddr = from,
				   .dport = (unsigned short)s->port,
				   .options = "mss" };

		stranger++;
		snprintf(from, sizeof(from), "198.18.%u.%u",
			 stranger / 250 % 250, stranger % 250 + 1);
		inject(&f);
		drain();
	}
	assert_int_equal(queues_of(s).syn_queue, before + n);
}

/* @n valid cookies with data whose senders don't go on. */
static void open_fast(const struct server *s, unsigned int n)
{
	unsigned int before = queues_of(s).fastopen_queue;
	static unsigned int client;
	char from[32];

	for (unsigned int i = 0; i < n; i++) {
		struct frame f = { .saddr = from,
				   .dport = (unsigned short)s->port,
				   .options = "mss tfo:current", .data_len = 3 };

		snprintf(from, sizeof(from), "198.19.0.%u", ++client);
		inject(&f);
		drain();
	}
	assert_int_equal(queues_of(s).fastopen_queue, before + n);
}

static void fill_accept_queue(const struct server *s, int n)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)s->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	while (n--) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		assert_int_equal(connect(fd, (void *)&to, sizeof(to)), 0);
	}
}

/* ---- judging ---- */

static enum verdict judge_now(const struct frame *f)
{
	size_t len = frame_build(f, in);

	assert_int_equal(judge_packet(judge, in, (__u32)len, out, &judged), 0);
	if (judged.action == ACTION_pass)
		assert_memory_equal(in, out, len);
	assert_int_equal(judged.xdp_action,
			 judged.action == ACTION_answer ? XDP_TX :
			 judged.action == ACTION_drop	? XDP_DROP :
							  XDP_PASS);
	return judged.verdict;
}

/* A tick later, so that the allowance of one tick is not what decides. */
static enum verdict judge_one(const struct frame *f)
{
	pass_time(MS);
	return judge_now(f);
}

static void expect(struct frame f, enum verdict verdict)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		f.ipv6 = ipv6;
		assert_string_equal(judge_verdict_name(judge_one(&f)),
				    judge_verdict_name(verdict));
	}
}

#define SYN_TO(server, with, data)                                             \
	((struct frame){ .dport = (unsigned short)(server)->port,              \
			 .options = (with),                                    \
			 .data_len = (data) })

static const struct class {
	const char *options;
	size_t data_len;
	enum verdict calm, pressed;
} classes[] = {
	{ "", 0, V_plain_syn, V_answer_plain },
	{ "mss sackok ts nop ws", 0, V_plain_syn, V_answer_plain },
	{ "mss tfo", 0, V_cookie_request, V_answer_request },
	{ "mss tfo", 9, V_cookie_request, V_answer_request },
	{ "mss exp", 0, V_cookie_request, V_answer_request },
	{ "mss tfo:other", 9, V_forged, V_answer_forged },
	{ "mss tfo:other", 0, V_forged, V_answer_forged },
	{ "mss exp:other", 9, V_forged, V_answer_forged },
	{ "mss tfo/4", 9, V_bad_length, V_answer_forged },
	{ "mss tfo/7", 9, V_data_without_cookie, V_answer_plain },
	{ "mss", 9, V_data_without_cookie, V_answer_plain },
};

#define N(array) (sizeof(array) / sizeof(*(array)))

static void expect_calm(const struct server *s)
{
	for (size_t i = 0; i < N(classes); i++)
		expect(SYN_TO(s, classes[i].options, classes[i].data_len),
		       classes[i].calm);
}

static void expect_all_answered(const struct server *s)
{
	for (size_t i = 0; i < N(classes); i++)
		expect(SYN_TO(s, classes[i].options, classes[i].data_len),
		       classes[i].pressed);
}

/* From the first look on valid cookies are looked at too. */
static void note_pressure(const struct server *s)
{
	judge_one(&SYN_TO(s, "mss", 9));
	assert_true(state_of(s->port).pressed_until > now >> 30);
}

/* ---- the marks ---- */

static void test_below_the_lower_mark(void **state)
{
	struct server s = serve(0, BACKLOG, 16);

	(void)state;
	for (int i = 0; i < LO; i++) {
		expect_calm(&s);
		expect(SYN_TO(&s, "mss tfo:current", 9), V_valid_current);
		half_open(&s, 1);
	}
	close(s.fd);
}

static void test_from_the_upper_mark_on(void **state)
{
	static const unsigned int queues[] = { HI, HI + 1, 50, BACKLOG,
					       BACKLOG + 1 };
	struct server s = serve(0, BACKLOG, 16);

	(void)state;
	for (size_t i = 0; i < N(queues); i++) {
		struct listener before, after;
		struct frame valid = SYN_TO(&s, "mss tfo:current", 9);

		half_open(&s, queues[i] - queues_of(&s).syn_queue);
		expect_all_answered(&s);
		expect(valid, V_valid_current);
		expect(SYN_TO(&s, "mss tfo:previous", 9), V_valid_previous);
		assert_true(state_of(s.port).pressed_until > now >> 30);
		assert_true(state_of(0).pressed_until > now >> 30);
		/* What passed does not enter. A full queue ends Fast Open: it
		 * is what must not happen. */
		if (queues[i] >= BACKLOG)
			continue;
		before = queues_of(&s);
		valid.sport = (unsigned short)(50000 + i);
		inject(&valid);
		after = queues_of(&s);
		assert_int_equal(after.syn_queue, before.syn_queue);
		assert_int_equal(after.fastopen_queue,
				 before.fastopen_queue + 1);
	}
	close(s.fd);
}

/* A valid cookie that would end up in the SYN queue is worth nothing there. */
static void test_valid_cookie_that_would_enter(void **state)
{
	struct server without = serve(0, BACKLOG, 0);
	struct server full = serve(0, BACKLOG, 2);
	struct server off = serve(0, BACKLOG, 16);

	(void)state;
	/* The first look tells the port to look at each. */
	half_open(&without, HI);
	expect_all_answered(&without);
	expect(SYN_TO(&without, "mss tfo:current", 9), V_answer_downgraded);

	half_open(&full, HI);
	expect_all_answered(&full);
	expect(SYN_TO(&full, "mss tfo:current", 9), V_valid_current);
	open_fast(&full, 2);
	expect(SYN_TO(&full, "mss tfo:current", 9), V_answer_downgraded);

	half_open(&off, HI);
	expect_all_answered(&off);
	set_sysctl("tcp_fastopen", "1");
	expect(SYN_TO(&off, "mss tfo:current", 9), V_answer_downgraded);
	set_sysctl("tcp_fastopen", "3");
	expect(SYN_TO(&off, "mss tfo:current", 9), V_valid_current);
	close(without.fd);
	close(full.fd);
	close(off.fd);
}

/* What a queue has earned, which may have had the address of a new one. */
static void forget_growths(void)
{
	struct {
		__u64 words[4];
	} nothing = { { 0 } };

	for (__u32 i = 0; i < 1024; i++)
		put_map("growths", i, &nothing);
}

/* By its hash, where nothing was earned: how many of @n flows are answered. */
static unsigned int answered_of(const struct server *s, unsigned int n,
				bool *answered)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct frame f = SYN_TO(s, "mss", 0);
		bool is;

		/* Each as the first of a period that gives one. */
		forget_growths();
		f.sport = (unsigned short)(10000 + i);
		f.ipv6 = i & 1;
		is = judge_now(&f) == V_answer_plain;
		if (answered)
			answered[i] = is;
		count += is;
	}
	return count;
}

static void test_share_rises_between_the_marks(void **state)
{
	static bool before[64], after[64];
	struct server s = serve(0, BACKLOG, 16);
	struct tuning t = TUNING_DEFAULT;
	unsigned int last = 0, n = 64;

	(void)state;
	t.source_syn = t.prefix_syn = 0;
	set_tuning(t);
	/* Such a period, at the start of an epoch of hashes: see share.h. */
	while ((((__u32)(now / PERIOD) * 0x9e3779b1U) >> 24) >= 24 ||
	       now % (1ULL << SYNCOOKIE_EPOCH_SHIFT) > 20 * SECOND)
		pass_time(PERIOD);
	half_open(&s, LO);
	for (unsigned int q = LO; q <= HI; q += 4) {
		unsigned int count = answered_of(&s, n, after);
		int expected = (int)(n * (q - LO) / (HI - LO));

		assert_in_range(count, expected < 12 ? 0 : expected - 12,
				expected + 12);
		/* The same flow again, a retransmission, fares the same; and
		 * who is answered stays so while the queue grows. */
		assert_int_equal(answered_of(&s, n, NULL), count);
		for (unsigned int i = 0; i < n; i++)
			assert_true(after[i] || !before[i]);
		memcpy(before, after, sizeof(before));
		assert_true(count >= last);
		last = count;
		if (q < HI)
			half_open(&s, 4);
	}
	assert_int_equal(last, n);
	set_tuning(TUNING_DEFAULT);
	close(s.fd);
}

/* Between the marks a queue that does not grow admits twice as many in each
 * period; one that does, next to none. */
static void test_admission_follows_the_queue(void **state)
{
	struct server s = serve(0, BACKLOG, 16);
	struct tuning t = TUNING_DEFAULT;
	unsigned int passed[40] = { 0 };

	(void)state;
	t.source_syn = t.prefix_syn = 0;
	set_tuning(t);
	half_open(&s, 12);
	for (int period = 0; period < 40; period++) {
		pass_time(PERIOD);
		for (int i = 0; i < 100; i++) {
			struct frame f = SYN_TO(&s, "mss", 0);

			/* By its hash one may be answered each time. */
			f.sport = (unsigned short)(10000 + i);
			passed[period] += judge_now(&f) == V_plain_syn;
		}
	}
	assert_in_range(passed[0], 0, 1);
	assert_int_equal(passed[39], 100);
	for (int period = 1; period < 40; period++)
		assert_true(passed[period] <= 2 * (passed[period - 1] ?: 1));
	/* Seven, more than a quarter of what is between the marks. */
	half_open(&s, 7);
	for (int i = 0; i < 100; i++)
		assert_int_equal(judge_now(&SYN_TO(&s, "mss", 0)),
				 V_answer_plain);
	set_tuning(TUNING_DEFAULT);
	close(s.fd);
}

/* Calm: no more in one tick than the queue has room for, on this CPU. */
static void test_allowance_of_a_tick(void **state)
{
	struct server s = serve(0, BACKLOG, 16), without = serve(0, BACKLOG, 0);
	struct tuning t = TUNING_DEFAULT;

	(void)state;
	t.admit_share = 64; /* a quarter of 32 */
	set_tuning(t);
	for (int tick = 0; tick < 3; tick++) {
		pass_time(4 * MS);
		for (int i = 0; i < 20; i++)
			assert_int_equal(judge_now(&SYN_TO(&s, "mss", 0)),
					 i < 8 ? V_plain_syn : V_answer_plain);
		for (int i = 0; i < 20; i++)
			assert_int_equal(
				judge_now(&SYN_TO(&s, "tfo:current", 9)),
				V_valid_current);
	}
	/* Of 28 that are left to the mark, seven. */
	half_open(&s, 4);
	pass_time(4 * MS);
	for (int i = 0; i < 20; i++)
		assert_int_equal(judge_now(&SYN_TO(&s, "mss", 0)),
				 i < 7 ? V_plain_syn : V_answer_plain);
	/* A valid cookie is one of them where it would enter. Each is looked
	 * at while its port is under pressure. */
	half_open(&without, LO);
	judge_one(&SYN_TO(&without, "mss", 0));
	close(without.fd);
	without = serve(without.port, BACKLOG, 0);
	pass_time(4 * MS);
	for (int i = 0; i < 20; i++)
		assert_int_equal(judge_now(&SYN_TO(&without, "tfo:current", 9)),
				 i < 8 ? V_valid_current : V_answer_downgraded);
	t.admit_share = 0;
	set_tuning(t);
	pass_time(4 * MS);
	for (int i = 0; i < 100; i++)
		assert_int_equal(judge_now(&SYN_TO(&s, "mss", 0)), V_plain_syn);
	set_tuning(TUNING_DEFAULT);
	close(s.fd);
	close(without.fd);
}

/* Its Fast Open queue has no places, and none of them are taken. */
static void test_listener_without_fast_open_in_calm(void **state)
{
	struct server s = serve(0, BACKLOG, 0);

	(void)state;
	pass_time(10 * SECOND);
	expect_calm(&s);
	expect(SYN_TO(&s, "mss tfo:current", 9), V_valid_current);
	assert_int_equal(state_of(s.port).pressed_until, 0);
	assert_true(state_of(0).pressed_until <= now >> 30);
	close(s.fd);
}

/* ---- who is never answered ---- */

static void expect_never_answered(const struct server *s)
{
	assert_true(queues_of(s).syn_queue << 8 >=
		    queues_of(s).backlog * TUNING_DEFAULT.mark_hi);
	expect_calm(s);
}

static void test_never_by_policy(void **state)
{
	struct server s = serve(NEVER_PORT, BACKLOG, 16);

	(void)state;
	half_open(&s, HI);
	expect_never_answered(&s);
	close(s.fd);
}

static void test_never_while_stopped(void **state)
{
	struct server s = serve(0, BACKLOG, 16);
	struct port_state stopped = state_of(s.port);

	(void)state;
	half_open(&s, HI);
	stopped.stopped_until = (__u32)(now >> 30) + 10;
	put_map("port_states", (__u32)s.port, &stopped);
	expect_never_answered(&s);
	pass_time(11ULL << 30);
	expect_all_answered(&s);
	close(s.fd);
}

static void test_never_without_syncookies(void **state)
{
	struct server s = serve(0, BACKLOG, 16);

	(void)state;
	half_open(&s, HI);
	set_sysctl("tcp_syncookies", "0");
	expect_never_answered(&s);
	set_sysctl("tcp_syncookies", "1");
	expect_all_answered(&s);
	close(s.fd);
}

static void test_never_for_mptcp(void **state)
{
	struct server s = make_server(0, IPPROTO_MPTCP);

	(void)state;
	assert_int_equal(listen(s.fd, BACKLOG), 0);
	half_open(&s, HI);
	expect_never_answered(&s);
	close(s.fd);
}

static void test_never_for_signatures(void **state)
{
	struct server s = serve(0, BACKLOG, 16);
	struct sockaddr_in6 peer = { .sin6_family = AF_INET6 };
	struct tcp_md5sig md5 = { .tcpm_keylen = 3, .tcpm_key = "key" };

	(void)state;
	inet_pton(AF_INET6, "fd00:77::1", &peer.sin6_addr);
	memcpy(&md5.tcpm_addr, &peer, sizeof(peer));
	half_open(&s, HI);
	set_option(&s, IPPROTO_TCP, TCP_MD5SIG, &md5, sizeof(md5));
	expect_never_answered(&s);
	close(s.fd);
}

/* GTSM: who is beyond the next hop is no peer. */
static void test_never_where_peers_are_near(void **state)
{
	struct server s = make_server(0, 0);
	int tfo = 16, hops = 255, backlog = BACKLOG;

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		if (ipv6)
			s = make_server(0, 0);
		set_option(&s, IPPROTO_TCP, TCP_FASTOPEN, &tfo, sizeof(tfo));
		if (ipv6)
			set_option(&s, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &hops,
				   sizeof(hops));
		assert_int_equal(listen(s.fd, backlog), 0);
		half_open(&s, HI);
		/* Set now: strangers' SYNs would not have come in. */
		if (!ipv6)
			set_option(&s, IPPROTO_IP, IP_MINTTL, &hops,
				   sizeof(hops));
		expect_never_answered(&s);
		close(s.fd);
	}
}

#define TCP_AO_ADD_KEY_OPT 38

/* linux/tcp.h since 6.7 */
struct ao_key {
	struct sockaddr_storage peer;
	char algorithm[64];
	__s32 ifindex;
	__u32 flags;
	__u16 reserved;
	__u8 prefix, sndid, rcvid, maclen, keyflags, keylen, key[80];
} __attribute__((aligned(8)));

static void test_never_for_ao(void **state)
{
	struct server s = serve(0, BACKLOG, 16);
	struct sockaddr_in6 peer = { .sin6_family = AF_INET6 };
	struct ao_key ao = { .algorithm = "hmac(sha1)",
			     .prefix = 128,
			     .sndid = 1,
			     .rcvid = 1,
			     .keylen = 3,
			     .key = "key" };

	(void)state;
	inet_pton(AF_INET6, "fd00:77::1", &peer.sin6_addr);
	memcpy(&ao.peer, &peer, sizeof(peer));
	half_open(&s, HI);
	expect_all_answered(&s);
	if (setsockopt(s.fd, IPPROTO_TCP, TCP_AO_ADD_KEY_OPT, &ao,
		       sizeof(ao)) &&
	    errno == ENOPROTOOPT) {
		printf("# skipped: this kernel has no TCP-AO\n");
		skip();
	}
	expect_never_answered(&s);
	close(s.fd);
}

static void test_never_with_full_accept_queue(void **state)
{
	struct server s = serve(0, 4, 16);

	(void)state;
	half_open(&s, 2);
	expect_all_answered(&s);
	fill_accept_queue(&s, 5);
	expect_never_answered(&s);
	/* Nor is a valid cookie: it would be dropped by the kernel. */
	expect(SYN_TO(&s, "mss tfo:current", 9), V_valid_current);
	close(s.fd);
}

static void test_never_for_a_socket_that_exists(void **state)
{
	struct server s = serve(0, BACKLOG, 16);
	struct frame f = SYN_TO(&s, "mss", 0);

	(void)state;
	half_open(&s, HI);
	f.sport = 40007;
	assert_int_equal(judge_one(&f), V_answer_plain);
	inject(&f);
	assert_int_equal(judge_one(&f), V_socket_exists);
	f.sport++;
	assert_int_equal(judge_one(&f), V_answer_plain);
	close(s.fd);
}

/* The kernel lets a SYN in TIME_WAIT's place enter a queue that is full. */
static void test_none_enters_through_time_wait(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET }, from;
	struct server s = serve(0, BACKLOG, 16);
	int client = socket(AF_INET, SOCK_STREAM, 0), passed;
	socklen_t size = sizeof(from);
	struct frame f = SYN_TO(&s, "mss", 0);
	struct frame valid = SYN_TO(&s, "mss tfo:current", 9);
	struct frame forged = SYN_TO(&s, "mss tfo:other", 9);

	(void)state;
	to.sin_port = htons((uint16_t)s.port);
	inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
	assert_int_equal(connect(client, (void *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(client, (void *)&from, &size), 0);
	f.saddr = valid.saddr = forged.saddr = "192.0.2.2";
	f.sport = valid.sport = forged.sport = ntohs(from.sin_port);
	assert_int_equal(judge_one(&f), V_socket_exists);
	close(accept(s.fd, NULL, NULL));
	close(client);

	/* In calm it is as any other. */
	assert_int_equal(judge_one(&f), V_plain_syn);
	assert_int_equal(judge_one(&forged), V_forged);
	assert_int_equal(judge_one(&valid), V_valid_current);

	/* Between the marks as many enter as may in a second; of retries too. */
	half_open(&s, HI - 1);
	for (passed = 0; judge_one(&f) == V_plain_syn; passed++)
		assert_in_range(passed, 0, 200);
	assert_in_range(passed, 100, 120);
	assert_int_equal(judge_one(&f), V_odd_limit);
	assert_int_equal(judge_one(&forged), V_odd_limit);

	/* At the upper mark none do. */
	pass_time(10 * SECOND);
	half_open(&s, 1);
	assert_int_equal(judge_one(&f), V_odd_limit);
	assert_int_equal(judge_one(&forged), V_odd_limit);
	assert_int_equal(judge_one(&valid), V_valid_current);

	/* Where nothing is answered the kernel has them all. */
	set_sysctl("tcp_syncookies", "0");
	for (int i = 0; i < 200; i++)
		assert_int_equal(judge_now(&f), V_plain_syn);
	set_sysctl("tcp_syncookies", "1");
	close(s.fd);
}

/* Of one second, and for all that are odd together. */
static void expect_small_rate(const struct frame *f, enum verdict calm)
{
	int passed = 0;

	while (judge_now(f) == calm)
		assert_in_range(passed++, 0, 200);
	assert_int_equal(judge_now(f), V_odd_limit);
	assert_in_range(passed, 100, 110);
	pass_time(SECOND / 2);
	while (judge_now(f) == calm)
		assert_in_range(passed++, 0, 200);
	assert_in_range(passed, 140, 170);
	pass_time(10 * SECOND);
}

/* Repeats of a request that the kernel holds, and what of TCP can't be read. */
static void test_odd_keeps_to_a_small_rate(void **state)
{
	struct server s = serve(0, BACKLOG, 16);
	struct frame repeat = SYN_TO(&s, "mss", 0);
	struct frame unparsed = SYN_TO(&s, "mss", 0);

	(void)state;
	repeat.sport = 40107;
	unparsed.doff = 4;
	pass_time(10 * SECOND);
	inject(&repeat);
	drain();
	for (int pressed = 0; pressed < 2; pressed++) {
		for (int ipv6 = 0; ipv6 < 2; ipv6++) {
			unparsed.ipv6 = ipv6;
			if (pressed) {
				note_pressure(&s);
				expect_small_rate(&unparsed, V_unparsed_tcp);
				note_pressure(&s);
				expect_small_rate(&repeat, V_socket_exists);
				continue;
			}
			for (int i = 0; i < 500; i++) {
				assert_int_equal(judge_now(&unparsed),
						 V_unparsed_tcp);
				assert_int_equal(judge_now(&repeat),
						 V_socket_exists);
			}
		}
		if (!pressed) {
			half_open(&s, HI - 1);
			pass_time(10 * SECOND);
		}
	}
	/* What is for others is theirs, at any rate. */
	note_pressure(&s);
	unparsed.ipv6 = false;
	unparsed.dmac_last = 1;
	for (int i = 0; i < 500; i++)
		assert_int_equal(judge_now(&unparsed), V_unparsed_tcp);
	close(s.fd);
}

static void test_never_for_others(void **state)
{
	struct server s = serve(0, BACKLOG, 16);

	(void)state;
	half_open(&s, HI);
	for (size_t i = 0; i < N(classes); i++) {
		struct frame f = SYN_TO(&s, classes[i].options,
					classes[i].data_len);

		f.dmac_last = 1;
		expect(f, V_not_ours);
		f.dmac_last = 0;
		f.tags[0] = (struct frame_tag){ 0x8100, 5 };
		expect(f, V_not_ours);
		f.tags[0] = (struct frame_tag){ 0 };
		f.daddr = "198.51.100.9";
		assert_int_equal(judge_one(&f), V_not_ours);
		f.ipv6 = true;
		f.daddr = "fd00:55::9";
		assert_int_equal(judge_one(&f), V_not_ours);
	}
	close(s.fd);
}

static void test_always(void **state)
{
	struct server s = serve(ALWAYS_PORT, BACKLOG, 16);

	(void)state;
	expect_all_answered(&s);
	expect(SYN_TO(&s, "mss tfo:current", 9), V_valid_current);
	close(s.fd);
}

/* ---- what is offered: what the kernel's own SYN-ACK would ---- */

struct offer {
	unsigned char flags;
	unsigned int window;
	int mss, scale; /* -1: not there */
	bool sack, timestamps;
	unsigned char tsecr[4];
	int cookie_kind; /* 0: none */
	unsigned char cookie[8];
};

static struct offer read_offer(const unsigned char *tcp)
{
	struct offer o = { .flags = tcp[13], .mss = -1, .scale = -1 };
	size_t len = (size_t)(tcp[12] >> 4) * 4;

	o.window = (unsigned int)(tcp[14] << 8 | tcp[15]);
	for (size_t at = 20; at < len; at += tcp[at] == 1 ? 1 : tcp[at + 1]) {
		const unsigned char *option = tcp + at;

		if (option[0] == 0)
			break;
		switch (option[0]) {
		case 2:
			o.mss = option[2] << 8 | option[3];
			break;
		case 3:
			o.scale = option[2];
			break;
		case 4:
			o.sack = true;
			break;
		case 8:
			o.timestamps = true;
			memcpy(o.tsecr, option + 6, 4);
			break;
		case 34:
		case 254:
			o.cookie_kind = option[0];
			memcpy(o.cookie, option + (option[0] == 34 ? 2 : 4), 8);
		}
	}
	return o;
}

/* The kernel's answer to @f. */
/*
 * A cookie that fits the ring but no key of the kernel's, for this listener: it
 * proves an address, yet its SYN would enter the SYN queue. Its client gets a
 * cookie of the right key.
 */
static void expect_not_held(const struct server *s, const char *options,
			    enum verdict calm)
{
	struct frame f = SYN_TO(s, options, 9);

	/* In calm the kernel tells it. */
	expect(f, calm);
	half_open(s, HI);
	for (int i = 0; i < 40; i++) {
		f.sport = (unsigned short)(50000 + i);
		expect(f, V_answer_downgraded);
		/* Of the latter, IPv6. */
		assert_int_equal(read_offer(out + 14 + 40).cookie_kind, 34);
	}
	close(s->fd);
}

static void test_valid_cookie_that_the_kernel_refuses(void **state)
{
	static const unsigned char key[16] = "a listener's own";
	struct server s = serve(0, BACKLOG, 16);

	(void)state;
	set_option(&s, IPPROTO_TCP, TCP_FASTOPEN_KEY_OPT, key, sizeof(key));
	expect_not_held(&s, "mss tfo:current", V_valid_current);
	s = serve(0, BACKLOG, 16);
	set_option(&s, IPPROTO_TCP, TCP_FASTOPEN_KEY_OPT, key, sizeof(key));
	expect_not_held(&s, "mss tfo:previous", V_valid_previous);
	s = serve(0, BACKLOG, 16);
	expect_not_held(&s, "mss tfo:staged", V_valid_staged);
	/* The namespace's key was changed, the ring not yet. */
	set_sysctl("tcp_fastopen_key", "00000005-00000006-00000007-00000008");
	s = serve(0, BACKLOG, 16);
	expect_not_held(&s, "mss tfo:current", V_valid_current);
	set_sysctl("tcp_fastopen_key", KERNEL_KEYS);

	/* What the listener takes from whoever comes it takes from him too. */
	set_sysctl("tcp_fastopen", "515"); /* 0x203 */
	s = serve(0, BACKLOG, 16);
	half_open(&s, HI);
	expect(SYN_TO(&s, "mss tfo:staged", 9), V_valid_staged);
	set_sysctl("tcp_fastopen", "3");
	close(s.fd);
}

/* In calm most are not looked at, but no more than its Fast Open queue has room
 * for below its mark. */
static void test_valid_cookies_beyond_the_mark(void **state)
{
	struct server s = serve(0, BACKLOG, 64);
	struct frame f = SYN_TO(&s, "mss tfo:current", 9);
	unsigned int passed = 0;

	(void)state;
	f.saddr = "192.0.2.79";
	pass_time(100 * SECOND);
	/* One source: beyond the mark, a quarter of 64, it has a 16th. */
	for (int i = 0; i < 60; i++) {
		f.sport = (unsigned short)(52000 + i);
		if (judge_now(&f) == V_valid_current) {
			inject(&f);
			drain();
			passed++;
		}
	}
	assert_in_range(passed, 16, 16 + 4);
	assert_int_equal(queues_of(&s).fastopen_queue, passed);
	assert_int_equal(queues_of(&s).syn_queue, 0);
	close(s.fd);
}

static struct offer kernels_offer(const struct frame *f)
{
	static unsigned char bytes[4096];
	size_t header = f->ipv6 ? 40 : 20;
	struct pollfd readable = { .fd = tun, .events = POLLIN };
	unsigned char *tcp = bytes + header;

	drain();
	inject(f);
	for (;;) {
		if (poll(&readable, 1, 1000) != 1)
			fail_msg("the kernel did not answer");
		assert_true(read(tun, bytes, sizeof(bytes)) > 0);
		if (bytes[0] >> 4 == (f->ipv6 ? 6 : 4) &&
		    (tcp[13] & (SYN | ACK)) == (SYN | ACK) &&
		    (tcp[2] << 8 | tcp[3]) == f->sport)
			return read_offer(tcp);
	}
}

static void expect_kernels_offer(const struct server *s, const char *options,
				 const char *what)
{
	static unsigned short sport = 20000;
	struct tuning marks = TUNING_DEFAULT;
	long rmem_max;

	assert_int_equal(kernel_sysctl("core.rmem_max", &rmem_max), 0);
	marks.rmem_max = (__u32)rmem_max;
	/* Pressed from the first request on, which is the kernel's. */
	marks.mark_lo = 0;
	marks.mark_hi = 1;
	set_tuning(marks);
	for (int i = 0; i < 2; i++) {
		struct frame f = SYN_TO(s, options, 0);
		struct offer kernels, ours;
		unsigned int segment;

		f.ipv6 = i & 1;
		f.flags = SYN | ECE | CWR;
		f.sport = ++sport;
		kernels = kernels_offer(&f);
		f.sport = ++sport;
		if (verdict_action(judge_one(&f)) != ACTION_answer)
			fail_msg("%s: %s", what,
				 judge_verdict_name(judged.verdict));
		ours = read_offer(out + 14 + (f.ipv6 ? 40 : 20));
		/* In whole segments; of which size depends on the client. */
		segment = kernels.mss > 1460 ? (unsigned int)kernels.mss : 1460;
		if (ours.window > kernels.window + segment ||
		    ours.window + segment < kernels.window)
			fail_msg("%s: window %u, the kernel's %u", what,
				 ours.window, kernels.window);
		ours.window = kernels.window;
		/* So that no answer is larger than its SYN. */
		if (!strstr(options, "mss") && !strstr(options, "raw:0204"))
			kernels.mss = -1;
		if (ours.mss != kernels.mss || ours.scale != kernels.scale)
			fail_msg("%s: MSS %d scale %d, the kernel's %d and %d",
				 what, ours.mss, ours.scale, kernels.mss,
				 kernels.scale);
		assert_memory_equal(&ours, &kernels, sizeof(ours));
	}
	set_tuning(TUNING_DEFAULT);
}

static const char *const asked[] = {
	"",
	"mss",
	"mss sackok ts nop ws",
	"mss sackok ts nop ws tfo",
	"mss nop nop ts exp",
	"mss nop nop sackok tfo:other",
	"mss nop ws tfo",
	"nop nop ts nop ws",
};

static void expect_kernels_offers(const struct server *s, const char *what)
{
	for (size_t i = 0; i < N(asked); i++)
		expect_kernels_offer(s, asked[i], what);
}

static void test_offer_follows_sysctls(void **state)
{
	static const struct {
		const char *name, *value, *usual;
	} rows[] = {
		{ "tcp_sack", "1", "1" },
		{ "tcp_sack", "0", "1" },
		{ "tcp_timestamps", "0", "1" },
		{ "tcp_timestamps", "2", "1" },
		{ "tcp_window_scaling", "0", "1" },
		{ "tcp_ecn", "0", "2" },
		{ "tcp_ecn", "1", "2" },
		{ "tcp_rmem", "4096 131072 33554432", "4096 131072 6291456" },
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		struct server s;

		set_sysctl(rows[i].name, rows[i].value);
		s = serve(0, BACKLOG, 16);
		expect_kernels_offers(&s, rows[i].name);
		set_sysctl(rows[i].name, rows[i].usual);
		close(s.fd);
	}
}

static void test_offer_follows_the_listener(void **state)
{
	static const unsigned char key[16] = "a listener's own";
	struct server own_key = serve(0, BACKLOG, 16);
	struct server without = serve(0, BACKLOG, 0), s;
	static const int buffers[] = { 2048, 8192, 20000, 100000 };
	static const int sizes[] = { 536, 1000, 1400 };

	(void)state;
	set_option(&own_key, IPPROTO_TCP, TCP_FASTOPEN_KEY_OPT, key, sizeof(key));
	expect_kernels_offer(&own_key, "mss tfo", "own key");
	expect_kernels_offer(&own_key, "mss exp", "own key");
	expect_kernels_offer(&own_key, "mss tfo:other", "own key, forged");
	expect_kernels_offers(&without, "no Fast Open");
	close(own_key.fd);
	close(without.fd);
	for (size_t i = 0; i < N(buffers); i++) {
		s = make_server(0, 0);
		set_option(&s, SOL_SOCKET, SO_RCVBUF, &buffers[i],
			   sizeof(buffers[i]));
		assert_int_equal(listen(s.fd, BACKLOG), 0);
		expect_kernels_offers(&s, "SO_RCVBUF");
		close(s.fd);
	}
	for (size_t i = 0; i < N(sizes); i++) {
		s = make_server(0, 0);
		set_option(&s, IPPROTO_TCP, TCP_MAXSEG, &sizes[i],
			   sizeof(sizes[i]));
		assert_int_equal(listen(s.fd, BACKLOG), 0);
		expect_kernels_offers(&s, "TCP_MAXSEG");
		close(s.fd);
	}
}

static void test_offer_follows_the_mtu(void **state)
{
	struct server s = serve(0, BACKLOG, 16);
	struct tuning t = TUNING_DEFAULT;

	(void)state;
	run("ip link set t0 mtu 1400");
	expect_kernels_offers(&s, "MTU 1400");
	run("ip link set t0 mtu 9000");
	expect_kernels_offers(&s, "MTU 9000");
	run("ip link set t0 mtu 1500");
	/* What the operator says goes before. */
	half_open(&s, HI);
	t.mss = 1234;
	set_tuning(t);
	expect(SYN_TO(&s, "mss", 0), V_answer_plain);
	assert_int_equal(read_offer(out + 14 + 40).mss, 1234);
	set_tuning(TUNING_DEFAULT);
	close(s.fd);
}

/* What the kernel takes the window for when the ACK comes: whole segments of
 * what the buffer holds (cookie_v4_check, tcp_select_initial_window). More
 * would be thrown away. */
static void test_window_is_what_the_buffer_holds(void **state)
{
	static const int buffers[] = { 2048, 8192, 20000, 65535, 100000 };
	static const struct {
		const char *options;
		unsigned int mss;
	} rows[] = {
		{ "mss nop nop ts", 1460 },
		{ "mss", 1460 },
		{ "raw:020404b0 nop nop ts", 1200 },
		{ "raw:020404b0", 966 }, /* all that the cookie can say */
		{ "raw:02042328", 8960 },
	};

	(void)state;
	for (size_t i = 0; i < N(buffers) * N(rows); i++) {
		unsigned int mss = rows[i % N(rows)].mss, space;
		struct server s = make_server(0, 0);
		struct frame f = SYN_TO(&s, rows[i % N(rows)].options, 0);
		int size;
		socklen_t len = sizeof(size);

		set_option(&s, SOL_SOCKET, SO_RCVBUF, &buffers[i / N(rows)],
			   sizeof(int));
		assert_int_equal(listen(s.fd, BACKLOG), 0);
		half_open(&s, HI);
		getsockopt(s.fd, SOL_SOCKET, SO_RCVBUF, &size, &len);
		space = (unsigned int)size / 2;
		if (space > mss)
			space -= space % mss;
		assert_int_equal(judge_one(&f), V_answer_plain);
		assert_int_equal(read_offer(out + 14 + 20).window,
				 space < 65535 ? space : 65535);
		close(s.fd);
	}
}

/* ---- limits ---- */

static struct frame from(const struct server *s, const char *address,
			 const char *options)
{
	struct frame f = SYN_TO(s, options, 0);

	f.saddr = address;
	f.ipv6 = strchr(address, ':') != NULL;
	return f;
}

static void expect_first(unsigned int n, struct frame f, enum verdict first,
			 enum verdict then)
{
	for (unsigned int i = 0; i < n + 5; i++) {
		f.sport = (unsigned short)(30000 + i);
		assert_string_equal(judge_verdict_name(judge_now(&f)),
				    judge_verdict_name(i < n ? first : then));
	}
}

static void test_source_limit(void **state)
{
	struct server s = serve(SOURCE_PORT, BACKLOG, 16);
	struct tuning t = TUNING_DEFAULT;

	(void)state;
	t.admit_share = 0;
	t.source_syn = 20;
	t.source_forged = 4;
	set_tuning(t);
	pass_time(100 * SECOND);
	expect_first(20, from(&s, "203.0.113.1", "mss"), V_plain_syn,
		     V_source_limit);
	/* What others send is theirs; so is another kind of the same. */
	expect_first(20, from(&s, "203.0.113.2", "mss tfo"), V_cookie_request,
		     V_source_limit);
	expect_first(0, from(&s, "203.0.113.2", "mss"), V_plain_syn,
		     V_source_limit);
	expect_first(4, from(&s, "203.0.113.3", "mss tfo:other"), V_forged,
		     V_source_limit);
	/* A valid cookie is no subject of limits. */
	for (int i = 0; i < 50; i++)
		assert_int_equal(judge_now(&(struct frame){
					 .saddr = "203.0.113.1",
					 .dport = SOURCE_PORT,
					 .options = "tfo:current" }),
				 V_valid_current);
	/* A token is a 20th of a second. */
	pass_time(SECOND / 20);
	expect_first(1, from(&s, "203.0.113.1", "mss"), V_plain_syn,
		     V_source_limit);
	/* IPv6 by /64. */
	expect_first(20, from(&s, "fd00:3::1", "mss"), V_plain_syn,
		     V_source_limit);
	expect_first(0, from(&s, "fd00:3::ffff", "mss"), V_plain_syn,
		     V_source_limit);
	expect_first(20, from(&s, "fd00:3:0:1::1", "mss"), V_plain_syn,
		     V_source_limit);
	set_tuning(TUNING_DEFAULT);
	close(s.fd);
}

static void test_prefix_limit(void **state)
{
	struct server s = serve(PREFIX_PORT, BACKLOG, 16);
	struct tuning t = TUNING_DEFAULT;
	char address[32];

	(void)state;
	t.admit_share = 0;
	t.prefix_syn = 25;
	set_tuning(t);
	pass_time(100 * SECOND);
	for (int i = 0; i < 40; i++) {
		struct frame f;

		snprintf(address, sizeof(address), "203.0.113.%d", i);
		f = from(&s, address, "mss");
		assert_int_equal(judge_now(&f),
				 i < 25 ? V_plain_syn : V_prefix_limit);
		snprintf(address, sizeof(address), "fd00:4:4:%x00::1", i);
		f = from(&s, address, "mss");
		assert_int_equal(judge_now(&f),
				 i < 25 ? V_plain_syn : V_prefix_limit);
	}
	expect_first(25, from(&s, "203.0.114.1", "mss"), V_plain_syn,
		     V_prefix_limit);
	expect_first(25, from(&s, "fd00:4:5::1", "mss"), V_plain_syn,
		     V_prefix_limit);
	set_tuning(TUNING_DEFAULT);
	close(s.fd);
}

/* Limits that don't drop: nothing in calm, answers under pressure. */
static void test_limits_that_answer(void **state)
{
	struct server s = serve(0, BACKLOG, 16),
		      pressed = serve(0, BACKLOG, 16);
	struct tuning t = TUNING_DEFAULT;
	unsigned int passed = 0;

	(void)state;
	t.admit_share = 0;
	t.source_syn = 5;
	set_tuning(t);
	for (int i = 0; i < 50; i++)
		assert_int_equal(judge_now(&SYN_TO(&s, "mss", 0)), V_plain_syn);
	half_open(&s, 12);
	/* A queue that does not grow soon admits more than this source sends;
	 * its limit does not. */
	for (int period = 0; period < 30; period++) {
		pass_time(2 * PERIOD);
		passed = 0;
		for (int i = 0; i < 50; i++)
			passed += judge_now(&SYN_TO(&s, "mss", 0)) ==
				  V_plain_syn;
	}
	assert_int_equal(passed, 5);
	/* What is answered anyway takes nothing of it. */
	half_open(&pressed, HI);
	pass_time(2 * PERIOD);
	for (int i = 0; i < 50; i++)
		assert_int_equal(judge_now(&SYN_TO(&pressed, "mss", 0)),
				 V_answer_plain);
	passed = 0;
	for (int i = 0; i < 50; i++)
		passed += judge_now(&SYN_TO(&s, "mss", 0)) == V_plain_syn;
	assert_int_equal(passed, 5);
	t.source_syn = 0;
	set_tuning(t);
	passed = 0;
	for (int i = 0; i < 50; i++)
		passed += judge_now(&SYN_TO(&s, "mss", 0)) == V_plain_syn;
	assert_int_equal(passed, 50);
	set_tuning(TUNING_DEFAULT);
	close(pressed.fd);
	close(s.fd);
}

/* As after a flood from ever new sources: no bucket holds a token. */
static void saturate(void)
{
	int fd = judge_map_fd(judge, "buckets");
	__u64 full_at = now + 2 * SECOND;
	__u32 bucket = 0;

	while (!bpf_map_update_elem(fd, &bucket, &full_at, BPF_EXIST))
		bucket++;
	assert_true(bucket > 100000);
}

/* Strangers then suffer what is the worst for who is over a limit: unproven
 * ones are answered while there is pressure. No more. */
static void test_saturated_buckets(void **state)
{
	struct server s = serve(0, BACKLOG, 16), dropping;

	(void)state;
	saturate();
	expect_calm(&s);
	expect(SYN_TO(&s, "tfo:current", 9), V_valid_current);
	half_open(&s, LO);
	saturate();
	/* Some of them would pass here, others be cut. */
	expect_all_answered(&s);
	expect(SYN_TO(&s, "tfo:current", 9), V_valid_current);
	close(s.fd);

	/* Whom the operator has told to drop. */
	dropping = serve(SOURCE_PORT, BACKLOG, 16);
	expect(SYN_TO(&dropping, "mss", 0), V_source_limit);
	expect(SYN_TO(&dropping, "tfo:current", 9), V_valid_current);
	pass_time(3 * SECOND);
	expect(SYN_TO(&dropping, "mss", 0), V_plain_syn);
	close(dropping.fd);
}

/* Nothing is earned, so nothing beyond one tick's allowance enters a queue;
 * and nobody is refused who can be answered. */
static void test_clock_that_stands_still(void **state)
{
	struct server calm = serve(0, BACKLOG, 16),
		      between = serve(0, BACKLOG, 16),
		      pressed = serve(0, BACKLOG, 16);
	unsigned int entered[3] = { 0 };

	(void)state;
	half_open(&between, LO + 4);
	half_open(&pressed, HI);
	pass_time(100 * SECOND);
	forget_growths();
	for (unsigned int i = 0; i < 2000; i++) {
		const struct server *servers[] = { &calm, &between, &pressed };

		for (int j = 0; j < 3; j++) {
			struct frame f = SYN_TO(servers[j], "mss", 0);
			enum verdict verdict;

			f.sport = (unsigned short)(10000 + i);
			verdict = judge_now(&f);
			assert_true(verdict == V_plain_syn ||
				    verdict == V_answer_plain);
			entered[j] += verdict == V_plain_syn;
			f.options = "tfo:current";
			assert_int_equal(judge_now(&f), V_valid_current);
		}
	}
	assert_in_range(entered[0], 1, HI);
	assert_in_range(entered[1], 0, HI - LO - 4);
	assert_int_equal(entered[2], 0);
	close(calm.fd);
	close(between.fd);
	close(pressed.fd);
}

/* Each by its own queue, the calm among the pressed. */
static void test_a_hundred_ports(void **state)
{
	static struct server servers[100];

	(void)state;
	for (size_t i = 0; i < N(servers); i++) {
		servers[i] = serve(0, BACKLOG, 16);
		if (i & 1)
			half_open(&servers[i], HI);
	}
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < N(servers); i++) {
			expect(SYN_TO(&servers[i], "mss", 0),
			       i & 1 ? V_answer_plain : V_plain_syn);
			expect(SYN_TO(&servers[i], "mss tfo", 0),
			       i & 1 ? V_answer_request : V_cookie_request);
			expect(SYN_TO(&servers[i], "tfo:current", 9),
			       V_valid_current);
		}
	for (size_t i = 0; i < N(servers); i++) {
		assert_int_equal(state_of(servers[i].port).pressed_until != 0,
				 i & 1);
		close(servers[i].fd);
	}
}

/* One source can't park all of the Fast Open queue; alone it may use it. */
static void test_tfo_budget(void **state)
{
	struct server s = serve(0, BACKLOG, 16), never;
	struct frame f = SYN_TO(&s, "mss tfo:current", 9);

	(void)state;
	pass_time(100 * SECOND);
	open_fast(&s, 3);
	for (int i = 0; i < 20; i++)
		assert_int_equal(judge_one(&f), V_valid_current);
	/* A quarter is taken: a 16th for each source in a minute. */
	open_fast(&s, 1);
	note_pressure(&s);
	assert_int_equal(judge_one(&f), V_valid_current);
	for (int i = 0; i < 20; i++)
		assert_int_equal(judge_one(&f), V_answer_downgraded);
	for (int minute = 0; minute < 3; minute++) {
		pass_time(60 * SECOND);
		note_pressure(&s);
		assert_int_equal(judge_one(&f), V_valid_current);
		assert_int_equal(judge_one(&f), V_answer_downgraded);
	}
	close(s.fd);

	/* Where nothing may be answered the cookie is made a request. */
	never = serve(NEVER_PORT, BACKLOG, 16);
	open_fast(&never, 4);
	f.dport = NEVER_PORT;
	f.saddr = "192.0.2.78";
	note_pressure(&never);
	assert_int_equal(judge_one(&f), V_valid_current);
	assert_int_equal(judge_one(&f), V_tfo_budget);
	close(never.fd);
}

/* ---- a map that is full ---- */

struct source_key {
	__u64 net;
	__u32 family, reserved;
};

struct proof_value {
	__u64 until, tfo, tfo_cost;
};

/* Twice what it has room for; proven for ten minutes from now on. */
static void fill_proven(void)
{
	static struct source_key keys[1 << 17];
	static struct proof_value values[N(keys)];
	__u32 n = N(keys);

	for (__u32 i = 0; i < n; i++) {
		keys[i].net = i * 0x9e3779b97f4a7c15ULL;
		values[i].until = now + 600 * SECOND;
	}
	assert_int_equal(bpf_map_update_batch(judge_map_fd(judge, "proven"),
					      keys, values, &n, NULL),
			 0);
}

/* Others' entries go: the next source has one, and its budget. */
static void test_proven_full(void **state)
{
	struct server s = serve(0, BACKLOG, 16);
	struct frame f = SYN_TO(&s, "mss tfo:current", 9);

	(void)state;
	pass_time(100 * SECOND);
	fill_proven();
	open_fast(&s, 4);
	note_pressure(&s);
	f.saddr = "192.0.2.79";
	assert_int_equal(judge_one(&f), V_valid_current);
	for (int i = 0; i < 20; i++)
		assert_int_equal(judge_one(&f), V_answer_downgraded);
	f.saddr = "192.0.2.80";
	assert_int_equal(judge_one(&f), V_valid_current);
	close(s.fd);
}

static struct port_policy ports[PORT_COUNT];
static struct program_config config = {
	.settings = { .can_answer = 1, .frozen_clock = 1 },
	.ports = ports,
};

static int open_judge(void)
{
	struct keyring ring;
	struct fault f = { 0 };

	frame_ring(&ring);
	if (judge_open(&judge, &config, &ring, &f)) {
		fprintf(stderr, "# %s; %s\n", f.why, f.advice);
		return -1;
	}
	put_map("master", 0, &master);
	set_tuning(TUNING_DEFAULT);
	pass_time(0);
	return 0;
}

/* Behind a dispatcher frames can't be cut, and what lies beyond the first buffer
 * can't be cleared. At the upper mark that is no way into the queue. */
static void test_what_cannot_be_answered(void **state)
{
	struct server s = serve(0, BACKLOG, 16),
		      always = serve(ALWAYS_PORT, BACKLOG, 16);
	struct judge *alone = judge;

	(void)state;
	half_open(&s, HI);
	expect(SYN_TO(&s, "mss", 8900), V_answer_plain);
	config.chained = 1;
	assert_int_equal(open_judge(), 0);
	expect(SYN_TO(&s, "mss", 8900), V_odd_limit);
	expect(SYN_TO(&s, "mss", 0), V_answer_plain);
	expect(SYN_TO(&always, "mss", 8900), V_act_failed);
	judge_close(judge);
	config.chained = 0;
	judge = alone;
	close(s.fd);
	close(always.fd);
}

static int set_up(void **state)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct link_row row = { .link.mac = { 0 } };
	cpu_set_t first;

	(void)state;
	/* Allowances are by CPU. */
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	assert_int_equal(sched_setaffinity(0, sizeof(first), &first), 0);

	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	assert_true(tun >= 0);
	strcpy(request.ifr_name, "t0");
	assert_int_equal(ioctl(tun, TUNSETIFF, &request), 0);
	run("ip link set t0 up && ip addr add 192.0.2.2/24 dev t0 &&"
	    "ip -6 addr add fd00:99::2/64 dev t0 nodad &&"
	    "ip route add default dev t0 && ip -6 route add default dev t0");
	set_sysctl("conf.all.rp_filter", "0");
	set_sysctl("conf.t0.rp_filter", "0");
	set_sysctl("tcp_max_syn_backlog", "4096");
	set_sysctl("tcp_syncookies", "1");
	set_sysctl("tcp_fastopen", "3");
	set_sysctl("tcp_fastopen_key", KERNEL_KEYS);

	ports_guard_all(ports);
	ports[NEVER_PORT].answer = ANSWER_never;
	ports[ALWAYS_PORT].answer = ANSWER_always;
	ports[SOURCE_PORT].over_source = OVER_drop;
	ports[PREFIX_PORT].over_prefix = OVER_drop;
	row.link.ifindex = if_nametoindex("t0");
	memcpy(&row.link.mac[0], "\x02\0\0\0\0\0", 6);
	assert_int_equal(tables_add_row(&config.tables, &row), 0);
	assert_int_equal(locals_read(&config.tables), 0);
	return open_judge();
}

static int tear_down(void **state)
{
	(void)state;
	judge_close(judge);
	close(tun);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_below_the_lower_mark),
		cmocka_unit_test(test_from_the_upper_mark_on),
		cmocka_unit_test(test_valid_cookie_that_would_enter),
		cmocka_unit_test(test_valid_cookie_that_the_kernel_refuses),
		cmocka_unit_test(test_valid_cookies_beyond_the_mark),
		cmocka_unit_test(test_share_rises_between_the_marks),
		cmocka_unit_test(test_admission_follows_the_queue),
		cmocka_unit_test(test_allowance_of_a_tick),
		cmocka_unit_test(test_listener_without_fast_open_in_calm),
		cmocka_unit_test(test_never_by_policy),
		cmocka_unit_test(test_never_while_stopped),
		cmocka_unit_test(test_never_without_syncookies),
		cmocka_unit_test(test_never_for_mptcp),
		cmocka_unit_test(test_never_for_signatures),
		cmocka_unit_test(test_never_where_peers_are_near),
		cmocka_unit_test(test_never_for_ao),
		cmocka_unit_test(test_never_with_full_accept_queue),
		cmocka_unit_test(test_never_for_a_socket_that_exists),
		cmocka_unit_test(test_none_enters_through_time_wait),
		cmocka_unit_test(test_odd_keeps_to_a_small_rate),
		cmocka_unit_test(test_never_for_others),
		cmocka_unit_test(test_always),
		cmocka_unit_test(test_offer_follows_sysctls),
		cmocka_unit_test(test_offer_follows_the_listener),
		cmocka_unit_test(test_offer_follows_the_mtu),
		cmocka_unit_test(test_window_is_what_the_buffer_holds),
		cmocka_unit_test(test_source_limit),
		cmocka_unit_test(test_prefix_limit),
		cmocka_unit_test(test_limits_that_answer),
		cmocka_unit_test(test_saturated_buckets),
		cmocka_unit_test(test_clock_that_stands_still),
		cmocka_unit_test(test_a_hundred_ports),
		cmocka_unit_test(test_tfo_budget),
		cmocka_unit_test(test_what_cannot_be_answered),
		cmocka_unit_test(test_proven_full),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("pressure", tests, set_up,
					   tear_down);
}
