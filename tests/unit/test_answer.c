// SPDX-License-Identifier: GPL-2.0
/*
 * The pure parts of answering: what a SYN asks of its SYN-ACK, which data a
 * port welcomes, rates, and which share of SYNs is answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "offer.h"
#include "rate.h"
#include "share.h"
#include "welcome.h"

/*
 * Another reading of tcp_parse_options(): by recursion, each option cut out
 * before it is read. A later one of a kind replaces an earlier one.
 */
static void reference(const unsigned char *options, int left, struct asked *a)
{
	static const unsigned char sizes[] = { [2] = 4, [3] = 3, [4] = 2,
					       [8] = 10 };
	unsigned char kind = left > 0 ? options[0] : 0, body[8];
	int size;

	if (kind == 1) {
		reference(options + 1, left - 1, a);
		return;
	}
	if (!kind || left < 2)
		return;
	size = options[1];
	if (size < 2 || size > left)
		return;
	if (kind < sizeof(sizes) && size == sizes[kind]) {
		memcpy(body, options + 2, (size_t)size - 2);
		switch (kind) {
		case 2:
			a->mss = (__u16)(body[0] * 256 + body[1]);
			a->options_asked |= OFFER_MSS;
			break;
		case 3:
			a->wscale = body[0];
			a->options_asked |= OFFER_WSCALE;
			break;
		case 4:
			a->options_asked |= OFFER_SACK;
			break;
		case 8:
			memcpy(&a->tsval, body, 4);
			memcpy(&a->tsecr, body + 4, 4);
			a->options_asked |= OFFER_TIMESTAMPS;
		}
	}
	reference(options + size, left - size, a);
}

/* Bytes that look like options more often than random ones do. */
static void random_options(unsigned char *options, size_t len)
{
	static const unsigned char kinds[] = { 0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 8,
					       8, 34, 254 };
	static const unsigned char sizes[] = { [2] = 4, [3] = 3, [4] = 2,
					       [8] = 10, [34] = 10, [254] = 12 };
	/* As Linux writes them; zero is any value. */
	static const unsigned char usual[] = { 2, 4, 0, 0, 4, 2, 8,
					       10, 0, 0, 0, 0, 0, 0,
					       0, 0, 1, 3, 3, 0 };
	size_t at = 0;

	randombytes_buf(options, len);
	if (len >= sizeof(usual) && !randombytes_uniform(4)) {
		for (size_t i = 0; i < sizeof(usual); i++)
			if (usual[i])
				options[i] = usual[i];
		if (!randombytes_uniform(4))
			options[randombytes_uniform(sizeof(usual))]++;
		at = sizeof(usual);
	}
	while (at + 4 < len) {
		unsigned char kind =
			kinds[randombytes_uniform(sizeof(kinds))];
		unsigned int size = sizes[kind];

		if (!randombytes_uniform(8))
			size = randombytes_uniform(14);
		options[at] = kind;
		options[at + 1] = (unsigned char)size;
		at += kind == 1 ? 1 : size ?: 1;
	}
}

static void test_asked_against_reference(void **state)
{
	unsigned int found = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t len = 4 * randombytes_uniform(11);
		unsigned char *options = malloc(len ?: 1);
		struct bytes bytes = { .data = options, .end = options + len };
		struct asked ours, quick, theirs = { 0 };

		random_options(options, len);
		asked_walk(&bytes, options, (__u32)len, 0, &ours);
		asked_walk(&bytes, options, (__u32)len,
			   usual_beginning(&bytes, options, (__u32)len),
			   &quick);
		assert_memory_equal(&quick, &ours, sizeof(ours));
		reference(options, (int)len, &theirs);
		assert_int_equal(ours.options_asked, theirs.options_asked);
		assert_int_equal(ours.mss, theirs.mss);
		assert_int_equal(ours.wscale, theirs.wscale);
		assert_int_equal(ours.tsval, theirs.tsval);
		assert_int_equal(ours.tsecr, theirs.tsecr);
		found |= ours.options_asked;
		free(options);
	}
	assert_int_equal(found, OFFER_MSS | OFFER_SACK | OFFER_TIMESTAMPS |
					OFFER_WSCALE);
}

