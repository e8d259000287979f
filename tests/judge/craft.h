/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A random SYN, from the run's seed and its number alone: any one of a run can
 * be made again.
 */
#ifndef TFOGUARD_TESTS_CRAFT_H
#define TFOGUARD_TESTS_CRAFT_H

#include <stdbool.h>
#include <stdint.h>

#include "siphash.h"

/* Both ends of the wire; the same on either side, so that either gets the same
 * bytes. The server's IPv4 and IPv6 address, and where the clients live. */
#define SERVER_MAC "\x02\x00\x00\x00\x00\x01"
#define CLIENT_MAC "\x02\x00\x00\x00\x00\x02"
#define SERVER_IPV4 "\xc0\x00\x02\x01" /* 192.0.2.1 */
/* 2001:db8::1 */
#define SERVER_IPV6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define CLIENT_IPV4_NET 10 /* 10.0.0.0/8: 24 bits for the number */
#define CLIENT_IPV6_NET 0xfd /* fd00::/8: the number in the last 24 bits */
#define NUMBERS (1U << 24)

#define DATA_MAX 8800
#define FRAME_MAX (DATA_MAX + 700)

/*
 * What listens; clients choose among them by chance.
 * X(name, port, tfo, own key, no cookie, dual stack, anything at all)
 */
#define LISTENERS(X)                                                           \
	X(usual, 8001, 1, 0, 0, 0, 1)                                          \
	X(own_key, 8002, 1, 1, 0, 0, 1)                                        \
	X(no_cookie, 8003, 1, 0, 1, 0, 1)                                      \
	X(dual_stack, 8004, 1, 0, 0, 1, 1)                                     \
	X(without_tfo, 8005, 0, 0, 0, 0, 1)                                    \
	X(nothing, 8006, 0, 0, 0, 0, 0)

enum listener_id {
#define X(name, ...) LISTENER_##name,
	LISTENERS(X)
#undef X
	LISTENER_COUNT
};

struct listener {
	const char *name;
	uint16_t port;
	bool tfo, own_key, no_cookie, dual_stack, exists;
};

extern const struct listener listeners[LISTENER_COUNT];

/* Whose cookies clients show. X(name, share of the cookies in 100) */
#define COOKIE_KEYS(X)                                                         \
	X(primary, 38)                                                         \
	X(backup, 18)                                                          \
	X(own, 14)                                                             \
	X(own_backup, 6)                                                       \
	X(old, 8)                                                              \
	X(old_backup, 4)                                                       \
	X(unknown, 8)                                                          \
	X(zero, 4)

enum cookie_key {
#define X(name, share) KEY_##name,
	COOKIE_KEYS(X)
#undef X
	KEY_COUNT
};

struct run {
	uint64_t seed;
	uint32_t data_max; /* bytes of data in a SYN */
	uint32_t tags_max; /* VLAN tags of a frame */
	const struct siphash_key *keys; /* by enum cookie_key */
};

struct syn {
	uint32_t number;
	enum listener_id listener;
	bool ipv6;
	bool lengthless; /* IPv6 that leaves its length to an option */
	bool twice; /* it is sent again before its connection ends */
	uint8_t frame[FRAME_MAX];
	uint32_t len; /* bytes of the frame */
	uint32_t l4; /* where TCP starts */
	uint32_t tcp_len; /* bytes of TCP, by the lengths as they should be */
	uint32_t isn;
	uint8_t client[16]; /* its address: 4 bytes or 16 */
};

void craft_syn(const struct run *, uint32_t number, struct syn *);

/* The SYN that is answered whatever happens: when its answer is there, those of
 * all that was sent before it are too. */
void craft_sentinel(const struct run *, uint32_t number, struct syn *);

/* What ends the connection that a SYN-ACK made: @flags, from the client with
 * number @number. Returns the frame's length. */
uint32_t craft_segment(const uint8_t *answer, uint8_t flags, uint32_t seq,
		       uint32_t ack, uint8_t *frame);

/* Whose address this is; false where it is no client's. */
bool craft_number(const uint8_t *address, bool ipv6, uint32_t *number);

/* The cookie that the key makes for the SYN's addresses. */
void craft_cookie(const struct siphash_key *, const struct syn *,
		  uint8_t cookie[8]);

/*
 * The Fast Open option that counts, read as tcp_parse_options() does: its
 * cookie's length, or -1 where there is none.
 */
int craft_counting_option(const struct syn *, uint8_t *kind);

#endif
