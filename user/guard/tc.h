/* SPDX-License-Identifier: GPL-2.0 */
/* A BPF program at the tc ingress of a device. */
#ifndef TFOGUARD_TC_H
#define TFOGUARD_TC_H

#include <stdbool.h>

/*
 * Attaches @prog_fd, or puts it in the place of the one that was attached so
 * before; makes the clsact qdisc where there is none, and says so in
 * @made_qdisc. -EEXIST where another tool's filter stands in our place.
 */
int tc_attach(unsigned int ifindex, int prog_fd, bool *made_qdisc);

/* 1: one of ours is there; 0: none is; negative errno where that can't be
 * told, as without CAP_SYS_ADMIN. */
int tc_is_attached(unsigned int ifindex);

/* Takes it off, and the qdisc if @remove_qdisc and it is empty then. Fine where
 * nothing is there any more. */
int tc_detach(unsigned int ifindex, bool remove_qdisc);

#endif
