// SPDX-License-Identifier: GPL-2.0
#include "guard.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "acceptor.h"
#include "chain.h"
#include "guard.skel.h"
#include "hook.h"
#include "ifname.h"
#include "interface.h"
#include "kernel.h"
#include "leftovers.h"
#include "lock.h"
#include "pins.h"
#include "program.h"
#include "ring.h"
#include "version.h"

#define PIN_RECORD "record"
#define PIN_COUNTERS "counters"
#define PIN_COUNTER_NAMES "counter_names"
#define PIN_CUTS "cuts"
#define PIN_PORTS "ports"
#define PIN_UNTAGGED "untagged"
#define PIN_VLANS "vlans"
#define PIN_LOCALS "locals"

static const char *const mode_names[] = {
#define X(mode, meaning) #mode,
	ATTACH_MODES(X)
#undef X
};

const char *guard_mode_name(unsigned int mode)
{
	return mode < ATTACH_MODE_COUNT ? mode_names[mode] : "unknown";
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define owned __attribute__((cleanup(close_fd)))

/* Reads the record of a folder of pins; -EPROTO where a newer version left it. */
static int read_record(unsigned int ifindex, struct guard_record *record,
		       struct fault *f)
{
	owned int fd = pins_open(ifindex, PIN_RECORD);
	struct bpf_map_info info = { 0 };
	__u32 zero = 0, size = sizeof(info);

	if (fd < 0)
		return fd;
	memset(record, 0, sizeof(*record));
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.value_size == sizeof(*record) &&
	    bpf_map_lookup_elem(fd, &zero, record))
		return -errno;
	if (info.value_size == sizeof(*record) &&
	    record->layout <= GUARD_LAYOUT)
		return 0;
	if (f) {
		fault_advise(f, "use that version, or a newer one");
		fault_fail(f, EXIT_FAILED, EPROTO,
			   "the guard of %.15s was attached by tfoguard %.15s, "
			   "whose pins (layout %u) this version does not know",
			   record->ifname[0] ? record->ifname : "an interface",
			   record->version[0] ? record->version : "of a newer kind",
			   record->layout);
	}
	return -EPROTO;
}

/* What is pinned for one attached guard and outlives its program. */
struct kept {
	bool attached;
	struct guard_record record;
	int counters, counter_names;
	int cuts; /* -1: a guard of a version that had none */
};

#define KEPT_NONE                                                              \
	((struct kept){ .counters = -1, .counter_names = -1, .cuts = -1 })

static void drop_kept(struct kept *kept)
{
	close_fd(&kept->counters);
	close_fd(&kept->counter_names);
	close_fd(&kept->cuts);
}

/* Whether the pinned guard is on the hook; negative errno: can't be told. */
static int is_held(unsigned int ifindex, bool chained)
{
	return chained ? chain_holds(ifindex) : hook_is_held(ifindex);
}

/*
 * The other interfaces of the namespace share its keys: where a newer version
 * guards one, the keys are that one's business. Pins of an interface that has
 * gone are removed.
 */
static int check_others(unsigned int ifindex, void *arg)
{
	struct guard_record record;
	char name[IF_NAMESIZE];
	int err = read_record(ifindex, &record, arg);

	if (err == -EPROTO)
		return err;
	if (!err && !if_indextoname(ifindex, name) && errno == ENXIO &&
	    is_held(ifindex, record.chained) == 0)
		pins_remove(ifindex);
	return 0;
}

static int incomplete(struct fault *f)
{
	return fault_fail(f, EXIT_FAILED, EIO,
			  "the pins of its guard are incomplete; \"detach\" it "
			  "first");
}

static int cannot_read(int err, struct fault *f)
{
	if (err == -EPERM)
		fault_advise(f, HOOK_CAPABILITIES);
	return fault_fail(f, EXIT_FAILED, err,
			  "what is attached to it can't be read: %s",
			  strerror(-err));
}

/* Opens what is there; removes pins that for certain hold nothing any more. */
static int find_kept(const struct interface *iface, struct kept *kept,
		     struct fault *f)
{
	int err, held;

