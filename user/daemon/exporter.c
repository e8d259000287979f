// SPDX-License-Identifier: GPL-2.0
#include "exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "exposition.h"
#include "webconfig.h"

#define CONNECTIONS_MAX 128
#define CONNECTION_SECONDS 10
#define CONNECTION_MEMORY 16384
#define USEC 1000000ULL

/* One connection, in the order of their coming. */
struct client {
	struct client *next, **link;
	int fd;
	uint64_t until; /* CLOCK_MONOTONIC, microseconds */
};

struct listening {
	char *address; /* NULL: handed over by systemd */
	int fd;
	sd_event_source *source;
};

/* The server with one web configuration: a reload makes another. */
struct server {
	struct exporter *exporter;
	struct webconfig web;
	struct MHD_Daemon *daemon;
	sd_event_source *io, *again;
	struct client *first, **last;
	size_t n_clients;
};

struct exporter {
	sd_event *event;
	const char *path;
	struct exporter_source source;
	struct listening listening[EXPORTER_ADDRESSES_MAX];
	size_t n_listening;
	sd_event_source *sweep;
	struct server *server;
};

/* ---- answers -------------------------------------------------------------- */

static enum MHD_Result answer(struct MHD_Connection *connection,
			      unsigned int status, const char *type,
			      const char *header, const char *value,
			      char *text, size_t size,
			      enum MHD_ResponseMemoryMode memory)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, text, memory);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type", type);
	/* One request a connection: none is held open by doing nothing. */
	MHD_add_response_header(response, "Connection", "close");
	if (header)
		MHD_add_response_header(response, header, value);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result say(struct MHD_Connection *connection,
			   unsigned int status, const char *text)
{
	return answer(connection, status, "text/plain; charset=utf-8", NULL,
		      NULL, (char *)text, strlen(text),
		      MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result say_metrics(struct exporter *e,
				   struct MHD_Connection *connection)
{
	size_t size;
	char *text = e->source.metrics(e->source.arg, &size);

	if (!text)
		return say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			   "the metrics can't be told; see the log\n");
	return answer(connection, MHD_HTTP_OK, EXPOSITION_TYPE, NULL, NULL,
		      text, size, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result say_landing(struct exporter *e,
				   struct MHD_Connection *connection)
{
	char *text;
	int n = asprintf(&text,
			 "<!DOCTYPE html><html lang=\"en\"><head>"
			 "<title>tfoguard</title></head><body>"
			 "<h1>tfoguard</h1><ul>"
			 "<li><a href=\"%s\">Metrics</a></li>"
			 "<li><a href=\"/healthz\">Health</a></li>"
			 "<li><a href=\"/readyz\">Readiness</a></li>"
			 "</ul></body></html>\n",
			 e->path);

	if (n < 0)
		return MHD_NO;
	return answer(connection, MHD_HTTP_OK, "text/html; charset=utf-8", NULL,
		      NULL, text, (size_t)n, MHD_RESPMEM_MUST_FREE);
}

/* ---- who may ask ---------------------------------------------------------- */

static bool has_certificate(const struct server *s,
			    struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;
	gnutls_session_t session;
	unsigned int status, n;

	if (s->web.client_auth == CLIENT_AUTH_NoClientCert)
		return true;
	info = MHD_get_connection_info(connection,
				       MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (!info)
		return false;
	session = info->tls_session;
	if (!gnutls_certificate_get_peers(session, &n) || !n)
		return s->web.client_auth ==
		       CLIENT_AUTH_VerifyClientCertIfGiven;
	return gnutls_certificate_verify_peers2(session, &status) == 0 &&
	       !status;
}

/* @refusal is what to answer; zero where the request may go on. */
static unsigned int check_password(struct server *s,
				   struct MHD_Connection *connection)
{
	char *password = NULL, *name;
	enum password_answer found = PASSWORD_WRONG;
	uint64_t now;

	if (!s->web.users.n)
		return 0;
	name = MHD_basic_auth_get_username_password(connection, &password);
	if (name && password) {
		sd_event_now(s->exporter->event, CLOCK_MONOTONIC, &now);
		found = passwords_check(&s->web.users, name, password,
					(double)now / (double)USEC);
	}
	if (password)
		explicit_bzero(password, strlen(password));
	MHD_free(name);
	MHD_free(password);
	switch (found) {
	case PASSWORD_RIGHT:
		return 0;
	case PASSWORD_LATER:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_UNAUTHORIZED;
	}
}

static enum MHD_Result refuse(struct MHD_Connection *connection,
			      unsigned int status)
{
	static char wrong[] = "a user's name and password, please\n";
	static char later[] = "too many passwords to check: try again\n";

	if (status == MHD_HTTP_UNAUTHORIZED)
		return answer(connection, status, "text/plain",
			      "WWW-Authenticate", "Basic realm=\"tfoguard\"",
			      wrong, strlen(wrong), MHD_RESPMEM_PERSISTENT);
	return answer(connection, status, "text/plain", "Retry-After", "1",
		      later, strlen(later), MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection,
			      const char *url, const char *method,
			      const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	static int seen;
	struct server *s = arg;
	struct exporter *e = s->exporter;
	unsigned int status;

	(void)version;
	(void)upload;
	(void)upload_size;
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			   "GET or HEAD, please\n");
	/* The first call comes before the request has ended. */
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	if (!has_certificate(s, connection))
		return say(connection, MHD_HTTP_FORBIDDEN,
			   "a client certificate, please\n");
	status = check_password(s, connection);
	if (status)
		return refuse(connection, status);
	if (!strcmp(url, e->path))
		return say_metrics(e, connection);
	if (!strcmp(url, "/healthz"))
		return say(connection, MHD_HTTP_OK, "ok\n");
	if (!strcmp(url, "/readyz")) {
		if (e->source.ready(e->source.arg))
			return say(connection, MHD_HTTP_OK, "ready\n");
		return say(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			   "an interface is not guarded that should be\n");
	}
	if (!strcmp(url, "/"))
		return say_landing(e, connection);
	return say(connection, MHD_HTTP_NOT_FOUND, "not found\n");
}

/* ---- connections ---------------------------------------------------------- */

static void end(const struct client *client)
{
	shutdown(client->fd, SHUT_RDWR);
}

static void note(void *arg, struct MHD_Connection *connection, void **state,
		 enum MHD_ConnectionNotificationCode code)
{
	struct server *s = arg;
	struct client *client = *state;
	uint64_t now;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (!client)
			return;
		*client->link = client->next;
		if (client->next)
			client->next->link = client->link;
		else
			s->last = client->link;
		s->n_clients--;
		free(client);
		return;
	}
	client = calloc(1, sizeof(*client));
	*state = client;
	if (!client)
		return;
	sd_event_now(s->exporter->event, CLOCK_MONOTONIC, &now);
	client->fd = MHD_get_connection_info(connection,
					     MHD_CONNECTION_INFO_CONNECTION_FD)
			     ->connect_fd;
	client->until = now + CONNECTION_SECONDS * USEC;
	client->link = s->last;
	*s->last = client;
	s->last = &client->next;
	if (++s->n_clients > CONNECTIONS_MAX)
		end(s->first);
}

/* What is buffered inside (TLS) wakes no epoll: then once more, but not before
 * others had their turn. */
static void run(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG wait;

	MHD_run(s->daemon);
	if (MHD_get_timeout(s->daemon, &wait) == MHD_YES && !wait)
		sd_event_source_set_enabled(s->again, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source;
	(void)fd;
	(void)events;
	run(arg);
	return 0;
}

static int on_again(sd_event_source *source, void *arg)
{
	(void)source;
	run(arg);
	return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events,
			 void *arg)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	struct exporter *e = arg;
	int peer = accept4(fd, (struct sockaddr *)&address, &len,
			   SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)source;
	(void)events;
	/* It closes the socket also where it fails. */
	if (peer >= 0 &&
	    MHD_add_connection(e->server->daemon, peer,
			       (struct sockaddr *)&address, len) == MHD_YES)
		run(e->server);
	return 0;
}

static int on_sweep(sd_event_source *source, uint64_t usec, void *arg)
{
	struct exporter *e = arg;
	uint64_t now;

	(void)usec;
	sd_event_now(e->event, CLOCK_MONOTONIC, &now);
	for (struct client *c = e->server->first; c && c->until <= now;
	     c = c->next)
		end(c);
	run(e->server);
	sd_event_source_set_time(source, now + USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- the server ----------------------------------------------------------- */

static void server_stop(struct server *s)
{
	if (!s)
		return;
	sd_event_source_disable_unref(s->io);
	sd_event_source_disable_unref(s->again);
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	webconfig_free(&s->web);
	free(s);
}

static struct MHD_Daemon *start_daemon(struct server *s)
{
	static const char *const priorities[] = {
#define X(version, text) text,
		TLS_VERSIONS(X)
#undef X
	};
	unsigned int flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, s->web.cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, s->web.key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0,
		  (void *)priorities[s->web.min_version] },
		{ s->web.client_ca ? MHD_OPTION_HTTPS_MEM_TRUST :
				     MHD_OPTION_END,
		  0, s->web.client_ca },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

	if (s->web.cert)
		flags |= MHD_USE_TLS;
	return MHD_start_daemon(
		flags, 0, NULL, NULL, handle, s, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)CONNECTIONS_MAX * 2,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_NOTIFY_CONNECTION, note, s, MHD_OPTION_ARRAY,
		s->web.cert ? tls : none, MHD_OPTION_END);
}

/* What the library would not say. */
static int check_pair(const struct webconfig *web, struct fault *f)
{
	gnutls_datum_t cert = { (unsigned char *)web->cert, 0 },
		       key = { (unsigned char *)web->key, 0 },
		       ca = { (unsigned char *)web->client_ca, 0 };
	gnutls_certificate_credentials_t both;
	int err;

	if (!web->cert)
		return 0;
	cert.size = (unsigned int)strlen(web->cert);
	key.size = (unsigned int)strlen(web->key);
	if (gnutls_certificate_allocate_credentials(&both))
		return fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
	err = gnutls_certificate_set_x509_key_mem(both, &cert, &key,
						  GNUTLS_X509_FMT_PEM);
	if (err < 0) {
		fault_fail(f, EXIT_FAILED, EINVAL,
			   "its certificate and private key: %s",
			   gnutls_strerror(err));
	} else if (web->client_ca) {
		ca.size = (unsigned int)strlen(web->client_ca);
		err = gnutls_certificate_set_x509_trust_mem(
			both, &ca, GNUTLS_X509_FMT_PEM);
		if (err <= 0)
			err = fault_fail(f, EXIT_FAILED, EINVAL,
					 "its client_ca_file holds no "
					 "certificate");
	}
	gnutls_certificate_free_credentials(both);
	return err < 0 ? -EINVAL : 0;
}

static int server_start(struct exporter *e, const char *web_config,
			struct server **server, struct fault *f)
{
	struct server *s = calloc(1, sizeof(*s));
	const union MHD_DaemonInfo *info;
	int err;

	if (!s)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
	s->exporter = e;
	s->last = &s->first;
	if (web_config) {
		err = webconfig_read(web_config, &s->web, f) ?:
		      check_pair(&s->web, f);
		if (err)
			goto failed;
	}
	s->daemon = start_daemon(s);
	info = s->daemon ? MHD_get_daemon_info(s->daemon,
					       MHD_DAEMON_INFO_EPOLL_FD) :
			   NULL;
	err = -EIO;
	if (info)
		err = sd_event_add_io(e->event, &s->io, info->epoll_fd, EPOLLIN,
				      on_io, s);
	if (err >= 0)
		err = sd_event_add_defer(e->event, &s->again, on_again, s);
	if (err >= 0)
		err = sd_event_source_set_enabled(s->again, SD_EVENT_OFF);
	if (err >= 0) {
		*server = s;
		return 0;
	}
	fault_fail(f, EXIT_FAILED, err,
		   "the HTTP server can't be started: %s", strerror(-err));
failed:
	server_stop(s);
	return err;
}

/* ---- listening ------------------------------------------------------------ */

static int cannot_listen(struct fault *f, const char *address, int err)
{
	if (err == EADDRINUSE)
		fault_advise(f, "choose another: exporter.listen, or "
				"--web.listen-address");
	return fault_fail(f, EXIT_FAILED, err, "listen on %s: %s", address,
			  strerror(err));
}

/* ":PORT" is every address of both families. */
static int resolve(const char *address, struct addrinfo **list, struct fault *f)
{
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;
	char host[256];
	int err;

	if (!colon || !colon[1] || len >= sizeof(host)) {
		fault_advise(f, "write HOST:PORT, [IPv6]:PORT or :PORT");
		return fault_fail(f, EXIT_USAGE, EINVAL,
				  "\"%s\" is no address to listen on", address);
	}
	memcpy(host, address, len);
	host[len] = '\0';
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		memmove(host, host + 1, len - 2);
		host[len - 2] = '\0';
	}
	err = getaddrinfo(len ? host : "::", colon + 1, &hints, list);
	if (err)
		return fault_fail(f, EXIT_FAILED, EINVAL, "listen on %s: %s",
				  address, gai_strerror(err));
	return 0;
}

static int listen_on(const char *address, int *fd, struct fault *f)
{
	struct addrinfo *list;
	int on = 1, off = 0, err = resolve(address, &list, f);

	if (err)
		return err;
	*fd = socket(list->ai_family,
		     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0) {
		err = cannot_listen(f, address, errno);
	} else {
		setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (list->ai_family == AF_INET6)
			setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &off,
				   sizeof(off));
		if (bind(*fd, list->ai_addr, list->ai_addrlen) ||
		    listen(*fd, SOMAXCONN)) {
			err = cannot_listen(f, address, errno);
			close(*fd);
		}
	}
	freeaddrinfo(list);
	return err;
}

static void stop_listening(struct listening *l)
{
	sd_event_source_disable_unref(l->source);
	if (l->fd >= 0)
		close(l->fd);
	free(l->address);
	*l = (struct listening){ .fd = -1 };
}

/* Takes @fd over. */
static int start_listening(struct exporter *e, struct listening *l, int fd,
			   const char *address)
{
	int err;

	*l = (struct listening){ .fd = fd };
	if (address && !(l->address = strdup(address)))
		err = -ENOMEM;
	else
		err = sd_event_add_io(e->event, &l->source, fd, EPOLLIN,
				      on_connection, e);
	if (err < 0)
		stop_listening(l);
	return err < 0 ? err : 0;
}

static int listen_anew(struct exporter *e, struct listening *l,
		       const char *address, struct fault *f)
{
	int fd, err = listen_on(address, &fd, f);

	if (err)
		return err;
	err = start_listening(e, l, fd, address);
	return err ? fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err)) : 0;
}

