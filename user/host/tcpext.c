// SPDX-License-Identifier: GPL-2.0
#include "tcpext.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By how they begin, so that counters of newer kernels are told as well. */
static bool is_ours(const char *name)
{
	static const char *const starts[] = { "TCPFastOpen", "Syncookies",
					      "TCPReqQFull", "Listen" };

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
		if (!strncmp(name, starts[i], strlen(starts[i])))
			return true;
	return false;
}

/* A line of names and the line of their values below it, word by word. */
static void pair(char *names, char *values,
		 void (*visit)(const char *name, unsigned long long value,
			       void *arg),
		 void *arg)
{
	char *name, *value;

	while ((name = strsep(&names, " \n")) &&
	       (value = strsep(&values, " \n")))
		if (is_ours(name))
			visit(name, strtoull(value, NULL, 10), arg);
}

int tcpext_each(void (*visit)(const char *name, unsigned long long value,
			      void *arg),
		void *arg)
{
	char *names = NULL, *values = NULL;
	size_t names_size = 0, values_size = 0;
	FILE *f = fopen("/proc/net/netstat", "re");
	int err = -ENODATA;

	if (!f)
		return -errno;
	while (err && getline(&names, &names_size, f) > 0 &&
	       getline(&values, &values_size, f) > 0) {
		if (strncmp(names, "TcpExt:", 7))
			continue;
		pair(names, values, visit, arg);
		err = 0;
	}
	free(names);
	free(values);
	fclose(f);
	return err;
}
