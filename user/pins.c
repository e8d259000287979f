// SPDX-License-Identifier: GPL-2.0
#include "pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kernel.h"

#define BPFFS "/sys/fs/bpf"

/* Whether what this process mounts is seen by the rest of the system. */
static bool mounts_last(void)
{
	struct stat ours, init;

	return stat("/proc/self/ns/mnt", &ours) == 0 &&
	       stat("/proc/1/ns/mnt", &init) == 0 && ours.st_ino == init.st_ino;
}

int pins_mount(struct fault *f)
{
	struct statfs fs;

	if (statfs(BPFFS, &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (!mounts_last()) {
		fault_advise(f, "enter a network namespace by \"nsenter "
				"--net=/run/netns/NAME\" instead of \"ip netns "
				"exec\", or mount bpffs on " BPFFS " here");
		return fault_fail(f, EXIT_FAILED, ENOENT,
				  BPFFS " is hidden in this mount namespace, "
				  "and what is mounted here would vanish with "
				  "this command");
	}
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=0700")) {
		int err = errno;

		fault_advise(f, "mount it: mount -t bpf bpf " BPFFS);
		return fault_fail(f, EXIT_FAILED, err,
				  "bpffs is not mounted on " BPFFS
				  " and can't be: %s",
				  strerror(err));
	}
	return 0;
}

int pins_path(unsigned int ifindex, const char *name, char path[PIN_PATH_MAX])
{
	unsigned long long netns;
	char folder[16] = "";
	int err = kernel_netns_cookie(&netns);

	if (err)
		return err;
	if (ifindex)
		snprintf(folder, sizeof(folder), "/%u", ifindex);
	snprintf(path, PIN_PATH_MAX, PINS_ROOT "/%llu%s%s%s", netns, folder,
		 name ? "/" : "", name ?: "");
	return 0;
}

static int make_folder(const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

int pins_make(unsigned int ifindex)
{
	char netns[PIN_PATH_MAX], folder[PIN_PATH_MAX];

	return pins_path(0, NULL, netns) ?:
	       pins_path(ifindex, NULL, folder) ?:
	       make_folder(PINS_ROOT) ?:
	       make_folder(netns) ?:
	       make_folder(folder);
}

int pins_open(unsigned int ifindex, const char *name)
{
	char path[PIN_PATH_MAX];
	int err = pins_path(ifindex, name, path), fd;

	if (err)
		return err;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

int pins_put(int fd, unsigned int ifindex, const char *name)
{
	char path[PIN_PATH_MAX], fresh[PIN_PATH_MAX + 4];
	int err = pins_path(ifindex, name, path);

	if (err)
		return err;
	/* bpffs takes no dots in names. */
	snprintf(fresh, sizeof(fresh), "%s-new", path);
	unlink(fresh);
	if (bpf_obj_pin(fd, fresh))
		return -errno;
	if (rename(fresh, path)) {
		err = -errno;
		unlink(fresh);
	}
	return err;
}

int pins_put_first(int fd, unsigned int ifindex, const char *name)
{
	char path[PIN_PATH_MAX];
	int err = pins_path(ifindex, name, path);

	if (err)
		return err;
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

static int remove_all(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    unlinkat(dirfd(dir), entry->d_name, 0))
			err = -errno;
	closedir(dir);
	if (!err && rmdir(folder))
		err = -errno;
	return err;
}

static int found_one(unsigned int ifindex, void *arg)
{
	(void)ifindex;
	(void)arg;
	return 1;
}

int pins_remove(unsigned int ifindex)
{
	char path[PIN_PATH_MAX];
	int err = pins_path(ifindex, NULL, path) ?: remove_all(path);

	if ((err && err != -ENOENT) || pins_each(found_one, NULL) != 0)
		return err == -ENOENT ? 0 : err;
	err = pins_path(0, NULL, path) ?: remove_all(path);
	rmdir(PINS_ROOT); /* unless other namespaces have guards */
	return err == -ENOENT ? 0 : err;
}

int pins_each(int (*visit)(unsigned int ifindex, void *arg), void *arg)
{
	char path[PIN_PATH_MAX], *end;
	struct dirent *entry;
	unsigned long ifindex;
	int err = pins_path(0, NULL, path);
	DIR *dir;

	if (err)
		return err;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (entry = readdir(dir))) {
		ifindex = strtoul(entry->d_name, &end, 10);
		if (ifindex > 0 && ifindex <= UINT_MAX && !*end)
			err = visit((unsigned int)ifindex, arg);
	}
	closedir(dir);
	return err;
}
