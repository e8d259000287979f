// SPDX-License-Identifier: GPL-2.0
#include "ringfile.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring.h"

#define FORMAT "tfoguard-keyring"
#define FORMAT_VERSION 1

#define NAMES(function, list, count)                                           \
	const char *function(unsigned int i)                                   \
	{                                                                      \
		static const char *const names[] = { list(NAME) };             \
		return i < (count) ? names[i] : "unknown";                     \
	}
#define NAME(name, meaning) #name,
NAMES(key_slot_name, KEY_SLOTS, KEY_SLOT_COUNT)
NAMES(key_origin_name, KEY_ORIGINS, KEY_ORIGIN_COUNT)
NAMES(key_event_name, KEY_EVENTS, KEY_EVENT_COUNT)

/* The number of a name, or @count. */
static unsigned int number(const char *(*name)(unsigned int),
			   unsigned int count, const char *text)
{
	unsigned int i = 0;

	while (i < count && strcmp(name(i), text))
		i++;
	return i;
}

void journal_add(struct journal *journal, __u64 time, enum key_event event,
		 const struct siphash_key *key)
{
	struct journal_entry fresh = { .time = time, .event = event };
	struct journal_entry *last =
		journal->n ? &journal->entry[journal->n - 1] : NULL;

	keytext_id(key, fresh.id);
	if (last && last->event == event && !strcmp(last->id, fresh.id)) {
		last->time = time;
		return;
	}
	if (journal->n == JOURNAL_MAX) {
		memmove(journal->entry, journal->entry + 1,
			(JOURNAL_MAX - 1) * sizeof(fresh));
		journal->n--;
	}
	journal->entry[journal->n++] = fresh;
}

bool journal_knows(const struct journal *journal, const struct siphash_key *key)
{
	char id[KEYTEXT_ID_LEN + 1];

	keytext_id(key, id);
	for (int i = 0; i < journal->n; i++)
		if (journal->entry[i].event != KEY_EVENT_repaired &&
		    !strcmp(journal->entry[i].id, id))
			return true;
	return false;
}

/*
 * jansson copies what it reads and writes. While a ring is read or written its
 * memory comes from one locked region, which is wiped when that is done.
 */
#define ARENA_SIZE (512 * 1024)

static char *arena;
static size_t arena_used;
static json_malloc_t usual_malloc;
static json_free_t usual_free;

static void *arena_malloc(size_t size)
{
	void *p = arena + arena_used;

	size = (size + 15) & ~(size_t)15;
	if (size > ARENA_SIZE - arena_used)
		return NULL;
	arena_used += size;
	return p;
}

static void arena_free(void *p)
{
	(void)p;
}

static int arena_open(void)
{
	arena = sodium_malloc(ARENA_SIZE);
	if (!arena)
		return -ENOMEM;
	arena_used = 0;
	json_get_alloc_funcs(&usual_malloc, &usual_free);
	json_set_alloc_funcs(arena_malloc, arena_free);
	return 0;
}

static void arena_close(void)
{
	json_set_alloc_funcs(usual_malloc, usual_free);
	sodium_free(arena);
	arena = NULL;
}

static json_t *key_to_json(const struct key *key)
{
	char text[KEYTEXT_LEN + 1], id[KEYTEXT_ID_LEN + 1];
	json_t *json;

	if (key_is_empty(&key->secret))
		return json_null();
	keytext_format(&key->secret, text);
	keytext_id(&key->secret, id);
	json = json_pack("{s:s,s:s,s:s,s:I,s:I}", "key", text, "id", id,
			 "origin", key_origin_name(key->origin), "since",
			 (json_int_t)key->since, "overlap",
			 (json_int_t)key->overlap);
	explicit_bzero(text, sizeof(text));
	return json;
}

static json_t *to_json(const struct ring_record *record)
{
	json_t *ring = json_object(), *journal = json_array();

	for (unsigned int i = 0; i < KEY_SLOT_COUNT; i++)
		json_object_set_new(ring, key_slot_name(i),
				    key_to_json(&record->ring.slot[i]));
	for (int i = 0; i < record->journal.n; i++) {
		const struct journal_entry *e = &record->journal.entry[i];

		json_array_append_new(
			journal, json_pack("{s:I,s:s,s:s}", "time",
					   (json_int_t)e->time, "what",
					   key_event_name(e->event), "id",
					   e->id));
	}
	return json_pack("{s:s,s:i,s:o,s:o}", "format", FORMAT, "version",
			 FORMAT_VERSION, "ring", ring, "journal", journal);
}

int ringfile_format(const struct ring_record *record, char *text)
{
	size_t length = 0;
	json_t *json;
	int err = arena_open();

	if (err)
		return err;
	json = to_json(record);
	if (json)
		length = json_dumpb(json, text, RINGFILE_MAX - 1,
				    JSON_INDENT(1));
	json_decref(json);
	arena_close();
	if (!length || length >= RINGFILE_MAX)
		return -ENOMEM;
	text[length++] = '\n';
	return (int)length;
}

