// SPDX-License-Identifier: GPL-2.0
/* The configuration file: what it says, and where it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "configuration.h"

static char path[] = "/tmp/tfoguard-test-XXXXXX";
static struct port_policy ports[PORT_COUNT];

static void write_file(const char *text, size_t n)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

static int read_bytes(const char *text, size_t n, struct config *config,
		      struct fault *f)
{
	memset(f, 0, sizeof(*f));
	write_file(text, n);
	return config_read(path, config, f);
}

static void read_good(const char *text, struct config *config)
{
	struct fault f;

	if (!read_bytes(text, strlen(text), config, &f))
		return;
	print_message("%s: %s; %s\n", text, f.why, f.advice);
	fail();
}

static void test_defaults(void **state)
{
	struct tuning tuning = TUNING_DEFAULT;
	struct port_policy guard = { .mode = PORT_guard };
	struct config config;

	(void)state;
	assert_int_equal(config_defaults(&config), 0);
	assert_memory_equal(&config.tuning, &tuning, sizeof(tuning));
	config_ports(&config, ports);
	for (int i = 0; i < PORT_COUNT; i++)
		assert_memory_equal(&ports[i], &guard, sizeof(guard));
	assert_int_equal(config.n_interfaces, 0);
	assert_int_equal(config.keys.source, KEY_SOURCE_kernel);
	assert_int_equal(config.keys.rotate_every, 86400);
	assert_int_equal(config.keys.overlap, 86400);
	assert_int_equal(config.keys.jitter, 10);
	assert_int_equal(config.keys.on_foreign_change, FOREIGN_repair);
	assert_int_equal(config.exporter.listen.n, 1);
	assert_string_equal(config.exporter.listen.text[0], "127.0.0.1:9435");
	assert_null(config.exporter.web_config);
	assert_int_equal(config.logging.format, LOG_FORMAT_text);
	assert_int_equal(config.logging.level, LOG_LEVEL_info);
	config_free(&config);
}

static void test_all_settings(void **state)
{
	static const char text[] =
		"interfaces:\n"
		"  - {name: eth0, attach_mode: skb}\n"
		"  - name: eth1\n"
		"ports:\n"
		"  - {port: 443, early_data: {policy: http-safe, max_bytes: 1460},\n"
		"     replay: 10s, over_prefix: drop}\n"
		"  - {port: 53, mode: off, forged: strip, answer: never}\n"
		"defaults: {mode: pass, forged: drop, answer: always}\n"
		"limits:\n"
		"  source: {syn: 1, forged: 2, over: drop}\n"
		"  prefix: {syn: 3, answers: 4, over: answer}\n"
		"pressure: {lo: 25 %, hi: 37.5%}\n"
		"tfo_budget: {mark: 33.3 %, share: 100 %, period: 2m}\n"
		"proven: 1h\n"
		"answers: {mss: 1220}\n"
		"lists: {allow: [a.txt, /b.txt], block: [\"c d.txt\"]}\n"
		"keys: {source: file, rotate_every: 7d, overlap: 0s, jitter: 5 %,\n"
		"       on_foreign_change: adopt}\n"
		"exporter: {listen: ['[::1]:1', ':2'], web_config: web.yaml}\n"
		"logging: {format: json, level: debug}\n";
	struct config c;

	(void)state;
	read_good(text, &c);
	assert_int_equal(c.n_interfaces, 2);
	assert_string_equal(c.interfaces[0].name, "eth0");
	assert_int_equal(c.interfaces[0].attach_mode, ATTACH_skb);
	assert_string_equal(c.interfaces[1].name, "eth1");
	assert_int_equal(c.interfaces[1].attach_mode, ATTACH_native);

	/* What stands below the ports holds for them too. */
	config_ports(&c, ports);
	assert_memory_equal(&ports[443],
			    (&(struct port_policy){
				    .mode = PORT_pass,
				    .forged = FORGED_drop,
				    .answer = ANSWER_always,
				    .early = EARLY_http_safe,
				    .early_max = 1460,
				    .replay = 10,
				    .over_source = OVER_drop,
				    .over_prefix = OVER_drop }),
			    sizeof(*ports));
	assert_memory_equal(&ports[53],
			    (&(struct port_policy){
				    .mode = PORT_off,
				    .forged = FORGED_strip,
				    .answer = ANSWER_never,
				    .over_source = OVER_drop }),
			    sizeof(*ports));
	assert_memory_equal(&ports[1],
			    (&(struct port_policy){
				    .mode = PORT_pass,
				    .forged = FORGED_drop,
				    .answer = ANSWER_always,
				    .over_source = OVER_drop }),
			    sizeof(*ports));

	assert_int_equal(c.tuning.source_syn, 1);
	assert_int_equal(c.tuning.source_forged, 2);
	assert_int_equal(c.tuning.prefix_syn, 3);
	assert_int_equal(c.tuning.prefix_answers, 4);
	assert_int_equal(c.tuning.mark_lo, 64);
	assert_int_equal(c.tuning.mark_hi, 96);
	assert_int_equal(c.tuning.tfo_mark, 85);
	assert_int_equal(c.tuning.tfo_share, 256);
	assert_int_equal(c.tuning.tfo_period, 120);
	assert_int_equal(c.tuning.proven, 3600);
	assert_int_equal(c.tuning.mss, 1220);
	assert_int_equal(c.lists.allow.n, 2);
	/* From the folder of the file. */
	assert_string_equal(c.lists.allow.text[0], "/tmp/a.txt");
	assert_string_equal(c.lists.allow.text[1], "/b.txt");
	assert_string_equal(c.lists.block.text[0], "/tmp/c d.txt");
	assert_int_equal(c.keys.source, KEY_SOURCE_file);
	assert_int_equal(c.keys.rotate_every, 7 * 86400);
	assert_int_equal(c.keys.overlap, 0);
	assert_int_equal(c.keys.jitter, 5);
	assert_int_equal(c.keys.on_foreign_change, FOREIGN_adopt);
	assert_int_equal(c.exporter.listen.n, 2);
	assert_string_equal(c.exporter.web_config, "/tmp/web.yaml");
	assert_int_equal(c.logging.format, LOG_FORMAT_json);
	assert_int_equal(c.logging.level, LOG_LEVEL_debug);
	config_free(&c);
}

