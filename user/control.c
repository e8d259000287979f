// SPDX-License-Identifier: GPL-2.0
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel.h"
#include "output.h"

#define RUN_FOLDER "/run/tfoguard"
#define MESSAGE_MAX 4096
#define CLIENTS_MAX 16
#define CLIENT_SECONDS 5
#define ASK_SECONDS 30 /* an attach under way may take its time */

struct client {
	struct control *control;
	int fd;
	sd_event_source *io, *timer;
};

struct control {
	sd_event *event;
	control_handler handle;
	void *arg;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd, lock;
	sd_event_source *io;
	struct client *clients[CLIENTS_MAX];
};

/* One daemon a network namespace, so one socket. */
static int run_path(const char *suffix, char *path, size_t size)
{
	unsigned long long netns;
	int err = kernel_netns_cookie(&netns);

	if (!err)
		snprintf(path, size, RUN_FOLDER "/control-%llu.%s", netns,
			 suffix);
	return err;
}

static void client_end(struct client *client)
{
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (client->control->clients[i] == client)
			client->control->clients[i] = NULL;
	sd_event_source_disable_unref(client->io);
	sd_event_source_disable_unref(client->timer);
	close(client->fd);
	free(client);
}

static json_t *fault_json(const struct fault *f)
{
	return json_pack("{s:{s:o,s:o,s:o},s:i}", "error", "tried",
			 output_text(f->tried), "why", output_text(f->why),
			 "do", output_text(f->advice), "exit", (int)f->exit);
}

static json_t *refuse(const char *why)
{
	struct fault f = { 0 };

	fault_tried(&f, "do what was asked of the daemon");
	fault_fail(&f, EXIT_FAILED, EINVAL, "%s", why);
	return fault_json(&f);
}

static int on_request(sd_event_source *source, int fd, uint32_t events,
		      void *arg)
{
	struct client *client = arg;
	struct control *c = client->control;
	char message[MESSAGE_MAX], *text;
	json_t *request, *answer;
	ssize_t n;

	(void)source;
	(void)events;
	n = recv(fd, message, sizeof(message), 0);
	if (n > 0) {
		request = json_loadb(message, (size_t)n, JSON_REJECT_DUPLICATES,
				     NULL);
		answer = json_is_object(request) ?
				 c->handle(request, c->arg) :
				 refuse("the request is no JSON object");
		text = json_dumps(answer, JSON_COMPACT);
		if (text)
			send(fd, text, strlen(text), MSG_NOSIGNAL);
		free(text);
		json_decref(answer);
		json_decref(request);
	}
	client_end(client);
	return 0;
}

static int on_too_slow(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	client_end(arg);
	return 0;
}

static bool is_root(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       peer.uid == 0;
}

static struct client **free_place(struct control *c)
{
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (!c->clients[i])
			return &c->clients[i];
	return NULL;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events,
			 void *arg)
{
	struct control *c = arg;
	struct client *client, **place = free_place(c);
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)events;
	if (peer < 0)
		return 0;
	client = place && is_root(peer) ? calloc(1, sizeof(*client)) : NULL;
	if (!client) {
		close(peer);
		return 0;
	}
	client->control = c;
	client->fd = peer;
	if (sd_event_add_io(c->event, &client->io, peer, EPOLLIN, on_request,
			    client) < 0 ||
	    sd_event_add_time_relative(c->event, &client->timer,
				       CLOCK_MONOTONIC,
				       CLIENT_SECONDS * 1000000ULL, 0,
				       on_too_slow, client) < 0)
		client_end(client);
	else
		*place = client;
	return 0;
}

/* Held for life: the kernel lets go of it however the daemon ends. */
static int take_lock(struct control *c, struct fault *f)
{
	char path[sizeof(c->path)];
	int err = run_path("lock", path, sizeof(path));

	if (err)
		return err;
	if (mkdir(RUN_FOLDER, 0755) && errno != EEXIST)
		return -errno;
	c->lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (c->lock < 0)
		return -errno;
	if (!flock(c->lock, LOCK_EX | LOCK_NB))
		return 0;
	fault_advise(f, "end the other one first");
	return fault_fail(f, EXIT_FAILED, EBUSY,
			  "another \"tfoguard run\" guards this network "
			  "namespace");
}

static int start_listening(struct control *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int err = run_path("sock", c->path, sizeof(c->path));

	if (err)
		return err;
	memcpy(address.sun_path, c->path, sizeof(c->path));
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0);
	if (c->fd < 0)
		return -errno;
	/* Of a daemon that was killed. */
	unlink(c->path);
	mask = umask(0177);
	if (bind(c->fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(c->fd, CLIENTS_MAX))
		err = -errno;
	umask(mask);
	if (err)
		return err;
	return sd_event_add_io(c->event, &c->io, c->fd, EPOLLIN, on_connection,
			       c);
}

int control_open(struct control **control, sd_event *event,
		 control_handler handle, void *arg, struct fault *f)
{
	struct control *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
	*c = (struct control){ .event = event,
			       .handle = handle,
			       .arg = arg,
			       .fd = -1,
			       .lock = -1 };
	err = take_lock(c, f) ?: start_listening(c);
	if (err < 0) {
		if (!f->exit)
			fault_fail(f, EXIT_FAILED, err,
				   "its control socket in " RUN_FOLDER ": %s",
				   strerror(-err));
		control_close(c);
		return err;
	}
	*control = c;
	return 0;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (c->clients[i])
			client_end(c->clients[i]);
	sd_event_source_disable_unref(c->io);
	if (c->fd >= 0) {
		unlink(c->path);
		close(c->fd);
	}
	if (c->lock >= 0)
		close(c->lock);
	free(c);
}

static int read_answer(int fd, struct fault *f)
{
	const char *tried = "", *why = "", *advice = "";
	char message[MESSAGE_MAX];
	ssize_t n = recv(fd, message, sizeof(message), 0);
	json_t *answer;
	int exit;

	answer = n > 0 ? json_loadb(message, (size_t)n, 0, NULL) : NULL;
	if (!answer || json_unpack(answer, "{s:i,s?{s:s,s:s,s:s}}", "exit",
				   &exit, "error", "tried", &tried, "why", &why,
				   "do", &advice)) {
		json_decref(answer);
		fault_advise(f, "look at its log");
		return fault_fail(f, EXIT_FAILED, EIO,
				  "the daemon gave no answer");
	}
	if (exit) {
		fault_tried(f, "%s", tried);
		fault_advise(f, "%s", advice);
		fault_fail(f, (enum exit_code)exit, EIO, "%s", why);
	}
	json_decref(answer);
	return exit ? -EIO : 0;
}

int control_ask(json_t *request, struct fault *f)
{
	const struct timeval patience = { .tv_sec = ASK_SECONDS };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char *text = json_dumps(request, JSON_COMPACT);
	int fd = -1, err;

	json_decref(request);
	err = run_path("sock", address.sun_path, sizeof(address.sun_path));
	if (!text)
		err = -ENOMEM;
	if (!err) {
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (fd < 0)
			err = -errno;
	}
	if (!err) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			   sizeof(patience));
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
			/* What a killed one left refuses. */
			err = errno == ECONNREFUSED ? -ENOENT : -errno;
	}
	if (!err && send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		err = -errno;
	if (!err)
		err = read_answer(fd, f);
	else if (err != -ENOENT)
		fault_fail(f, EXIT_FAILED, err, "the daemon's socket: %s",
			   strerror(-err));
	if (fd >= 0)
		close(fd);
	free(text);
	return err;
}
