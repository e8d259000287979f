// SPDX-License-Identifier: GPL-2.0
/*
 * flood-server PORT: a server with Fast Open, by IPv4 and by IPv6, a listener
 * each. It answers each request, then waits for its client to close: who closes
 * first keeps the TIME_WAIT, and a SYN to a port in the server's escapes SYN
 * cookies.
 */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange.h"

#define BACKLOG 256 /* of the SYN queue, the accept queue and Fast Open's */
#define CONNECTIONS 65536

static int listen_on(const struct sockaddr *any, socklen_t len)
{
	int fd = socket(any->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0),
	    yes = 1, queue = BACKLOG;

	if (any->sa_family == AF_INET6)
		setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, any, len) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)) ||
	    listen(fd, BACKLOG))
		err(1, "a listener");
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
}

/* Bytes of the request that each descriptor has brought. */
static unsigned int brought[CONNECTIONS];

static void accept_all(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		if (fd >= CONNECTIONS) {
			close(fd);
			continue;
		}
		brought[fd] = 0;
		watch(epoll, fd);
	}
}

static void serve(int fd)
{
	static const char response[RESPONSE_BYTES];
	char bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
	unsigned int whole = brought[fd] / REQUEST_BYTES;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close(fd);
		return;
	}
	brought[fd] += (unsigned int)n;
	for (; whole < brought[fd] / REQUEST_BYTES; whole++)
		send(fd, response, sizeof(response), MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
	struct rlimit files = { CONNECTIONS, CONNECTIONS };
	struct epoll_event events[64];
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6 };
	int listeners[2], epoll, n;

	if (argc != 2)
		errx(2, "usage: flood-server PORT");
	setrlimit(RLIMIT_NOFILE, &files);
	any.sin_port = any6.sin6_port = htons((unsigned short)atoi(argv[1]));
	epoll = epoll_create1(0);
	listeners[0] = listen_on((struct sockaddr *)&any, sizeof(any));
	listeners[1] = listen_on((struct sockaddr *)&any6, sizeof(any6));
	watch(epoll, listeners[0]);
	watch(epoll, listeners[1]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		n = epoll_wait(epoll, events, 64, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == listeners[0] || fd == listeners[1])
				accept_all(epoll, fd);
			else
				serve(fd);
		}
	}
}
