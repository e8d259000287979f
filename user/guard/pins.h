/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guard's places in bpffs, in which the data plane lives on when no
 * process of ours does:
 *
 *   /sys/fs/bpf/tfoguard/NETNS-COOKIE/keyring,...         one per namespace
 *   /sys/fs/bpf/tfoguard/NETNS-COOKIE/IFINDEX/link        attached alone, or
 *   /sys/fs/bpf/tfoguard/NETNS-COOKIE/IFINDEX/turn,taken  attached chained
 *   /sys/fs/bpf/tfoguard/NETNS-COOKIE/IFINDEX/program     what runs
 *   /sys/fs/bpf/tfoguard/NETNS-COOKIE/IFINDEX/<map>       its maps
 *   /sys/fs/bpf/tfoguard/NETNS-COOKIE/IFINDEX-spare       being made or removed
 *
 * By cookie and index and not by name: names collide between namespaces, and
 * change.
 */
#ifndef TFOGUARD_PINS_H
#define TFOGUARD_PINS_H

#include <stdbool.h>

#include "fault.h"

#define PINS_ROOT "/sys/fs/bpf/tfoguard"
#define PIN_PATH_MAX 128

#define PIN_KEYRING "keyring"
#define PIN_LIST4 "list4"
#define PIN_LIST6 "list6"
#define PIN_LIST_SIZES "list_sizes"
#define PIN_LINK "link"
#define PIN_TURN "turn"
#define PIN_TAKEN "taken"
#define PIN_PROGRAM "program"

/* Mounts bpffs where it isn't. Refuses where the mount would vanish with this
 * process ("ip netns exec"), and the guard with it. */
int pins_mount(struct fault *);

/* The pin @name of interface @ifindex; of the namespace where @ifindex is 0;
 * the folder itself where @name is NULL. */
int pins_path(unsigned int ifindex, const char *name, char path[PIN_PATH_MAX]);

/* The namespace's own folder, for pins of no interface. */
int pins_make(void);

/*
 * The pins of an interface come into force together, in the place of those that
 * were, in one step: pins_begin(), pins_add() each, pins_commit() or pins_abort(). Who
 * is killed before leaves what was.
 */
int pins_begin(unsigned int ifindex);
int pins_add(int fd, unsigned int ifindex, const char *name);
int pins_commit(unsigned int ifindex);
void pins_abort(unsigned int ifindex);

/* Opens a pin; -ENOENT where there is none. */
int pins_open(unsigned int ifindex, const char *name);

/* Pins @fd, in the place of what is there in one step. */
int pins_put(int fd, unsigned int ifindex, const char *name);

/* Pins @fd where nothing is; for a link, which a second name would hold too. */
int pins_put_first(int fd, unsigned int ifindex, const char *name);

/* Removes the interface's folder with all in it. Also what of that an attach left
 * that was killed. */
int pins_remove(unsigned int ifindex);

/* Removes the namespace's own folder where no interface has one any more, and
 * what is above it where that is empty then. */
int pins_tidy(void);

/* Calls @visit with the index of each interface that has a folder; stops at
 * the first that returns non-zero, and returns that. */
int pins_each(int (*visit)(unsigned int ifindex, void *arg), void *arg);

/*
 * Removes the pins, in every namespace, of guards whose link @is_dead: their
 * interface has gone, and maybe the namespace with it. What was attached chained
 * has no link and stays: nothing tells for certain that a namespace is gone.
 */
void pins_sweep(bool (*is_dead)(int link_fd));

#endif
