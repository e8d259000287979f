// SPDX-License-Identifier: GPL-2.0
/*
 * What goes back under pressure, by BPF_PROG_TEST_RUN: every byte of the
 * SYN-ACK against one that is built here from scratch, and what the operator's
 * policies make of it. No listener is asked, and the clock stands still. Needs
 * root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include <endian.h>
#include <linux/bpf.h>

#include "capture.h"
#include "fastopen.h"
#include "frames.h"
#include "judge.h"
#include "ports.h"
#include "syncookie.h"

#define SECOND 1000000000ULL
#define START (1000 * SECOND)

enum {
	FORGED_DROP_PORT = 444,
	OFF_PORT,
	DROP_PORT,
	PASS_PORT,
	FREE_PORT,
	NEVER_PORT,
	ALWAYS_PORT,
	TLS_PORT,
	HTTP_PORT,
	SMALL_PORT, /* at most 10 bytes */
	REPLAY_PORT,
};

enum { PRESSED, BARE_IP, OBSERVE, CALM, JUDGES };
static struct judge *judges[JUDGES];

static const struct siphash_key master = { 0x1716151413121110,
					   0x1f1e1d1c1b1a1918 };

static unsigned char in[FRAME_MAX], out[JUDGE_FRAME_MAX];

static void put_map(struct judge *judge, const char *name, const void *key,
		    const void *value)
{
	int fd = judge_map_fd(judge, name);

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, key, value, BPF_ANY), 0);
}

static void put_first(struct judge *judge, const char *name, const void *value)
{
	__u32 zero = 0;

	put_map(judge, name, &zero, value);
}

static void set_clock(__u64 ns)
{
	for (int i = 0; i < JUDGES; i++)
		put_first(judges[i], "frozen_time", &ns);
}

static enum verdict run(int judge, const struct frame *f,
			struct judgement *judged)
{
	assert_int_equal(judge_packet(judges[judge], in,
				      (__u32)frame_build(f, in), out, judged),
			 0);
	return judged->verdict;
}

static void expect(int judge, const struct frame *f, enum verdict verdict)
{
	struct judgement judged;

	assert_string_equal(judge_verdict_name(run(judge, f, &judged)),
			    judge_verdict_name(verdict));
}

/* Both families. */
static void expect_both(int judge, struct frame f, enum verdict verdict)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		f.ipv6 = ipv6;
		expect(judge, &f, verdict);
	}
}

/* ---- a SYN-ACK from scratch ---- */

struct agreed {
	/* Of the SYN-ACK: mss, sack, ts, sack+ts, ws, tfo, exp. */
	const char *offers;
	unsigned int mss; /* that the cookie remembers; 0: the least */
	unsigned int scale; /* the client's, with ws */
	bool ecn;
};

