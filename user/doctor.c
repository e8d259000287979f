// SPDX-License-Identifier: GPL-2.0
#include "doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netdev.h"

/* net.ipv4.tcp_fastopen, include/net/tcp.h */
#define TFO_SERVER_ENABLE 0x2
#define TFO_SERVER_COOKIE_NOT_REQD 0x200
#define TFO_SERVER_WO_SOCKOPT1 0x400

/* Named in one sentence; more than these are only counted. */
#define NAMED_MAX 3

typedef bool general_check(const struct survey *, struct finding *);
typedef bool interface_check(const struct survey *,
			     const struct surveyed_interface *,
			     struct finding *);

__attribute__((format(printf, 2, 3))) static bool
say(struct finding *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->what, sizeof(f->what), format, args);
	va_end(args);
	return true; /* found */
}

__attribute__((format(printf, 2, 3))) static void
advise(struct finding *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->advice, sizeof(f->advice), format, args);
	va_end(args);
}

/* "one, two, three and 4 more" */
struct enumeration {
	char text[400];
	unsigned int n;
};

__attribute__((format(printf, 2, 3))) static void
enumerate(struct enumeration *e, const char *format, ...)
{
	size_t used = strlen(e->text);
	va_list args;

	if (e->n++ >= NAMED_MAX)
		return;
	if (used)
		used += (size_t)snprintf(e->text + used, sizeof(e->text) - used,
					 ", ");
	if (used >= sizeof(e->text))
		return;
	va_start(args, format);
	vsnprintf(e->text + used, sizeof(e->text) - used, format, args);
	va_end(args);
}

static const char *enumerated(struct enumeration *e)
{
	size_t used = strlen(e->text);

	if (e->n > NAMED_MAX)
		snprintf(e->text + used, sizeof(e->text) - used,
			 " and %u more", e->n - NAMED_MAX);
	return e->text;
}

/* ---- this process ------------------------------------------------------- */

static bool check_missing_capabilities(const struct survey *s,
				       struct finding *f)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} needed[] = { { CAP_BPF, "CAP_BPF" },
		       { CAP_PERFMON, "CAP_PERFMON" },
		       { CAP_NET_ADMIN, "CAP_NET_ADMIN" } };
	struct enumeration missing = { 0 };

	if (!s->is_root)
		enumerate(&missing, "root's identity");
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!survey_can(s, needed[i].bit))
			enumerate(&missing, "%s", needed[i].name);
	if (!missing.n)
		return false;
	advise(f, "run it as root, with all capabilities: `sudo tfoguard "
		  "doctor%s%s`",
	       s->ifname ? " " : "", s->ifname ?: "");
	return say(f, "this process lacks %s: it can't guard, and can't see "
		      "all that would keep a guard from working",
		   enumerated(&missing));
}

static bool check_missing_sys_admin(const struct survey *s, struct finding *f)
{
	if (!s->is_root || survey_can(s, CAP_SYS_ADMIN))
		return false;
	advise(f, "run it with CAP_SYS_ADMIN: `sudo tfoguard doctor%s%s`",
	       s->ifname ? " " : "", s->ifname ?: "");
	return say(f, "this process lacks CAP_SYS_ADMIN: it can't read a "
		      "guard's keys, nor share an interface with other XDP "
		      "programs");
}

static bool check_no_bpffs(const struct survey *s, struct finding *f)
{
	if (!s->bpffs_hidden)
		return false;
	if (s->netns[0])
		advise(f, "leave \"ip netns exec\", which hides it, and enter "
			  "the namespace so: `nsenter --net=/run/netns/%s "
			  "tfoguard doctor%s%s`",
		       s->netns, s->ifname ? " " : "", s->ifname ?: "");
	else
		advise(f, "mount it for as long as this mount namespace lives: "
			  "`mount -t bpf bpf /sys/fs/bpf`");
	return say(f, "bpffs, in which a guard lives on, is not on /sys/fs/bpf "
		      "in this mount namespace: no guard can be attached from "
		      "here, and none that is attached is seen");
}

/* ---- the kernel --------------------------------------------------------- */

static bool check_no_btf(const struct survey *s, struct finding *f)
{
	if (s->has_btf)
		return false;
	advise(f, "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as "
		  "distributions build them");
	return say(f, "this kernel has no BTF (/sys/kernel/btf/vmlinux): the "
		      "program can't find the listener's queues and keys, and "
		      "is not loaded");
}

static bool check_program_refused(const struct survey *s, struct finding *f)
{
	if (!s->program.failed)
		return false;
	/* Whoever lacks a capability is not asked to load it. */
	if (strstr(s->program.fault.why, strerror(EPERM)))
		advise(f, "run it in the machine's first user namespace, "
			  "outside of a container that is not privileged");
	else
		advise(f, "%s", s->program.fault.advice);
	return say(f, "%s", s->program.fault.why);
}