static void test_port_unguarded(void **state)
{
	struct config c;

	(void)state;
	read_good("defaults: {mode: unguarded}\n"
		  "ports: [{port: 443}, {port: 80, mode: unguarded}]\n",
		  &c);
	config_ports(&c, ports);
	assert_int_equal(ports[443].mode, PORT_guard);
	assert_int_equal(ports[80].mode, PORT_unguarded);
	assert_int_equal(ports[444].mode, PORT_unguarded);
	config_free(&c);
}

/* A group of which all is commented out is no mistake. */
static void test_empty_groups(void **state)
{
	struct config c;

	(void)state;
	read_good("ports:\n  # - port: 443\nlimits:\n  source:\nlists:\n"
		  "  allow:\nexporter: {listen: []}\n",
		  &c);
	assert_int_equal(c.n_ports, 0);
	assert_int_equal(c.tuning.source_syn, 100);
	assert_int_equal(c.exporter.listen.n, 0);
	config_free(&c);
	read_good("\xef\xbb\xbf" "defaults: {}\r\nproven: 1m\r\n", &c);
	assert_int_equal(c.tuning.proven, 60);
	config_free(&c);
}

/* Takes the # off the lines from @first to the next empty one. */
static void uncomment(char *text, const char *first)
{
	char *line = strstr(text, first);

	assert_non_null(line);
	for (; *line != '\n'; line = strchr(line, '\n') + 1)
		memmove(line, line + 1, strlen(line));
}

