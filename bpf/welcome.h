/* SPDX-License-Identifier: GPL-2.0 */
/* Which data a port welcomes in a SYN, by its size and its sort. Pure. */
#ifndef TFOGUARD_WELCOME_H
#define TFOGUARD_WELCOME_H

#include "packet.h"
#include "parse.h"

#define TLS_HANDSHAKE 22 /* RFC 8446 section 5.1 */
#define TLS_CLIENT_HELLO 1

/* A TLS record that begins a ClientHello. */
stage int is_client_hello(const struct bytes *bytes, const __u8 *data)
{
	return fits(bytes, data, 6) && data[0] == TLS_HANDSHAKE &&
	       data[1] == 3 && data[5] == TLS_CLIENT_HELLO;
}

/* A method that changes nothing (RFC 9110 section 9.2.1). */
stage int is_safe_request(const struct bytes *bytes, const __u8 *data)
{
	__u32 first;

	if (!fits(bytes, data, 8))
		return 0;
	first = be32(load32(data));
	return first == 0x47455420 /* "GET " */ ||
	       (first == 0x48454144 && data[4] == ' ') /* "HEAD " */ ||
	       (first == 0x4f505449 && be32(load32(data + 4)) == 0x4f4e5320);
}

stage int is_welcome(const struct bytes *bytes, const struct syn *s)
{
	const __u8 *data = tcp_of(bytes, s) + (s->header_len & 63);

	if (s->policy.early_max && s->data_len > s->policy.early_max)
		return 0;
	switch (s->policy.early) {
	case EARLY_tls:
		return is_client_hello(bytes, data);
	case EARLY_http_safe:
		return is_safe_request(bytes, data);
	}
	return 1;
}

#endif
