// SPDX-License-Identifier: GPL-2.0
#include "acceptor.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accept.skel.h"
#include "guard.h"
#include "pinned.h"
#include "pins.h"
#include "program.h"
#include "tc.h"

#define KFUNC "bpf_sk_assign_tcp_reqsk"

#define PIN_DEVICES "acceptors"
#define PIN_ACK_COUNTERS "ack_counters"
#define PIN_ACK_NAMES "ack_names"
#define DEVICES_MAX 8192

bool acceptor_possible(char why[WHY_SILENT_MAX])
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool can;

	can = !libbpf_get_error(btf) &&
	      btf__find_by_name_kind(btf, KFUNC, BTF_KIND_FUNC) > 0;
	if (!libbpf_get_error(btf))
		btf__free(btf);
	if (!can)
		snprintf(why, WHY_SILENT_MAX, "%s",
			 "no " KFUNC " (Linux 6.9)");
	return can;
}

/* Gives each outcome the slot that has its name, or a free one. */
static int assign_slots(struct accept_bpf *skel, struct counter_names *names)
{
	int slot;

#define X(ack, meaning)                                                        \
	slot = program_find_slot(names, #ack);                                 \
	if (slot < 0)                                                          \
		return slot;                                                   \
	skel->rodata->ack_slot[A_##ack] = (__u8)slot;
	ACKS(X)
#undef X
	return 0;
}

/* Goes on with a map that is pinned. */
static int reuse_pin(struct bpf_map *map, const char *name)
{
	int fd = pins_open(0, name), err;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	err = bpf_map__reuse_fd(map, fd);
	close(fd);
	return err;
}

static int load(struct acceptor *a, struct shared *shared)
{
	struct counter_names names = { 0 };
	struct accept_bpf *skel;
	__u32 zero = 0;
	int err, fd;

	a->skel = skel = accept_bpf__open();
	if (!skel)
		return -errno;
	fd = pins_open(0, PIN_ACK_NAMES);
	if (fd >= 0) {
		bpf_map_lookup_elem(fd, &zero, &names);
		close(fd);
	}
	err = assign_slots(skel, &names) ?:
	      shared_reuse(shared, skel->obj) ?:
	      reuse_pin(skel->maps.ack_counters, PIN_ACK_COUNTERS) ?:
	      reuse_pin(skel->maps.ack_names, PIN_ACK_NAMES) ?:
	      accept_bpf__load(skel) ?:
	      shared_adopt(shared, skel->obj);
	if (!err && bpf_map_update_elem(bpf_map__fd(skel->maps.ack_names), &zero,
					&names, BPF_ANY))
		err = -errno;
	return err;
}

int acceptor_open(struct acceptor *a, struct shared *shared,
		  char why[WHY_SILENT_MAX])
{
	int err;

	memset(a, 0, sizeof(*a));
	if (!acceptor_possible(why))
		return -EOPNOTSUPP;
	err = load(a, shared);
	if (err) {
		snprintf(why, WHY_SILENT_MAX, "its tc program can't be loaded: %s",
			 strerror(-err));
		acceptor_close(a);
	}
	return err;
}

void acceptor_close(struct acceptor *a)
{
	accept_bpf__destroy(a->skel);
	memset(a, 0, sizeof(*a));
}

/* Which devices have it; the value says whether we made their qdisc. */
static int open_devices(void)
{
	int fd = pins_open(0, PIN_DEVICES), err;

	if (fd != -ENOENT)
		return fd;
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "acceptors", sizeof(__u32),
			    sizeof(__u32), DEVICES_MAX, NULL);
	if (fd < 0)
		return -errno;
	err = pins_make() ?: pins_put_first(fd, 0, PIN_DEVICES);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Remembered before it is done: who is killed in between leaves a device that
 * is remembered and has nothing, and not the other way round. */
static int attach_one(struct acceptor *a, int devices, unsigned int ifindex)
{
	int prog = bpf_program__fd(a->skel->progs.tfoguard_ack), err;
	__u32 made = 0, key = ifindex;
	bool known, made_now;

	known = !bpf_map_lookup_elem(devices, &key, &made);
	if (!known && bpf_map_update_elem(devices, &key, &made, BPF_NOEXIST))
		return -errno;
	err = tc_attach(ifindex, prog, &made_now);
	made = 1;
	if (made_now && bpf_map_update_elem(devices, &key, &made, BPF_ANY)) {
		err = -errno;
		tc_detach(ifindex, true);
	}
	if (err && !known)
		bpf_map_delete_elem(devices, &key);
	return err;
}

int acceptor_attach(struct acceptor *a, const struct interface *iface,
		    char why[WHY_SILENT_MAX])
{
	int devices = open_devices(), err = devices < 0 ? devices : 0;
	const struct {
		const char *name;
		int fd;
	} pins[] = {
		{ PIN_ACK_COUNTERS,
		  bpf_map__fd(a->skel->maps.ack_counters) },
		{ PIN_ACK_NAMES, bpf_map__fd(a->skel->maps.ack_names) },
	};

	for (int i = 0; !err && i < 2; i++) {
		err = pins_put_first(pins[i].fd, 0, pins[i].name);
		if (err == -EEXIST)
			err = 0;
	}
	for (size_t i = 0; !err && i < iface->tables.n_rows; i++)
		err = attach_one(a, devices,
				 iface->tables.rows[i].link.ifindex);
	if (devices >= 0)
		close(devices);
	if (err)
		snprintf(why, WHY_SILENT_MAX, "tc refused it: %s",
			 strerror(-err));
	return err;
}

int acceptor_is_on(const struct tables *t)
{
	int all = 1, on;

	for (size_t i = 0; i < t->n_rows; i++) {
		if (!t->rows[i].link.ifindex)
			continue; /* withheld */
		on = tc_is_attached(t->rows[i].link.ifindex);
		if (!on)
			return 0;
		if (on < 0)
			all = on;
	}
	return all;
}

void acceptor_withhold(struct tables *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n_rows; i++) {
		struct link_row row = t->rows[i];

		if (tc_is_attached(row.link.ifindex) <= 0) {
			if (row.key.tag[0])
				continue;
			/* The untagged one stays, as no device's. */
			row.link = (struct link){ 0 };
		}
		t->rows[kept++] = row;
	}
	t->n_rows = kept;
}

struct devices {
	unsigned int except; /* a guard that goes */
	__u32 *ifindex;
	size_t n;
};

static int add_device(struct devices *devices, __u32 ifindex)
{
	void *more = realloc(devices->ifindex,
			     (devices->n + 1) * sizeof(*devices->ifindex));

	if (!more)
		return -ENOMEM;
	devices->ifindex = more;
	devices->ifindex[devices->n++] = ifindex;
	return 0;
}

/* The devices that own addresses behind one guard. */
static int add_devices(unsigned int ifindex, void *arg)
{
	const struct devices *devices = arg;
	struct tables tables = { 0 };
	struct guard_record record;
	int err;

	if (ifindex == devices->except)
		return 0;
	err = pinned_record(ifindex, &record, NULL);
	if (!err && record.settings.can_answer)
		err = guard_tables(ifindex, &tables);
	for (size_t i = 0; !err && i < tables.n_rows; i++)
		if (tables.rows[i].link.ifindex)
			err = add_device(arg, tables.rows[i].link.ifindex);
	tables_free(&tables);
	/* Without its pins nothing is known of it; what can't be read may
	 * answer. */
	return err == -ENOENT ? 0 : err;
}

static bool is_wanted(const struct devices *wanted, __u32 ifindex)
{
	for (size_t i = 0; i < wanted->n; i++)
		if (wanted->ifindex[i] == ifindex)
			return true;
	return false;
}

/* Takes it off every device but these. */
static int keep(const struct devices *wanted)
{
	int devices = pins_open(0, PIN_DEVICES), err = 0;
	__u32 key, next, made, *at = NULL;

	if (devices < 0)
		return devices == -ENOENT ? 0 : devices;
	while (!err && !bpf_map_get_next_key(devices, at, &next)) {
		key = next;
		if (is_wanted(wanted, key) ||
		    bpf_map_lookup_elem(devices, &key, &made)) {
			at = &key;
			continue;
		}
		err = tc_detach(key, made);
		if (!err && bpf_map_delete_elem(devices, &key))
			err = -errno;
		at = NULL; /* from the start: the key is gone */
	}
	close(devices);
	return err;
}

int acceptor_tidy(unsigned int except)
{
	struct devices wanted = { .except = except };
	int err = pins_each(add_devices, &wanted) ?: keep(&wanted);

	free(wanted.ifindex);
	return err;
}

void acceptor_forget(const struct interface *iface)
{
	int devices = pins_open(0, PIN_DEVICES);

	if (devices >= 0)
		close(devices);
	if (devices != -ENOENT)
		return;
	for (size_t i = 0; i < iface->tables.n_rows; i++) {
		unsigned int ifindex = iface->tables.rows[i].link.ifindex;

		/* Who made the qdisc is not known any more: it stays. */
		if (tc_is_attached(ifindex) > 0)
			tc_detach(ifindex, false);
	}
}

int acceptor_counters(struct counters *counters, struct counter_names *names)
{
	int fd = pins_open(0, PIN_ACK_COUNTERS), err;
	__u32 zero = 0;

	if (fd < 0)
		return fd;
	err = program_read_counters(fd, counters);
	close(fd);
	fd = pins_open(0, PIN_ACK_NAMES);
	if (fd < 0)
		return fd;
	if (!err && bpf_map_lookup_elem(fd, &zero, names))
		err = -errno;
	close(fd);
	return err;
}
