// SPDX-License-Identifier: GPL-2.0
/*
 * The program and the kernel it asks: real listeners, routes and sysctls in a
 * network namespace of the test's own (tests/isolate), packets by
 * BPF_PROG_TEST_RUN. Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fastopen.h"
#include "frames.h"
#include "interface.h"
#include "judge.h"
#include "locals.h"
#include "ports.h"

#define TCP_FASTOPEN_KEY_OPT 33
#define TCP_FASTOPEN_NO_COOKIE_OPT 34

enum {
	TFO_PORT = 8001,
	OWN_KEY_PORT,
	NO_COOKIE_PORT,
	NO_TFO_PORT,
	DUAL_STACK_PORT,
	V6ONLY_PORT,
	SILENT_PORT, /* nothing listens */
	OFF_PORT,
	CLOSING_PORT, /* in mode off */
};

static struct judge *judge;

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

/* Listens on all addresses of IPv4 or IPv6; of both where @v6only is not set. */
static int listen_on(int port, bool ipv6, int v6only)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port) };
	int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	if (ipv6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
			   sizeof(v6only));
		assert_int_equal(bind(fd, (void *)&any6, sizeof(any6)), 0);
	} else {
		assert_int_equal(bind(fd, (void *)&any4, sizeof(any4)), 0);
	}
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void set_option(int fd, int option, const void *value, socklen_t size)
{
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, option, value, size), 0);
}

static void turn_tfo_on(int fd)
{
	int queue = 16;

	set_option(fd, TCP_FASTOPEN, &queue, sizeof(queue));
}

/* A listener for each family, with Fast Open on. */
static void listen_both(int port, void (*configure)(int fd))
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		int fd = listen_on(port, ipv6, 1);

		turn_tfo_on(fd);
		configure(fd);
	}
}

static void as_it_is(int fd)
{
	(void)fd;
}

/* The key whose cookies the frames call "other". */
static void with_own_key(int fd)
{
	set_option(fd, TCP_FASTOPEN_KEY_OPT, &frame_keys[FRAME_KEY_OTHER],
		   sizeof(struct siphash_key));
}

static void without_cookie(int fd)
{
	int yes = 1;

	set_option(fd, TCP_FASTOPEN_NO_COOKIE_OPT, &yes, sizeof(yes));
}

static struct judge *open_judge(const struct link_row *rows, size_t n,
				struct settings settings)
{
	static struct port_policy ports[PORT_COUNT];
	struct program_config config = { .settings = settings,
					 .ports = ports };
	struct keyring ring;
	struct judge *opened;
	struct fault f = { 0 };

	ports_guard_all(ports);
	ports[OFF_PORT].mode = PORT_off;
	ports[CLOSING_PORT].mode = PORT_off;
	frame_ring(&ring);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(tables_add_row(&config.tables, &rows[i]), 0);
	assert_int_equal(locals_read(&config.tables), 0);
	if (judge_open(&opened, &config, &ring, &f))
		fail_msg("%s", f.why);
	tables_free(&config.tables);
	return opened;
}

/* By destination MAC 02:00:00:00:00:00 and no tag, or VLAN 7. */
static struct link_row rows[] = {
	{ .link = { .ifindex = 1 } },
	{ .key.tag = { 0x81000007, 0 }, .link = { .ifindex = 1 } },
};

static int set_up(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		memcpy(&rows[i].link.mac[0], "\x02\0\0\0\0\0", 6);
	run("ip addr add 192.0.2.2/32 dev lo");
	run("ip -6 addr add fd00:99::2/128 dev lo nodad");
	set_sysctl("tcp_fastopen", "3");
	/* The keys that the ring holds as current and previous. */
	set_sysctl("tcp_fastopen_key", "00112233-44556677-8899aabb-ccddeeff");
	listen_both(TFO_PORT, as_it_is);
	listen_both(OFF_PORT, as_it_is);
	listen_both(OWN_KEY_PORT, with_own_key);
	listen_both(NO_COOKIE_PORT, without_cookie);
	listen_on(NO_TFO_PORT, false, 0);
	turn_tfo_on(listen_on(DUAL_STACK_PORT, true, 0));
	listen_on(V6ONLY_PORT, true, 1);
	judge = open_judge(rows, 2, (struct settings){ 0 });
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	judge_close(judge);
	return 0;
}