/* The block ends where the data does: what is read beyond is an error. */
static void expect_sort(const char *data, size_t len, int hello, int safe)
{
	unsigned char *copy = malloc(len ?: 1);
	struct bytes bytes = { .data = copy, .end = copy + len };

	memcpy(copy, data, len);
	assert_int_equal(is_client_hello(&bytes, copy), hello);
	assert_int_equal(is_safe_request(&bytes, copy), safe);
	free(copy);
}

static void test_sorts_of_data(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		int hello, safe;
	} rows[] = {
#define ROW(data, hello, safe) { data, sizeof(data) - 1, hello, safe }
		ROW("\x16\x03\x01\x02\x00\x01\x00\x01", 1, 0),
		ROW("\x16\x03\x03\x02\x00\x01\x00\x01", 1, 0),
		ROW("\x16\x03\x01\x02\x00\x02\x00\x01", 0, 0), /* ServerHello */
		ROW("\x17\x03\x03\x02\x00\x01\x00\x01", 0, 0), /* data */
		ROW("\x16\x02\x01\x02\x00\x01\x00\x01", 0, 0), /* SSL 2 */
		ROW("GET / HTTP/1.1\r\n", 0, 1),
		ROW("HEAD / HTTP/1.1\r\n", 0, 1),
		ROW("OPTIONS * HTTP/1.1\r\n", 0, 1),
		ROW("POST / HTTP/1.1\r\n", 0, 0),
		ROW("PUT / HTTP/1.1\r\n", 0, 0),
		ROW("DELETE / HTTP/1.1\r\n", 0, 0),
		ROW("get / HTTP/1.1\r\n", 0, 0),
		ROW("GETS / HTTP/1.1\r\n", 0, 0),
		ROW("HEADS / HTTP/1.1\r\n", 0, 0),
		ROW("OPTIONED / HTTP/1.1", 0, 0),
		ROW(" GET / HTTP/1.1\r\n", 0, 0),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect_sort(rows[i].data, rows[i].len, rows[i].hello,
			    rows[i].safe);
}

/* A type that can't be told is none. */
static void test_sorts_at_every_cut(void **state)
{
	static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01";
	static const char *const safe[] = { "GET / HTTP/1.1", "HEAD /abc",
					    "OPTIONS * HTTP" };

	(void)state;
	for (size_t n = 0; n < sizeof(hello); n++)
		expect_sort(hello, n, n >= 6, 0);
	for (size_t i = 0; i < 3; i++)
		for (size_t n = 0; n <= strlen(safe[i]); n++)
			expect_sort(safe[i], n, 0, n >= 8);
}

/* A rate is its number of tokens in one burst, and then one by one. */
static void test_rate_is_exact(void **state)
{
	static const __u32 rates[] = { 1, 2, 3, 10, 64, 100, 1000, 10000 };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		__u64 now = 5 * SECOND_NS, bucket = 0, cost;
		__u32 rate = rates[i], n = 0;

		while (n <= rate && take_of_rate(&bucket, now, rate))
			n++;
		assert_int_equal(n, rate);
		/* What was refused cost nothing. */
		cost = SECOND_NS / rate;
		now = bucket - SECOND_NS + cost;
		assert_false(take_of_rate(&bucket, now - 1, rate));
		assert_true(take_of_rate(&bucket, now, rate));
		assert_false(take_of_rate(&bucket, now, rate));
		/* Nothing is saved up beyond one burst. */
		now += 3600 * SECOND_NS;
		for (n = 0; n <= rate && take_of_rate(&bucket, now, rate); n++)
			;
		assert_int_equal(n, rate);
	}
}

static __u32 share_at(__u32 queue, __u32 limit, __u32 lo, __u32 hi)
{
	struct tuning t = { .mark_lo = lo, .mark_hi = hi };
	struct heard h = { .syn_queue = queue, .syn_limit = limit };

	return share_of(&h, &t);
}

