// SPDX-License-Identifier: GPL-2.0
/* --web.config.file: what is taken, and what is refused; passwords. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "webconfig.h"

/* htpasswd -nbB -C 4 user secret */
#define HASH "$2y$04$DpFX9/QP1vpBScpexAgIWeA6MHhhnJu9o1EavUW8Dr1Iu2J.W/h1O"

static char folder[] = "/tmp/webconfig-XXXXXX";

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *f;

	unlink(name);
	f = fopen(name, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(name, mode);
}

static int enter(void **state)
{
	(void)state;
	if (sodium_init() < 0 || !mkdtemp(folder) || chdir(folder))
		return -1;
	write_file("cert.pem", "certificate\n", 0644);
	write_file("key.pem", "private\n", 0600);
	write_file("open.pem", "private\n", 0644);
	write_file("ca.pem", "authority\n", 0644);
	return 0;
}

static int leave(void **state)
{
	static const char *const names[] = { "cert.pem", "key.pem", "open.pem",
					     "ca.pem", "web.yml" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(names[i]);
	return chdir("/") || rmdir(folder);
}

static int read_text(const char *text, struct webconfig *config,
		     struct fault *f)
{
	char path[64];

	write_file("web.yml", text, 0600);
	snprintf(path, sizeof(path), "%s/web.yml", folder);
	return webconfig_read(path, config, f);
}

#define TLS "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"

static void test_good(void **state)
{
	struct webconfig config;
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(read_text(TLS, &config, &f), 0);
	assert_string_equal(config.cert, "certificate\n");
	assert_string_equal(config.key, "private\n");
	assert_int_equal(config.client_auth, CLIENT_AUTH_NoClientCert);
	assert_int_equal(config.users.n, 0);
	webconfig_free(&config);

	assert_int_equal(
		read_text(TLS "  client_ca_file: ca.pem\n"
			      "  client_auth_type: RequireAndVerifyClientCert\n"
			      "  min_version: TLS13\n"
			      "basic_auth_users:\n  alice: " HASH
			      "\n  \"bob\": \"" HASH "\"\n",
			  &config, &f),
		0);
	assert_string_equal(config.client_ca, "authority\n");
	assert_int_equal(config.client_auth,
			 CLIENT_AUTH_RequireAndVerifyClientCert);
	assert_int_equal(config.min_version, TLS_VERSION_TLS13);
	assert_int_equal(config.users.n, 2);
	assert_string_equal(config.users.list[1].name, "bob");
	webconfig_free(&config);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "empty" },
		{ "# nothing\n", "empty" },
		{ "{}", "neither" },
		{ "tls_server_config: {}\n", "neither" },
		{ "basic_auth_users: {}\n", "neither" },
		{ "hello\n", "mapping" },
		{ "tls_server_config: 1\n", "line 1, column 20: a mapping" },
		{ TLS "---\n" TLS, "more than one document" },
		{ TLS "--- &x [\n", "line" },
		{ "a: [", "line" },
		{ "http_server_config: {http2: false}\n",
		  "line 1, column 1: not tls_server_config" },
		{ TLS "  cipher_suites: [X]\n", "line 4, column 3: not cert" },
		{ TLS "  min_version: TLS10\n", "min_version" },
		{ TLS "  min_version: [TLS12]\n", "min_version" },
		{ TLS "  client_auth_type: RequireAnyClientCert\n",
		  "client_auth_type" },
		{ TLS "  client_auth_type: RequireAndVerifyClientCert\n",
		  "need each other" },
		{ TLS "  client_ca_file: ca.pem\n", "need each other" },
		{ TLS "  cert_file: ca.pem\n", "given before" },
		{ "tls_server_config:\n  cert_file: cert.pem\n", "needs both" },
		{ "tls_server_config:\n  client_ca_file: ca.pem\n"
		  "  client_auth_type: RequireAndVerifyClientCert\n",
		  "needs both" },
		{ "tls_server_config:\n  cert_file: cert.pem\n"
		  "  key_file: none.pem\n",
		  "No such file" },
		{ "tls_server_config:\n  cert_file: cert.pem\n"
		  "  key_file: open.pem\n",
		  "others can read" },
		{ "tls_server_config:\n  cert_file:\n  key_file: key.pem\n",
		  "path" },
		{ "basic_auth_users:\n  alice: secret\n", "bcrypt" },
		{ "basic_auth_users:\n  alice: [" HASH "]\n", "bcrypt" },
		{ "basic_auth_users:\n  alice: "
		  "$2y$31$DpFX9/QP1vpBScpexAgIWecd.gmAGODdY1YsBvodlVDYpE3q8aY2K\n",
		  "bcrypt" },
		{ "basic_auth_users:\n  alice: "
		  "$6$salt$DpFX9/QP1vpBScpexAgIWecd.gmAGODdY1YsBvodlVDYpE3q8aY2K\n",
		  "bcrypt" },
		{ "basic_auth_users:\n  a:b: " HASH "\n", "colon" },
		{ "basic_auth_users:\n  a: " HASH "\n  a: " HASH "\n",
		  "given before" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct webconfig config;
		struct fault f = { 0 };

		if (!read_text(rows[i].text, &config, &f))
			fail_msg("taken: %s", rows[i].text);
		if (!strstr(f.why, rows[i].why))
			fail_msg("\"%s\" of: %s", f.why, rows[i].text);
		assert_null(strstr(f.why, "$2y$"));
		assert_null(strstr(f.why, "secret"));
		assert_null(config.cert);
		assert_int_equal(config.users.n, 0);
		assert_int_equal(f.exit, EXIT_FAILED);
	}
}

static void test_passwords(void **state)
{
	struct passwords users = { 0 };
	int later = 0;

	(void)state;
	assert_true(password_hash_is_good(HASH));
	assert_int_equal(passwords_add(&users, "alice", HASH), 0);
	assert_int_equal(passwords_check(&users, "alice", "secret", 1),
			 PASSWORD_RIGHT);
	assert_true(users.list[0].remembered);
	assert_int_equal(passwords_check(&users, "alice", "wrong", 1),
			 PASSWORD_WRONG);
	assert_int_equal(passwords_check(&users, "mallory", "secret", 1),
			 PASSWORD_WRONG);
	assert_int_equal(passwords_check(&users, "alice", "", 1),
			 PASSWORD_WRONG);
	/* Many wrong ones are not checked, and harm no right one. */
	for (int i = 0; i < 20; i++)
		later += passwords_check(&users, "alice", "wrong", 1) ==
			 PASSWORD_LATER;
	assert_int_equal(later, 20 - (PASSWORD_CHECKS_BURST - 4));
	assert_int_equal(passwords_check(&users, "alice", "secret", 1),
			 PASSWORD_RIGHT);
	/* The next second allows some again. */
	assert_int_equal(passwords_check(&users, "alice", "wrong", 2),
			 PASSWORD_WRONG);
	passwords_free(&users);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_passwords),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("webconfig", tests, enter, leave);
}
