// SPDX-License-Identifier: GPL-2.0
#include "kernel.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "keytext.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* linux 5.14 */
#endif

/* Reads all of a /proc/sys file into @text. */
static int read_sysctl(const char *name, char *text, size_t size)
{
	char path[PATH_MAX];
	size_t n;
	FILE *f;
	int err;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	for (char *c = path; *c; c++)
		if (*c == '.')
			*c = '/';
	f = fopen(path, "re");
	if (!f)
		return -errno;
	n = fread(text, 1, size - 1, f);
	err = ferror(f) ? -EIO : 0;
	fclose(f);
	text[n] = '\0';
	return err;
}

int kernel_keys(struct siphash_key keys[2])
{
	char text[128];
	int n, err;

	err = read_sysctl("net.ipv4.tcp_fastopen_key", text, sizeof(text));
	if (err)
		return err;
	n = keytext_parse(text, keys);
	explicit_bzero(text, sizeof(text));
	if (n < 0)
		return n;
	if (n == 2 && key_is_empty(&keys[1]))
		n = 1;
	if (n == 1 && key_is_empty(&keys[0]))
		n = 0;
	return n;
}

int kernel_keyring(struct keyring *ring)
{
	static const enum key_slot slots[2] = { KEY_current, KEY_previous };
	struct siphash_key keys[2];
	int n = kernel_keys(keys);

	if (n < 0)
		return n;
	memset(ring, 0, sizeof(*ring));
	for (int i = 0; i < n; i++) {
		ring->slot[slots[i]].secret = keys[i];
		ring->slot[slots[i]].since = (__u64)time(NULL);
		ring->slot[slots[i]].origin = KEY_ORIGIN_kernel;
	}
	explicit_bzero(keys, sizeof(keys));
	return n;
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
	socklen_t len = sizeof(*cookie);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len))
		err = -errno;
	close(fd);
	return err;
}

bool kernel_has_btf(void)
{
	return access("/sys/kernel/btf/vmlinux", R_OK) == 0;
}
