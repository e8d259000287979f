// SPDX-License-Identifier: GPL-2.0
#include "listeners.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listeners.skel.h"
#include "netlink.h"

static int count_one(const struct nlmsghdr *nlh, void *arg)
{
	__u64 *n = arg;

	(void)nlh;
	++*n;
	return MNL_CB_OK;
}

/* How many listeners there are, by what knows no more of them than that; all
 * that can be where it can't be told. */
static __u64 count_listeners(void)
{
	static const __u8 families[] = { AF_INET, AF_INET6 };
	__u64 n = 0;

	for (size_t i = 0; i < sizeof(families); i++) {
		const struct inet_diag_req_v2 request = {
			.sdiag_family = families[i],
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = 1 << BPF_TCP_LISTEN,
		};

		if (netlink_dump(&(struct netlink_request){
					 .bus = NETLINK_SOCK_DIAG,
					 .type = SOCK_DIAG_BY_FAMILY,
					 .header = &request,
					 .size = sizeof(request) },
				 NULL, count_one, &n))
			return UINT64_MAX;
	}
	return n;
}

static int append(struct listener **list, size_t *n,
		  const struct listener *some, size_t n_some)
{
	struct listener *more =
		reallocarray(*list, *n + n_some + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	memcpy(&more[*n], some, n_some * sizeof(*more));
	*list = more;
	*n += n_some;
	return 0;
}

/* Appends what the iterator has to say. */
static int read_all(int fd, struct listener **list, size_t *n)
{
	struct listener some[64];
	size_t filled = 0;
	ssize_t got;

	/* The kernel cuts its stream where it likes, also inside a record. */
	while ((got = read(fd, (char *)some + filled,
			   sizeof(some) - filled)) > 0) {
		size_t whole;

		filled += (size_t)got;
		whole = filled / sizeof(*some);
		if (append(list, n, some, whole))
			return -ENOMEM;
		filled -= whole * sizeof(*some);
		memmove(some, &some[whole], filled);
	}
	return got < 0 && errno != EAGAIN ? -errno : 0;
}

static int iterate(struct listeners_bpf *skel, struct listener **list,
		   size_t *n)
{
	struct bpf_link *link;
	int fd, err;

	/* What begins to listen meanwhile may hide another this once. */
	skel->data->how_many = count_listeners();
	skel->bss->stopped = false;
	if (!skel->data->how_many)
		return 0;
	link = bpf_program__attach_iter(skel->progs.list_listeners, NULL);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	err = fd < 0 ? -errno : read_all(fd, list, n);
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	if (!err && skel->bss->stopped)
		err = append(list, n, &skel->bss->last, 1);
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
