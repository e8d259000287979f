// SPDX-License-Identifier: GPL-2.0
/* A ring on disk: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ringfile.h"

static char folder[] = "/tmp/test_ringfile.XXXXXX";
static char path[64];
static char *text; /* of RINGFILE_MAX bytes */

static struct ring_record sample(void)
{
	struct ring_record r = { 0 };

	r.ring.slot[KEY_current] = (struct key){
		.secret = { 0x4455667700112233, 0xccddeeff8899aabb },
		.since = 1700000000, .origin = KEY_ORIGIN_made };
	r.ring.slot[KEY_previous] = (struct key){
		.secret = { 1, 2 }, .since = 1700000000,
		.origin = KEY_ORIGIN_kernel, .overlap = 86400 };
	journal_add(&r.journal, 1700000000, KEY_EVENT_promoted,
		    &r.ring.slot[KEY_current].secret);
	return r;
}

/* Not by memcmp: the texts of the journal have slack. */
static void assert_same(const struct ring_record *a,
			const struct ring_record *b)
{
	assert_memory_equal(&a->ring, &b->ring, sizeof(a->ring));
	assert_int_equal(a->journal.n, b->journal.n);
	for (int i = 0; i < a->journal.n; i++) {
		assert_true(a->journal.entry[i].time == b->journal.entry[i].time);
		assert_int_equal(a->journal.entry[i].event,
				 b->journal.entry[i].event);
		assert_string_equal(a->journal.entry[i].id,
				    b->journal.entry[i].id);
	}
}

/* Not read, for this reason; no key in the words; the record untouched. */
static void refuses(const char *bytes, size_t length, const char *why)
{
	struct ring_record before = sample(), record = before;
	struct fault f = { 0 };

	assert_true(ringfile_parse(bytes, length, &record, &f) < 0);
	assert_int_equal(f.exit, EXIT_FAILED);
	if (!strstr(f.why, why))
		fail_msg("\"%s\" is not about \"%s\"", f.why, why);
	assert_null(strstr(f.why, "44556677"));
	assert_memory_equal(&record, &before, sizeof(record));
}

static void test_reads_what_it_writes(void **state)
{
	struct ring_record out = sample(), in = { 0 };
	struct fault f = { 0 };
	int n = ringfile_format(&out, text);

	(void)state;
	assert_true(n > 0);
	assert_int_equal(ringfile_parse(text, (size_t)n, &in, &f), 0);
	assert_same(&in, &out);
}

static void test_the_largest_fits(void **state)
{
	struct ring_record out = sample(), in = { 0 };
	struct siphash_key key = { 0, 1 };
	struct fault f = { 0 };
	int n;

	(void)state;
	for (int i = 0; i < 2 * JOURNAL_MAX; i++) {
		key.k0++;
		journal_add(&out.journal, 1ULL << 62, KEY_EVENT_promoted, &key);
	}
	n = ringfile_format(&out, text);
	assert_in_range(n, JOURNAL_MAX * 40, RINGFILE_MAX / 2);
	assert_int_equal(ringfile_parse(text, (size_t)n, &in, &f), 0);
	assert_same(&in, &out);
}

static void test_cut_at_every_byte(void **state)
{
	struct ring_record out = sample();
	int n = ringfile_format(&out, text);

	(void)state;
	/* All but the last newline is needed. */
	for (int i = 0; i < n - 1; i++)
		refuses(text, (size_t)i, "it is no key ring");
}

static void test_every_bit_that_flips(void **state)
{
	struct ring_record out = sample();
	int n = ringfile_format(&out, text), refused = 0;

	(void)state;
	for (int i = 0; i < n; i++)
		for (int bit = 0; bit < 8; bit++) {
			struct ring_record in = { 0 };
			struct fault f = { 0 };
			int err;

			text[i] ^= (char)(1 << bit);
			err = ringfile_parse(text, (size_t)n, &in, &f);
			text[i] ^= (char)(1 << bit);
			refused += err < 0;
			if (err)
				continue;
			/* Times may go bad unseen, and space; keys not. */
			for (int k = 0; k < KEY_SLOT_COUNT; k++)
				assert_memory_equal(&in.ring.slot[k].secret,
						    &out.ring.slot[k].secret,
						    16);
		}
	assert_true(refused > n * 5);
}