	*kept = KEPT_NONE;
	err = read_record(iface->ifindex, &kept->record, f);
	if (err == -EPROTO)
		return err;
	if (err && err != -ENOENT)
		return cannot_read(err, f);
	held = is_held(iface->ifindex, !err && kept->record.chained);
	if (held < 0)
		return cannot_read(held, f);
	if (!held) {
		pins_remove(iface->ifindex);
		return 0;
	}
	kept->counters = pins_open(iface->ifindex, PIN_COUNTERS);
	kept->counter_names = pins_open(iface->ifindex, PIN_COUNTER_NAMES);
	kept->cuts = pins_open(iface->ifindex, PIN_CUTS);
	if (err == -ENOENT || kept->counters == -ENOENT ||
	    kept->counter_names == -ENOENT)
		return incomplete(f);
	if (kept->counters < 0 || kept->counter_names < 0)
		return cannot_read(kept->counters < 0 ? kept->counters :
							kept->counter_names,
				   f);
	kept->attached = true;
	return 0;
}

static int read_interface(const char *ifname, struct interface *iface,
			  struct fault *f)
{
	int err = interface_read(ifname, iface);

	if (err == -ENODEV) {
		fault_advise(f, "see \"ip link\" for the interfaces of this "
				"network namespace");
		return fault_fail(f, EXIT_FAILED, err,
				  "there is no such interface");
	}
	if (err)
		return fault_fail(f, EXIT_FAILED, err, "rtnetlink: %s",
				  strerror(-err));
	return 0;
}

static int check_mode(const struct guard_request *request,
		      const struct interface *iface, const struct kept *kept,
		      struct fault *f)
{
	switch (interface_kind(iface)) {
	case LINK_UNKNOWN:
		return fault_fail(f, EXIT_FAILED, EOPNOTSUPP,
				  "its link type %u is neither Ethernet nor bare "
				  "IP",
				  iface->type);
	case LINK_BARE_IP:
		if (request->mode == ATTACH_native) {
			fault_advise(f, "attach with \"-m skb\"");
			return fault_fail(f, EXIT_FAILED, EOPNOTSUPP,
					  "a device without an Ethernet header "
					  "has no native XDP");
		}
		break;
	case LINK_ETHERNET:
		break;
	}
	if (kept->attached && kept->record.attach_mode != request->mode) {
		fault_advise(f, "\"tfoguard detach %s\" first, or attach with "
				"\"-m %s\"",
			     request->ifname,
			     guard_mode_name(kept->record.attach_mode));
		return fault_fail(f, EXIT_FAILED, EBUSY,
				  "it is attached in mode %s, and the mode can't "
				  "be changed without a gap",
				  guard_mode_name(kept->record.attach_mode));
	}
	return 0;
}

/* The namespace's map of keys, made where there is none. */
static int open_keyring(struct fault *f)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int fd = pins_open(0, PIN_KEYRING);

	if (fd == -ENOENT) {
		owned int inner = bpf_map_create(
			BPF_MAP_TYPE_ARRAY, "tfoguard_keys", sizeof(__u32),
			sizeof(struct keyring), 1, NULL);
		opts.inner_map_fd = (__u32)inner;
		fd = inner < 0 ? -1 :
				 bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS,
						"keyring", sizeof(__u32),
						sizeof(__u32), 1, &opts);
		if (fd < 0)
			fd = -errno;
	}
	if (fd >= 0)
		return fd;
	if (fd == -EPERM)
		fault_advise(f, geteuid() ? "run it as root" :
					    "give it CAP_BPF or CAP_SYS_ADMIN");
	return fault_fail(f, EXIT_FAILED, fd, "no map for the keys: %s",
			  strerror(-fd));
}

/* The kernel's keys, in the slots in which the ring had them. Without
 * CAP_SYS_ADMIN that can't be read, and a backup key counts as previous. */
static int follow_kernel(int keyring_fd, struct keyring *ring, struct fault *f)
{
	struct kernel_pair kernel;
	struct keyring was;
	int err = kernel_keys(&kernel);

	if (err)
		return fault_fail(f, EXIT_FAILED, err,
				  "the kernel's key (net.ipv4.tcp_fastopen_key) "
				  "can't be read: %s",
				  strerror(-err));
	err = program_get_keyring(keyring_fd, &was);
	if (err)
		memset(&was, 0, sizeof(was));
	ring_follow(&was, &kernel, (__u64)time(NULL), ring);
	explicit_bzero(&was, sizeof(was));
	explicit_bzero(&kernel, sizeof(kernel));
	return 0;
}

