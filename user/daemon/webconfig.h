/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The file of --web.config.file, in the format of Prometheus' exporter-toolkit:
 * TLS, and users with bcrypt hashes. What is not understood is refused: what an
 * operator wrote to protect the exporter is never skipped.
 */
#ifndef TFOGUARD_WEBCONFIG_H
#define TFOGUARD_WEBCONFIG_H

#include "fault.h"
#include "passwords.h"

/* X(name); the toolkit's other two check nothing. */
#define CLIENT_AUTH_TYPES(X)                                                   \
	X(NoClientCert)                                                        \
	X(VerifyClientCertIfGiven)                                             \
	X(RequireAndVerifyClientCert)

enum client_auth_type {
#define X(name) CLIENT_AUTH_##name,
	CLIENT_AUTH_TYPES(X)
#undef X
	CLIENT_AUTH_COUNT
};

/* X(name, priority string of GnuTLS) */
#define TLS_VERSIONS(X)                                                        \
	X(TLS12, "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3")                 \
	X(TLS13, "NORMAL:-VERS-ALL:+VERS-TLS1.3")

enum tls_version {
#define X(name, priorities) TLS_VERSION_##name,
	TLS_VERSIONS(X)
#undef X
	TLS_VERSION_COUNT
};

struct webconfig {
	char *cert, *key; /* PEM; NULL: no TLS */
	char *client_ca; /* PEM, or NULL */
	enum client_auth_type client_auth;
	enum tls_version min_version;
	struct passwords users; /* none: no password is asked for */
};

/* Leaves @config empty on failure; free with webconfig_free(). */
int webconfig_read(const char *path, struct webconfig *, struct fault *);
void webconfig_free(struct webconfig *);

#endif
