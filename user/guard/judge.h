/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The very program, run on packets from memory (BPF_PROG_TEST_RUN): for
 * explain, the tests and the bench. Needs no interface.
 */
#ifndef TFOGUARD_JUDGE_H
#define TFOGUARD_JUDGE_H

#include <stddef.h>

#include "fault.h"
#include "keyring.h"
#include "program.h"

struct judge;

struct judgement {
	enum verdict verdict;
	enum family family;
	enum action action; /* what the verdict stands for */
	__u32 xdp_action; /* what the program returned: XDP_PASS, XDP_DROP */
	__u32 out_len; /* bytes of the frame that came out */
};

#define JUDGE_FRAME_MAX 262144 /* as libpcap */

int judge_open(struct judge **, const struct program_config *,
	       const struct keyring *, struct fault *);
void judge_close(struct judge *);

/* Another ring, from the next packet on. */
int judge_set_keyring(struct judge *, const struct keyring *);

/* Other limits, just as they are. */
int judge_set_tuning(struct judge *, const struct tuning *);

/* Where the settings freeze the clock: what it shows from the next packet on,
 * in nanoseconds. */
int judge_set_time(struct judge *, __u64 ns);

/* Runs one frame of @len bytes; what comes out goes to @out, which has room for
 * JUDGE_FRAME_MAX. -EMSGSIZE where it is longer than that, or than the kernel
 * allows. */
int judge_packet(struct judge *, const void *frame, __u32 len, void *out,
		 struct judgement *);

/* For runs of one's own; not to be closed. */
int judge_program_fd(const struct judge *);

/* A map of the program's, as it is called in bpf/; not to be closed. Negative
 * where there is none. */
int judge_map_fd(const struct judge *, const char *name);

const char *judge_verdict_name(enum verdict);
const char *judge_action_name(enum action);

#endif
