// SPDX-License-Identifier: GPL-2.0
#include "program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "guard.skel.h"
#include "kernel.h"
#include "ports.h"

static char complaint[256];

/* The first one: what follows are its consequences. */
static void keep_complaint(const char *format, va_list args)
{
	if (complaint[0])
		return;
	vsnprintf(complaint, sizeof(complaint), format, args);
	complaint[strcspn(complaint, "\n")] = '\0';
}

static int catch_libbpf(enum libbpf_print_level level, const char *format,
			va_list args)
{
	if (level == LIBBPF_WARN)
		keep_complaint(format, args);
	return 0;
}

static int catch_libxdp(enum libxdp_print_level level, const char *format,
			va_list args)
{
	if (level == LIBXDP_WARN)
		keep_complaint(format, args);
	return 0;
}

void program_catch_complaints(void)
{
	libbpf_set_print(catch_libbpf);
	libxdp_set_print(catch_libxdp);
	complaint[0] = '\0';
}

const char *program_complaint(void)
{
	return complaint;
}

const char *program_libbpf_version(void)
{
	return libbpf_version_string() + 1; /* "v1.1" */
}

int program_find_slot(struct counter_names *names, const char *verdict)
{
	int i;

	for (i = 0; i < COUNTER_SLOTS && names->name[i][0]; i++)
		if (!strcmp(names->name[i], verdict))
			return i;
	if (i == COUNTER_SLOTS)
		return -ENOSPC;
	snprintf(names->name[i], COUNTER_NAME_LEN, "%s", verdict);
	return i;
}

/* Gives each verdict the slot that has its name, or a free one. */
static int assign_slots(struct guard_bpf *skel, struct counter_names *names)
{
	int slot;

#define X(verdict, action, meaning)                                            \
	slot = program_find_slot(names, #verdict);                                     \
	if (slot < 0)                                                          \
		return slot;                                                   \
	skel->rodata->counter_slot[V_##verdict] = (__u8)slot;
	VERDICTS(X)
#undef X
	return 0;
}

static int reuse(struct bpf_map *map, int fd)
{
	return fd < 0 ? 0 : bpf_map__reuse_fd(map, fd);
}

static int fill_ports(struct bpf_map *map, const struct port_policy *ports)
{
	__u32 *keys, n = PORT_COUNT;
	int err = 0;

	keys = calloc(PORT_COUNT, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (__u32 i = 0; i < PORT_COUNT; i++)
		keys[i] = i;
	if (bpf_map_update_batch(bpf_map__fd(map), keys, ports, &n, NULL))
		err = -errno;
	free(keys);
	return err;
}

int program_fill(const struct program *program, struct fault *f)
{
	const struct program_config *config = program->config;
	struct guard_bpf *skel = program->skel;
	const struct table_maps maps = {
		.untagged = bpf_map__fd(skel->maps.untagged),
		.vlans = bpf_map__fd(skel->maps.vlans),
		.locals = bpf_map__fd(skel->maps.locals),
	};
	__u32 zero = 0;
	int err;

	if (bpf_map_update_elem(bpf_map__fd(skel->maps.counter_names), &zero,
				&program->names, BPF_ANY))
		return -errno;
	err = shared_adopt(program->shared, skel->obj);
	if (err)
		return err;
	return fill_ports(skel->maps.ports, config->ports) ?:
	       tables_write(&maps, &config->tables, f);
}

static int explain_refusal(struct fault *f, int err)
{
	/* Without the right libbpf complains of what it tried first. */
	bool detail = complaint[0] && err != -EPERM;
	long jit;

	if (err == -EPERM || err == -EACCES) {
		if (geteuid() != 0)
			fault_advise(f, "run it as root");
		else
			fault_advise(f, "give it CAP_BPF, CAP_NET_ADMIN and "
					"CAP_PERFMON, or CAP_SYS_ADMIN");
	} else if (kernel_sysctl("core.bpf_jit_enable", &jit) == 0 && !jit) {
		fault_advise(f, "sysctl -w net.core.bpf_jit_enable=1");
		return fault_fail(f, EXIT_FAILED, err,
				  "the kernel's BPF compiler is switched off");
	} else if (!kernel_has_btf()) {
		fault_advise(f, "boot a kernel with CONFIG_DEBUG_INFO_BTF=y");
		return fault_fail(f, EXIT_FAILED, err,
				  "this kernel has no BTF "
				  "(/sys/kernel/btf/vmlinux)");
	} else if (err == -EMFILE) {
		fault_advise(f, "allow it 256 open files: ulimit -n 256");
	} else if (err == -ENOMEM || err == -ESRCH) {
		/* The latter: libbpf had none for the kernel's BTF. */
		fault_advise(f, PROGRAM_MEMORY);
	} else {
		fault_advise(f, "try again, on Linux 6.1 or newer");
	}
	return fault_fail(f, EXIT_FAILED, err,
			  "the kernel refused the program: %s%s%s%s",
			  strerror(-err), detail ? " (" : "",
			  detail ? complaint : "", detail ? ")" : "");
}

int program_open(struct program *program, const struct program_config *config,
		 const struct program_maps *maps, struct fault *f)
{
	struct guard_bpf *skel;
	__u32 zero = 0;
	int err;

	program_catch_complaints();
	memset(program, 0, sizeof(*program));
	program->fd = -1;
	program->config = config;
	program->shared = maps->shared;
	program->skel = skel = guard_bpf__open();
	if (!skel)
		return explain_refusal(f, -errno);
	if (maps->counter_names >= 0 &&
	    bpf_map_lookup_elem(maps->counter_names, &zero, &program->names))
		return explain_refusal(f, -errno);
	err = assign_slots(skel, &program->names);
	if (err)
		return fault_fail(f, EXIT_FAILED, err,
				  "the counters have no room for this version's "
				  "verdicts beside older ones");
	skel->rodata->settings = config->settings;
	bpf_program__set_autoload(skel->progs.tfoguard, !config->chained);
	bpf_program__set_autoload(skel->progs.tfoguard_chained,
				  config->chained);
	err = reuse(skel->maps.keyring, maps->keyring) ?:
	      reuse(skel->maps.counters, maps->counters) ?:
	      reuse(skel->maps.counter_names, maps->counter_names) ?:
	      reuse(skel->maps.cuts, maps->cuts) ?:
	      shared_reuse(maps->shared, skel->obj);
	return err ? explain_refusal(f, err) : 0;
}

int program_load(struct program *program, struct fault *f)
{
	int err = guard_bpf__load(program->skel) ?: program_fill(program, f);

	if (err)
		return f->exit ? err : explain_refusal(f, err);
	program->fd = bpf_program__fd(
		bpf_program__autoload(program->skel->progs.tfoguard) ?
			program->skel->progs.tfoguard :
			program->skel->progs.tfoguard_chained);
	return 0;
}

void program_close(struct program *program)
{
	guard_bpf__destroy(program->skel);
	program->skel = NULL;
	program->fd = -1;
}

int program_is_named(int fd, const char *name)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	/* The kernel may have cut it. */
	return !strncmp(info.name, name, sizeof(info.name) - 1);
}

unsigned int program_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

/* The kernel waits for running programs when a map in a map is exchanged
 * (maybe_wait_bpf_programs); a ring that nobody reads will do. */
int program_wait(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	struct keyring nothing = { 0 };
	int inner, outer, err;

	inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tfoguard_wait",
			       sizeof(__u32), sizeof(nothing), 1, NULL);
	if (inner < 0)
		return -errno;
	opts.inner_map_fd = (__u32)inner;
	outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "tfoguard_wait",
			       sizeof(__u32), sizeof(__u32), 1, &opts);
	err = outer < 0 ? -errno : program_set_keyring(outer, &nothing);
	if (outer >= 0)
		close(outer);
	close(inner);
	return err;
}

