// SPDX-License-Identifier: GPL-2.0
/*
 * The pure stages. Of the input the first byte says what stands before the IP
 * header, the next two how many bytes the frame has beyond the first buffer.
 */
#include "fuzz.h"
#include "packets.h"
#include "pipeline.h"

static void check_syn(const struct syn *s, const struct packet *p, size_t size)
{
	must(s->class >= SYN_PLAIN && s->class <= SYN_DATA);
	must(s->header_len >= TCP_HEADER && s->header_len <= TCP_HEADER_MAX);
	must(s->l4 + s->header_len <= size || s->header_len == TCP_HEADER);
	must(s->l4 + s->header_len + s->data_len <= p->len);
	must(!(s->tfo_bytes >> (s->header_len - TCP_HEADER)));
	if (s->class == SYN_COOKIE || s->class == SYN_BAD_LENGTH ||
	    s->class == SYN_REQUEST)
		must(s->tfo_bytes >> s->tfo_at & 1);
	if (s->proven)
		must(s->class == SYN_COOKIE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct port_policy ports[PORT_COUNT];
	static struct keyring ring;
	uint8_t bare_ip, beyond[2], *copy, *frame;
	struct packet p = { 0 };
	struct bytes bytes;
	struct syn s;
	enum verdict v;

	if (!ring.slot[0].origin) {
		frame_ring(&ring);
		row_ports(ports);
	}
	take(&data, &size, &bare_ip, 1);
	take(&data, &size, beyond, 2);
	bare_ip &= 1;
	copy = exact_copy(data, size, bare_ip ? 0 : 2);
	frame = copy + (bare_ip ? 0 : 2);
	bytes = (struct bytes){ .data = frame, .end = frame + size };
	p.len = (__u32)size + beyond[0] + 256U * beyond[1];
	v = whole_pipeline(&bytes, bare_ip, ports, &ring, &p, &s);
	must(v > UNDECIDED && v < VERDICT_COUNT);
	must(!size || !memcmp(frame, data, size));
	if (s.class && v != V_unparsed_tcp)
		check_syn(&s, &p, size);
	free(copy);
	return 0;
}
