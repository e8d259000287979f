// SPDX-License-Identifier: GPL-2.0
#include "shared.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "config.h"
#include "kernel.h"
#include "keyring.h"
#include "pins.h"

static const char *const names[] = {
#define X(map) #map,
	SHARED_MAPS(X)
#undef X
};

int shared_open(struct shared *shared)
{
	*shared = SHARED_NONE;
	for (int i = 0; i < SHARED_COUNT; i++) {
		int fd = pins_open(0, names[i]);

		if (fd < 0 && fd != -ENOENT) {
			shared_close(shared);
			return fd;
		}
		shared->fd[i] = fd < 0 ? -1 : fd;
	}
	return 0;
}

void shared_close(struct shared *shared)
{
	for (int i = 0; i < SHARED_COUNT; i++)
		if (shared->fd[i] >= 0)
			close(shared->fd[i]);
	*shared = SHARED_NONE;
}

int shared_reuse(const struct shared *shared, struct bpf_object *object)
{
	int err = 0;

	for (int i = 0; !err && i < SHARED_COUNT; i++) {
		struct bpf_map *map =
			bpf_object__find_map_by_name(object, names[i]);

		if (map && shared->fd[i] >= 0)
			err = bpf_map__reuse_fd(map, shared->fd[i]);
	}
	return err;
}

static int fill_master(int fd)
{
	struct siphash_key master;
	__u32 zero = 0;
	int err = 0;

	if (getrandom(&master, sizeof(master), 0) != sizeof(master) ||
	    bpf_map_update_elem(fd, &zero, &master, BPF_ANY))
		err = -errno;
	explicit_bzero(&master, sizeof(master));
	return err;
}

static int write_tuning(int fd, const struct tuning *tuning)
{
	struct tuning fit = *tuning;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), rmem_max;
	__u32 zero = 0;

	if (cpus > 0)
		fit.admit_share = cpus < 256 ? 256 / (__u32)cpus : 1;
	if (!kernel_sysctl("core.rmem_max", &rmem_max))
		fit.rmem_max = (__u32)rmem_max;
	return bpf_map_update_elem(fd, &zero, &fit, BPF_ANY) ? -errno : 0;
}

int shared_tune(const struct shared *shared, const struct tuning *tuning)
{
	return write_tuning(shared->fd[SHARED_tuning], tuning);
}

int shared_adopt(struct shared *shared, struct bpf_object *object)
{
	const struct tuning usual = TUNING_DEFAULT;
	int err = 0;

	for (int i = 0; !err && i < SHARED_COUNT; i++) {
		struct bpf_map *map =
			bpf_object__find_map_by_name(object, names[i]);

		if (!map || shared->fd[i] >= 0)
			continue;
		shared->fd[i] = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0);
		if (shared->fd[i] < 0)
			err = -errno;
		else if (i == SHARED_master)
			err = fill_master(shared->fd[i]);
		else if (i == SHARED_tuning)
			err = write_tuning(shared->fd[i], &usual);
	}
	return err;
}

int shared_pin(const struct shared *shared)
{
	int err = 0;

	for (int i = 0; !err && i < SHARED_COUNT; i++) {
		err = shared->fd[i] < 0 ? -EBADF :
					  pins_put_first(shared->fd[i], 0,
							 names[i]);
		if (err == -EEXIST)
			err = 0;
	}
	return err;
}

static int read_pinned(enum shared_map map, __u32 key, void *value)
{
	int fd = pins_open(0, names[map]), err = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &key, value))
		err = -errno;
	close(fd);
	return err;
}

int shared_tuning(struct tuning *tuning)
{
	return read_pinned(SHARED_tuning, 0, tuning);
}

int shared_port_state(unsigned int port, struct port_state *state)
{
	return read_pinned(SHARED_port_states, port, state);
}
