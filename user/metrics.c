// SPDX-License-Identifier: GPL-2.0
#include "metrics.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "acceptor.h"
#include "guard.h"
#include "kernel.h"
#include "pressure.h"
#include "program.h"
#include "ring.h"
#include "tcpext.h"
#include "version.h"

/* What the collectors read: the state of one moment. */
struct moment {
	struct samples *samples;
	bool out_of_memory;
	struct guard_status *guards; /* of interfaces that are there */
	size_t n_guards;
	struct pressure *pressures; /* of ports that any of them guards */
	size_t n_pressures;
	time_t now;
	bool has_ring;
	bool drift;
	__u64 since[KEY_SLOT_COUNT]; /* zero: no key in the slot */
	const struct metrics_daemon *daemon;
};

static const char *const family_names[] = {
#define X(name, meaning) #name,
	FAMILIES(X)
#undef X
};

static const char *const slot_names[] = {
#define X(slot, meaning) #slot,
	KEY_SLOTS(X)
#undef X
};

/* A sample of no labels yet; never NULL. */
static struct sample *add(struct moment *m, enum metric metric, double value)
{
	static struct sample nowhere;
	struct samples *all = m->samples;
	struct sample *list;

	if (all->n == all->room) {
		list = reallocarray(all->list, 2 * all->room + 64,
				    sizeof(*list));
		if (!list) {
			m->out_of_memory = true;
			return &nowhere;
		}
		all->list = list;
		all->room = 2 * all->room + 64;
	}
	all->list[all->n] = (struct sample){ .metric = metric, .value = value };
	return &all->list[all->n++];
}

static void label(struct sample *s, int i, const char *name, const char *value)
{
	struct label *to = &s->label[i];

	to->name = name;
	if (!memccpy(to->value, value, '\0', sizeof(to->value)))
		to->value[sizeof(to->value) - 1] = '\0';
}

static void add_counters(struct moment *m, enum metric metric)
{
	for (size_t g = 0; g < m->n_guards; g++) {
		const struct guard_status *guard = &m->guards[g];

		for (int i = 0;
		     i < COUNTER_SLOTS && guard->names.name[i][0]; i++) {
			for (int f = 0; f < FAMILY_COUNT; f++) {
				const struct counter *c =
					&guard->counters.slot[i][f];
				struct sample *s =
					add(m, metric,
					    metric == METRIC_packets ?
						    (double)c->packets :
						    (double)c->bytes);

				label(s, 0, "interface", guard->ifname);
				label(s, 1, "family", family_names[f]);
				label(s, 2, "verdict", guard->names.name[i]);
			}
		}
	}
}

static void collect_packets(struct moment *m)
{
	add_counters(m, METRIC_packets);
}

static void collect_bytes(struct moment *m)
{
	add_counters(m, METRIC_bytes);
}

static void collect_data_cut(struct moment *m)
{
	for (size_t g = 0; g < m->n_guards; g++)
		for (int f = FAMILY_ipv4; f < FAMILY_COUNT; f++) {
			struct sample *s = add(m, METRIC_data_cut,
					       (double)m->guards[g].cut[f]);

			label(s, 0, "interface", m->guards[g].ifname);
			label(s, 1, "family", family_names[f]);
		}
}

/* One acceptor serves the whole namespace. */
static void collect_acks(struct moment *m)
{
	struct counter_names names;
	struct counters counters;

	if (acceptor_counters(&counters, &names))
		return;
	for (int i = 0; i < COUNTER_SLOTS && names.name[i][0]; i++) {
		for (int f = 0; f < FAMILY_COUNT; f++) {
			struct sample *s =
				add(m, METRIC_acks,
				    (double)counters.slot[i][f].packets);

			label(s, 0, "family", family_names[f]);
			label(s, 1, "result", names.name[i]);
		}
	}
}

static void add_port(struct moment *m, enum metric metric,
		     const struct pressure *p, double value)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", p->port);
	label(add(m, metric, value), 0, "port", port);
}

static void collect_pressure(struct moment *m)
{
	for (size_t i = 0; i < m->n_pressures; i++)
		add_port(m, METRIC_pressure, &m->pressures[i],
			 m->pressures[i].pressure);
}

static double ratio(__u32 queue, __u32 limit)
{
	return (double)queue / (limit ?: 1);
}

