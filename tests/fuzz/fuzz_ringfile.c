// SPDX-License-Identifier: GPL-2.0
/* The ring file: what is read is written, and read again as the same. */
#include <sodium.h>

#include "fuzz.h"
#include "ring.h"
#include "ringfile.h"

static void check_journal(const struct journal *journal)
{
	must(journal->n >= 0 && journal->n <= JOURNAL_MAX);
	for (int i = 0; i < journal->n; i++) {
		const struct journal_entry *e = &journal->entry[i];

		must(e->event < KEY_EVENT_COUNT);
		must(e->time <= INT64_MAX);
		must(strnlen(e->id, sizeof(e->id)) == KEYTEXT_ID_LEN);
	}
}

static void check_record(const struct ring_record *record)
{
	static char text[RINGFILE_MAX];
	static struct ring_record again;
	struct fault f = { 0 };
	int n = ringfile_format(record, text);

	must(!ring_fault(&record->ring));
	check_journal(&record->journal);
	must(n > 0 && n <= RINGFILE_MAX);
	must(!ringfile_parse(text, (size_t)n, &again, &f));
	must(!memcmp(&again, record, sizeof(again)));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(sodium_init() >= 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ring_record record, untouched;
	uint8_t *text = exact_copy(data, size, 0);
	struct fault f = { 0 };
	int err;

	memset(&record, 0x5a, sizeof(record));
	memset(&untouched, 0x5a, sizeof(untouched));
	err = ringfile_parse((const char *)text, size, &record, &f);
	if (err) {
		must(f.why[0] && !strchr(f.why, '\n'));
		must(!memcmp(&record, &untouched, sizeof(record)));
	} else {
		check_record(&record);
	}
	free(text);
	return 0;
}
