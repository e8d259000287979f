// SPDX-License-Identifier: GPL-2.0
#include "pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

/* Whether what this process mounts is seen by the rest of the system; negative
 * errno where it may not know. */
static int mounts_last(void)
{
	struct stat ours, init;

	if (stat("/proc/self/ns/mnt", &ours) || stat("/proc/1/ns/mnt", &init))
		return -errno;
	return ours.st_ino == init.st_ino;
}

static int not_mounted(struct fault *f, int err)
{
	fault_advise(f, "mount it: mount -t bpf bpf " BPFFS);
	return fault_fail(f, EXIT_FAILED, err,
			  "bpffs is not mounted on " BPFFS " and can't be: %s",
			  strerror(err));
}

int pins_mount(struct fault *f)
{
	struct statfs fs;
	int last;

	if (statfs(BPFFS, &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
		return 0;
	last = mounts_last();
	if (last < 0)
		return not_mounted(f, -last);
	if (!last) {
		fault_advise(f, "enter a network namespace by \"nsenter "
				"--net=/run/netns/NAME\" instead of \"ip netns "
				"exec\", or mount bpffs on " BPFFS " here");
		return fault_fail(f, EXIT_FAILED, ENOENT,
				  BPFFS " is hidden in this mount namespace, "
				  "and what is mounted here would vanish with "
				  "this command");
	}
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=0700"))
		return not_mounted(f, errno);
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

/* With all in it; one that is not there is done. */
static int remove_folder(const char *path)
{
	char inner[PIN_PATH_MAX];
	DIR *dir = opendir(path);
	struct dirent *entry;
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    !unlinkat(dirfd(dir), entry->d_name, 0))
			continue;
		if (errno != EISDIR ||
		    snprintf(inner, sizeof(inner), "%s/%s", path,
			     entry->d_name) >= (int)sizeof(inner))
			err = -errno;
		else
			err = remove_folder(inner) ?: err;
	}
	closedir(dir);
	if (!err && rmdir(path))
		err = -errno;
	return err;
}

/* The folder beside the interface's own, for pins not yet or no more in force. */
static int spare_path(unsigned int ifindex, char path[PIN_PATH_MAX])
{
	char folder[32];

	/* bpffs takes no dots in names. */
	snprintf(folder, sizeof(folder), "%u-spare", ifindex);
	return pins_path(0, folder, path);
}

int pins_make(void)
{
	char netns[PIN_PATH_MAX];

	return pins_path(0, NULL, netns) ?:
	       make_folder(PINS_ROOT) ?:
	       make_folder(netns);
}

int pins_begin(unsigned int ifindex)
{
	char spare[PIN_PATH_MAX];

	return pins_make() ?:
	       spare_path(ifindex, spare) ?:
	       remove_folder(spare) ?:
	       make_folder(spare);
}

int pins_add(int fd, unsigned int ifindex, const char *name)
{
	char spare[PIN_PATH_MAX], path[PIN_PATH_MAX + 32];
	int err = spare_path(ifindex, spare);

	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/%s", spare, name);
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

int pins_commit(unsigned int ifindex)
{
	char path[PIN_PATH_MAX], spare[PIN_PATH_MAX];
	int err = pins_path(ifindex, NULL, path) ?: spare_path(ifindex, spare);

	if (err)
		return err;
	if (!renameat2(AT_FDCWD, spare, AT_FDCWD, path, RENAME_EXCHANGE)) {
		remove_folder(spare); /* should some stay: it does no harm */
		return 0;
	}
	if (errno != ENOENT || rename(spare, path))
		return -errno;
	return 0;
}

void pins_abort(unsigned int ifindex)
{
	char spare[PIN_PATH_MAX];

	if (!spare_path(ifindex, spare))
		remove_folder(spare);
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

/* Calls @visit with the index of each interface that has a folder in @netns. */
static int each_in(const char *netns,
		   int (*visit)(unsigned int ifindex, void *arg), void *arg)
{
	DIR *dir = opendir(netns);
	struct dirent *entry;
	unsigned long ifindex;
	int err = 0;
	char *end;

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

static int found_one(unsigned int ifindex, void *arg)
{
	(void)ifindex;
	(void)arg;
	return 1;
}

/* Where no interface has pins any more, nor does the namespace. */
static int remove_if_empty(const char *netns)
{
	int err = each_in(netns, found_one, NULL);

	if (err)
		return err > 0 ? 0 : err;
	err = remove_folder(netns);
	rmdir(PINS_ROOT); /* unless other namespaces have guards */
	return err;
}

int pins_remove(unsigned int ifindex)
{
	char path[PIN_PATH_MAX], spare[PIN_PATH_MAX];
	int err = pins_path(ifindex, NULL, path) ?:
		  spare_path(ifindex, spare) ?:
		  remove_folder(spare);

	if (err)
		return err;
	/* Gone in one step for those who read it at this moment. */
	if (rename(path, spare) && errno != ENOENT)
		return -errno;
	return remove_folder(spare);
}

int pins_tidy(void)
{
	char netns[PIN_PATH_MAX];

	return pins_path(0, NULL, netns) ?: remove_if_empty(netns);
}

int pins_each(int (*visit)(unsigned int ifindex, void *arg), void *arg)
{
	char netns[PIN_PATH_MAX];

	return pins_path(0, NULL, netns) ?: each_in(netns, visit, arg);
}

struct sweep {
	const char *netns;
	bool (*is_dead)(int link_fd);
	bool swept;
};

static int sweep_one(unsigned int ifindex, void *arg)
{
	char folder[PIN_PATH_MAX], path[PIN_PATH_MAX + 8];
	struct sweep *sweep = arg;
	int fd;

	snprintf(folder, sizeof(folder), "%s/%u", sweep->netns, ifindex);
	snprintf(path, sizeof(path), "%s/" PIN_LINK, folder);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (sweep->is_dead(fd) && !remove_folder(folder))
		sweep->swept = true;
	close(fd);
	return 0;
}

void pins_sweep(bool (*is_dead)(int link_fd))
{
	char netns[PIN_PATH_MAX];
	struct dirent *entry;
	DIR *root = opendir(PINS_ROOT);

	if (!root)
		return;
	while ((entry = readdir(root))) {
		struct sweep sweep = { .netns = netns, .is_dead = is_dead };

		if (entry->d_name[0] == '.')
			continue;
		snprintf(netns, sizeof(netns), PINS_ROOT "/%.64s",
			 entry->d_name);
		each_in(netns, sweep_one, &sweep);
		if (sweep.swept)
			remove_if_empty(netns);
	}
	closedir(root);
}
