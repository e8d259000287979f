// SPDX-License-Identifier: GPL-2.0
#include "pinned.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "chain.h"
#include "hook.h"
#include "pins.h"

void pinned_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

int pinned_record(unsigned int ifindex, struct guard_record *record,
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

int pinned_is_held(unsigned int ifindex, bool chained)
{
	return chained ? chain_holds(ifindex) : hook_is_held(ifindex);
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
	    pinned_record(ifindex, &record, NULL) ||
	    strncmp(record.ifname, named->ifname, sizeof(record.ifname)))
		return 0;
	named->ifindex = ifindex;
	return 1;
}

unsigned int pinned_gone(const char *ifname)
{
	struct named named = { .ifname = ifname };

	pins_each(has_name, &named);
	return named.ifindex;
}

unsigned int pinned_index(const char *ifname)
{
	return if_nametoindex(ifname) ?: pinned_gone(ifname);
}

int pinned_open_tables(unsigned int ifindex, struct table_maps *maps)
{
	maps->untagged = pins_open(ifindex, PIN_UNTAGGED);
	maps->vlans = pins_open(ifindex, PIN_VLANS);
	maps->locals = pins_open(ifindex, PIN_LOCALS);
	if (maps->untagged < 0)
		return maps->untagged;
	return maps->vlans < 0 ? maps->vlans : maps->locals;
}

void pinned_close_tables(struct table_maps *maps)
{
	pinned_close(&maps->untagged);
	pinned_close(&maps->vlans);
	pinned_close(&maps->locals);
}

int pinned_incomplete(struct fault *f)
{
	return fault_fail(f, EXIT_FAILED, EIO,
			  "the pins of its guard are incomplete; \"detach\" it "
			  "first");
}

int pinned_unreadable(int err, struct fault *f)
{
	if (err == -EPERM)
		fault_advise(f, HOOK_CAPABILITIES);
	return fault_fail(f, EXIT_FAILED, err,
			  "what is attached to it can't be read: %s",
			  strerror(-err));
}

int pinned_hidden(struct fault *f)
{
	fault_advise(f, HOOK_HIDDEN);
	return fault_fail(f, EXIT_FAILED, EBUSY,
			  "a guard is on it whose pins are not in the bpffs that "
			  "is mounted here");
}

int pinned_none(const char *ifname, struct fault *f)
{
	struct hook hook = { .ifindex = ifname ? if_nametoindex(ifname) : 0 };
	enum hook_holder holder;
	unsigned int id;
	char name[16];

	if (hook.ifindex && !hook_holder(&hook, &holder, name, &id) &&
	    holder == HOOK_GUARD)
		return pinned_hidden(f);
	fault_advise(f, "attach it: tfoguard attach %s", ifname ?: "IFACE");
	return fault_fail(f, EXIT_NOT_ATTACHED, ENOENT,
			  ifname ? "no guard is attached to it" :
				   "no guard is attached in this network "
				   "namespace");
}