static unsigned char *put(unsigned char *at, const char *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

static unsigned char *put32(unsigned char *at, __u32 value)
{
	value = htobe32(value);
	memcpy(at, &value, 4);
	return at + 4;
}

static unsigned int checksum(const unsigned char *at, size_t n,
			     unsigned int sum)
{
	for (; n > 1; n -= 2, at += 2)
		sum += (unsigned int)(at[0] * 256 + at[1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static bool offers(const struct agreed *a, const char *what)
{
	const char *at = strstr(a->offers, what);

	return at != NULL;
}

static struct syncookie_flow flow_of(const struct frame *f,
				     const unsigned char *tcp,
				     const unsigned char *addresses)
{
	struct syncookie_flow flow = { .client_isn = 0x10203040 };

	flow.path_words = f->ipv6 ? TFO_PATH_WORDS_IPV6 : TFO_PATH_WORDS_IPV4;
	memcpy(flow.path.words, addresses, 8 * flow.path_words);
	for (int i = 0; i < 4; i++)
		flow.path.words[i] = le64toh(flow.path.words[i]);
	memcpy(&flow.sport, tcp, 2);
	memcpy(&flow.dport, tcp + 2, 2);
	return flow;
}

static struct syncookie cookie_of(const struct agreed *a, bool ipv6,
				  const struct syncookie_flow *flow, __u64 now)
{
	struct siphash_key secret =
		syncookie_secret(&master, (now >> SYNCOOKIE_EPOCH_SHIFT) + 1);
	struct syncookie_options o = {
		.mss = (__u16)(a->mss ?: ipv6 ? 1220 : 536),
		.snd_wscale = offers(a, "ws") ? (__u8)a->scale : 15,
		.rcv_wscale = offers(a, "ws") ? 7 : 0,
		.sack = offers(a, "sack"),
		.timestamps = offers(a, "ts"),
		.ecn = a->ecn,
	};

	if (ipv6 && o.mss < 1220)
		o.mss = 1220;
	return syncookie_make(&secret, flow, &o);
}

/* What the cookie says of the client's MSS. */
static unsigned int remembered_mss(const struct agreed *a, bool ipv6)
{
	unsigned int mss = a->mss ?: 536;

	if (ipv6 && mss < 1220)
		mss = 1220;
	if (offers(a, "ts"))
		return mss;
	return mss == 1200 ? 966 : mss == 9000 ? 8960 : mss;
}

static unsigned char *put_offers(unsigned char *at, const struct agreed *a,
				 bool ipv6, __u32 tsval,
				 const struct tfo_path *path)
{
	__u64 fresh = htole64(tfo_cookie(&frame_keys[KEY_current], path,
					 ipv6 ? TFO_PATH_WORDS_IPV6 :
						TFO_PATH_WORDS_IPV4));

	if (offers(a, "mss"))
		at = put(at, ipv6 ? "\2\4\x05\xa0" : "\2\4\x05\xb4", 4);
	if (offers(a, "ts")) {
		at = put(at, offers(a, "sack") ? "\4\2\x8\xa" : "\1\1\x8\xa",
			 4);
		at = put32(at, tsval);
		at = put32(at, 0x01020304);
	} else if (offers(a, "sack")) {
		at = put(at, "\1\1\4\2", 4);
	}
	if (offers(a, "ws"))
		at = put(at, "\1\3\3\7", 4);
	if (offers(a, "tfo") || offers(a, "exp")) {
		at = put(at, offers(a, "tfo") ? "\1\1\x22\xa" : "\xfe\xc\xf9\x89",
			 4);
		at = put(at, (char *)&fresh, 8);
	}
	return at;
}

/* The answer to @f, whose bytes are in @in; returns its length. */
static size_t build_answer(const struct frame *f, const struct agreed *a,
			   __u64 now, unsigned char *to)
{
	size_t link = 0, ip_header = f->ipv6 ? 40 : 20, tcp_len, n_address;
	unsigned char *ip, *tcp, *end, pseudo[40 + 60] = { 0 };
	const unsigned char *syn_ip, *syn_tcp, *addresses;
	struct syncookie_flow flow;
	struct syncookie cookie;
	struct frame bare = *f;
	unsigned int check, window;

	if (!f->no_ethernet) {
		link = 14;
		for (int i = 0; i < 3 && f->tags[i].tpid; i++)
			link += 4;
		memcpy(to, in + 6, 6);
		memcpy(to + 6, in, 6);
		memcpy(to + 12, in + 12, link - 12);
	}
	syn_ip = in + link;
	/* Ports are where the TCP header of the same without options is. */
	bare.options = NULL;
	bare.data_len = bare.padding = 0;
	syn_tcp = in + frame_build(&bare, to + 256) - 20;
	addresses = syn_ip + (f->ipv6 ? 8 : 12);
	n_address = f->ipv6 ? 16 : 4;
	flow = flow_of(f, syn_tcp, addresses);
	cookie = cookie_of(a, f->ipv6, &flow, now);

	ip = to + link;
	tcp = ip + ip_header;
	memset(ip, 0, ip_header + 20);
	end = put_offers(tcp + 20, a, f->ipv6, cookie.tsval, &flow.path);
	tcp_len = (size_t)(end - tcp);
	if (f->ipv6) {
		ip[0] = 0x60;
		ip[5] = (unsigned char)tcp_len;
		ip[6] = 6;
		ip[7] = 64;
	} else {
		ip[0] = 0x45;
		ip[3] = (unsigned char)(20 + tcp_len);
		ip[6] = 0x40; /* don't fragment */
		ip[8] = 64;
		ip[9] = 6;
	}
	memcpy(ip + (f->ipv6 ? 8 : 12), addresses + n_address, n_address);
	memcpy(ip + (f->ipv6 ? 8 : 12) + n_address, addresses, n_address);
	if (!f->ipv6) {
		check = checksum(ip, 20, 0);
		ip[10] = (unsigned char)(check >> 8);
		ip[11] = (unsigned char)check;
	}
	memcpy(tcp, syn_tcp + 2, 2);
	memcpy(tcp + 2, syn_tcp, 2);
	put32(tcp + 4, cookie.isn);
	put32(tcp + 8, 0x10203041);
	tcp[12] = (unsigned char)(tcp_len / 4 << 4);
	tcp[13] = SYN | ACK | (a->ecn ? ECE : 0);
	/* What 64 KiB hold of whole segments that the ACK will say. */
	window = 65536 - 65536 % remembered_mss(a, f->ipv6);
	tcp[14] = (unsigned char)(window >> 8);
	tcp[15] = (unsigned char)window;
	memcpy(pseudo, ip + (f->ipv6 ? 8 : 12), 2 * n_address);
	memcpy(pseudo + 2 * n_address, tcp, tcp_len);
	check = checksum(pseudo, 2 * n_address + tcp_len,
			 6 + (unsigned int)tcp_len);
	tcp[16] = (unsigned char)(check >> 8);
	tcp[17] = (unsigned char)check;
	return (size_t)(end - to);
}

static void expect_answer(int judge, const struct frame *f, const char *what,
			  enum verdict verdict, const struct agreed *a,
			  __u64 now)
{
	static unsigned char expected[FRAME_MAX + 256];
	struct judgement judged;
	size_t len = frame_build(f, in), n, size, syn;

	assert_int_equal(judge_packet(judges[judge], in, (__u32)len, out,
				      &judged),
			 0);
	if (judged.verdict != verdict || judged.xdp_action != XDP_TX ||
	    judged.family != (f->ipv6 ? FAMILY_ipv6 : FAMILY_ipv4))
		fail_msg("%s: %s, XDP action %u", what,
			 judge_verdict_name(judged.verdict),
			 judged.xdp_action);
	n = build_answer(f, a, now, expected);
	/* No shorter than an Ethernet frame may be, or than the SYN was. */
	size = n;
	if (!f->no_ethernet && size < 60 && len > size)
		size = len < 60 ? len : 60;
	memset(expected + n, 0, size - n);
	if (judged.out_len != size)
		fail_msg("%s: %u bytes, not %zu", what, judged.out_len, size);
	for (size_t i = 0; i < size; i++)
		if (out[i] != expected[i])
			fail_msg("%s: byte %zu of %zu is %02x, not %02x", what,
				 i, size, out[i], expected[i]);
	/* A spoofed SYN is worth little more than itself. */
	syn = capture_ip_end(in, (__u32)len, f->no_ethernet);
	assert_true(n <= syn + (offers(a, "tfo") || offers(a, "exp") ? 12 : 0));
}

/* ---- every class, in every shape, with every set of options ---- */

static const struct class {
	const char *name;
	const char *options;
	size_t data_len;
	enum verdict verdict;
	const char *grants; /* a cookie of this kind */
	unsigned short port;
} classes[] = {
	{ "plain", "", 0, V_answer_plain, "" },
	{ "request", "tfo", 0, V_answer_request, "tfo" },
	{ "request with data", "tfo", 300, V_answer_request, "tfo" },
	{ "request, kind 254", "exp", 0, V_answer_request, "exp" },
	{ "forged", "tfo:other", 300, V_answer_forged, "tfo" },
	{ "forged without data", "tfo:other", 0, V_answer_forged, "tfo" },
	{ "forged, kind 254", "exp:other", 3, V_answer_forged, "exp" },
	{ "bad length", "tfo/4", 5, V_answer_forged, "tfo" },
	{ "bad length, kind 254", "exp/6", 5, V_answer_forged, "exp" },
	{ "odd length", "tfo/7", 9, V_answer_plain, "" },
	{ "data without cookie", "", 1400, V_answer_plain, "" },
	{ "signed by MD5", "raw:131200112233445566778899aabbccddeeff", 9,
	  V_answer_plain, "" },
	{ "mode off, valid cookie", "tfo:current", 9, V_answer_plain, "",
	  OFF_PORT },
	{ "mode off, request", "tfo", 0, V_answer_plain, "", OFF_PORT },
	{ "mode drop, plain", "", 0, V_answer_plain, "", DROP_PORT },
	{ "mode drop, request", "tfo", 0, V_answer_request, "tfo", DROP_PORT },
	{ "forged=drop, bad length", "tfo/4", 5, V_answer_forged, "tfo",
	  FORGED_DROP_PORT },
};

static const struct shape {
	const char *name;
	struct frame frame;
	int only; /* 4 or 6; 0: both */
	int judge;
} shapes[] = {
	{ "Ethernet", { 0 } },
	{ "padding", { .padding = 30 } },
	{ "VLAN", { .tags = { { 0x8100, 0xe064 } } } },
	{ "QinQ", { .tags = { { 0x88a8, 7 }, { 0x8100, 100 } } } },
	{ "bare IP", { .no_ethernet = true }, 0, BARE_IP },
	{ "IP options", { .ip_options = "0101010194040000" }, 4 },
	{ "extension headers", { .extensions = "hda" }, 6 },
	{ "marked for a queue", { .tos = 0xb8 } },
};

static const struct set {
	const char *options;
	struct agreed agreed;
} sets[] = {
	{ "", { "" } },
	{ "mss", { "mss", 1460 } },
	{ "mss sackok ts nop ws", { "mss sack ts ws", 1460, 7 } },
	{ "mss nop nop sackok", { "mss sack", 1460 } },
	{ "nop nop ts", { "ts" } },
	{ "mss nop nop ts", { "mss ts", 1460 } },
	{ "nop ws mss", { "mss ws", 1460, 7 } },
	{ "mss raw:03030f nop", { "mss ws", 1460, 14 } },
	{ "mss raw:030300 nop", { "mss ws", 1460, 0 } },
	{ "raw:02040064", { "mss", 0 } },
	{ "raw:02040064 nop nop ts", { "mss ts", 0 } },
	{ "raw:02040000", { "mss", 0 } },
	{ "raw:02042328", { "mss", 9000 } },
	{ "raw:02042328 nop nop ts", { "mss ts", 9000 } },
	{ "raw:020404b0", { "mss", 1200 } },
	{ "raw:020404b0 nop nop ts", { "mss ts", 1200 } },
	/* Of a size that is not theirs. */
	{ "raw:0203050304010101", { "" } },
	/* What stands behind the end is not read. */
	{ "mss eol eol nop nop", { "mss", 1460 } },
};

#define N(array) (sizeof(array) / sizeof(*(array)))

struct instance {
	const struct class *class;
	const struct shape *shape;
	bool ipv6;
	char name[96];
};

static void test_answer(void **state)
{
	const struct instance *instance = *state;
	const struct class *class = instance->class;
	struct frame f = instance->shape->frame;

	f.ipv6 = instance->ipv6;
	f.dport = class->port;
	f.data_len = class->data_len;
	for (size_t i = 0; i < N(sets); i++) {
		struct agreed a = sets[i].agreed;
		char options[128], grants[64];

		/* The end of the list would hide the rest. */
		if (strstr(sets[i].options, "eol") && *class->options)
			continue;
		snprintf(options, sizeof(options), "%s %s", sets[i].options,
			 class->options);
		snprintf(grants, sizeof(grants), "%s %s", a.offers,
			 class->grants);
		f.options = options;
		a.offers = grants;
		expect_answer(instance->shape->judge, &f, options,
			      class->verdict, &a, START);
	}
}

/* ---- single cases ---- */

static void test_forty_bytes_of_options(void **state)
{
	static const struct agreed plain = { "mss sack ts ws", 1460, 7 },
				   granted = { "mss sack ts ws tfo", 1460, 7 };
	struct frame f = {
		.options = "mss sackok ts nop ws"
			   " nop nop nop nop nop nop nop nop nop nop"
			   " nop nop nop nop nop nop nop nop nop nop"
	};

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		f.ipv6 = ipv6;
		expect_answer(PRESSED, &f, "40 bytes", V_answer_plain, &plain,
			      START);
	}
	f.options = "mss sackok ts nop ws nop nop nop nop nop nop nop nop nop "
		    "nop tfo:other";
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		f.ipv6 = ipv6;
		expect_answer(PRESSED, &f, "40 bytes", V_answer_forged,
			      &granted, START);
	}
}

static void test_ecn(void **state)
{
	static const struct {
		unsigned char flags, tos;
		bool granted;
	} rows[] = {
		{ SYN | ECE | CWR, 0, true },
		{ SYN | ECE | CWR, 0xb8, true }, /* DSCP is none of it */
		{ SYN | ECE | CWR, 1, false },
		{ SYN | ECE | CWR, 2, false },
		{ SYN | ECE | CWR, 3, false },
		{ SYN | ECE, 0, false },
		{ SYN | CWR, 0, false },
		{ SYN | PSH | URG, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < 4 * N(rows); i++) {
		const int ipv6 = i & 1, ts = i >> 1 & 1;
		struct frame f = { .ipv6 = ipv6, .flags = rows[i / 4].flags,
				   .tos = rows[i / 4].tos,
				   .options = ts ? "mss nop nop ts" : "mss" };
		struct agreed a = { ts ? "mss ts" : "mss", 1460,
				    .ecn = rows[i / 4].granted };

		expect_answer(PRESSED, &f, "ECN", V_answer_plain, &a, START);
	}
}

/* A valid cookie is let through as it came, in every shape. */
static void test_valid_passes(void **state)
{
	static const char *const cookies[] = {
		"mss tfo:current", "exp:current", "tfo:previous", "tfo:staged",
		"tfo:other tfo:current"
	};
	static const enum verdict verdicts[] = { V_valid_current,
						 V_valid_current,
						 V_valid_previous,
						 V_valid_staged,
						 V_valid_current };
	struct judgement judged;

	(void)state;
	for (size_t i = 0; i < 2 * N(shapes) * N(cookies); i++) {
		const struct shape *shape = &shapes[i / 2 % N(shapes)];
		struct frame f = shape->frame;

		f.ipv6 = i & 1;
		f.options = cookies[i / 2 / N(shapes)];
		f.data_len = 55;
		assert_int_equal(run(shape->judge, &f, &judged),
				 verdicts[i / 2 / N(shapes)]);
		assert_int_equal(judged.xdp_action, XDP_PASS);
		assert_memory_equal(in, out, judged.out_len);
	}
}

/* Further buffers are cut off: what goes back is as small as any answer. */
#define COOKIE "mss tfo:current nop nop"
#define NO_COOKIE "mss tfo nop nop nop nop nop nop nop nop nop nop"

static void test_data_beyond_first_buffer(void **state)
{
	static const struct agreed a = { "mss tfo", 1460 };
	struct frame f = { .options = "mss tfo:other", .data_len = 8900 };

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		f.ipv6 = ipv6;
		expect_answer(PRESSED, &f, "8,900 bytes", V_answer_forged, &a,
			      START);
	}
	/* Data that can't be cut go with their cookie: the kernel ignores them
	 * then. */
	f.options = COOKIE;
	f.dport = SMALL_PORT;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct judgement judged;
		struct frame bare = f;
		size_t len;

		f.ipv6 = bare.ipv6 = ipv6;
		assert_int_equal(run(CALM, &f, &judged), V_early_data);
		bare.options = NO_COOKIE;
		len = frame_build(&bare, in);
		assert_int_equal(judged.out_len, len);
		assert_memory_equal(in, out, len);
	}
}

/* Each epoch has a secret of its own. */
static void test_epochs(void **state)
{
	static const struct agreed a = { "mss", 1460 };
	struct frame f = { .options = "mss" };

	(void)state;
	for (__u64 now = START; now < START + 100 * SECOND; now += 7 * SECOND) {
		set_clock(now);
		expect_answer(PRESSED, &f, "epoch", V_answer_plain, &a, now);
	}
	set_clock(START);
}

/* What modes say counts more than pressure. */
static void test_modes_under_pressure(void **state)
{
	struct judgement judged;
	struct frame f = { .options = "mss tfo:other", .data_len = 9 };

	(void)state;
	f.dport = FORGED_DROP_PORT;
	expect_both(PRESSED, f, V_forged_drop);
	run(PRESSED, &f, &judged);
	assert_int_equal(judged.xdp_action, XDP_DROP);
	f.dport = DROP_PORT;
	expect_both(PRESSED, f, V_port_drop);
	f.options = "mss tfo:current";
	expect_both(PRESSED, f, V_port_drop);
	f.dport = PASS_PORT;
	expect_both(PRESSED, f, V_port_pass);
	run(PRESSED, &f, &judged);
	assert_memory_equal(in, out, judged.out_len);
	f.dport = FREE_PORT;
	expect_both(PRESSED, f, V_unguarded);
}

static void test_when_to_answer(void **state)
{
	struct frame f = { .dport = NEVER_PORT, .options = "mss" };

	(void)state;
	expect_both(PRESSED, f, V_plain_syn);
	f.options = "mss tfo:other";
	expect_both(PRESSED, f, V_forged);
	f.dport = ALWAYS_PORT;
	expect_both(CALM, f, V_answer_forged);
	f.options = "mss tfo:current";
	expect_both(CALM, f, V_valid_current);
	f.dport = 0;
	f.options = "mss";
	expect_both(CALM, f, V_plain_syn);
}

/* Counted as answered, and nothing is. */
static void test_observed(void **state)
{
	struct judgement judged;

	(void)state;
	for (size_t i = 0; i < 2 * N(classes); i++) {
		const struct class *class = &classes[i / 2];
		struct frame f = { .ipv6 = i & 1, .dport = class->port,
				   .options = class->options,
				   .data_len = class->data_len };
		size_t len = frame_build(&f, in);

		assert_int_equal(run(OBSERVE, &f, &judged), class->verdict);
		assert_int_equal(judged.action, ACTION_answer);
		assert_int_equal(judged.xdp_action, XDP_PASS);
		assert_int_equal(judged.out_len, len);
		assert_memory_equal(in, out, len);
	}
}

/* @f passes but for its data; its options become @options. */
static void expect_cut(int judge, struct frame f, enum verdict verdict,
		       const char *options)
{
	static unsigned char expected[FRAME_MAX];
	struct judgement judged;
	size_t len;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct frame bare;

		f.ipv6 = ipv6;
		assert_string_equal(
			judge_verdict_name(run(judge, &f, &judged)),
			judge_verdict_name(verdict));
		assert_int_equal(judged.xdp_action, XDP_PASS);
		bare = f;
		bare.options = options;
		bare.data_len = 0;
		len = frame_build(&bare, expected);
		assert_int_equal(capture_ip_end(out, judged.out_len, 0), len);
		assert_memory_equal(out, expected, len);
	}
}