static bool check_cannot_chain(const struct survey *s, struct finding *f)
{
	if (!s->chaining.failed)
		return false;
	advise(f, "nothing, as long as no other XDP program is to run on a "
		  "guarded interface; else boot another kernel");
	return say(f, "a guard has its interface for itself, since libxdp "
		      "can't chain programs here (%s)",
		   s->chaining.fault.why);
}

/* ---- sysctls ------------------------------------------------------------ */

static bool check_fastopen_server_off(const struct survey *s, struct finding *f)
{
	if (!s->fastopen.known || s->fastopen.value & TFO_SERVER_ENABLE)
		return false;
	advise(f, "switch servers on: `sysctl -w net.ipv4.tcp_fastopen=%ld`",
	       s->fastopen.value | TFO_SERVER_ENABLE);
	return say(f, "net.ipv4.tcp_fastopen is %ld, which switches Fast Open "
		      "off for servers",
		   s->fastopen.value);
}

static bool check_fastopen_without_cookie(const struct survey *s,
					  struct finding *f)
{
	if (!s->fastopen.known ||
	    !(s->fastopen.value & TFO_SERVER_COOKIE_NOT_REQD))
		return false;
	advise(f, "ask for cookies: `sysctl -w net.ipv4.tcp_fastopen=%ld`",
	       s->fastopen.value & ~TFO_SERVER_COOKIE_NOT_REQD);
	return say(f, "net.ipv4.tcp_fastopen is %ld (0x%lx): with its bit "
		      "0x200 the kernel takes data from anybody, without a "
		      "cookie, and gives none out",
		   s->fastopen.value, s->fastopen.value);
}

static bool check_syncookies_always(const struct survey *s, struct finding *f)
{
	if (!s->syncookies.known || s->syncookies.value != 2)
		return false;
	advise(f, "send them only when a queue is full: `sysctl -w "
		  "net.ipv4.tcp_syncookies=1`");
	return say(f, "net.ipv4.tcp_syncookies is 2: the kernel answers every "
		      "SYN with a SYN cookie and ignores Fast Open");
}

static bool check_syncookies_off(const struct survey *s, struct finding *f)
{
	if (!s->syncookies.known || s->syncookies.value != 0)
		return false;
	advise(f, "allow them: `sysctl -w net.ipv4.tcp_syncookies=1`");
	return say(f, "net.ipv4.tcp_syncookies is 0: once a flood has filled a "
		      "SYN queue, SYNs are dropped, and none can be answered "
		      "from the driver");
}

static bool check_conntrack_strict(const struct survey *s, struct finding *f)
{
	if (!s->conntrack_loose.known || s->conntrack_loose.value)
		return false;
	advise(f, "let it pick up such connections: `sysctl -w "
		  "net.netfilter.nf_conntrack_tcp_loose=1`");
	return say(f, "net.netfilter.nf_conntrack_tcp_loose is 0: a firewall "
		      "that tracks connections refuses the ACK of a SYN that "
		      "it never saw, so none can be answered from the driver");
}

/* ---- keys --------------------------------------------------------------- */

static bool takes_fastopen(const struct listener *l)
{
	return l->fastopen_limit > 0;
}

/* "[::]:443" */
static void write_name(const struct listener *l, char name[64])
{
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(l->ipv6 ? AF_INET6 : AF_INET, l->address, address,
		  sizeof(address));
	snprintf(name, 64, l->ipv6 ? "[%s]:%u" : "%s:%u", address, l->port);
}

#define NEW_KEY                                                                \
	"sysctl -w net.ipv4.tcp_fastopen_key=$(od -An -N16 -tx4 /dev/urandom " \
	"| tr -s ' ' - | cut -c2-)"

static bool check_zero_key(const struct survey *s, struct finding *f)
{
	struct enumeration own = { 0 };
	bool of_namespace = false;
	char name[64];

	for (size_t i = 0; i < s->n_listeners; i++) {
		const struct listener *l = &s->listeners[i];

		if (!takes_fastopen(l))
			continue;
		write_name(l, name);
		if (l->own_key_zero)
			enumerate(&own, "%s", name);
		else if (!l->own_key && s->keys_known && s->keys.n == 0)
			of_namespace = true;
	}
	if (of_namespace) {
		advise(f, "give it a random one: `" NEW_KEY "`");
		return say(f, "net.ipv4.tcp_fastopen_key is all zeros: anybody "
			      "can compute its cookies, and the guard takes it "
			      "for no key");
	}
	if (!own.n)
		return false;
	advise(f, "have the server set a random TCP_FASTOPEN_KEY, or none");
	return say(f, "the key that the server gave to %s is all zeros: "
		      "anybody can compute its cookies",
		   enumerated(&own));
}

/* The name that an interface has, or had. */
static const char *name_of(const struct surveyed_interface *i)
{
	return i->link.name[0] ? i->link.name : i->guard.record.ifname;
}

