// SPDX-License-Identifier: GPL-2.0
/* SipHash against libsodium's, cookies against a live kernel's, key texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <endian.h>
#include <errno.h>
#include <sodium.h>

#include "fastopen.h"
#include "frames.h"
#include "keytext.h"

static void test_siphash_is_libsodiums(void **state)
{
	(void)state;
	for (int round = 0; round < 10000; round++) {
		unsigned char key_bytes[16], in[32], theirs[8];
		__u64 words[4], ours;
		struct siphash_key key;
		unsigned int n = (unsigned int)round % 4 + 1;

		randombytes_buf(key_bytes, sizeof(key_bytes));
		randombytes_buf(in, sizeof(in));
		memcpy(&key, key_bytes, sizeof(key));
		key.k0 = le64toh(key.k0);
		key.k1 = le64toh(key.k1);
		for (int i = 0; i < 4; i++) {
			memcpy(&words[i], in + 8 * i, 8);
			words[i] = le64toh(words[i]);
		}
		crypto_shorthash_siphash24(theirs, in, 8 * n, key_bytes);
		ours = htole64(siphash(&key, words, n));
		assert_memory_equal(&ours, theirs, 8);
	}
}

static const struct vector {
	const char *key;
	bool ipv6;
	const char *client, *server;
	unsigned char cookie[8];
} vectors[] = {
	{ "00112233-44556677-8899aabb-ccddeeff", false, "10.99.0.1",
	  "10.99.0.2", { 0x34, 0x4c, 0xb4, 0x81, 0x41, 0xbb, 0x1b, 0x94 } },
	{ "00112233-44556677-8899aabb-ccddeeff", true, "fd00:99::1",
	  "fd00:99::2", { 0xdc, 0x13, 0x82, 0x9b, 0x0a, 0x15, 0x0e, 0xc5 } },
	{ "00112233-44556677-8899aabb-ccddeeff", false, "192.0.2.1",
	  "192.0.2.2", { 0xa7, 0x06, 0x5f, 0x32, 0xbd, 0x1c, 0x6f, 0x26 } },
	{ "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4", false, "192.0.2.1",
	  "192.168.0.1", { 0x30, 0x21, 0xb9, 0xd8, 0x89, 0x01, 0x7e, 0xeb } },
	{ "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4", true, "fd3d:fa7b:d17d::1",
	  "fd3d:a0b:17d6::1",
	  { 0xc1, 0xd1, 0xe9, 0x74, 0x2a, 0x47, 0xa9, 0xbc } },
};

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		const struct vector *v = &vectors[i];
		/* The addresses as they stand in a header. */
		struct frame f = { .ipv6 = v->ipv6, .no_ethernet = true,
				   .saddr = v->client, .daddr = v->server };
		unsigned char bytes[FRAME_MAX];
		struct siphash_key key[2];
		struct tfo_path path;
		__u64 cookie;

		frame_build(&f, bytes);
		memcpy(path.words, bytes + (v->ipv6 ? 8 : 12), v->ipv6 ? 32 : 8);
		for (int w = 0; w < 4; w++)
			path.words[w] = le64toh(path.words[w]);
		assert_int_equal(keytext_parse(v->key, key), 1);
		cookie = htole64(tfo_cookie(&key[0], &path,
					    v->ipv6 ? TFO_PATH_WORDS_IPV6 :
						      TFO_PATH_WORDS_IPV4));
		assert_memory_equal(&cookie, v->cookie, 8);
	}
}

static void test_keytext_reads(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"00112233-44556677-8899aabb",
		"00112233-44556677-8899aabb-",
		"00112233-44556677-8899aabb-ccddeeff-00000000",
		"00112233-44556677-8899aabb-ccddeeffa",
		"00112233-44556677-8899aabb-ccddeefg",
		"-44556677-8899aabb-ccddeeff",
		"00112233 44556677 8899aabb ccddeeff",
		"0x112233-44556677-8899aabb-ccddeeff",
		"00112233-44556677-8899aabb-ccddeeff,",
		",00112233-44556677-8899aabb-ccddeeff",
		"1-2-3-4,5-6-7-8,9-a-b-c",
		"1-2-3-4 x",
	};
	struct siphash_key keys[2] = { { 7, 7 }, { 7, 7 } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(keytext_parse(bad[i], keys), -EINVAL);
		assert_int_equal(keys[0].k0, 7); /* untouched */
	}
	assert_int_equal(
		keytext_parse(" 00112233-44556677-8899aabb-ccddeeff\n", keys),
		1);
	assert_true(keys[0].k0 == 0x4455667700112233);
	assert_true(keys[0].k1 == 0xccddeeff8899aabb);
	assert_int_equal(keys[1].k0, 7);
	assert_int_equal(keytext_parse("1-2-3-4,5-6-7-F", keys), 2);
	assert_true(keys[0].k0 == 0x0000000200000001);
	assert_true(keys[1].k1 == 0x0000000f00000007);
}

static void test_keytext_writes_what_it_reads(void **state)
{
	char text[KEYTEXT_LEN + 1];
	struct siphash_key keys[2];

	(void)state;
	keytext_format(&frame_keys[KEY_current], text);
	assert_string_equal(text, "00112233-44556677-8899aabb-ccddeeff");
	assert_int_equal(strlen(text), KEYTEXT_LEN);
	assert_int_equal(keytext_parse(text, keys), 1);
	assert_memory_equal(&keys[0], &frame_keys[KEY_current], sizeof(*keys));
}

static void test_fingerprint_tells_keys_apart(void **state)
{
	char a[KEYTEXT_ID_LEN + 1], b[KEYTEXT_ID_LEN + 1];
	struct siphash_key zero = { 0 };

	(void)state;
	keytext_id(&frame_keys[KEY_current], a);
	keytext_id(&frame_keys[KEY_previous], b);
	assert_int_equal(strlen(a), KEYTEXT_ID_LEN);
	assert_string_not_equal(a, b);
	keytext_id(&zero, a);
	assert_string_equal(a, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash_is_libsodiums),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_keytext_reads),
		cmocka_unit_test(test_keytext_writes_what_it_reads),
		cmocka_unit_test(test_fingerprint_tells_keys_apart),
	};

	if (sodium_init() < 0)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("cookie", tests, NULL, NULL);
}
