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
#include <sys/wait.h>
#include <unistd.h>

#include "craft.h"

#define QUEUE 65535 /* longer than any run, so that none ever fills */
#define EVENTS 256
#define FAMILIES 2

#ifndef TCP_FASTOPEN_KEY
#define TCP_FASTOPEN_KEY 33
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif

/* What is written to a server. */
struct order {
	struct siphash_key own[2];
	int n;
};

/* In a server's process: who has keys of its own, and where orders come from. */
static int own_key_sockets[FAMILIES], n_own_key_sockets;
static int orders, replies;

static void set(int fd, int level, int option, const void *value, socklen_t len)
{
	if (setsockopt(fd, level, option, value, len))
		err(2, "socket option %d of level %d", option, level);
}

static void set_int(int fd, int level, int option, int value)
{
	set(fd, level, option, &value, sizeof(value));
}

static void set_key(int fd, const struct siphash_key own[2], int n)
{
	uint8_t raw[32];

	for (int i = 0; i < 8; i++) {
		raw[i] = (uint8_t)(own[0].k0 >> 8 * i);
		raw[8 + i] = (uint8_t)(own[0].k1 >> 8 * i);
		raw[16 + i] = (uint8_t)(own[1].k0 >> 8 * i);
		raw[24 + i] = (uint8_t)(own[1].k1 >> 8 * i);
	}
	set(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, raw, n > 1 ? 32 : 16);
}

static void obey(void)
{
	struct order order;

	if (read(orders, &order, sizeof(order)) != sizeof(order))
		exit(0);
	for (int i = 0; i < n_own_key_sockets; i++)
		set_key(own_key_sockets[i], order.own, order.n);
	if (write(replies, "", 1) != 1)
		err(2, "pipe");
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
	if (l->own_key) {
		set_key(fd, own, 2);
		own_key_sockets[n_own_key_sockets++] = fd;
	}
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

			if (fd == orders) {
				obey();
				continue;
			}
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

static void await_byte(int from, const char *what)
{
	char byte;

	if (read(from, &byte, 1) != 1)
		errx(2, "the servers did not %s", what);
}

static void run(const char *netns, const struct siphash_key own[2])
{
	struct rlimit files = { 1 << 20, 1 << 20 };
	int ns = open(netns, O_RDONLY | O_CLOEXEC), epoll;

	if (ns < 0 || setns(ns, CLONE_NEWNET))
		err(2, "%s", netns);
	setrlimit(RLIMIT_NOFILE, &files);
	epoll = epoll_create1(0);
	watch(epoll, orders, EPOLLIN, false);
	listen_on_all(epoll, own);
	if (write(replies, "", 1) != 1)
		err(2, "pipe");
	serve(epoll);
}

struct server server_start(const char *netns, const struct siphash_key own[2])
{
	int to[2], from[2];
	struct server s;

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		err(2, "pipe");
	s = (struct server){ .pid = fork(), .to = to[1], .from = from[0] };
	if (s.pid < 0)
		err(2, "fork");
	if (!s.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		orders = to[0];
		replies = from[1];
		run(netns, own);
		exit(0);
	}
	close(to[0]);
	close(from[1]);
	await_byte(s.from, "start");
	return s;
}

void server_set_keys(const struct server *s, const struct siphash_key own[2],
		     int n)
{
	struct order order = { .own = { own[0], own[1] }, .n = n };

	if (write(s->to, &order, sizeof(order)) != sizeof(order))
		err(2, "pipe");
	await_byte(s->from, "take the listener's keys");
}

void server_stop(const struct server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
}
