// SPDX-License-Identifier: GPL-2.0
#include "firewall.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

/* Expressions of nftables and targets of iptables, by name. */
static const struct {
	const char *name;
	enum firewall_effect effect;
} effects[] = {
	{ "redir", FIREWALL_TRANSLATES },   { "tproxy", FIREWALL_TRANSLATES },
	{ "synproxy", FIREWALL_SYNPROXY },  { "DNAT", FIREWALL_TRANSLATES },
	{ "REDIRECT", FIREWALL_TRANSLATES }, { "NETMAP", FIREWALL_TRANSLATES },
	{ "TPROXY", FIREWALL_TRANSLATES },  { "SYNPROXY", FIREWALL_SYNPROXY },
};

static bool find_effect(const char *name, enum firewall_effect *effect)
{
	for (size_t i = 0; i < sizeof(effects) / sizeof(*effects); i++) {
		if (strcmp(effects[i].name, name))
			continue;
		*effect = effects[i].effect;
		return true;
	}
	return false;
}

/* A name may hold anything; a command is only given where none needs quotes. */
static bool is_plain(const char *name)
{
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("_.-/", *name))
			return false;
	return true;
}

/* Takes @place and @remove, which asprintf() made; NULL where it could not. */
static int add_rule(struct firewall *all, enum firewall_effect effect,
		    char *place, char *remove)
{
	struct firewall_rule *rule;

	rule = reallocarray(all->rules, all->n + 1, sizeof(*rule));
	if (!rule || !place) {
		if (rule)
			all->rules = rule;
		free(place);
		free(remove);
		return -ENOMEM;
	}
	all->rules = rule;
	rule[all->n++] = (struct firewall_rule){ effect, place, remove };
	return 0;
}

/* Whether packets on their way to a local socket pass the hook. */
static bool is_inbound(unsigned int hook)
{
	return hook == NF_INET_PRE_ROUTING || hook == NF_INET_LOCAL_IN;
}

/* ---- nftables ----------------------------------------------------------- */

/* Base chains that no inbound packet passes. */
struct outbound_chain {
	unsigned char family;
	char table[NFT_TABLE_MAXNAMELEN];
	char chain[NFT_CHAIN_MAXNAMELEN];
};

struct nft_search {
	struct outbound_chain *outbound;
	size_t n_outbound;
	struct firewall *found;
	int err;
};

static const char *family_name(unsigned char family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_NETDEV:
		return "netdev";
	case NFPROTO_BRIDGE:
		return "bridge";
	}
	return "arp";
}

static unsigned char message_family(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(nlh);

	return header->nfgen_family;
}

/* The hook of a base chain's NFTA_CHAIN_HOOK. */
static unsigned int hook_number(const struct nlattr *hook)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, hook)
		if (mnl_attr_get_type(attr) == NFTA_HOOK_HOOKNUM)
			return ntohl(mnl_attr_get_u32(attr));
	return NF_INET_PRE_ROUTING;
}

static int keep_outbound(const struct nlmsghdr *nlh, void *arg)
{
	const char *table = NULL, *chain = NULL;
	struct nft_search *search = arg;
	struct outbound_chain *one;
	const struct nlattr *attr;
	bool outbound = false;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_CHAIN_TABLE:
			table = mnl_attr_get_str(attr);
			break;
		case NFTA_CHAIN_NAME:
			chain = mnl_attr_get_str(attr);
			break;
		case NFTA_CHAIN_HOOK:
			outbound = !is_inbound(hook_number(attr));
			break;
		}
	}
	if (!outbound || !table || !chain ||
	    message_family(nlh) == NFPROTO_NETDEV)
		return MNL_CB_OK;
	one = reallocarray(search->outbound, search->n_outbound + 1,
			   sizeof(*one));
	if (!one) {
		search->err = -ENOMEM;
		return MNL_CB_ERROR;
	}
	search->outbound = one;
	one += search->n_outbound++;
	one->family = message_family(nlh);
	snprintf(one->table, sizeof(one->table), "%s", table);
	snprintf(one->chain, sizeof(one->chain), "%s", chain);
	return MNL_CB_OK;
}