#define MD5 "raw:131200112233445566778899aabbccddeeff"

static void test_early_data(void **state)
{
	static const struct {
		unsigned short port;
		const char *data;
		size_t len;
		bool taken;
	} rows[] = {
		{ TLS_PORT, "\x16\x03\x01\x02\xff\x01", 517, true },
		{ TLS_PORT, "\x16\x03\x01\x02\xff\x02", 517, false },
		{ TLS_PORT, "GET / HTTP/1.1\r\n\r\n", 18, false },
		{ TLS_PORT, "\x16\x03\x01", 3, false },
		{ HTTP_PORT, "GET / HTTP/1.1\r\n\r\n", 18, true },
		{ HTTP_PORT, "HEAD / HTTP/1.1\r\n\r\n", 19, true },
		{ HTTP_PORT, "POST / HTTP/1.1\r\n\r\n", 19, false },
		{ HTTP_PORT, "\x16\x03\x01\x02\xff\x01", 517, false },
		{ SMALL_PORT, "x", 10, true },
		{ SMALL_PORT, "x", 11, false },
	};

	(void)state;
	/* The cookie proves the address in calm and under pressure. */
	for (size_t i = 0; i < 2 * N(rows); i++) {
		int judge = i & 1 ? CALM : PRESSED;
		struct frame f = { .dport = rows[i / 2].port,
				   .options = COOKIE,
				   .data = rows[i / 2].data,
				   .data_len = rows[i / 2].len };

		if (rows[i / 2].taken)
			expect_both(judge, f, V_valid_current);
		else
			expect_cut(judge, f, V_early_data, COOKIE);
		/* To cut what is signed would break it. */
		f.options = MD5 " tfo:current";
		expect_both(judge, f,
			    rows[i / 2].taken ? V_valid_current :
						V_signed_syn);
		f.data_len = 0;
		expect_both(judge, f, V_valid_current);
	}
}

