// SPDX-License-Identifier: GPL-2.0
/*
 * The life of keys, in a world of memory that can be ended after any step: a
 * file, a guard's map, a kernel, two clocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sodium.h>

#include "keys.h"

#define DAY 86400U
#define START 1700000000U

static struct world {
	bool attached, has_file, full_disk, map_fails, kernel_fails;
	struct keyring map;
	struct kernel_pair kernel;
	struct ring_record file;
	struct moment now;
	int steps_left; /* then the process is dead; negative: for ever */
	bool locked, covered;
	/* Every key that the kernel ever issued cookies of. */
	struct siphash_key issued[64];
	int n_issued;
} world;

static const struct siphash_key A = { 1, 0xa }, B = { 2, 0xb }, C = { 3, 0xc };

static bool kernel_has(const struct siphash_key *key)
{
	for (int i = 0; i < world.kernel.n; i++)
		if (key_equal(&world.kernel.key[i], key))
			return true;
	return false;
}

static void note_issued(void)
{
	if (world.kernel.n)
		world.issued[world.n_issued++] = world.kernel.key[0];
	assert_true(world.n_issued < 64);
}

static bool step(void)
{
	if (!world.steps_left)
		return false;
	if (world.steps_left > 0)
		world.steps_left--;
	return true;
}

/* The promise: what the kernel accepts, the guard accepts. */
static void hold_promise(void)
{
	if (world.attached && world.covered)
		assert_true(ring_covers(&world.map, &world.kernel));
	world.covered = world.attached &&
			ring_covers(&world.map, &world.kernel);
}

static int get_map(void *arg, struct keyring *ring)
{
	(void)arg;
	if (!world.attached)
		return -ENOENT;
	*ring = world.map;
	return 0;
}

static int set_map(void *arg, const struct keyring *ring)
{
	(void)arg;
	if (world.map_fails || !step())
		return -EIO;
	assert_true(world.attached && world.locked);
	world.map = *ring;
	hold_promise();
	return 0;
}

static int get_kernel(void *arg, struct kernel_pair *pair)
{
	(void)arg;
	*pair = world.kernel;
	return 0;
}

static int set_kernel(void *arg, const struct kernel_pair *pair)
{
	(void)arg;
	if (world.kernel_fails || !step())
		return -EIO;
	assert_true(world.locked);
	assert_in_range(pair->n, 1, 2);
	assert_false(key_is_empty(&pair->key[0]));
	world.kernel = *pair;
	note_issued();
	hold_promise();
	return 0;
}

static int take_lock(void *arg, struct fault *f)
{
	(void)arg;
	(void)f;
	assert_false(world.locked);
	world.locked = true;
	return 0;
}

static void release_lock(void *arg)
{
	(void)arg;
	world.locked = false;
}

static void read_clocks(void *arg, struct moment *now)
{
	(void)arg;
	*now = world.now;
}

static int load(const struct key_source *source, struct ring_record *record,
		struct fault *f)
{
	(void)source;
	(void)f;
	if (!world.has_file)
		return -ENOENT;
	*record = world.file;
	return 0;
}

static int save(const struct key_source *source,
		const struct ring_record *record, struct fault *f)
{
	(void)source;
	if (world.full_disk)
		return fault_fail(f, EXIT_FAILED, ENOSPC, "no space");
	if (!step())
		return -EIO;
	assert_true(world.locked);
	assert_null(ring_fault(&record->ring));
	world.file = *record;
	world.has_file = true;
	return 0;
}

static const struct key_plane plane = { get_map, set_map, get_kernel,
					set_kernel, take_lock, release_lock,
					read_clocks, NULL };
static const struct key_source kernel_source = { .name = "kernel" };
static const struct key_source file_source = { .name = "file", .load = load,
					       .save = save,
					       .path = "/ring" };
static const struct key_source *const sources[] = { &kernel_source,
						    &file_source };

static struct key_config config;
static struct keys *keys;
static struct fault f;
static struct key_result result;
static enum key_news news;
static __u64 wait;

/* A process dies, and another takes its place. */
static void restart(void)
{
	keys_free(keys);
	keys = keys_new(&config);
	assert_non_null(keys);
	world.locked = false;
	world.steps_left = -1;
	memset(&f, 0, sizeof(f));
}

