// SPDX-License-Identifier: GPL-2.0
#include "guard.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "chain.h"
#include "guard.skel.h"
#include "hook.h"
#include "interface.h"
#include "kernel.h"
#include "pins.h"
#include "program.h"
#include "version.h"

#define RUN_FOLDER "/run/tfoguard"
#define LOCK_FILE RUN_FOLDER "/lock"
#define LOCK_WAIT_S 10

#define PIN_RECORD "record"
#define PIN_COUNTERS "counters"
#define PIN_COUNTER_NAMES "counter_names"
#define PIN_PORTS "ports"
#define PIN_UNTAGGED "untagged"
#define PIN_VLANS "vlans"

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

/* Held until the returned descriptor is closed. */
static int lock(struct fault *f)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	int fd, err;

	mkdir(RUN_FOLDER, 0755);
	fd = open(LOCK_FILE, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = errno;
		if (geteuid() != 0)
			fault_advise(f, "run it as root");
		return fault_fail(f, EXIT_FAILED, err, LOCK_FILE ": %s",
				  strerror(err));
	}
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (i == LOCK_WAIT_S * 10) {
			close(fd);
			fault_advise(f, "try again when it is done");
			return fault_fail(f, EXIT_FAILED, EBUSY,
					  "another tfoguard is changing guards "
					  "and holds " LOCK_FILE);
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

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
};

static void drop_kept(struct kept *kept)
{
	close_fd(&kept->counters);
	close_fd(&kept->counter_names);
}

static bool is_held(unsigned int ifindex, bool chained)
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
	if (!err && !if_indextoname(ifindex, name) &&
	    !is_held(ifindex, record.chained))
		pins_remove(ifindex);
	return 0;
}

/* Opens what is there; removes pins that hold nothing any more. */
static int find_kept(const struct interface *iface, struct kept *kept,
		     struct fault *f)
{
	int err;

