/* SPDX-License-Identifier: GPL-2.0 */
/* The client's end of a cable: whole frames out, whole frames in. */
#ifndef TFOGUARD_TESTS_WIRE_H
#define TFOGUARD_TESTS_WIRE_H

#include <stdint.h>

struct wire {
	int fd;
	uint64_t sent; /* frames */
};

void wire_open(struct wire *, const char *ifname);
void wire_send(struct wire *, const void *frame, uint32_t len);

/* The length of the next frame from the other end, or 0 where none is there. */
uint32_t wire_receive(struct wire *, void *frame, uint32_t size);

/* Frames that came in and had no room. */
uint64_t wire_lost(struct wire *);

#endif
