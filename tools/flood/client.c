// SPDX-License-Identifier: GPL-2.0
/*
 * The bench's clients. Half of their addresses return, with a cookie from an
 * earlier visit; the other half are new, and use no Fast Open. Linux keeps
 * cookies by source and destination, but no more than six for one destination
 * (TCP_METRICS_RECLAIM_DEPTH): each client has a server address of its own.
 *
 *   flood-client prime SERVER PORT FIRST ADDRESSES
 *	lets each returning address have its cookie; fails where one gets none
 *   flood-client run SERVER PORT FIRST ADDRESSES SECONDS REQUESTS
 *	that many requests of each sort, evenly over the time; JSON
 *   flood-client talk SERVER PORT FIRST ADDRESSES SECONDS
 *	request after request on one connection; JSON
 *
 * FIRST is the first of so many ADDRESSES in a row, SERVER the server's first.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "exchange.h"

#define PATIENCE_NS 3000000000ULL /* a request not served by then has failed */

enum sort { RETURNING, NEW, SORTS };
static const char *const sort_names[SORTS] = { "returning", "new" };

struct request {
	__u64 begun_ns;
	__u32 got; /* bytes of the response */
	int fd; /* -1: over, or not begun */
	bool sent;
};

struct tally {
	__u32 begun, over, served, zero_rtt;
	double *ms; /* of those served */
};

struct clients {
	__u32 server, first, addresses, requests;
	unsigned short port;
	double seconds;
	int epoll;
	struct request *all; /* SORTS in turn: of one number, one of each */
	struct tally tally[SORTS];
};

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
}

struct pair {
	struct sockaddr_in client, server;
};

static struct pair pair_of(const struct clients *c, enum sort sort,
			   __u32 number)
{
	__u32 half = c->addresses / SORTS, at = sort * half + number % half;

	return (struct pair){
		.client = { .sin_family = AF_INET,
			    .sin_addr.s_addr = htonl(c->first + at) },
		.server = { .sin_family = AF_INET,
			    .sin_port = htons(c->port),
			    .sin_addr.s_addr = htonl(c->server + at) },
	};
}

static int open_from(const struct sockaddr_in *from, int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | flags, 0), yes = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &yes,
		       sizeof(yes)) ||
	    bind(fd, (const struct sockaddr *)from, sizeof(*from)))
		err(1, "a socket at %s", inet_ntoa(from->sin_addr));
	return fd;
}

/* Whether the SYN's data were taken. */
static bool was_zero_rtt(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) &&
	       info.tcpi_options & TCPI_OPT_SYN_DATA;
}

static const char request_bytes[REQUEST_BYTES];

/* ---- prime --------------------------------------------------------------- */

static bool visit(const struct clients *c, __u32 number)
{
	struct timeval patience = { .tv_sec = 3 };
	struct pair pair = pair_of(c, RETURNING, number);
	int fd = open_from(&pair.client, 0);
	char response[RESPONSE_BYTES];
	bool zero_rtt;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (sendto(fd, request_bytes, REQUEST_BYTES, MSG_FASTOPEN,
		   (const struct sockaddr *)&pair.server,
		   sizeof(pair.server)) != REQUEST_BYTES ||
	    recv(fd, response, sizeof(response), MSG_WAITALL) !=
		    RESPONSE_BYTES)
		err(1, "returning client %u is not served", number);
	zero_rtt = was_zero_rtt(fd);
	close(fd);
	return zero_rtt;
}

static void prime(const struct clients *c)
{
	for (__u32 i = 0; i < c->addresses / SORTS; i++) {
		visit(c, i);
		if (!visit(c, i))
			errx(1, "returning client %u has no cookie that the "
				"server takes",
			     i);
	}
}

/* ---- talk ---------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

#define TALKS_MAX 1000000

static void talk(const struct clients *c)
{
	struct pair pair = pair_of(c, NEW, 0);
	int fd = open_from(&pair.client, 0), yes = 1;
	__u64 started = now_ns(), before = started;
	double *us = calloc(TALKS_MAX, sizeof(*us));
	char response[RESPONSE_BYTES];
	__u32 n = 0;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(fd, (struct sockaddr *)&pair.server, sizeof(pair.server)))
		err(1, "a connection");
	while (n < TALKS_MAX &&
	       (double)(before - started) < c->seconds * 1e9) {
		before = now_ns();
		if (send(fd, request_bytes, REQUEST_BYTES, MSG_NOSIGNAL) !=
			    REQUEST_BYTES ||
		    recv(fd, response, sizeof(response), MSG_WAITALL) !=
			    RESPONSE_BYTES)
			err(1, "request %u on one connection", n);
		us[n++] = (double)(now_ns() - before) / 1e3;
	}
	close(fd);
	qsort(us, n, sizeof(*us), by_value);
	printf("{\"requests\":%u,\"p50_us\":%.3f,\"p99_us\":%.3f}\n", n,
	       us[n / 2], us[(__u64)n * 99 / 100]);
	free(us);
}

/* ---- run ----------------------------------------------------------------- */

static void finish(struct clients *c, __u32 index, bool served)
{
	struct request *r = &c->all[index];
	struct tally *t = &c->tally[index % SORTS];

	if (served) {
		t->zero_rtt += was_zero_rtt(r->fd);
		t->ms[t->served++] = (double)(now_ns() - r->begun_ns) / 1e6;
	}
	close(r->fd);
	r->fd = -1;
	t->over++;
}

