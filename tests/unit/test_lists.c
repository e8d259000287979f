// SPDX-License-Identifier: GPL-2.0
/* Lists of prefixes: their text, and what of them is obeyed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lists.h"

static char path[] = "/tmp/tfoguard-test-XXXXXX";

static struct prefix parsed(const char *text)
{
	struct prefix prefix;
	struct fault f = { 0 };

	assert_int_equal(prefix_parse(text, &prefix, &f), 0);
	return prefix;
}

static void test_good_prefixes(void **state)
{
	static const struct {
		const char *text, *formatted;
	} good[] = {
		{ "192.0.2.0/24", "192.0.2.0/24" },
		{ "192.0.2.1", "192.0.2.1/32" },
		{ "192.0.2.1/32", "192.0.2.1/32" },
		{ "128.0.0.0/1", "128.0.0.0/1" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "::/0", "::/0" },
		{ "2001:db8::/32", "2001:db8::/32" },
		{ "2001:DB8:0::1", "2001:db8::1/128" },
		{ "2001:db8:8000::/33", "2001:db8:8000::/33" },
		{ "64:ff9b::192.0.2.1", "64:ff9b::c000:201/128" },
		{ "::/95", "::/95" },
	};
	char text[PREFIX_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct prefix prefix = parsed(good[i].text);

		prefix_format(&prefix, text);
		assert_string_equal(text, good[i].formatted);
	}
}

static void test_bad_prefixes(void **state)
{
	static const struct {
		const char *text, *why, *advice;
	} bad[] = {
		{ "", "no IPv4 or IPv6", "192.0.2.0/24" },
		{ "x", "no IPv4 or IPv6", "192.0.2.0/24" },
		{ "1.2.3", "no IPv4 or IPv6", "" },
		{ "1.2.3.4.5", "no IPv4 or IPv6", "" },
		{ "010.0.0.1", "no IPv4 or IPv6", "" },
		{ " 1.2.3.4", "no IPv4 or IPv6", "" },
		{ "fe80::1%eth0", "no IPv4 or IPv6", "" },
		{ "2001:db8:::/32", "no IPv4 or IPv6", "" },
		{ "00000000000000000000000000000000000000000000000000::1",
		  "too long", "" },
		{ "10.0.0.0/", "0 to 32", "" },
		{ "10.0.0.0/33", "0 to 32", "" },
		{ "10.0.0.0/08", "0 to 32", "" },
		{ "10.0.0.0/-1", "0 to 32", "" },
		{ "10.0.0.0/8/8", "0 to 32", "" },
		{ "10.0.0.0/255.0.0.0", "0 to 32", "" },
		{ "::/129", "0 to 128", "" },
		{ "10.1.0.0/8", "beyond its first 8", "write 10.0.0.0/8," },
		{ "10.0.0.1/31", "beyond its first 31", "write 10.0.0.0/31," },
		{ "0.0.0.1/0", "beyond its first 0", "write 0.0.0.0/0," },
		{ "2001:db8::1/64", "beyond its first 64",
		  "write 2001:db8::/64," },
		{ "::ffff:192.0.2.0/120", "mapped", "write 192.0.2.0/24" },
		{ "::ffff:192.0.2.1", "mapped", "write 192.0.2.1/32" },
		{ "::ffff:0:0/96", "mapped", "write 0.0.0.0/0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct prefix prefix = { .bits = 77 };
		struct fault f = { 0 };

		if (prefix_parse(bad[i].text, &prefix, &f) != -EINVAL ||
		    f.exit != EXIT_FAILED || !strstr(f.why, bad[i].why) ||
		    !strstr(f.advice, bad[i].advice) || prefix.bits != 77) {
			print_message("%s: %s; %s\n", bad[i].text, f.why,
				      f.advice);
			fail();
		}
	}
}

static void give(struct lists *lists, const char *text, enum list_entry entry)
{
	struct prefix prefix = parsed(text);

	assert_int_equal(lists_give(lists, &prefix, entry), 0);
}

static int entry_of(const struct lists *lists, const char *text)
{
	struct prefix prefix = parsed(text);
	const struct list_row *row = lists_find(lists, &prefix);

	return row ? row->value.entry : LIST_NONE;
}

static int given_of(const struct lists *lists, const char *text)
{
	struct prefix prefix = parsed(text);
	const struct list_row *row = lists_find(lists, &prefix);

	return row ? row->value.given : 0;
}

static void test_allow_wins(void **state)
{
	struct lists lists = { 0 };
	struct prefix allow = parsed("10.0.0.0/8");
	size_t n[2];

	(void)state;
	give(&lists, "10.1.2.0/24", LIST_BLOCK);
	give(&lists, "10.0.0.0/8", LIST_ALLOW);
	give(&lists, "10.0.0.0/8", LIST_BLOCK);
	give(&lists, "11.0.0.0/8", LIST_BLOCK);
	give(&lists, "8.0.0.0/5", LIST_BLOCK);
	give(&lists, "a00::/8", LIST_BLOCK);
	give(&lists, "11.0.0.0/8", LIST_BLOCK);
	lists_settle(&lists);
	assert_int_equal(lists.n, 5);
	lists_count(&lists, n);
	assert_int_equal(n[0], 4);
	assert_int_equal(n[1], 1);
	assert_int_equal(entry_of(&lists, "10.0.0.0/8"), LIST_ALLOW);
	assert_int_equal(entry_of(&lists, "10.1.2.0/24"), LIST_ALLOW);
	assert_int_equal(entry_of(&lists, "11.0.0.0/8"), LIST_BLOCK);
	assert_int_equal(entry_of(&lists, "8.0.0.0/5"), LIST_BLOCK);
	assert_int_equal(entry_of(&lists, "a00::/8"), LIST_BLOCK);
	assert_int_equal(given_of(&lists, "10.0.0.0/8"),
			 1 << LIST_ALLOW | 1 << LIST_BLOCK);
	assert_int_equal(given_of(&lists, "10.1.2.0/24"), 1 << LIST_BLOCK);

	lists_find(&lists, &allow)->value.given &= (__u8) ~(1 << LIST_ALLOW);
	lists_settle(&lists);
	assert_int_equal(lists.n, 5);
	assert_int_equal(entry_of(&lists, "10.0.0.0/8"), LIST_BLOCK);
	assert_int_equal(entry_of(&lists, "10.1.2.0/24"), LIST_BLOCK);

	lists_find(&lists, &allow)->value.given = 0;
	lists_settle(&lists);
	assert_int_equal(lists.n, 4);
	lists_free(&lists);
}

/* Few bits, so that prefixes meet. */
static struct prefix random_prefix(bool ipv6)
{
	struct prefix prefix = { .ipv6 = ipv6,
				 .bits = (__u8)(random() % 17) };
	unsigned int address = (unsigned int)random() & 0xffff;