static int write_record(const struct program *program,
			const struct guard_record *record)
{
	__u32 zero = 0;
	int fd = bpf_map__fd(program->skel->maps.record);

	return bpf_map_update_elem(fd, &zero, record, BPF_ANY) ? -errno : 0;
}

/* In generic mode it is sent as by the stack. */
static bool is_unsent(unsigned int mode, const struct interface *iface)
{
	return mode != ATTACH_skb && !interface_sends_back(iface);
}

/* What one attach works with. */
struct attachment {
	struct hook hook;
	struct program_config config;
	struct program_maps maps;
	struct guard_record record;
	struct program program;
	struct acceptor acceptor;
};

/* What will be pinned for it; where there is a link already, that too. */
static int prepare_pins(const struct attachment *a)
{
	const struct program *program = &a->program;
	struct guard_bpf *skel = program->skel;
	unsigned int ifindex = a->hook.ifindex;
	owned int link = pins_open(ifindex, PIN_LINK);
	const struct {
		const char *name;
		int fd;
		bool wanted;
	} pins[] = {
		{ PIN_PROGRAM, program->fd, true },
		{ PIN_COUNTERS, bpf_map__fd(skel->maps.counters), true },
		{ PIN_COUNTER_NAMES, bpf_map__fd(skel->maps.counter_names),
		  true },
		{ PIN_CUTS, bpf_map__fd(skel->maps.cuts), true },
		{ PIN_PORTS, bpf_map__fd(skel->maps.ports), true },
		{ PIN_UNTAGGED, bpf_map__fd(skel->maps.untagged), true },
		{ PIN_VLANS, bpf_map__fd(skel->maps.vlans), true },
		{ PIN_LOCALS, bpf_map__fd(skel->maps.locals), true },
		{ PIN_TURN, bpf_map__fd(skel->maps.turn), a->config.chained },
		{ PIN_TAKEN, bpf_map__fd(skel->maps.taken), a->config.chained },
		{ PIN_RECORD, bpf_map__fd(skel->maps.record), true },
		{ PIN_LINK, link, link != -ENOENT },
	};
	int err = write_record(program, &a->record) ?: pins_begin(ifindex);

	if (!err)
		err = pins_put(a->maps.keyring, 0, PIN_KEYRING) ?:
		      shared_pin(a->maps.shared);
	for (size_t i = 0; !err && i < sizeof(pins) / sizeof(*pins); i++)
		if (pins[i].wanted)
			err = pins[i].fd < 0 ? pins[i].fd :
					       pins_add(pins[i].fd, ifindex,
							pins[i].name);
	return err;
}

static int put_pins(const struct attachment *a)
{
	return prepare_pins(a) ?: pins_commit(a->hook.ifindex);
}

static bool any_challenges(const struct port_policy *ports)
{
	for (int port = 1; port < PORT_COUNT; port++)
		if (ports[port].answer == ANSWER_challenge)
			return true;
	return false;
}

static int open_program(struct attachment *a, bool chained, struct fault *f)
{
	a->config.chained = chained;
	a->record.chained = chained;
	a->config.settings.may_resize = !chained;
	a->config.settings.can_answer = a->acceptor.skel != NULL;
	a->config.settings.can_challenge =
		!a->config.settings.vlans_hidden && !a->record.unsent &&
		any_challenges(a->config.ports);
	a->record.settings = a->config.settings;
	return program_open(&a->program, &a->config, &a->maps, f);
}

static int cannot_pin(struct fault *f, enum exit_code exit, int err)
{
	return fault_fail(f, exit, err, "its maps can't be pinned in bpffs: %s",
			  strerror(-err));
}

/* Pinned before others leave: who is killed in between leaves pins of what
 * stays. */
static int attach_chained(struct attachment *a, struct fault *f)
{
	int err = open_program(a, true, f) ?:
		  chain_join(&a->hook, &a->program, f);

	if (err)
		return err;
	err = put_pins(a);
	if (err)
		cannot_pin(f, EXIT_FAILED, err);
	else if ((err = chain_settle(&a->hook, &a->program)))
		hook_refused(&a->hook, err, f);
	if (err)
		chain_leave(&a->hook);
	return err;
}

/* Before the guard, which must not answer without it. What passes, like a lack
 * of memory, is no reason to be silent from now on. */
static int start_acceptor(struct attachment *a, const struct interface *iface,
			  struct fault *f)
{
	char *why = a->record.silent_because;
	int err;

