/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libxdp 1.3 does not close the descriptors of programs that it read from the
 * kernel, so that a daemon would run out of them. Whatever uses it closes what
 * it left.
 */
#ifndef TFOGUARD_LEFTOVERS_H
#define TFOGUARD_LEFTOVERS_H

#include <sys/select.h>

/* Descriptors of this process, those that fit. */
struct leftovers {
	fd_set before;
};

void leftovers_begin(struct leftovers *);

/* Closes those of programs that were opened since; none may be in use. */
void leftovers_close(struct leftovers *);

#endif