static void test_share_rises_between_the_marks(void **state)
{
	static const __u32 limits[] = { 1, 3, 16, 100, 256, 4096, 65535,
					4000000000U };

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		__u32 limit = limits[i], before = 0;
		__u64 lo = ((__u64)limit * 32 + 255) / 256;
		__u64 hi = ((__u64)limit * 128 + 255) / 256;
		__u64 step = limit / 1000 ?: 1;

		for (__u64 q = 0; q <= limit; q += step) {
			__u32 share = share_at((__u32)q, limit, 32, 128);

			assert_true(share >= before);
			assert_int_equal(share == 0, q < lo);
			assert_int_equal(share == SHARE_ALL, q >= hi);
			before = share;
		}
	}
	assert_int_equal(share_at(80, 256, 32, 128), SHARE_ALL / 2);
	/* No backlog at all: its first fills it. */
	assert_int_equal(share_at(0, 0, 32, 128), 0);
	assert_int_equal(share_at(1, 0, 32, 128), SHARE_ALL);
	/* Both marks in one. */
	assert_int_equal(share_at(127, 256, 128, 128), 0);
	assert_int_equal(share_at(128, 256, 128, 128), SHARE_ALL);
}

#define PERIOD (1ULL << PERIOD_SHIFT)
#define LIMIT 256
#define SPAN 96 /* between the marks of a backlog of 256 */
#define ROOM 88 /* from a queue of 40 to the upper mark */

static const struct tuning usual = TUNING_DEFAULT;

/* How many of @n enter in the period of @now, with hashes that don't refuse. */
static unsigned int entered(struct growth *g, __u32 queue, __u64 now,
			    unsigned int n)
{
	struct heard h = { .self = 64, .syn_queue = queue,
			   .syn_limit = LIMIT };
	unsigned int in = 0;

	h.share = share_of(&h, &usual);
	while (n--)
		in += (unsigned int)may_grow(g, &h, &usual, 255, now);
	return in;
}

/* Spoofed SYNs, of which each stays for the minute of 63 s: what enters does
 * not fill the half between the marks. */
static void test_flood_enters_slowly(void **state)
{
	struct growth g = { 0 };
	__u32 queue = 40;

	(void)state;
	for (__u64 period = 1; period <= 118; period++)
		queue += entered(&g, queue, period * PERIOD, 1000);
	assert_in_range(queue - 40, SPAN / 4, SPAN / 2);
	/* Nor does it with a queue of any size at once. */
	assert_in_range(entered(&g, queue, 119 * PERIOD, 100000), 0, 1);
}

/* After a flood a listener that was left alone for 5 s is given what comes,
 * though the flood is still in its queue. */
static void test_silence_ends_the_answers(void **state)
{
	(void)state;
	for (__u64 length = 100; length < 126; length++) {
		struct growth g = { 0 };
		__u64 period = 0;
		__u32 queue = 40;

		while (++period < length)
			queue += entered(&g, queue, period * PERIOD, 1000);
		assert_in_range(entered(&g, queue, period * PERIOD, 20), 0, 1);
		period += 10;
		assert_int_equal(entered(&g, queue, period * PERIOD, 20), 20);
	}
}

/* Nor do pulses fill the queue, with as long a silence between them as pays
 * most. */
static void test_pulses_fill_no_queue(void **state)
{
	(void)state;
	for (__u64 silence = 1; silence <= 40; silence++) {
		struct growth g = { 0 };
		__u32 queue = 40;

		for (__u64 period = 1; period < 126; period += silence)
			for (int i = 0; i < 1000; i++)
				queue += entered(&g, queue, period * PERIOD, 1);
		assert_in_range(queue, 40, LIMIT / 2 - 1);
	}
}

/* Clients that complete: the queue stays, and each period gives twice as many,
 * up to all. */
static void test_clients_enter_twice_as_many(void **state)
{
	struct growth g = { 0 };
	unsigned int before = 0;
	__u64 period = 1;

	(void)state;
	while (!before)
		before = entered(&g, 40, period++ * PERIOD, 1000);
	for (int i = 0; i < 9; i++) {
		unsigned int now = entered(&g, 40, period++ * PERIOD, 1000);

		assert_int_equal(now, 2 * before);
		before = now;
	}
	assert_true(before < 1000);
	assert_int_equal(entered(&g, 40, period * PERIOD, 1000), 1000);
}

/* Nor does a pause take from what was earned, however long. */
static void test_pause_keeps_the_budget(void **state)
{
	(void)state;
	for (__u32 earned = 1; earned <= 1U << 19; earned *= 2)
		for (__u64 pause = 2; pause < 80; pause++) {
			struct growth g = { .self = 64, .period = 100,
					    .queue = 40, .tried = earned,
					    .admitted = earned,
					    .budget = earned };

			entered(&g, 40, (100 + pause) * PERIOD, 1);
			assert_in_range(g.budget, earned, 1U << 20);
		}
}

