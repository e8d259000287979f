// SPDX-License-Identifier: GPL-2.0
/* SYN cookies: what goes in comes out, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <endian.h>

#include "syncookie.h"

#define MAC_BITS 23
#define MAC_BITS_TIMESTAMPS 38

static const struct siphash_key master = { 0x0706050403020100,
					   0x0f0e0d0c0b0a0908 };

/* 192.0.2.1:40000 to 192.0.2.2:443, or fd00:99::1 to fd00:99::2. */
static struct syncookie_flow flow_of(bool ipv6)
{
	struct syncookie_flow flow = { .sport = htons(40000),
				       .dport = htons(443),
				       .client_isn = 0x10203040 };
	unsigned char bytes[32];

	inet_pton(ipv6 ? AF_INET6 : AF_INET, ipv6 ? "fd00:99::1" : "192.0.2.1",
		  bytes);
	inet_pton(ipv6 ? AF_INET6 : AF_INET, ipv6 ? "fd00:99::2" : "192.0.2.2",
		  bytes + (ipv6 ? 16 : 4));
	flow.path_words = ipv6 ? TFO_PATH_WORDS_IPV6 : TFO_PATH_WORDS_IPV4;
	memcpy(flow.path.words, bytes, 8 * flow.path_words);
	for (int i = 0; i < 4; i++)
		flow.path.words[i] = le64toh(flow.path.words[i]);
	return flow;
}

static const struct syncookie_options usual = {
	.mss = 1460, .snd_wscale = 7, .rcv_wscale = 9, .sack = 1,
};

/* What the ACK of @c is taken for; @rcv_wscale is what a listener says. */
static struct syncookie_options read_back(const struct syncookie *c,
					  int timestamps, int rcv_wscale)
{
	struct syncookie_options o = syncookie_read(c, timestamps);

	if (!timestamps)
		o.rcv_wscale = (__u8)rcv_wscale;
	return o;
}

static bool is_taken(const struct siphash_key *secret,
		     const struct syncookie_flow *flow,
		     const struct syncookie *c, int timestamps, int rcv_wscale)
{
	struct syncookie_options o = read_back(c, timestamps, rcv_wscale);

	return syncookie_fits(secret, flow, &o, c);
}

/*
 * By another SipHash-2-4, in Python:
 *
 *   def secret(epoch):  # master: bytes 00 01 .. 0f
 *       return [sip(k0, k1, pack('<QQ', epoch, i)) for i in (0, 1)]
 *   def mac(k, path, options):
 *       return sip(*k, path + pack('>HH', 40000, 443) +
 *                  pack('<IQ', 0x10203040, options))
 *   tsval = 1460 << 16 | 7 << 12 | 9 << 8 | 1 << 7
 *   m = mac(secret(7), path, 1 << 32 | tsval)
 *   isn, tsval = m & 0xffffffff, tsval | m >> 32 & 0x3f
 *   low = 6 << 6 | 7 << 2 | 1 << 1    # without timestamps
 *   isn = mac(secret(7), path, 9 << 40 | low) << 9 & 0xffffffff | low
 */
static void test_vectors(void **state)
{
	static const struct {
		bool ipv6;
		struct syncookie with, without; /* timestamps */
	} vectors[] = {
		{ false, { 0xbe0c6203, 0x05b47993 }, { 0x9b9ecf9e, 0 } },
		{ true, { 0x3261df8f, 0x05b479bc }, { 0x05f81b9e, 0 } },
	};
	struct siphash_key secret = syncookie_secret(&master, 7);

	(void)state;
	assert_true(secret.k0 == 0xdee527d7661625c5);
	assert_true(secret.k1 == 0xba9b14db6cb80a41);
	secret = syncookie_secret(&master, 8);
	assert_true(secret.k0 == 0x8a0f1e4894e62d09);
	assert_true(secret.k1 == 0x7a6fe4d42ab9c8b8);
	secret = syncookie_secret(&master, 7);
	for (int i = 0; i < 2; i++) {
		struct syncookie_flow flow = flow_of(vectors[i].ipv6);
		struct syncookie_options o = usual;
		struct syncookie c = syncookie_make(&secret, &flow, &o);

		assert_memory_equal(&c, &vectors[i].without, sizeof(c));
		o.timestamps = 1;
		c = syncookie_make(&secret, &flow, &o);
		assert_memory_equal(&c, &vectors[i].with, sizeof(c));
	}
}

/* The largest of the table that is not above the client's. */
static void test_mss_table(void **state)
{
	(void)state;
	for (unsigned int i = 1; i < SYNCOOKIE_MSS_COUNT; i++)
		assert_true(syncookie_mss(i) > syncookie_mss(i - 1));
	for (__u32 mss = 536; mss <= 65535; mss++) {
		unsigned int i = syncookie_mss_index(mss);

		assert_true(i < SYNCOOKIE_MSS_COUNT);
		assert_true(syncookie_mss(i) <= mss);
		if (i + 1 < SYNCOOKIE_MSS_COUNT)
			assert_true(syncookie_mss(i + 1) > mss);
	}
	/* What the kernel takes least of IPv6 is in it. */
	assert_int_equal(syncookie_mss(syncookie_mss_index(1220)), 1220);
}

