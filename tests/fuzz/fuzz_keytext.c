// SPDX-License-Identifier: GPL-2.0
/* Keys as text: read where they are of the right form, and only there; what is
 * read is written, and read again as the same. */
#include <errno.h>
#include <regex.h>

#include "fuzz.h"
#include "keytext.h"

#define WORD "[0-9a-fA-F]{1,8}"
#define KEY WORD "-" WORD "-" WORD "-" WORD
#define SPACE "[ \t\n\v\f\r]*"

/* How many keys the text holds, by its form alone. */
static int keys_in(const char *text)
{
	static regex_t form;
	static int is_compiled;
	regmatch_t match[2];

	if (!is_compiled)
		must(!regcomp(&form, "^" SPACE KEY "(," KEY ")?" SPACE "$",
			      REG_EXTENDED));
	is_compiled = 1;
	if (regexec(&form, text, 2, match, 0))
		return -EINVAL;
	return match[1].rm_so < 0 ? 1 : 2;
}

static void check_key(const struct siphash_key *key)
{
	struct siphash_key again[KEYTEXT_KEYS_MAX];
	char text[KEYTEXT_LEN + 1], id[KEYTEXT_ID_LEN + 1];

	keytext_format(key, text);
	must(strlen(text) == KEYTEXT_LEN);
	must(keytext_parse(text, again) == 1 && key_equal(&again[0], key));
	keytext_id(key, id);
	must(key_is_empty(key) ? !strcmp(id, "none") :
				 strlen(id) == KEYTEXT_ID_LEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t length = strnlen((const char *)data, size);
	struct siphash_key keys[KEYTEXT_KEYS_MAX], before[KEYTEXT_KEYS_MAX];
	char *text = malloc(length + 1);
	int n;

	must(text);
	memcpy(text, data, length);
	text[length] = '\0';
	memset(keys, 0x5a, sizeof(keys));
	memcpy(before, keys, sizeof(keys));
	n = keytext_parse(text, keys);
	must(n == keys_in(text));
	/* What was not read is as it was. */
	for (int i = n < 0 ? 0 : n; i < KEYTEXT_KEYS_MAX; i++)
		must(key_equal(&keys[i], &before[i]));
	for (int i = 0; i < n; i++)
		check_key(&keys[i]);
	free(text);
	return 0;
}