	if (ipv6 && random() % 2)
		prefix.bits = (__u8)(112 + random() % 17);
	address &= prefix.bits > 16 ? 0xffff0000 >> (prefix.bits - 112) :
				      0xffff0000 >> prefix.bits;
	if (prefix.bits > 16) {
		prefix.address[14] = (__u8)(address >> 8);
		prefix.address[15] = (__u8)address;
	} else {
		prefix.address[0] = (__u8)(address >> 8);
		prefix.address[1] = (__u8)address;
	}
	return prefix;
}

static bool is_in(const struct prefix *outer, const struct prefix *address)
{
	for (int bit = 0; bit < outer->bits; bit++)
		if ((outer->address[bit / 8] ^ address->address[bit / 8]) >>
			    (7 - bit % 8) &
		    1)
			return false;
	return outer->ipv6 == address->ipv6;
}

/* What the data plane finds: the longest match. */
static int obeyed(const struct lists *lists, const struct prefix *address)
{
	const struct list_row *longest = NULL;

	for (size_t i = 0; i < lists->n; i++)
		if (is_in(&lists->row[i].prefix, address) &&
		    (!longest ||
		     longest->prefix.bits < lists->row[i].prefix.bits))
			longest = &lists->row[i];
	return longest ? longest->value.entry : LIST_NONE;
}

/* What was asked for: allow wins, however long the prefixes. */
static int wanted(const struct lists *given, const struct prefix *address)
{
	int entry = LIST_NONE;

	for (size_t i = 0; i < given->n; i++) {
		if (!is_in(&given->row[i].prefix, address))
			continue;
		if (given->row[i].value.given & 1 << LIST_ALLOW)
			return LIST_ALLOW;
		if (given->row[i].value.given)
			entry = LIST_BLOCK;
	}
	return entry;
}

