// SPDX-License-Identifier: GPL-2.0
#include "keytext.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define WORDS 4

/* One hex word of at most eight digits; returns what follows it, or NULL. */
static const char *parse_word(const char *text, __u32 *word)
{
	int digits = 0;

	*word = 0;
	for (; isxdigit((unsigned char)*text); text++, digits++) {
		int c = tolower((unsigned char)*text);

		if (digits == 8)
			return NULL;
		*word = *word << 4 | (__u32)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return digits ? text : NULL;
}

static const char *parse_key(const char *text, struct siphash_key *key)
{
	__u32 word[WORDS];

	for (int i = 0; i < WORDS; i++) {
		if (i > 0 && *text++ != '-')
			return NULL;
		text = parse_word(text, &word[i]);
		if (!text)
			return NULL;
	}
	key->k0 = (__u64)word[1] << 32 | word[0];
	key->k1 = (__u64)word[3] << 32 | word[2];
	return text;
}

static const char *skip_space(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

int keytext_parse(const char *text, struct siphash_key keys[KEYTEXT_KEYS_MAX])
{
	struct siphash_key parsed[KEYTEXT_KEYS_MAX];
	int n = 0;

	text = skip_space(text);
	do {
		if (n == KEYTEXT_KEYS_MAX)
			return -EINVAL;
		text = parse_key(text, &parsed[n++]);
	} while (text && *text == ',' && text++);
	if (!text || *skip_space(text))
		return -EINVAL;
	memcpy(keys, parsed, (size_t)n * sizeof(*keys));
	return n;
}

void keytext_format(const struct siphash_key *key, char text[KEYTEXT_LEN + 1])
{
	snprintf(text, KEYTEXT_LEN + 1, "%08x-%08x-%08x-%08x",
		 (__u32)key->k0, (__u32)(key->k0 >> 32), (__u32)key->k1,
		 (__u32)(key->k1 >> 32));
}

void keytext_id(const struct siphash_key *key, char id[KEYTEXT_ID_LEN + 1])
{
	unsigned char hash[crypto_generichash_BYTES_MIN];

	if (key_is_empty(key)) {
		strcpy(id, "none");
		return;
	}
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)key,
			   sizeof(*key), NULL, 0);
	sodium_bin2hex(id, KEYTEXT_ID_LEN + 1, hash, KEYTEXT_ID_LEN / 2);
}
