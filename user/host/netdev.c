// SPDX-License-Identifier: GPL-2.0
#include "netdev.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdbool.h>
#include <string.h>

#include "netlink.h"

/* <linux/netdev.h>, which kernel headers have since 6.3. */
#define NETDEV_FAMILY "netdev"
#define NETDEV_DEV_GET 1
#define NETDEV_DEV_IFINDEX 1
#define NETDEV_DEV_XDP_FEATURES 3

static int find_family(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;
	bool found = false;
	__u16 *family = arg, id = 0;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			id = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_NAME)
			found = !strcmp(mnl_attr_get_str(attr), NETDEV_FAMILY);
	}
	if (found)
		*family = id;
	return MNL_CB_OK;
}

struct features_search {
	__u32 ifindex;
	__u64 features;
	bool found;
};

static int find_features(const struct nlmsghdr *nlh, void *arg)
{
	struct features_search *search = arg;
	const struct nlattr *attr;
	__u64 features = 0;
	__u32 ifindex = 0;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == NETDEV_DEV_IFINDEX)
			ifindex = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == NETDEV_DEV_XDP_FEATURES)
			features = mnl_attr_get_u64(attr);
	}
	if (ifindex == search->ifindex) {
		search->features = features;
		search->found = true;
	}
	return MNL_CB_OK;
}

int netdev_xdp_features(__u32 ifindex, __u64 *features)
{
	struct genlmsghdr get_family = { .cmd = CTRL_CMD_GETFAMILY,
					 .version = 1 };
	struct genlmsghdr get_device = { .cmd = NETDEV_DEV_GET, .version = 1 };
	struct netlink_request request = {
		.bus = NETLINK_GENERIC,
		.type = GENL_ID_CTRL,
		.header = &get_family,
		.size = sizeof(get_family),
	};
	struct features_search search = { .ifindex = ifindex };
	__u16 family = 0;
	int err;

	/* One family, one device: what came before needs no forgetting. */
	err = netlink_dump(&request, NULL, find_family, &family);
	if (err)
		return err;
	if (!family)
		return -EOPNOTSUPP;
	request.type = family;
	request.header = &get_device;
	request.size = sizeof(get_device);
	err = netlink_dump(&request, NULL, find_features, &search);
	if (err)
		return err;
	if (!search.found)
		return -ENODEV;
	*features = search.features;
	return 0;
}