static struct kernel_pair pair(const struct siphash_key *first,
			       const struct siphash_key *second)
{
	struct kernel_pair p = { .key = { *first }, .n = 1 };

	if (second)
		p.key[p.n++] = *second;
	return p;
}

/* A guarded kernel with key A. */
static void begin(const struct key_source *source)
{
	memset(&world, 0, sizeof(world));
	world.now = (struct moment){ .wall = START, .boot = 100 };
	world.kernel = pair(&A, NULL);
	world.attached = true;
	note_issued();
	config = (struct key_config){ .source = source, .plane = &plane,
				      .schedule = SCHEDULE_DEFAULT };
	restart();
}

static int request(enum key_action action, const struct siphash_key *given)
{
	struct key_request r = { .action = action };

	memset(&f, 0, sizeof(f));
	if (given)
		r.given.slot[KEY_current] = (struct key){
			.secret = *given, .since = world.now.wall,
			.origin = KEY_ORIGIN_given };
	return key_do(keys, &r, &result, &f);
}

static int emergency(void)
{
	struct key_request r = { .action = KEY_ACTION_rotate,
				 .emergency = true };

	memset(&f, 0, sizeof(f));
	return key_do(keys, &r, &result, &f);
}

/* As a daemon does, until nothing is left to do at this moment. */
static void tick(void)
{
	for (int i = 0; i < 10; i++) {
		assert_int_equal(keys_tick(keys, &news, &wait, &f), 0);
		if (news == KEY_NEWS_nothing)
			return;
	}
	fail_msg("never done");
}

static void pass(__u64 seconds)
{
	world.now.wall += seconds;
	world.now.boot += seconds;
}

static void expect_kernel(const struct siphash_key *first,
			  const struct siphash_key *second)
{
	struct kernel_pair want = pair(first, second);

	assert_true(pair_equal(&world.kernel, &want));
}

static void expect_in_step(void)
{
	const struct keyring *ring = config.source->load ? &world.file.ring :
							   &world.map;
	struct kernel_pair want;

	ring_pair(ring, &want);
	assert_true(pair_equal(&want, &world.kernel));
	if (world.attached)
		assert_true(ring_equal(ring, &world.map));
	assert_null(ring_fault(ring));
}

/* ---- the steps ---------------------------------------------------------- */

static void test_a_life(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(sources[i]);
		assert_int_equal(request(KEY_ACTION_stage, &B), 0);
		expect_kernel(&A, &B);
		assert_true(key_equal(&world.map.slot[KEY_staged].secret, &B));
		pass(5);
		assert_int_equal(request(KEY_ACTION_promote, NULL), 0);
		expect_kernel(&B, &A);
		assert_true(key_equal(&world.map.slot[KEY_previous].secret, &A));
		assert_int_equal(world.map.slot[KEY_current].since, START + 5);
		pass(5);
		assert_int_equal(request(KEY_ACTION_retire, NULL), 0);
		expect_kernel(&B, NULL);
		assert_false(ring_has(&world.map, &A));
		expect_in_step();
	}
}

static void test_illegal_steps(void **state)
{
	static const struct siphash_key zero;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world before;

		begin(sources[i]);
		/* A first ring, so that "untouched" is not trivial. */
		assert_int_equal(request(KEY_ACTION_stage, &B), 0);
		assert_int_equal(request(KEY_ACTION_retire, NULL), 0);
		before = world;
#define REFUSED(call, text)                                                    \
	do {                                                                   \
		assert_int_not_equal(call, 0);                                 \
		assert_int_equal(f.exit, EXIT_FAILED);                         \
		assert_non_null(strstr(f.why, text));                          \
		assert_memory_equal(&world, &before, sizeof(world));           \
	} while (0)
		REFUSED(request(KEY_ACTION_promote, NULL), "no key is staged");
		REFUSED(request(KEY_ACTION_retire, NULL), "none beside");
		REFUSED(request(KEY_ACTION_stage, &A), "in the ring already");
		REFUSED(request(KEY_ACTION_import, &A), "in the ring already");
		REFUSED(request(KEY_ACTION_import, NULL), "no current key");
		assert_int_equal(request(KEY_ACTION_stage, &B), 0);
		before = world;
		REFUSED(request(KEY_ACTION_stage, &C), "another key is staged");
		assert_int_equal(request(KEY_ACTION_promote, NULL), 0);
		before = world;
		REFUSED(request(KEY_ACTION_stage, &C), "still accepted");
		REFUSED(request(KEY_ACTION_rotate, NULL), "still accepted");
		begin(sources[i]);
		world.kernel.n = 0;
		before = world;
		REFUSED(request(KEY_ACTION_stage, &B), "no current key");
	}
	/* No random key is all zeros, but a given one may be. */
	assert_non_null(ring_stage(&(struct keyring){ .slot[0].secret = A },
				   &(struct key){ .secret = zero }));
}