/* Advises to attach as it is attached now, after what @before says. */
static void advise_attach(struct finding *f, const char *why,
			  const char *before,
			  const struct surveyed_interface *i, bool observe)
{
	const struct guard_record *r = &i->guard.record;

	if (!i->ports_fit)
		advise(f, "%s: attach to %s again, with the ports of now", why,
		       name_of(i));
	else
		advise(f, "%s: `%stfoguard attach %s%s%s%s`", why, before,
		       name_of(i),
		       i->guarded && r->attach_mode == ATTACH_skb ? " -m skb" :
								    "",
		       observe && r->settings.observe ? " --observe" : "",
		       i->ports);
}

static const struct surveyed_interface *held_guard(const struct survey *s)
{
	for (size_t i = 0; i < s->n_interfaces; i++)
		if (s->interfaces[i].guarded && s->interfaces[i].guard.held)
			return &s->interfaces[i];
	return NULL;
}

static bool check_key_drift(const struct survey *s, struct finding *f)
{
	const struct surveyed_interface *guard = held_guard(s);

	if (!guard || !s->ring_known || !s->keys_known ||
	    ring_covers(&s->ring, &s->keys))
		return false;
	advise_attach(f, "attach again, which adopts it", "", guard, true);
	return say(f, "the kernel has a key (net.ipv4.tcp_fastopen_key) that "
		      "the guard has not: its cookies are proven only by a "
		      "look at the listener");
}

/* ---- listeners ---------------------------------------------------------- */

static bool check_no_fastopen_listener(const struct survey *s,
				       struct finding *f)
{
	long value = s->fastopen.known ? s->fastopen.value : 1;

	if (!s->listeners_known)
		return false;
	for (size_t i = 0; i < s->n_listeners; i++)
		if (takes_fastopen(&s->listeners[i]))
			return false;
	advise(f, "turn it on in the server (nginx: \"listen 443 "
		  "fastopen=256\", haproxy: \"tfo\"); or for every server that "
		  "starts from now on, `sysctl -w net.ipv4.tcp_fastopen=%ld`, "
		  "and restart it",
	       value | TFO_SERVER_ENABLE | TFO_SERVER_WO_SOCKOPT1);
	return say(f, "no listener of this network namespace has Fast Open on "
		      "(%zu listen)",
		   s->n_listeners);
}

static bool check_listener_without_cookie(const struct survey *s,
					  struct finding *f)
{
	struct enumeration names = { 0 };
	char name[64];

	for (size_t i = 0; i < s->n_listeners; i++) {
		write_name(&s->listeners[i], name);
		if (takes_fastopen(&s->listeners[i]) &&
		    s->listeners[i].no_cookie)
			enumerate(&names, "%s", name);
	}
	if (!names.n)
		return false;
	advise(f, "have the server not set TCP_FASTOPEN_NO_COOKIE, and restart "
		  "it");
	return say(f, "data from anybody, without a cookie, is taken by %s "
		      "(TCP_FASTOPEN_NO_COOKIE)",
		   enumerated(&names));
}

/* A queue of a listener, and when it is full. */
struct queue {
	__u32 length, limit;
	bool full;
};

static struct queue fastopen_queue(const struct listener *l)
{
	return (struct queue){ l->fastopen_queue, l->fastopen_limit,
			       l->fastopen_queue >= l->fastopen_limit };
}

/* inet_csk_reqsk_queue_is_full() */
static struct queue syn_queue(const struct listener *l)
{
	return (struct queue){ l->syn_queue, l->backlog,
			       l->syn_queue > l->backlog };
}

/* sk_acceptq_is_full() */
static struct queue accept_queue(const struct listener *l)
{
	return (struct queue){ l->accept_queue, l->backlog,
			       l->accept_queue > l->backlog };
}

/* Names the listeners with Fast Open whose queue is full; returns the largest
 * limit of those, or 0 where there is none. */
static __u32 find_full(const struct survey *s,
		       struct queue (*measure)(const struct listener *),
		       struct enumeration *names)
{
	__u32 limit = 0;
	char name[64];

	for (size_t i = 0; i < s->n_listeners; i++) {
		struct queue queue = measure(&s->listeners[i]);

		if (!takes_fastopen(&s->listeners[i]) || !queue.full)
			continue;
		write_name(&s->listeners[i], name);
		enumerate(names, "%s (%u of %u)", name, queue.length,
			  queue.limit);
		if (queue.limit >= limit)
			limit = queue.limit + !queue.limit;
	}
	return limit;
}

/* A queue can't be made longer than net.core.somaxconn. */
static void advise_longer(const struct survey *s, struct finding *f,
			  const char *how, __u32 limit)
{
	__u32 longer = limit < 512 ? 1024 : 2 * limit;

	if (s->somaxconn.known && s->somaxconn.value < (long)longer)
		advise(f, "%s, after `sysctl -w net.core.somaxconn=%u`", how,
		       longer);
	else
		advise(f, "%s", how);
}

