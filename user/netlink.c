// SPDX-License-Identifier: GPL-2.0
#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A dump's message can be as large as the kernel likes, up to 32 KiB. */
#define BUFFER_SIZE 32768

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

int netlink_dump(int bus, unsigned int type, const void *header, size_t size,
		 mnl_cb_t each, void *arg)
{
	struct mnl_socket *nl;
	struct nlmsghdr *nlh;
	char *buffer;
	int err;

	buffer = malloc(BUFFER_SIZE);
	if (!buffer)
		return -ENOMEM;
	nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!nl) {
		err = -errno;
		goto out;
	}
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		goto out_close;
	}
	nlh = mnl_nlmsg_put_header(buffer);
	nlh->nlmsg_type = (__u16)type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = (__u32)time(NULL);
	memcpy(mnl_nlmsg_put_extra_header(nlh, size), header, size);
	err = exchange(nl, nlh, buffer, each, arg);
out_close:
	mnl_socket_close(nl);
out:
	free(buffer);
	return err;
}