static void test_rotate(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(sources[i]);
		assert_int_equal(request(KEY_ACTION_rotate, NULL), 0);
		assert_true(key_equal(&world.kernel.key[1], &A));
		assert_int_equal(world.map.slot[KEY_previous].overlap, DAY);
		expect_in_step();
		/* Too early for another, and then in time. */
		pass(DAY - 1);
		assert_int_not_equal(request(KEY_ACTION_rotate, NULL), 0);
		pass(1);
		assert_int_equal(request(KEY_ACTION_rotate, NULL), 0);
		assert_false(kernel_has(&A));
		assert_int_equal(world.kernel.n, 2);
		expect_in_step();
	}
}

static void test_rotate_promotes_what_is_staged(void **state)
{
	(void)state;
	begin(&file_source);
	assert_int_equal(request(KEY_ACTION_stage, &B), 0);
	assert_int_equal(request(KEY_ACTION_rotate, NULL), 0);
	expect_kernel(&B, &A);
}

static void test_first_key(void **state)
{
	(void)state;
	begin(&file_source);
	world.kernel.n = 0;
	assert_int_equal(request(KEY_ACTION_rotate, NULL), 0);
	assert_int_equal(world.kernel.n, 1);
	assert_false(key_is_empty(&world.kernel.key[0]));
	expect_in_step();
}

static void test_emergency(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(sources[i]);
		assert_int_equal(request(KEY_ACTION_stage, &B), 0);
		assert_int_equal(emergency(), 0);
		assert_int_equal(world.kernel.n, 1);
		assert_false(kernel_has(&A) || kernel_has(&B));
		assert_false(ring_has(&world.map, &A));
		expect_in_step();
	}
}

static void test_import(void **state)
{
	struct key_request r = { .action = KEY_ACTION_import };

	(void)state;
	begin(&file_source);
	/* One key: the present one becomes its previous. */
	assert_int_equal(request(KEY_ACTION_import, &B), 0);
	expect_kernel(&B, &A);
	/* Two keys that share none with what is in force: through the map of
	 * three slots, by a step in which the kernel has one. */
	r.given.slot[KEY_current] = (struct key){ { 7, 7 }, START,
						  KEY_ORIGIN_given, 0 };
	r.given.slot[KEY_previous] = (struct key){ { 8, 8 }, START,
						   KEY_ORIGIN_given, 0 };
	assert_int_equal(key_do(keys, &r, &result, &f), 0);
	expect_kernel(&(struct siphash_key){ 7, 7 },
		      &(struct siphash_key){ 8, 8 });
	expect_in_step();
}

static void test_retire_that_key_only(void **state)
{
	struct key_request r = { .action = KEY_ACTION_retire, .only = C };

	(void)state;
	begin(&file_source);
	assert_int_equal(request(KEY_ACTION_rotate, NULL), 0);
	assert_int_equal(key_do(keys, &r, &result, &f), 0);
	assert_true(kernel_has(&A));
	r.only = A;
	assert_int_equal(key_do(keys, &r, &result, &f), 0);
	assert_false(kernel_has(&A));
}

static void test_without_a_guard(void **state)
{
	(void)state;
	begin(&kernel_source);
	world.attached = false;
	assert_int_not_equal(request(KEY_ACTION_rotate, NULL), 0);
	assert_int_equal(f.exit, EXIT_NOT_ATTACHED);
	expect_kernel(&A, NULL);
	begin(&file_source);
	world.attached = false;
	assert_int_equal(request(KEY_ACTION_rotate, NULL), 0);
	expect_in_step();
}

/* ---- ended after any step ----------------------------------------------- */

struct scenario {
	const char *name;
	int (*prepare)(void);
	int (*run)(void);
	bool drops; /* keys are dropped on purpose */
};