static enum verdict judge_with(struct judge *by, const struct frame *f)
{
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];
	struct judgement judged;
	size_t len = frame_build(f, in);

	assert_int_equal(judge_packet(by, in, (__u32)len, out, &judged), 0);
	if (judged.action != ACTION_strip)
		assert_memory_equal(in, out, len);
	return judged.verdict;
}

static void expect(const struct frame *f, enum verdict verdict)
{
	struct frame as = *f;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		as.ipv6 = ipv6;
		assert_string_equal(
			judge_verdict_name(judge_with(judge, &as)),
			judge_verdict_name(verdict));
	}
}

#define SYN_TO(to, with, data)                                                 \
	&(struct frame)                                                        \
	{                                                                      \
		.dport = (to), .options = (with), .data_len = (data)           \
	}

static void test_listener_with_namespace_key(void **state)
{
	(void)state;
	expect(SYN_TO(TFO_PORT, "tfo:current", 5), V_valid_current);
	expect(SYN_TO(TFO_PORT, "tfo:other", 5), V_forged);
	expect(SYN_TO(TFO_PORT, "tfo/4", 5), V_bad_length);
	expect(SYN_TO(TFO_PORT, "mss", 5), V_data_without_cookie);
	expect(SYN_TO(OFF_PORT, "tfo:current", 5), V_port_off);
}

static void test_nothing_listens(void **state)
{
	(void)state;
	expect(SYN_TO(SILENT_PORT, "tfo:other", 5), V_no_listener);
	expect(SYN_TO(SILENT_PORT, "mss", 5), V_no_listener);
}

static void test_not_ours_by_mac_and_tag(void **state)
{
	(void)state;
	expect(&(struct frame){ .dport = TFO_PORT, .dmac_last = 1,
				.options = "tfo:other" },
	       V_not_ours);
	expect(&(struct frame){ .dport = TFO_PORT, .options = "tfo:other",
				.tags = { { 0x8100, 8 } } },
	       V_not_ours);
	expect(&(struct frame){ .dport = TFO_PORT, .options = "tfo:other",
				.tags = { { 0x88a8, 7 } } },
	       V_not_ours);
	expect(&(struct frame){ .dport = TFO_PORT, .options = "tfo:other",
				.tags = { { 0x8100, 7 } } },
	       V_forged);
	/* VLAN 0 is only a priority: the untagged device. */
	expect(&(struct frame){ .dport = TFO_PORT, .options = "tfo:other",
				.tags = { { 0x8100, 0xe000 } } },
	       V_forged);
}

static void test_listener_with_own_key(void **state)
{
	(void)state;
	expect(SYN_TO(OWN_KEY_PORT, "tfo:other", 5), V_valid_listener);
	expect(SYN_TO(OWN_KEY_PORT, "exp:other", 5), V_valid_listener);
	/* The namespace's key is none of its keys; the map does not know. */
	expect(SYN_TO(OWN_KEY_PORT, "tfo:current", 5), V_valid_current);
}

static void test_listener_that_takes_data(void **state)
{
	(void)state;
	expect(SYN_TO(NO_COOKIE_PORT, "mss", 5), V_data_accepted);
	expect(SYN_TO(NO_COOKIE_PORT, "tfo:other", 5), V_data_accepted);
	expect(SYN_TO(NO_COOKIE_PORT, "tfo/6", 5), V_data_accepted);
}

static void test_namespace_that_takes_data(void **state)
{
	(void)state;
	set_sysctl("tcp_fastopen", "515"); /* 3 | 0x200 */
	expect(SYN_TO(TFO_PORT, "tfo:other", 5), V_data_accepted);
	set_sysctl("tcp_fastopen", "513"); /* without the server bit: nothing */
	expect(SYN_TO(TFO_PORT, "tfo:other", 5), V_forged);
	set_sysctl("tcp_fastopen", "3");
	expect(SYN_TO(TFO_PORT, "tfo:other", 5), V_forged);
}

