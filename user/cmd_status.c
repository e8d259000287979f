// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chain.h"
#include "cmd.h"
#include "guard.h"
#include "keytext.h"
#include "output.h"
#include "pressure.h"

struct arguments {
	struct output output;
	const char *ifname;
	bool unknown; /* of a guard it can't be told whether it is attached */
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case ARGP_KEY_ARG:
		if (a->ifname)
			argp_error(state, "one interface at a time");
		a->ifname = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &output_argp, 0, 0, 0 },
					      { 0 } };
static const struct argp argp = {
	.parser = parse_option,
	.args_doc = "[IFACE]",
	.doc = "Print what is attached to an interface, or to all of this network "
	       "namespace: how, since when, with which keys (by fingerprint), to "
	       "which ports, and what can't be done here.",
	.children = children,
};

static const char *const slot_names[] = {
#define X(slot, meaning) #slot,
	KEY_SLOTS(X)
#undef X
};

static const char *const origin_names[] = {
#define X(origin, meaning) #origin,
	KEY_ORIGINS(X)
#undef X
};

static void format_time(__u64 when, char text[32])
{
	time_t t = (time_t)when;
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(text, 32, "%Y-%m-%d %H:%M:%S %z", &tm);
}

static bool is_guarded(__u16 port, void *arg)
{
	const __u32 *ifindex = arg;
	struct port_policy policy;

	return !guard_port(*ifindex, port, &policy) &&
	       policy.mode != PORT_unguarded;
}

/* Adds what has become of answers that the guard could give. */
static void add_lost_answers(const struct guard_status *s, json_t *list)
{
	__u32 ifindex = s->record.ifindex;
	struct pressure *ports = NULL;
	char text[128];
	size_t n = 0;

	switch (guard_answers(s)) {
	case ANSWERS_FINE:
		break;
	case ANSWERS_UNSENT:
		json_array_append_new(
			list, json_string("ANSWERS ARE LOST: the other end of "
					  "the veth runs no XDP program any "
					  "more; attach again"));
		break;
	case ANSWERS_UNHEARD:
		json_array_append_new(
			list, json_string("WHO IS ANSWERED IS RESET: the tc "
					  "program that takes the ACKs was "
					  "removed; attach again"));
		break;
	}
	if (!s->record.settings.can_answer ||
	    pressure_read(is_guarded, &ifindex, &ports, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!ports[i].stopped)
			continue;
		snprintf(text, sizeof(text),
			 "answers to port %u have stopped for a while: their "
			 "ACKs were refused behind the guard",
			 ports[i].port);
		json_array_append_new(list, json_string(text));
	}
	free(ports);
}

/* What this guard does not do here, one sentence each. */
static json_t *limits_json(const struct guard_status *s)
{
	const struct settings *settings = &s->record.settings;
	json_t *list = json_array();
	char text[256];

	if (s->held_error) {
		snprintf(text, sizeof(text),
			 "whether the program is on the interface can't be "
			 "told: %s%s",
			 strerror(-s->held_error),
			 s->held_error == -EPERM ? " (it takes CAP_SYS_ADMIN)" :
						   "");
		json_array_append_new(list, output_text(text));
	} else if (!s->held) {
		json_array_append_new(
			list, json_string(s->ifname[0] ?
						  "the program is not on the "
						  "interface any more: attach it "
						  "again" :
						  "the interface has gone: detach "
						  "it by name to remove the pins"));
	}
	if (s->record.alone_because[0]) {
		snprintf(text, sizeof(text),
			 "other XDP programs can't share the interface (%s)",
			 s->record.alone_because);
		json_array_append_new(list, output_text(text));
	}
	if (s->record.silent_because[0]) {
		snprintf(text, sizeof(text),
			 "SYNs are not answered under pressure, which is left to "
			 "the kernel (%.47s)",
			 s->record.silent_because);
		json_array_append_new(list, output_text(text));
	}
	if (settings->vlans_hidden)
		json_array_append_new(
			list, json_string("VLAN tags are stripped before XDP: "
					  "forged cookies are counted as "
					  "not_ours and left to the kernel"));
	if (settings->routes_take_data)
		json_array_append_new(
			list, json_string("a route takes data without a cookie "
					  "(fastopen_no_cookie): forged cookies "
					  "are counted as data_accepted and left "
					  "to the kernel"));
	add_lost_answers(s, list);
	return list;
}