/* The file that is installed; with what it comments out, too. */
static void test_example(void **state)
{
	struct config c, defaults;
	char text[16384];
	struct fault f = { 0 };
	FILE *file = fopen("user/tfoguard.yaml.example", "r");
	size_t n;

	(void)state;
	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	assert_true(n > 1000 && n < sizeof(text) - 1);
	text[n] = '\0';
	assert_int_equal(read_bytes(text, n, &c, &f), 0);
	assert_int_equal(config_defaults(&defaults), 0);
	assert_memory_equal(&c.tuning, &defaults.tuning, sizeof(c.tuning));
	assert_memory_equal(&c.all, &defaults.all, sizeof(c.all));
	assert_memory_equal(&c.keys, &defaults.keys, sizeof(c.keys));
	assert_memory_equal(&c.logging, &defaults.logging, sizeof(c.logging));
	assert_int_equal(c.n_ports, 0);
	assert_int_equal(c.n_interfaces, 0);
	config_free(&c);

	uncomment(text, "#interfaces:");
	uncomment(text, "#ports:");
	read_good(text, &c);
	assert_int_equal(c.n_interfaces, 1);
	assert_int_equal(c.n_ports, 1);
	assert_int_equal(c.ports[0].port, 443);
	assert_memory_equal(&c.ports[0].policy, &defaults.all,
			    sizeof(defaults.all));
	config_free(&c);
	config_free(&defaults);
}

#define BYTES(text) text, sizeof(text) - 1

