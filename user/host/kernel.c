// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keytext.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* linux 5.14 */
#endif

#define KEY_SYSCTL "net.ipv4.tcp_fastopen_key"

/* Not by stdio, whose buffers would keep keys. */
static int open_sysctl(const char *name, int mode)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	for (char *c = path; *c; c++)
		if (*c == '.')
			*c = '/';
	fd = open(path, mode | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Reads all of a /proc/sys file into @text. */
static int read_sysctl(const char *name, char *text, size_t size)
{
	int fd = open_sysctl(name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	return 0;
}

int kernel_keys(struct kernel_pair *pair)
{
	char text[128];
	int n, err;

	memset(pair, 0, sizeof(*pair));
	err = read_sysctl(KEY_SYSCTL, text, sizeof(text));
	if (err)
		return err;
	n = keytext_parse(text, pair->key);
	explicit_bzero(text, sizeof(text));
	if (n < 0)
		return n;
	while (n > 0 && key_is_empty(&pair->key[n - 1]))
		n--;
	pair->n = n;
	return 0;
}

int kernel_set_keys(const struct kernel_pair *pair)
{
	char text[2 * (KEYTEXT_LEN + 1)];
	size_t length = KEYTEXT_LEN;
	int err = 0, fd;

	if (!pair->n)
		return -EINVAL;
	keytext_format(&pair->key[0], text);
	if (pair->n > 1) {
		text[length++] = ',';
		keytext_format(&pair->key[1], text + length);
		length += KEYTEXT_LEN;
	}
	fd = open_sysctl(KEY_SYSCTL, O_WRONLY);
	if (fd < 0)
		err = fd;
	else if (write(fd, text, length) != (ssize_t)length)
		err = -errno;
	if (fd >= 0)
		close(fd);
	explicit_bzero(text, sizeof(text));
	return err;
}

int kernel_sysctl(const char *name, long *value)
{
	char full[128], text[64], *end;
	int err;

	snprintf(full, sizeof(full), "net.%s", name);
	err = read_sysctl(full, text, sizeof(text));
	if (err)
		return err;
	errno = 0;
	*value = strtol(text, &end, 10);
	return errno || end == text ? -EINVAL : 0;
}

int kernel_netns_cookie(unsigned long long *cookie)
{
	/* No process of ours goes to another namespace, and each pin is
	 * opened by it. The kernel's are never 0. */
	static unsigned long long ours;
	socklen_t len = sizeof(ours);
	int fd, err = 0;

	if (!ours) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
		if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &ours, &len))
			err = -errno;
		close(fd);
	}
	*cookie = ours;
	return err;
}

bool kernel_has_btf(void)
{
	return access("/sys/kernel/btf/vmlinux", R_OK) == 0;
}
