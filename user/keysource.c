// SPDX-License-Identifier: GPL-2.0
#include "keysource.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guard.h"
#include "kernel.h"
#include "lock.h"

const struct key_source keysource_kernel = { .name = "kernel" };

static int load_file(const struct key_source *source,
		     struct ring_record *record, struct fault *f)
{
	return ringfile_load(source->path, record, f);
}

static int save_file(const struct key_source *source,
		     const struct ring_record *record, struct fault *f)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s", source->path);
	mkdir(dirname(folder), 0700); /* what fails, the write will say */
	return ringfile_save(source->path, record, f);
}

struct key_source keysource_file(const char *path)
{
	return (struct key_source){ .name = "file",
				    .load = load_file,
				    .save = save_file,
				    .path = path };
}

static int get_map(void *arg, struct keyring *ring)
{
	(void)arg;
	return guard_keyring(ring);
}

static int set_map(void *arg, const struct keyring *ring)
{
	(void)arg;
	return guard_set_keyring(ring);
}

static int get_kernel(void *arg, struct kernel_pair *pair)
{
	(void)arg;
	return kernel_keys(pair);
}

static int set_kernel(void *arg, const struct kernel_pair *pair)
{
	(void)arg;
	return kernel_set_keys(pair);
}

static int locked = -1;

static int take_lock(void *arg, struct fault *f)
{
	(void)arg;
	locked = lock_take(f);
	return locked < 0 ? locked : 0;
}

static void release_lock(void *arg)
{
	(void)arg;
	close(locked);
	locked = -1;
}

static __u64 seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (__u64)now.tv_sec;
}

static void read_clocks(void *arg, struct moment *now)
{
	(void)arg;
	*now = (struct moment){ .wall = seconds(CLOCK_REALTIME),
				.boot = seconds(CLOCK_BOOTTIME) };
}

const struct key_plane keysource_plane = {
	.get_map = get_map,
	.set_map = set_map,
	.get_kernel = get_kernel,
	.set_kernel = set_kernel,
	.lock = take_lock,
	.unlock = release_lock,
	.now = read_clocks,
};