static bool is_outbound(const struct nft_search *search, unsigned char family,
			const char *table, const char *chain)
{
	for (size_t i = 0; i < search->n_outbound; i++) {
		const struct outbound_chain *one = &search->outbound[i];

		if (one->family == family && !strcmp(one->table, table) &&
		    !strcmp(one->chain, chain))
			return true;
	}
	return false;
}

/* What an expression loaded for the next to compare. */
enum loaded {
	LOADED_OTHER,
	LOADED_PROTO, /* the IP protocol */
	LOADED_TCP_FLAGS,
	LOADED_STATE, /* conntrack's */
};

/* What the expressions of one rule come to. */
struct rule_reading {
	enum loaded loaded;
	__u32 mask; /* of what was loaded */
	bool other_proto; /* the rule is for one that is not TCP */
	bool not_syn; /* for an ACK, and for no SYN */
	bool new; /* for the first packet that conntrack sees */
	bool drops;
	bool matters;
	enum firewall_effect effect;
	char name[32];
};

/* Attributes of an expression's data by type; be32 but for names and data. */
struct expression {
	const struct nlattr *attr[16];
};

static __u32 be32_of(const struct expression *e, unsigned int type)
{
	return e->attr[type] ? ntohl(mnl_attr_get_u32(e->attr[type])) : 0;
}

static enum loaded payload_of(const struct expression *e)
{
	__u32 base = be32_of(e, NFTA_PAYLOAD_BASE);
	__u32 offset = be32_of(e, NFTA_PAYLOAD_OFFSET);

	if (be32_of(e, NFTA_PAYLOAD_LEN) != 1)
		return LOADED_OTHER;
	if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == 13)
		return LOADED_TCP_FLAGS;
	/* IPv4 protocol, IPv6 next header */
	return base == NFT_PAYLOAD_NETWORK_HEADER &&
			       (offset == 9 || offset == 6) ?
		       LOADED_PROTO :
		       LOADED_OTHER;
}

static enum loaded loads(const char *name, const struct expression *e)
{
	if (!strcmp(name, "meta") &&
	    be32_of(e, NFTA_META_KEY) == NFT_META_L4PROTO)
		return LOADED_PROTO;
	if (!strcmp(name, "ct") && be32_of(e, NFTA_CT_KEY) == NFT_CT_STATE)
		return LOADED_STATE;
	return strcmp(name, "payload") ? LOADED_OTHER : payload_of(e);
}

/* A datum of one byte, or of four, which are the host's. */
static bool read_value(const struct nlattr *datum, __u32 *value)
{
	const struct nlattr *attr;

	if (!datum)
		return false;
	mnl_attr_for_each_nested(attr, datum)
	{
		if (mnl_attr_get_type(attr) != NFTA_DATA_VALUE)
			continue;
		if (mnl_attr_get_payload_len(attr) == sizeof(__u32))
			*value = mnl_attr_get_u32(attr);
		else
			*value = *(__u8 *)mnl_attr_get_payload(attr);
		return true;
	}
	return false;
}

static bool is_drop(const struct nlattr *datum)
{
	const struct nlattr *attr, *inner;

	if (!datum)
		return false;
	mnl_attr_for_each_nested(attr, datum)
	{
		if (mnl_attr_get_type(attr) != NFTA_DATA_VERDICT)
			continue;
		mnl_attr_for_each_nested(inner, attr)
			if (mnl_attr_get_type(inner) == NFTA_VERDICT_CODE)
				return ntohl(mnl_attr_get_u32(inner)) ==
				       NF_DROP;
	}
	return false;
}

#define TCP_SYN 0x02
#define TCP_ACK 0x10
#define STATE_NEW (1U << (IP_CT_NEW + 1)) /* NF_CT_STATE_BIT() */

/* iptables over nftables: "--ctstate NEW". */
static bool matches_new(const struct expression *e)
{
	const struct xt_conntrack_mtinfo3 *info;
	const struct nlattr *name = e->attr[NFTA_MATCH_NAME];
	const struct nlattr *blob = e->attr[NFTA_MATCH_INFO];

	if (!name || !blob || strcmp(mnl_attr_get_str(name), "conntrack") ||
	    be32_of(e, NFTA_MATCH_REV) != 3 ||
	    mnl_attr_get_payload_len(blob) < sizeof(*info))
		return false;
	info = mnl_attr_get_payload(blob);
	return info->match_flags & XT_CONNTRACK_STATE &&
	       !(info->invert_flags & XT_CONNTRACK_STATE) &&
	       info->state_mask & STATE_NEW;
}

