/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring on disk, with a journal of what became of its keys:
 *
 *   {"format": "tfoguard-keyring", "version": 1,
 *    "ring": {"current": {"key": "00112233-44556677-8899aabb-ccddeeff",
 *                         "id": "c4a0b3d2", "origin": "made",
 *                         "since": 1700000000, "overlap": 0},
 *             "previous": ..., "staged": ...},
 *    "journal": [{"time": 1700000000, "what": "promoted", "id": "c4a0b3d2"}]}
 *
 * Each key's id is held against the key, so that a digit that went bad is seen.
 * The file is for its owner only, and is replaced as a whole or not at all.
 */
#ifndef TFOGUARD_RINGFILE_H
#define TFOGUARD_RINGFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"
#include "keyring.h"
#include "keytext.h"

/* X(event, meaning) */
#define KEY_EVENTS(X)                                                          \
	X(adopted, "taken over from the kernel")                               \
	X(staged, "accepted, not issued yet")                                  \
	X(promoted, "put in force; the one before is accepted for a while")    \
	X(replaced, "put in force at once, every other one dropped")           \
	X(imported, "put in force from a file")                                \
	X(retired, "accepted no more")                                         \
	X(repaired, "another program had put it into the kernel; taken out")

enum key_event {
#define X(event, meaning) KEY_EVENT_##event,
	KEY_EVENTS(X)
#undef X
	KEY_EVENT_COUNT
};

#define JOURNAL_MAX 128

struct journal {
	struct journal_entry {
		__u64 time; /* seconds since the epoch */
		enum key_event event;
		char id[KEYTEXT_ID_LEN + 1];
	} entry[JOURNAL_MAX]; /* oldest first */
	int n;
};

struct ring_record {
	struct keyring ring;
	struct journal journal;
};

/* Of the same key and event in succession the last time is kept. */
void journal_add(struct journal *, __u64 time, enum key_event event,
		 const struct siphash_key *);

/* Whether the ring ever had that key, as far back as the journal goes. */
bool journal_knows(const struct journal *, const struct siphash_key *);

#define RINGFILE_MAX (64 * 1024) /* bytes */

/* @text is of RINGFILE_MAX bytes, in locked memory; returns its length. */
int ringfile_format(const struct ring_record *, char *text);

/* @record is untouched on failure; fills why and advice of the fault. */
int ringfile_parse(const char *text, size_t length, struct ring_record *record,
		   struct fault *);

/* -ENOENT, and no fault, where there is no file. */
int ringfile_load(const char *path, struct ring_record *, struct fault *);

/* The whole file or none of it, and on the disk when it returns. */
int ringfile_save(const char *path, const struct ring_record *,
		  struct fault *);

/*
 * Reads @path, or standard input where that is "-", into @text of @size bytes;
 * returns its length. A file of keys that others can read or write is refused.
 */
int ringfile_read(const char *path, char *text, size_t size, struct fault *);

/* Writes @text to @path as ringfile_save() does. */
int ringfile_write(const char *path, const char *text, size_t length,
		   struct fault *);

const char *key_slot_name(unsigned int slot);
const char *key_origin_name(unsigned int origin);
const char *key_event_name(unsigned int event);

#endif
