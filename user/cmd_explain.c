// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "cmd.h"
#include "configuration.h"
#include "judge.h"
#include "kernel.h"
#include "keytext.h"
#include "locals.h"
#include "output.h"
#include "ports.h"

#define OPT_PORT 0x101
#define OPT_LIVE 0x102
#define OPT_PRESSURE 0x103
#define LOOPBACK_IFINDEX 1 /* in every network namespace */

struct arguments {
	struct output output;
	const char *file;
	struct siphash_key keys[KEYTEXT_KEYS_MAX];
	int n_keys;
	bool live;
	bool pressure;
	const char *config_file;
	struct config config;
	struct port_policy ports[PORT_COUNT];
	char **port; /* texts of --port */
	size_t n_ports;
};

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Ports and limits from this file", 1 },
	{ "key", 'k', "KEY[,KEY]", 0,
	  "Current and previous key, in the form of net.ipv4.tcp_fastopen_key; "
	  "test keys, for they show in the list of processes",
	  1 },
	{ "live", OPT_LIVE, 0, 0,
	  "Ask this namespace's routing table and listeners, and without --key "
	  "use the kernel's keys",
	  1 },
	{ "pressure", OPT_PRESSURE, 0, 0,
	  "Judge as for a listener whose SYN queue is above its upper mark", 1 },
	{ "port", OPT_PORT, "N[,NAME=VALUE]...", 0,
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
	case OPT_PRESSURE:
		a->pressure = true;
		return 0;
	case OPT_PORT:
		if (ports_parse(arg, a->ports, why, sizeof(why)))
			argp_error(state, "--port %s: %s", arg, why);
		a->port[a->n_ports++] = arg;
		return 0;
	case 'c':
		a->config_file = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->file)
			argp_error(state, "one capture at a time");
		a->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->file)
			argp_error(state, "which capture?");
		if (a->live && a->pressure)
			argp_error(state, "--live asks the listeners whether "
					  "there is pressure; --pressure says "
					  "so");
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
	const struct keyring none = { 0 };
	struct kernel_pair kernel;

	memset(ring, 0, sizeof(*ring));
	for (int i = 0; i < a->n_keys; i++) {
		ring->slot[slots[i]].secret = a->keys[i];
		ring->slot[slots[i]].origin = KEY_ORIGIN_given;
	}
	if (a->live && !a->n_keys && !kernel_keys(&kernel))
		ring_follow(&none, &kernel, 0, ring);
}

/* A device of this namespace; with --live, its addresses. */
static int read_tables(const struct arguments *a, struct tables *tables)
{
	struct link_row here = { .link.ifindex = LOOPBACK_IFINDEX };

	return tables_add_row(tables, &here) ?:
	       (a->live ? locals_read(tables) : 0);
}

