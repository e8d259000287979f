// SPDX-License-Identifier: GPL-2.0
/*
 * The program itself, packet by packet, by BPF_PROG_TEST_RUN: a table of named
 * packets, each held to its verdict, its counter and every byte that comes out.
 * A row runs as IPv4 and as IPv6 unless it says otherwise. Needs root.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "capture.h"
#include "fastopen.h"
#include "judge.h"
#include "packets.h"
#include "program.h"

static struct judge *judges[JUDGES];

/* A row under one IP version. */
struct instance {
	const struct row *row;
	bool ipv6;
	char name[96];
};

static void expect_bytes(const struct row *row, const struct frame *in,
			 const unsigned char *before, size_t len,
			 const unsigned char *out, __u32 out_len)
{
	static unsigned char expected[FRAME_MAX];
	struct frame f = *in;
	size_t end;

	assert_int_equal(out_len, len);
	if (verdict_action(row->verdict) != ACTION_strip ||
	    row->judge == OBSERVE) {
		assert_memory_equal(out, before, len);
		return;
	}
	if (row->out_options)
		f.options = row->out_options;
	if (!row->keeps_data)
		f.data_len = 0;
	f.padding = 0;
	f.ip_len_more = 0;
	end = frame_build(&f, expected);
	assert_int_equal(capture_ip_end(out, out_len, f.no_ethernet), end);
	assert_memory_equal(out, expected, end);
	assert_true(frame_checksums_right(&f, out));
}

static void test_row(void **state)
{
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];
	const struct instance *instance = *state;
	const struct row *row = instance->row;
	struct frame f = row->in;
	struct judgement judged;
	size_t len;

	f.ipv6 = instance->ipv6;
	len = frame_build(&f, in);
	assert_int_equal(judge_packet(judges[row->judge], in, (__u32)len, out,
				      &judged),
			 0);
	assert_string_equal(judge_verdict_name(judged.verdict),
			    judge_verdict_name(row->verdict));
	assert_int_equal(judged.xdp_action,
			 judged.action == ACTION_drop && row->judge != OBSERVE ?
				 XDP_DROP :
				 XDP_PASS);
	if (judged.verdict != V_not_tcp && judged.verdict != V_unparsed_link)
		assert_int_equal(judged.family,
				 f.ipv6 ? FAMILY_ipv6 : FAMILY_ipv4);
	expect_bytes(row, &f, in, len, out, judged.out_len);
}

/* A checksum that is wrong stays wrong, and by the same amount. */
static void test_corrupt_stays_corrupt(void **state)
{
	static const unsigned short errors[] = { 0x0001, 0x8000, 0x0100, 0x5a5a };
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];
	struct judgement judged;

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
			struct frame f = { .ipv6 = ipv6,
					   .options = "mss tfo:other",
					   .data_len = 333,
					   .check_error = errors[i] };
			size_t len = frame_build(&f, in);

			assert_int_equal(judge_packet(judges[ETHERNET], in,
						      (__u32)len, out, &judged),
					 0);
			assert_int_equal(judged.verdict, V_forged);
			assert_false(frame_checksums_right(&f, out));
		}
	}
}

/* Every length of data, all the ways in which its sum is put together. */
static void test_every_data_length(void **state)
{
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX],
		expected[FRAME_MAX];
	struct judgement judged;

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (size_t n = 1; n <= 2100; n++) {
			struct frame f = { .ipv6 = ipv6,
					   .options = "mss tfo:other",
					   .data_len = n };
			size_t len = frame_build(&f, in), end;

			assert_int_equal(judge_packet(judges[ETHERNET], in,
						      (__u32)len, out, &judged),
					 0);
			assert_int_equal(judged.verdict, V_forged);
			f.data_len = 0;
			f.options = "mss tfo" NOPS8;
			end = frame_build(&f, expected);
			assert_memory_equal(out, expected, end);
		}
	}
}

/* Bytes of data that were cut, of both families. */
static __u64 cut(int which)
{
	__u64 bytes[FAMILY_COUNT];

	assert_int_equal(program_read_cuts(judge_map_fd(judges[which], "cuts"),
					   bytes),
			 0);
	assert_int_equal(bytes[FAMILY_other], 0);
	return bytes[FAMILY_ipv4] + bytes[FAMILY_ipv6];
}

/* What is cut is counted: no less, and nothing that was left. */
static void test_cut_is_counted(void **state)
{
	static const struct {
		int judge;
		const char *options;
		size_t data_len, cut;
	} cuts[] = {
		{ ETHERNET, "mss tfo:other", 333, 333 },
		{ ETHERNET, "mss tfo:other", 0, 0 },
		{ ETHERNET, "mss", 1400, 1400 },
		{ ETHERNET, "mss tfo:current", 333, 0 },
		{ OBSERVE, "mss tfo:other", 333, 0 },
	};
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];
	struct judgement judged;

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
			struct frame f = { .ipv6 = ipv6,
					   .options = cuts[i].options,
					   .data_len = cuts[i].data_len };
			__u64 before = cut(cuts[i].judge);
			size_t len = frame_build(&f, in);

			assert_int_equal(judge_packet(judges[cuts[i].judge], in,
						      (__u32)len, out, &judged),
					 0);
			assert_int_equal(cut(cuts[i].judge) - before,
					 cuts[i].cut);
		}
	}
}

/*
 * Larger than the first buffer: the options are rewritten, the data stays, and
 * the checksum is right over all of it. TEST_RUN puts what exceeds its first
 * buffer into further ones.
 */