/* What is wrong is said without quoting: what is quoted might be a key. */
static int not_a_ring(struct fault *f, const char *why)
{
	return fault_fail(f, EXIT_FAILED, EINVAL, "it is no key ring: %s", why);
}

static int key_from_json(json_t *json, unsigned int slot, struct key *key,
			 struct fault *f)
{
	struct siphash_key keys[KEYTEXT_KEYS_MAX];
	const char *text, *id, *origin;
	json_int_t since, overlap;
	char real[KEYTEXT_ID_LEN + 1], why[96];
	int n;

	if (json_is_null(json))
		return 0;
	if (json_unpack(json, "{s:s,s:s,s:s,s:I,s:I!}", "key", &text, "id", &id,
			"origin", &origin, "since", &since, "overlap",
			&overlap)) {
		snprintf(why, sizeof(why),
			 "the %s key has not the members key, id, origin, since "
			 "and overlap",
			 key_slot_name(slot));
		return not_a_ring(f, why);
	}
	n = keytext_parse(text, keys);
	if (n == 1) {
		key->secret = keys[0];
		explicit_bzero(keys, sizeof(keys));
		keytext_id(&key->secret, real);
	}
	key->origin = number(key_origin_name, KEY_ORIGIN_COUNT, origin);
	key->since = (__u64)since;
	key->overlap = (__u32)overlap;
	if (n == 1 && !key_is_empty(&key->secret) && !strcmp(id, real) &&
	    key->origin != KEY_ORIGIN_none &&
	    key->origin < KEY_ORIGIN_COUNT && since >= 0 && overlap >= 0 &&
	    overlap <= UINT_MAX)
		return 0;
	snprintf(why, sizeof(why), "the %s key is damaged, or its %s",
		 key_slot_name(slot),
		 n != 1 || key_is_empty(&key->secret) || strcmp(id, real) ?
			 "id does not fit it" :
			 "times or origin make no sense");
	return not_a_ring(f, why);
}

static int ring_from_json(json_t *json, struct keyring *ring, struct fault *f)
{
	const char *why;
	int err = 0;

	if (!json_is_object(json) || json_object_size(json) != KEY_SLOT_COUNT)
		return not_a_ring(f, "its ring has not the members current, "
				     "previous and staged");
	for (unsigned int i = 0; !err && i < KEY_SLOT_COUNT; i++) {
		json_t *key = json_object_get(json, key_slot_name(i));

		if (!key)
			return not_a_ring(f, "its ring lacks a slot");
		err = key_from_json(key, i, &ring->slot[i], f);
	}
	if (err)
		return err;
	why = ring_fault(ring);
	return why ? not_a_ring(f, why) : 0;
}

static int journal_from_json(json_t *json, struct journal *journal,
			     struct fault *f)
{
	if (!json_is_array(json) || json_array_size(json) > JOURNAL_MAX)
		return not_a_ring(f, "its journal is no list, or too long");
	journal->n = (int)json_array_size(json);
	for (int i = 0; i < journal->n; i++) {
		struct journal_entry *e = &journal->entry[i];
		const char *what, *id;
		json_int_t time;

		if (json_unpack(json_array_get(json, (size_t)i),
				"{s:I,s:s,s:s!}", "time", &time, "what", &what,
				"id", &id))
			return not_a_ring(f, "an entry of its journal has not "
					     "the members time, what and id");
		e->time = (__u64)time;
		e->event = number(key_event_name, KEY_EVENT_COUNT, what);
		if (time < 0 || e->event == KEY_EVENT_COUNT ||
		    strlen(id) != KEYTEXT_ID_LEN ||
		    strspn(id, "0123456789abcdef") != KEYTEXT_ID_LEN)
			return not_a_ring(f, "an entry of its journal makes no "
					     "sense");
		memcpy(e->id, id, sizeof(e->id));
	}
	return 0;
}

static int from_json(json_t *json, struct ring_record *record,
		     struct fault *f)
{
	json_t *ring, *journal;
	const char *format;
	json_int_t version;

	if (json_unpack(json, "{s:s,s:I}", "format", &format, "version",
			&version) ||
	    strcmp(format, FORMAT))
		return not_a_ring(f, "it does not say that it is one");
	if (version > FORMAT_VERSION) {
		fault_advise(f, "use that version, or a newer one");
		return fault_fail(f, EXIT_FAILED, EPROTO,
				  "a newer tfoguard wrote it (version %lld of "
				  "the format; this one knows %d)",
				  (long long)version, FORMAT_VERSION);
	}
	if (version != FORMAT_VERSION)
		return not_a_ring(f, "there is no such version of the format");
	if (json_unpack(json, "{s:s,s:I,s:o,s:o!}", "format", &format,
			"version", &version, "ring", &ring, "journal",
			&journal))
		return not_a_ring(f, "it has not the members format, version, "
				     "ring and journal");
	return ring_from_json(ring, &record->ring, f) ?:
	       journal_from_json(journal, &record->journal, f);
}

