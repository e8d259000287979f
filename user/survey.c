// SPDX-License-Identifier: GPL-2.0
#include "survey.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "judge.h"
#include "kernel.h"
#include "listeners.h"
#include "netdev.h"
#include "pins.h"

#define NETNS_FOLDER "/run/netns"

/* ---- this process ------------------------------------------------------- */

static __u64 effective_capabilities(void)
{
	unsigned long long set = 0;
	char line[128];
	FILE *status = fopen("/proc/self/status", "re");

	if (!status)
		return 0;
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "CapEff: %llx", &set) == 1)
			break;
	fclose(status);
	return set;
}

bool survey_can(const struct survey *s, unsigned int capability)
{
	__u64 enough = 1ULL << capability;

	if (capability == CAP_BPF || capability == CAP_PERFMON)
		enough |= 1ULL << CAP_SYS_ADMIN;
	return s->capabilities & enough;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

/* No bpffs, and what attach would mount would vanish with it. */
static bool is_bpffs_hidden(void)
{
	struct statfs fs;

	if (statfs("/sys/fs/bpf", &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return false;
	return !same_file("/proc/self/ns/mnt", "/proc/1/ns/mnt");
}

static void find_netns(struct survey *s)
{
	char path[sizeof(NETNS_FOLDER) + 256];
	DIR *folder = opendir(NETNS_FOLDER);
	struct dirent *entry;

	if (!folder)
		return;
	while ((entry = readdir(folder))) {
		snprintf(path, sizeof(path), NETNS_FOLDER "/%s", entry->d_name);
		if (!same_file(path, "/proc/self/ns/net"))
			continue;
		snprintf(s->netns, sizeof(s->netns), "%.63s", entry->d_name);
		break;
	}
	closedir(folder);
}

/* ---- the kernel --------------------------------------------------------- */

/* Loads the guard's program as attach would, and lets go of it. */
static void try_program(struct trial *trial)
{
	struct program_config config = { 0 };
	struct port_policy *ports = calloc(PORT_COUNT, sizeof(*ports));
	struct keyring none = { 0 };
	struct judge *judge = NULL;

	if (!ports)
		return;
	config.ports = ports;
	trial->tried = true;
	trial->failed = judge_open(&judge, &config, &none, &trial->fault) != 0;
	judge_close(judge);
	free(ports);
}

static void try_kernel(struct survey *s)
{
	s->has_btf = kernel_has_btf();
	if (!s->has_btf || !survey_can(s, CAP_BPF) ||
	    !survey_can(s, CAP_PERFMON) || !survey_can(s, CAP_NET_ADMIN))
		return; /* it would fail for that reason */
	try_program(&s->program);
	if (s->program.failed)
		return;
	s->chaining.tried = true;
	s->chaining.failed = !hook_can_chain(s->chaining.fault.why,
					     sizeof(s->chaining.fault.why));
}

/* ---- the network namespace ---------------------------------------------- */

static void read_namespace(struct survey *s)
{
	int routes;

#define X(name, path)                                                          \
	s->name.known = kernel_sysctl(path, &s->name.value) == 0;
	SURVEY_SYSCTLS(X)
#undef X
	s->keys_known = kernel_keys(&s->keys) == 0;
	if (s->has_btf && survey_can(s, CAP_BPF) && survey_can(s, CAP_PERFMON))
		s->listeners_known =
			listeners_read(&s->listeners, &s->n_listeners) == 0;
	firewall_read(&s->firewall);
	routes = interface_routes_take_data(s->route, sizeof(s->route));
	s->routes_known = routes >= 0;
	s->route_takes_data = routes > 0;
}

/* ---- guards and interfaces ---------------------------------------------- */

static int compare(const struct port_policy *a, const struct port_policy *b)
{
	return memcmp(a, b, sizeof(*a));
}

/* Whether options of attach can say it. */
static bool is_optional(const struct port_policy *port)
{
	const struct port_policy said = { .mode = port->mode,
					  .forged = port->forged,
					  .answer = port->answer };

	return !compare(port, &said);
}

/* " --port …" for each guarded port; nothing where that is the default. */
static bool write_ports(const struct port_policy *ports, char *text,
			size_t size)
{
	const struct port_policy usual = { .mode = PORT_guard };
	bool all_usual = true;
	size_t used = 0;

	for (int port = 1; port < PORT_COUNT; port++)
		all_usual = all_usual && !compare(&ports[port], &usual);
	text[0] = '\0';
	for (int port = 1; !all_usual && port < PORT_COUNT; port++) {
		if (ports[port].mode == PORT_unguarded)
			continue;
		used += (size_t)snprintf(
			text + used, size - used, " --port %d", port);
		if (used < size && ports[port].mode != usual.mode)
			used += (size_t)snprintf(
				text + used, size - used, ",mode=%s",
				ports_mode_name(ports[port].mode));
		if (used < size && ports[port].forged != usual.forged)
			used += (size_t)snprintf(
				text + used, size - used, ",forged=%s",
				ports_forged_name(ports[port].forged));
		if (used < size && ports[port].answer != usual.answer)
			used += (size_t)snprintf(
				text + used, size - used, ",answer=%s",
				ports_answer_name(ports[port].answer));
		if (used >= size || !is_optional(&ports[port]))
			return false;
	}
	return true;
}

/* The first port that drops what is beyond a limit. */
static __u16 find_drops(const struct port_policy *ports)
{
	for (int port = 1; port < PORT_COUNT; port++)
		if (ports[port].mode != PORT_unguarded &&
		    (ports[port].over_source == OVER_drop ||
		     ports[port].over_prefix == OVER_drop))
			return (__u16)port;
	return 0;
}

static void read_ports(struct surveyed_interface *i)
{
	struct port_policy *ports = calloc(PORT_COUNT, sizeof(*ports));

	if (ports && guard_ports(i->guard.record.ifindex, ports) == 0) {
		i->ports_fit = write_ports(ports, i->ports, sizeof(i->ports));
		i->drops_over = find_drops(ports);
	}
	free(ports);
}

static void read_interface(struct surveyed_interface *i, const char *name)
{
	struct hook hook = { .ifname = name };

	if (interface_read(name, &i->link))
		return;
	i->bare_ip = interface_kind(&i->link) == LINK_BARE_IP;
	i->unknown_link = interface_kind(&i->link) == LINK_UNKNOWN;
	interface_driver(name, i->driver);
	i->features_known = netdev_xdp_features(i->link.ifindex,
						&i->xdp_features) == 0;
	i->sends_back = interface_sends_back(&i->link);
	hook.ifindex = i->link.ifindex;
	if (hook_holder(&hook, &i->holder, i->holder_name, &i->holder_id))
		i->holder = HOOK_FREE;
}

static struct surveyed_interface *add_interface(struct survey *s)
{
	struct surveyed_interface *list;

	list = reallocarray(s->interfaces, s->n_interfaces + 1, sizeof(*list));
	if (!list)
		return NULL;
	s->interfaces = list;
	list += s->n_interfaces++;
	*list = (struct surveyed_interface){ .ports_fit = true };
	return list;
}

static void add_guard(const struct guard_status *status, void *arg)
{
	const char *known_as = status->ifname[0] ? status->ifname :
						   status->record.ifname;
	struct survey *s = arg;
	struct surveyed_interface *i;

	if (s->ifname && strcmp(s->ifname, known_as))
		return;
	i = add_interface(s);
	if (!i)
		return;
	i->guarded = true;
	i->guard = *status;
	i->answers = guard_answers(status);
	read_ports(i);
	i->tables_known = guard_tables(status->record.ifindex, &i->tables) == 0;
	if (status->ifname[0])
		read_interface(i, status->ifname);
}

static bool is_guarded(__u16 port, void *arg)
{
	const struct survey *s = arg;
	struct port_policy policy;

	for (size_t i = 0; i < s->n_interfaces; i++)
		if (s->interfaces[i].guarded &&
		    !guard_port(s->interfaces[i].guard.record.ifindex, port,
				&policy) &&
		    policy.mode != PORT_unguarded)
			return true;
	return false;
}

static void read_guards(struct survey *s)
{
	int err;

	if (!s->is_root || s->bpffs_hidden)
		return;
	s->guards.tried = true;
	err = guard_each(NULL, add_guard, s, &s->guards.fault);
	s->guards.failed = err && s->guards.fault.exit != EXIT_NOT_ATTACHED;
	s->ring_known = guard_keyring(&s->ring) == 0;
	if (s->n_interfaces)
		pressure_read(is_guarded, s, &s->guarded, &s->n_guarded);
}

int survey_read(struct survey *s, const char *ifname, struct fault *f)
{
	struct surveyed_interface *i;

	*s = (struct survey){ .ifname = ifname };
	s->is_root = geteuid() == 0;
	s->capabilities = effective_capabilities();
	s->bpffs_hidden = is_bpffs_hidden();
	find_netns(s);
	program_catch_complaints();
	try_kernel(s);
	read_namespace(s);
	read_guards(s);
	if (!ifname || s->n_interfaces)
		return 0;
	i = add_interface(s);
	if (i)
		read_interface(i, ifname);
	if (i && i->link.name[0])
		return 0;
	survey_free(s);
	fault_advise(f, "see \"ip link\" for the interfaces of this network "
			"namespace");
	return fault_fail(f, EXIT_FAILED, ENODEV, "there is no such interface");
}

void survey_free(struct survey *s)
{
	for (size_t i = 0; i < s->n_interfaces; i++) {
		interface_free(&s->interfaces[i].link);
		tables_free(&s->interfaces[i].tables);
	}
	free(s->interfaces);
	free(s->listeners);
	free(s->guarded);
	firewall_free(&s->firewall);
	explicit_bzero(s, sizeof(*s));
}
