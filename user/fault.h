/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why something could not be done, in the three parts that a user needs: what
 * was tried, why it failed, what to do. Modules fill it and return a negative
 * errno; only the commands print it.
 */
#ifndef TFOGUARD_FAULT_H
#define TFOGUARD_FAULT_H

/* The program's exit codes. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_ATTACHED = 3, /* or not ready */
	EXIT_PARTLY = 4,
};

struct fault {
	enum exit_code exit; /* EXIT_DONE: nothing went wrong */
	char tried[192]; /* completes "cannot …" */
	char why[512];
	char advice[512]; /* an imperative; empty where there is none */
};

/* Fill one part; what does not fit is cut. */
void fault_tried(struct fault *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void fault_advise(struct fault *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Fills why and the exit code; returns -@err, so that callers can return it. */
int fault_fail(struct fault *f, enum exit_code exit, int err,
	       const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