static struct listening *listening_on(struct exporter *e, const char *address)
{
	for (size_t i = 0; i < e->n_listening; i++)
		if (e->listening[i].address &&
		    !strcmp(e->listening[i].address, address))
			return &e->listening[i];
	return NULL;
}

static bool is_twice(const struct exporter_config *config, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!strcmp(config->addresses[j], config->addresses[i]))
			return true;
	return false;
}

/* Opens those of @config that are not open yet, the rest are left empty. */
static int listen_too(struct exporter *e, const struct exporter_config *config,
		      struct listening *fresh, struct fault *f)
{
	int err = 0;

	for (size_t i = 0; i < config->n_addresses; i++)
		fresh[i] = (struct listening){ .fd = -1 };
	for (size_t i = 0; !err && i < config->n_addresses; i++)
		if (is_twice(config, i))
			err = cannot_listen(f, config->addresses[i],
					    EADDRINUSE);
		else if (!listening_on(e, config->addresses[i]))
			err = listen_anew(e, &fresh[i], config->addresses[i],
					  f);
	for (size_t i = 0; err && i < config->n_addresses; i++)
		stop_listening(&fresh[i]);
	return err;
}

/* What fresh lacks comes from what was open, and what is not taken is closed. */
static void move(struct exporter *e, const struct exporter_config *config,
		 struct listening *fresh)
{
	struct listening *open;