	if (iface->vlans_hidden) {
		snprintf(why, WHY_SILENT_MAX, "the device strips VLAN tags");
		return 0;
	}
	if (a->record.unsent && acceptor_possible(why)) {
		snprintf(why, WHY_SILENT_MAX,
			 "the veth's other end runs no XDP program");
		return 0;
	}
	err = acceptor_open(&a->acceptor, a->maps.shared, why);
	if (!err) {
		err = acceptor_attach(&a->acceptor, iface, why);
		if (err)
			acceptor_close(&a->acceptor);
	}
	if (err != -ENOMEM)
		return 0;
	fault_advise(f, PROGRAM_MEMORY);
	return fault_fail(f, EXIT_FAILED, err,
			  "the kernel has no memory for what takes the ACKs of "
			  "answers");
}

static int attach_alone(struct attachment *a, struct fault *f)
{
	int err = open_program(a, false, f) ?: program_load(&a->program, f);

	if (err)
		return err;
	/* Pinned first: who finds the link must find the rest. */
	err = put_pins(a);
	if (err)
		return cannot_pin(f, EXIT_FAILED, err);
	return hook_attach(&a->hook, a->program.fd, f);
}

static int hidden(struct fault *f)
{
	fault_advise(f, HOOK_HIDDEN);
	return fault_fail(f, EXIT_FAILED, EBUSY,
			  "a guard is on it whose pins are not in the bpffs that "
			  "is mounted here");
}

/* Whether there is room for us, and whether that must be in a chain. */
static int check_hook(const struct attachment *a, bool can_chain,
		      const char *why_not, bool *must_chain, struct fault *f)
{
	enum hook_holder holder;
	char name[16] = "";
	unsigned int other;
	int err = hook_holder(&a->hook, &holder, name, &other);

	if (err)
		return cannot_read(err, f);
	*must_chain = holder == HOOK_DISPATCHER;
	if (holder == HOOK_GUARD)
		return hidden(f);
	if (holder == HOOK_FOREIGN) {
		fault_advise(f, "load that one through libxdp (xdp-loader) so "
				"that both can share the interface, or take it "
				"off");
		return fault_fail(f, EXIT_FAILED, EBUSY,
				  "the XDP program %s (id %u) is on it and was "
				  "not loaded through libxdp's dispatcher",
				  name[0] ? name : "of another tool", other);
	}
	if (*must_chain && !can_chain) {
		fault_advise(f, "take the other programs off");
		return fault_fail(f, EXIT_FAILED, EBUSY,
				  "libxdp's dispatcher is on it, and this kernel "
				  "can't chain one more program: %s",
				  why_not);
	}
	return 0;
}

/* Chained where that is possible, else alone; the record says why. */
static int attach_fresh(struct attachment *a, const struct interface *iface,
			struct fault *f)
{
	char *why = a->record.alone_because;
	size_t size = sizeof(a->record.alone_because);
	bool can_chain = hook_can_chain(why, size), must_chain = false;
	int err;

	chain_rescue(&a->hook);
	err = check_hook(a, can_chain, why, &must_chain, f) ?:
	      start_acceptor(a, iface, f);
	if (err)
		return err;
	if (can_chain) {
		err = attach_chained(a, f);
		if (!err || must_chain)
			return err;
		snprintf(why, size, "%.120s",
			 program_complaint()[0] ? program_complaint() : f->why);
		program_close(&a->program);
		f->exit = EXIT_DONE;
		f->why[0] = f->advice[0] = '\0';
		pins_remove(a->hook.ifindex);
	}
	return attach_alone(a, f);
}

static int exchange_chained(struct attachment *a, struct fault *f)
{
	int err = chain_repair(&a->hook);

	if (!err)
		err = chain_exchange(&a->hook, &a->program, f);
	if (err)
		return err;
	err = put_pins(a);
	if (err) {
		chain_repair(&a->hook);
		return cannot_pin(f, EXIT_FAILED, err);
	}
	/* Should the elder stay, it stays retired: no harm. */
	chain_settle(&a->hook, &a->program);
	return 0;
}

static int exchange_alone(struct attachment *a, struct fault *f)
{
	int err = program_load(&a->program, f);

	if (err)
		return err;
	err = prepare_pins(a);
	if (err)
		return cannot_pin(f, EXIT_FAILED, err);
	err = hook_exchange(a->hook.ifindex, a->program.fd);
	if (err)
		return err;
	err = pins_commit(a->hook.ifindex);
	return err ? cannot_pin(f, EXIT_PARTLY, err) : 0;
}