static int stage_b(void) { return request(KEY_ACTION_stage, &B); }
static int promote(void) { return request(KEY_ACTION_promote, NULL); }
static int retire(void) { return request(KEY_ACTION_retire, NULL); }
static int rotate(void) { return request(KEY_ACTION_rotate, NULL); }
static int import_b(void) { return request(KEY_ACTION_import, &B); }
static int nothing(void) { return 0; }
static int staged_and_promoted(void) { return stage_b() ?: promote(); }
static int rotate_when_due(void)
{
	pass(2 * DAY);
	return rotate();
}
static int import_others(void)
{
	struct key_request r = { .action = KEY_ACTION_import };

	r.given.slot[KEY_current] = (struct key){ { 7, 7 }, START,
						  KEY_ORIGIN_given, 0 };
	r.given.slot[KEY_previous] = (struct key){ { 8, 8 }, START,
						   KEY_ORIGIN_given, 0 };
	return key_do(keys, &r, &result, &f);
}

static const struct scenario scenarios[] = {
	{ "stage", nothing, stage_b, false },
	{ "promote", stage_b, promote, false },
	{ "retire", staged_and_promoted, retire, true },
	{ "withdraw", stage_b, retire, true },
	{ "rotate", nothing, rotate, false },
	{ "rotate again", rotate, rotate_when_due, true },
	{ "emergency", nothing, emergency, true },
	{ "emergency while staged", stage_b, emergency, true },
	{ "emergency in the overlap", staged_and_promoted, emergency, true },
	{ "import", nothing, import_b, false },
	{ "import others", staged_and_promoted, import_others, true },
};

#define N_SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

/* No cookie is lost that was not meant to be: what the kernel issues now, and
 * where nothing is dropped, all that it ever issued. */
static void expect_nothing_lost(const struct scenario *s,
				const struct kernel_pair *at_death)
{
	expect_in_step();
	if (s->drops) {
		/* Done or not done: the primary of then was not meant to go,
		 * unless what drops it was written down already. */
		if (!kernel_has(&at_death->key[0]))
			assert_true(config.source->load &&
				    !ring_has(&world.file.ring,
					      &at_death->key[0]));
		return;
	}
	for (int i = 0; i < world.n_issued; i++)
		assert_true(kernel_has(&world.issued[i]));
}

/* A guard that is attached knows the kernel's keys. */
static void tick_kernel(const struct key_source *source)
{
	if (!source->load)
		tick();
}

/* Runs a scenario to its end; returns how many steps it took. */
static int length(const struct scenario *s, const struct key_source *source)
{
	begin(source);
	tick_kernel(source);
	assert_int_equal(s->prepare(), 0);
	world.steps_left = 1000;
	assert_int_equal(s->run(), 0);
	return 1000 - world.steps_left;
}

static void die_after(const struct scenario *s,
		      const struct key_source *source, int steps, int again)
{
	struct kernel_pair at_death;
	struct world before;
	bool existed;

	begin(source);
	tick_kernel(source);
	assert_int_equal(s->prepare(), 0);
	before = world;
	existed = world.has_file;
	world.covered = ring_covers(&world.map, &world.kernel);
	world.steps_left = steps;
	assert_int_not_equal(s->run(), 0);
	/* The one that mends dies, too. */
	if (again >= 0) {
		restart();
		world.steps_left = again;
		keys_tick(keys, &news, &wait, &f);
	}
	at_death = world.kernel;
	restart();
	/* Without a file there is a first start, which makes a key. */
	if (source->load && !existed && !world.has_file)
		return;
	tick();
	expect_nothing_lost(s, &at_death);
	/* Where the kernel is as it was, so is what follows it. */
	if (!source->load && pair_equal(&world.kernel, &before.kernel))
		assert_true(ring_equal(&world.map, &before.map));
	/* And life goes on. */
	assert_int_equal(emergency(), 0);
	expect_in_step();
}

static void test_death_at_every_step(void **state)
{
	int deaths = 0;

	(void)state;
	for (int source = 0; source < 2; source++)
		for (size_t i = 0; i < N_SCENARIOS; i++) {
			const struct scenario *s = &scenarios[i];
			int steps = length(s, sources[source]);

			assert_true(steps > 0);
			for (int n = 0; n < steps; n++) {
				for (int again = -1; again < 3; again++, deaths++)
					die_after(s, sources[source], n, again);
			}
		}
	assert_true(deaths > 100);
}