static bool check_fastopen_queue_full(const struct survey *s, struct finding *f)
{
	struct enumeration names = { 0 };
	__u32 limit = find_full(s, fastopen_queue, &names);

	if (!limit)
		return false;
	advise_longer(s, f,
		      "restart the server with a longer one (nginx: \"listen "
		      "443 fastopen=1024\")",
		      limit);
	return say(f, "the Fast Open queue is full on %s: valid cookies are "
		      "served as plain SYNs",
		   enumerated(&names));
}

static bool check_syn_queue_full(const struct survey *s, struct finding *f)
{
	struct enumeration names = { 0 };
	__u32 limit = find_full(s, syn_queue, &names);

	if (!limit)
		return false;
	advise_longer(s, f,
		      "wait until the flood is over, or restart the server "
		      "with a longer one (nginx: \"listen 443 backlog=4096\")",
		      limit);
	return say(f, "the SYN queue is full on %s: the kernel sends SYN "
		      "cookies and ignores Fast Open",
		   enumerated(&names));
}

static bool check_accept_queue_full(const struct survey *s, struct finding *f)
{
	struct enumeration names = { 0 };
	__u32 limit = find_full(s, accept_queue, &names);

	if (!limit)
		return false;
	advise_longer(s, f,
		      "see why the server accepts nothing, or restart it with "
		      "a longer one (nginx: \"listen 443 backlog=4096\")",
		      limit);
	return say(f, "the accept queue is full on %s: new connections are "
		      "dropped",
		   enumerated(&names));
}

static bool is_guarded_port(const struct survey *s, __u16 port)
{
	for (size_t i = 0; i < s->n_guarded; i++)
		if (s->guarded[i].port == port)
			return true;
	return false;
}

/* Below this, a handful of clients on their way is pressure. */
#define BACKLOG_LEAST 16

static bool check_small_backlog(const struct survey *s, struct finding *f)
{
	struct enumeration names = { 0 };
	char name[64];

	for (size_t i = 0; i < s->n_listeners; i++) {
		const struct listener *l = &s->listeners[i];

		if (!takes_fastopen(l) || l->backlog >= BACKLOG_LEAST ||
		    !is_guarded_port(s, l->port))
			continue;
		write_name(l, name);
		enumerate(&names, "%s (%u)", name, l->backlog);
	}
	if (!names.n)
		return false;
	advise_longer(s, f,
		      "restart the server with a longer one (nginx: \"listen "
		      "443 backlog=4096\")",
		      BACKLOG_LEAST);
	return say(f, "the backlog is so short on %s that a few clients at "
		      "once put it under pressure",
		   enumerated(&names));
}

static bool check_mptcp_listener(const struct survey *s, struct finding *f)
{
	struct enumeration names = { 0 };
	char name[64];

	for (size_t i = 0; i < s->n_listeners; i++) {
		if (!takes_fastopen(&s->listeners[i]) ||
		    !s->listeners[i].mptcp ||
		    !is_guarded_port(s, s->listeners[i].port))
			continue;
		write_name(&s->listeners[i], name);
		enumerate(&names, "%s", name);
	}
	if (!names.n)
		return false;
	advise(f, "have the server listen by plain TCP (programs in Go: "
		  "GODEBUG=multipathtcp=0), and restart it");
	return say(f, "%s listens by Multipath TCP, whose SYN-ACKs only the "
		      "kernel can make: under a flood its SYN queue fills, and "
		      "Fast Open ends",
		   enumerated(&names));
}

static bool check_answers_stopped(const struct survey *s, struct finding *f)
{
	struct enumeration ports = { 0 };

	for (size_t i = 0; i < s->n_guarded; i++)
		if (s->guarded[i].stopped)
			enumerate(&ports, "%u", s->guarded[i].port);
	if (!ports.n)
		return false;
	advise(f, "let a firewall that tracks connections take ACKs whose SYN "
		  "it never saw, and a balancer send both to the same host; "
		  "answers begin again by themselves within a minute or two");
	return say(f, "SYNs are not answered from the driver for port %s: the "
		      "ACKs of such answers were refused behind the guard",
		   enumerated(&ports));
}

/* ---- routes and rules --------------------------------------------------- */

static bool check_route_without_cookie(const struct survey *s,
				       struct finding *f)
{
	if (!s->route_takes_data)
		return false;
	advise(f, "take the attribute off: `ip route change %s "
		  "fastopen_no_cookie 0`",
	       s->route);
	return say(f, "the route %s has fastopen_no_cookie: data from there is "
		      "taken without a cookie, and since the guard can't see "
		      "routes, it cuts no data at all",
		   s->route);
}

/* The rules of one effect; the commands that remove those that are named, the
 * last first, since rules of the older iptables go by number. */
static bool find_rules(const struct survey *s, enum firewall_effect effect,
		       struct enumeration *places, char *commands, size_t size)
{
	size_t used = 0;