static int start_judge(const struct arguments *a, bool bare_ip,
		       struct judge **judge, struct fault *f)
{
	struct program_config config = {
		.settings = {
			.no_ethernet = bare_ip,
			.assume_listener = !a->live,
			.assume_pressure = a->pressure,
			.can_answer = 1,
			.frozen_clock = 1,
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
		if (!err && judge_set_tuning(*judge, &a->config.tuning))
			err = fault_fail(f, EXIT_FAILED, EIO,
					 "no map for the limits");
		explicit_bzero(&ring, sizeof(ring));
	}
	tables_free(&config.tables);
	return err;
}

/* One packet of the capture, and what became of it. */
struct explained {
	struct captured packet;
	bool too_long; /* not judged */
	struct judgement judged;
	const __u8 *out;
	__u32 out_len;
};

static bool is_cut(const struct explained *e)
{
	return e->packet.len < e->packet.whole_len;
}

static void print_json(const struct arguments *a, const struct explained *e)
{
	static char hex[2 * JUDGE_FRAME_MAX + 1];
	json_t *row = json_pack("{s:I,s:i}", "packet", (json_int_t)e->packet.number,
				"in", (int)e->packet.len);

	if (is_cut(e))
		json_object_set_new(row, "cut_from",
				    json_integer(e->packet.whole_len));
	if (e->too_long) {
		json_object_set_new(row, "too_long", json_true());
		output_json(&a->output, row);
		return;
	}
	json_object_set_new(row, "verdict",
			    json_string(judge_verdict_name(e->judged.verdict)));
	json_object_set_new(row, "action",
			    json_string(judge_action_name(e->judged.action)));
	if (e->judged.action != ACTION_drop) {
		sodium_bin2hex(hex, sizeof(hex), e->out, e->out_len);
		json_object_set_new(row, "out", json_string(hex));
	}
	output_json(&a->output, row);
}

static void print_text(const struct explained *e)
{
	printf("%6lu  %-20s %-6s %5u bytes in", e->packet.number,
	       e->too_long ? "not judged" :
			     judge_verdict_name(e->judged.verdict),
	       e->too_long ? "" : judge_action_name(e->judged.action),
	       e->packet.len);
	if (is_cut(e))
		printf(" (cut from %u)", e->packet.whole_len);
	if (e->too_long)
		puts(", too long for the kernel to try");
	else if (e->judged.action == ACTION_drop)
		puts(", none out");
	else
		printf(", %u out\n", e->out_len);
}

static int explain_packet(const struct arguments *a, struct judge *judge,
			  bool bare_ip, struct explained *e, struct fault *f)
{
	static __u8 out[JUDGE_FRAME_MAX];
	/* The capture's own time: what repeats within a window, repeats. */
	int err = judge_set_time(judge, e->packet.time) ?:
		  judge_packet(judge, e->packet.frame, e->packet.len, out,
			       &e->judged);

	e->too_long = err == -EMSGSIZE;
	if (err && !e->too_long)
		return fault_fail(f, EXIT_FAILED, err,
				  "the kernel did not run packet %lu: %s",
				  e->packet.number, strerror(-err));
	e->out = out;
	e->out_len = capture_ip_end(out, e->judged.out_len, bare_ip);
	if (a->output.json)
		print_json(a, e);
	else
		print_text(e);
	return 0;
}

/* What a user must not take for the whole truth. */
static int tell_partly(const struct arguments *a, unsigned long too_long,
		       unsigned long cut, struct fault *f)
{
	fault_tried(f, "explain all of %s", a->file);
	if (cut)
		fault_advise(f, "capture whole frames (tcpdump -s 0)");
	if (too_long && cut)
		return fault_fail(f, EXIT_PARTLY, EMSGSIZE,
				  "packets too long for the kernel to try: %lu; "
				  "cut by the capture, and judged as if they had "
				  "come so: %lu",
				  too_long, cut);
	if (too_long)
		return fault_fail(f, EXIT_PARTLY, EMSGSIZE,
				  "packets too long for the kernel to try: %lu",
				  too_long);
	return fault_fail(f, EXIT_PARTLY, EMSGSIZE,
			  "packets cut by the capture, and judged as if they "
			  "had come so: %lu",
			  cut);
}

static int explain(const struct arguments *a, struct capture *capture,
		   struct fault *f)
{
	bool bare_ip = capture_is_bare_ip(capture);
	unsigned long too_long = 0, cut = 0;
	struct explained e = { 0 };
	struct judge *judge = NULL;
	int err, got = 0;

	err = start_judge(a, bare_ip, &judge, f);
	while (!err && (got = capture_next(capture, &e.packet, f)) == 1) {
		err = explain_packet(a, judge, bare_ip, &e, f);
		too_long += e.too_long;
		cut += is_cut(&e);
	}
	if (!err && got < 0)
		err = got;
	else if (!err && (too_long || cut))
		err = tell_partly(a, too_long, cut, f);
	judge_close(judge);
	return err;
}

/* What the configuration says of the ports, and --port on top of it: guarded is
 * every port unless either names some. */
static int read_settings(struct arguments *a, struct fault *f)
{
	char why[128];
	int err;

	err = a->config_file ? config_read(a->config_file, &a->config, f) :
			       config_defaults(&a->config);
	if (err)
		return f->exit ? err :
				 fault_fail(f, EXIT_FAILED, err, "%s",
					    strerror(-err));
	memset(a->ports, 0, sizeof(a->ports));
	if (a->config_file || !a->n_ports)
		config_ports(&a->config, a->ports);
	for (size_t i = 0; i < a->n_ports; i++)
		ports_parse(a->port[i], a->ports, why, sizeof(why));
	return 0;
}

int cmd_explain(int argc, char **argv)
{
	static struct arguments a;
	struct fault f = { 0 };
	struct capture *capture = NULL;
	int err;

	a.port = calloc((size_t)argc, sizeof(*a.port));
	if (!a.port)
		return EXIT_FAILED;
	output_parse(&argp, argc, argv, &a);
	fault_tried(&f, "explain %s", a.file);
	program_catch_complaints();
	err = read_settings(&a, &f) ?:
	      capture_open(&capture, a.file, &f) ?:
	      explain(&a, capture, &f);
	capture_close(capture);
	config_free(&a.config);
	free(a.port);
	output_flush();
	return err ? output_fault(&a.output, &f) : EXIT_DONE;
}