	for (size_t i = 0; i < config->n_addresses; i++) {
		open = listening_on(e, config->addresses[i]);
		if (fresh[i].fd >= 0 || !open)
			continue;
		fresh[i] = *open;
		*open = (struct listening){ .fd = -1 };
	}
	for (size_t i = 0; i < e->n_listening; i++)
		stop_listening(&e->listening[i]);
	memcpy(e->listening, fresh, config->n_addresses * sizeof(*fresh));
	e->n_listening = config->n_addresses;
}

static bool is_handed_over(const struct exporter *e)
{
	return e->n_listening && !e->listening[0].address;
}

static int take_over(struct exporter *e, int n, struct fault *f)
{
	int err = 0, fd;

	for (int i = 0; i < n && !err; i++) {
		fd = SD_LISTEN_FDS_START + i;
		if (e->n_listening == EXPORTER_ADDRESSES_MAX ||
		    sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
			return fault_fail(f, EXIT_FAILED, EINVAL,
					  "a socket that systemd handed over "
					  "is no listening stream socket, or "
					  "there are too many");
		fcntl(fd, F_SETFL, O_NONBLOCK);
		err = start_listening(e, &e->listening[e->n_listening], fd,
				      NULL);
		e->n_listening += !err;
	}
	return err ? fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err)) : 0;
}

