// SPDX-License-Identifier: GPL-2.0
#include "locals.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

/* What is under way. */
struct reading {
	struct tables *tables;
	size_t kept; /* of an earlier dump */
	int err;
};

static void forget(void *arg)
{
	struct reading *r = arg;

	r->tables->n_locals = r->kept;
}

/* @address may be NULL: all zeros. */
static int append(struct reading *r, int family, const struct nlattr *address,
		  __u32 len)
{
	struct local_prefix local = { .len = len };
	size_t at = family == AF_INET ? LOCAL_IPV4_AT : 0;

	if (family != AF_INET && family != AF_INET6)
		return MNL_CB_OK;
	if (family == AF_INET) {
		local.len += LOCAL_IPV4_AT * 8;
		local.address[at - 2] = local.address[at - 1] = 0xff;
	}
	if (address && mnl_attr_get_payload_len(address) != 16 - at)
		return MNL_CB_OK;
	if (address)
		memcpy(&local.address[at], mnl_attr_get_payload(address),
		       16 - at);
	r->err = tables_append_local(r->tables, &local);
	return r->err ? MNL_CB_ERROR : MNL_CB_OK;
}

/*
 * Addresses and not only their routes, which an interface has no more while it
 * is down, and not yet while an IPv6 address is being tried (DAD): a guard is
 * often attached at just that time.
 */
static int read_address(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *address = NULL, *local = NULL;

	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		if (mnl_attr_get_type(attr) == IFA_ADDRESS)
			address = attr;
		else if (mnl_attr_get_type(attr) == IFA_LOCAL)
			local = attr;
	}
	/* On a point-to-point link IFA_ADDRESS is the other end's. */
	local = local ?: address;
	if (!local || ifa->ifa_flags & IFA_F_DADFAILED)
		return MNL_CB_OK;
	return append(arg, ifa->ifa_family, local,
		      8 * mnl_attr_get_payload_len(local));
}

static int read_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *to = NULL;

	if (rtm->rtm_type != RTN_LOCAL || rtm->rtm_table != RT_TABLE_LOCAL)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
		if (mnl_attr_get_type(attr) == RTA_DST)
			to = attr;
	return append(arg, rtm->rtm_family, to, rtm->rtm_dst_len);
}

static int read_all(struct reading *r, const struct netlink_request *request,
		    mnl_cb_t each)
{
	int err;

	r->kept = r->tables->n_locals;
	err = netlink_dump(request, forget, each, r);
	return r->err ?: err;
}

int locals_read(struct tables *tables)
{
	static const unsigned char families[] = { AF_INET, AF_INET6 };
	struct reading r = { .tables = tables };
	struct ifaddrmsg ifa = { .ifa_family = AF_UNSPEC };
	struct netlink_request addresses = {
		.bus = NETLINK_ROUTE,
		.type = RTM_GETADDR,
		.header = &ifa,
		.size = sizeof(ifa),
	};
	int err = read_all(&r, &addresses, read_address);

	for (size_t i = 0; !err && i < sizeof(families); i++) {
		/* The kernel leaves the other routes out; a router has many. */
		struct rtmsg rtm = { .rtm_family = families[i],
				     .rtm_type = RTN_LOCAL };
		struct netlink_request routes = {
			.bus = NETLINK_ROUTE,
			.type = RTM_GETROUTE,
			.header = &rtm,
			.size = sizeof(rtm),
			.strict = true,
		};

		err = read_all(&r, &routes, read_route);
		/* A kernel without IPv6 has no such routes. */
		if (err == -EAFNOSUPPORT || err == -EOPNOTSUPP)
			err = 0;
	}
	tables_sort(tables);
	return err;
}