/* The sample, with one piece of its text exchanged. */
static void refuses_with(const char *from, const char *to, const char *why)
{
	struct ring_record out = sample();
	char *changed = malloc(2 * RINGFILE_MAX), *at;
	int n = ringfile_format(&out, text);

	assert_non_null(changed);
	text[n] = '\0';
	at = strstr(text, from);
	assert_non_null(at);
	n = sprintf(changed, "%.*s%s%s", (int)(at - text), text, to,
		    at + strlen(from));
	refuses(changed, (size_t)n, why);
	free(changed);
}

#define KEY "00112233-44556677-8899aabb-ccddeeff"
#define OTHER "00000001-00000000-00000002-00000000"

static void test_absurd(void **state)
{
	static const char empty[] =
		"{\"format\": \"tfoguard-keyring\", \"version\": 1, \"ring\": "
		"{\"current\": null, \"previous\": null, \"staged\": null}, "
		"\"journal\": []}";
	char *deep = malloc(RINGFILE_MAX);

	(void)state;
	refuses_with("\"version\": 1", "\"version\": 2", "a newer tfoguard");
	refuses_with("\"version\": 1", "\"version\": 0", "no such version");
	refuses_with("\"version\": 1", "\"version\": \"1\"", "does not say");
	refuses_with("\"version\": 1", "\"version\": 1, \"version\": 1",
		     "no JSON");
	refuses_with("\"version\": 1", "\"version\": 1, \"more\": 1",
		     "has not the members");
	refuses_with("tfoguard-keyring", "tfoguard-string", "does not say");
	refuses_with(KEY, OTHER, "id does not fit");
	refuses_with(KEY, "0-0-0-0", "id does not fit");
	refuses_with(KEY, KEY "," OTHER, "id does not fit");
	refuses_with(KEY, "", "id does not fit");
	refuses_with("\"origin\": \"made\"", "\"origin\": \"none\"",
		     "make no sense");
	refuses_with("\"origin\": \"made\"", "\"origin\": \"stars\"",
		     "make no sense");
	refuses_with("\"since\": 1700000000", "\"since\": -1", "make no sense");
	refuses_with("\"since\": 1700000000", "\"since\": 1e9", "members");
	refuses_with("\"since\": 1700000000", "\"since\": 99999999999999999999",
		     "no JSON");
	refuses_with("\"overlap\": 86400", "\"overlap\": 4294967296",
		     "make no sense");
	refuses_with("\"staged\"", "\"stages\"", "lacks a slot");
	refuses_with("\"staged\": null", "\"staged\": 7", "members");
	refuses_with("\"what\": \"promoted\"", "\"what\": \"eaten\"",
		     "journal makes no sense");
	refuses_with("\"journal\": [", "\"journal\": [[],", "journal has not");
	refuses("", 0, "no JSON");
	refuses("[]", 2, "does not say");
	refuses("\0\0\0", 3, "no JSON");
	refuses(empty, sizeof(empty) - 1, "no current key");
	/* More than its memory holds. */
	assert_non_null(deep);
	deep[0] = '[';
	for (int i = 1; i < RINGFILE_MAX - 2; i += 3)
		memcpy(deep + i, "[],", 3);
	refuses(deep, RINGFILE_MAX - 2, "no JSON");
	memset(deep, '[', RINGFILE_MAX);
	refuses(deep, RINGFILE_MAX, "no JSON");
	free(deep);
}

static void test_two_places_for_one_key(void **state)
{
	struct ring_record out = sample();
	int n;

	(void)state;
	out.ring.slot[KEY_previous] = out.ring.slot[KEY_current];
	n = ringfile_format(&out, text);
	refuses(text, (size_t)n, "one key is in two slots");
	out = sample();
	out.ring.slot[KEY_staged] = (struct key){
		.secret = { 9, 9 }, .origin = KEY_ORIGIN_made };
	n = ringfile_format(&out, text);
	refuses(text, (size_t)n, "holds two keys");
}