static void test_data_beyond_first_buffer(void **state)
{
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX],
		expected[FRAME_MAX];
	struct judgement judged;

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct frame f = { .ipv6 = ipv6,
				   .options = "mss tfo:other",
				   .data_len = 8900 };
		struct frame off = f;
		size_t len = frame_build(&f, in);

		assert_int_equal(judge_packet(judges[ETHERNET], in, (__u32)len,
					      out, &judged),
				 0);
		assert_int_equal(judged.verdict, V_forged);
		f.options = "mss tfo" NOPS8;
		assert_int_equal(frame_build(&f, expected), len);
		assert_int_equal(judged.out_len, len);
		assert_memory_equal(out, expected, len);

		/* Mode off can't keep its word here, and says so. */
		off.dport = OFF_PORT;
		frame_build(&off, in);
		assert_int_equal(judge_packet(judges[ETHERNET], in, (__u32)len,
					      out, &judged),
				 0);
		assert_int_equal(judged.verdict, V_act_failed);
		assert_memory_equal(out, in, len);
	}
}

/* Cut at every length: it passes as it came, and is counted. */
static void test_cut_at_every_length(void **state)
{
	static const struct frame frames[] = {
		{ .tags = { { AD8021, 7 }, { Q8021, 100 } },
		  .ip_options = "01010101", .options = "nop tfo:other nop",
		  .data_len = 20 },
		{ .ipv6 = true, .tags = { { Q8021, 100 } },
		  .extensions = "hda", .options = "nop exp:other nop",
		  .data_len = 20 },
	};
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];
	struct judgement judged;

	(void)state;
	for (int i = 0; i < 2; i++) {
		size_t len = frame_build(&frames[i], in);

		for (size_t n = 0; n < len; n++) {
			assert_int_equal(judge_packet(judges[ETHERNET], in,
						      (__u32)n, out, &judged),
					 0);
			assert_int_equal(judged.xdp_action, XDP_PASS);
			assert_int_equal(judged.out_len, n);
			assert_memory_equal(out, in, n);
			assert_in_range(judged.verdict, V_unparsed_link,
					V_unparsed_tcp);
		}
	}
}

/* An all-zero key is no key, even for the cookie that it makes. */
static void test_zero_key_proves_nothing(void **state)
{
	static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];
	/* SipHash-2-4 under 16 zero bytes of 192.0.2.1, 192.0.2.2. */
	struct frame f = { .options = "tfo:other nop nop" };
	struct keyring empty = { 0 }, full;
	struct judgement judged;
	struct tfo_path path = { 0 };
	size_t len = frame_build(&f, in);
	__u64 cookie;

	(void)state;
	memcpy(&path.words[0], in + 14 + 12, 8);
	cookie = tfo_cookie(&empty.slot[0].secret, &path, TFO_PATH_WORDS_IPV4);
	memcpy(in + 14 + 20 + 20 + 2, &cookie, 8);
	assert_int_equal(judge_set_keyring(judges[ETHERNET], &empty), 0);
	assert_int_equal(judge_packet(judges[ETHERNET], in, (__u32)len, out,
				      &judged),
			 0);
	assert_int_equal(judged.verdict, V_forged);
	frame_ring(&full);
	assert_int_equal(judge_set_keyring(judges[ETHERNET], &full), 0);
}

static int open_judges(void **state)
{
	static struct port_policy ports[PORT_COUNT];
	struct keyring ring;
	struct fault f = { 0 };

	(void)state;
	row_ports(ports);
	frame_ring(&ring);
	for (int i = 0; i < JUDGES; i++) {
		struct program_config config = {
			.settings = { .assume_listener = 1,
				      .no_ethernet = i == BARE_IP,
				      .observe = i == OBSERVE },
			.ports = ports,
		};

		if (judge_open(&judges[i], &config, &ring, &f)) {
			fprintf(stderr, "# %s; %s\n", f.why, f.advice);
			return -1;
		}
	}
	return 0;
}

static int close_judges(void **state)
{
	(void)state;
	for (int i = 0; i < JUDGES; i++)
		judge_close(judges[i]);
	return 0;
}

#define N_OTHERS 5

int main(void)
{
	static struct instance instances[2 * N_ROWS];
	static struct CMUnitTest tests[2 * N_ROWS + N_OTHERS] = {
		cmocka_unit_test(test_corrupt_stays_corrupt),
		cmocka_unit_test(test_every_data_length),
		cmocka_unit_test(test_cut_is_counted),
		cmocka_unit_test(test_data_beyond_first_buffer),
		cmocka_unit_test(test_cut_at_every_length),
		cmocka_unit_test(test_zero_key_proves_nothing),
	};
	size_t n = 0;

	for (size_t i = 0; i < 2 * N_ROWS; i++) {
		const struct row *row = &rows[i / 2];
		bool ipv6 = i % 2;

		if (row->only && row->only != (ipv6 ? 6 : 4))
			continue;
		instances[n].row = row;
		instances[n].ipv6 = ipv6;
		snprintf(instances[n].name, sizeof(instances[n].name),
			 "%s (%s)", row->name, ipv6 ? "IPv6" : "IPv4");
		tests[N_OTHERS + n] = (struct CMUnitTest){
			.name = instances[n].name,
			.test_func = test_row,
			.initial_state = &instances[n],
		};
		n++;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("program", tests, N_OTHERS + n,
				       open_judges, close_judges);
}