	commands[0] = '\0';
	for (size_t i = s->firewall.n; i-- > 0;) {
		const struct firewall_rule *rule = &s->firewall.rules[i];

		if (rule->effect != effect)
			continue;
		enumerate(places, "%s", rule->place);
		if (rule->remove && places->n <= NAMED_MAX &&
		    used + strlen(rule->remove) + 8 < size)
			used += (size_t)snprintf(commands + used, size - used,
						 "%s%s", used ? " && " : "",
						 rule->remove);
	}
	return places->n;
}

static bool check_address_translation(const struct survey *s, struct finding *f)
{
	struct enumeration places = { 0 };
	char commands[800];

	if (!find_rules(s, FIREWALL_TRANSLATES, &places, commands,
			sizeof(commands)))
		return false;
	advise(f, "where the listener is in a container, attach inside its "
		  "network namespace; where a rule is not needed, remove it: "
		  "%s%s%s",
	       commands[0] ? "`" : "", commands, commands[0] ? "`" : "");
	return say(f, "addresses are translated behind XDP (%s): cookies of "
		      "such connections are made for the new address, perhaps "
		      "under a container's key, and can't be checked here",
		   enumerated(&places));
}

static bool check_synproxy(const struct survey *s, struct finding *f)
{
	struct enumeration places = { 0 };
	char commands[800];

	if (!find_rules(s, FIREWALL_SYNPROXY, &places, commands,
			sizeof(commands)))
		return false;
	advise(f, "remove it: %s%s%s", commands[0] ? "`" : "", commands,
	       commands[0] ? "`" : "");
	return say(f, "netfilter answers SYNs in the servers' place (%s), and "
		      "knows no Fast Open",
		   enumerated(&places));
}

static bool check_acks_refused(const struct survey *s, struct finding *f)
{
	struct enumeration places = { 0 };
	char commands[800];

	if (!find_rules(s, FIREWALL_REFUSES_ACKS, &places, commands,
			sizeof(commands)))
		return false;
	advise(f, "remove it: %s%s%s", commands[0] ? "`" : "", commands,
	       commands[0] ? "`" : "");
	return say(f, "a firewall refuses what is new to it and no SYN (%s): so "
		      "is the ACK of a SYN that was answered from the driver",
		   enumerated(&places));
}

/* ---- guards ------------------------------------------------------------- */

static bool check_guards_unreadable(const struct survey *s, struct finding *f)
{
	if (!s->guards.failed)
		return false;
	advise(f, "%s", s->guards.fault.advice);
	return say(f, "a guard of this network namespace can't be read: %s",
		   s->guards.fault.why);
}

static bool check_no_guard(const struct survey *s, struct finding *f)
{
	if (s->ifname || s->n_interfaces || !s->guards.tried ||
	    s->guards.failed)
		return false;
	advise(f, "attach one to the interface that clients come in by: "
		  "tfoguard attach IFACE");
	return say(f, "no guard is attached in this network namespace");
}

/* Whether the program runs on the interface. */
static bool is_held(const struct surveyed_interface *i)
{
	return i->guarded && i->guard.held;
}

static bool is_gone(const struct surveyed_interface *i)
{
	return !i->link.name[0];
}

static bool has_no_native_xdp(const struct surveyed_interface *i)
{
	return i->bare_ip ||
	       (i->features_known && !(i->xdp_features & XDP_ACT_BASIC));
}

static bool check_interface_gone(const struct survey *s,
				 const struct surveyed_interface *i,
				 struct finding *f)
{
	(void)s;
	if (!is_gone(i))
		return false;
	advise(f, "remove them: `tfoguard detach %s`", name_of(i));
	return say(f, "the interface %s has gone, and left the pins of its "
		      "guard",
		   name_of(i));
}

static bool check_guard_not_held(const struct survey *s,
				 const struct surveyed_interface *i,
				 struct finding *f)
{
	(void)s;
	if (is_gone(i) || !i->guarded || i->guard.held || i->guard.held_error)
		return false;
	advise_attach(f, "attach it again", "", i, true);
	return say(f, "the guard of %s is not on the interface any more: "
		      "something took it off",
		   name_of(i));
}

static void enumerate_changes(const struct surveyed_interface *i,
			      struct enumeration *changes)
{
	const struct guard_record *r = &i->guard.record;
	struct tables_difference differ;

	if (strncmp(r->ifname, i->link.name, sizeof(r->ifname)))
		enumerate(changes, "its name was %.15s", r->ifname);
	if (!i->tables_known)
		return;
	differ = tables_compare(&i->tables, &i->link.tables);
	if (differ.untagged)
		enumerate(changes, "its MAC address, bridge or bond has "
				   "changed");
	if (differ.vlans)
		enumerate(changes, "VLAN devices on it have changed");
	if (differ.locals)
		enumerate(changes, "addresses of this host have changed");
}

static bool check_guard_outdated(const struct survey *s,
				 const struct surveyed_interface *i,
				 struct finding *f)
{
	const struct settings *settings = &i->guard.record.settings;
	struct enumeration changes = { 0 };

