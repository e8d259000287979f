/* SPDX-License-Identifier: GPL-2.0 */
/* Captures (pcap, pcapng), as far as the program can be given their packets. */
#ifndef TFOGUARD_CAPTURE_H
#define TFOGUARD_CAPTURE_H

#include <linux/types.h>
#include <stdbool.h>

#include "fault.h"

struct capture;

struct captured {
	unsigned long number; /* from 1 */
	const __u8 *frame; /* until the next one is read */
	__u32 len;
	__u32 whole_len; /* more than @len where the capture cut it */
	__u64 time; /* nanoseconds since the epoch */
};

/* The file is not trusted; "-" is standard input. Fills why and advice of the
 * fault on failure. */
int capture_open(struct capture **, const char *path, struct fault *);
void capture_close(struct capture *);

/* Its frames have no Ethernet header. */
bool capture_is_bare_ip(const struct capture *);

/* 1 for a packet, 0 at the end; negative, with a fault, where what follows
 * can't be read. */
int capture_next(struct capture *, struct captured *, struct fault *);

/* Length of the frame up to the end of its IP packet; @len where it is not IP
 * or the IP packet is longer. */
__u32 capture_ip_end(const void *frame, __u32 len, bool bare_ip);

#endif
