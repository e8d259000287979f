// SPDX-License-Identifier: GPL-2.0
/*
 * The same bytes through the pure headers on the host and through the program
 * in the kernel: the same verdict, and the bytes that the verdict promises.
 *   differential [--seconds N] [--seed N]
 * Begins with the packets of the table, and changes them at random. A run with
 * the same seed meets the same packets. Needs root.
 */
#include <getopt.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "judge.h"
#include "packets.h"
#include "pipeline.h"

/* What BPF_PROG_TEST_RUN takes, and what it keeps in one buffer. */
#define LEN_MIN 14
#define LEN_MAX 2048

/* Refuses all data of SYNs but some. */
enum { TLS_PORT = 500, HTTP_PORT, SHORT_PORT };

static const __u16 some_ports[] = { 443,       FORGED_DROP_PORT, OFF_PORT,
				    DROP_PORT, PASS_PORT,	 FREE_PORT,
				    TLS_PORT,  HTTP_PORT,	 SHORT_PORT };

static struct judge *judges[JUDGES];
static struct port_policy ports[PORT_COUNT];
static struct keyring ring;

struct bytes_of_frame {
	unsigned char at[LEN_MAX];
	size_t len;
};

static struct bytes_of_frame base[2 * N_ROWS];
static size_t n_base;
static __u64 state; /* of the random numbers */

