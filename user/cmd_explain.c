// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "judge.h"
#include "kernel.h"
#include "keytext.h"
#include "locals.h"
#include "output.h"
#include "ports.h"

#define OPT_PORT 0x101
#define OPT_LIVE 0x102
#define LOOPBACK_IFINDEX 1 /* in every network namespace */

struct arguments {
	struct output output;
	const char *file;
	struct siphash_key keys[KEYTEXT_KEYS_MAX];
	int n_keys;
	bool live;
	struct port_policy ports[PORT_COUNT];
	bool some_ports;
};

static const struct argp_option options[] = {
	{ "key", 'k', "KEY[,KEY]", 0,
	  "Current and previous key, in the form of net.ipv4.tcp_fastopen_key; "
	  "test keys, for they show in the list of processes",
	  1 },
	{ "live", OPT_LIVE, 0, 0,
	  "Ask this namespace's routing table and listeners, and without --key "
	  "use the kernel's keys",
	  1 },
	{ "port", OPT_PORT, "N[,mode=MODE][,forged=WHAT]", 0,
	  "As of attach: guard this port, and no other that is not named", 1 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	char why[128];

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case 'k':
		a->n_keys = keytext_parse(arg, a->keys);
		if (a->n_keys < 0)
			argp_error(state, "the key is not of the form "
					  "00112233-44556677-8899aabb-ccddeeff");
		return 0;
	case OPT_LIVE:
		a->live = true;
		return 0;
	case OPT_PORT:
		if (!a->some_ports)
			memset(a->ports, 0, sizeof(a->ports));
		a->some_ports = true;
		if (ports_parse(arg, a->ports, why, sizeof(why)))
			argp_error(state, "--port %s: %s", arg, why);
		return 0;
	case ARGP_KEY_ARG:
		if (a->file)
			argp_error(state, "one capture at a time");
		a->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->file)
			argp_error(state, "which capture?");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "FILE.pcap",
	.doc = "Run each packet of a capture (Ethernet or raw IP) through the "
	       "guard's own program, and print its verdict and what would leave. "
	       "Without --live nothing is looked up: packets are judged as for a "
	       "local listener with Fast Open on and the given keys.",
	.children = children,
};

static void set_ring(const struct arguments *a, struct keyring *ring)
{
	static const enum key_slot slots[] = { KEY_current, KEY_previous };

	memset(ring, 0, sizeof(*ring));
	for (int i = 0; i < a->n_keys; i++) {
		ring->slot[slots[i]].secret = a->keys[i];
		ring->slot[slots[i]].origin = KEY_ORIGIN_given;
	}
	if (a->live && !a->n_keys)
		kernel_keyring(ring);
}

/* 1 for bare IP, 0 for Ethernet, -1 for what the program can't be given. */
static int is_bare_ip(int link_type)
{
	switch (link_type) {
	case DLT_EN10MB:
		return 0;
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		return 1;
	}
	return -1;
}

static int open_capture(const struct arguments *a, pcap_t **capture,
			int *bare_ip, struct fault *f)
{
	char why[PCAP_ERRBUF_SIZE];

	*capture = pcap_open_offline(a->file, why);
	if (!*capture)
		return fault_fail(f, EXIT_FAILED, EINVAL, "%s", why);
	*bare_ip = is_bare_ip(pcap_datalink(*capture));
	if (*bare_ip >= 0)
		return 0;
	fault_advise(f, "capture on one interface (tcpdump -i eth0), not on any");
	return fault_fail(f, EXIT_FAILED, EOPNOTSUPP,
			  "its packets are of link type %s, not Ethernet or raw "
			  "IP",
			  pcap_datalink_val_to_name(pcap_datalink(*capture)) ?:
				  "unknown");
}

/* A device of this namespace; with --live, its addresses. */
static int read_tables(const struct arguments *a, struct tables *tables)
{
	struct link_row here = { .link.ifindex = LOOPBACK_IFINDEX };

	return tables_add_row(tables, &here) ?:
	       (a->live ? locals_read(tables) : 0);
}