	if (is_gone(i) || !is_held(i))
		return false;
	if (s->routes_known &&
	    settings->routes_take_data != s->route_takes_data)
		enumerate(&changes, "%s",
			  s->route_takes_data ?
				  "a route takes data without a cookie" :
				  "the route that took data without a cookie "
				  "is gone");
	if (settings->vlans_hidden && !i->link.vlans_hidden)
		enumerate(&changes, "VLAN tags, stripped before XDP then, are "
				    "visible now");
	enumerate_changes(i, &changes);
	if (!changes.n)
		return false;
	advise_attach(f, "attach it again, which reads all that afresh", "", i,
		      true);
	return say(f, "the guard of %s goes by what was true when it was "
		      "attached: %s",
		   name_of(i), enumerated(&changes));
}

/* The tc program's place; user/guard/tc.c. */
#define FREE_PLACE "tc filter del dev %s ingress pref 7413 && "

static void advise_other_end(const struct surveyed_interface *i,
			     struct finding *f)
{
	if (i->ports_fit)
		advise(f, "attach in generic mode, unguarded for an instant: "
			  "`tfoguard detach %s && tfoguard attach %s -m skb%s%s`; "
			  "or, faster, have any XDP program at the other end "
			  "(of a container: on its host) and attach again",
		       name_of(i), name_of(i),
		       i->guard.record.settings.observe ? " --observe" : "",
		       i->ports);
	else
		advise(f, "detach it and attach it in generic mode (-m skb), "
			  "with the ports of now");
}

static void advise_voice(const struct surveyed_interface *i, struct finding *f)
{
	const char *why = i->guard.record.silent_because;
	char free_place[sizeof(FREE_PLACE) + IF_NAMESIZE] = "";
	char l3_name[IF_NAMESIZE];

	if (i->guard.record.chained)
		advise(f, "nothing, as long as other XDP programs share the "
			  "interface");
	else if (strstr(why, "Linux"))
		advise(f, "boot Linux 6.9 or newer");
	else if (i->guard.record.unsent && !i->sends_back)
		advise_other_end(i, f);
	else {
		if (strstr(why, strerror(EEXIST)) && i->link.tables.n_rows &&
		    if_indextoname(i->link.tables.rows[0].link.ifindex, l3_name))
			snprintf(free_place, sizeof(free_place), FREE_PLACE,
				 l3_name);
		advise_attach(f, "attach it again, where nothing is in the way "
				 "any more", free_place, i, true);
	}
}

static bool check_guard_silent(const struct survey *s,
			       const struct surveyed_interface *i,
			       struct finding *f)
{
	const struct guard_record *r = &i->guard.record;

	(void)s;
	/* Hidden VLAN tags are findings of their own. */
	if (is_gone(i) || !is_held(i) || r->settings.can_answer ||
	    r->settings.vlans_hidden || i->link.vlans_hidden)
		return false;
	advise_voice(i, f);
	return say(f, "the guard of %s answers no SYN%s%.47s: under a flood the "
		      "kernel's SYN queue fills, and Fast Open ends",
		   name_of(i), r->silent_because[0] ? ", since " : "",
		   r->silent_because);
}

static bool check_answers_unsent(const struct survey *s,
				 const struct surveyed_interface *i,
				 struct finding *f)
{
	(void)s;
	if (!i->guarded || i->answers != ANSWERS_UNSENT)
		return false;
	advise_attach(f, "have a program there again, or attach again, which "
			 "leaves SYNs under pressure to the kernel", "", i,
		      true);
	return say(f, "what the guard of %s answers is lost, since the other "
		      "end of the veth runs no XDP program any more: under a "
		      "flood new clients are not served",
		   name_of(i));
}

static bool check_answers_unheard(const struct survey *s,
				  const struct surveyed_interface *i,
				  struct finding *f)
{
	(void)s;
	if (!i->guarded || i->answers != ANSWERS_UNHEARD)
		return false;
	advise_attach(f, "attach again, which puts it back", "", i, true);
	return say(f, "something removed the tc program that takes the ACKs of "
		      "the answers of %s: whoever is answered is reset",
		   name_of(i));
}

static bool check_limits_drop(const struct survey *s,
			      const struct surveyed_interface *i,
			      struct finding *f)
{
	(void)s;
	if (is_gone(i) || !is_held(i) || !i->drops_over)
		return false;
	advise(f, "set \"over: answer\" in the configuration, and attach "
		  "again with it");
	return say(f, "the guard of %s drops what is beyond a limit, on port %u "
		      "for one: whoever forges a client's address locks it "
		      "out",
		   name_of(i), i->drops_over);
}

static bool check_observe_only(const struct survey *s,
			       const struct surveyed_interface *i,
			       struct finding *f)
{
	(void)s;
	if (!is_held(i) || !i->guard.record.settings.observe)
		return false;
	advise_attach(f, "when its counters look right, let it act", "", i,
		      false);
	return say(f, "the guard of %s only observes: it counts verdicts and "
		      "touches no packet",
		   name_of(i));
}

