// SPDX-License-Identifier: GPL-2.0
#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* A dump's message can be as large as the kernel likes, up to 32 KiB. */
#define BUFFER_SIZE 32768

#define DUMP_TRIES 20

static int exchange(struct mnl_socket *nl, struct nlmsghdr *nlh, char *buffer,
		    mnl_cb_t each, void *arg)
{
	unsigned int seq = nlh->nlmsg_seq, portid = mnl_socket_get_portid(nl);
	ssize_t n;
	int more;

	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buffer, BUFFER_SIZE);
		if (n < 0)
			return -errno;
		more = mnl_cb_run(buffer, (size_t)n, seq, portid, each, arg);
		if (more < 0)
			return -errno;
	} while (more > MNL_CB_STOP);
	return 0;
}

static int dump(const struct netlink_request *request, char *buffer,
		mnl_cb_t each, void *arg)
{
	struct mnl_socket *nl = mnl_socket_open2(request->bus, SOCK_CLOEXEC);
	int err = 0, strict = request->strict;
	struct nlmsghdr *nlh;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    (strict && mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK,
					     &strict, sizeof(strict)))) {
		err = -errno;
		goto out;
	}
	nlh = mnl_nlmsg_put_header(buffer);
	nlh->nlmsg_type = (__u16)request->type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = (__u32)time(NULL);
	memcpy(mnl_nlmsg_put_extra_header(nlh, request->size), request->header,
	       request->size);
	err = exchange(nl, nlh, buffer, each, arg);
out:
	mnl_socket_close(nl);
	return err;
}

int netlink_dump(const struct netlink_request *request,
		 void (*restart)(void *arg), mnl_cb_t each, void *arg)
{
	char *buffer = malloc(BUFFER_SIZE);
	int err = -EINTR;

	if (!buffer)
		return -ENOMEM;
	for (int i = 0; err == -EINTR && i < DUMP_TRIES; i++) {
		if (restart)
			restart(arg);
		err = dump(request, buffer, each, arg);
	}
	free(buffer);
	return err;
}

int netlink_links(void (*restart)(void *arg), mnl_cb_t each, void *arg)
{
	const struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	const struct netlink_request request = {
		.bus = NETLINK_ROUTE,
		.type = RTM_GETLINK,
		.header = &ifi,
		.size = sizeof(ifi),
	};

	return netlink_dump(&request, restart, each, arg);
}
