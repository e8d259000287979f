// SPDX-License-Identifier: GPL-2.0
/* What an attached guard is, does and goes by, read from its pins. */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acceptor.h"
#include "guard.h"
#include "ifname.h"
#include "interface.h"
#include "pinned.h"
#include "pins.h"
#include "program.h"

static const char *const mode_names[] = {
#define X(mode, meaning) #mode,
	ATTACH_MODES(X)
#undef X
};

const char *guard_mode_name(unsigned int mode)
{
	return mode < ATTACH_MODE_COUNT ? mode_names[mode] : "unknown";
}

struct visit {
	unsigned int only; /* this interface; 0 is every one */
	void (*visit)(const struct guard_status *, void *arg);
	void *arg;
	struct fault *fault; /* of the first that could not be read */
	int err;
	int visited;
};

/* Reads one; -ENOENT where there is none, or it went while it was read. */
static int read_status(unsigned int ifindex, struct guard_status *status,
		       struct fault *f)
{
	int err = pinned_record(ifindex, &status->record, f), held;
	__u32 zero = 0;

	if (err)
		return err;

	owned int counters = pins_open(ifindex, PIN_COUNTERS);
	owned int names = pins_open(ifindex, PIN_COUNTER_NAMES);
	owned int cuts = pins_open(ifindex, PIN_CUTS);
	owned int program = pins_open(ifindex, PIN_PROGRAM);
	if (counters == -ENOENT || names == -ENOENT)
		return pinned_record(ifindex, &status->record, f) ?:
		       pinned_incomplete(f);
	if (counters < 0 || names < 0)
		return counters < 0 ? counters : names;
	err = program_read_counters(counters, &status->counters);
	if (!err && cuts >= 0)
		err = program_read_cuts(cuts, status->cut);
	if (err)
		return err;
	if (bpf_map_lookup_elem(names, &zero, &status->names))
		return -errno;
	if (!if_indextoname(ifindex, status->ifname))
		status->ifname[0] = '\0';
	held = pinned_is_held(ifindex, status->record.chained);
	status->held = held > 0;
	status->held_error = held < 0 ? held : 0;
	status->prog_id = program_id(program);
	return 0;
}

/* One that can't be read does not hide the others. */
static int visit_one(unsigned int ifindex, void *arg)
{
	struct visit *visit = arg;
	struct guard_status status = { 0 };
	struct fault f = { 0 };
	char name[IF_NAMESIZE];
	int err;

	if (visit->only && visit->only != ifindex)
		return 0;
	err = read_status(ifindex, &status, &f);
	if (err == -ENOENT)
		return 0;
	if (!err) {
		visit->visit(&status, visit->arg);
		visit->visited++;
		return 0;
	}
	if (!f.exit)
		pinned_unreadable(err, &f);
	if (!visit->err) {
		visit->err = err;
		fault_advise(visit->fault, "%s", f.advice);
		fault_fail(visit->fault, EXIT_FAILED, err, "%s: %s",
			   if_indextoname(ifindex, name) ?:
				   "an interface that has gone",
			   f.why);
	}
	return 0;
}

int guard_each(const char *ifname,
	       void (*visit)(const struct guard_status *, void *arg), void *arg,
	       struct fault *f)
{
	struct visit state = { .visit = visit, .arg = arg, .fault = f };
	char real[IF_NAMESIZE];
	int err;

	program_catch_complaints();
	if (geteuid() != 0) {
		fault_advise(f, "run it as root");
		return fault_fail(f, EXIT_FAILED, EPERM,
				  "pins can only be read by root");
	}
	if (ifname) {
		state.only = pinned_index(ifname_real(ifname, real));
		if (!state.only)
			return fault_fail(f, EXIT_FAILED, ENODEV,
					  "there is no such interface");
	}
	err = pins_each(visit_one, &state);
	if (err)
		return fault_fail(f, EXIT_FAILED, err, "the guard's pins: %s",
				  strerror(-err));
	if (state.err) {
		f->exit = state.visited ? EXIT_PARTLY : EXIT_FAILED;
		return state.err;
	}
	return state.visited ? 0 : pinned_none(ifname, f);
}

int guard_tables(unsigned int ifindex, struct tables *tables)
{
	struct table_maps maps;
	int err = pinned_open_tables(ifindex, &maps);

	*tables = (struct tables){ 0 };
	if (err >= 0)
		err = tables_read(&maps, tables);
	pinned_close_tables(&maps);
	return err;
}

enum guard_answers guard_answers(const struct guard_status *status)
{
	const struct guard_record *record = &status->record;
	enum guard_answers answers = ANSWERS_FINE;
	struct interface iface;
	struct tables tables;
	bool unsent;

