/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What times the program by BPF_PROG_TEST_RUN, beside an empty program: the
 * program, its listeners, and what puts a frame back before each run. In a
 * network namespace of its own (tests/isolate). Whatever fails ends the bench.
 */
#ifndef TFOGUARD_BENCH_RIG_H
#define TFOGUARD_BENCH_RIG_H

#include <stdbool.h>
#include <stddef.h>

#include "frames.h"
#include "judge.h"
#include "vary.h"

/* Ports to which frames go: forged ones to the second are dropped, the third
 * is under pressure once rig_press() was called. */
#define LISTEN_PORT 443
#define DROP_PORT 444
#define PRESSED_PORT 445

struct restore_bpf;

struct rig {
	struct judge *judge;
	struct restore_bpf *guard, *empty; /* restorers, and what is behind */
	int guard_fd, empty_fd, tun;
	unsigned int repeat; /* runs in one call */
};

_Noreturn void rig_die(const char *what, int err);

void rig_open(struct rig *, unsigned int repeat);
void rig_close(struct rig *);

/* Each has Fast Open on, and both families. */
void rig_listen(int port);

/* Fills the SYN queue of PRESSED_PORT, which empties by half in seven seconds. */
void rig_press(struct rig *);

/* A path that ends elsewhere than it should would be timed under a wrong name. */
void rig_check(struct rig *, const char *name, const struct frame *,
	       const struct vary *, enum verdict);

/* Nanoseconds of one run of the empty program. */
double rig_empty_ns(struct rig *);

/* Nanoseconds of one run beyond the empty program: of a frame that stays as it
 * is; and of one that is put back, and varies, on so many CPUs at once. */
double rig_beyond_ns(struct rig *, const struct frame *, double empty_ns);
double rig_restored_ns(struct rig *, const struct frame *, const struct vary *,
		       int cpus);

double rig_median(double *values, int n); /* sorts them */

#endif
