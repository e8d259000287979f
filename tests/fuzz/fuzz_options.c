// SPDX-License-Identifier: GPL-2.0
/* The walk over the options of a SYN, held to another reading of the rules. */
#include "fuzz.h"
#include "options.h"
#include "reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned char *cookie = NULL;
	struct option_walk w;
	struct bytes bytes;
	uint8_t *options;
	int expected;

	if (size > OPTIONS_MAX)
		return -1;
	options = exact_copy(data, size, 0);
	bytes = (struct bytes){ .data = options, .end = options + size };
	options_walk(&bytes, options, (__u32)size, &w);
	expected = reference(options, (int)size, NO_COOKIE, &cookie);
	must((w.tfo_size != 0) == (expected != NO_COOKIE));
	must(!(w.tfo_bytes >> size));
	if (w.tfo_size) {
		must(w.tfo_size - w.tfo_header == expected);
		must(w.tfo_at + w.tfo_header == cookie - options);
		must(w.tfo_bytes >> w.tfo_at & 1);
	}
	free(options);
	return 0;
}