/* A flood behind the clients: what was earned is lost at once. */
static void test_growth_ends_the_budget(void **state)
{
	struct growth g = { 0 };
	__u64 period = 1;

	(void)state;
	while (entered(&g, 40, period++ * PERIOD, 1000) < 512)
		;
	/* Within a period, by a quarter of the room ... */
	assert_int_equal(entered(&g, 40, period * PERIOD, 10), 10);
	assert_int_equal(entered(&g, 39 + ROOM / 4, period * PERIOD, 10), 10);
	assert_in_range(entered(&g, 40 + ROOM / 4, period * PERIOD, 1000), 0,
			1);
	/* ... and at the next, by half of what entered. */
	g = (struct growth){ 0 };
	period = 1;
	while (entered(&g, 40, period++ * PERIOD, 1000) < 8)
		;
	assert_in_range(entered(&g, 40 + 5, period * PERIOD, 1000), 0, 1);
}

/* Where nothing was earned, the hash says who may try: a retransmission, which
 * has its first's, fares like it. */
static void test_hash_against_share(void **state)
{
	struct heard h = { .self = 64, .syn_queue = 80, .syn_limit = LIMIT };

	(void)state;
	h.share = share_of(&h, &usual);
	assert_int_equal(h.share, 128);
	for (__u32 hash = 0; hash < 256; hash++) {
		bool any = false;

		for (__u64 period = 1; period < 40; period++) {
			struct growth g = { 0 };

			any |= may_grow(&g, &h, &usual, hash, period * PERIOD);
		}
		assert_int_equal(any, hash >= h.share);
	}
}

/* Who was given all is told so without a look at its budget, until the next
 * period; nobody else is. */
static void test_given_all(void **state)
{
	struct heard h = { .self = 64, .syn_queue = 40, .syn_limit = LIMIT },
		     other = { .self = 128, .syn_queue = 40, .syn_limit = LIMIT };
	struct growth g = { 0 };
	__u64 now = PERIOD;

	(void)state;
	other.share = h.share = share_of(&h, &usual);
	/* A period in which the least budget is one. */
	while (!may_grow(&g, &h, &usual, 255, now))
		now += PERIOD;
	assert_false(is_given_all(&g, &h, now));
	assert_false(may_grow(&g, &h, &usual, 255, now));
	assert_true(is_given_all(&g, &h, now));
	assert_true(is_given_all(&g, &h, now + PERIOD - 1));
	assert_false(is_given_all(&g, &h, now + PERIOD));
	assert_false(is_given_all(&g, &other, now));
	assert_true(may_grow(&g, &other, &usual, 255, now));
	assert_false(is_given_all(&g, &other, now));
}

/* Another listener at the same place starts anew. */
static void test_listeners_are_apart(void **state)
{
	struct heard other = { .self = 128, .syn_queue = 40,
			       .syn_limit = LIMIT, .share = 256 };
	struct growth g = { 0 };
	__u64 period = 1;

	(void)state;
	while (entered(&g, 40, period++ * PERIOD, 1000) < 512)
		;
	assert_false(may_grow(&g, &other, &usual, 0, period * PERIOD));
	assert_int_equal(g.self, 128);
	assert_int_equal(g.budget, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asked_against_reference),
		cmocka_unit_test(test_sorts_of_data),
		cmocka_unit_test(test_sorts_at_every_cut),
		cmocka_unit_test(test_rate_is_exact),
		cmocka_unit_test(test_share_rises_between_the_marks),
		cmocka_unit_test(test_flood_enters_slowly),
		cmocka_unit_test(test_silence_ends_the_answers),
		cmocka_unit_test(test_pulses_fill_no_queue),
		cmocka_unit_test(test_clients_enter_twice_as_many),
		cmocka_unit_test(test_pause_keeps_the_budget),
		cmocka_unit_test(test_growth_ends_the_budget),
		cmocka_unit_test(test_hash_against_share),
		cmocka_unit_test(test_given_all),
		cmocka_unit_test(test_listeners_are_apart),
	};

	if (sodium_init() < 0)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
