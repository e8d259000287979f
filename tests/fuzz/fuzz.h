/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzz targets share. */
#ifndef TFOGUARD_TESTS_FUZZ_H
#define TFOGUARD_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A finding, beside those of the sanitizers. */
#define must(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,       \
				__LINE__, #condition);                         \
			abort();                                               \
		}                                                              \
	} while (0)

/* The next @n bytes of the input, zeros where it has ended. */
static inline void take(const uint8_t **data, size_t *size, void *to, size_t n)
{
	size_t some = n < *size ? n : *size;

	memset(to, 0, n);
	memcpy(to, *data, some);
	*data += some;
	*size -= some;
}

/* A copy that ends where its heap block ends, @before bytes into it. */
static inline uint8_t *exact_copy(const uint8_t *data, size_t size,
				  size_t before)
{
	uint8_t *block = malloc(before + size ?: 1);

	must(block);
	if (size)
		memcpy(block + before, data, size);
	return block;
}

/* The path of a file in memory that holds just this. */
const char *file_of(const uint8_t *data, size_t size);

#endif