static void test_route_that_takes_data(void **state)
{
	struct judge *with_route = open_judge(
		rows, 2, (struct settings){ .routes_take_data = 1 });

	(void)state;
	assert_int_equal(judge_with(with_route,
				    SYN_TO(TFO_PORT, "tfo:other", 5)),
			 V_data_accepted);
	assert_int_equal(judge_with(with_route,
				    SYN_TO(NO_TFO_PORT, "tfo:other", 5)),
			 V_forged);
	judge_close(with_route);
}

static void test_hidden_vlans(void **state)
{
	struct judge *hidden = open_judge(rows, 2,
					  (struct settings){ .vlans_hidden = 1 });

	(void)state;
	assert_int_equal(judge_with(hidden, SYN_TO(TFO_PORT, "tfo:other", 5)),
			 V_not_ours);
	assert_int_equal(judge_with(hidden, SYN_TO(TFO_PORT, "tfo:current", 5)),
			 V_valid_current);
	judge_close(hidden);
}

static void test_stale_map(void **state)
{
	(void)state;
	/* The kernel's keys become ones that the ring lacks. */
	set_sysctl("tcp_fastopen_key", "5e5e5e5e-6f6f6f6f-70707070-81818181");
	expect(SYN_TO(TFO_PORT, "tfo:other", 5), V_valid_namespace);
	set_sysctl("tcp_fastopen_key", "00112233-44556677-8899aabb-ccddeeff,"
				       "5e5e5e5e-6f6f6f6f-70707070-81818181");
	expect(SYN_TO(TFO_PORT, "tfo:other", 5), V_valid_namespace);
	set_sysctl("tcp_fastopen_key", "00112233-44556677-8899aabb-ccddeeff");
	expect(SYN_TO(TFO_PORT, "tfo:other", 5), V_forged);
}

static void test_listener_without_tfo(void **state)
{
	struct frame f = { .dport = NO_TFO_PORT, .options = "tfo:other",
			   .data_len = 5 };

	(void)state;
	assert_int_equal(judge_with(judge, &f), V_forged);
}

static void test_dual_stack_and_v6only(void **state)
{
	struct frame v4 = { .dport = V6ONLY_PORT, .options = "tfo:other" };
	struct frame v6 = { .dport = V6ONLY_PORT, .options = "tfo:other",
			    .ipv6 = true };

	(void)state;
	expect(SYN_TO(DUAL_STACK_PORT, "tfo:other", 5), V_forged);
	expect(SYN_TO(DUAL_STACK_PORT, "tfo:current", 5), V_valid_current);
	assert_int_equal(judge_with(judge, &v4), V_no_listener);
	assert_int_equal(judge_with(judge, &v6), V_forged);
}

/* A SYN of a connection that exists is the kernel's to answer. */
static void test_connection_exists(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(TFO_PORT) };
	struct frame f = { .dport = TFO_PORT, .options = "tfo:other",
			   .saddr = "127.0.0.1", .daddr = "127.0.0.1" };
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (void *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(fd, (void *)&from, &size), 0);
	f.sport = ntohs(from.sin_port) ^ 1;
	assert_int_equal(judge_with(judge, &f), V_forged);
	f.sport ^= 1;
	assert_int_equal(judge_with(judge, &f), V_socket_exists);
	close(fd);
}

/* What ends in TIME_WAIT may begin anew, and the port's mode still counts. */
static void test_time_wait_does_not_overrule(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(CLOSING_PORT) };
	struct frame f = { .dport = CLOSING_PORT, .options = "tfo:other",
			   .saddr = "127.0.0.1", .daddr = "127.0.0.1" };
	int listener = listen_on(CLOSING_PORT, false, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0), server;
	struct sockaddr_in from;
	socklen_t size = sizeof(from);

	(void)state;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(client, (void *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(client, (void *)&from, &size), 0);
	server = accept(listener, NULL, NULL);
	f.sport = ntohs(from.sin_port);
	assert_int_equal(judge_with(judge, &f), V_socket_exists);
	close(server);
	close(client);
	/* On a busy machine ksoftirqd brings the last segments, later. */
	for (int i = 0; i < 1000 && judge_with(judge, &f) == V_socket_exists; i++)
		usleep(1000);
	assert_int_equal(judge_with(judge, &f), V_port_off);
	close(listener);
}