/* Each with where it is wrong, what is, and what would be right. */
static void test_bad(void **state)
{
	static const struct bad {
		const char *text;
		size_t n;
		const char *where, *what, *right;
	} bad[] = {
		/* No settings at all. */
		{ BYTES(""), "line 1, column 1:", "says nothing", "defaults" },
		{ BYTES("# a\n"), "line 2, column 1:", "says nothing",
		  "defaults" },
		{ BYTES("---\n...\n"), "line 2, column 1:", "says nothing",
		  "defaults" },
		{ BYTES("hello\n"), "line 1, column 1:", "no group",
		  "interfaces, defaults, ports" },
		{ BYTES("- 1\n"), "line 1, column 1:", "no group", "known" },
		{ BYTES("proven: 1m\n---\nproven: 2m\n"), "line 2, column 1:",
		  "second document", "one document" },
		/* Names. */
		{ BYTES("prot: 1\n"), "line 1, column 1:", "\"prot\"",
		  "ports" },
		{ BYTES("ports:\n  - port: 1\n    mdoe: off\n"),
		  "line 3, column 5:", "\"mdoe\"", "port, mode, forged" },
		{ BYTES("limits.source: {}\n"), "line 1, column 1:",
		  "no setting", "limits" },
		{ BYTES("ports[]: []\n"), "line 1, column 1:", "no setting",
		  "ports" },
		{ BYTES("? [a]\n: b\n"), "line 1, column 3:", "name", "known" },
		{ BYTES("proven: 1m\nproven: 2m\n"), "line 2, column 1:",
		  "given before", "line 1, column 9" },
		{ BYTES("limits: {}\nlimits: {}\n"), "line 2, column 1:",
		  "given before", "line 1" },
		{ BYTES("ports:\n- {port: 7}\n- {port: 7}\n"),
		  "line 3, column 10:", "port 7 was given before",
		  "line 2, column 10" },
		{ BYTES("interfaces: [{name: a}, {name: a}]\n"),
		  "line 1, column 32:", "given before", "line 1, column 21" },
		{ BYTES("interfaces: [{name: a b}]\n"), "line 1, column 21:",
		  "name", "ip link" },
		{ BYTES("ports: [{mode: off}]\n"), "line 1, column 9:",
		  "ports[].port is missing", "port: 443" },
		/* Kinds. */
		{ BYTES("ports: 443\n"), "line 1, column 8:", "ports", "list" },
		{ BYTES("ports: [443]\n"), "line 1, column 9:", "443",
		  "name: value" },
		{ BYTES("limits: [1]\n"), "line 1, column 9:", "a list",
		  "name: value" },
		{ BYTES("proven: [1m]\n"), "line 1, column 9:", "a list",
		  "10m" },
		{ BYTES("proven: {a: b}\n"), "line 1, column 9:", "a group",
		  "10m" },
		{ BYTES("proven:\n"), "line 1, column 8:", "empty", "10m" },
		{ BYTES("lists: {allow: a.txt}\n"), "line 1, column 16:",
		  "a.txt", "list" },
		{ BYTES("lists: {allow: [[a]]}\n"), "line 1, column 17:",
		  "a list", "path" },
		{ BYTES("lists: {allow: [\"\"]}\n"), "line 1, column 17:",
		  "lists.allow", "path" },
		/* Values. */
		{ BYTES("ports: [{port: 0}]\n"), "line 1, column 16:", "\"0\"",
		  "1 to 65535" },
		{ BYTES("ports: [{port: 65536}]\n"), "line 1, column 16:",
		  "\"65536\"", "1 to 65535" },
		{ BYTES("ports: [{port: 0100}]\n"), "line 1, column 16:",
		  "\"0100\"", "1 to 65535" },
		{ BYTES("ports: [{port: 0x10}]\n"), "line 1, column 16:",
		  "\"0x10\"", "1 to 65535" },
		{ BYTES("ports: [{port: -1}]\n"), "line 1, column 16:",
		  "\"-1\"", "1 to 65535" },
		{ BYTES("ports: [{port: 18446744073709551617}]\n"),
		  "line 1, column 16:", "18446744073709551617", "65535" },
		{ BYTES("ports: [{port: 1, early_data: {policy: http_safe}}]"),
		  "line 1, column 40:", "http_safe",
		  "any, tls or http-safe" },
		{ BYTES("defaults: {mode: on}\n"), "line 1, column 18:",
		  "\"on\"", "unguarded, guard, off, drop or pass" },
		{ BYTES("defaults: {mode: Guard}\n"), "line 1, column 18:",
		  "\"Guard\"", "guard" },
		{ BYTES("proven: 10\n"), "line 1, column 9:", "\"10\"",
		  "1s to 1d" },
		{ BYTES("proven: 2d\n"), "line 1, column 9:", "\"2d\"", "1d" },
		/* So many seconds are, modulo 2^64, a time that is right. */
		{ BYTES("proven: 94368760191893771d\n"), "line 1, column 9:",
		  "94368760191893771", "1d" },
		{ BYTES("proven: 0s\n"), "line 1, column 9:", "\"0s\"", "1s" },
		{ BYTES("pressure: {lo: 1/8}\n"), "line 1, column 16:",
		  "\"1/8\"", "12.5 %" },
		{ BYTES("pressure: {lo: 12.5}\n"), "line 1, column 16:",
		  "\"12.5\"", "12.5 %" },
		{ BYTES("pressure: {hi: 50.001 %}\n"), "line 1, column 16:",
		  "50.001", "50 %" },
		{ BYTES("pressure: {lo: 50 %}\n"), "line 1, column 16:",
		  "not below", "pressure.lo" },
		{ BYTES("pressure: {lo: 30 %, hi: 20 %}\n"),
		  "line 1, column 26:", "not below", "pressure.lo" },
		{ BYTES("answers: {mss: 535}\n"), "line 1, column 16:", "mss",
		  "536" },
		{ BYTES("exporter: {listen: [':0']}\n"), "line 1, column 20:",
		  ":0", "127.0.0.1:9435" },
		{ BYTES("exporter: {listen: ['::1:1']}\n"),
		  "line 1, column 20:", "::1:1", "[::1]" },
		/* What YAML can do and a configuration need not. */
		{ BYTES("ports: &a []\n"), "line 1, column 8:", "anchors",
		  "write the value out" },
		{ BYTES("ports: [{port: 1}, *a]\n"), "line 1, column 20:",
		  "", "" },
		{ BYTES("proven: !!str 1m\n"), "line 1, column 9:", "tags",
		  "write the value out" },
		{ BYTES("ports: [{port: 1\n"), "line 2, column 1:", "expected",
		  "line 1, column 9" },
		{ BYTES("proven: 1m\n\tports: []\n"), "line 2, column 1:",
		  "tab character", "no tab" },
		{ BYTES("proven: \"1m\n"), "line 2, column 1:", "end of stream",
		  "line 1, column 9" },
		/* What is no text. */
		{ BYTES("proven: 1m\0\n"), "line 1, column 11:", "control",
		  "UTF-8" },
		{ BYTES("proven: \"1m\\0\"\n"), "line 1, column 9:", "NUL",
		  "10m" },
		{ BYTES("# \xc3\xa4\xc3\xb6\n# \xff\n"), "line 2, column 3:",
		  "UTF-8", "UTF-8" },
		{ BYTES("\xff\xfep\0r\0"), "line 1, column 1:", "UTF-8",
		  "UTF-8" },
		{ BYTES("\"\\e[31m\": 1\n"), "line 1, column 1:", "\"?[31m\"",
		  "known" },
	};
	struct config c;
	struct fault f;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int err = read_bytes(bad[i].text, bad[i].n, &c, &f);

		if (err >= 0 || f.exit != EXIT_FAILED ||
		    !strstr(f.tried, path) || !strstr(f.why, bad[i].where) ||
		    !strstr(f.why, bad[i].what) ||
		    !strstr(f.advice, bad[i].right)) {
			print_message("%s\n-> %d %s; %s\n", bad[i].text, err,
				      f.why, f.advice);
			fail();
		}
		assert_null(c.ports);
		assert_null(c.interfaces);
		assert_int_equal(c.n_ports, 0);
	}
}