int program_set_keyring(int keyring_fd, const struct keyring *ring)
{
	__u32 zero = 0;
	int err = 0, fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tfoguard_keys", sizeof(zero),
			    sizeof(*ring), 1, NULL);
	if (fd < 0)
		return -errno;
	if (bpf_map_update_elem(fd, &zero, ring, BPF_ANY) ||
	    bpf_map_update_elem(keyring_fd, &zero, &fd, BPF_ANY))
		err = -errno;
	close(fd);
	return err;
}

int program_get_keyring(int keyring_fd, struct keyring *ring)
{
	__u32 zero = 0, id;
	int err = 0, fd;

	memset(ring, 0, sizeof(*ring));
	if (bpf_map_lookup_elem(keyring_fd, &zero, &id))
		return errno == ENOENT ? 0 : -errno;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	if (bpf_map_lookup_elem(fd, &zero, ring))
		err = -errno;
	close(fd);
	return err;
}

int program_read_counters(int counters_fd, struct counters *sum)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct counters *each;
	__u32 zero = 0;

	if (cpus < 0)
		return cpus;
	each = malloc((size_t)cpus * sizeof(*each));
	if (!each)
		return -ENOMEM;
	memset(sum, 0, sizeof(*sum));
	if (bpf_map_lookup_elem(counters_fd, &zero, each))
		err = -errno;
	for (int cpu = 0; !err && cpu < cpus; cpu++)
		for (int slot = 0; slot < COUNTER_SLOTS; slot++)
			for (int family = 0; family < FAMILY_COUNT; family++) {
				struct counter *to = &sum->slot[slot][family];
				struct counter *from =
					&each[cpu].slot[slot][family];

				to->packets += from->packets;
				to->bytes += from->bytes;
			}
	free(each);
	return err;
}

int program_read_cuts(int cuts_fd, __u64 bytes[FAMILY_COUNT])
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	__u64 *each;

	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	for (__u32 family = 0; !err && family < FAMILY_COUNT; family++) {
		bytes[family] = 0;
		if (bpf_map_lookup_elem(cuts_fd, &family, each))
			err = -errno;
		for (int cpu = 0; !err && cpu < cpus; cpu++)
			bytes[family] += each[cpu];
	}
	free(each);
	return err;
}