static void add_neighbour(const char *name, unsigned int id, void *arg)
{
	json_array_append_new(arg, json_pack("{s:s,s:i}", "name", name, "id",
					     (int)id));
}

/* Adds what could not be read and why to @limits. */
static void add_unreadable(json_t *limits, const char *what, int err)
{
	char text[128];

	snprintf(text, sizeof(text), "its %s can't be read%s: %s", what,
		 err == -EPERM ? " without CAP_SYS_ADMIN" : "", strerror(-err));
	json_array_append_new(limits, json_string(text));
}

static json_t *keys_json(json_t *limits)
{
	struct keyring ring;
	json_t *keys = json_object();
	char id[KEYTEXT_ID_LEN + 1];
	int err = guard_keyring(&ring);

	if (err) {
		add_unreadable(limits, "keys", err);
		return keys;
	}
	for (int i = 0; i < KEY_SLOT_COUNT; i++) {
		struct key *key = &ring.slot[i];

		keytext_id(&key->secret, id);
		if (key_is_empty(&key->secret))
			json_object_set_new(keys, slot_names[i], json_null());
		else
			json_object_set_new(
				keys, slot_names[i],
				json_pack("{s:s,s:s,s:I}", "id", id, "origin",
					  key->origin < KEY_ORIGIN_COUNT ?
						  origin_names[key->origin] :
						  "unknown",
					  "since", (json_int_t)key->since));
	}
	explicit_bzero(&ring, sizeof(ring));
	return keys;
}

/* As a configuration calls it. */
static json_t *port_json(const struct port_policy *p)
{
	return json_pack("{s:s,s:s,s:s,s:{s:s,s:i},s:i,s:s,s:s}", "mode",
			 ports_mode_name(p->mode), "forged",
			 ports_forged_name(p->forged), "answer",
			 ports_answer_name(p->answer), "early_data", "policy",
			 ports_early_name(p->early), "max_bytes",
			 (int)p->early_max, "replay", (int)p->replay,
			 "over_source", ports_over_name(p->over_source),
			 "over_prefix", ports_over_name(p->over_prefix));
}

/* "all" where every port has the same policy, else a list. */
static json_t *ports_json(const struct guard_status *s, json_t *limits)
{
	struct port_policy *ports = calloc(PORT_COUNT, sizeof(*ports));
	json_t *list = json_array();
	bool same = true;
	int err = ports ? guard_ports(s->record.ifindex, ports) : -ENOMEM;

	if (err) {
		add_unreadable(limits, "ports", err);
		free(ports);
		return list;
	}
	for (int port = 1; port < PORT_COUNT; port++)
		same = same && !memcmp(&ports[port], &ports[1], sizeof(*ports));
	for (int port = 1; port < (same ? 2 : PORT_COUNT); port++) {
		json_t *row;

		if (ports[port].mode == PORT_unguarded)
			continue;
		row = port_json(&ports[port]);
		json_object_set_new(row, "port",
				    same ? json_string("all") :
					   json_integer(port));
		json_array_append_new(list, row);
	}
	free(ports);
	return list;
}

static json_t *status_json(const struct guard_status *s)
{
	const struct guard_record *r = &s->record;
	json_t *neighbours = json_array(), *limits = limits_json(s);

	if (r->chained && s->held)
		chain_neighbours(r->ifindex, add_neighbour, neighbours);
	return json_pack(
		"{s:o,s:i,s:o,s:s,s:b,s:o,s:o,s:i,s:I,s:I,s:s,s:b,s:o,s:o,s:o}",
		"interface",
		output_text(s->ifname[0] ? s->ifname : r->ifname), "ifindex",
		(int)r->ifindex, "attached",
		s->held_error ? json_null() : json_boolean(s->held),
		"attach_mode",
		guard_mode_name(r->attach_mode), "chained", r->chained, "with",
		neighbours, "alone_because", output_text(r->alone_because),
		"program_id",
		(int)s->prog_id, "attached_at", (json_int_t)r->attached_at,
		"loaded_at", (json_int_t)r->loaded_at, "version", r->version,
		"observe", r->settings.observe, "ports", ports_json(s, limits),
		"keys", keys_json(limits), "limits", limits);
}

