// SPDX-License-Identifier: GPL-2.0
#include "ifname.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "netlink.h"

struct search {
	const char *name;
	char *real;
};

static bool is_among(const struct nlattr *names, const char *name)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, names)
		if (mnl_attr_get_type(attr) == IFLA_ALT_IFNAME &&
		    !strcmp(mnl_attr_get_str(attr), name))
			return true;
	return false;
}

static int compare(const struct nlmsghdr *nlh, void *arg)
{
	const struct search *search = arg;
	const struct nlattr *attr;
	const char *name = "";
	bool found = false;

	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == IFLA_PROP_LIST)
			found = is_among(attr, search->name);
	}
	if (found || !strcmp(name, search->name))
		snprintf(search->real, IF_NAMESIZE, "%s", name);
	return MNL_CB_OK;
}

const char *ifname_real(const char *name, char real[IF_NAMESIZE])
{
	struct search search = { .name = name, .real = real };

	real[0] = '\0';
	/* What an incomplete dump found is found. */
	netlink_links(NULL, compare, &search);
	return real[0] ? real : name;
}
