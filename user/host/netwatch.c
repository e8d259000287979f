// SPDX-License-Identifier: GPL-2.0
#include "netwatch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

int netwatch_open(void)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
			     RTMGRP_IPV6_IFADDR | RTMGRP_TC,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

void netwatch_drain(int fd)
{
	char nothing[1];

	/* ENOBUFS tells that messages were lost, and that some are left. */
	while (recv(fd, nothing, sizeof(nothing), MSG_TRUNC) > 0 ||
	       errno == ENOBUFS || errno == EINTR)
		;
}