/* A device that forwards: what the routing table sends on is not ours, though
 * the wildcard listener matches; what it delivers is. */
static void test_routed_and_local(void **state)
{
	struct frame f = { .dport = TFO_PORT, .options = "tfo:other" };
	struct link_row row = { .link.mac = { 0 } };
	struct judge *router;

	(void)state;
	run("ip link add r0 type veth peer name r1");
	run("ip link set r0 up && ip link set r1 up");
	run("sysctl -qw net.ipv4.conf.r0.forwarding=1 "
	    "net.ipv6.conf.r0.forwarding=1");
	run("ip route add 198.51.100.0/24 dev r1");
	run("ip -6 route add fd00:55::/64 dev r1");
	row.link.ifindex = if_nametoindex("r0");
	memcpy(&row.link.mac[0], "\x02\0\0\0\0\0", 6);
	router = open_judge(&row, 1, (struct settings){ 0 });

	assert_int_equal(judge_with(router, &f), V_forged);
	f.daddr = "198.51.100.9";
	assert_int_equal(judge_with(router, &f), V_not_ours);
	f.ipv6 = true;
	f.daddr = NULL;
	assert_int_equal(judge_with(router, &f), V_forged);
	f.daddr = "fd00:55::9";
	assert_int_equal(judge_with(router, &f), V_not_ours);
	judge_close(router);
	run("ip link del r0");
}

/* What the kernel forwards nowhere is not ours for that: it may be for a
 * container that shares the MAC, as ipvlan's do. */
static void test_not_ours_by_address(void **state)
{
	struct frame f = { .dport = TFO_PORT, .options = "tfo:other" };

	(void)state;
	set_sysctl("ip_forward", "0");
	f.daddr = "192.0.2.3";
	assert_int_equal(judge_with(judge, &f), V_not_ours);
	f.daddr = "192.0.2.2";
	assert_int_equal(judge_with(judge, &f), V_forged);
	f.ipv6 = true;
	f.daddr = "fd00:99::3";
	assert_int_equal(judge_with(judge, &f), V_not_ours);
	/* An IPv4 address is none of IPv6. */
	f.daddr = "::ffff:192.0.2.3";
	assert_int_equal(judge_with(judge, &f), V_not_ours);
	f.daddr = "fd00:99::2";
	assert_int_equal(judge_with(judge, &f), V_forged);
}

/* Whole prefixes can be local; other tables' routes are for marked packets. */
static void test_local_routes(void **state)
{
	struct frame f = { .dport = TFO_PORT, .options = "tfo:other" };
	struct judge *with_routes;

	(void)state;
	run("ip route add local 203.0.113.0/24 dev lo");
	run("ip -6 route add local fd00:77::/64 dev lo");
	run("ip route add local 0.0.0.0/0 dev lo table 100");
	with_routes = open_judge(rows, 2, (struct settings){ 0 });
	f.daddr = "203.0.113.200";
	assert_int_equal(judge_with(judge, &f), V_not_ours);
	assert_int_equal(judge_with(with_routes, &f), V_forged);
	f.daddr = "127.9.9.9";
	assert_int_equal(judge_with(with_routes, &f), V_forged);
	f.daddr = "203.0.112.1";
	assert_int_equal(judge_with(with_routes, &f), V_not_ours);
	f.ipv6 = true;
	f.daddr = "fd00:77::abcd";
	assert_int_equal(judge_with(with_routes, &f), V_forged);
	f.daddr = "fd00:78::1";
	assert_int_equal(judge_with(with_routes, &f), V_not_ours);
	judge_close(with_routes);
	run("ip route del local 203.0.113.0/24 dev lo");
	run("ip -6 route del local fd00:77::/64 dev lo");
	run("ip route flush table 100");
}

/* An address that is tried for duplicates has no route yet, and what is on an
 * interface that is down has one no more. */
