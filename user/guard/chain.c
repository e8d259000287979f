// SPDX-License-Identifier: GPL-2.0
#include "chain.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "guard.skel.h"
#include "pins.h"

/* Early in the chain: what is cut here should not reach the others whole. */
#define RUN_PRIORITY 10

#define OUR_NAME "tfoguard_chained"
#define DISPATCHER_NAME "xdp_dispatcher"
#define CHAIN_PINS "/sys/fs/bpf/xdp"
#define CHAIN_MAX 10 /* programs of a dispatcher */

static bool is_ours(const struct xdp_program *program)
{
	/* The kernel may have cut it. */
	return !strncmp(xdp_program__name(program), OUR_NAME,
			BPF_OBJ_NAME_LEN - 1);
}

/*
 * What is on the interface, as libxdp sees it. -ENOENT: nothing, or a program
 * without dispatcher that is not ours. Any other error: that can't be told.
 */
static int open_chain(unsigned int ifindex, struct xdp_multiprog **chain)
{
	const struct xdp_program *only;
	int err;

	*chain = xdp_multiprog__get_from_ifindex((int)ifindex);
	err = (int)libxdp_get_error(*chain);
	if (err) {
		*chain = NULL;
		return err;
	}
	only = xdp_multiprog__main_prog(*chain);
	if (!only)
		err = -EIO;
	else if (!xdp_multiprog__is_legacy(*chain) || is_ours(only))
		return 0;
	else
		/* libxdp calls so too a dispatcher whose pins it can't read. */
		err = strcmp(xdp_program__name(only), DISPATCHER_NAME) ?
			      -ENOENT :
			      -EIO;
	xdp_multiprog__close(*chain);
	*chain = NULL;
	return err;
}

/* Negative errno: can't be told. */
static int is_dispatcher(unsigned int id)
{
	int fd = bpf_prog_get_fd_by_id(id), named;

	if (fd < 0)
		return -errno;
	named = program_is_named(fd, DISPATCHER_NAME);
	close(fd);
	return named;
}

/* 0 where none is pinned. */
static int pinned_program(unsigned int ifindex, unsigned int *id)
{
	int fd = pins_open(ifindex, PIN_PROGRAM);

	*id = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	*id = program_id(fd);
	close(fd);
	return *id ? 0 : -EIO;
}

/* Of the programs that are on @ifindex, the one that the driver calls; 0: none. */
static int program_on(unsigned int ifindex, unsigned int *id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)ifindex, 0, &query))
		return -errno;
	*id = query.prog_id ?: query.drv_prog_id ?: query.skb_prog_id;
	return 0;
}

/* Whether the link pinned as @path puts @program into @dispatcher. */
static bool links(const char *path, unsigned int program,
		  unsigned int dispatcher)
{
	struct bpf_link_info info = { 0 };
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path), err;

	if (fd < 0)
		return false;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	return !err && info.prog_id == program &&
	       info.tracing.target_obj_id == dispatcher;
}

/* Not by libxdp, for this is looked at each second: it reads programs and types
 * of all that is there. Its pins are those of its protocol. */
int chain_holds(unsigned int ifindex)
{
	unsigned int pinned, on = 0;
	char path[128];
	int err = pinned_program(ifindex, &pinned) ?: program_on(ifindex, &on);

	if (err)
		return err;
	if (!pinned || !on)
		return 0;
	if (on == pinned)
		return 1; /* libxdp went on without a dispatcher */
	for (int i = 0; i < CHAIN_MAX; i++) {
		snprintf(path, sizeof(path),
			 CHAIN_PINS "/dispatch-%u-%u/prog%d-link", ifindex, on,
			 i);
		if (links(path, pinned, on))
			return 1;
	}
	snprintf(path, sizeof(path), CHAIN_PINS "/dispatch-%u-%u", ifindex, on);
	if (access(path, F_OK) == 0)
		return 0;
	/* A dispatcher whose pins are hidden? */
	err = is_dispatcher(on);
	return err > 0 ? -EIO : err;
}

int chain_neighbours(unsigned int ifindex,
		     void (*visit)(const char *name, unsigned int id, void *arg),
		     void *arg)
{
	struct xdp_program *program = NULL;
	struct xdp_multiprog *chain;
	int err = open_chain(ifindex, &chain);

	if (err)
		return err;
	while ((program = xdp_multiprog__next_prog(program, chain)))
		if (!is_ours(program))
			visit(xdp_program__name(program),
			      xdp_program__id(program), arg);
	xdp_multiprog__close(chain);
	return 0;
}

/* Takes the first of our programs out that is not @keep. -ENOENT: none. */
static int leave_one(const struct hook *hook, unsigned int keep)
{
	struct xdp_program *program = NULL;
	struct xdp_multiprog *chain;
	int err = open_chain(hook->ifindex, &chain);

	if (err)
		return err;
	while ((program = xdp_multiprog__next_prog(program, chain)))
		if (is_ours(program) && xdp_program__id(program) != keep)
			break;
	if (program)
		err = xdp_program__detach(program, (int)hook->ifindex,
					  xdp_multiprog__attach_mode(chain), 0);
	else if (xdp_multiprog__is_legacy(chain))
		err = xdp_multiprog__detach(chain);
	else
		err = -ENOENT;
	xdp_multiprog__close(chain);
	return err;
}

/* All of ours but @keep. -ENOENT: none. */
static int leave_all(const struct hook *hook, unsigned int keep)
{
	int err = leave_one(hook, keep), next = err;

	while (!next)
		next = leave_one(hook, keep);
	return next == -ENOENT ? err : next;
}