static void test_replay(void **state)
{
	struct frame f = { .dport = REPLAY_PORT, .options = COOKIE,
			   .data_len = 40 };

	(void)state;
	expect_both(CALM, f, V_valid_current);
	expect_cut(CALM, f, V_replay, NO_COOKIE);
	/* Another connection of the same client, data of the same bytes. */
	f.sport = 40001;
	expect_both(CALM, f, V_valid_current);
	f.sport = 0;
	/* To the end of the window of 10 s, which a replay does not move. */
	set_clock(START + 10 * SECOND - 1000000);
	expect_cut(CALM, f, V_replay, NO_COOKIE);
	set_clock(START + 10 * SECOND);
	expect_both(CALM, f, V_valid_current);
	expect_cut(CALM, f, V_replay, NO_COOKIE);
	/* Without data there is nothing to repeat. */
	f.data_len = 0;
	expect_both(CALM, f, V_valid_current);
	/* Under pressure it proves nothing any more. */
	f.data_len = 40;
	expect_both(PRESSED, f, V_valid_current);
	expect_both(PRESSED, f, V_answer_forged);
	/* To a port without the filter it may come as often as it likes. */
	f.dport = 0;
	expect_both(CALM, f, V_valid_current);
	expect_both(CALM, f, V_valid_current);
	set_clock(START);
}

