// SPDX-License-Identifier: GPL-2.0
/*
 * The tables of an attached guard follow what changed, while its program stays:
 * in a network namespace of the test's own (tests/isolate). Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard.h"
#include "interface.h"

static void run(const char *command)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execlp("bash", "bash", "-c", command, NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		fail_msg("failed: %s", command);
}

/* Whether c0 has a program; without, a veth delivers no answers to it. */
static void run_at_other_end(bool on)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach((int)if_nametoindex("c0"),
					on ? fd : -1, 0, NULL), 0);
	close(fd);
}

static struct tables_difference drift(const char *ifname)
{
	struct tables_difference differ;
	struct interface now;
	struct tables held;

	assert_int_equal(interface_read(ifname, &now), 0);
	assert_int_equal(guard_tables(now.ifindex, &held), 0);
	differ = tables_compare(&held, &now.tables);
	tables_free(&held);
	interface_free(&now);
	return differ;
}

static void refresh(const char *ifname)
{
	struct tables_difference differ;
	struct fault f = { 0 };

	if (guard_refresh(ifname, &f))
		fail_msg("%s", f.why);
	differ = drift(ifname);
	assert_false(differ.untagged || differ.vlans || differ.locals);
}

static void remember(const struct guard_status *status, void *arg)
{
	*(struct guard_status *)arg = *status;
}

static struct guard_status status_of(const char *ifname)
{
	struct guard_status status = { 0 };
	struct fault f = { 0 };

	assert_int_equal(guard_each(ifname, remember, &status, &f), 0);
	return status;
}

static int set_up(void **state)
{
	static struct port_policy ports[PORT_COUNT];
	struct guard_request request = { .ifname = "s0", .ports = ports };
	struct fault f = { 0 };

	(void)state;
	ports_guard_all(ports);
	/* No address but what the test adds; c0 takes answers. */
	run("ip link add s0 type veth peer name c0 && "
	    "ip link set s0 addrgenmode none up && "
	    "ip link set c0 addrgenmode none up && ip addr add 192.0.2.1/24 dev s0");
	run_at_other_end(true);
	if (guard_attach(&request, &f))
		fail_msg("%s", f.why);
	return 0;
}

static int tear_down(void **state)
{
	struct fault f = { 0 };

	(void)state;
	return guard_detach("s0", &f);
}

static void test_addresses(void **state)
{
	(void)state;
	assert_false(drift("s0").locals);
	run("ip addr add 192.0.2.2/24 dev s0");
	run("ip route add local 203.0.113.0/24 dev lo");
	run("ip -6 addr add 2001:db8::1/64 dev c0 nodad");
	assert_true(drift("s0").locals);
	refresh("s0");
	run("ip addr del 192.0.2.1/24 dev s0; "
	    "ip route del local 203.0.113.0/24 dev lo");
	assert_true(drift("s0").locals);
	refresh("s0");
}

static void test_links(void **state)
{
	(void)state;
	run("ip link set s0 address 02:00:00:00:00:55");
	assert_true(drift("s0").untagged);
	refresh("s0");
	run("ip link add br0 type bridge && ip link set s0 master br0");
	assert_true(drift("s0").untagged);
	refresh("s0");
	run("ip link del br0");
	assert_true(drift("s0").untagged);
	refresh("s0");
}

static int said(const char *command)
{
	return system(command);
}

#define ON(device) "tc filter show dev " device " ingress | grep -q tfoguard_ack"

/* Who owns the addresses takes the ACKs, and nobody else. */
static void test_acceptors(void **state)
{
	(void)state;
	assert_true(status_of("s0").record.settings.can_answer);
	assert_int_equal(said(ON("s0")), 0);
	run("ip link add br0 type bridge && ip link set s0 master br0");
	refresh("s0");
	assert_int_equal(said(ON("br0")), 0);
	assert_int_not_equal(said(ON("s0")), 0);
	run("ip link set s0 nomaster");
	refresh("s0");
	assert_int_equal(said(ON("s0")), 0);
	assert_int_not_equal(said(ON("br0")), 0);
	run("tc qdisc del dev s0 clsact");
	refresh("s0");
	assert_int_equal(said(ON("s0")), 0);
	run("ip link del br0");
}

/* The program was loaded to answer, or not to: only another can make it good. */
static void test_other_end(void **state)
{
	struct fault f = { 0 };

	(void)state;
	refresh("s0");
	run_at_other_end(false);
	assert_int_equal(guard_refresh("s0", &f), -ESTALE);
	run_at_other_end(true);
	refresh("s0");
}

/* A device that can't take them gets no answers. */
static void test_refused_acceptor(void **state)
{
	struct fault f = { 0 };
	struct tables held;

	(void)state;
	run("ip link add br0 type bridge && tc qdisc add dev br0 clsact && "
	    "tc filter add dev br0 ingress pref 7413 handle 0x7f0 bpf "
	    "bytecode '1,6 0 0 0,' && ip link set s0 master br0");
	assert_int_equal(guard_refresh("s0", &f), -ESTALE);
	assert_int_equal(f.exit, EXIT_PARTLY);
	assert_int_equal(guard_tables(if_nametoindex("s0"), &held), 0);
	assert_int_equal(held.n_rows, 1);
	assert_int_equal(held.rows[0].link.ifindex, 0);
	assert_int_equal(held.rows[0].link.mac[0], 0);
	assert_int_equal(held.rows[0].link.mac[1], 0);
	tables_free(&held);
	run("ip link del br0");
	refresh("s0");
	assert_int_equal(said(ON("s0")), 0);
}

/* A program that was loaded for other routes must be exchanged. */
static void test_settings(void **state)
{
	struct fault f = { 0 };

	(void)state;
	run("ip link set s0 up && ip route add 198.51.100.0/24 dev s0 "
	    "fastopen_no_cookie 1");
	assert_int_equal(guard_refresh("s0", &f), -ESTALE);
	assert_int_equal(f.exit, EXIT_PARTLY);
	run("ip route del 198.51.100.0/24");
	refresh("s0");
}

/* What is stale in the map of VLANs goes, whatever it is. */
static void test_stale_vlan(void **state)
{
	(void)state;
	run("map=$(echo /sys/fs/bpf/tfoguard/*/*/vlans) && "
	    "bpftool map update pinned $map key hex 07 00 00 81 00 00 00 00 "
	    "value hex 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 "
	    "00 00 00 00 00 00 00 00");
	assert_true(drift("s0").vlans);
	refresh("s0");
}

static void test_name_and_program(void **state)
{
	struct guard_status before = status_of("s0"), after;
	struct fault f = { 0 };

	(void)state;
	run("ip link set s0 name s9");
	refresh("s9");
	after = status_of("s9");
	assert_string_equal(after.record.ifname, "s9");
	assert_int_equal(before.prog_id, after.prog_id);
	run("ip link set s9 name s0");
	refresh("s0");
	assert_int_not_equal(guard_refresh("c0", &f), 0);
	assert_int_equal(f.exit, EXIT_NOT_ATTACHED);
	assert_int_not_equal(guard_refresh("nosuch", &f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_acceptors),
		cmocka_unit_test(test_other_end),
		cmocka_unit_test(test_refused_acceptor),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_stale_vlan),
		cmocka_unit_test(test_name_and_program),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("refresh", tests, set_up, tear_down);
}