static void print_list(const char *label, json_t *list, const char *none,
		       void (*print)(json_t *))
{
	json_t *item;
	size_t i;

	printf("  %-10s", label);
	if (!json_array_size(list))
		printf("%s", none);
	json_array_foreach(list, i, item) {
		if (i)
			printf("\n  %-10s", "");
		print(item);
	}
	putchar('\n');
}

static void print_sentence(json_t *item)
{
	printf("%s", json_string_value(item));
}

/* What few ports have. */
static void print_unusual(json_t *item)
{
	const char *early, *source, *prefix;
	int max, replay;

	json_unpack(item, "{s:{s:s,s:i},s:i,s:s,s:s}", "early_data", "policy",
		    &early, "max_bytes", &max, "replay", &replay,
		    "over_source", &source, "over_prefix", &prefix);
	if (strcmp(early, ports_early_name(EARLY_any)))
		printf(", early data %s", early);
	if (max)
		printf(", at most %d bytes", max);
	if (replay)
		printf(", replay %d s", replay);
	if (strcmp(source, ports_over_name(OVER_answer)))
		printf(", over_source %s", source);
	if (strcmp(prefix, ports_over_name(OVER_answer)))
		printf(", over_prefix %s", prefix);
}

static void print_port(json_t *item)
{
	json_t *port = json_object_get(item, "port");

	if (json_is_string(port))
		printf("all");
	else
		printf("%lld", (long long)json_integer_value(port));
	printf(": mode %s, forged %s, answer %s",
	       json_string_value(json_object_get(item, "mode")),
	       json_string_value(json_object_get(item, "forged")),
	       json_string_value(json_object_get(item, "answer")));
	print_unusual(item);
}

static void print_program(json_t *item)
{
	printf("%s (id %lld)", json_string_value(json_object_get(item, "name")),
	       (long long)json_integer_value(json_object_get(item, "id")));
}

static void print_keys(json_t *keys)
{
	const char *slot;
	json_t *key;

	printf("  %-10s%s", "keys", json_object_size(keys) ? "" : "unknown");
	json_object_foreach(keys, slot, key)
		printf("%s %s  ", slot,
		       json_is_null(key) ?
			       "none" :
			       json_string_value(json_object_get(key, "id")));
	putchar('\n');
}

static void print_text(const struct guard_status *s)
{
	json_t *all = status_json(s);
	char attached[32], loaded[32];

	format_time(s->record.attached_at, attached);
	format_time(s->record.loaded_at, loaded);
	printf("%s: %s%s%s\n", json_string_value(json_object_get(all, "interface")),
	       s->held	     ? "guarded" :
	       s->held_error ? "UNKNOWN WHETHER GUARDED" :
			       "NOT GUARDED",
	       s->record.settings.observe ? ", observing only" : "",
	       s->record.attach_mode == ATTACH_skb ? ", generic mode (slower)" :
						     "");
	printf("  %-10s%s, %s\n", "mode", guard_mode_name(s->record.attach_mode),
	       s->record.chained ? "chained by libxdp" : "alone");
	if (s->record.chained)
		print_list("with", json_object_get(all, "with"),
			   "no other program", print_program);
	printf("  %-10s%s\n", "since", attached);
	printf("  %-10sid %u, loaded %s by tfoguard %.15s\n", "program",
	       s->prog_id, loaded, s->record.version);
	print_keys(json_object_get(all, "keys"));
	print_list("ports", json_object_get(all, "ports"), "none", print_port);
	print_list("limits", json_object_get(all, "limits"), "none",
		   print_sentence);
	json_decref(all);
}

static void print_one(const struct guard_status *s, void *arg)
{
	struct arguments *a = arg;

	a->unknown |= s->held_error != 0;
	if (a->output.json)
		output_json(&a->output, status_json(s));
	else
		print_text(s);
}

int cmd_status(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct fault f = { 0 };

	output_parse(&argp, argc, argv, &a);
	fault_tried(&f, "tell the status%s%s", a.ifname ? " of " : "",
		    a.ifname ?: "");
	if (guard_each(a.ifname, print_one, &a, &f))
		return output_fault(&a.output, &f);
	return a.unknown ? EXIT_PARTLY : EXIT_DONE;
}