/*
 * No packet passes unguarded, none is counted twice; counters and keys are the
 * same maps. Pins follow; what a crash leaves in between, the next attach mends.
 */
static int attach_over(struct attachment *a, const struct interface *iface,
		       const struct kept *kept, struct fault *f)
{
	int err;

	a->record.attached_at = kept->record.attached_at;
	memcpy(a->record.alone_because, kept->record.alone_because,
	       sizeof(a->record.alone_because));
	err = start_acceptor(a, iface, f) ?:
	      open_program(a, kept->record.chained, f);
	if (!err)
		err = a->config.chained ? exchange_chained(a, f) :
					  exchange_alone(a, f);
	if (err)
		pins_abort(a->hook.ifindex);
	if (!err || f->exit)
		return err;
	if (err == -EPERM)
		fault_advise(f, HOOK_CAPABILITIES);
	return fault_fail(f, EXIT_FAILED, err,
			  "the attached guard can't be exchanged: %s",
			  strerror(-err));
}

static int set_settings(struct settings *settings,
			const struct guard_request *request,
			const struct interface *iface, struct fault *f)
{
	char route[64];
	int take_data = interface_routes_take_data(route, sizeof(route));

	if (take_data < 0)
		return fault_fail(f, EXIT_FAILED, take_data,
				  "the routes can't be read: %s",
				  strerror(-take_data));
	*settings = (struct settings){
		.observe = request->observe,
		.no_ethernet = interface_kind(iface) == LINK_BARE_IP,
		.any_mac = interface_has_any_mac(iface),
		.vlans_hidden = iface->vlans_hidden,
		.routes_take_data = take_data > 0,
	};
	return 0;
}

struct devices {
	unsigned int except; /* a guard that goes */
	struct acceptor_device *device;
	size_t n;
};

static int add_device(struct devices *devices, unsigned int ifindex)
{
	void *more = realloc(devices->device,
			     (devices->n + 1) * sizeof(*devices->device));

	if (!more)
		return -ENOMEM;
	devices->device = more;
	devices->device[devices->n++].ifindex = ifindex;
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
	err = read_record(ifindex, &record, NULL);
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

/* Where no guard that answers is left, nor is what takes its ACKs. */
static int tidy_acceptors(unsigned int except)
{
	struct devices devices = { .except = except };
	int err = pins_each(add_devices, &devices) ?:
		  acceptor_keep(devices.device, devices.n);

	free(devices.device);
	return err;
}

static int attach(const struct guard_request *request, struct interface *iface,
		  struct kept *kept, struct fault *f)
{
	__u64 now = (__u64)time(NULL);
	struct shared shared;
	struct settings settings;
	struct keyring ring;
	struct attachment a;
	int err;

	err = read_interface(request->ifname, iface, f) ?:
	      pins_each(check_others, f) ?:
	      find_kept(iface, kept, f) ?:
	      check_mode(request, iface, kept, f) ?:
	      set_settings(&settings, request, iface, f);
	if (err)
		return err;

	owned int keyring_fd = open_keyring(f);
	if (keyring_fd < 0)
		return keyring_fd;
	err = follow_kernel(keyring_fd, &ring, f);
	if (err)
		return err;

	err = shared_open(&shared);
	if (err)
		return cannot_read(err, f);
	a = (struct attachment){
		.hook = { .ifindex = iface->ifindex,
			  .ifname = request->ifname,
			  .mode = request->mode },
		.config = { .settings = settings,
			    .ports = request->ports,
			    .tables = iface->tables },
		.maps = { .keyring = keyring_fd,
			  .counters = kept->counters,
			  .counter_names = kept->counter_names,
			  .cuts = kept->cuts,
			  .shared = &shared },
		.record = { .layout = GUARD_LAYOUT,
			    .ifindex = iface->ifindex,
			    .attach_mode = (__u8)request->mode,
			    .attached_at = now,
			    .loaded_at = now,
			    .unsent = is_unsent(request->mode, iface),
			    .settings = settings },
	};
	snprintf(a.record.ifname, sizeof(a.record.ifname), "%s", iface->name);
	snprintf(a.record.version, sizeof(a.record.version), "%s", VERSION);

	if (kept->attached) {
		err = attach_over(&a, iface, kept, f);
	} else {
		err = attach_fresh(&a, iface, f);
		if (err)
			pins_remove(iface->ifindex);
	}
	program_close(&a.program);
	acceptor_close(&a.acceptor);
	/* Others obey it too: what failed must leave it alone. */
	if (!err && request->tuning) {
		err = shared_tune(&shared, request->tuning);
		if (err)
			fault_fail(f, EXIT_PARTLY, err,
				   "it is attached, but its limits are not in "
				   "force: %s",
				   strerror(-err));
	}
	shared_close(&shared);
	tidy_acceptors(0);
	pins_tidy();
	/* Last, for what failed must leave the keys alone; a ring that is late
	 * is made good by the look. */
	if (!err) {
		err = program_set_keyring(keyring_fd, &ring);
		if (err)
			fault_fail(f, EXIT_PARTLY, err,
				   "it is attached, but the kernel's keys were "
				   "not adopted: %s",
				   strerror(-err));
	}
	explicit_bzero(&ring, sizeof(ring));
	return err;
}

int guard_attach(const struct guard_request *request, struct fault *f)
{
	struct kept kept = KEPT_NONE;
	struct guard_request named = *request;
	struct interface iface = { 0 };
	struct leftovers leftovers;
	char real[IF_NAMESIZE];
	int err;

	fault_tried(f, "attach to %s", request->ifname);
	program_catch_complaints();

	owned int locked = lock_take(f);
	if (locked < 0)
		return locked;
	leftovers_begin(&leftovers);
	err = pins_mount(f);
	if (!err) {
		pins_sweep(hook_is_dead);
		named.ifname = ifname_real(request->ifname, real);
		err = attach(&named, &iface, &kept, f);
	}
	if (err && !f->exit)
		fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err));
	interface_free(&iface);
	drop_kept(&kept);
	leftovers_close(&leftovers);
	return err;
}