/* A step that fails while the process lives is taken back. */
static void test_failure_is_taken_back(void **state)
{
	struct world before;

	(void)state;
	begin(&file_source);
	assert_int_equal(request(KEY_ACTION_stage, &B), 0);
	assert_int_equal(request(KEY_ACTION_retire, NULL), 0);
	before = world;
	world.map_fails = true;
	assert_int_not_equal(request(KEY_ACTION_rotate, NULL), 0);
	assert_int_equal(f.exit, EXIT_FAILED);
	world.map_fails = false;
	assert_memory_equal(&world, &before, sizeof(world));
	world.kernel_fails = true;
	assert_int_not_equal(emergency(), 0);
	assert_int_equal(f.exit, EXIT_FAILED);
	world.kernel_fails = false;
	assert_memory_equal(&world, &before, sizeof(world));
}

static void test_what_cannot_be_written_down_is_not_done(void **state)
{
	struct world before;

	(void)state;
	begin(&file_source);
	assert_int_equal(request(KEY_ACTION_stage, &B), 0);
	world.full_disk = true;
	before = world;
	REFUSED(request(KEY_ACTION_promote, NULL), "/ring: no space");
	REFUSED(emergency(), "/ring: no space");
}

/* ---- as time goes by ---------------------------------------------------- */

static void test_first_start(void **state)
{
	(void)state;
	begin(&file_source);
	world.kernel = pair(&A, &B);
	tick();
	/* A key of our own, the kernel's as previous. */
	assert_int_equal(world.kernel.n, 2);
	assert_true(key_equal(&world.kernel.key[1], &A));
	assert_false(key_equal(&world.kernel.key[0], &B));
	expect_in_step();
	/* Where the kernel's key is all zeros there is no previous one. */
	begin(&file_source);
	world.kernel.n = 0;
	tick();
	assert_int_equal(world.kernel.n, 1);
	expect_in_step();
}

static void test_daemon_rotates_for_years(void **state)
{
	struct siphash_key last[2];
	int rotations = 0, retired = 0;

	(void)state;
	begin(&file_source);
	tick();
	memcpy(last, world.kernel.key, sizeof(last));
	for (int tenth = 0; tenth < 3 * 365 * 24 * 10; tenth++) {
		pass(360);
		/* Clocks are set to and fro. */
		if (tenth % 10000 == 5000)
			world.now.wall -= 400 * DAY;
		if (tenth % 10000 == 7000)
			world.now.wall += 400 * DAY;
		assert_int_equal(keys_tick(keys, &news, &wait, &f), 0);
		world.n_issued = 0;
		retired += news == KEY_NEWS_retired;
		if (news != KEY_NEWS_rotated)
			continue;
		rotations++;
		/* The key before is accepted still. */
		assert_true(key_equal(&world.kernel.key[1], &last[0]));
		memcpy(last, world.kernel.key, sizeof(last));
	}
	/* Every 24 to 25 hours. */
	assert_in_range(rotations, 1040, 3 * 365);
	assert_in_range(retired, rotations - 1, rotations + 1);
}

static void test_kernel_source_follows_and_never_writes(void **state)
{
	(void)state;
	begin(&kernel_source);
	tick();
	assert_true(key_equal(&world.map.slot[KEY_current].secret, &A));
	world.covered = false; /* another program changes the kernel */
	world.kernel = pair(&B, &A);
	assert_int_equal(keys_tick(keys, &news, &wait, &f), 0);
	assert_int_equal(news, KEY_NEWS_followed);
	expect_kernel(&B, &A);
	assert_true(key_equal(&world.map.slot[KEY_previous].secret, &A));
	pass(400 * DAY);
	tick();
	expect_kernel(&B, &A);
	world.kernel.n = 0;
	tick();
	assert_true(key_is_empty(&world.map.slot[KEY_current].secret));
	assert_int_equal(world.kernel.n, 0);
}

static void test_kernel_source_ends_what_was_asked_for(void **state)
{
	(void)state;
	begin(&kernel_source);
	assert_int_equal(request(KEY_ACTION_rotate, NULL), 0);
	tick();
	assert_true(kernel_has(&A));
	pass(DAY + 1);
	tick();
	assert_true(kernel_has(&A));
	pass(1);
	tick();
	assert_false(kernel_has(&A));
	pass(DAY);
	tick();
	assert_int_equal(world.kernel.n, 1);
}