static void collect_syn_queue(struct moment *m)
{
	for (size_t i = 0; i < m->n_pressures; i++)
		add_port(m, METRIC_syn_queue, &m->pressures[i],
			 ratio(m->pressures[i].syn_queue,
			       m->pressures[i].syn_limit));
}

static void collect_tfo_queue(struct moment *m)
{
	for (size_t i = 0; i < m->n_pressures; i++)
		if (m->pressures[i].tfo_limit)
			add_port(m, METRIC_tfo_queue, &m->pressures[i],
				 ratio(m->pressures[i].tfo_queue,
				       m->pressures[i].tfo_limit));
}

static void collect_answers_stopped(struct moment *m)
{
	for (size_t i = 0; i < m->n_pressures; i++)
		add_port(m, METRIC_answers_stopped, &m->pressures[i],
			 m->pressures[i].stopped);
}

static bool is_among(const struct moment *m, const char *ifname)
{
	for (size_t g = 0; g < m->n_guards; g++)
		if (!strcmp(m->guards[g].ifname, ifname))
			return true;
	return false;
}

static void collect_attached(struct moment *m)
{
	for (size_t g = 0; g < m->n_guards; g++)
		label(add(m, METRIC_attached, m->guards[g].held), 0,
		      "interface", m->guards[g].ifname);
	for (size_t i = 0; m->daemon && i < m->daemon->n_wanted; i++)
		if (!is_among(m, m->daemon->wanted[i]))
			label(add(m, METRIC_attached, 0), 0, "interface",
			      m->daemon->wanted[i]);
}

static void collect_attach_info(struct moment *m)
{
	for (size_t g = 0; g < m->n_guards; g++) {
		const struct guard_record *r = &m->guards[g].record;
		struct sample *s = add(m, METRIC_attach_info, 1);

		label(s, 0, "interface", m->guards[g].ifname);
		label(s, 1, "attach_mode", guard_mode_name(r->attach_mode));
		label(s, 2, "chained", r->chained ? "true" : "false");
	}
}

/* A key from the future is one whose clock was set back. */
static void collect_key_age(struct moment *m)
{
	for (int i = 0; i < KEY_SLOT_COUNT; i++) {
		double age = difftime(m->now, (time_t)m->since[i]);

		if (m->since[i])
			label(add(m, METRIC_key_age, age > 0 ? age : 0), 0,
			      "slot", slot_names[i]);
	}
}

static void collect_key_drift(struct moment *m)
{
	if (m->has_ring)
		add(m, METRIC_key_drift, m->drift);
}

static void collect_key_rotations(struct moment *m)
{
	if (m->daemon)
		add(m, METRIC_key_rotations, (double)m->daemon->key_rotations);
}

static void collect_key_generation(struct moment *m)
{
	if (m->daemon)
		add(m, METRIC_key_generation,
		    (double)m->daemon->key_generation);
}

static void add_fill(const char *map, double ratio, void *arg)
{
	label(add(arg, METRIC_map_fill, ratio), 0, "map", map);
}

static void collect_map_fill(struct moment *m)
{
	for (size_t g = 0; g < m->n_guards; g++) {
		size_t first = m->samples->n;

		guard_fill(m->guards[g].record.ifindex, add_fill, m);
		for (size_t i = first; i < m->samples->n; i++)
			label(&m->samples->list[i], 1, "interface",
			      m->guards[g].ifname);
	}
	guard_fill(0, add_fill, m);
}

static void add_tcpext(const char *name, unsigned long long value, void *arg)
{
	label(add(arg, METRIC_tcpext, (double)value), 0, "counter", name);
}

static void collect_tcpext(struct moment *m)
{
	tcpext_each(add_tcpext, m);
}

static void collect_build_info(struct moment *m)
{
	struct sample *s = add(m, METRIC_build_info, 1);

	label(s, 0, "version", VERSION);
	label(s, 1, "libbpf", program_libbpf_version());
}

static void collect_reload_successful(struct moment *m)
{
	if (m->daemon)
		add(m, METRIC_reload_successful, m->daemon->reload_successful);
}

static void collect_reload_time(struct moment *m)
{
	if (m->daemon)
		add(m, METRIC_reload_time, (double)m->daemon->reloaded_at);
}