	*kept = (struct kept){ .counters = -1, .counter_names = -1 };
	err = read_record(iface->ifindex, &kept->record, f);
	if (err == -EPROTO)
		return err;
	if (err || !is_held(iface->ifindex, kept->record.chained)) {
		pins_remove(iface->ifindex);
		return 0;
	}
	kept->counters = pins_open(iface->ifindex, PIN_COUNTERS);
	kept->counter_names = pins_open(iface->ifindex, PIN_COUNTER_NAMES);
	if (kept->counters < 0 || kept->counter_names < 0)
		return fault_fail(f, EXIT_FAILED, EIO,
				  "the pins of its guard are incomplete; \"detach\" "
				  "it first");
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

static int read_kernel_keys(struct keyring *ring, struct fault *f)
{
	int n = kernel_keyring(ring);

	if (n >= 0)
		return 0;
	return fault_fail(f, EXIT_FAILED, n,
			  "the kernel's key (net.ipv4.tcp_fastopen_key) can't be "
			  "read: %s",
			  strerror(-n));
}

static int write_record(const struct program *program,
			const struct guard_record *record)
{
	__u32 zero = 0;
	int fd = bpf_map__fd(program->skel->maps.record);

	return bpf_map_update_elem(fd, &zero, record, BPF_ANY) ? -errno : 0;
}

/* All pins but the link, which holds the hook. */
static int pin_all(const struct program *program, unsigned int ifindex,
		   int keyring_fd)
{
	struct guard_bpf *skel = program->skel;
	const struct {
		const char *name;
		int fd;
		bool chained_only;
	} pins[] = {
		{ PIN_PROGRAM, program->fd, false },
		{ PIN_COUNTERS, bpf_map__fd(skel->maps.counters), false },
		{ PIN_COUNTER_NAMES, bpf_map__fd(skel->maps.counter_names),
		  false },
		{ PIN_PORTS, bpf_map__fd(skel->maps.ports), false },
		{ PIN_UNTAGGED, bpf_map__fd(skel->maps.untagged), false },
		{ PIN_VLANS, bpf_map__fd(skel->maps.vlans), false },
		{ PIN_TURN, bpf_map__fd(skel->maps.turn), true },
		{ PIN_TAKEN, bpf_map__fd(skel->maps.taken), true },
		{ PIN_RECORD, bpf_map__fd(skel->maps.record), false },
	};
	int err = pins_make(ifindex);

	if (!err)
		err = pins_put(keyring_fd, 0, PIN_KEYRING);
	for (size_t i = 0; !err && i < sizeof(pins) / sizeof(*pins); i++)
		if (program->config->chained || !pins[i].chained_only)
			err = pins_put(pins[i].fd, ifindex, pins[i].name);
	return err;
}

/* What one attach works with. */
struct attachment {
	struct hook hook;
	struct program_config config;
	struct program_maps maps;
	struct guard_record record;
	struct program program;
};

static int open_program(struct attachment *a, bool chained, struct fault *f)
{
	a->config.chained = chained;
	a->record.chained = chained;
	return program_open(&a->program, &a->config, &a->maps, f);
}

static int cannot_pin(struct fault *f, enum exit_code exit, int err)
{
	return fault_fail(f, exit, err, "its maps can't be pinned in bpffs: %s",
			  strerror(-err));
}

static int attach_chained(struct attachment *a, struct fault *f)
{
	int err = open_program(a, true, f) ?:
		  chain_join(&a->hook, &a->program, f);

	if (err)
		return err;
	err = write_record(&a->program, &a->record) ?:
	      pin_all(&a->program, a->hook.ifindex, a->maps.keyring);
	if (!err)
		return 0;
	chain_leave(&a->hook);
	return cannot_pin(f, EXIT_FAILED, err);
}

static int attach_alone(struct attachment *a, struct fault *f)
{
	int err = open_program(a, false, f) ?: program_load(&a->program, f);

	if (err)
		return err;
	/* Pinned first: who finds the link must find the rest. */
	err = write_record(&a->program, &a->record) ?:
	      pin_all(&a->program, a->hook.ifindex, a->maps.keyring);
	if (err)
		return cannot_pin(f, EXIT_FAILED, err);
	return hook_attach(&a->hook, a->program.fd, f);
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
		return fault_fail(f, EXIT_FAILED, err,
				  "its XDP hook can't be queried: %s",
				  strerror(-err));
	*must_chain = holder == HOOK_DISPATCHER;
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
static int attach_fresh(struct attachment *a, struct fault *f)
{
	char *why = a->record.alone_because;
	size_t size = sizeof(a->record.alone_because);
	bool can_chain = hook_can_chain(why, size), must_chain;
	int err = check_hook(a, can_chain, why, &must_chain, f);

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

/*
 * No packet passes unguarded, none is counted twice; counters and keys are the
 * same maps. Pins follow; what a crash leaves in between, the next attach mends.
 */
static int attach_over(struct attachment *a, const struct kept *kept,
		       struct fault *f)
{
	int err;

	a->record.attached_at = kept->record.attached_at;
	memcpy(a->record.alone_because, kept->record.alone_because,
	       sizeof(a->record.alone_because));
	err = open_program(a, kept->record.chained, f);
	if (err)
		return err;
	if (kept->record.chained) {
		err = chain_repair(&a->hook);
		if (!err)
			err = chain_exchange(&a->hook, &a->program, f);
	} else {
		err = program_load(&a->program, f);
		if (!err)
			err = hook_exchange(a->hook.ifindex, a->program.fd);
	}
	if (err)
		return f->exit ? err :
				 fault_fail(f, EXIT_FAILED, err,
					    "the attached guard can't be "
					    "exchanged: %s",
					    strerror(-err));
	err = write_record(&a->program, &a->record) ?:
	      pin_all(&a->program, a->hook.ifindex, a->maps.keyring);
	return err ? cannot_pin(f, EXIT_PARTLY, err) : 0;
}

static void set_settings(struct settings *settings,
			 const struct guard_request *request,
			 const struct interface *iface)
{
	char route[64];

	*settings = (struct settings){
		.observe = request->observe,
		.no_ethernet = interface_kind(iface) == LINK_BARE_IP,
		.vlans_hidden = iface->vlans_hidden,
		.routes_take_data =
			interface_routes_take_data(route, sizeof(route)) != 0,
	};
}

static int attach(const struct guard_request *request, struct interface *iface,
		  struct kept *kept, struct fault *f)
{
	__u64 now = (__u64)time(NULL);
	struct keyring ring;
	struct attachment a;
	int err;

	err = read_interface(request->ifname, iface, f) ?:
	      pins_each(check_others, f) ?:
	      find_kept(iface, kept, f) ?:
	      check_mode(request, iface, kept, f) ?:
	      read_kernel_keys(&ring, f);
	if (err)
		return err;

	owned int keyring_fd = open_keyring(f);
	if (keyring_fd < 0)
		return keyring_fd;

	a = (struct attachment){
		.hook = { .ifindex = iface->ifindex,
			  .ifname = request->ifname,
			  .mode = request->mode },
		.config = { .ports = request->ports,
			    .rows = iface->rows,
			    .n_rows = iface->n_rows },
		.maps = { .keyring = keyring_fd,
			  .counters = kept->counters,
			  .counter_names = kept->counter_names },
		.record = { .layout = GUARD_LAYOUT,
			    .ifindex = iface->ifindex,
			    .attach_mode = (__u8)request->mode,
			    .attached_at = now,
			    .loaded_at = now },
	};
	set_settings(&a.config.settings, request, iface);
	a.record.settings = a.config.settings;
	snprintf(a.record.ifname, sizeof(a.record.ifname), "%s", iface->name);
	snprintf(a.record.version, sizeof(a.record.version), "%s", VERSION);

	if (kept->attached) {
		err = attach_over(&a, kept, f);
	} else {
		err = attach_fresh(&a, f);
		if (err)
			pins_remove(iface->ifindex);
	}
	program_close(&a.program);
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
	struct kept kept = { .counters = -1, .counter_names = -1 };
	struct interface iface = { 0 };
	int err;

	fault_tried(f, "attach to %s", request->ifname);
	program_catch_complaints();

	owned int locked = lock(f);
	if (locked < 0)
		return locked;
	err = pins_mount(f) ?: attach(request, &iface, &kept, f);
	if (err && !f->exit)
		fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err));
	interface_free(&iface);
	drop_kept(&kept);
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
	fault_advise(f, "attach it: tfoguard attach %s", ifname ?: "IFACE");
	return fault_fail(f, EXIT_NOT_ATTACHED, ENOENT,
			  ifname ? "no guard is attached to it" :
				   "no guard is attached in this network "
				   "namespace");
}

int guard_detach(const char *ifname, struct fault *f)
{
	struct guard_record record;
	struct hook hook = { .ifname = ifname };
	char gone[IF_NAMESIZE];
	int err;

	fault_tried(f, "detach from %s", ifname);
	program_catch_complaints();

	owned int locked = lock(f);
	if (locked < 0)
		return locked;
	hook.ifindex = find_pinned(ifname);
	if (!hook.ifindex)
		return fault_fail(f, EXIT_NOT_ATTACHED, ENODEV,
				  "there is no such interface, and no guard of "
				  "one that has gone");
	err = read_record(hook.ifindex, &record, f);
	if (err == -ENOENT) {
		/* Of an earlier interface of that name? */
		pins_remove(hook.ifindex);
		hook.ifindex = find_gone(ifname);
		err = hook.ifindex ? read_record(hook.ifindex, &record, f) :
				     -ENOENT;
	}
	if (err == -ENOENT)
		return not_attached(ifname, f);
	if (err) {
		if (!f->exit)
			fault_fail(f, EXIT_FAILED, err, "its pins: %s",
				   strerror(-err));
		return err;
	}
	if (if_indextoname(hook.ifindex, gone)) {
		err = record.chained ? chain_leave(&hook) :
				       hook_detach(hook.ifindex);
		if (err)
			return hook_refused(&hook, err, f);
	}
	err = pins_remove(hook.ifindex);
	if (err)
		fault_fail(f, EXIT_FAILED, err, "its pins can't be removed: %s",
			   strerror(-err));
	return err;
}

struct visit {
	unsigned int only; /* this interface; 0 is every one */
	void (*visit)(const struct guard_status *, void *arg);
	void *arg;
	struct fault *fault;
	int visited;
};

static int visit_one(unsigned int ifindex, void *arg)
{
	struct visit *visit = arg;
	struct guard_status status = { 0 };
	__u32 zero = 0;
	int err;

	if (visit->only && visit->only != ifindex)
		return 0;
	err = read_record(ifindex, &status.record, visit->fault);
	if (err == -ENOENT)
		return 0;
	if (err)
		return err;

	owned int counters = pins_open(ifindex, PIN_COUNTERS);
	owned int names = pins_open(ifindex, PIN_COUNTER_NAMES);
	owned int program = pins_open(ifindex, PIN_PROGRAM);
	if (counters < 0 || names < 0)
		return counters < 0 ? counters : names;
	err = program_read_counters(counters, &status.counters);
	if (err)
		return err;
	if (bpf_map_lookup_elem(names, &zero, &status.names))
		return -errno;
	if (!if_indextoname(ifindex, status.ifname))
		status.ifname[0] = '\0';
	status.held = is_held(ifindex, status.record.chained);
	status.prog_id = program_id(program);
	visit->visit(&status, visit->arg);
	visit->visited++;
	return 0;
}

int guard_each(const char *ifname,
	       void (*visit)(const struct guard_status *, void *arg), void *arg,
	       struct fault *f)
{
	struct visit state = { .visit = visit, .arg = arg, .fault = f };
	int err;

	program_catch_complaints();
	if (geteuid() != 0) {
		fault_advise(f, "run it as root");
		return fault_fail(f, EXIT_FAILED, EPERM,
				  "pins can only be read by root");
	}
	if (ifname) {
		state.only = find_pinned(ifname);
		if (!state.only)
			return fault_fail(f, EXIT_FAILED, ENODEV,
					  "there is no such interface");
	}
	err = pins_each(visit_one, &state);
	if (err && !f->exit)
		fault_fail(f, EXIT_FAILED, err, "the guard's pins: %s",
			   strerror(-err));
	if (!err && !state.visited)
		return not_attached(ifname, f);
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

struct counter guard_counter(const struct guard_status *status,
			     const char *verdict, enum family family)
{
	for (int i = 0; i < COUNTER_SLOTS && status->names.name[i][0]; i++)
		if (!strcmp(status->names.name[i], verdict))
			return status->counters.slot[i][family];
	return (struct counter){ 0 };
}

int guard_keyring(struct keyring *ring)
{
	owned int fd = pins_open(0, PIN_KEYRING);

	return fd < 0 ? fd : program_get_keyring(fd, ring);
}