static void begin(struct clients *c, __u32 index)
{
	struct request *r = &c->all[index];
	enum sort sort = index % SORTS;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
				     .data.u32 = index };
	struct pair pair = pair_of(c, sort, index / SORTS);
	const struct sockaddr *to = (const struct sockaddr *)&pair.server;
	bool begun;

	r->fd = open_from(&pair.client, SOCK_NONBLOCK);
	r->begun_ns = now_ns();
	if (sort == RETURNING)
		r->sent = sendto(r->fd, request_bytes, REQUEST_BYTES,
				 MSG_FASTOPEN, to,
				 sizeof(pair.server)) == REQUEST_BYTES;
	begun = sort == RETURNING ? r->sent || errno == EINPROGRESS :
				    connect(r->fd, to, sizeof(pair.server)) &&
					    errno == EINPROGRESS;
	c->tally[sort].begun++;
	if (!begun || epoll_ctl(c->epoll, EPOLL_CTL_ADD, r->fd, &event))
		finish(c, index, false);
}

static void go_on(struct clients *c, __u32 index, __u32 events)
{
	struct request *r = &c->all[index];
	char bytes[RESPONSE_BYTES];
	ssize_t n;

	if (r->fd < 0)
		return;
	if (events & EPOLLOUT && !r->sent && !(events & EPOLLERR))
		r->sent = send(r->fd, request_bytes, REQUEST_BYTES,
			       MSG_NOSIGNAL) == REQUEST_BYTES;
	n = recv(r->fd, bytes, sizeof(bytes), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0)
		r->got += (__u32)n;
	if (n <= 0 || r->got >= RESPONSE_BYTES)
		finish(c, index, n > 0);
}

static void give_up_late(struct clients *c, __u32 *oldest, __u32 next)
{
	__u64 now = now_ns();

	for (; *oldest < next; (*oldest)++) {
		if (c->all[*oldest].fd < 0)
			continue;
		if (now - c->all[*oldest].begun_ns < PATIENCE_NS)
			return;
		finish(c, *oldest, false);
	}
}

static void run(struct clients *c)
{
	__u32 n = c->requests * SORTS, next = 0, oldest = 0;
	__u64 started = now_ns(), each = (__u64)(c->seconds * 1e9 / n), due;
	struct epoll_event events[64];

	while (next < n || c->tally[0].over + c->tally[1].over < n) {
		struct timespec wait = { .tv_nsec = 10000000 };
		int got;

		while (next < n && now_ns() >= started + next * each)
			begin(c, next++);
		due = started + next * each;
		if (next < n && due < now_ns() + 10000000)
			wait.tv_nsec = due > now_ns() ? (long)(due - now_ns()) :
							0;
		got = epoll_pwait2(c->epoll, events, 64, &wait, NULL);
		for (int i = 0; i < got; i++)
			go_on(c, events[i].data.u32, events[i].events);
		give_up_late(c, &oldest, next);
	}
}

static json_t *quantile(const struct tally *t, double share)
{
	return t->served ? json_real(t->ms[(__u32)(share * (t->served - 1))]) :
			   json_null();
}

static void report(struct clients *c)
{
	json_t *all = json_object();

	for (int i = 0; i < SORTS; i++) {
		struct tally *t = &c->tally[i];

		qsort(t->ms, t->served, sizeof(*t->ms), by_value);
		json_object_set_new(
			all, sort_names[i],
			json_pack("{s:i,s:i,s:i,s:o,s:o}", "requests",
				  (int)t->begun, "served", (int)t->served,
				  "zero_rtt", (int)t->zero_rtt, "p50_ms",
				  quantile(t, 0.5), "p99_ms",
				  quantile(t, 0.99)));
	}
	json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
}

int main(int argc, char **argv)
{
	struct rlimit files = { 65536, 65536 };
	struct in_addr server, first;
	struct clients c = { 0 };

	if (argc < 6 || inet_pton(AF_INET, argv[2], &server) != 1 ||
	    inet_pton(AF_INET, argv[4], &first) != 1 ||
	    (c.addresses = (__u32)atoi(argv[5])) < SORTS)
		errx(2, "usage: see client.c");
	c.server = ntohl(server.s_addr);
	c.port = (unsigned short)atoi(argv[3]);
	c.first = ntohl(first.s_addr);
	setrlimit(RLIMIT_NOFILE, &files);
	if (!strcmp(argv[1], "prime") && argc == 6) {
		prime(&c);
		return 0;
	}
	if (argc < 7 || (c.seconds = atof(argv[6])) <= 0)
		errx(2, "usage: see client.c");
	if (!strcmp(argv[1], "talk") && argc == 7) {
		talk(&c);
		return 0;
	}
	if (strcmp(argv[1], "run") || argc != 8 ||
	    !(c.requests = (__u32)atoi(argv[7])))
		errx(2, "usage: see client.c");
	c.all = calloc(c.requests * SORTS, sizeof(*c.all));
	for (int i = 0; i < SORTS; i++)
		c.tally[i].ms = calloc(c.requests, sizeof(double));
	for (__u32 i = 0; i < c.requests * SORTS; i++)
		c.all[i].fd = -1;
	c.epoll = epoll_create1(0);
	run(&c);
	report(&c);
	return 0;
}