static void test_on_disk(void **state)
{
	struct ring_record out = sample(), in = { 0 };
	struct fault f = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(ringfile_load(path, &in, &f), -ENOENT);
	assert_int_equal(f.exit, EXIT_DONE);
	umask(0); /* whatever the caller's is */
	assert_int_equal(ringfile_save(path, &out, &f), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(ringfile_load(path, &in, &f), 0);
	assert_same(&in, &out);
	/* Replaced, and nothing beside it. */
	out.ring.slot[KEY_current].since++;
	assert_int_equal(ringfile_save(path, &out, &f), 0);
	assert_int_equal(ringfile_load(path, &in, &f), 0);
	assert_same(&in, &out);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
}

static void refuses_file(const char *why)
{
	struct ring_record before = sample(), record = before;
	struct fault f = { 0 };

	assert_true(ringfile_load(path, &record, &f) < 0);
	assert_int_equal(f.exit, EXIT_FAILED);
	if (!strstr(f.why, why))
		fail_msg("\"%s\" is not about \"%s\"", f.why, why);
	assert_memory_equal(&record, &before, sizeof(record));
}

static void test_whose_file(void **state)
{
	static const mode_t bad[] = { 0640, 0604, 0620, 0602, 0777, 0610 };
	struct ring_record out = sample();
	struct fault f = { 0 };
	char link[80];

	(void)state;
	assert_int_equal(ringfile_save(path, &out, &f), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(chmod(path, bad[i]), 0);
		refuses_file("others than its owner");
	}
	assert_int_equal(chmod(path, 0600), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		refuses_file("belongs to user 12345");
		assert_int_equal(chown(path, 0, 0), 0);
	}
	snprintf(link, sizeof(link), "%s.link", path);
	assert_int_equal(rename(path, link), 0);
	assert_int_equal(symlink(link, path), 0);
	refuses_file("symbolic link");
	unlink(path);
	unlink(link);
	assert_int_equal(mkdir(path, 0700), 0);
	refuses_file("no regular file");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuses_file("no regular file");
	unlink(path);
}

static void test_too_long(void **state)
{
	FILE *file = fopen(path, "w");

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < RINGFILE_MAX; i++)
		putc(' ', file);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
	refuses_file("too long");
	unlink(path);
}

static void test_failed_save_leaves_the_old_one(void **state)
{
	struct ring_record out = sample(), next = out, in = { 0 };
	struct fault f = { 0 };
	char blocked[80];

	(void)state;
	assert_int_equal(ringfile_save(path, &out, &f), 0);
	/* Nothing can be put in the place of a folder with something in it. */
	snprintf(blocked, sizeof(blocked), "%s.new", path);
	assert_int_equal(mkdir(blocked, 0700), 0);
	next.ring.slot[KEY_current].since++;
	assert_true(ringfile_save(path, &next, &f) < 0);
	assert_non_null(strstr(f.why, "can't be written"));
	assert_int_equal(ringfile_load(path, &in, &f), 0);
	assert_same(&in, &out);
	rmdir(blocked);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_it_writes),
		cmocka_unit_test(test_the_largest_fits),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_every_bit_that_flips),
		cmocka_unit_test(test_absurd),
		cmocka_unit_test(test_two_places_for_one_key),
		cmocka_unit_test(test_on_disk),
		cmocka_unit_test(test_whose_file),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_failed_save_leaves_the_old_one),
	};
	int failed;

	if (sodium_init() < 0 || !mkdtemp(folder))
		return 1;
	text = sodium_malloc(RINGFILE_MAX);
	if (!text)
		return 1;
	snprintf(path, sizeof(path), "%s/ring", folder);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests_name("ringfile", tests, NULL, NULL);
	rmdir(folder);
	sodium_free(text);
	return failed;
}
