// SPDX-License-Identifier: GPL-2.0
/* The text of --port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "ports.h"

static struct port_policy ports[PORT_COUNT];

static void test_good(void **state)
{
	char why[128];

	(void)state;
	memset(ports, 0, sizeof(ports));
	assert_int_equal(ports_parse("443", ports, why, sizeof(why)), 0);
	assert_int_equal(ports[443].mode, PORT_guard);
	assert_int_equal(ports[443].forged, FORGED_strip);
	assert_int_equal(ports_parse("65535,forged=drop,mode=off", ports, why,
				     sizeof(why)),
			 0);
	assert_int_equal(ports[65535].mode, PORT_off);
	assert_int_equal(ports[65535].forged, FORGED_drop);
	assert_int_equal(ports[442].mode, PORT_unguarded);
	assert_int_equal(ports_parse("53,answer=never,replay=10m,early=http-safe",
				     ports, why, sizeof(why)),
			 0);
	assert_int_equal(ports[53].mode, PORT_guard);
	assert_int_equal(ports[53].answer, ANSWER_never);
	assert_int_equal(ports[53].replay, 600);
	assert_int_equal(ports[53].early, EARLY_http_safe);
}

/* What is not named stays as it was. */
static void test_on_top(void **state)
{
	char why[128];

	(void)state;
	memset(ports, 0, sizeof(ports));
	ports[80] = (struct port_policy){ .mode = PORT_off,
					  .forged = FORGED_drop,
					  .over_source = OVER_drop };
	assert_int_equal(ports_parse("80,answer=always", ports, why,
				     sizeof(why)),
			 0);
	assert_memory_equal(&ports[80],
			    (&(struct port_policy){ .mode = PORT_off,
						    .forged = FORGED_drop,
						    .answer = ANSWER_always,
						    .over_source = OVER_drop }),
			    sizeof(*ports));
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",	       "0",		  "65536",	 "-1",
		"+443",	       "443x",		  " 443",	 "443,",
		"443,mode",    "443,mode=",	  "443,mode=on", "443,forged=no",
		"443,mode=unguarded",		  "443,answer=",
		"443,answer=off", "443,replay=10", "443,replay=2h",
		"443,replay=",	  "443,early=http_safe", "0443",
		"99999999999999999999",
		"1,mode=guard,mode=guard,mode=guard,mode=guard,mode=guard,"
		"mode=guard,mode=guard,mode=guard,mode=guard,mode=guard,mode=guard,"
		"mode=off",
	};
	char why[128];

	(void)state;
	memset(ports, 0, sizeof(ports));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		why[0] = '\0';
		assert_int_equal(ports_parse(bad[i], ports, why, sizeof(why)),
				 -EINVAL);
		assert_true(strlen(why) > 0);
		for (int port = 0; port < PORT_COUNT; port++)
			assert_int_equal(ports[port].mode, PORT_unguarded);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_on_top),
		cmocka_unit_test(test_bad),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