int ringfile_parse(const char *text, size_t length, struct ring_record *record,
		   struct fault *f)
{
	struct ring_record *read = sodium_malloc(sizeof(*read));
	json_error_t where;
	json_t *json;
	int err;

	if (!read || arena_open()) {
		sodium_free(read);
		return fault_fail(f, EXIT_FAILED, ENOMEM, "no memory");
	}
	memset(read, 0, sizeof(*read));
	json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
	if (json)
		err = from_json(json, read, f);
	else
		err = fault_fail(f, EXIT_FAILED, EINVAL,
				 "it is no key ring: no JSON from line %d, column "
				 "%d on",
				 where.line, where.column);
	json_decref(json);
	explicit_bzero(&where, sizeof(where)); /* it quotes */
	arena_close();
	if (!err)
		memcpy(record, read, sizeof(*record));
	sodium_free(read);
	return err;
}

static int check_file(int fd, struct fault *f)
{
	struct stat st;

	if (fstat(fd, &st))
		return fault_fail(f, EXIT_FAILED, errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault_fail(f, EXIT_FAILED, EINVAL,
				  "it is no regular file");
	if (st.st_uid != geteuid()) {
		fault_advise(f, "give it to the user that runs this: chown");
		return fault_fail(f, EXIT_FAILED, EPERM,
				  "it belongs to user %u, who could change it",
				  st.st_uid);
	}
	if (st.st_mode & 077) {
		fault_advise(f, "chmod 600, and rotate the key: others may have "
				"read it");
		return fault_fail(f, EXIT_FAILED, EPERM,
				  "others than its owner can get at it (mode "
				  "%04o)",
				  st.st_mode & 07777);
	}
	return 0;
}

/* All of @fd, or -EFBIG. */
static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t n;

	do {
		n = read(fd, text + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		used += (size_t)n;
		if (used == size)
			return -EFBIG;
	} while (n);
	return (ssize_t)used;
}

int ringfile_read(const char *path, char *text, size_t size, struct fault *f)
{
	bool standard = !strcmp(path, "-");
	int fd = standard ? STDIN_FILENO :
			    open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
					       O_NONBLOCK);
	ssize_t n;
	int err = 0;

	if (fd < 0) {
		err = errno;
		if (err == ELOOP)
			return fault_fail(f, EXIT_FAILED, err,
					  "it is a symbolic link");
		return fault_fail(f, EXIT_FAILED, err, "%s", strerror(err));
	}
	if (!standard)
		err = check_file(fd, f);
	n = err ? err : read_all(fd, text, size);
	if (!standard)
		close(fd);
	if (!err && n == -EFBIG)
		fault_fail(f, EXIT_FAILED, EFBIG, "it is too long");
	else if (!err && n < 0)
		fault_fail(f, EXIT_FAILED, (int)-n, "%s", strerror((int)-n));
	return (int)n;
}

int ringfile_load(const char *path, struct ring_record *record,
		  struct fault *f)
{
	char *text = sodium_malloc(RINGFILE_MAX);
	int n;

	if (!text)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "no memory");
	if (access(path, F_OK) && errno == ENOENT)
		n = -ENOENT;
	else
		n = ringfile_read(path, text, RINGFILE_MAX, f);
	if (n >= 0)
		n = ringfile_parse(text, (size_t)n, record, f);
	sodium_free(text);
	return n;
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

int ringfile_write(const char *path, const char *text, size_t length,
		   struct fault *f)
{
	char fresh[PATH_MAX], copy[PATH_MAX];
	const char *name;
	int dir, fd, err;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fault_fail(f, EXIT_FAILED, errno, "its folder: %s",
				  strerror(errno));
	name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	/* What a write left that was killed. */
	unlinkat(dir, fresh, 0);
	fd = openat(dir, fresh,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	err = fd < 0 ? -errno : write_all(fd, text, length);
	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	if (!err && renameat(dir, fresh, dir, name))
		err = -errno;
	if (!err && fsync(dir))
		err = -errno;
	if (err)
		unlinkat(dir, fresh, 0);
	close(dir);
	return err ? fault_fail(f, EXIT_FAILED, err, "it can't be written: %s",
				strerror(-err)) :
		     0;
}

int ringfile_save(const char *path, const struct ring_record *record,
		  struct fault *f)
{
	char *text = sodium_malloc(RINGFILE_MAX);
	int n = text ? ringfile_format(record, text) : -ENOMEM;

	if (n < 0)
		fault_fail(f, EXIT_FAILED, ENOMEM, "no memory");
	else
		n = ringfile_write(path, text, (size_t)n, f);
	sodium_free(text);
	return n;
}