static void collect_heals(struct moment *m)
{
	if (m->daemon)
		add(m, METRIC_heals, (double)m->daemon->heals);
}

static double seconds(const struct timeval *tv)
{
	return (double)tv->tv_sec + (double)tv->tv_usec / 1e6;
}

static void collect_process_cpu(struct moment *m)
{
	struct rusage usage;

	if (m->daemon && getrusage(RUSAGE_SELF, &usage) == 0)
		add(m, METRIC_process_cpu,
		    seconds(&usage.ru_utime) + seconds(&usage.ru_stime));
}

static void collect_process_memory(struct moment *m)
{
	FILE *f = m->daemon ? fopen("/proc/self/statm", "re") : NULL;
	long pages;

	if (!f)
		return;
	if (fscanf(f, "%*s %ld", &pages) == 1)
		add(m, METRIC_process_memory,
		    (double)pages * (double)sysconf(_SC_PAGESIZE));
	fclose(f);
}

static void collect_process_fds(struct moment *m)
{
	DIR *dir = m->daemon ? opendir("/proc/self/fd") : NULL;
	struct dirent *entry;
	int n = -1; /* the directory's own */

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	add(m, METRIC_process_fds, n);
}

static void collect_process_start(struct moment *m)
{
	if (m->daemon)
		add(m, METRIC_process_start, (double)m->daemon->started_at);
}

static void (*const collectors[])(struct moment *) = {
#define X(name, type, what, help) collect_##what,
	METRICS(X)
#undef X
};

/* An interface that has gone may have had the name of one that is there, and
 * no two samples may have the same labels. */
static void keep_guard(const struct guard_status *status, void *arg)
{
	struct moment *m = arg;
	struct guard_status *list;

	if (!status->ifname[0])
		return;
	list = reallocarray(m->guards, m->n_guards + 1, sizeof(*list));
	if (!list) {
		m->out_of_memory = true;
		return;
	}
	m->guards = list;
	m->guards[m->n_guards++] = *status;
}

/* Of the keys only their times are kept. */
static int read_keys(struct moment *m)
{
	struct kernel_pair kernel;
	struct keyring ring;
	int err = guard_keyring(&ring);

	if (err)
		return err == -ENOENT ? 0 : err;
	m->has_ring = true;
	for (int i = 0; i < KEY_SLOT_COUNT; i++)
		if (!key_is_empty(&ring.slot[i].secret))
			m->since[i] = ring.slot[i].since;
	err = kernel_keys(&kernel);
	m->drift = !err && !ring_covers(&ring, &kernel);
	explicit_bzero(&kernel, sizeof(kernel));
	explicit_bzero(&ring, sizeof(ring));
	return err;
}

static bool is_guarded(__u16 port, void *arg)
{
	const struct moment *m = arg;
	struct port_policy policy;

	for (size_t g = 0; g < m->n_guards; g++)
		if (m->guards[g].held &&
		    !guard_port(m->guards[g].record.ifindex, port, &policy) &&
		    policy.mode != PORT_unguarded)
			return true;
	return false;
}

int metrics_collect(struct samples *samples,
		    const struct metrics_daemon *daemon, struct fault *f)
{
	struct moment m = { .samples = samples,
			    .daemon = daemon,
			    .now = time(NULL) };
	int err;

	*samples = (struct samples){ 0 };
	fault_tried(f, "collect the metrics");
	err = guard_each(NULL, keep_guard, &m, f);
	if (err && f->exit != EXIT_NOT_ATTACHED && f->exit != EXIT_PARTLY)
		goto out;
	f->exit = EXIT_DONE;
	f->why[0] = f->advice[0] = '\0';
	err = read_keys(&m);
	if (err) {
		fault_fail(f, EXIT_FAILED, err, "the keys can't be read: %s",
			   strerror(-err));
		goto out;
	}
	/* Where the kernel does not let us look, they are left out. */
	if (m.n_guards)
		pressure_read(is_guarded, &m, &m.pressures, &m.n_pressures);
	for (int i = 0; i < METRIC_COUNT; i++)
		collectors[i](&m);
	free(m.pressures);
	if (m.out_of_memory)
		err = fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
out:
	free(m.guards);
	if (err)
		samples_free(samples);
	return err;
}

void samples_free(struct samples *samples)
{
	free(samples->list);
	*samples = (struct samples){ 0 };
}