static void repeat(char *to, size_t n, const char *what)
{
	for (size_t i = 0; i + strlen(what) < n; i += strlen(what))
		strcpy(to + i, what);
}

static void test_absurd(void **state)
{
	static const char *const deep[] = { "[", "{a: ", "- ", "? ", "!", "\"" };
	const size_t n = 1024 * 1024 + 1;
	char *text = calloc(1, n + 1);
	struct config c;
	struct fault f;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(deep) / sizeof(*deep); i++) {
		memset(text, 0, n);
		strcpy(text, "ports: ");
		repeat(text + 7, n - 8, deep[i]);
		assert_true(read_bytes(text, strlen(text), &c, &f) < 0);
		assert_non_null(strstr(f.why, "line "));
	}
	memset(text, ' ', n);
	assert_true(read_bytes(text, n, &c, &f) < 0);
	assert_non_null(strstr(f.why, "1 MiB"));
	free(text);
}

static void test_no_file(void **state)
{
	struct config c;
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(config_read("/tmp", &c, &f), -EISDIR);
	assert_int_equal(f.exit, EXIT_FAILED);
	assert_int_equal(config_read("/dev/zero", &c, &f), -EFBIG);
	assert_int_equal(config_read("/no/such/file", &c, &f), -ENOENT);
}

static void test_lists(void **state)
{
	struct lists lists;
	struct config c;
	struct fault f;
	char *file = path;

	(void)state;
	write_file(BYTES("10.0.0.0/8\n"));
	c = (struct config){ .lists.block = { &file, 1 } };
	assert_int_equal(config_lists(&c, &lists, &f), 0);
	assert_int_equal(lists.n, 1);
	assert_int_equal(lists.row[0].value.given, 1 << LIST_BLOCK);
	lists_free(&lists);
	write_file(BYTES("10.0.0.0/8\nx\n"));
	assert_true(config_lists(&c, &lists, &f) < 0);
	assert_non_null(strstr(f.why, "line 2: "));
	assert_null(lists.row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_settings),
		cmocka_unit_test(test_port_unguarded),
		cmocka_unit_test(test_empty_groups),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_absurd),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_lists),
	};
	int failed;

	close(mkstemp(path));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests_name("configuration", tests, NULL, NULL);
	unlink(path);
	return failed;
}
