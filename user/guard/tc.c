// SPDX-License-Identifier: GPL-2.0
#include "tc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "netlink.h"
#include "program.h"

/* Early, and unlikely to be another tool's. */
#define OUR_HANDLE 0x7f0
#define OUR_PRIORITY 7413
#define OUR_NAME "tfoguard_ack"

#define IN_OUR_PLACE(opts)                                                     \
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = OUR_HANDLE,                   \
		    .priority = OUR_PRIORITY)

/* Whether what stands in our place is ours; -ENOENT where nothing does. */
static int is_ours(const struct bpf_tc_hook *hook)
{
	IN_OUR_PLACE(opts);
	int err, fd;

	err = bpf_tc_query(hook, &opts);
	if (err)
		return err == -EINVAL ? -ENOENT : err;
	fd = bpf_prog_get_fd_by_id(opts.prog_id);
	if (fd < 0)
		return -errno;
	err = program_is_named(fd, OUR_NAME);
	close(fd);
	return err;
}

int tc_attach(unsigned int ifindex, int prog_fd, bool *made_qdisc)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS);
	IN_OUR_PLACE(opts);
	int err;

	*made_qdisc = false;
	/* libbpf leaves the name away when it was short of memory, and nobody
	 * would know the filter as ours again. */
	err = program_is_named(prog_fd, OUR_NAME);
	if (err <= 0)
		return err ?: -ENOMEM;
	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return err;
	*made_qdisc = !err;
	if (err == -EEXIST) {
		err = is_ours(&hook);
		if (err == 0)
			return -EEXIST;
		if (err < 0 && err != -ENOENT)
			return err;
		if (err == 1)
			opts.flags = BPF_TC_F_REPLACE;
	}
	opts.prog_fd = prog_fd;
	err = bpf_tc_attach(&hook, &opts);
	if (err && *made_qdisc) {
		tc_detach(ifindex, true);
		*made_qdisc = false;
	}
	return err;
}

int tc_is_attached(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS);
	int ours = is_ours(&hook);

	return ours == -ENOENT ? 0 : ours;
}

static int count_filter(const struct nlmsghdr *nlh, void *arg)
{
	(void)nlh;
	++*(unsigned int *)arg;
	return MNL_CB_OK;
}

/* Filters of both directions; negative errno where that can't be told. */
static int count_filters(unsigned int ifindex)
{
	static const __u32 parents[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };
	unsigned int n = 0;
	int err = 0;

	for (int i = 0; !err && i < 2; i++) {
		struct tcmsg tcm = {
			.tcm_family = AF_UNSPEC,
			.tcm_ifindex = (int)ifindex,
			.tcm_parent = TC_H_MAKE(TC_H_CLSACT, parents[i]),
		};
		struct netlink_request request = {
			.bus = NETLINK_ROUTE,
			.type = RTM_GETTFILTER,
			.header = &tcm,
			.size = sizeof(tcm),
		};

		/* A dump that begins anew counts some twice: too many keep the
		 * qdisc, which does no harm. */
		err = netlink_dump(&request, NULL, count_filter, &n);
	}
	return err ?: (int)n;
}

int tc_detach(unsigned int ifindex, bool remove_qdisc)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS);
	IN_OUR_PLACE(opts);
	int err;

	/* One that is not ours stays, of course. */
	err = is_ours(&hook);
	if (err == 1) {
		err = bpf_tc_detach(&hook, &opts);
		if (err && err != -ENOENT && err != -ENODEV)
			return err;
	}
	if (remove_qdisc && count_filters(ifindex) == 0) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		bpf_tc_hook_destroy(&hook);
	}
	return 0;
}