/* The @n-th client's SYN; each has its own address, and with it a cookie. */
static enum verdict run_client(unsigned int n)
{
	struct judgement judged;
	char address[32];

	snprintf(address, sizeof(address), "198.%u.%u.%u", 18 + (n >> 16 & 1),
		 n >> 8 & 255, n & 255);
	return run(CALM,
		   &(struct frame){ .saddr = address,
				    .dport = REPLAY_PORT,
				    .options = COOKIE,
				    .data_len = 40 },
		   &judged);
}

/*
 * However full it is, no first SYN is taken for a repeated one; and next to none
 * that is repeated is missed while a window brings no more than half of what the
 * table holds.
 */
static void test_replay_of_many(void **state)
{
	static const struct {
		unsigned int clients;
		double caught;
	} rows[] = {
		{ 1 << 16, 0.995 },
		{ 1 << 17, 0.8 },
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		unsigned int n = rows[i].clients, caught = 0;

		for (unsigned int j = 0; j < n; j++) {
			if (j % (n / 64) == 0)
				set_clock(START + (100 + 20 * i) * SECOND +
					  9 * SECOND * j / n);
			assert_int_equal(run_client(j), V_valid_current);
		}
		for (unsigned int j = 0; j < n; j += 8)
			caught += 8 * (run_client(j) == V_replay);
		printf("# of %u within a window, %.2f %% were caught again\n",
		       n, 100.0 * caught / n);
		assert_true(caught >= rows[i].caught * n);
	}
	set_clock(START);
}