static int start_judge(const struct arguments *a, int bare_ip,
		       struct judge **judge, struct fault *f)
{
	struct program_config config = {
		.settings = {
			.no_ethernet = (__u8)bare_ip,
			.assume_listener = !a->live,
			.any_mac = 1,
		},
		.ports = a->ports,
	};
	struct keyring ring;
	int err = read_tables(a, &config.tables);

	if (err) {
		fault_fail(f, EXIT_FAILED, err,
			   "this namespace's addresses can't be read: %s",
			   strerror(-err));
	} else {
		set_ring(a, &ring);
		err = judge_open(judge, &config, &ring, f);
		explicit_bzero(&ring, sizeof(ring));
	}
	tables_free(&config.tables);
	return err;
}

static void print_json(const struct arguments *a, unsigned long n, __u32 in,
		       const struct judgement *judged, const __u8 *out,
		       __u32 out_len)
{
	json_t *row = json_pack("{s:I,s:s,s:s,s:i}", "packet", (json_int_t)n,
				"verdict", judge_verdict_name(judged->verdict),
				"action", judge_action_name(judged->action),
				"in", (int)in);
	char hex[2 * JUDGE_FRAME_MAX + 1];

	if (judged->action != ACTION_drop) {
		sodium_bin2hex(hex, sizeof(hex), out, out_len);
		json_object_set_new(row, "out", json_string(hex));
	}
	output_json(&a->output, row);
}

static void print_text(unsigned long n, __u32 in,
		       const struct judgement *judged, __u32 out_len)
{
	printf("%6lu  %-20s %-6s %5u bytes in", n,
	       judge_verdict_name(judged->verdict),
	       judge_action_name(judged->action), in);
	if (judged->action == ACTION_drop)
		puts(", none out");
	else
		printf(", %u out\n", out_len);
}

static int explain_packet(const struct arguments *a, struct judge *judge,
			  int bare_ip, unsigned long n, const __u8 *frame,
			  __u32 len, struct fault *f)
{
	static __u8 out[JUDGE_FRAME_MAX];
	struct judgement judged;
	__u32 out_len;
	int err = judge_packet(judge, frame, len, out, &judged);

	if (err == -EMSGSIZE)
		return fault_fail(f, EXIT_FAILED, err,
				  "packet %lu is longer than %d bytes", n,
				  JUDGE_FRAME_MAX);
	if (err)
		return fault_fail(f, EXIT_FAILED, err,
				  "the kernel did not run packet %lu: %s", n,
				  strerror(-err));
	out_len = judge_ip_end(out, judged.out_len, bare_ip);
	if (a->output.json)
		print_json(a, n, len, &judged, out, out_len);
	else
		print_text(n, len, &judged, out_len);
	return 0;
}

static int explain(const struct arguments *a, pcap_t *capture, int bare_ip,
		   struct fault *f)
{
	struct pcap_pkthdr *header;
	struct judge *judge = NULL;
	const __u8 *frame;
	unsigned long n = 0;
	int err, got;

	err = start_judge(a, bare_ip, &judge, f);
	while (!err && (got = pcap_next_ex(capture, &header, &frame)) == 1)
		err = explain_packet(a, judge, bare_ip, ++n, frame,
				     header->caplen, f);
	if (!err && got != PCAP_ERROR_BREAK)
		err = fault_fail(f, n ? EXIT_PARTLY : EXIT_FAILED, EINVAL,
				 "after %lu packets: %s", n,
				 pcap_geterr(capture));
	judge_close(judge);
	return err;
}

int cmd_explain(int argc, char **argv)
{
	static struct arguments a;
	struct fault f = { 0 };
	pcap_t *capture = NULL;
	int err, bare_ip = 0;

	ports_guard_all(a.ports);
	output_parse(&argp, argc, argv, &a);
	fault_tried(&f, "explain %s", a.file);
	program_catch_complaints();
	err = open_capture(&a, &capture, &bare_ip, &f) ?:
	      explain(&a, capture, bare_ip, &f);
	if (capture)
		pcap_close(capture);
	output_flush();
	return err ? output_fault(&a.output, &f) : EXIT_DONE;
}