/* SplitMix64. */
static __u64 random64(void)
{
	__u64 z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static size_t below(size_t n)
{
	return n ? random64() % n : 0;
}

/* ---- packets -------------------------------------------------------------- */

static void put16(unsigned char *at, __u16 value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* On the heap, exactly as long as it is. */
static enum verdict on_host(const struct bytes_of_frame *f, bool bare_ip,
			    struct packet *p, struct syn *s)
{
	size_t before = bare_ip ? 0 : 2;
	unsigned char *copy = malloc(before + f->len);
	struct bytes bytes = { .data = copy + before,
			       .end = copy + before + f->len };
	enum verdict v;

	if (!copy)
		abort();
	memcpy(copy + before, f->at, f->len);
	*p = (struct packet){ .len = (__u32)f->len };
	v = whole_pipeline(&bytes, bare_ip, ports, &ring, p, s);
	free(copy);
	return v;
}

/* Where the TCP header is, or would be in a usual frame. */
static size_t tcp_at(const struct bytes_of_frame *f, bool bare_ip)
{
	struct packet p;
	struct syn s;

	on_host(f, bare_ip, &p, &s);
	return p.l4 ?: 34;
}

/* Bytes that look like options more often than random ones do. */
static void write_options(unsigned char *at, size_t len)
{
	static const unsigned char kinds[] = { 0,  1,  1,  2,  3,   4,	 8,
					       19, 29, 34, 34, 253, 254, 254 };

	for (size_t i = 0; i < len; i++)
		at[i] = (unsigned char)random64();
	for (size_t i = 0; i + 4 < len;) {
		size_t size = below(14);

		at[i] = kinds[below(sizeof(kinds))];
		at[i + 1] = (unsigned char)size;
		if (at[i] == 254 && below(4))
			put16(at + i + 2, TFO_EXP_MAGIC);
		i += at[i] == 1 ? 1 : size ?: 1;
	}
}

/* A cookie that is right for the addresses, where there is room for one. */
static void write_cookie(struct bytes_of_frame *f, bool bare_ip)
{
	struct packet p;
	struct syn s;
	__u64 cookie;

	on_host(f, bare_ip, &p, &s);
	if (s.class != SYN_COOKIE)
		return;
	cookie = tfo_cookie(&frame_keys[below(4)], &s.path,
			    s.family == FAMILY_ipv4 ? TFO_PATH_WORDS_IPV4 :
						      TFO_PATH_WORDS_IPV6);
	cookie = le64(cookie);
	memcpy(f->at + s.l4 + TCP_HEADER + s.tfo_at + s.tfo_header, &cookie, 8);
}

static void write_data(struct bytes_of_frame *f, size_t tcp)
{
	static const char *const begins[] = { "GET / HTTP", "HEAD / HT",
					      "OPTIONS *", "POST / HT",
					      "\x16\x03\x01\x02\x03\x01" };
	const char *text = begins[below(5)];
	size_t at = tcp + (f->at[tcp + 12] >> 4) * 4, n = strlen(text);

	if (at + n <= f->len)
		memcpy(f->at + at, text, n);
}

static void change(struct bytes_of_frame *f, bool bare_ip)
{
	size_t tcp = tcp_at(f, bare_ip), at = below(f->len), n;
	const struct bytes_of_frame *other;

	/* Headers more often than data. */
	if (at > tcp + TCP_HEADER_MAX && below(4))
		at = below(tcp + TCP_HEADER_MAX);
	if (at >= f->len)
		at = f->len - 1;
	switch (below(12)) {
	case 0:
		f->at[at] ^= (unsigned char)(1 << below(8));
		break;
	case 1:
		f->at[at] = (unsigned char)random64();
		break;
	case 2: /* small, or nearly zero: lengths, kinds, flags */
		f->at[at] = (unsigned char)(below(2) ? below(70) : -below(4));
		break;
	case 3:
		f->len = LEN_MIN + below(f->len - LEN_MIN + 1);
		break;
	case 4:
		n = below(below(4) ? 64 : LEN_MAX - f->len + 1);
		if (f->len + n > LEN_MAX)
			break;
		for (; n; n--)
			f->at[f->len++] = (unsigned char)random64();
		break;
	case 5:
		other = &base[below(n_base)];
		n = below(other->len);
		if (at + n <= LEN_MAX && n <= f->len - at)
			memcpy(f->at + at, other->at, n);
		break;
	case 6:
		if (tcp + 4 <= f->len)
			put16(f->at + tcp + 2,
			      some_ports[below(sizeof(some_ports) / 2)]);
		break;
	case 7:
	case 8: /* other options, as long as they may be */
		if (tcp + TCP_HEADER_MAX > f->len)
			break;
		f->at[tcp + 12] = (unsigned char)((5 + below(11)) << 4);
		write_options(f->at + tcp + TCP_HEADER,
			      (f->at[tcp + 12] >> 4) * 4 - TCP_HEADER);
		break;
	case 9:
		write_cookie(f, bare_ip);
		break;
	case 10:
		if (tcp + TCP_HEADER <= f->len)
			write_data(f, tcp);
		break;
	case 11: /* the header's length, and opening SYNs */
		if (tcp + TCP_HEADER > f->len)
			break;
		f->at[tcp + 12] = (unsigned char)(below(16) << 4);
		f->at[tcp + 13] = TCP_SYN | (below(2) ? 0 : 0xc8);
		break;
	}
}

/* ---- what the verdict promises -------------------------------------------- */

/* Sums of 16-bit words in network order, in which 0 and 0xffff are the same. */
static __u32 sum16(const unsigned char *at, size_t n)
{
	__u32 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? at[i] : (__u32)at[i] << 8;
	return sum % 0xffff;
}

/* Of a header and what follows it, with its checksum as it stands. */
static __u32 tcp_sum(const unsigned char *frame, const struct syn *s, __u32 len)
{
	return (sum16(frame + s->l4, len) + len) % 0xffff;
}

static void expect_stripped(struct bytes_of_frame *f, const struct syn *s,
			    enum verdict v)
{
	unsigned char *ip = f->at + s->l3, *tcp = f->at + s->l4;
	unsigned char *options = tcp + TCP_HEADER;
	bool asks = v != V_port_off && v != V_data_without_cookie;

	for (__u32 i = 0; v != V_early_data && i < OPTIONS_MAX; i++) {
		if (!(s->tfo_bytes >> i & 1) ||
		    (asks && i >= s->tfo_at && i < s->tfo_at + s->tfo_header))
			continue;
		options[i] = OPTION_NOP;
	}
	if (v != V_early_data && asks)
		options[s->tfo_at + 1] = (unsigned char)s->tfo_header;
	if (!s->data_len)
		return;
	if (s->family == FAMILY_ipv4)
		put16(ip + 2, (__u16)(s->l4 - s->l3 + s->header_len));
	else
		put16(ip + 4, (__u16)(s->l4 - s->l3 + s->header_len -
				      sizeof(struct ipv6hdr)));
}

/* As right or as wrong as it was, over what is left. */
static bool checksums_kept(const struct bytes_of_frame *in,
			   const unsigned char *out, const struct syn *s)
{
	__u32 was = s->header_len + s->data_len;
	size_t header = s->l4 - s->l3;

	if (s->family == FAMILY_ipv4 &&
	    sum16(in->at + s->l3, header) != sum16(out + s->l3, header))
		return false;
	return tcp_sum(in->at, s, was) == tcp_sum(out, s, s->header_len);
}

static const char *bytes_fault(const struct bytes_of_frame *in,
			       const unsigned char *out,
			       const struct judgement *judged,
			       const struct syn *s, enum verdict v, bool observe)
{
	struct bytes_of_frame expected = *in;

	if (judged->out_len != in->len)
		return "another length came out";
	if (verdict_action(v) == ACTION_strip && !observe) {
		if (!checksums_kept(in, out, s))
			return "a checksum was not kept";
		expect_stripped(&expected, s, v);
		memcpy(expected.at + s->l4 + TCP_CHECK_AT,
		       out + s->l4 + TCP_CHECK_AT, 2);
		if (s->family == FAMILY_ipv4)
			memcpy(expected.at + s->l3 + 10, out + s->l3 + 10, 2);
	}
	return memcmp(expected.at, out, in->len) ? "other bytes came out" : NULL;
}

/* ---- both, side by side --------------------------------------------------- */

static void show(const struct bytes_of_frame *f, const unsigned char *out)
{
	printf("in  ");
	for (size_t i = 0; i < f->len; i++)
		printf("%02x", f->at[i]);
	printf("\nout ");
	for (size_t i = 0; i < f->len; i++)
		printf("%02x", out[i]);
	puts("");
}

static bool same(const struct bytes_of_frame *f, int which,
		 unsigned long seen[VERDICT_COUNT])
{
	static unsigned char out[JUDGE_FRAME_MAX];
	const char *fault = NULL;
	struct judgement judged;
	struct packet p;
	enum verdict v;
	struct syn s;
	int err;

	v = on_host(f, which == BARE_IP, &p, &s);
	err = judge_packet(judges[which], f->at, (__u32)f->len, out, &judged);
	if (err)
		fault = strerror(-err);
	else if (judged.verdict != v || judged.family != p.family)
		fault = "another verdict or family";
	else if (judged.xdp_action !=
		 (verdict_action(v) == ACTION_drop && which != OBSERVE ?
			  XDP_DROP :
			  XDP_PASS))
		fault = "another action";
	else
		fault = bytes_fault(f, out, &judged, &s, v, which == OBSERVE);
	seen[v]++;
	if (!fault)
		return true;
	printf("program %d: %s: host %s, program %s\n", which, fault,
	       judge_verdict_name(v), judge_verdict_name(judged.verdict));
	show(f, out);
	return false;
}

static void build_base(void)
{
	static unsigned char bytes[FRAME_MAX];

	for (size_t i = 0; i < 2 * N_ROWS; i++) {
		size_t len = row_build(&rows[i / 2], i % 2, bytes);

		if (!len || len > LEN_MAX)
			continue;
		base[n_base].len = len;
		memcpy(base[n_base++].at, bytes, len);
	}
}

static bool open_judges(void)
{
	struct fault f = { 0 };

	for (int i = 0; i < JUDGES; i++) {
		struct program_config config = {
			.settings = { .assume_listener = 1,
				      .no_ethernet = i == BARE_IP,
				      .observe = i == OBSERVE },
			.ports = ports,
		};

		if (judge_open(&judges[i], &config, &ring, &f)) {
			fprintf(stderr, "%s; %s\n", f.why, f.advice);
			return false;
		}
	}
	return true;
}

static bool one_round(unsigned long seen[VERDICT_COUNT])
{
	struct bytes_of_frame f = base[below(n_base)];
	int which = below(4) ? ETHERNET : BARE_IP + (int)below(2);

	if (which == BARE_IP && f.len > LEN_MIN + 20) {
		f.len -= LEN_MIN;
		memmove(f.at, f.at + LEN_MIN, f.len);
	}
	for (size_t changes = below(6); changes; changes--)
		change(&f, which == BARE_IP);
	return same(&f, which, seen);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'r' },
		{ 0 }
	};
	unsigned long seen[VERDICT_COUNT] = { 0 }, n = 0, kinds = 0;
	long seconds = 15;
	bool ok = true;
	__u64 seed;
	time_t end;
	int option;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seconds = strtol(optarg, NULL, 10);
		else if (option == 'r')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	state = seed;
	row_ports(ports);
	ports[TLS_PORT].early = EARLY_tls;
	ports[HTTP_PORT].early = EARLY_http_safe;
	ports[SHORT_PORT].early_max = 8;
	frame_ring(&ring);
	build_base();
	if (!open_judges())
		return 1;
	printf("seed 0x%016llx\n", seed);
	end = time(NULL) + seconds;
	while (ok && (n % 1024 || time(NULL) < end)) {
		ok = one_round(seen);
		n++;
	}
	for (int v = 0; v < VERDICT_COUNT; v++)
		kinds += seen[v] > 0;
	printf("%lu packets, %lu verdicts, %s, seed 0x%016llx\n", n, kinds,
	       ok ? "the same on both sides" : "and then a difference", seed);
	for (int i = 0; i < JUDGES; i++)
		judge_close(judges[i]);
	return !ok;
}
