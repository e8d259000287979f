// SPDX-License-Identifier: GPL-2.0
#include "privileges.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* libxdp, and what turns ids into descriptors, take CAP_SYS_ADMIN. */
static const cap_value_t needed[] = { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON,
				      CAP_SYS_ADMIN };
#define N_NEEDED ((int)(sizeof(needed) / sizeof(*needed)))

static bool shed;
static int depth;

static int set_capabilities(bool effective)
{
	cap_t now = cap_get_proc(), next = cap_init();
	int err = 0;

	if (!now || !next)
		err = -errno;
	for (int i = 0; !err && i < N_NEEDED; i++) {
		cap_flag_value_t has;

		if (cap_get_flag(now, needed[i], CAP_PERMITTED, &has) ||
		    cap_set_flag(next, CAP_PERMITTED, 1, &needed[i], has) ||
		    cap_set_flag(next, CAP_EFFECTIVE, 1, &needed[i],
				 effective ? has : CAP_CLEAR))
			err = -errno;
	}
	if (!err && cap_set_proc(next))
		err = -errno;
	cap_free(now);
	cap_free(next);
	return err;
}

int privileges_shed(void)
{
	const struct rlimit none = { 0 };
	int err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    setrlimit(RLIMIT_CORE, &none))
		return -errno;
	cap_reset_ambient();
	err = set_capabilities(depth > 0);
	if (!err)
		shed = true;
	return err;
}

/* What is permitted can be made effective at any time. */
void privileges_raise(void)
{
	if (!depth++ && shed)
		set_capabilities(true);
}

void privileges_lower(void)
{
	if (!--depth && shed)
		set_capabilities(false);
}