static bool check_not_guarded(const struct survey *s,
			      const struct surveyed_interface *i,
			      struct finding *f)
{
	/* Where its pins can't be read, there may be a guard. */
	if (i->guarded || !s->guards.tried || s->guards.failed ||
	    i->unknown_link || i->holder == HOOK_GUARD)
		return false;
	advise(f, "attach one: `tfoguard attach %s%s`", name_of(i),
	       has_no_native_xdp(i) ? " -m skb" : "");
	return say(f, "no guard is attached to %s", name_of(i));
}

/* Of a listener that is bound to a device (SO_BINDTODEVICE). */
static bool is_above(const struct surveyed_interface *i, __u32 device)
{
	for (size_t row = 0; row < i->link.tables.n_rows; row++)
		if (i->link.tables.rows[row].link.ifindex == device)
			return device != i->link.ifindex;
	return false;
}

static bool check_listener_on_upper_device(const struct survey *s,
					   const struct surveyed_interface *i,
					   struct finding *f)
{
	struct enumeration names = { 0 };
	char name[64], device[IF_NAMESIZE];

	for (size_t l = 0; l < s->n_listeners; l++) {
		const struct listener *listener = &s->listeners[l];

		if (!takes_fastopen(listener) ||
		    !is_above(i, listener->device) ||
		    !if_indextoname(listener->device, device))
			continue;
		write_name(listener, name);
		enumerate(&names, "%s on %s", name, device);
	}
	if (!names.n)
		return false;
	advise(f, "have the server listen on an address, and not bind itself "
		  "to the device (SO_BINDTODEVICE)");
	return say(f, "from %s, where packets come in, listeners that are bound "
		      "to a device above it can't be seen (%s): forged cookies "
		      "for them pass as no_listener",
		   name_of(i), enumerated(&names));
}

/* ---- the hook and its driver -------------------------------------------- */

static bool check_unknown_link(const struct survey *s,
			       const struct surveyed_interface *i,
			       struct finding *f)
{
	(void)s;
	if (is_gone(i) || !i->unknown_link)
		return false;
	advise(f, "guard the interface that carries it instead");
	return say(f, "%s is of link type %u, neither Ethernet nor bare IP: it "
		      "can't be guarded",
		   name_of(i), i->link.type);
}

static bool check_guard_hidden(const struct survey *s,
			       const struct surveyed_interface *i,
			       struct finding *f)
{
	(void)s;
	if (is_gone(i) || i->guarded || i->holder != HOOK_GUARD)
		return false;
	advise(f, HOOK_HIDDEN);
	return say(f, "a guard is on %s whose pins are not in the bpffs that is "
		      "mounted here: it works, but can't be seen or changed",
		   name_of(i));
}

static bool check_foreign_xdp(const struct survey *s,
			      const struct surveyed_interface *i,
			      struct finding *f)
{
	(void)s;
	if (is_gone(i) || is_held(i) || i->holder != HOOK_FOREIGN)
		return false;
	advise(f, "load that one through libxdp (xdp-loader) so that both can "
		  "share the interface, or take it off: `ip link set dev %s "
		  "xdp off && ip link set dev %s xdpgeneric off`",
	       name_of(i), name_of(i));
	return say(f, "the XDP program %s (id %u) is on %s and was not loaded "
		      "through libxdp's dispatcher: a guard can't be attached",
		   i->holder_name[0] ? i->holder_name : "of another tool",
		   i->holder_id, name_of(i));
}

static bool check_driver_without_native_xdp(const struct survey *s,
					    const struct surveyed_interface *i,
					    struct finding *f)
{
	(void)s;
	if (is_gone(i) || is_held(i) || i->unknown_link ||
	    !has_no_native_xdp(i))
		return false;
	advise(f, "attach in generic mode, which is slower, after a socket "
		  "buffer was made: `tfoguard attach %s -m skb`",
	       name_of(i));
	return say(f, "%s can't run the guard in its driver%s%s%s: %s",
		   name_of(i), i->driver[0] ? " (" : "", i->driver,
		   i->driver[0] ? ")" : "",
		   i->bare_ip ? "its packets have no Ethernet header" :
				"it has no native XDP as it is configured now");
}

/* The longest frame's MTU that fits one page together with what the kernel
 * puts around it: XDP_PACKET_HEADROOM in front, skb_shared_info behind. */
static __u32 page_mtu(void)
{
	return (__u32)sysconf(_SC_PAGESIZE) - 256 - 320 - 14;
}