/* Whether what was loaded, were it @loaded, passes the comparison. */
static bool agrees(const struct expression *e, const struct rule_reading *r,
		   __u32 loaded, __u32 value)
{
	bool equal = (loaded & r->mask) == value;

	switch (be32_of(e, NFTA_CMP_OP)) {
	case NFT_CMP_EQ:
		return equal;
	case NFT_CMP_NEQ:
		return !equal;
	}
	return false;
}

static void read_comparison(const struct expression *e, struct rule_reading *r)
{
	__u32 value;

	if (!read_value(e->attr[NFTA_CMP_DATA], &value))
		return;
	switch (r->loaded) {
	case LOADED_OTHER:
		break;
	case LOADED_PROTO:
		r->other_proto |= !agrees(e, r, IPPROTO_TCP, value);
		break;
	case LOADED_TCP_FLAGS:
		r->not_syn |= agrees(e, r, TCP_ACK, value) &&
			      !agrees(e, r, TCP_SYN, value);
		break;
	case LOADED_STATE:
		r->new |= agrees(e, r, STATE_NEW, value);
		break;
	}
}

static void read_expression(const char *name, const struct expression *e,
			    struct rule_reading *r)
{
	if (!strcmp(name, "bitwise")) {
		if (!read_value(e->attr[NFTA_BITWISE_MASK], &r->mask))
			r->loaded = LOADED_OTHER;
		return;
	}
	if (!strcmp(name, "cmp"))
		read_comparison(e, r);
	r->loaded = loads(name, e);
	r->mask = ~0U;
	if (!strcmp(name, "match"))
		r->new |= matches_new(e);
	else if (!strcmp(name, "reject"))
		r->drops = true;
	else if (!strcmp(name, "immediate"))
		r->drops |= is_drop(e->attr[NFTA_IMMEDIATE_DATA]);
	if (!strcmp(name, "target") && e->attr[NFTA_TARGET_NAME])
		name = mnl_attr_get_str(e->attr[NFTA_TARGET_NAME]);
	if (!strcmp(name, "REJECT"))
		r->drops = true;
	if (!strcmp(name, "nat")) {
		if (be32_of(e, NFTA_NAT_TYPE) != NFT_NAT_DNAT)
			return;
		name = "dnat";
		r->effect = FIREWALL_TRANSLATES;
	} else if (!find_effect(name, &r->effect)) {
		return;
	}
	r->matters = true;
	snprintf(r->name, sizeof(r->name), "%s", name);
}

static void read_element(const struct nlattr *element, struct rule_reading *r)
{
	const struct nlattr *attr, *inner;
	struct expression e = { 0 };
	const char *name = "";

	mnl_attr_for_each_nested(attr, element)
	{
		if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME)
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) != NFTA_EXPR_DATA)
			continue;
		mnl_attr_for_each_nested(inner, attr)
			if (mnl_attr_get_type(inner) < 16)
				e.attr[mnl_attr_get_type(inner)] = inner;
	}
	read_expression(name, &e, r);
}