static void test_random_lists(void **state)
{
	(void)state;
	srandom(1);
	for (int round = 0; round < 300; round++) {
		struct lists given = { 0 }, settled;
		int n = 1 + (int)(random() % 24);

		for (int i = 0; i < n; i++) {
			struct prefix prefix = random_prefix(random() % 2);

			assert_int_equal(lists_give(&given, &prefix,
						    random() % 4 ?
							    LIST_BLOCK :
							    LIST_ALLOW),
					 0);
		}
		assert_int_equal(lists_copy(&settled, &given), 0);
		lists_settle(&settled);
		for (size_t i = 1; i < settled.n; i++)
			assert_true(prefix_compare(&settled.row[i - 1].prefix,
						   &settled.row[i].prefix) < 0);
		for (int i = 0; i < 200; i++) {
			struct prefix address = random_prefix(random() % 2);

			assert_int_equal(obeyed(&settled, &address),
					 wanted(&given, &address));
		}
		lists_free(&given);
		lists_free(&settled);
	}
}

static int read_bytes(const char *text, size_t n, struct lists *lists,
		      struct fault *f)
{
	FILE *file = fopen(path, "w");

	memset(f, 0, sizeof(*f));
	*lists = (struct lists){ 0 };
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, n, file), n);
	fclose(file);
	return lists_read(lists, path, LIST_BLOCK, f);
}

#define BYTES(text) text, sizeof(text) - 1

static void test_files(void **state)
{
	struct lists lists;
	struct fault f;

	(void)state;
	assert_int_equal(read_bytes(BYTES("# mine\r\n"
					  "\r\n"
					  "  192.0.2.0/24\t# a\r\n"
					  "\n"
					  "2001:db8::/32#b\n"
					  "   \n"
					  "10.0.0.1"),
				    &lists, &f),
			 0);
	assert_int_equal(lists.n, 3);
	lists_settle(&lists);
	assert_int_equal(entry_of(&lists, "192.0.2.0/24"), LIST_BLOCK);
	assert_int_equal(entry_of(&lists, "2001:db8::/32"), LIST_BLOCK);
	assert_int_equal(entry_of(&lists, "10.0.0.1"), LIST_BLOCK);
	lists_free(&lists);
	assert_int_equal(read_bytes(BYTES(""), &lists, &f), 0);
	assert_int_equal(lists.n, 0);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *why;
	} bad[] = {
		{ BYTES("10.0.0.0/8\n\nx\n"), "line 3: it is no IPv4" },
		{ BYTES("10.0.0.0/8\n10.0.0.1/8\n"), "line 2: it has bits" },
		{ BYTES("10.0.0.0/8 11.0.0.0/8\n"), "line 1: what follows" },
		{ BYTES("#\n10.0.0.0/8\0\n"), "line 2: it holds a NUL" },
		{ BYTES("\xff\n"), "line 1: it is no IPv4" },
	};
	struct lists lists;
	struct fault f;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_true(read_bytes(bad[i].text, bad[i].n, &lists, &f) < 0);
		assert_int_equal(f.exit, EXIT_FAILED);
		assert_non_null(strstr(f.why, path));
		assert_non_null(strstr(f.why, bad[i].why));
		lists_free(&lists);
	}
	assert_true(lists_read(&lists, "/dev/zero", LIST_BLOCK, &f) < 0);
	assert_int_equal(lists_read(&lists, "/tmp", LIST_BLOCK, &f), -EISDIR);
	assert_int_equal(lists_read(&lists, "/no/such", LIST_BLOCK, &f),
			 -ENOENT);
	assert_non_null(strstr(f.why, "/no/such: No such file"));
}

static void test_long_lines(void **state)
{
	static char text[5000];
	struct lists lists;
	struct fault f;

	(void)state;
	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 1] = '\n';
	assert_true(read_bytes(text, sizeof(text), &lists, &f) < 0);
	assert_non_null(strstr(f.why, "line 1: it is too long"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_prefixes),
		cmocka_unit_test(test_bad_prefixes),
		cmocka_unit_test(test_allow_wins),
		cmocka_unit_test(test_random_lists),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_long_lines),
	};
	int failed;

	close(mkstemp(path));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests_name("lists", tests, NULL, NULL);
	unlink(path);
	return failed;
}