static void enlist(struct judge *judge, const char *address, __u32 bits,
		   enum list_entry entry)
{
	struct list_value value = { .entry = (__u8)entry };
	struct list_key4 key4 = { .bits = bits };
	struct list_key6 key6 = { .bits = bits };
	__u32 n = 1, family = strchr(address, ':') != NULL;

	if (family)
		assert_int_equal(inet_pton(AF_INET6, address, key6.address), 1);
	else
		assert_int_equal(inet_pton(AF_INET, address, &key4.address), 1);
	put_map(judge, family ? "list6" : "list4",
		family ? (void *)&key6 : (void *)&key4, &value);
	put_map(judge, "list_sizes", &family, &n);
}

static void test_block_list(void **state)
{
	static const char *const options[] = { "mss", "mss tfo", "tfo:other",
					       "tfo:current" };
	struct frame f = { .saddr = "198.51.100.7" };
	struct judgement judged;

	(void)state;
	for (int judge = 0; judge < JUDGES; judge += CALM) {
		enlist(judges[judge], "198.51.100.0", 24, LIST_BLOCK);
		enlist(judges[judge], "198.51.100.8", 32, LIST_ALLOW);
		enlist(judges[judge], "fd00:bad::", 32, LIST_BLOCK);
		for (int i = 0; i < 4; i++) {
			f = (struct frame){ .saddr = "198.51.100.7",
					    .options = options[i],
					    .data_len = 5 };
			expect(judge, &f, V_blocked);
			run(judge, &f, &judged);
			assert_int_equal(judged.xdp_action, XDP_DROP);
			f.ipv6 = true;
			f.saddr = "fd00:bad::1";
			expect(judge, &f, V_blocked);
			f.saddr = NULL;
			run(judge, &f, &judged);
			assert_int_not_equal(judged.verdict, V_blocked);
		}
		/* The longest match counts; next to the prefix is outside. */
		f = (struct frame){ .saddr = "198.51.100.8",
				    .options = "tfo:current" };
		expect(judge, &f, V_valid_current);
		f.saddr = "198.51.101.7";
		expect(judge, &f, V_valid_current);
		/* Other ports are not asked about. */
		f.saddr = "198.51.100.7";
		f.dport = FREE_PORT;
		expect(judge, &f, V_unguarded);
	}
}

