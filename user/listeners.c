// SPDX-License-Identifier: GPL-2.0
#include "listeners.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "listeners.skel.h"

/* Appends what the iterator has to say. */
static int read_all(int fd, struct listener **list, size_t *n)
{
	struct listener some[64], *more;
	size_t filled = 0;
	ssize_t got;

	/* The kernel cuts its stream where it likes, also inside a record. */
	while ((got = read(fd, (char *)some + filled,
			   sizeof(some) - filled)) > 0) {
		size_t whole;

		filled += (size_t)got;
		whole = filled / sizeof(*some);
		more = reallocarray(*list, *n + whole + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		*list = more;
		for (size_t i = 0; i < whole; i++)
			more[(*n)++] = some[i];
		filled -= whole * sizeof(*some);
		memmove(some, &some[whole], filled);
	}
	return got < 0 ? -errno : 0;
}

static int iterate(struct listeners_bpf *skel, struct listener **list,
		   size_t *n)
{
	struct bpf_link *link;
	int fd, err;

	link = bpf_program__attach_iter(skel->progs.list_listeners, NULL);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	err = fd < 0 ? -errno : read_all(fd, list, n);
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err;
}

int listeners_read(struct listener **list, size_t *n)
{
	/* Loading takes tens of milliseconds, and a daemon asks often. */
	static struct listeners_bpf *skel;
	int err;

	*list = NULL;
	*n = 0;
	if (!skel)
		skel = listeners_bpf__open_and_load();
	if (!skel)
		return -errno;
	err = iterate(skel, list, n);
	if (err) {
		free(*list);
		*list = NULL;
		*n = 0;
	}
	return err;
}
