// SPDX-License-Identifier: GPL-2.0
/* Samples as Prometheus reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exposition.h"

/* The text of one sample without its HELP and TYPE lines. */
static void expect(const struct sample *s, const char *line)
{
	struct samples samples = { .list = (struct sample *)s, .n = 1 };
	size_t size;
	char *text = exposition_text(&samples, &size), *last;

	assert_non_null(text);
	assert_int_equal(strlen(text), size);
	assert_int_equal(text[size - 1], '\n');
	text[size - 1] = '\0';
	last = strrchr(text, '\n');
	assert_non_null(last);
	assert_string_equal(last + 1, line);
	free(text);
}

static void test_values(void **state)
{
	static const struct {
		double value;
		const char *line;
	} rows[] = {
		{ 0, "tfoguard_heals_total 0" },
		{ -1, "tfoguard_heals_total -1" },
		{ 0.5, "tfoguard_heals_total 0.5" },
		{ 4503599627370497, "tfoguard_heals_total 4503599627370497" },
		{ 1.8446744073709552e19,
		  "tfoguard_heals_total 1.8446744073709552e+19" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect(&(struct sample){ .metric = METRIC_heals,
					 .value = rows[i].value },
		       rows[i].line);
}

static void test_labels(void **state)
{
	static const struct {
		const char *name, *line;
	} rows[] = {
		{ "eth0", "tfoguard_attached{interface=\"eth0\"} 1" },
		{ "a\"b", "tfoguard_attached{interface=\"a\\\"b\"} 1" },
		{ "a\\b", "tfoguard_attached{interface=\"a\\\\b\"} 1" },
		{ "a\nb", "tfoguard_attached{interface=\"a\\nb\"} 1" },
		{ "\xc3\xa9", "tfoguard_attached{interface=\"\xc3\xa9\"} 1" },
		{ "a\xff",
		  "tfoguard_attached{interface=\"a\xef\xbf\xbd\"} 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sample s = { .metric = METRIC_attached, .value = 1 };

		s.label[0].name = "interface";
		strcpy(s.label[0].value, rows[i].name);
		expect(&s, rows[i].line);
	}
}

/* The format wants a metric's samples together, after its HELP and TYPE. */
static void test_families(void **state)
{
	struct sample list[] = {
		{ .metric = METRIC_attached, .label[0] = { "interface", "a" } },
		{ .metric = METRIC_attached,
		  .value = 1,
		  .label = { { "interface", "b" }, { "x", "y" } } },
		{ .metric = METRIC_heals, .value = 2 },
	};
	struct samples samples = { .list = list, .n = 3 };
	size_t size;
	char *text = exposition_text(&samples, &size);

	(void)state;
	assert_string_equal(
		text,
		"# HELP tfoguard_attached 1 where the guard's program is on "
		"the interface, 0 where it should be.\n"
		"# TYPE tfoguard_attached gauge\n"
		"tfoguard_attached{interface=\"a\"} 0\n"
		"tfoguard_attached{interface=\"b\",x=\"y\"} 1\n"
		"# HELP tfoguard_heals_total Guards that were gone and that "
		"the daemon attached anew.\n"
		"# TYPE tfoguard_heals_total counter\n"
		"tfoguard_heals_total 2\n");
	free(text);
}

static void test_json(void **state)
{
	struct sample list[] = {
		{ .metric = METRIC_heals, .value = 2 },
	};
	struct samples samples = { .list = list, .n = 1 };
	json_t *all = exposition_json(&samples), *row;

	(void)state;
	assert_int_equal(json_object_size(all), METRIC_COUNT);
	row = json_array_get(
		json_object_get(json_object_get(all, "tfoguard_heals_total"),
				"samples"),
		0);
	assert_true(json_real_value(json_object_get(row, "value")) == 2);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_json),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