/* A ceiling on answers to one prefix: off unless it is set, then exact, for
 * all but who is allowed. */
static void test_answer_ceiling(void **state)
{
	struct tuning t = TUNING_DEFAULT;
	struct frame f = { .options = "mss" };
	struct judgement judged;
	char from[32];
	int answered = 0;

	(void)state;
	assert_int_equal(t.prefix_answers, 0);
	for (int i = 0; i < 20000; i++)
		if (run(PRESSED, &f, &judged) != V_answer_plain)
			fail_msg("answer %d", i);
	t.prefix_answers = 50;
	put_first(judges[PRESSED], "tuning", &t);
	for (int i = 0; i < 200; i++) {
		snprintf(from, sizeof(from), "203.0.113.%d", i);
		f.saddr = from;
		run(PRESSED, &f, &judged);
		if (judged.verdict == V_answer_plain)
			answered++;
		else
			assert_int_equal(judged.verdict, V_answer_ceiling);
		assert_int_equal(judged.xdp_action,
				 i < 50 ? XDP_TX : XDP_DROP);
	}
	assert_int_equal(answered, 50);
	/* Another prefix has its own. */
	f.saddr = "203.0.114.1";
	expect(PRESSED, &f, V_answer_plain);
	/* One token is one 50th of a second. */
	f.saddr = "203.0.113.1";
	set_clock(START + SECOND / 50);
	expect(PRESSED, &f, V_answer_plain);
	expect(PRESSED, &f, V_answer_ceiling);
	enlist(judges[PRESSED], "203.0.113.9", 32, LIST_ALLOW);
	f.saddr = "203.0.113.9";
	expect(PRESSED, &f, V_answer_plain);
	/* IPv6 by /48. */
	f.ipv6 = true;
	for (int i = 0; i < 60; i++) {
		snprintf(from, sizeof(from), "fd00:7:7:%x00::1", i);
		f.saddr = from;
		expect(PRESSED, &f,
		       i < 50 ? V_answer_plain : V_answer_ceiling);
	}
	f.saddr = "fd00:7:8::1";
	expect(PRESSED, &f, V_answer_plain);
	t.prefix_answers = 0;
	put_first(judges[PRESSED], "tuning", &t);
	set_clock(START);
}

