// SPDX-License-Identifier: GPL-2.0
#include "interface.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <net/if.h> /* before <linux/if.h>, which then leaves out its half */
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "locals.h"
#include "netlink.h"

#define VETH_MTU_MAX 65535 /* ETH_MAX_MTU, which nothing bounds */

/* One link of the namespace, as much as the table needs. */
struct device {
	__u32 ifindex;
	char name[16];
	__u16 type;
	__u32 mtu, mtu_max;
	__u32 master;
	__u32 below; /* IFLA_LINK, in this namespace */
	__u64 mac; /* as in struct link */
	char kind[16];
	__u32 tag; /* of a VLAN device, as in struct link_key */
};

struct devices {
	struct device *list;
	size_t n;
	int err;
};

static void read_vlan(const struct nlattr *data, struct device *d)
{
	__u32 proto = ETH_P_8021Q, vid = 0;
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_type(attr) == IFLA_VLAN_ID)
			vid = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == IFLA_VLAN_PROTOCOL)
			proto = ntohs(mnl_attr_get_u16(attr));
	}
	d->tag = proto << 16 | vid;
}

static void read_info(const struct nlattr *info, struct device *d)
{
	const struct nlattr *attr, *data = NULL;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			snprintf(d->kind, sizeof(d->kind), "%s",
				 mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	if (data && !strcmp(d->kind, "vlan"))
		read_vlan(data, d);
}

static int read_device(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct devices *all = arg;
	const struct nlattr *attr;
	bool elsewhere = false;
	struct device *d;

	d = realloc(all->list, (all->n + 1) * sizeof(*d));
	if (!d) {
		all->err = -ENOMEM;
		return MNL_CB_ERROR;
	}
	all->list = d;
	d += all->n++;
	memset(d, 0, sizeof(*d));
	d->ifindex = (__u32)ifi->ifi_index;
	d->type = ifi->ifi_type;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			snprintf(d->name, sizeof(d->name), "%s",
				 mnl_attr_get_str(attr));
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == ETH_ALEN)
				memcpy(&d->mac, mnl_attr_get_payload(attr),
				       ETH_ALEN);
			break;
		case IFLA_MTU:
			d->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_MAX_MTU:
			d->mtu_max = mnl_attr_get_u32(attr);
			break;
		case IFLA_MASTER:
			d->master = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK:
			d->below = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			read_info(attr, d);
			break;
		}
	}
	if (elsewhere)
		d->below = 0;
	return MNL_CB_OK;
}

static void forget_devices(void *arg)
{
	struct devices *all = arg;

	free(all->list);
	*all = (struct devices){ 0 };
}

static int read_devices(struct devices *all)
{
	int err;

	*all = (struct devices){ 0 };
	err = netlink_links(forget_devices, read_device, all);
	return err ?: all->err;
}

static const struct device *by_index(const struct devices *all, __u32 ifindex)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i].ifindex == ifindex)
			return &all->list[i];
	return NULL;
}

static const struct device *by_name(const struct devices *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->list[i].name, name))
			return &all->list[i];
	return NULL;
}

/* The bridge or bond that takes the device's frames up, else the device. */
static const struct device *l3_device(const struct devices *all,
				      const struct device *d)
{
	const struct device *master = by_index(all, d->master);

	if (master && (!strcmp(master->kind, "bridge") ||
		       !strcmp(master->kind, "bond") ||
		       !strcmp(master->kind, "team")))
		return master;
	return d;
}

static int add_row(struct tables *tables, __u32 outer, __u32 inner,
		   const struct device *to, const struct device *port)
{
	struct link_row row = {
		.key.tag = { outer, inner },
		.link = { .ifindex = to->ifindex, .mac = { to->mac } },
	};

	if (port != to)
		row.link.mac[1] = port->mac;
	return tables_add_row(tables, &row);
}

static bool is_vlan_on(const struct device *d, const struct device *below)
{
	return !strcmp(d->kind, "vlan") && d->below == below->ifindex;
}

/*
 * The rows of what is on @d, or on the bridge or bond that takes its frames up,
 * where @outer is the tag that leads there. A port's own VLANs come first: they
 * take their frames before the bridge or bond does (__netif_receive_skb_core).
 */
static int add_rows(struct tables *tables, const struct devices *all,
		    const struct device *d, __u32 outer)
{
	const struct device *l3 = l3_device(all, d);
	const struct device *below[] = { d, l3 };
	int err = add_row(tables, outer, 0, l3, d);

	for (int i = 0; i < (l3 == d ? 1 : 2); i++)
		for (size_t j = 0; !err && j < all->n; j++) {
			const struct device *vlan = &all->list[j];

			if (!is_vlan_on(vlan, below[i]))
				continue;
			if (outer)
				err = add_row(tables, outer, vlan->tag,
					      l3_device(all, vlan), vlan);
			else
				err = add_rows(tables, all, vlan, vlan->tag);
		}
	return err;
}

int interface_read(const char *name, struct interface *iface)
{
	const struct device *d;
	struct devices all;
	int err = read_devices(&all);

	*iface = (struct interface){ 0 };
	if (err)
		goto out;
	d = by_name(&all, name);
	if (!d) {
		err = -ENODEV;
		goto out;
	}
	iface->ifindex = d->ifindex;
	snprintf(iface->name, sizeof(iface->name), "%s", d->name);
	iface->type = d->type;
	iface->mtu = d->mtu;
	iface->mtu_max = d->mtu_max;
	err = add_rows(&iface->tables, &all, d, 0) ?:
	      locals_read(&iface->tables);
	iface->vlans_hidden = iface->tables.n_rows > 1 &&
			      interface_strips_vlans(name);
out:
	if (err)
		interface_free(iface);
	free(all.list);
	return err;
}

