// SPDX-License-Identifier: GPL-2.0
#include "webconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#define FILE_SIZE_MAX (1024 * 1024)

/* What one reading works with. */
struct reading {
	const char *path;
	yaml_document_t document;
	struct webconfig *config;
	char *cert_file, *key_file, *client_ca_file;
	struct fault *fault;
};

static int wrong(struct reading *r, const yaml_node_t *at, const char *what)
{
	return fault_fail(r->fault, EXIT_FAILED, EINVAL,
			  "line %zu, column %zu: %s", at->start_mark.line + 1,
			  at->start_mark.column + 1, what);
}

/* The text of a scalar; NULL for any other node. */
static const char *text_of(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	return node->type == YAML_SCALAR_NODE &&
			       strlen(text) == node->data.scalar.length ?
		       text :
		       NULL;
}

static int find(const char *word, const char *const names[], int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(word, names[i]))
			return i;
	return -1;
}

/* Calls @take with each key and its value; no key comes twice. */
static int each_pair(struct reading *r, const yaml_node_t *mapping,
		     int (*take)(struct reading *, const yaml_node_t *key,
				 const char *name, const yaml_node_t *value))
{
	yaml_node_pair_t *first, *end, *pair, *other;
	int err = 0;

	if (mapping->type != YAML_MAPPING_NODE)
		return wrong(r, mapping, "a mapping is expected here");
	first = mapping->data.mapping.pairs.start;
	end = mapping->data.mapping.pairs.top;
	for (pair = first; !err && pair < end; pair++) {
		yaml_node_t *key = yaml_document_get_node(&r->document,
							  pair->key);
		yaml_node_t *value = yaml_document_get_node(&r->document,
							    pair->value);
		const char *name = text_of(key);

		if (!name)
			return wrong(r, key, "a key must be a plain word");
		for (other = first; other < pair; other++)
			if (!strcmp(text_of(yaml_document_get_node(
					    &r->document, other->key)),
				    name))
				return wrong(r, key,
					     "this key was given before");
		err = take(r, key, name, value);
	}
	return err;
}

static int take_path(struct reading *r, const yaml_node_t *value, char **path)
{
	const char *text = text_of(value);
	char *copy;

	if (!text || !*text)
		return wrong(r, value, "the path of a file is expected here");
	/* Relative to the folder of the file that names it. */
	copy = strdup(r->path);
	if (!copy ||
	    asprintf(path, "%s%s%s", *text == '/' ? "" : dirname(copy),
		     *text == '/' ? "" : "/", text) < 0) {
		*path = NULL;
		free(copy);
		return fault_fail(r->fault, EXIT_FAILED, ENOMEM,
				  "out of memory");
	}
	free(copy);
	return 0;
}

static int take_tls(struct reading *r, const yaml_node_t *key, const char *name,
		    const yaml_node_t *value)
{
	static const char *const types[] = {
#define X(type) #type,
		CLIENT_AUTH_TYPES(X)
#undef X
	};
	static const char *const versions[] = {
#define X(version, priorities) #version,
		TLS_VERSIONS(X)
#undef X
	};
	const char *text = text_of(value);
	int i;

	if (!strcmp(name, "cert_file"))
		return take_path(r, value, &r->cert_file);
	if (!strcmp(name, "key_file"))
		return take_path(r, value, &r->key_file);
	if (!strcmp(name, "client_ca_file"))
		return take_path(r, value, &r->client_ca_file);
	if (!strcmp(name, "client_auth_type")) {
		i = text ? find(text, types, CLIENT_AUTH_COUNT) : -1;
		if (i < 0)
			return wrong(r, value,
				     "client_auth_type is not NoClientCert, "
				     "VerifyClientCertIfGiven or "
				     "RequireAndVerifyClientCert");
		r->config->client_auth = (enum client_auth_type)i;
		return 0;
	}
	if (!strcmp(name, "min_version")) {
		i = text ? find(text, versions, TLS_VERSION_COUNT) : -1;
		if (i < 0)
			return wrong(r, value,
				     "min_version is not TLS12 or TLS13");
		r->config->min_version = (enum tls_version)i;
		return 0;
	}
	return wrong(r, key,
		     "not cert_file, key_file, client_ca_file, "
		     "client_auth_type or min_version");
}

/* The hash is never told. */
static int take_user(struct reading *r, const yaml_node_t *key,
		     const char *name, const yaml_node_t *value)
{
	const char *hash = text_of(value);

	if (!*name || strchr(name, ':'))
		return wrong(r, key, "a user's name is empty or has a colon");
	if (!hash || !password_hash_is_good(hash))
		return wrong(r, value,
			     "not a bcrypt hash of a cost from 4 to 14");
	if (passwords_add(&r->config->users, name, hash))
		return fault_fail(r->fault, EXIT_FAILED, ENOMEM,
				  "out of memory");
	return 0;
}