/* Sockets from systemd, else those of the configuration. */
static int open_all(struct exporter *e, const struct exporter_config *config,
		    struct fault *f)
{
	struct listening fresh[EXPORTER_ADDRESSES_MAX];
	int n = sd_listen_fds(1), err;

	if (n > 0)
		return take_over(e, n, f);
	err = listen_too(e, config, fresh, f);
	if (!err)
		move(e, config, fresh);
	return err;
}

int exporter_start(struct exporter **exporter, sd_event *event,
		   const struct exporter_config *config,
		   const struct exporter_source *source, struct fault *f)
{
	struct exporter *e = calloc(1, sizeof(*e));
	int err;

	fault_tried(f, "start the exporter");
	if (!e)
		return fault_fail(f, EXIT_FAILED, ENOMEM, "out of memory");
	e->event = event;
	e->path = config->path;
	e->source = *source;
	err = server_start(e, config->web_config, &e->server, f) ?:
	      open_all(e, config, f);
	if (!err) {
		err = sd_event_add_time_relative(event, &e->sweep,
						 CLOCK_MONOTONIC, USEC, 0,
						 on_sweep, e);
		if (err < 0)
			fault_fail(f, EXIT_FAILED, err, "%s", strerror(-err));
	}
	if (err < 0) {
		exporter_stop(e);
		return err;
	}
	*exporter = e;
	return 0;
}

int exporter_reload(struct exporter *e, const struct exporter_config *config,
		    struct fault *f)
{
	struct listening fresh[EXPORTER_ADDRESSES_MAX];
	bool moves = !is_handed_over(e);
	struct server *server;
	int err;

	fault_tried(f, "reload the exporter");
	err = server_start(e, config->web_config, &server, f);
	if (err)
		return err;
	err = moves ? listen_too(e, config, fresh, f) : 0;
	if (err) {
		server_stop(server);
		return err;
	}
	if (moves)
		move(e, config, fresh);
	server_stop(e->server);
	e->server = server;
	return 0;
}

void exporter_stop(struct exporter *e)
{
	if (!e)
		return;
	sd_event_source_disable_unref(e->sweep);
	for (size_t i = 0; i < e->n_listening; i++)
		stop_listening(&e->listening[i]);
	server_stop(e->server);
	free(e);
}
