// SPDX-License-Identifier: GPL-2.0
#include "hook.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "leftovers.h"
#include "pins.h"
#include "probe.skel.h"
#include "program.h"

#define OUR_NAME "tfoguard"

static __u32 xdp_flags(enum attach_mode mode)
{
	return mode == ATTACH_native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
}

/* One step of the probe that failed. */
static bool cannot(char *why, size_t size, const char *step, int err)
{
	snprintf(why, size, "%s: %s", step, strerror(err));
	return false;
}

bool hook_can_chain(char *why, size_t size)
{
	struct bpf_program *replacement;
	struct probe_bpf *target, *probe = NULL;
	struct bpf_link *link = NULL;
	bool can = false;
	int err;

	target = probe_bpf__open();
	if (!target)
		return cannot(why, size, "the probe can't be opened", errno);
	bpf_program__set_autoload(target->progs.probe_replacement, false);
	err = probe_bpf__load(target);
	if (err) {
		cannot(why, size, "the kernel refused the probe", -err);
		goto out;
	}
	probe = probe_bpf__open();
	if (!probe) {
		cannot(why, size, "the probe can't be opened", errno);
		goto out;
	}
	replacement = probe->progs.probe_replacement;
	bpf_program__set_autoload(probe->progs.probe_target, false);
	err = bpf_program__set_attach_target(
		      replacement, bpf_program__fd(target->progs.probe_target),
		      "probe_slot") ?:
	      probe_bpf__load(probe);
	if (err) {
		cannot(why, size, "the kernel refuses freplace programs", -err);
		goto out;
	}
	link = bpf_program__attach_freplace(
		replacement, bpf_program__fd(target->progs.probe_target),
		"probe_slot");
	if (!link)
		cannot(why, size, "the kernel attaches no freplace program",
		       errno);
	else
		can = true;
out:
	bpf_link__destroy(link);
	probe_bpf__destroy(probe);
	probe_bpf__destroy(target);
	return can;
}

static void program_name(unsigned int id, char name[16])
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	name[0] = '\0';
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
		snprintf(name, 16, "%.15s", info.name);
	close(fd);
}

int hook_holder(const struct hook *hook, enum hook_holder *holder,
		char name[16], unsigned int *prog_id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct leftovers leftovers;
	struct xdp_multiprog *chain;
	int err;

	if (bpf_xdp_query((int)hook->ifindex, 0, &query))
		return -errno;
	*holder = HOOK_FREE;
	*prog_id = query.prog_id ?: query.drv_prog_id ?: query.skb_prog_id;
	if (!*prog_id)
		return 0;
	program_name(*prog_id, name);
	*holder = strcmp(name, OUR_NAME) ? HOOK_FOREIGN : HOOK_GUARD;
	leftovers_begin(&leftovers);
	chain = xdp_multiprog__get_from_ifindex((int)hook->ifindex);
	err = (int)libxdp_get_error(chain);
	if (!err) {
		if (!xdp_multiprog__is_legacy(chain))
			*holder = HOOK_DISPATCHER;
		xdp_multiprog__close(chain);
	}
	leftovers_close(&leftovers);
	return err == -EPERM ? err : 0;
}

int hook_refused(const struct hook *hook, int err, struct fault *f)
{
	const char *what = program_complaint();

	switch (-err) {
	case EOPNOTSUPP:
		if (hook->mode != ATTACH_native)
			break;
		fault_advise(f, "attach with \"-m skb\": slower, after a socket "
				"buffer was made");
		return fault_fail(f, EXIT_FAILED, err,
				  "its driver has no native XDP");
	case EBUSY:
	case EEXIST:
		fault_advise(f, "look at \"ip link show %s\" and take the other "
				"program off",
			     hook->ifname);
		return fault_fail(f, EXIT_FAILED, err,
				  "another XDP program is on it");
	case E2BIG:
		fault_advise(f, "take one of its other programs off; an "
				"exchange, too, needs a free place");
		return fault_fail(f, EXIT_FAILED, err,
				  "libxdp's dispatcher has no room for one more "
				  "program");
	case ENODEV:
		return fault_fail(f, EXIT_FAILED, err, "it went away");
	}
	if (err == -EPERM)
		fault_advise(f, HOOK_CAPABILITIES);
	else if (hook->mode == ATTACH_native)
		fault_advise(f, "see what \"tfoguard doctor\" says of its driver "
				"and MTU, or attach with \"-m skb\"");
	return fault_fail(f, EXIT_FAILED, err, "the kernel refused: %s%s%s%s",
			  strerror(-err), what[0] ? " (" : "", what,
			  what[0] ? ")" : "");
}

int hook_attach(const struct hook *hook, int prog_fd, struct fault *f)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = xdp_flags(hook->mode));
	int fd, err;

	program_catch_complaints();
	fd = bpf_link_create(prog_fd, (int)hook->ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return hook_refused(hook, -errno, f);
	err = pins_put_first(fd, hook->ifindex, PIN_LINK);
	close(fd); /* unpinned, that lets go of the hook */
	if (err)
		fault_fail(f, EXIT_FAILED, err, "its link can't be pinned: %s",
			   strerror(-err));
	return err;
}

/* The index of the device that a link holds, 0 where that has gone. */
static int held_device(int link_fd, unsigned int *ifindex)
{
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(link_fd, &info, &size) ? -errno : 0;

	*ifindex = info.xdp.ifindex;
	return err;
}

int hook_is_held(unsigned int ifindex)
{
	int fd = pins_open(ifindex, PIN_LINK), err;
	unsigned int device;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	err = held_device(fd, &device);
	close(fd);
	return err ?: device == ifindex;
}

bool hook_is_dead(int link_fd)
{
	unsigned int device;

	return !held_device(link_fd, &device) && !device;
}

int hook_exchange(unsigned int ifindex, int prog_fd)
{
	int fd = pins_open(ifindex, PIN_LINK), err = 0;

	if (fd < 0)
		return fd;
	if (bpf_link_update(fd, prog_fd, NULL))
		err = -errno;
	close(fd);
	return err;
}

int hook_detach(unsigned int ifindex)
{
	int fd = pins_open(ifindex, PIN_LINK), err = 0;

	if (fd < 0)
		return fd;
	/* Not by its pin alone: the last holder of a link may be slow to let
	 * go. */
	if (bpf_link_detach(fd))
		err = -errno;
	close(fd);
	return err;
}
