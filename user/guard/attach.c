// SPDX-License-Identifier: GPL-2.0
/* Attach a guard, or exchange one that is attached. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "acceptor.h"
#include "chain.h"
#include "guard.h"
#include "guard.skel.h"
#include "hook.h"
#include "ifname.h"
#include "interface.h"
#include "kernel.h"
#include "leftovers.h"
#include "lock.h"
#include "pinned.h"
#include "pins.h"
#include "program.h"
#include "ring.h"
#include "version.h"

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
	pinned_close(&kept->counters);
	pinned_close(&kept->counter_names);
	pinned_close(&kept->cuts);
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
	int err = pinned_record(ifindex, &record, arg);

	if (err == -EPROTO)
		return err;
	if (!err && !if_indextoname(ifindex, name) && errno == ENXIO &&
	    pinned_is_held(ifindex, record.chained) == 0)
		pins_remove(ifindex);
	return 0;
}

/* Opens what is there; removes pins that for certain hold nothing any more. */
static int find_kept(const struct interface *iface, struct kept *kept,
		     struct fault *f)
{
	int err, held;

	*kept = KEPT_NONE;
	err = pinned_record(iface->ifindex, &kept->record, f);
	if (err == -EPROTO)
		return err;
	if (err && err != -ENOENT)
		return pinned_unreadable(err, f);
	held = pinned_is_held(iface->ifindex, !err && kept->record.chained);
	if (held < 0)
		return pinned_unreadable(held, f);
	if (!held) {
		pins_remove(iface->ifindex);
		return 0;
	}
	kept->counters = pins_open(iface->ifindex, PIN_COUNTERS);
	kept->counter_names = pins_open(iface->ifindex, PIN_COUNTER_NAMES);
	kept->cuts = pins_open(iface->ifindex, PIN_CUTS);
	if (err == -ENOENT || kept->counters == -ENOENT ||
	    kept->counter_names == -ENOENT)
		return pinned_incomplete(f);
	if (kept->counters < 0 || kept->counter_names < 0)
		return pinned_unreadable(kept->counters < 0 ? kept->counters :
							kept->counter_names,
				   f);
	kept->attached = true;
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

/* Whether there is room for us, and whether that must be in a chain. */
static int check_hook(const struct attachment *a, bool can_chain,
		      const char *why_not, bool *must_chain, struct fault *f)
{
	enum hook_holder holder;
	char name[16] = "";
	unsigned int other;
	int err = hook_holder(&a->hook, &holder, name, &other);

	if (err)
		return pinned_unreadable(err, f);
	*must_chain = holder == HOOK_DISPATCHER;
	if (holder == HOOK_GUARD)
		return pinned_hidden(f);
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

static int attach(const struct guard_request *request, struct interface *iface,
		  struct kept *kept, struct fault *f)
{
	__u64 now = (__u64)time(NULL);
	struct shared shared;
	struct settings settings;
	struct keyring ring;
	struct attachment a;
	int err;

	err = interface_find(request->ifname, iface, f) ?:
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
		return pinned_unreadable(err, f);
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
			    .unsent = interface_loses_answers(
				    iface, request->mode),
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
	acceptor_tidy(0);
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