static void test_addresses_without_routes(void **state)
{
	struct frame f = { .dport = TFO_PORT, .options = "tfo:other",
			   .daddr = "192.0.2.55" };
	struct judge *with;

	(void)state;
	run("ip link add d0 type veth peer name d1");
	run("ip link set d0 up && ip link set d1 up");
	run("ip addr add 192.0.2.55/32 dev d0");
	run("ip -6 addr add fd00:66::1/64 dev d0");
	run("ip link set d0 down");
	run("ip -6 addr add fd00:67::1/64 dev d1");
	with = open_judge(rows, 2, (struct settings){ 0 });
	assert_int_equal(judge_with(with, &f), V_forged);
	f.ipv6 = true;
	f.daddr = "fd00:67::1";
	assert_int_equal(judge_with(with, &f), V_forged);
	judge_close(with);
	run("ip link del d0");
}

/* An address of ours that a rule of policy sends elsewhere. */
static void test_policy_route(void **state)
{
	struct frame f = { .dport = TFO_PORT, .options = "tfo:other" };
	struct link_row row = { .link.mac = { 0 } };
	struct judge *router;

	(void)state;
	run("ip link add r0 type veth peer name r1");
	run("ip link set r0 up && ip link set r1 up");
	run("sysctl -qw net.ipv4.conf.r0.forwarding=1");
	run("ip addr add 192.0.2.9/24 dev r1");
	row.link.ifindex = if_nametoindex("r0");
	memcpy(&row.link.mac[0], "\x02\0\0\0\0\0", 6);
	router = open_judge(&row, 1, (struct settings){ 0 });
	assert_int_equal(judge_with(router, &f), V_forged);
	run("ip rule add pref 20 lookup local && ip rule del pref 0 && "
	    "ip route add 192.0.2.2/32 dev r1 table 50 && "
	    "ip rule add pref 10 iif r0 lookup 50");
	assert_int_equal(judge_with(router, &f), V_not_ours);
	run("ip rule del pref 10 && ip rule add pref 0 lookup local && "
	    "ip rule del pref 20");
	judge_close(router);
	run("ip link del r0");
}

/* An all-zero key that the kernel has in force is honoured by the look: the
 * guard is never stricter than the kernel; the ring never holds it. */
static void test_zero_key_in_the_kernel(void **state)
{
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];
	struct frame f = { .dport = TFO_PORT, .options = "tfo:other",
			   .no_ethernet = false };
	struct siphash_key zero = { 0 };
	struct tfo_path path = { 0 };
	struct judgement judged;
	size_t len = frame_build(&f, in);
	__u64 cookie;

	(void)state;
	memcpy(&path.words[0], in + 14 + 12, 8);
	cookie = tfo_cookie(&zero, &path, TFO_PATH_WORDS_IPV4);
	memcpy(in + 14 + 20 + 20 + 2, &cookie, 8);
	set_sysctl("tcp_fastopen_key", "0-0-0-0");
	assert_int_equal(judge_packet(judge, in, (__u32)len, out, &judged), 0);
	assert_int_equal(judged.verdict, V_valid_namespace);
	set_sysctl("tcp_fastopen_key", "00112233-44556677-8899aabb-ccddeeff");
	assert_int_equal(judge_packet(judge, in, (__u32)len, out, &judged), 0);
	assert_int_equal(judged.verdict, V_forged);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listener_with_namespace_key),
		cmocka_unit_test(test_nothing_listens),
		cmocka_unit_test(test_not_ours_by_mac_and_tag),
		cmocka_unit_test(test_listener_with_own_key),
		cmocka_unit_test(test_listener_that_takes_data),
		cmocka_unit_test(test_namespace_that_takes_data),
		cmocka_unit_test(test_route_that_takes_data),
		cmocka_unit_test(test_hidden_vlans),
		cmocka_unit_test(test_stale_map),
		cmocka_unit_test(test_listener_without_tfo),
		cmocka_unit_test(test_dual_stack_and_v6only),
		cmocka_unit_test(test_connection_exists),
		cmocka_unit_test(test_time_wait_does_not_overrule),
		cmocka_unit_test(test_routed_and_local),
		cmocka_unit_test(test_not_ours_by_address),
		cmocka_unit_test(test_local_routes),
		cmocka_unit_test(test_addresses_without_routes),
		cmocka_unit_test(test_policy_route),
		cmocka_unit_test(test_zero_key_in_the_kernel),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("look", tests, set_up, tear_down);
}