static void test_drift_is_repaired(void **state)
{
	struct kernel_pair ours;

	(void)state;
	begin(&file_source);
	tick();
	ours = world.kernel;
	world.covered = false;
	world.kernel = pair(&C, NULL);
	assert_int_equal(keys_tick(keys, &news, &wait, &f), 0);
	assert_int_equal(news, KEY_NEWS_repaired);
	assert_true(pair_equal(&world.kernel, &ours));
	assert_int_equal(world.file.journal.entry[world.file.journal.n - 1].event,
			 KEY_EVENT_repaired);
	expect_in_step();
	/* With no room for the journal it is repaired all the same. */
	world.covered = false;
	world.full_disk = true;
	world.kernel = pair(&B, NULL);
	assert_int_not_equal(keys_tick(keys, &news, &wait, &f), 0);
	assert_true(pair_equal(&world.kernel, &ours));
}

static void test_drift_is_adopted(void **state)
{
	struct siphash_key ours;

	(void)state;
	begin(&file_source);
	config.drift = KEY_DRIFT_adopt;
	tick();
	ours = world.kernel.key[0];
	world.covered = false;
	world.kernel = pair(&C, NULL);
	assert_int_equal(keys_tick(keys, &news, &wait, &f), 0);
	assert_int_equal(news, KEY_NEWS_adopted);
	expect_kernel(&C, &ours);
	expect_in_step();
	/* What was dropped in an emergency does not come back. */
	assert_int_equal(emergency(), 0);
	tick();
	world.covered = false;
	world.kernel = pair(&C, NULL);
	assert_int_equal(keys_tick(keys, &news, &wait, &f), 0);
	assert_int_equal(news, KEY_NEWS_mended);
	assert_false(kernel_has(&C));
	/* Nor does what the kernel made at boot, before we looked. */
	world.kernel = pair(&B, NULL);
	world.covered = false;
	restart();
	tick();
	assert_false(kernel_has(&B));
}

static void test_a_guard_that_comes_later_gets_the_ring(void **state)
{
	(void)state;
	begin(&file_source);
	world.attached = false;
	tick();
	world.attached = true;
	tick();
	expect_in_step();
}

static void test_journal(void **state)
{
	struct journal j = { 0 };
	struct siphash_key key = { 1, 1 };

	(void)state;
	for (__u64 i = 0; i < 2 * JOURNAL_MAX; i++) {
		key.k0 = i + 1;
		journal_add(&j, i, KEY_EVENT_promoted, &key);
	}
	assert_int_equal(j.n, JOURNAL_MAX);
	assert_int_equal(j.entry[0].time, JOURNAL_MAX);
	assert_true(journal_knows(&j, &key));
	key.k0 = 1;
	assert_false(journal_knows(&j, &key));
	/* What is repaired every second does not push out the rest. */
	for (__u64 i = 0; i < 1000; i++)
		journal_add(&j, i, KEY_EVENT_repaired, &key);
	assert_int_equal(j.entry[JOURNAL_MAX - 1].time, 999);
	assert_int_equal(j.entry[JOURNAL_MAX - 2].event, KEY_EVENT_promoted);
	assert_false(journal_knows(&j, &key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_life),
		cmocka_unit_test(test_illegal_steps),
		cmocka_unit_test(test_rotate),
		cmocka_unit_test(test_rotate_promotes_what_is_staged),
		cmocka_unit_test(test_first_key),
		cmocka_unit_test(test_emergency),
		cmocka_unit_test(test_import),
		cmocka_unit_test(test_retire_that_key_only),
		cmocka_unit_test(test_without_a_guard),
		cmocka_unit_test(test_death_at_every_step),
		cmocka_unit_test(test_failure_is_taken_back),
		cmocka_unit_test(test_what_cannot_be_written_down_is_not_done),
		cmocka_unit_test(test_first_start),
		cmocka_unit_test(test_daemon_rotates_for_years),
		cmocka_unit_test(test_kernel_source_follows_and_never_writes),
		cmocka_unit_test(test_kernel_source_ends_what_was_asked_for),
		cmocka_unit_test(test_drift_is_repaired),
		cmocka_unit_test(test_drift_is_adopted),
		cmocka_unit_test(test_a_guard_that_comes_later_gets_the_ring),
		cmocka_unit_test(test_journal),
	};

	if (sodium_init() < 0)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
