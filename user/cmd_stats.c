// SPDX-License-Identifier: GPL-2.0
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "acceptor.h"
#include "cmd.h"
#include "guard.h"
#include "output.h"
#include "pressure.h"

struct arguments {
	struct output output;
	const char *ifname;
	bool watch;
	bool all;
};

static const struct argp_option options[] = {
	{ "watch", 'w', 0, 0, "Print rates every second until interrupted", 1 },
	{ "all", 'a', 0, 0, "Also verdicts that no packet had", 1 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->output;
		return 0;
	case 'w':
		a->watch = true;
		return 0;
	case 'a':
		a->all = true;
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
	.options = options,
	.parser = parse_option,
	.args_doc = "[IFACE]",
	.doc = "Print packets and bytes by verdict since the guard was attached, "
	       "of one interface or of all.",
	.children = children,
};

static const char *const family_names[] = {
#define X(name, meaning) #name,
	FAMILIES(X)
#undef X
};

/* What a counter's name stands for; "unknown" for another version's. */
static const char *action_of(const char *verdict)
{
#define X(name, action, meaning)                                               \
	if (!strcmp(verdict, #name))                                           \
		return #action;
	VERDICTS(X)
#undef X
	return "unknown";
}

static struct counter total(const struct guard_status *s, int slot)
{
	struct counter sum = { 0 };

	for (int family = 0; family < FAMILY_COUNT; family++) {
		sum.packets += s->counters.slot[slot][family].packets;
		sum.bytes += s->counters.slot[slot][family].bytes;
	}
	return sum;
}

static unsigned long long data_cut(const struct guard_status *s)
{
	unsigned long long bytes = 0;

	for (int family = 0; family < FAMILY_COUNT; family++)
		bytes += s->cut[family];
	return bytes;
}

static json_t *counter_json(const struct counter *c)
{
	return json_pack("{s:I,s:I}", "packets", (json_int_t)c->packets,
			 "bytes", (json_int_t)c->bytes);
}

/* Two looks at one guard. */
struct span {
	const struct guard_status *before; /* NULL at the first look */
	double seconds;
};

/* In a second. */
struct rate {
	double packets, bytes;
};

static struct rate rate_of(const struct span *span,
			   const struct guard_status *s, int slot)
{
	struct counter now = total(s, slot), then = total(span->before, slot);

	return (struct rate){
		.packets = (double)(now.packets - then.packets) / span->seconds,
		.bytes = (double)(now.bytes - then.bytes) / span->seconds,
	};
}

/* As it is called now, or was before it went. */
static const char *name_of(const struct guard_status *s)
{
	return s->ifname[0] ? s->ifname : s->record.ifname;
}

/* What became of ACKs of answers, in all of the namespace; empty where nothing
 * answers. */
static json_t *acks_json(void)
{
	static struct counters counters;
	struct counter_names names;
	json_t *acks = json_object();

	if (acceptor_counters(&counters, &names))
		return acks;
	for (int i = 0; i < COUNTER_SLOTS && names.name[i][0]; i++) {
		struct counter sum = { 0 };

		for (int family = 0; family < FAMILY_COUNT; family++) {
			sum.packets += counters.slot[i][family].packets;
			sum.bytes += counters.slot[i][family].bytes;
		}
		json_object_set_new(acks, names.name[i], counter_json(&sum));
	}
	return acks;
}

static bool is_guarded(__u16 port, void *arg)
{
	const struct guard_status *s = arg;
	struct port_policy policy;

	return !guard_port(s->record.ifindex, port, &policy) &&
	       policy.mode != PORT_unguarded;
}

static int read_pressure(const struct guard_status *s, struct pressure **list,
			 size_t *n)
{
	return pressure_read(is_guarded, (void *)s, list, n);
}

static json_t *ports_json(const struct guard_status *s)
{
	json_t *rows = json_array();
	struct pressure *list;
	size_t n;

	if (read_pressure(s, &list, &n))
		return rows;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			rows,
			json_pack("{s:i,s:f,s:i,s:i,s:i,s:i,s:b}", "port",
				  (int)list[i].port, "pressure",
				  list[i].pressure, "syn_queue",
				  (int)list[i].syn_queue, "syn_limit",
				  (int)list[i].syn_limit, "tfo_queue",
				  (int)list[i].tfo_queue, "tfo_limit",
				  (int)list[i].tfo_limit, "answers_stopped",
				  list[i].stopped));
	free(list);
	return rows;
}

static void print_acks(bool all)
{
	json_t *acks = acks_json(), *row;
	bool headed = false;
	const char *name;

	json_object_foreach(acks, name, row) {
		json_int_t packets = json_integer_value(
			json_object_get(row, "packets"));

		if (!packets && !all)
			continue;
		if (!headed)
			printf("  ACKS OF ANSWERS (all interfaces)\n");
		headed = true;
		printf("  %-29s %15lld %18lld\n", name, (long long)packets,
		       (long long)json_integer_value(
			       json_object_get(row, "bytes")));
	}
	json_decref(acks);
}

/* Ports whose queues hold something, or that are under pressure. */
static void print_ports(const struct guard_status *s, bool all)
{
	struct pressure *list;
	bool headed = false;
	size_t n;

	if (read_pressure(s, &list, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct pressure *p = &list[i];

		if (!all && !p->pressure && !p->syn_queue && !p->tfo_queue &&
		    !p->stopped)
			continue;
		if (!headed)
			printf("  %-8s %10s %18s %18s\n", "PORT", "PRESSURE",
			       "SYN QUEUE", "TFO QUEUE");
		headed = true;
		printf("  %-8u %9.0f%% %9u of %-5u %9u of %-5u%s\n", p->port,
		       p->pressure * 100, p->syn_queue, p->syn_limit,
		       p->tfo_queue, p->tfo_limit,
		       p->stopped ? " answers stopped: their ACKs are refused "
				    "behind the guard" :
				    "");
	}
	free(list);
}

static void print_json(const struct guard_status *s, const struct span *span,
		       const struct output *out)
{
	json_t *verdicts = json_object();

	for (int i = 0; i < COUNTER_SLOTS && s->names.name[i][0]; i++) {
		const char *name = s->names.name[i];
		struct counter sum = total(s, i);
		json_t *row = counter_json(&sum), *families = json_object();

		for (int family = 0; family < FAMILY_COUNT; family++)
			json_object_set_new(
				families, family_names[family],
				counter_json(&s->counters.slot[i][family]));
		json_object_set_new(row, "action",
				    json_string(action_of(name)));
		json_object_set_new(row, "families", families);
		if (span->before) {
			struct rate rate = rate_of(span, s, i);

			json_object_set_new(row, "packets_per_second",
					    json_real(rate.packets));
			json_object_set_new(row, "bytes_per_second",
					    json_real(rate.bytes));
		}
		json_object_set_new(verdicts, name, row);
	}
	output_json(out, json_pack("{s:o,s:b,s:o,s:I,s:o,s:o}", "interface",
				   output_text(name_of(s)), "observe",
				   s->record.settings.observe, "verdicts",
				   verdicts, "data_cut_bytes",
				   (json_int_t)data_cut(s), "acks", acks_json(),
				   "ports", ports_json(s)));
}

static void print_text(const struct guard_status *s, bool all)
{
	struct counter sum = { 0 };

	printf("%s%s\n  %-20s %-8s %15s %18s\n", name_of(s),
	       s->record.settings.observe ? " (observing only)" : "",
	       "VERDICT", "ACTION", "PACKETS", "BYTES");
	for (int i = 0; i < COUNTER_SLOTS && s->names.name[i][0]; i++) {
		struct counter c = total(s, i);

		sum.packets += c.packets;
		sum.bytes += c.bytes;
		if (c.packets || all)
			printf("  %-20s %-8s %15llu %18llu\n",
			       s->names.name[i], action_of(s->names.name[i]),
			       c.packets, c.bytes);
	}
	printf("  %-20s %-8s %15llu %18llu\n", "all packets", "", sum.packets,
	       sum.bytes);
	if (data_cut(s) || all)
		printf("  %-45s %18llu\n", "data cut from SYNs", data_cut(s));
	print_acks(all);
	print_ports(s, all);
}

static void print_once(const struct guard_status *s, void *arg)
{
	const struct span none = { 0 };
	struct arguments *a = arg;

	if (a->output.json)
		print_json(s, &none, &a->output);
	else
		print_text(s, a->all);
}

/* One guard at a time is remembered between two looks. */
#define WATCHED_MAX 64

struct watch {
	struct arguments *arguments;
	struct guard_status before[WATCHED_MAX];
	unsigned int n_before;
	double seconds; /* since the look before */
};

/* The same counters, and not those of a guard that was attached anew. */
static bool goes_on(const struct guard_status *before,
		    const struct guard_status *now)
{
	if (before->record.attached_at != now->record.attached_at)
		return false;
	for (int i = 0; i < COUNTER_SLOTS; i++)
		if (total(now, i).packets < total(before, i).packets ||
		    total(now, i).bytes < total(before, i).bytes)
			return false;
	return true;
}

/* What is remembered of this guard, or a place where nothing is yet. */
static struct guard_status *place_of(struct watch *w,
				     const struct guard_status *now)
{
	for (unsigned int i = 0; i < w->n_before; i++)
		if (w->before[i].record.ifindex == now->record.ifindex)
			return &w->before[i];
	return w->n_before < WATCHED_MAX ? &w->before[w->n_before++] : NULL;
}

static void print_rates(const struct guard_status *s, const struct span *span,
			bool all)
{
	printf("%s\n  %-20s %-8s %15s %15s\n", name_of(s), "VERDICT", "ACTION",
	       "PACKETS/S", "BYTES/S");
	for (int i = 0; i < COUNTER_SLOTS && s->names.name[i][0]; i++) {
		struct rate rate = rate_of(span, s, i);

		if (rate.packets > 0 || all)
			printf("  %-20s %-8s %15.0f %15.0f\n",
			       s->names.name[i], action_of(s->names.name[i]),
			       rate.packets, rate.bytes);
	}
}

static void look(const struct guard_status *s, void *arg)
{
	struct watch *w = arg;
	struct guard_status *before = place_of(w, s);
	struct span span = { .seconds = w->seconds };

	if (before && before->record.ifindex && goes_on(before, s))
		span.before = before;
	if (w->arguments->output.json)
		print_json(s, &span, &w->arguments->output);
	else if (span.before)
		print_rates(s, &span, w->arguments->all);
	if (before)
		*before = *s;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int watch(struct arguments *a, struct fault *f)
{
	const struct timespec second = { .tv_sec = 1 };
	static struct watch w;
	double then = now_s();
	int err;

	w.arguments = a;
	while (!(err = guard_each(a->ifname, look, &w, f))) {
		if (output_flush())
			break; /* told at exit */
		nanosleep(&second, NULL);
		w.seconds = now_s() - then;
		then += w.seconds;
	}
	return err;
}

int cmd_stats(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct fault f = { 0 };

	output_parse(&argp, argc, argv, &a);
	fault_tried(&f, "read the counters%s%s", a.ifname ? " of " : "",
		    a.ifname ?: "");
	if (a.watch ? watch(&a, &f) :
		      guard_each(a.ifname, print_once, &a, &f))
		return output_fault(&a.output, &f);
	return EXIT_DONE;
}
