// SPDX-License-Identifier: GPL-2.0
/* Take a guard off. */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "acceptor.h"
#include "chain.h"
#include "guard.h"
#include "hook.h"
#include "ifname.h"
#include "interface.h"
#include "leftovers.h"
#include "lock.h"
#include "pinned.h"
#include "pins.h"
#include "program.h"

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
	err = acceptor_tidy(ifindex) ?: pins_remove(ifindex) ?: pins_tidy();
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
	struct hook hook = { .ifname = ifname,
			     .ifindex = pinned_index(ifname) };
	struct guard_record record;
	int err, gone;

	if (!hook.ifindex)
		return fault_fail(f, EXIT_NOT_ATTACHED, ENODEV,
				  "there is no such interface, and no guard of "
				  "one that has gone");
	err = pinned_record(hook.ifindex, &record, f);
	if (err && err != -ENOENT)
		return f->exit ? err : pinned_unreadable(err, f);
	gone = let_go(&hook);
	if (gone && gone != -ENOENT)
		return hook_refused(&hook, gone, f);
	if (err == -ENOENT && gone == -ENOENT) {
		/* Of an earlier interface of that name? */
		pins_remove(hook.ifindex);
		hook.ifindex = pinned_gone(ifname);
		err = hook.ifindex ? pinned_record(hook.ifindex, &record, f) :
				     -ENOENT;
		if (err == -ENOENT) {
			acceptor_tidy(0);
			pins_tidy();
			err = pinned_none(ifname, f);
			if (f->exit == EXIT_NOT_ATTACHED)
				remove_strays(ifname);
			return err;
		}
		if (err)
			return f->exit ? err : pinned_unreadable(err, f);
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