static bool check_mtu_needs_frags(const struct survey *s,
				  const struct surveyed_interface *i,
				  struct finding *f)
{
	(void)s;
	/* tun hands frames that don't fit to generic XDP by itself. */
	if (is_gone(i) || is_held(i) || has_no_native_xdp(i) ||
	    !i->features_known || i->xdp_features & XDP_ACT_RX_SG ||
	    !strcmp(i->driver, "tun") || i->link.mtu <= page_mtu())
		return false;
	advise(f, "lower the MTU: `ip link set dev %s mtu 1500`; or attach in "
		  "generic mode, which is slower",
	       name_of(i));
	return say(f, "the MTU of %s is %u, and its driver (%s) runs XDP only "
		      "where a frame fits one page (at most %u)",
		   name_of(i), i->link.mtu, i->driver, page_mtu());
}

static bool check_generic_mode(const struct survey *s,
			       const struct surveyed_interface *i,
			       struct finding *f)
{
	(void)s;
	if (is_gone(i) || !is_held(i) || has_no_native_xdp(i) ||
	    !i->features_known || !i->sends_back ||
	    i->guard.record.attach_mode != ATTACH_skb)
		return false;
	if (i->ports_fit)
		advise(f, "attach it in the driver, unguarded for an instant: "
			  "`tfoguard detach %s && tfoguard attach %s%s%s`",
		       name_of(i), name_of(i),
		       i->guard.record.settings.observe ? " --observe" : "",
		       i->ports);
	else
		advise(f, "detach it and attach it in the driver, with the "
			  "ports of now");
	return say(f, "the guard of %s runs in generic mode, after a socket "
		      "buffer was made, though the driver has native XDP",
		   name_of(i));
}

static bool check_generic_only(const struct survey *s,
			       const struct surveyed_interface *i,
			       struct finding *f)
{
	(void)s;
	if (is_gone(i) || !is_held(i) ||
	    i->guard.record.attach_mode != ATTACH_skb ||
	    (i->features_known && !has_no_native_xdp(i)))
		return false;
	advise(f, "nothing, or guard an interface whose driver has native XDP");
	return say(f, "the guard of %s runs in generic mode, which is slower%s",
		   name_of(i),
		   has_no_native_xdp(i) ? ": its driver has no other" : "");
}

static bool check_vlans_hidden(const struct survey *s,
			       const struct surveyed_interface *i,
			       struct finding *f)
{
	char strip_off[64];

	(void)s;
	if (is_gone(i) || !i->link.vlans_hidden)
		return false;
	snprintf(strip_off, sizeof(strip_off),
		 "ethtool -K %s rxvlan off && ", name_of(i));
	if (i->guarded)
		advise_attach(f, "have the tags left in, and attach again",
			      strip_off, i, true);
	else
		advise(f, "have the tags left in: `ethtool -K %s rxvlan off`",
		       name_of(i));
	return say(f, "%s has VLANs, and its driver strips their tags before "
		      "XDP sees the frame: which device a SYN is for can't be "
		      "known, and all pass as not_ours",
		   name_of(i));
}

/* ---- all of them -------------------------------------------------------- */

static const struct {
	const char *id;
	enum severity severity;
	general_check *general; /* one of the two */
	interface_check *of_interface;
} checks[] = {
#define X(id, severity)                                                        \
	[FINDING_##id] = { #id, SEVERITY_##severity, check_##id, NULL },
	GENERAL_FINDINGS(X)
#undef X
#define X(id, severity)                                                        \
	[FINDING_##id] = { #id, SEVERITY_##severity, NULL, check_##id },
	INTERFACE_FINDINGS(X)
#undef X
};

const char *doctor_id(enum finding_id id)
{
	return checks[id].id;
}

enum severity doctor_severity(enum finding_id id)
{
	return checks[id].severity;
}

static int add(struct diagnosis *d, const struct finding *f)
{
	struct finding *list;

	list = reallocarray(d->findings, d->n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	d->findings = list;
	list[d->n++] = *f;
	return 0;
}

static int check_one(const struct survey *s, enum finding_id id,
		     struct diagnosis *d)
{
	struct finding f = { .id = id };
	int err = 0;

	if (checks[id].general)
		return checks[id].general(s, &f) ? add(d, &f) : 0;
	for (size_t i = 0; !err && i < s->n_interfaces; i++)
		if (checks[id].of_interface(s, &s->interfaces[i], &f))
			err = add(d, &f);
	return err;
}

int doctor_examine(const struct survey *s, struct diagnosis *d)
{
	int err = 0;

	*d = (struct diagnosis){ 0 };
	for (int severity = SEVERITY_COUNT - 1; severity >= 0; severity--)
		for (int id = 0; !err && id < FINDING_COUNT; id++)
			if (checks[id].severity == (enum severity)severity)
				err = check_one(s, (enum finding_id)id, d);
	if (err)
		doctor_free(d);
	return err;
}

void doctor_free(struct diagnosis *d)
{
	free(d->findings);
	*d = (struct diagnosis){ 0 };
}

enum severity doctor_worst(const struct diagnosis *d)
{
	/* The worst come first. */
	return d->n ? doctor_severity(d->findings[0].id) : SEVERITY_info;
}
