// SPDX-License-Identifier: GPL-2.0
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_WAIT_S 10

int lock_take(struct fault *f)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	const char *what = RUN_FOLDER;
	int fd = -1;

	if (!mkdir(RUN_FOLDER, 0755) || errno == EEXIST) {
		what = LOCK_FILE;
		fd = open(LOCK_FILE, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	}
	if (fd < 0) {
		int err = errno;

		if (geteuid() != 0)
			fault_advise(f, "run it as root");
		return fault_fail(f, EXIT_FAILED, err, "%s: %s", what,
				  strerror(err));
	}
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (i == LOCK_WAIT_S * 10) {
			close(fd);
			fault_advise(f, "try again when it is done");
			return fault_fail(f, EXIT_FAILED, EBUSY,
					  "another tfoguard is changing guards "
					  "and holds " LOCK_FILE);
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}
