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
#include "frames.h"
#include "judge.h"
#include "ports.h"

enum { FORGED_DROP_PORT = 444, OFF_PORT, DROP_PORT, PASS_PORT, FREE_PORT };

/* The program under each of these settings; nothing is looked up. */
enum { ETHERNET, BARE_IP, OBSERVE, JUDGES };
static struct judge *judges[JUDGES];

#define LINUX_SYN "mss sackok ts nop ws"
#define MD5 "raw:131200112233445566778899aabbccddeeff"
#define NOPS8 " nop nop nop nop nop nop nop nop"

#define Q8021 0x8100
#define AD8021 0x88a8

static const struct row {
	const char *name;
	struct frame in;
	enum verdict verdict;
	const char *out_options; /* of a stripped one; NULL: as they came */
	bool keeps_data; /* of a stripped one */
	int only; /* 4 or 6; 0: both */
	int judge;
} rows[] = {
	/* Not ours to judge. */
	{ "UDP", { .protocol = 17 }, V_not_tcp },
	{ "ARP", { .ethertype = 0x0806 }, V_not_tcp },
	{ "LLC", { .ethertype = 0x0026 }, V_not_tcp },
	{ "data segment", { .flags = ACK | PSH, .data_len = 1000 }, V_segment },
	{ "SYN-ACK", { .flags = SYN | ACK }, V_segment },
	{ "SYN-FIN", { .flags = SYN | FIN, .options = "tfo:other" }, V_segment },
	{ "SYN-RST", { .flags = SYN | RST, .options = "tfo:other" }, V_segment },
	{ "RST", { .flags = RST }, V_segment },
	{ "no flags", { .flags = PSH }, V_segment },
	{ "segment with an absurd header length",
	  { .flags = ACK, .doff = 2 },
	  V_segment },

	/* Ports. */
	{ "unguarded port", { .dport = FREE_PORT, .options = "tfo:other" },
	  V_unguarded },
	{ "mode pass", { .dport = PASS_PORT, .options = "tfo:other",
			 .data_len = 50 },
	  V_port_pass },
	{ "mode off: plain", { .dport = OFF_PORT, .options = LINUX_SYN },
	  V_plain_syn },
	{ "mode off: request", { .dport = OFF_PORT, .options = "mss tfo nop nop" },
	  V_port_off, "mss nop nop nop nop" },
	{ "mode off: valid cookie and data",
	  { .dport = OFF_PORT, .options = "mss nop nop tfo:current",
	    .data_len = 77 },
	  V_port_off, "mss nop nop nop nop" NOPS8 },
	{ "mode off: odd cookie",
	  { .dport = OFF_PORT, .options = "tfo/3" },
	  V_port_off, "nop nop nop nop nop" },
	{ "mode off: data alone", { .dport = OFF_PORT, .data_len = 3 },
	  V_port_off, "" },
	{ "mode drop: valid cookie and data",
	  { .dport = DROP_PORT, .options = "tfo:current", .data_len = 9 },
	  V_port_drop },
	{ "mode drop: data alone", { .dport = DROP_PORT, .data_len = 9 },
	  V_port_drop },
	{ "mode drop: plain", { .dport = DROP_PORT, .options = LINUX_SYN },
	  V_plain_syn },
	{ "mode drop: request", { .dport = DROP_PORT, .options = "tfo" },
	  V_cookie_request },
	{ "mode drop: valid cookie, no data",
	  { .dport = DROP_PORT, .options = "tfo:current" },
	  V_valid_current },
	{ "mode drop: forged, no data",
	  { .dport = DROP_PORT, .options = "tfo:other nop nop" },
	  V_forged, "tfo" NOPS8 " nop nop" },
	{ "forged=drop: forged",
	  { .dport = FORGED_DROP_PORT, .options = "tfo:other", .data_len = 9 },
	  V_forged_drop },
	{ "forged=drop: valid",
	  { .dport = FORGED_DROP_PORT, .options = "tfo:current", .data_len = 9 },
	  V_valid_current },
	{ "forged=drop: bad length",
	  { .dport = FORGED_DROP_PORT, .options = "tfo/4 nop nop" },
	  V_bad_length, "tfo nop nop nop nop nop nop" },

	/* The rows of the kernel's table. */
	{ "bare SYN", { 0 }, V_plain_syn },
	{ "Linux's SYN", { .options = LINUX_SYN }, V_plain_syn },
	{ "request", { .options = LINUX_SYN " tfo" }, V_cookie_request },
	{ "request, kind 254", { .options = LINUX_SYN " exp" },
	  V_cookie_request },
	{ "request with data", { .options = "tfo", .data_len = 20 },
	  V_cookie_request },
	{ "valid, current key",
	  { .options = LINUX_SYN " tfo:current", .data_len = 200 },
	  V_valid_current },
	{ "valid, no data", { .options = "tfo:current" }, V_valid_current },
	{ "valid, kind 254", { .options = "exp:current", .data_len = 1 },
	  V_valid_current },
	{ "valid, previous key",
	  { .options = LINUX_SYN " tfo:previous", .data_len = 200 },
	  V_valid_previous },
	{ "valid, staged key", { .options = "tfo:staged", .data_len = 200 },
	  V_valid_staged },
	{ "wrong cookie",
	  { .options = LINUX_SYN " tfo:other", .data_len = 200 },
	  V_forged, LINUX_SYN " tfo" NOPS8 },
	{ "wrong cookie, no data", { .options = "tfo:other nop nop" },
	  V_forged, "tfo" NOPS8 " nop nop" },
	{ "wrong cookie, kind 254",
	  { .options = "mss exp:other", .data_len = 31 },
	  V_forged, "mss exp" NOPS8 },
	{ "wrong cookie at an odd offset",
	  { .options = "nop tfo:other nop", .data_len = 31 },
	  V_forged, "nop tfo" NOPS8 " nop" },
	{ "wrong cookie, kind 254, odd offset",
	  { .options = "nop exp:other nop nop nop", .data_len = 32 },
	  V_forged, "nop exp" NOPS8 " nop nop nop" },
	{ "cookie of 2", { .options = "tfo/2", .data_len = 5 }, V_bad_length,
	  "tfo nop nop" },
	{ "cookie of 4", { .options = "tfo/4 nop nop", .data_len = 5 },
	  V_bad_length, "tfo nop nop nop nop nop nop" },
	{ "cookie of 16", { .options = "tfo/16 nop nop", .data_len = 5 },
	  V_bad_length, "tfo" NOPS8 NOPS8 " nop nop" },
	{ "cookie of 18", { .options = "tfo/18", .data_len = 5 },
	  V_bad_length, "tfo" NOPS8 NOPS8 " nop nop" },
	{ "cookie of 38", { .options = "tfo/38", .data_len = 5 }, V_bad_length,
	  "tfo" NOPS8 NOPS8 NOPS8 NOPS8 " nop nop nop nop nop nop" },
	{ "cookie of 6, kind 254", { .options = "exp/6 nop nop" }, V_bad_length,
	  "exp nop nop nop nop nop nop nop nop" },
	{ "cookie of 7: no option", { .options = "tfo/7", .data_len = 4 },
	  V_data_without_cookie, "nop" NOPS8 },
	{ "cookie of 7, no data", { .options = "tfo/7" }, V_plain_syn },
	{ "data without option", { .data_len = 100 }, V_data_without_cookie },
	{ "data without Fast Open", { .options = LINUX_SYN, .data_len = 1 },
	  V_data_without_cookie },

	/* Signed: what would be cut is left alone. */
	{ "signed by MD5, data", { .options = MD5 " nop nop", .data_len = 9 },
	  V_signed_syn },
	{ "signed by AO, wrong cookie",
	  { .options = "raw:1d080102aabbccdd tfo:other nop nop" },
	  V_signed_syn },
	{ "signed, valid cookie",
	  { .options = MD5 " tfo:current", .data_len = 9 },
	  V_valid_current },
	{ "signed, no Fast Open", { .options = MD5 " nop nop" }, V_plain_syn },
	{ "signed, mode off",
	  { .dport = OFF_PORT, .options = MD5 " nop nop", .data_len = 9 },
	  V_port_off },
	{ "signed, mode drop",
	  { .dport = DROP_PORT, .options = MD5 " nop nop", .data_len = 9 },
	  V_port_drop },
	{ "a signature that does not fit is none",
	  { .options = "tfo:other raw:1330", .data_len = 9 },
	  V_forged, "tfo" NOPS8 " raw:1330" },

	/* How the kernel reads options. */
	{ "end of list hides", { .options = "eol tfo:other" }, V_plain_syn },
	{ "size 0 stops", { .options = "raw:0500 tfo:other" }, V_plain_syn },
	{ "size 1 stops", { .options = "raw:0501 tfo:other" }, V_plain_syn },
	{ "size beyond the end stops", { .options = "tfo raw:0530" },
	  V_cookie_request },
	{ "cookie beyond the end stops", { .options = "mss raw:220a0102" },
	  V_plain_syn },
	{ "unknown kinds are skipped",
	  { .options = "raw:fa04ffff tfo:current nop nop" },
	  V_valid_current },
	{ "kind alone in the last byte",
	  { .options = "nop nop nop raw:22" },
	  V_plain_syn },
	{ "253 is not it", { .options = "raw:fd04f989 nop nop" },
	  V_plain_syn },
	{ "254 with another magic", { .options = "raw:fe0cf98aaaaaaaaaaaaaaaaa" },
	  V_plain_syn },
	{ "254 too short for a magic", { .options = "raw:fe02f989 nop nop" },
	  V_plain_syn },
	{ "bad, then valid",
	  { .options = "tfo:other tfo:current", .data_len = 10 },
	  V_valid_current },
	{ "valid, then bad",
	  { .options = "tfo:current tfo:other", .data_len = 10 },
	  V_forged, "nop nop" NOPS8 " tfo" NOPS8 },
	{ "valid, then request", { .options = "tfo:current tfo" },
	  V_cookie_request },
	{ "valid, then cookie of 2",
	  { .options = "tfo:current tfo/2 nop nop", .data_len = 10 },
	  V_bad_length, "nop nop" NOPS8 " tfo nop nop nop nop" },
	{ "valid, then odd",
	  { .options = "tfo:current tfo/7", .data_len = 10 },
	  V_valid_current },
	{ "bad, then odd",
	  { .options = "tfo:other tfo/7 nop", .data_len = 10 },
	  V_forged, "tfo" NOPS8 " nop nop" NOPS8 },
	{ "34, then 254 wins",
	  { .options = "tfo:other exp:current", .data_len = 10 },
	  V_valid_current },
	{ "254, then 34 wins",
	  { .options = "exp:current tfo:other", .data_len = 10 },
	  V_forged, "nop nop nop nop" NOPS8 " tfo" NOPS8 },
	{ "unaligned", { .options = "nop tfo:current", .data_len = 7 },
	  V_valid_current },
	{ "40 NOPs",
	  { .options = "nop nop" NOPS8 NOPS8 NOPS8 NOPS8 " nop nop nop nop nop nop" },
	  V_plain_syn },
	{ "valid after 28 NOPs",
	  { .options = "nop nop nop nop" NOPS8 NOPS8 NOPS8 " tfo:current nop nop" },
	  V_valid_current },
	{ "SYN with PSH and URG",
	  { .flags = SYN | PSH | URG, .options = "tfo:current", .data_len = 1 },
	  V_valid_current },
	{ "SYN with ECE and CWR",
	  { .flags = SYN | ECE | CWR, .options = "tfo:other nop nop" },
	  V_forged, "tfo" NOPS8 " nop nop" },
	{ "cookie of another client",
	  { .saddr = "192.0.2.7", .options = "raw:220aa7065f32bd1c6f26 nop nop" },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 4 },
	{ "the known vector",
	  { .options = "raw:220aa7065f32bd1c6f26 nop nop", .data_len = 8 },
	  V_valid_current, .only = 4 },
	{ "the known vector, IPv6",
	  { .options = "raw:220adc13829b0a150ec5 nop nop", .data_len = 8 },
	  V_valid_current, .only = 6 },

	/* Links. */
	{ "VLAN, valid",
	  { .tags = { { Q8021, 100 } }, .options = "tfo:current" },
	  V_valid_current },
	{ "VLAN, forged",
	  { .tags = { { Q8021, 0xe064 } }, .options = "tfo:other nop nop",
	    .data_len = 99 },
	  V_forged, "tfo" NOPS8 " nop nop" },
	{ "QinQ, forged",
	  { .tags = { { AD8021, 7 }, { Q8021, 100 } },
	    .options = "tfo:other nop nop", .data_len = 99 },
	  V_forged, "tfo" NOPS8 " nop nop" },
	{ "three tags",
	  { .tags = { { AD8021, 7 }, { Q8021, 100 }, { Q8021, 5 } },
	    .options = "tfo:other" },
	  V_unparsed_link },
	{ "bare IP, valid",
	  { .no_ethernet = true, .options = "tfo:current", .data_len = 9 },
	  V_valid_current, .judge = BARE_IP },
	{ "bare IP, forged",
	  { .no_ethernet = true, .options = "tfo:other nop nop", .data_len = 9 },
	  V_forged, "tfo" NOPS8 " nop nop", .judge = BARE_IP },
	{ "padding behind the IP packet",
	  { .options = "tfo:other nop nop", .padding = 20 },
	  V_forged, "tfo" NOPS8 " nop nop" },

	/* IPv4. */
	{ "IP options",
	  { .ip_options = "0101010194040000", .options = "tfo:other nop nop",
	    .data_len = 40 },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 4 },
	{ "don't fragment", { .frag_off = 0x4000, .options = "tfo:current" },
	  V_valid_current, .only = 4 },
	{ "first fragment", { .frag_off = 0x2000, .options = "tfo:other" },
	  V_fragment, .only = 4 },
	{ "later fragment", { .frag_off = 0x0010 }, V_fragment, .only = 4 },
	{ "version 5", { .version_ihl = 0x55 }, V_unparsed_ip, .only = 4 },
	{ "header of 16 bytes", { .version_ihl = 0x44 }, V_unparsed_ip,
	  .only = 4 },
	{ "IP length beyond the frame",
	  { .options = "tfo:other nop nop", .ip_len_more = 1 },
	  V_unparsed_ip },
	{ "IP length short of the TCP header",
	  { .options = "tfo:other nop nop", .ip_len_more = -1 },
	  V_unparsed_tcp },
	{ "IP length short of its own header",
	  { .ip_len_more = -25 },
	  V_unparsed_ip, .only = 4 },

	/* IPv6. */
	{ "version 4 in IPv6", { .version_ihl = 0x45 }, V_unparsed_ip,
	  .only = 6 },
	{ "hop-by-hop", { .extensions = "h", .options = "tfo:current" },
	  V_valid_current, .only = 6 },
	{ "hop-by-hop, destination, forged",
	  { .extensions = "hd", .options = "tfo:other nop nop", .data_len = 33 },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 6 },
	{ "routing, no segment left",
	  { .extensions = "r", .options = "tfo:current" },
	  V_valid_current, .only = 6 },
	{ "routing, a segment left",
	  { .extensions = "R", .options = "tfo:other" },
	  V_not_ours, .only = 6 },
	{ "atomic fragment", { .extensions = "a", .options = "tfo:current" },
	  V_valid_current, .only = 6 },
	{ "atomic fragment, forged",
	  { .extensions = "da", .options = "tfo:other nop nop", .data_len = 2 },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 6 },
	{ "first fragment, IPv6", { .extensions = "f", .options = "tfo:other" },
	  V_fragment, .only = 6 },
	{ "later fragment, IPv6", { .extensions = "l" }, V_fragment,
	  .only = 6 },
	{ "seven extensions",
	  { .extensions = "hdrdadd", .options = "tfo:current" },
	  V_valid_current, .only = 6 },
	{ "as many extensions as the kernel takes",
	  { .extensions = "hdddddddddddddrda", .options = "tfo:other nop nop",
	    .data_len = 7 },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 6 },
	{ "extensions beyond 2 KiB", { .extensions =
	  "hddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
	  "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
	  .options = "tfo:current" },
	  V_unparsed_ip, .only = 6 },
	{ "no payload length, hop-by-hop: all of the frame",
	  { .extensions = "h", .options = "tfo:other nop nop", .data_len = 9,
	    .ip_len_more = -(16 + 20 + 12 + 9) },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 6 },
	{ "no payload length, atomic fragment",
	  { .extensions = "ha", .options = "tfo:other nop nop",
	    .ip_len_more = -(16 + 8 + 20 + 12) },
	  V_unparsed_ip, .only = 6 },
	{ "no payload length, no hop-by-hop",
	  { .options = "tfo:other nop nop", .ip_len_more = -(20 + 12) },
	  V_unparsed_tcp, .only = 6 },
	{ "UDP behind an extension", { .extensions = "d", .protocol = 17 },
	  V_not_tcp, .only = 6 },

	/* TCP. */
	{ "header of 16 bytes, TCP", { .doff = 4 }, V_unparsed_tcp },
	{ "header beyond the packet", { .doff = 15 }, V_unparsed_tcp },

	/* Only looking. */
	{ "observed forged",
	  { .options = "tfo:other nop nop", .data_len = 44 },
	  V_forged, .keeps_data = true, .judge = OBSERVE },
	{ "observed drop",
	  { .dport = DROP_PORT, .options = "tfo:current", .data_len = 44 },
	  V_port_drop, .judge = OBSERVE },
};

#define N_ROWS (sizeof(rows) / sizeof(*rows))

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
	ports_guard_all(ports);
	ports[FORGED_DROP_PORT].forged = FORGED_drop;
	ports[OFF_PORT].mode = PORT_off;
	ports[DROP_PORT].mode = PORT_drop;
	ports[PASS_PORT].mode = PORT_pass;
	ports[FREE_PORT].mode = PORT_unguarded;
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