struct named {
	const char *ifname;
	unsigned int ifindex;
};

/* Pins of an interface that has gone know what it was called. */
static int has_name(unsigned int ifindex, void *arg)
{
	struct guard_record record;
	struct named *named = arg;
	char now[IF_NAMESIZE];

	if (if_indextoname(ifindex, now) ||
	    read_record(ifindex, &record, NULL) ||
	    strncmp(record.ifname, named->ifname, sizeof(record.ifname)))
		return 0;
	named->ifindex = ifindex;
	return 1;
}

/* The index of an interface that has gone, by the name it had; 0: none. */
static unsigned int find_gone(const char *ifname)
{
	struct named named = { .ifname = ifname };

	pins_each(has_name, &named);
	return named.ifindex;
}

/* The index by which the guard on @ifname is pinned; 0 where there is none. */
static unsigned int find_pinned(const char *ifname)
{
	return if_nametoindex(ifname) ?: find_gone(ifname);
}

static int not_attached(const char *ifname, struct fault *f)
{
	struct hook hook = { .ifindex = ifname ? if_nametoindex(ifname) : 0 };
	enum hook_holder holder;
	unsigned int id;
	char name[16];

	if (hook.ifindex && !hook_holder(&hook, &holder, name, &id) &&
	    holder == HOOK_GUARD)
		return hidden(f);
	fault_advise(f, "attach it: tfoguard attach %s", ifname ?: "IFACE");
	return fault_fail(f, EXIT_NOT_ATTACHED, ENOENT,
			  ifname ? "no guard is attached to it" :
				   "no guard is attached in this network "
				   "namespace");
}

/* Takes off what of ours is on the hook. -ENOENT where nothing is. */
static int let_go(const struct hook *hook)
{
	char name[IF_NAMESIZE];
	int link, chain;

	if (!if_indextoname(hook->ifindex, name))
		return 0;
	link = hook_detach(hook->ifindex);
	if (link && link != -ENOENT)
		return link;
	/* Also what has no pins: a guard whose attach was killed. */
	chain = chain_leave(hook);
	return chain == -ENOENT ? link : chain;
}

/* ACKs of the last answers are under way when nothing answers any more: for as
 * long as a round trip may take, if there were answers of late. */
#define LAST_ACKS 2 /* units of struct port_state */