/* What the operator says of the MSS goes before what the MTU allows. */
static void test_mss_by_tuning(void **state)
{
	struct tuning t = TUNING_DEFAULT;
	struct frame f = { .options = "mss" };
	struct judgement judged;

	(void)state;
	t.mss = 1300;
	put_first(judges[PRESSED], "tuning", &t);
	run(PRESSED, &f, &judged);
	assert_memory_equal(out + 14 + 40, "\x02\x04\x05\x14", 4);
	assert_true(frame_checksums_right(&f, out));
	t.mss = 0;
	put_first(judges[PRESSED], "tuning", &t);
}

/* Ports whose ACKs may come are noted, for two epochs. */
static void test_answers_are_noted(void **state)
{
	struct frame f = { .dport = 6001, .options = "mss" };
	__u32 ports[] = { 6001, 0, 6002 };
	struct port_state seen[3];

	(void)state;
	expect(PRESSED, &f, V_answer_plain);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			bpf_map_lookup_elem(judge_map_fd(judges[PRESSED],
							 "port_states"),
					    &ports[i], &seen[i]),
			0);
	assert_int_equal(seen[0].answered_until, (START >> 30) + 64);
	assert_int_equal(seen[1].answered_until, (START >> 30) + 64);
	assert_int_equal(seen[2].answered_until, 0);
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
	ports[NEVER_PORT].answer = ANSWER_never;
	ports[ALWAYS_PORT].answer = ANSWER_always;
	ports[TLS_PORT].early = EARLY_tls;
	ports[HTTP_PORT].early = EARLY_http_safe;
	ports[SMALL_PORT].early_max = 10;
	ports[REPLAY_PORT].replay = 10;
	frame_ring(&ring);
	for (int i = 0; i < JUDGES; i++) {
		struct program_config config = {
			.settings = { .assume_listener = 1,
				      .assume_pressure = i != CALM,
				      .frozen_clock = 1,
				      .no_ethernet = i == BARE_IP,
				      .observe = i == OBSERVE },
			.ports = ports,
		};

		if (judge_open(&judges[i], &config, &ring, &f)) {
			fprintf(stderr, "# %s; %s\n", f.why, f.advice);
			return -1;
		}
		put_first(judges[i], "master", &master);
	}
	set_clock(START);
	return 0;
}

static int close_judges(void **state)
{
	(void)state;
	for (int i = 0; i < JUDGES; i++)
		judge_close(judges[i]);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest singles[] = {
		cmocka_unit_test(test_forty_bytes_of_options),
		cmocka_unit_test(test_ecn),
		cmocka_unit_test(test_valid_passes),
		cmocka_unit_test(test_data_beyond_first_buffer),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_modes_under_pressure),
		cmocka_unit_test(test_when_to_answer),
		cmocka_unit_test(test_observed),
		cmocka_unit_test(test_early_data),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_replay_of_many),
		cmocka_unit_test(test_block_list),
		cmocka_unit_test(test_answer_ceiling),
		cmocka_unit_test(test_mss_by_tuning),
		cmocka_unit_test(test_answers_are_noted),
	};
	static struct instance instances[2 * N(classes) * N(shapes)];
	static struct CMUnitTest tests[N(instances) + N(singles)];
	size_t n = 0;

	for (size_t i = 0; i < N(instances); i++) {
		struct instance *instance = &instances[n];
		const struct shape *shape = &shapes[i / 2 % N(shapes)];

		if (shape->only && shape->only != (i % 2 ? 6 : 4))
			continue;
		instance->class = &classes[i / 2 / N(shapes)];
		instance->shape = shape;
		instance->ipv6 = i % 2;
		snprintf(instance->name, sizeof(instance->name),
			 "%s, %s (%s)", instance->class->name, shape->name,
			 i % 2 ? "IPv6" : "IPv4");
		tests[n++] = (struct CMUnitTest){
			.name = instance->name,
			.test_func = test_answer,
			.initial_state = instance,
		};
	}
	memcpy(&tests[n], singles, sizeof(singles));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("answer", tests, n + N(singles),
				       open_judges, close_judges);
}