int interface_find(const char *name, struct interface *iface, struct fault *f)
{
	int err = interface_read(name, iface);

	if (err == -ENODEV) {
		fault_advise(f, "see \"ip link\" for the interfaces of this "
				"network namespace");
		return fault_fail(f, EXIT_FAILED, err,
				  "there is no such interface");
	}
	if (err)
		return fault_fail(f, EXIT_FAILED, err, "rtnetlink: %s",
				  strerror(-err));
	return 0;
}

void interface_free(struct interface *iface)
{
	tables_free(&iface->tables);
}

enum link_kind interface_kind(const struct interface *iface)
{
	switch (iface->type) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return LINK_ETHERNET;
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
		return LINK_BARE_IP;
	}
	return LINK_UNKNOWN;
}

/* An ethtool request that needs no netlink. */
static int ethtool(const char *name, void *request)
{
	struct ifreq ifr = { .ifr_data = request };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCETHTOOL, &ifr))
		err = -errno;
	close(fd);
	return err;
}

bool interface_strips_vlans(const char *name)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };

	return ethtool(name, &flags) == 0 && (flags.data & ETH_FLAG_RXVLAN);
}

void interface_driver(const char *name, char driver[32])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	driver[0] = '\0';
	if (ethtool(name, &info) == 0)
		snprintf(driver, 32, "%s", info.driver);
}

/* A program at the other end bounds the MTU of this one: veth_xdp_set(). No
 * more can be seen of it from here. */
bool interface_sends_back(const struct interface *iface)
{
	char driver[32];

	interface_driver(iface->name, driver);
	return strcmp(driver, "veth") || iface->mtu_max != VETH_MTU_MAX;
}

bool interface_loses_answers(const struct interface *iface,
			     enum attach_mode mode)
{
	return mode != ATTACH_skb && !interface_sends_back(iface);
}

bool interface_has_any_mac(const struct interface *iface)
{
	return iface->type == ARPHRD_LOOPBACK;
}

struct route_search {
	char *text;
	size_t size;
	int found;
};

static bool takes_data(const struct nlattr *metrics)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, metrics)
		if (mnl_attr_get_type(attr) == RTAX_FASTOPEN_NO_COOKIE &&
		    mnl_attr_get_u32(attr))
			return true;
	return false;
}

/* Appends one word of a route, or two. */
static void append(struct route_search *search, const char *name,
		   const char *value)
{
	size_t used = strlen(search->text);

	snprintf(search->text + used, search->size - used, "%s%s%s%s",
		 used ? " " : "", name, *value ? " " : "", value);
}

static void append_address(struct route_search *search, const char *name,
			   int family, const struct nlattr *attr)
{
	char text[INET6_ADDRSTRLEN];

	if (attr && inet_ntop(family, mnl_attr_get_payload(attr), text,
			      sizeof(text)))
		append(search, name, text);
}

static void append_number(struct route_search *search, const char *name,
			  const struct nlattr *attr)
{
	char text[16];

	if (!attr)
		return;
	snprintf(text, sizeof(text), "%u", mnl_attr_get_u32(attr));
	append(search, name, text);
}

/* The route in the words of ip-route(8), as far as they tell it from others. */
static void write_route(struct route_search *search, const struct rtmsg *rtm,
			const struct nlattr *const *attrs)
{
	static const __u8 any[16];
	char name[INET6_ADDRSTRLEN] = "", prefix[sizeof(name) + 8];

	search->text[0] = '\0';
	inet_ntop(rtm->rtm_family,
		  attrs[RTA_DST] ? mnl_attr_get_payload(attrs[RTA_DST]) : any,
		  name, sizeof(name));
	snprintf(prefix, sizeof(prefix), "%s/%u", name, rtm->rtm_dst_len);
	append(search, prefix, "");
	append_address(search, "via", rtm->rtm_family, attrs[RTA_GATEWAY]);
	if (attrs[RTA_OIF] &&
	    if_indextoname(mnl_attr_get_u32(attrs[RTA_OIF]), name))
		append(search, "dev", name);
	if (rtm->rtm_flags & RTNH_F_ONLINK)
		append(search, "onlink", "");
	append_address(search, "src", rtm->rtm_family, attrs[RTA_PREFSRC]);
	append_number(search, "metric", attrs[RTA_PRIORITY]);
	if (rtm->rtm_table != RT_TABLE_MAIN)
		append_number(search, "table", attrs[RTA_TABLE]);
}

static int search_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attrs[RTA_MAX + 1] = { NULL }, *attr;
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct route_search *search = arg;

	if (search->found)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
		if (mnl_attr_get_type(attr) <= RTA_MAX)
			attrs[mnl_attr_get_type(attr)] = attr;
	if (attrs[RTA_METRICS] && takes_data(attrs[RTA_METRICS])) {
		search->found = 1;
		write_route(search, rtm, attrs);
	}
	return MNL_CB_OK;
}

static void forget_route(void *arg)
{
	struct route_search *search = arg;

	search->found = 0;
}

int interface_routes_take_data(char *text, size_t size)
{
	static const unsigned char families[] = { AF_INET, AF_INET6 };
	struct route_search search = { .text = text, .size = size };

	for (size_t i = 0; i < sizeof(families) && !search.found; i++) {
		struct rtmsg rtm = { .rtm_family = families[i] };
		struct netlink_request request = {
			.bus = NETLINK_ROUTE,
			.type = RTM_GETROUTE,
			.header = &rtm,
			.size = sizeof(rtm),
		};
		int err = netlink_dump(&request, forget_route, search_route,
				       &search);

		/* A kernel without IPv6 has no such routes. */
		if (err && err != -EAFNOSUPPORT && err != -EOPNOTSUPP)
			return err;
	}
	return search.found;
}