static void wait_for_acks(void)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	struct port_state any;
	struct timespec now;
	__u32 zero = 0;
	__u64 ns;

	owned int states = pins_open(0, "port_states");
	/* No longer than it can take: in a time namespace the clock is another
	 * than the program's. */
	for (int i = 0; i < 10 * (LAST_ACKS + 2) && states >= 0 &&
			!bpf_map_lookup_elem(states, &zero, &any) &&
			!clock_gettime(CLOCK_MONOTONIC, &now);
	     i++) {
		ns = (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
		if (any.answered_until + LAST_ACKS <=
		    (ns >> 30) + ANSWERS_LAST + 1)
			return;
		nanosleep(&pause, NULL);
	}
}

static int remove_all(unsigned int ifindex, struct fault *f)
{
	int err;

	wait_for_acks();
	err = tidy_acceptors(ifindex) ?: pins_remove(ifindex) ?:
	      pins_tidy();
	if (err)
		fault_fail(f, EXIT_FAILED, err,
			   "what it left behind can't be removed: %s",
			   strerror(-err));
	return err;
}

/* What a guard left behind whose pins are lost. */
static void remove_strays(const char *ifname)
{
	struct interface iface = { 0 };

	if (!interface_read(ifname, &iface))
		acceptor_forget(&iface);
	interface_free(&iface);
}

static int detach(const char *ifname, struct fault *f)
{
	struct guard_record record;
	struct hook hook = { .ifname = ifname, .ifindex = find_pinned(ifname) };
	int err, gone;

	if (!hook.ifindex)
		return fault_fail(f, EXIT_NOT_ATTACHED, ENODEV,
				  "there is no such interface, and no guard of "
				  "one that has gone");
	err = read_record(hook.ifindex, &record, f);
	if (err && err != -ENOENT)
		return f->exit ? err : cannot_read(err, f);
	gone = let_go(&hook);
	if (gone && gone != -ENOENT)
		return hook_refused(&hook, gone, f);
	if (err == -ENOENT && gone == -ENOENT) {
		/* Of an earlier interface of that name? */
		pins_remove(hook.ifindex);
		hook.ifindex = find_gone(ifname);
		err = hook.ifindex ? read_record(hook.ifindex, &record, f) :
				     -ENOENT;
		if (err == -ENOENT) {
			tidy_acceptors(0);
			pins_tidy();
			err = not_attached(ifname, f);
			if (f->exit == EXIT_NOT_ATTACHED)
				remove_strays(ifname);
			return err;
		}
		if (err)
			return f->exit ? err : cannot_read(err, f);
	}
	err = remove_all(hook.ifindex, f);
	if (!err)
		remove_strays(ifname);
	return err;
}

int guard_detach(const char *ifname, struct fault *f)
{
	struct leftovers leftovers;
	char real[IF_NAMESIZE];
	int err;

	fault_tried(f, "detach from %s", ifname);
	program_catch_complaints();

	owned int locked = lock_take(f);
	if (locked < 0)
		return locked;
	leftovers_begin(&leftovers);
	err = detach(ifname_real(ifname, real), f);
	if (!err)
		pins_sweep(hook_is_dead);
	leftovers_close(&leftovers);
	return err;
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
	int err = read_record(ifindex, &status->record, f), held;
	__u32 zero = 0;

	if (err)
		return err;

	owned int counters = pins_open(ifindex, PIN_COUNTERS);
	owned int names = pins_open(ifindex, PIN_COUNTER_NAMES);
	owned int cuts = pins_open(ifindex, PIN_CUTS);
	owned int program = pins_open(ifindex, PIN_PROGRAM);
	if (counters == -ENOENT || names == -ENOENT)
		return read_record(ifindex, &status->record, f) ?:
		       incomplete(f);
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
	held = is_held(ifindex, status->record.chained);
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
		cannot_read(err, &f);
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
		state.only = find_pinned(ifname_real(ifname, real));
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
	return state.visited ? 0 : not_attached(ifname, f);
}

static int open_tables(unsigned int ifindex, struct table_maps *maps)
{
	maps->untagged = pins_open(ifindex, PIN_UNTAGGED);
	maps->vlans = pins_open(ifindex, PIN_VLANS);
	maps->locals = pins_open(ifindex, PIN_LOCALS);
	if (maps->untagged < 0)
		return maps->untagged;
	return maps->vlans < 0 ? maps->vlans : maps->locals;
}