static int take_section(struct reading *r, const yaml_node_t *key,
			const char *name, const yaml_node_t *value)
{
	if (!strcmp(name, "tls_server_config"))
		return each_pair(r, value, take_tls);
	if (!strcmp(name, "basic_auth_users"))
		return each_pair(r, value, take_user);
	return wrong(r, key, "not tls_server_config or basic_auth_users");
}

/* All of a PEM file. A private one must be closed to others. */
static int read_pem(struct reading *r, const char *path, bool private,
		    char **pem)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st)) {
		err = errno;
		goto failed;
	}
	if (private && (st.st_mode & (S_IROTH | S_IWOTH))) {
		close(fd);
		fault_advise(r->fault, "chmod 600 %s", path);
		return fault_fail(r->fault, EXIT_FAILED, EPERM,
				  "others can read the private key in %s",
				  path);
	}
	err = EFBIG;
	if (st.st_size > FILE_SIZE_MAX)
		goto failed;
	err = ENOMEM;
	*pem = calloc(1, (size_t)st.st_size + 1);
	if (!*pem)
		goto failed;
	n = read(fd, *pem, (size_t)st.st_size);
	if (n == st.st_size) {
		close(fd);
		return 0;
	}
	err = n < 0 ? errno : EIO;
failed:
	if (fd >= 0)
		close(fd);
	return fault_fail(r->fault, EXIT_FAILED, err, "%s: %s", path,
			  strerror(err));
}

static int check(struct reading *r)
{
	bool verifies = r->config->client_auth != CLIENT_AUTH_NoClientCert;

	if (!r->cert_file && !r->key_file && !r->client_ca_file && !verifies) {
		if (r->config->users.n)
			return 0;
		return fault_fail(r->fault, EXIT_FAILED, EINVAL,
				  "it names neither a certificate nor a user");
	}
	if (!r->cert_file || !r->key_file)
		return fault_fail(r->fault, EXIT_FAILED, EINVAL,
				  "tls_server_config needs both cert_file and "
				  "key_file");
	if (verifies != !!r->client_ca_file)
		return fault_fail(r->fault, EXIT_FAILED, EINVAL,
				  "client_ca_file and a client_auth_type that "
				  "verifies need each other");
	return 0;
}

static int read_document(struct reading *r, yaml_parser_t *parser)
{
	yaml_document_t more;
	yaml_node_t *root;
	bool one;

	if (!yaml_parser_load(parser, &r->document))
		return fault_fail(r->fault, EXIT_FAILED, EINVAL,
				  "line %zu, column %zu: %s",
				  parser->problem_mark.line + 1,
				  parser->problem_mark.column + 1,
				  parser->problem ?: "not YAML");
	root = yaml_document_get_root_node(&r->document);
	if (!root)
		return fault_fail(r->fault, EXIT_FAILED, EINVAL,
				  "it is empty");
	if (!yaml_parser_load(parser, &more))
		return fault_fail(r->fault, EXIT_FAILED, EINVAL,
				  "line %zu: what follows is not YAML",
				  parser->problem_mark.line + 1);
	one = !yaml_document_get_root_node(&more);
	yaml_document_delete(&more);
	if (!one)
		return fault_fail(r->fault, EXIT_FAILED, EINVAL,
				  "it holds more than one document");
	return each_pair(r, root, take_section) ?: check(r);
}

static int parse(struct reading *r)
{
	yaml_parser_t parser;
	FILE *file = fopen(r->path, "re");
	int err = errno;

	if (!file)
		return fault_fail(r->fault, EXIT_FAILED, err, "%s",
				  strerror(err));
	if (!yaml_parser_initialize(&parser)) {
		fclose(file);
		return fault_fail(r->fault, EXIT_FAILED, ENOMEM,
				  "out of memory");
	}
	yaml_parser_set_input_file(&parser, file);
	err = read_document(r, &parser);
	yaml_document_delete(&r->document);
	yaml_parser_delete(&parser);
	fclose(file);
	return err;
}

int webconfig_read(const char *path, struct webconfig *config, struct fault *f)
{
	struct reading r = { .path = path, .config = config, .fault = f };
	int err;

	*config = (struct webconfig){ 0 };
	fault_tried(f, "read the web configuration %s", path);
	err = parse(&r);
	if (!err && r.cert_file)
		err = read_pem(&r, r.cert_file, false, &config->cert) ?:
		      read_pem(&r, r.key_file, true, &config->key);
	if (!err && r.client_ca_file)
		err = read_pem(&r, r.client_ca_file, false, &config->client_ca);
	free(r.cert_file);
	free(r.key_file);
	free(r.client_ca_file);
	if (err)
		webconfig_free(config);
	return err;
}

void webconfig_free(struct webconfig *config)
{
	free(config->cert);
	if (config->key)
		sodium_memzero(config->key, strlen(config->key));
	free(config->key);
	free(config->client_ca);
	passwords_free(&config->users);
	*config = (struct webconfig){ 0 };
}
