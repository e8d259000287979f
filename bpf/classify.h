/* SPDX-License-Identifier: GPL-2.0 */
/* Which kind of SYN this is, by its options and its data. */
#ifndef TFOGUARD_CLASSIFY_H
#define TFOGUARD_CLASSIFY_H

#include "options.h"
#include "packet.h"
#include "parse.h"

stage enum verdict classify(const struct bytes *bytes, struct syn *s)
{
	struct option_walk w;
	void *tcp, *cookie;

	s->class = s->data_len ? SYN_DATA : SYN_PLAIN;
	if (s->header_len == TCP_HEADER)
		return UNDECIDED;
	tcp = tcp_of(bytes, s);
	/* The kernel reads options from any buffer, we from the first only. */
	if (!fits(bytes, tcp, s->header_len & 63))
		return V_unparsed_tcp;

	options_walk(bytes, tcp + TCP_HEADER, s->header_len - TCP_HEADER, &w);
	s->tfo_bytes = w.tfo_bytes;
	s->is_signed = w.is_signed;
	if (!w.tfo_size)
		return UNDECIDED;
	s->tfo_at = w.tfo_at;
	s->tfo_header = w.tfo_header;
	if (w.tfo_size == w.tfo_header) {
		s->class = SYN_REQUEST;
		return UNDECIDED;
	}
	s->class = SYN_BAD_LENGTH;
	if (w.tfo_size != w.tfo_header + TFO_COOKIE_LEN)
		return UNDECIDED;
	cookie = tcp + TCP_HEADER + (w.tfo_at & 63) + (w.tfo_header & 7);
	if (!fits(bytes, cookie, TFO_COOKIE_LEN))
		return V_unparsed_tcp;
	s->cookie = le64(load64(cookie));
	s->class = SYN_COOKIE;
	return UNDECIDED;
}

#endif
