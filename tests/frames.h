/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames from a description, for unit tests, program tests, fuzz seeds and the
 * bench. What a description leaves out has a sensible value: a SYN by Ethernet
 * and IPv4 from 192.0.2.1:40000 to 192.0.2.2:443 (IPv6: fd00:99::1 and ::2),
 * all checksums right.
 */
#ifndef TFOGUARD_TESTS_FRAMES_H
#define TFOGUARD_TESTS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "keyring.h"

#define FRAME_MAX 16384

struct frame_tag {
	unsigned short tpid, tci; /* host byte order */
};

struct frame {
	bool ipv6;
	bool no_ethernet;
	struct frame_tag tags[3]; /* outer first; ends at TPID 0 */
	unsigned short ethertype; /* 0: of the IP version */
	unsigned char dmac_last; /* destination is 02:00:00:00:00:XX */

	unsigned char version_ihl; /* 0: right for what follows */
	unsigned char tos; /* IPv6: traffic class */
	const char *ip_options; /* hex, multiple of 4 bytes */
	unsigned short frag_off; /* IPv4, host byte order */
	unsigned char protocol; /* 0: TCP */
	/* IPv6 extension headers in order, by letter: h(op-by-hop), r(outing),
	 * R(outing with a segment left), d(estination), a(tomic fragment),
	 * f(irst fragment), l(ater fragment). */
	const char *extensions;
	int ip_len_more; /* added to the IP length that is right */
	const char *saddr, *daddr;

	unsigned short sport, dport;
	unsigned char flags; /* 0: SYN */
	unsigned char doff; /* in words; 0: right */
	/*
	 * Options by name, padded with end-of-list to whole words:
	 *   mss sackok ts nop eol ws
	 *   tfo tfo:COOKIE tfo/N      kind 34: request, cookie, N bytes of 0xaa
	 *   exp exp:COOKIE exp/N      kind 254 with the magic
	 *   raw:HEX
	 * COOKIE is current, previous, staged or other, of the keys below.
	 */
	const char *options;
	size_t data_len;
	const char *data; /* its first bytes; NULL: some */
	unsigned short check_error; /* XORed into the TCP checksum */
	size_t padding; /* bytes behind the IP packet */
};

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define URG 0x20
#define ECE 0x40
#define CWR 0x80

/* The keys that COOKIE names stand for; "other" is in no ring. */
extern const struct siphash_key frame_keys[4];
#define FRAME_KEY_OTHER 3

/* The ring that holds the first three. */
void frame_ring(struct keyring *ring);

/* Builds it into @out of FRAME_MAX bytes; returns its length. */
size_t frame_build(const struct frame *, unsigned char *out);

/* Options alone; returns their length, a multiple of 4. */
size_t frame_options(const struct frame *, unsigned char *out);

/* Whether the checksums of the frame's IP packet are right. */
bool frame_checksums_right(const struct frame *, const unsigned char *frame);

#endif
