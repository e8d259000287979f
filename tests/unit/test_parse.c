// SPDX-License-Identifier: GPL-2.0
/*
 * The pure stages under ASan and UBSan: each frame stands in a buffer of just
 * its size, so that a byte read too far is an error and not a wrong answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "frames.h"
#include "pipeline.h"
#include "reference.h"

/* A copy that ends where the heap block ends. */
static enum verdict run_exact(const void *frame, size_t len, int no_ethernet,
			      const struct keyring *ring, struct syn *s)
{
	/* As drivers do: the IP header behind an Ethernet header is aligned. */
	size_t in_front = no_ethernet ? 0 : 2;
	unsigned char *copy = malloc(in_front + len ?: 1), *at = copy + in_front;
	enum verdict v;

	if (len)
		memcpy(at, frame, len);
	v = pipeline(at, len, no_ethernet, ring, s);
	free(copy);
	return v;
}

static const struct frame shapes[] = {
	{ .options = "mss sackok ts nop ws tfo:current", .data_len = 30 },
	{ .options = "nop exp:other nop tfo/3", .data_len = 30 },
	{ .tags = { { 0x88a8, 7 }, { 0x8100, 100 } },
	  .ip_options = "0101010101010101",
	  .options = "tfo:previous nop nop",
	  .data_len = 3 },
	{ .ipv6 = true, .options = "mss tfo:staged", .data_len = 9 },
	{ .ipv6 = true,
	  .tags = { { 0x8100, 100 } },
	  .extensions = "hdra",
	  .options = "tfo/38",
	  .data_len = 9 },
	{ .no_ethernet = true, .options = "tfo", .data_len = 9 },
	{ .no_ethernet = true, .ipv6 = true, .extensions = "hR" },
};

#define N_SHAPES (sizeof(shapes) / sizeof(*shapes))

static void test_every_cut(void **state)
{
	unsigned char bytes[FRAME_MAX];
	struct keyring ring;
	struct syn s;

	(void)state;
	frame_ring(&ring);
	for (size_t i = 0; i < N_SHAPES; i++) {
		size_t len = frame_build(&shapes[i], bytes);

		for (size_t n = 0; n < len; n++) {
			enum verdict v = run_exact(bytes, n,
						   shapes[i].no_ethernet, &ring,
						   &s);

			/* The hop of shape 6 is known before its end. */
			if (v != V_not_ours)
				assert_in_range(v, V_unparsed_link,
						V_unparsed_tcp);
		}
	}
}

/* Any byte changed to anything: no read beyond the end, no undefined step. */
static void test_every_byte_changed(void **state)
{
	unsigned char bytes[FRAME_MAX];
	struct keyring ring;
	struct syn s;

	(void)state;
	frame_ring(&ring);
	for (size_t i = 0; i < N_SHAPES; i++) {
		size_t len = frame_build(&shapes[i], bytes);

		for (size_t at = 0; at < len; at++) {
			unsigned char kept = bytes[at];

			for (int value = 0; value < 256; value++) {
				bytes[at] = (unsigned char)value;
				run_exact(bytes, len, shapes[i].no_ethernet,
					  &ring, &s);
			}
			bytes[at] = kept;
		}
	}
}

static void test_random_bytes(void **state)
{
	unsigned char bytes[256];
	struct keyring ring;
	struct syn s;

	(void)state;
	frame_ring(&ring);
	for (int round = 0; round < 100000; round++) {
		size_t len = randombytes_uniform(sizeof(bytes));

		randombytes_buf(bytes, sizeof(bytes));
		if (len > 14 && round % 2)
			memcpy(bytes + 12, round % 4 == 1 ? "\x08\0\x45" :
							    "\x86\xdd\x60",
			       3);
		run_exact(bytes, len, round % 8 == 0, &ring, &s);
	}
}

/* Bytes that look like options more often than random ones do. */
static void random_options(unsigned char *options, size_t len)
{
	static const unsigned char kinds[] = { 0, 1, 1, 2, 3, 4, 8, 34, 34, 34,
					       253, 254, 254 };

	randombytes_buf(options, len);
	for (size_t at = 0; at + 4 < len;) {
		unsigned int size = randombytes_uniform(14);

		options[at] = kinds[randombytes_uniform(sizeof(kinds))];
		options[at + 1] = (unsigned char)size;
		if (options[at] == 254 && randombytes_uniform(4))
			memcpy(options + at + 2, "\xf9\x89", 2);
		at += options[at] == 1 ? 1 : size ?: 1;
	}
}

static void test_options_against_reference(void **state)
{
	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t len = 4 * randombytes_uniform(11);
		unsigned char *options = malloc(len ?: 1);
		struct bytes bytes = { .data = options, .end = options + len };
		const unsigned char *cookie = NULL;
		struct option_walk w;
		int expected;

		random_options(options, len);
		options_walk(&bytes, options, (__u32)len, &w);
		expected = reference(options, (int)len, NO_COOKIE, &cookie);
		assert_int_equal(w.tfo_size != 0, expected != NO_COOKIE);
		if (expected != NO_COOKIE) {
			assert_int_equal(w.tfo_size - w.tfo_header, expected);
			assert_int_equal(w.tfo_at + w.tfo_header,
					 cookie - options);
			assert_true(w.tfo_bytes >> w.tfo_at & 1);
		}
		free(options);
	}
}

/* What each shape should yield, so that the tests above test the right thing. */
static void test_shapes_are_understood(void **state)
{
	static const struct {
		enum verdict verdict;
		int class; /* enum syn_class; 0: not got that far */
		__u32 data_len;
	} expected[N_SHAPES] = {
		{ V_valid_current, SYN_COOKIE, 30 },
		{ UNDECIDED, SYN_COOKIE, 30 },
		{ V_valid_previous, SYN_COOKIE, 3 },
		{ V_valid_staged, SYN_COOKIE, 9 },
		{ UNDECIDED, SYN_BAD_LENGTH, 9 },
		{ UNDECIDED, SYN_REQUEST, 9 },
		{ V_not_ours, 0, 0 },
	};
	unsigned char bytes[FRAME_MAX];
	struct keyring ring;
	enum verdict v;
	struct syn s;

	(void)state;
	frame_ring(&ring);
	for (size_t i = 0; i < N_SHAPES; i++) {
		size_t len = frame_build(&shapes[i], bytes);

		v = run_exact(bytes, len, shapes[i].no_ethernet, &ring, &s);
		assert_int_equal(v ?: s.as, expected[i].verdict);
		assert_int_equal(s.proven, !v && expected[i].verdict);
		assert_int_equal(s.class, expected[i].class);
		assert_int_equal(s.data_len, expected[i].data_len);
	}
	assert_int_equal(s.tags.tag[0], 0);
	run_exact(bytes, frame_build(&shapes[2], bytes), 0, &ring, &s);
	assert_int_equal(s.tags.tag[0], 0x88a80007);
	assert_int_equal(s.tags.tag[1], 0x81000064);
	assert_memory_equal(&s.dmac, "\x02\0\0\0\0\0\0\0", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes_are_understood),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_every_byte_changed),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_options_against_reference),
	};

	if (sodium_init() < 0)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
