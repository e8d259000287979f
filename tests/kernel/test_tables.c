// SPDX-License-Identifier: GPL-2.0
/*
 * The tables of VLANs and of this host's addresses in maps that have no room:
 * maps of the test's own, with four places each. Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <errno.h>

#include "fault.h"
#include "tables.h"

#define ROOM 4

static struct table_maps maps;

static struct tables make(unsigned int n_vlans, unsigned int n_locals,
			  unsigned int first)
{
	struct tables t = { 0 };
	struct link_row row = { .link.ifindex = 1 };

	assert_int_equal(tables_add_row(&t, &row), 0);
	for (unsigned int i = 0; i < n_vlans; i++) {
		row.key.tag[0] = 0x81000000 | (first + i);
		assert_int_equal(tables_add_row(&t, &row), 0);
	}
	for (unsigned int i = 0; i < n_locals; i++) {
		struct local_prefix local = { .len = 128 };

		local.address[15] = (__u8)(first + i);
		assert_int_equal(tables_append_local(&t, &local), 0);
	}
	tables_sort(&t);
	return t;
}

static bool maps_hold(const struct tables *t)
{
	struct tables_difference differ;
	struct tables held;

	assert_int_equal(tables_read(&maps, &held), 0);
	differ = tables_compare(&held, t);
	tables_free(&held);
	return !differ.untagged && !differ.vlans && !differ.locals;
}

static void expect_written(struct tables t)
{
	struct fault f = { 0 };

	assert_int_equal(tables_write(&maps, &t, &f), 0);
	assert_int_equal(f.exit, EXIT_DONE);
	assert_true(maps_hold(&t));
	tables_free(&t);
}

static void expect_refused(struct tables t, const char *why)
{
	struct fault f = { 0 };

	assert_true(tables_write(&maps, &t, &f) < 0);
	assert_int_equal(f.exit, EXIT_FAILED);
	assert_non_null(strstr(f.why, why));
	assert_true(f.advice[0]);
	tables_free(&t);
}

static void test_as_many_as_fit(void **state)
{
	(void)state;
	expect_written(make(ROOM, ROOM, 1));
	expect_written(make(1, 1, 1));
	expect_written(make(ROOM, ROOM, 1));
}

/* There is room for what is there now, but not for what was there as well. */
static void test_all_exchanged(void **state)
{
	(void)state;
	expect_written(make(ROOM, ROOM, 1));
	expect_written(make(ROOM, ROOM, 3));
	expect_written(make(ROOM, ROOM, 100));
}

static void test_one_too_many(void **state)
{
	(void)state;
	expect_refused(make(ROOM + 1, 1, 1), "5 VLANs are on it");
	expect_refused(make(1, ROOM + 1, 1), "this host has 5 addresses");
	expect_written(make(ROOM, ROOM, 7));
}

static int set_up(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, none_ahead,
		    .map_flags = BPF_F_NO_PREALLOC);

	(void)state;
	maps.untagged = bpf_map_create(BPF_MAP_TYPE_ARRAY, "untagged",
				       sizeof(__u32), sizeof(struct link), 1,
				       NULL);
	maps.vlans = bpf_map_create(BPF_MAP_TYPE_HASH, "vlans",
				    sizeof(struct link_key),
				    sizeof(struct link), ROOM, &none_ahead);
	maps.locals = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "locals",
				     sizeof(struct local_prefix), sizeof(__u8),
				     ROOM, &none_ahead);
	return maps.untagged < 0 || maps.vlans < 0 || maps.locals < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_many_as_fit),
		cmocka_unit_test(test_all_exchanged),
		cmocka_unit_test(test_one_too_many),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("tables", tests, set_up, NULL);
}
