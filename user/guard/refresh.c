// SPDX-License-Identifier: GPL-2.0
/* Tell an attached guard what has changed, while its program stays. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "acceptor.h"
#include "guard.h"
#include "ifname.h"
#include "interface.h"
#include "lock.h"
#include "pinned.h"
#include "pins.h"
#include "program.h"
#include "shared.h"

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
		return pinned_unreadable(err, f);
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
	else if (interface_loses_answers(iface, record->attach_mode) !=
		 record->unsent)
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
	err = pinned_record(iface->ifindex, &record, f);
	if (err)
		return err;
	if (record.settings.can_answer)
		stale = extend_acceptor(iface, f);
	if (stale && stale != -ESTALE)
		return stale;
	err = pinned_open_tables(iface->ifindex, &maps);
	if (err >= 0)
		err = tables_write(&maps, &iface->tables, f);
	else if (err == -ENOENT)
		err = pinned_incomplete(f);
	pinned_close_tables(&maps);
	if (err)
		return err;
	snprintf(record.ifname, sizeof(record.ifname), "%s", iface->name);
	if (bpf_map_update_elem(fd, &zero, &record, BPF_ANY))
		return -errno;
	acceptor_tidy(0);
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
	err = interface_find(ifname_real(ifname, real), &iface, f) ?:
	      refresh(&iface, f);
	interface_free(&iface);
	if (err == -ENOENT)
		return pinned_none(ifname, f);
	if (err && !f->exit)
		fault_fail(f, EXIT_FAILED, err, "the guard's pins: %s",
			   strerror(-err));
	return err;
}
