// SPDX-License-Identifier: GPL-2.0
#include "memory.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared.h"

#define MAPS_MAX 64

static bool is_shared(const char *name)
{
	static const char *const names[] = {
#define X(map) #map,
		SHARED_MAPS(X)
#undef X
		"keyring",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* "memlock" of fdinfo: what is there, not what there may be (Linux 6.4). */
static int read_size(int fd, __u64 *bytes)
{
	unsigned long long n;
	char line[128];
	int err = -ENODATA;
	FILE *info;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	info = fopen(line, "re");
	while (info && fgets(line, sizeof(line), info)) {
		if (sscanf(line, "memlock: %llu", &n) == 1) {
			*bytes = n;
			err = 0;
		}
	}
	if (info)
		fclose(info);
	return err;
}

static int add_map(struct memory *m, __u32 id)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id), err;
	__u64 bytes = 0;

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &len) ? -errno :
							read_size(fd, &bytes);
	close(fd);
	if (!err)
		*(is_shared(info.name) ? &m->shared : &m->own) += bytes;
	return err;
}

struct memory memory_of(int prog_fd)
{
	__u32 ids[MAPS_MAX], len;
	struct bpf_prog_info info = { .nr_map_ids = MAPS_MAX,
				      .map_ids = (__u64)(unsigned long)ids };
	struct memory m = { 0 };

	len = sizeof(info);
	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		m.err = -errno;
	for (__u32 i = 0; i < info.nr_map_ids && i < MAPS_MAX && !m.err; i++)
		m.err = add_map(&m, ids[i]);
	return m;
}