static void close_tables(struct table_maps *maps)
{
	close_fd(&maps->untagged);
	close_fd(&maps->vlans);
	close_fd(&maps->locals);
}

int guard_tables(unsigned int ifindex, struct tables *tables)
{
	struct table_maps maps;
	int err = open_tables(ifindex, &maps);

	*tables = (struct tables){ 0 };
	if (err >= 0)
		err = tables_read(&maps, tables);
	close_tables(&maps);
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
	unsent = is_unsent(record->attach_mode, &iface);
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

/* Devices that are new get what takes the ACKs before the tables say that they
 * are ours; where they can't have it, the tables must not say so. */
static int extend_acceptor(struct interface *iface, struct fault *f)
{
	char why[WHY_SILENT_MAX];
	struct acceptor acceptor;
	struct shared shared;
	int err;

	if (acceptor_is_on(&iface->tables) > 0)
		return 0;
	err = shared_open(&shared);
	if (err)
		return cannot_read(err, f);
	err = acceptor_open(&acceptor, &shared, why);
	if (!err) {
		err = acceptor_attach(&acceptor, iface, why);
		acceptor_close(&acceptor);
	}
	shared_close(&shared);
	if (!err)
		return 0;
	acceptor_withhold(&iface->tables);
	fault_advise(f, "attach it again, which lets it guard without answers");
	return fault_fail(f, EXIT_PARTLY, ESTALE,
			  "a device that is new can't take the ACKs of "
			  "answers, and is not guarded: %s",
			  why);
}

/* What was frozen into the program when it was loaded. */
static int check_settings(const struct guard_record *record,
			  const struct interface *iface, struct fault *f)
{
	const struct settings *settings = &record->settings;
	const char *what = NULL;
	char route[64];
	int take_data = interface_routes_take_data(route, sizeof(route));

	if (settings->vlans_hidden != iface->vlans_hidden)
		what = iface->vlans_hidden ?
			       "VLAN tags are stripped before XDP now" :
			       "VLAN tags are no longer stripped before XDP";
	else if (is_unsent(record->attach_mode, iface) != record->unsent)
		what = record->unsent ?
			       "the other end of the veth takes answers now" :
			       "the other end of the veth takes no answers any "
			       "more";
	else if (take_data >= 0 && settings->routes_take_data != take_data)
		what = take_data ? "a route takes data without a cookie now" :
				   "no route takes data without a cookie "
				   "any more";
	if (!what)
		return 0;
	fault_advise(f, "attach it again, which exchanges the program");
	return fault_fail(f, EXIT_PARTLY, ESTALE,
			  "its program was loaded for what is no longer "
			  "true: %s",
			  what);
}

static int refresh(struct interface *iface, struct fault *f)
{
	struct guard_record record;
	struct table_maps maps;
	__u32 zero = 0;
	int err, stale = 0;

	owned int fd = pins_open(iface->ifindex, PIN_RECORD);
	if (fd < 0)
		return fd;
	err = read_record(iface->ifindex, &record, f);
	if (err)
		return err;
	if (record.settings.can_answer)
		stale = extend_acceptor(iface, f);
	if (stale && stale != -ESTALE)
		return stale;
	err = open_tables(iface->ifindex, &maps);
	if (err >= 0)
		err = tables_write(&maps, &iface->tables, f);
	else if (err == -ENOENT)
		err = incomplete(f);
	close_tables(&maps);
	if (err)
		return err;
	snprintf(record.ifname, sizeof(record.ifname), "%s", iface->name);
	if (bpf_map_update_elem(fd, &zero, &record, BPF_ANY))
		return -errno;
	tidy_acceptors(0);
	return stale ?: check_settings(&record, iface, f);
}

int guard_refresh(const char *ifname, struct fault *f)
{
	struct interface iface = { 0 };
	char real[IF_NAMESIZE];
	int err;

	fault_tried(f, "tell the guard of %s its addresses", ifname);
	program_catch_complaints();

	/* Else an attach under way would put older ones in their place. */
	owned int locked = lock_take(f);
	if (locked < 0)
		return locked;
	err = read_interface(ifname_real(ifname, real), &iface, f) ?:
	      refresh(&iface, f);
	interface_free(&iface);
	if (err == -ENOENT)
		return not_attached(ifname, f);
	if (err && !f->exit)
		fault_fail(f, EXIT_FAILED, err, "the guard's pins: %s",
			   strerror(-err));
	return err;
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