static void expect_round_trip(const struct siphash_key *secret,
			      const struct syncookie_flow *flow,
			      const struct syncookie_options *o)
{
	struct syncookie c = syncookie_make(secret, flow, o);
	struct syncookie_options back =
		read_back(&c, o->timestamps, o->rcv_wscale);

	assert_int_equal(back.mss,
			 o->timestamps ?
				 o->mss :
				 syncookie_mss(syncookie_mss_index(o->mss)));
	assert_int_equal(back.snd_wscale, o->snd_wscale);
	assert_int_equal(back.rcv_wscale, o->rcv_wscale);
	assert_int_equal(back.sack, o->sack);
	assert_int_equal(back.ecn, o->ecn);
	assert_int_equal(back.timestamps, o->timestamps);
	assert_true(syncookie_fits(secret, flow, &back, &c));
	/* Not the one form for the other. */
	c.tsval = o->timestamps ? c.tsval : 0x05b40000;
	assert_false(is_taken(secret, flow, &c, !o->timestamps,
			      o->rcv_wscale));
}

static void test_round_trip(void **state)
{
	static const __u16 sizes[] = { 536,  537,  965,	 966,  1219, 1220,
				       1360, 1440, 1459, 1460, 8959, 8960,
				       9000, 65535 };
	struct siphash_key secret = syncookie_secret(&master, 1);

	(void)state;
	for (unsigned int i = 0; i < 14 * 16 * 15 * 16; i++) {
		struct syncookie_flow flow = flow_of(i & 1);
		struct syncookie_options o = {
			.sack = i >> 1 & 1,
			.ecn = i >> 2 & 1,
			.timestamps = i >> 3 & 1,
			.mss = sizes[i / 16 % 14],
			.snd_wscale = i / 16 / 14 % 16,
			.rcv_wscale = (__u8)(i / 16 / 14 / 16),
		};

		expect_round_trip(&secret, &flow, &o);
	}
}

/* One bit of the cookie, of the flow or of what only the MAC holds. */
static void test_any_bit_flipped(void **state)
{
	struct siphash_key secret = syncookie_secret(&master, 1);

	(void)state;
	for (int form = 0; form < 4; form++) {
		struct syncookie_flow flow = flow_of(form & 1), other;
		struct syncookie_options o = usual;
		struct syncookie c, flipped;
		int ts = form >> 1;

		o.timestamps = ts != 0;
		c = syncookie_make(&secret, &flow, &o);
		assert_true(is_taken(&secret, &flow, &c, ts, 9));
		for (int bit = 0; bit < 32; bit++) {
			flipped = c;
			flipped.isn ^= 1U << bit;
			assert_false(is_taken(&secret, &flow, &flipped, ts, 9));
			flipped = c;
			flipped.tsval ^= 1U << bit;
			assert_int_equal(
				is_taken(&secret, &flow, &flipped, ts, 9), !ts);
			other = flow;
			other.client_isn ^= 1U << bit;
			assert_false(is_taken(&secret, &other, &c, ts, 9));
		}
		for (int bit = 0; bit < 16; bit++) {
			other = flow;
			other.sport ^= 1U << bit;
			assert_false(is_taken(&secret, &other, &c, ts, 9));
			other = flow;
			other.dport ^= 1U << bit;
			assert_false(is_taken(&secret, &other, &c, ts, 9));
		}
		for (unsigned int bit = 0; bit < 64 * flow.path_words; bit++) {
			other = flow;
			other.path.words[bit / 64] ^= 1ULL << bit % 64;
			assert_false(is_taken(&secret, &other, &c, ts, 9));
		}
		/* The listener's scale is in the MAC where it has no room. */
		for (int scale = 0; scale < 15; scale++)
			assert_int_equal(
				is_taken(&secret, &flow, &c, ts, scale),
				ts || scale == 9);
	}
}

/* An address of one family is none of the other's. */
static void test_families_are_apart(void **state)
{
	struct siphash_key secret = syncookie_secret(&master, 1);
	struct syncookie_flow v4 = flow_of(false), v6 = v4;
	struct syncookie c = syncookie_make(&secret, &v4, &usual);

	(void)state;
	v6.path_words = TFO_PATH_WORDS_IPV6;
	assert_true(is_taken(&secret, &v4, &c, 0, 9));
	assert_false(is_taken(&secret, &v6, &c, 0, 9));
}

/* How many bits change from flow to flow where the options don't. */
static void test_bits_of_mac(void **state)
{
	struct siphash_key secret = syncookie_secret(&master, 1);

	(void)state;
	for (int ts = 0; ts < 2; ts++) {
		struct syncookie_options o = usual;
		struct syncookie first, c, changed = { 0, 0 };
		struct syncookie_flow flow = flow_of(false);

		o.timestamps = ts != 0;
		first = syncookie_make(&secret, &flow, &o);
		for (int i = 0; i < 1000; i++) {
			flow.client_isn++;
			c = syncookie_make(&secret, &flow, &o);
			changed.isn |= c.isn ^ first.isn;
			changed.tsval |= c.tsval ^ first.tsval;
		}
		assert_int_equal(__builtin_popcount(changed.isn) +
					 __builtin_popcount(changed.tsval),
				 ts ? MAC_BITS_TIMESTAMPS : MAC_BITS);
	}
}

/* The cookie of one epoch under the secrets of others. */
static void test_epochs(void **state)
{
	struct syncookie_flow flow = flow_of(false);

	(void)state;
	for (int ts = 0; ts < 2; ts++) {
		struct siphash_key at = syncookie_secret(&master, 100);
		struct syncookie_options o = usual;
		struct syncookie c;

		o.timestamps = ts != 0;
		c = syncookie_make(&at, &flow, &o);
		for (__u64 epoch = 0; epoch < 200; epoch++) {
			struct siphash_key secret =
				syncookie_secret(&master, epoch);

			assert_int_equal(is_taken(&secret, &flow, &c, ts, 9),
					 epoch == 100);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_mss_table),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_any_bit_flipped),
		cmocka_unit_test(test_families_are_apart),
		cmocka_unit_test(test_bits_of_mac),
		cmocka_unit_test(test_epochs),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("syncookie", tests, NULL, NULL);
}
