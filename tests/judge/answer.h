/* SPDX-License-Identifier: GPL-2.0 */
/* What a server said to a SYN, without what two servers say differently by
 * chance: sequence number, timestamp, padding. */
#ifndef TFOGUARD_TESTS_ANSWER_H
#define TFOGUARD_TESTS_ANSWER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum answer_kind { ANSWER_NONE, ANSWER_SYNACK, ANSWER_RST };

struct answer {
	uint8_t kind; /* enum answer_kind */
	uint8_t flags;
	uint8_t reserved; /* bits, of which one is a flag of accurate ECN */
	uint8_t again; /* further answers: one, where the SYN came twice */
	uint16_t window;
	uint32_t ack;
	uint32_t seq; /* of an RST */
	int8_t cookie_len; /* -1 without a Fast Open option */
	uint8_t cookie_kind;
	uint8_t cookie[16];
	uint8_t n_options; /* bytes of the others */
	uint8_t options[40];
};

/* Where TCP starts in a frame with a TCP segment, or 0. */
uint32_t answer_tcp(const uint8_t *frame, uint32_t len);

/* @tcp and the bytes up to the frame's end. */
void answer_read(const uint8_t *tcp, uint32_t len, struct answer *);

/* Equal but for the Fast Open option. */
bool answer_equal_apart(const struct answer *, const struct answer *);
bool answer_equal_cookie(const struct answer *, const struct answer *);

void answer_print(FILE *, const char *who, const struct answer *);

#endif