	if (!status->held || !status->ifname[0] ||
	    (!record->settings.can_answer && !record->settings.can_challenge))
		return ANSWERS_FINE;
	if (interface_read(status->ifname, &iface))
		return ANSWERS_FINE; /* it has gone */
	unsent = interface_loses_answers(&iface, record->attach_mode);
	interface_free(&iface);
	if (unsent)
		return ANSWERS_UNSENT;
	if (!record->settings.can_answer)
		return ANSWERS_FINE; /* a challenge has no ACK */
	if (!guard_tables(record->ifindex, &tables) &&
	    !acceptor_is_on(&tables))
		answers = ANSWERS_UNHEARD;
	tables_free(&tables);
	return answers;
}

int guard_ports(unsigned int ifindex, struct port_policy ports[PORT_COUNT])
{
	owned int fd = pins_open(ifindex, PIN_PORTS);
	__u32 *keys, next, n = PORT_COUNT;
	int err = 0;

	if (fd < 0)
		return fd;
	keys = calloc(PORT_COUNT, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	if (bpf_map_lookup_batch(fd, NULL, &next, keys, ports, &n, NULL) &&
	    errno != ENOENT)
		err = -errno;
	free(keys);
	return err;
}

int guard_port(unsigned int ifindex, __u16 port, struct port_policy *policy)
{
	owned int fd = pins_open(ifindex, PIN_PORTS);
	__u32 key = port;

	if (fd < 0)
		return fd;
	return bpf_map_lookup_elem(fd, &key, policy) ? -errno : 0;
}

struct counter guard_counter(const struct guard_status *status,
			     const char *verdict, enum family family)
{
	for (int i = 0; i < COUNTER_SLOTS && status->names.name[i][0]; i++)
		if (!strcmp(status->names.name[i], verdict))
			return status->counters.slot[i][family];
	return (struct counter){ 0 };
}

static double fill_of(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info), n = 0;
	char key[64];

	if (bpf_obj_get_info_by_fd(fd, &info, &size) ||
	    info.key_size > sizeof(key))
		return 0;
	/* Never longer than the map can be, however it changes meanwhile. */
	for (void *last = NULL; n < info.max_entries; n++, last = key)
		if (bpf_map_get_next_key(fd, last, key))
			break;
	return (double)n / info.max_entries;
}

/*
 * How full a hash table is, by its last buckets: keys are spread over them at
 * random, and a table of 65,536 entries takes longer to walk than a scrape may.
 * The cursor of a batch is the number of the next bucket
 * (__htab_map_lookup_and_delete_batch in kernel/bpf/hashtab.c).
 */
#define SAMPLE 4096

static double sampled_fill_of(int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info), n = 2 * SAMPLE, buckets = 1, first, next;
	double fill = 0;
	char *entries;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return 0;
	while (buckets < info.max_entries)
		buckets *= 2;
	entries = malloc((size_t)n * (info.key_size + info.value_size));
	if (!entries)
		return 0;
	first = next = buckets > SAMPLE ? buckets - SAMPLE : 0;
	if (!bpf_map_lookup_batch(fd, &first, &next, entries,
				  entries + (size_t)n * info.key_size, &n,
				  NULL))
		fill = next > first ? (double)n / (next - first) : 0;
	else if (errno == ENOENT)
		fill = (double)n / (buckets - first); /* to the end */
	free(entries);
	fill *= (double)buckets / info.max_entries;
	return fill < 1 ? fill : 1;
}

static void fill_of_proven(void (*visit)(const char *map, double ratio,
					 void *arg),
			   void *arg)
{
	owned int fd = pins_open(0, "proven");

	if (fd >= 0)
		visit("proven", sampled_fill_of(fd), arg);
}

/* The tries of lists are too large to be counted. */
static void fill_of_lists(void (*visit)(const char *map, double ratio,
					void *arg),
			  void *arg)
{
	static const char *const maps[] = { "list4", "list6" };
	owned int fd = pins_open(0, "list_sizes");
	__u32 size;

	for (__u32 i = 0; fd >= 0 && i < sizeof(maps) / sizeof(*maps); i++)
		if (!bpf_map_lookup_elem(fd, &i, &size))
			visit(maps[i], (double)size / LIST_MAX, arg);
}

void guard_fill(unsigned int ifindex,
		void (*visit)(const char *map, double ratio, void *arg),
		void *arg)
{
	static const char *const maps[] = { PIN_VLANS, PIN_LOCALS };

	if (!ifindex) {
		fill_of_lists(visit, arg);
		fill_of_proven(visit, arg);
	}
	for (size_t i = 0; ifindex && i < sizeof(maps) / sizeof(*maps); i++) {
		owned int fd = pins_open(ifindex, maps[i]);

		if (fd >= 0)
			visit(maps[i], fill_of(fd), arg);
	}
}

int guard_keyring(struct keyring *ring)
{
	owned int fd = pins_open(0, PIN_KEYRING);

	return fd < 0 ? fd : program_get_keyring(fd, ring);
}

int guard_set_keyring(const struct keyring *ring)
{
	owned int fd = pins_open(0, PIN_KEYRING);

	return fd < 0 ? fd : program_set_keyring(fd, ring);
}
