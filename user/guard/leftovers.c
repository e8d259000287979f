// SPDX-License-Identifier: GPL-2.0
#include "leftovers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void each_descriptor(void (*visit)(int fd, struct leftovers *),
			    struct leftovers *l)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int fd;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		fd = atoi(entry->d_name);
		if (entry->d_name[0] != '.' && fd != dirfd(dir) &&
		    fd < FD_SETSIZE)
			visit(fd, l);
	}
	closedir(dir);
}

static void note(int fd, struct leftovers *l)
{
	FD_SET(fd, &l->before);
}

static void close_fresh(int fd, struct leftovers *l)
{
	static const char program[] = "anon_inode:bpf-prog";
	char path[32], what[sizeof(program)];

	if (FD_ISSET(fd, &l->before))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, what, sizeof(what)) == sizeof(program) - 1 &&
	    !memcmp(what, program, sizeof(program) - 1))
		close(fd);
}

void leftovers_begin(struct leftovers *l)
{
	FD_ZERO(&l->before);
	each_descriptor(note, l);
}

void leftovers_close(struct leftovers *l)
{
	each_descriptor(close_fresh, l);
}
