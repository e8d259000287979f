// SPDX-License-Identifier: GPL-2.0
#include "server.h"

#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "craft.h"

#define QUEUE 65535 /* longer than any run, so that none ever fills */
#define EVENTS 256

#ifndef TCP_FASTOPEN_KEY
#define TCP_FASTOPEN_KEY 33
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif

static void set(int fd, int level, int option, const void *value, socklen_t len)
{
	if (setsockopt(fd, level, option, value, len))
		err(2, "socket option %d of level %d", option, level);
}

static void set_int(int fd, int level, int option, int value)
{
	set(fd, level, option, &value, sizeof(value));
}

static void set_key(int fd, const struct siphash_key own[2])
{
	uint8_t raw[32];

	for (int i = 0; i < 8; i++) {
		raw[i] = (uint8_t)(own[0].k0 >> 8 * i);
		raw[8 + i] = (uint8_t)(own[0].k1 >> 8 * i);
		raw[16 + i] = (uint8_t)(own[1].k0 >> 8 * i);
		raw[24 + i] = (uint8_t)(own[1].k1 >> 8 * i);
	}
	set(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, raw, sizeof(raw));
}

static int listen_on(const struct listener *l, int family,
		     const struct siphash_key own[2])
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons(l->port) };
	struct sockaddr_in any4 = { .sin_family = AF_INET,
				    .sin_port = htons(l->port) };
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		err(2, "socket");
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (family == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !l->dual_stack);
	if (l->own_key)
		set_key(fd, own);
	if (l->tfo)
		set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, QUEUE);
	if (l->no_cookie)
		set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	if (family == AF_INET6 ?
		    bind(fd, (struct sockaddr *)&any6, sizeof(any6)) :
		    bind(fd, (struct sockaddr *)&any4, sizeof(any4)))
		err(2, "bind to port %d", l->port);
	if (listen(fd, QUEUE))
		err(2, "listen");
	return fd;
}

static void watch(int epoll, int fd, uint32_t events, bool listener)
{
	struct epoll_event event = {
		.events = events,
		.data.u64 = (uint64_t)listener << 32 | (uint32_t)fd,
	};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		err(2, "epoll_ctl");
}

/* Connections stay open until the client resets them: nothing that a server
 * would say gets in the way of what is compared. */
static void serve(int epoll)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = (int)(uint32_t)events[i].data.u64, child;

			if (!(events[i].data.u64 >> 32)) {
				close(fd);
				continue;
			}
			while ((child = accept4(fd, NULL, NULL,
						SOCK_NONBLOCK)) >= 0)
				watch(epoll, child, EPOLLET, false);
		}
	}
}

static void listen_on_all(int epoll, const struct siphash_key own[2])
{
	for (int i = 0; i < LISTENER_COUNT; i++) {
		const struct listener *l = &listeners[i];

		if (!l->exists)
			continue;
		if (!l->dual_stack)
			watch(epoll, listen_on(l, AF_INET, own), EPOLLIN, true);
		watch(epoll, listen_on(l, AF_INET6, own), EPOLLIN, true);
	}
}

pid_t server_start(const char *netns, const struct siphash_key own[2])
{
	struct rlimit files = { 1 << 20, 1 << 20 };
	int ready[2], ns, epoll;
	char byte = 0;
	pid_t pid;

	if (pipe(ready))
		err(2, "pipe");
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (pid) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			errx(2, "the servers in %s did not start", netns);
		close(ready[0]);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ns = open(netns, O_RDONLY);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		err(2, "%s", netns);
	setrlimit(RLIMIT_NOFILE, &files);
	epoll = epoll_create1(0);
	listen_on_all(epoll, own);
	if (write(ready[1], &byte, 1) != 1)
		err(2, "pipe");
	serve(epoll);
	exit(0);
}