static int search_rule(const struct nlmsghdr *nlh, void *arg)
{
	const char *family = family_name(message_family(nlh));
	const char *table = NULL, *chain = NULL;
	struct nft_search *search = arg;
	struct rule_reading r = { 0 };
	char *place, *remove = NULL;
	const struct nlattr *attr, *element;
	unsigned long long handle = 0;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_RULE_TABLE:
			table = mnl_attr_get_str(attr);
			break;
		case NFTA_RULE_CHAIN:
			chain = mnl_attr_get_str(attr);
			break;
		case NFTA_RULE_HANDLE:
			handle = be64toh(mnl_attr_get_u64(attr));
			break;
		case NFTA_RULE_EXPRESSIONS:
			mnl_attr_for_each_nested(element, attr)
				read_element(element, &r);
			break;
		}
	}
	if (!r.matters && r.not_syn && r.new && r.drops) {
		r.matters = true;
		r.effect = FIREWALL_REFUSES_ACKS;
		snprintf(r.name, sizeof(r.name), "drop");
	}
	if (!r.matters || r.other_proto || !table || !chain ||
	    is_outbound(search, message_family(nlh), table, chain))
		return MNL_CB_OK;
	if (asprintf(&place, "%s by handle %llu of chain %s in table %s %s",
		     r.name, handle, chain, family, table) < 0)
		place = NULL;
	if (is_plain(table) && is_plain(chain) &&
	    asprintf(&remove, "nft delete rule %s %s %s handle %llu", family,
		     table, chain, handle) < 0)
		remove = NULL;
	search->err = add_rule(search->found, r.effect, place, remove);
	return search->err ? MNL_CB_ERROR : MNL_CB_OK;
}

static void forget_chains(void *arg)
{
	struct nft_search *search = arg;

	free(search->outbound);
	search->outbound = NULL;
	search->n_outbound = 0;
}

static void forget_rules(void *arg)
{
	struct nft_search *search = arg;

	firewall_free(search->found);
}

static int dump_nft(unsigned int type, void (*forget)(void *), mnl_cb_t each,
		    struct nft_search *search)
{
	struct nfgenmsg header = { .nfgen_family = NFPROTO_UNSPEC,
				   .version = NFNETLINK_V0 };
	struct netlink_request request = {
		.bus = NETLINK_NETFILTER,
		.type = NFNL_SUBSYS_NFTABLES << 8 | type,
		.header = &header,
		.size = sizeof(header),
	};

	return netlink_dump(&request, forget, each, search);
}

static int read_nft(struct firewall *all)
{
	struct nft_search search = { .found = all };
	int err;

	err = dump_nft(NFT_MSG_GETCHAIN, forget_chains, keep_outbound,
		       &search) ?:
	      dump_nft(NFT_MSG_GETRULE, forget_rules, search_rule, &search);
	err = search.err ?: err;
	forget_chains(&search);
	/* What nfnetlink and the bus say where there is no nf_tables. */
	if (err == -EINVAL || err == -EOPNOTSUPP || err == -EPROTONOSUPPORT)
		return 0;
	return err;
}

/* ---- iptables, the older one -------------------------------------------- */

/* Where the two families' structures differ. */
struct legacy {
	const char *tables; /* the tables that exist: asking makes others */
	const char *command;
	int family, level;
	size_t proto, target, next;
};

static const struct legacy legacies[] = {
	{
		.tables = "/proc/net/ip_tables_names",
		.command = "iptables-legacy",
		.family = AF_INET,
		.level = IPPROTO_IP,
		.proto = offsetof(struct ipt_entry, ip.proto),
		.target = offsetof(struct ipt_entry, target_offset),
		.next = offsetof(struct ipt_entry, next_offset),
	},
	{
		.tables = "/proc/net/ip6_tables_names",
		.command = "ip6tables-legacy",
		.family = AF_INET6,
		.level = IPPROTO_IPV6,
		.proto = offsetof(struct ip6t_entry, ipv6.proto),
		.target = offsetof(struct ip6t_entry, target_offset),
		.next = offsetof(struct ip6t_entry, next_offset),
	},
};

_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo) &&
		       offsetof(struct ipt_get_entries, entrytable) ==
			       offsetof(struct ip6t_get_entries, entrytable) &&
		       IPT_SO_GET_INFO == IP6T_SO_GET_INFO &&
		       IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES,
	       "read as one");

#define ENTRIES offsetof(struct ipt_get_entries, entrytable)

