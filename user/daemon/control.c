// SPDX-License-Identifier: GPL-2.0
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
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
#define JSON_MAX 4096
#define CLIENTS_MAX 16
#define CLIENT_SECONDS 5
#define ASK_SECONDS 15 /* longer than it waits for another's change */

/* In memory from sodium_malloc(). */
struct message {
	char json[JSON_MAX];
	char secret[CONTROL_SECRET_MAX];
	char wire[JSON_MAX + CONTROL_SECRET_MAX];
};

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
	struct message *message; /* the one that is being handled */
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

/* Sends what is in @m->secret behind @json, which stays the caller's. */
static int send_message(int fd, const json_t *json, size_t secret,
			struct message *m)
{
	size_t length = json_dumpb(json, m->wire, JSON_MAX - 1, JSON_COMPACT);

	if (!length || length >= JSON_MAX)
		return -EMSGSIZE;
	m->wire[length++] = '\0';
	memcpy(m->wire + length, m->secret, secret);
	return send(fd, m->wire, length + secret, MSG_NOSIGNAL) < 0 ? -errno :
								      0;
}

/* A new object, or NULL where none came; what is behind it goes to @m->secret.
 * -EPIPE where the other end has gone. */
static int receive_message(int fd, json_t **json, size_t *secret,
			   struct message *m)
{
	ssize_t n = recv(fd, m->wire, sizeof(m->wire), 0);
	size_t length;

	*json = NULL;
	*secret = 0;
	if (n <= 0)
		return n ? -errno : -EPIPE;
	length = strnlen(m->wire, (size_t)n);
	if (length + 1 < (size_t)n)
		*secret = (size_t)n - length - 1;
	if (length >= JSON_MAX || *secret > CONTROL_SECRET_MAX)
		return -EMSGSIZE;
	memcpy(m->secret, m->wire + length + 1, *secret);
	*json = json_loadb(m->wire, length, JSON_REJECT_DUPLICATES, NULL);
	return 0;
}

json_t *control_refuse(const struct fault *f)
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
	return control_refuse(&f);
}

static void serve(struct control *c, int fd)
{
	struct message *m = c->message;
	struct control_secret secret = { .data = m->secret };
	json_t *request, *answer;

	if (!receive_message(fd, &request, &secret.size, m)) {
		answer = json_is_object(request) ?
				 c->handle(request, &secret, c->arg) :
				 refuse("the request is no JSON object");
		send_message(fd, answer, secret.size, m);
		json_decref(answer);
		json_decref(request);
	}
	sodium_memzero(m, sizeof(*m));
}

/* Who has given up and gone was told so: then it must not be done any more. */
static int on_request(sd_event_source *source, int fd, uint32_t events,
		      void *arg)
{
	struct client *client = arg;

	(void)source;
	if (!(events & EPOLLHUP))
		serve(client->control, fd);
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
			       .message = sodium_malloc(sizeof(*c->message)),
			       .fd = -1,
			       .lock = -1 };
	err = c->message ? take_lock(c, f) ?: start_listening(c) : -ENOMEM;
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
	sodium_free(c->message);
	free(c);
}

static int no_answer(int err, struct fault *f)
{
	if (err == -EAGAIN) {
		fault_advise(f, "look at its log; what was asked is not done "
				"any more, unless it is at it right now");
		return fault_fail(f, EXIT_FAILED, ETIMEDOUT,
				  "the daemon did not answer within %d s",
				  ASK_SECONDS);
	}
	fault_advise(f, "look at its log; what it began, its next start goes on "
			"with");
	return fault_fail(f, EXIT_FAILED, EIO,
			  "the daemon ended before it answered");
}

static int read_answer(json_t *answer, struct fault *f)
{
	const char *tried = "", *why = "", *advice = "";
	int exit;

	if (json_unpack(answer, "{s:i,s?{s:s,s:s,s:s}}", "exit", &exit, "error",
			"tried", &tried, "why", &why, "do", &advice)) {
		fault_advise(f, "use the same version of both");
		return fault_fail(f, EXIT_FAILED, EPROTO,
				  "the daemon's answer makes no sense");
	}
	if (!exit)
		return 0;
	if (tried[0])
		fault_tried(f, "%s", tried);
	fault_advise(f, "%s", advice);
	return fault_fail(f, (enum exit_code)exit, EIO, "%s", why);
}

/* A connected socket, or negative errno; -ENOENT where no daemon runs. */
static int connect_daemon(void)
{
	const struct timeval patience = { .tv_sec = ASK_SECONDS };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int err = run_path("sock", address.sun_path, sizeof(address.sun_path));
	int fd = err ? err : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err ?: -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	/* What a killed one left refuses. */
	err = errno == ECONNREFUSED ? -ENOENT : -errno;
	close(fd);
	return err;
}

static int exchange(int fd, json_t *request, struct control_secret *secret,
		    json_t **answer, struct message *m, struct fault *f)
{
	size_t size = secret ? secret->size : 0;
	int err;

	if (size)
		memcpy(m->secret, secret->data, size);
	err = send_message(fd, request, size, m) ?:
	      receive_message(fd, answer, &size, m);
	if (err)
		return no_answer(err, f);
	if (secret) {
		memcpy(secret->data, m->secret, size);
		secret->size = size;
	}
	return read_answer(*answer, f);
}

static int no_daemon(int err, struct fault *f)
{
	if (err == -EACCES)
		fault_advise(f, "run it as root");
	return fault_fail(f, EXIT_FAILED, err, "the daemon's socket: %s",
			  strerror(-err));
}

int control_ask(json_t *request, struct control_secret *secret, json_t **answer,
		struct fault *f)
{
	struct message *m = sodium_malloc(sizeof(*m));
	json_t *told = NULL;
	int err = m && request ? 0 : -ENOMEM;
	int fd = err ?: connect_daemon();

	if (fd >= 0)
		err = exchange(fd, request, secret, &told, m, f);
	else if (fd == -EAGAIN)
		err = no_answer(fd, f);
	else if (fd != -ENOENT)
		err = no_daemon(fd, f);
	else
		err = fd;
	if (answer)
		*answer = err ? NULL : json_incref(told);
	json_decref(told);
	json_decref(request);
	if (fd >= 0)
		close(fd);
	sodium_free(m);
	return err;
}
