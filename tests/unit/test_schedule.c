// SPDX-License-Identifier: GPL-2.0
/* When keys are due, by clocks that are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "schedule.h"

#define HOUR 3600U
#define DAY (24 * HOUR)
#define YEAR (365ULL * DAY)
#define NOW 1700000000ULL
#define GAINED 2 /* by what two clocks may err that tell whole seconds */

static const struct schedule daily = { .rotate_every = DAY, .overlap = DAY };

struct process {
	struct sightings seen;
	struct moment now;
};

static struct process start(__u64 wall, __u64 boot)
{
	return (struct process){ .now = { .wall = wall, .boot = boot } };
}

/* What is due, and in how many seconds it will be. */
static enum due due(struct process *p, const struct schedule *schedule,
		    const struct keyring *ring, __u64 *wait)
{
	schedule_see(&p->seen, ring, &p->now);
	return schedule_due(schedule, ring, &p->seen, p->now.boot, wait);
}

#define EXPECT(process, ring, what, seconds)                                   \
	do {                                                                   \
		__u64 wait_;                                                   \
		assert_int_equal(due(process, &daily, ring, &wait_), what);    \
		assert_true(wait_ == (seconds));                               \
	} while (0)

static struct keyring with_current(__u64 since)
{
	struct keyring ring = { 0 };

	ring.slot[KEY_current] = (struct key){ .secret = { 1, 2 },
					       .since = since };
	return ring;
}

static struct keyring with_previous(__u64 since, __u32 overlap)
{
	struct keyring ring = with_current(since);

	ring.slot[KEY_previous] = (struct key){ .secret = { 3, 4 },
						.since = since,
						.overlap = overlap };
	return ring;
}

static void test_rotation(void **state)
{
	struct keyring ring = with_current(NOW);
	struct process p = start(NOW, 50);

	(void)state;
	EXPECT(&p, &ring, DUE_NOTHING, DAY);
	p.now.boot += DAY - 1;
	EXPECT(&p, &ring, DUE_NOTHING, 1);
	p.now.boot += 1;
	EXPECT(&p, &ring, DUE_ROTATE, 0);
	p.now.boot += YEAR;
	EXPECT(&p, &ring, DUE_ROTATE, 0);
	/* A new key begins anew. */
	ring.slot[KEY_current].secret.k0++;
	ring.slot[KEY_current].since = p.now.wall;
	EXPECT(&p, &ring, DUE_NOTHING, DAY);
}

static void test_retirement_comes_before_rotation(void **state)
{
	struct keyring ring = with_previous(NOW, 2 * DAY);
	struct process p = start(NOW, 50);

	(void)state;
	p.now.boot += DAY + 5;
	p.now.wall += DAY + 5;
	/* Seen for the first time now, by a process that started late. */
	EXPECT(&p, &ring, DUE_NOTHING, DAY - 5 + GAINED);
	p.now.boot += DAY - 5 + GAINED;
	EXPECT(&p, &ring, DUE_RETIRE, 0);
	memset(&ring.slot[KEY_previous], 0, sizeof(struct key));
	EXPECT(&p, &ring, DUE_ROTATE, 0);
}

static void test_without_an_end(void **state)
{
	const struct schedule never = { .overlap = DAY };
	struct keyring ring = with_previous(NOW, 0);
	struct process p = start(NOW + YEAR, 50);
	__u64 wait;

	(void)state;
	/* By hand only: it stays until somebody says so. */
	assert_int_equal(due(&p, &never, &ring, &wait), DUE_NOTHING);
	assert_true(wait == DUE_NEVER);
	/* A schedule puts an end to it. */
	EXPECT(&p, &ring, DUE_RETIRE, 0);
	memset(&ring.slot[KEY_previous], 0, sizeof(struct key));
	assert_int_equal(due(&p, &never, &ring, &wait), DUE_NOTHING);
}

static void test_staged_key_is_an_operators(void **state)
{
	struct keyring ring = with_current(NOW);
	struct process p = start(NOW + YEAR, 50);

	(void)state;
	ring.slot[KEY_staged] = (struct key){ .secret = { 5, 6 }, .since = NOW };
	EXPECT(&p, &ring, DUE_NOTHING, DUE_NEVER);
}

static void test_empty_ring_wants_a_key(void **state)
{
	struct keyring ring = { 0 };
	struct process p = start(NOW, 50);

	(void)state;
	EXPECT(&p, &ring, DUE_ROTATE, 0);
}

static void test_clock_steps_do_not_matter(void **state)
{
	static const __s64 steps[] = { 1, -1, HOUR, -(__s64)HOUR, YEAR,
				       -(__s64)YEAR, -(__s64)NOW };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct keyring ring = with_previous(NOW, HOUR);
		struct process p = start(NOW + 10, 1000);

		EXPECT(&p, &ring, DUE_NOTHING, HOUR - 10 + GAINED);
		p.now.wall += (__u64)steps[i];
		EXPECT(&p, &ring, DUE_NOTHING, HOUR - 10 + GAINED);
		p.now.boot += 100; /* suspended or not */
		EXPECT(&p, &ring, DUE_NOTHING, HOUR - 110 + GAINED);
		p.now.boot += HOUR - 110 + GAINED;
		EXPECT(&p, &ring, DUE_RETIRE, 0);
	}
}

static void test_a_clock_that_was_behind_at_the_start(void **state)
{
	struct keyring ring = with_current(NOW);
	struct process p = start(0, 10); /* 1970, until the network is up */

	(void)state;
	EXPECT(&p, &ring, DUE_NOTHING, DAY);
	p.now.wall = NOW + YEAR;
	p.now.boot += HOUR;
	EXPECT(&p, &ring, DUE_NOTHING, DAY - HOUR);
}

static void test_what_passed_while_nothing_ran(void **state)
{
	struct keyring ring = with_previous(NOW, DAY);
	struct process p = start(NOW + DAY + 1, 3); /* just booted */

	(void)state;
	/* Made late in its second, seen early in this one, ... */
	EXPECT(&p, &ring, DUE_NOTHING, 1);
	p.now.boot++; /* ... a moment later: not a day old */
	EXPECT(&p, &ring, DUE_RETIRE, 0);
	p = start(NOW + DAY + GAINED, 3);
	EXPECT(&p, &ring, DUE_RETIRE, 0);
}

static void test_jitter(void **state)
{
	const struct schedule jittered = { .rotate_every = DAY, .jitter = 10 };
	__u64 least = DUE_NEVER, most = 0, wait, again;

	(void)state;
	for (__u64 i = 1; i <= 1000; i++) {
		struct keyring ring = with_current(NOW);
		struct process p = start(NOW, 50), q = start(NOW, 99);

		ring.slot[KEY_current].secret.k0 = i;
		assert_int_equal(due(&p, &jittered, &ring, &wait), DUE_NOTHING);
		assert_int_equal(due(&q, &jittered, &ring, &again), DUE_NOTHING);
		assert_true(wait == again); /* the same after a restart */
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	assert_in_range(least, DAY - DAY / 10, DAY - DAY / 11);
	assert_in_range(most, DAY - DAY / 100, DAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_retirement_comes_before_rotation),
		cmocka_unit_test(test_without_an_end),
		cmocka_unit_test(test_staged_key_is_an_operators),
		cmocka_unit_test(test_empty_ring_wants_a_key),
		cmocka_unit_test(test_clock_steps_do_not_matter),
		cmocka_unit_test(test_a_clock_that_was_behind_at_the_start),
		cmocka_unit_test(test_what_passed_while_nothing_ran),
		cmocka_unit_test(test_jitter),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