static __u16 u16_at(const char *at)
{
	__u16 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* The built-in chain that starts at @offset, or -1. */
static int built_in_at(const struct ipt_getinfo *info, unsigned int offset)
{
	for (int hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if (info->valid_hooks & 1U << hook &&
		    info->hook_entry[hook] == offset)
			return hook;
	return -1;
}

static int add_legacy(struct firewall *all, const struct legacy *kind,
		      const char *table, const char *chain, unsigned int number,
		      const char *target, enum firewall_effect effect)
{
	char *place, *remove = NULL;

	if (asprintf(&place, "%s by rule %u of chain %s in table %s of %s",
		     target, number, chain, table, kind->command) < 0)
		place = NULL;
	if (is_plain(chain) &&
	    asprintf(&remove, "%s -t %s -D %s %u", kind->command, table, chain,
		     number) < 0)
		remove = NULL;
	return add_rule(all, effect, place, remove);
}

/* Chains lie one after the other: the built-in ones start where @info says,
 * the others with an ERROR entry that has their name. */
static int walk_table(struct firewall *all, const struct legacy *kind,
		      const char *table, const struct ipt_getinfo *info,
		      const char *entries)
{
	static const char *const hook_names[] = { "PREROUTING", "INPUT",
						  "FORWARD", "OUTPUT",
						  "POSTROUTING" };
	unsigned int number = 0, offset, next;
	char chain[XT_FUNCTION_MAXNAMELEN] = "";
	const struct xt_error_target *target;
	enum firewall_effect effect;
	bool inbound = false;
	int err = 0, hook;

	for (offset = 0; !err && offset < info->size; offset += next) {
		const char *entry = entries + offset;
		__u16 proto = u16_at(entry + kind->proto);

		next = u16_at(entry + kind->next);
		target = (const void *)(entry + u16_at(entry + kind->target));
		if (!next)
			return -EPROTO;
		number++;
		hook = built_in_at(info, offset);
		if (hook >= 0) {
			number = 1;
			inbound = is_inbound((unsigned int)hook);
			snprintf(chain, sizeof(chain), "%s", hook_names[hook]);
		}
		if (!strcmp(target->target.u.user.name, XT_ERROR_TARGET)) {
			number = 0;
			inbound = true; /* as far as this can tell */
			snprintf(chain, sizeof(chain), "%s", target->errorname);
			continue;
		}
		if (inbound && (!proto || proto == IPPROTO_TCP) &&
		    find_effect(target->target.u.user.name, &effect))
			err = add_legacy(all, kind, table, chain, number,
					 target->target.u.user.name, effect);
	}
	return err;
}

static int read_table(struct firewall *all, const struct legacy *kind, int fd,
		      const char *table)
{
	struct ipt_getinfo info = { 0 };
	socklen_t size = sizeof(info);
	struct ipt_get_entries *entries;
	int err;

	snprintf(info.name, sizeof(info.name), "%s", table);
	if (getsockopt(fd, kind->level, IPT_SO_GET_INFO, &info, &size))
		return -errno;
	size = (socklen_t)(ENTRIES + info.size);
	entries = calloc(1, size);
	if (!entries)
		return -ENOMEM;
	snprintf(entries->name, sizeof(entries->name), "%s", table);
	entries->size = info.size;
	if (getsockopt(fd, kind->level, IPT_SO_GET_ENTRIES, entries, &size))
		err = -errno;
	else
		err = walk_table(all, kind, table, &info,
				 (const char *)entries + ENTRIES);
	free(entries);
	return err;
}

static int read_legacy(struct firewall *all, const struct legacy *kind)
{
	FILE *tables = fopen(kind->tables, "re");
	char name[XT_TABLE_MAXNAMELEN];
	int fd, err = 0;

	if (!tables)
		return errno == ENOENT ? 0 : -errno;
	fd = socket(kind->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		err = -errno;
	while (!err && fgets(name, sizeof(name), tables)) {
		name[strcspn(name, "\n")] = '\0';
		err = read_table(all, kind, fd, name);
	}
	if (fd >= 0)
		close(fd);
	fclose(tables);
	return err;
}

int firewall_read(struct firewall *all)
{
	int err;

	*all = (struct firewall){ 0 };
	err = read_nft(all);
	for (size_t i = 0; i < sizeof(legacies) / sizeof(*legacies); i++)
		err = err ?: read_legacy(all, &legacies[i]);
	if (err)
		firewall_free(all);
	return err;
}

void firewall_free(struct firewall *all)
{
	for (size_t i = 0; i < all->n; i++) {
		free(all->rules[i].place);
		free(all->rules[i].remove);
	}
	free(all->rules);
	*all = (struct firewall){ 0 };
}