int chain_leave(const struct hook *hook)
{
	return leave_all(hook, 0);
}

void chain_rescue(const struct hook *hook)
{
	struct xdp_multiprog *chain;

	if (open_chain(hook->ifindex, &chain))
		return;
	if (xdp_multiprog__is_legacy(chain))
		xdp_multiprog__detach(chain);
	xdp_multiprog__close(chain);
}

int chain_settle(const struct hook *hook, const struct program *ours)
{
	int err = leave_all(hook, program_id(ours->fd));

	return err == -ENOENT ? 0 : err;
}

static int set_turn(int fd, __u32 has_successor, __u32 retired)
{
	struct turn turn = { .has_successor = has_successor,
			     .retired = retired };
	__u32 zero = 0;

	return bpf_map_update_elem(fd, &zero, &turn, BPF_ANY) ? -errno : 0;
}

/* Sets the elder's mark on every CPU. */
static int set_taken(int fd, __u32 value)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	__u32 zero = 0;
	__u64 *marks; /* per-CPU values are 8 bytes apart */

	if (cpus < 0)
		return cpus;
	marks = calloc((size_t)cpus, sizeof(*marks));
	if (!marks)
		return -ENOMEM;
	for (int i = 0; i < cpus; i++)
		memcpy(&marks[i], &value, sizeof(value));
	if (bpf_map_update_elem(fd, &zero, marks, BPF_ANY))
		err = -errno;
	free(marks);
	return err;
}

/* Loads an opened program into the dispatcher. */
static int join(const struct hook *hook, struct program *ours, struct fault *f)
{
	enum xdp_attach_mode mode = hook->mode == ATTACH_native ?
					    XDP_MODE_NATIVE :
					    XDP_MODE_SKB;
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .obj = ours->skel->obj,
			    .prog_name = "tfoguard_chained");
	struct xdp_program *program;
	struct xdp_multiprog *chain;
	int err;

	program_catch_complaints();
	program = xdp_program__create(&opts);
	err = (int)libxdp_get_error(program);
	if (err)
		return hook_refused(hook, err, f);
	err = xdp_program__set_run_prio(program, RUN_PRIORITY) ?:
	      xdp_program__set_chain_call_enabled(program, XDP_PASS, true) ?:
	      xdp_program__attach(program, (int)hook->ifindex, mode, 0);
	if (!err) {
		ours->fd = bpf_program__fd(ours->skel->progs.tfoguard_chained);
		err = open_chain(hook->ifindex, &chain);
		if (!err && xdp_multiprog__is_legacy(chain))
			err = -EOPNOTSUPP; /* libxdp went on without one */
		/* As libbpf loads it when it was short of memory: nobody would
		 * know it as ours again. */
		if (!err && program_is_named(ours->fd, OUR_NAME) == 0)
			err = -ENOMEM;
		xdp_multiprog__close(chain);
		if (err)
			xdp_program__detach(program, (int)hook->ifindex, mode,
					    0);
	}
	if (err)
		hook_refused(hook, err, f);
	xdp_program__close(program);
	return err;
}

int chain_join(const struct hook *hook, struct program *ours, struct fault *f)
{
	int taken, err;

	/* Asleep until its maps are filled: as if an elder took all packets. */
	taken = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "taken",
			       sizeof(__u32), sizeof(__u32), 1, NULL);
	if (taken < 0)
		return hook_refused(hook, -errno, f);
	err = set_taken(taken, 1) ?:
	      bpf_map__reuse_fd(ours->skel->maps.taken, taken);
	if (err) {
		hook_refused(hook, err, f);
		goto out;
	}
	err = join(hook, ours, f);
	if (err)
		goto out;
	err = program_fill(ours, f) ?: set_taken(taken, 0);
	if (err) {
		chain_leave(hook);
		if (!f->exit)
			hook_refused(hook, err, f);
	}
out:
	close(taken);
	return err;
}

int chain_exchange(const struct hook *hook, struct program *ours,
		   struct fault *f)
{
	int turn, taken, err;

	turn = pins_open(hook->ifindex, PIN_TURN);
	taken = pins_open(hook->ifindex, PIN_TAKEN);
	if (turn < 0 || taken < 0) {
		err = turn < 0 ? turn : taken;
		goto out;
	}
	err = set_turn(turn, 1, 0) ?: program_wait() ?:
	      bpf_map__reuse_fd(ours->skel->maps.taken, taken) ?:
	      join(hook, ours, f) ?:
	      program_fill(ours, f) ?: set_turn(turn, 1, 1) ?: program_wait() ?:
	      set_taken(taken, 0);
	if (err)
		chain_repair(hook);
out:
	if (err && !f->exit)
		hook_refused(hook, err, f);
	if (turn >= 0)
		close(turn);
	if (taken >= 0)
		close(taken);
	return err;
}

int chain_repair(const struct hook *hook)
{
	int turn = pins_open(hook->ifindex, PIN_TURN), err;
	unsigned int pinned;

	if (turn < 0)
		return turn;
	/* It goes on marking what it takes, which harms nothing; to stop would
	 * leave it asleep on every CPU that it marked last. */
	err = pinned_program(hook->ifindex, &pinned) ?:
	      set_turn(turn, 1, 0) ?: program_wait() ?:
	      leave_all(hook, pinned);
	close(turn);
	return err == -ENOENT ? 0 : err;
}
