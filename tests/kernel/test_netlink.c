// SPDX-License-Identifier: GPL-2.0
/*
 * Dumps that the kernel says are incomplete are asked for again, and count
 * once. In a network namespace of the test's own (tests/isolate); needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if.h>

#include "firewall.h"
#include "interface.h"
#include "netdev.h"

static int interruptions; /* of dumps to come */
static bool every_other; /* of them only */

/* In the place of libmnl's: what the kernel sends, but marked as incomplete. */
ssize_t mnl_socket_recvfrom(const struct mnl_socket *nl, void *buffer,
			    size_t size)
{
	ssize_t (*real)(const struct mnl_socket *, void *, size_t);
	struct nlmsghdr *nlh = buffer;
	ssize_t n;

	*(void **)&real = dlsym(RTLD_NEXT, "mnl_socket_recvfrom");
	n = real(nl, buffer, size);
	if (n <= 0 || !interruptions)
		return n;
	/* At the end, when all before was handed on. */
	for (int left = (int)n; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type != NLMSG_DONE)
			continue;
		if (!every_other || interruptions % 2)
			nlh->nlmsg_flags |= NLM_F_DUMP_INTR;
		interruptions--;
	}
	return n;
}

static void same_interface(int interrupted)
{
	struct interface whole, again;
	struct tables_difference differ;

	interruptions = 0;
	assert_int_equal(interface_read("lo", &whole), 0);
	interruptions = interrupted;
	assert_int_equal(interface_read("lo", &again), 0);
	assert_int_equal(interruptions, 0);
	differ = tables_compare(&whole.tables, &again.tables);
	assert_false(differ.untagged || differ.vlans || differ.locals);
	assert_int_equal(again.tables.n_rows, 1);
	assert_true(again.tables.n_locals > 0);
	interface_free(&whole);
	interface_free(&again);
}

static void test_interface(void **state)
{
	(void)state;
	same_interface(1);
	same_interface(5);
	same_interface(19);
}

static void test_gives_up(void **state)
{
	struct interface iface;
	char route[64];

	(void)state;
	interruptions = 1000;
	assert_int_equal(interface_read("lo", &iface), -EINTR);
	/* Not known is not "takes data". */
	assert_int_equal(interface_routes_take_data(route, sizeof(route)),
			 -EINTR);
	interruptions = 0;
}

static void test_others(void **state)
{
	struct firewall firewall;
	__u64 features;
	char route[64];

	(void)state;
	interruptions = 3;
	assert_int_equal(interface_routes_take_data(route, sizeof(route)), 0);
	assert_int_equal(interruptions, 0);
	assert_int_equal(system("nft add table ip t && nft 'add chain ip t c { "
				"type nat hook prerouting priority 0; }' && "
				"nft add rule ip t c tcp dport 1 redirect"),
			 0);
	/* One of chains, one of rules. */
	interruptions = 3;
	every_other = true;
	assert_int_equal(firewall_read(&firewall), 0);
	assert_int_equal(interruptions, 0);
	every_other = false;
	assert_int_equal(firewall.n, 1);
	firewall_free(&firewall);
	interruptions = 3;
	/* Kernels before 6.3 have no such family. */
	assert_true(netdev_xdp_features(if_nametoindex("lo"), &features) !=
		    -EINTR);
	assert_int_equal(interruptions, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_others),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
