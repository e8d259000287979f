// SPDX-License-Identifier: GPL-2.0
/* Captures, and the pure stages over what they hold. */
#include "capture.h"
#include "fuzz.h"
#include "packets.h"
#include "pipeline.h"

static void check_packet(const struct captured *packet, bool bare_ip)
{
	size_t before = bare_ip ? 0 : 2;
	uint8_t *copy = exact_copy(packet->frame, packet->len, before);
	struct keyring ring;
	struct syn s;

	frame_ring(&ring);
	must(capture_ip_end(copy + before, packet->len, bare_ip) <=
	     packet->len);
	pipeline(copy + before, packet->len, bare_ip, &ring, &s);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture *capture = NULL;
	struct captured packet;
	struct fault f = { 0 };
	unsigned long n = 0;
	int got;

	if (capture_open(&capture, file_of(data, size), &f)) {
		must(f.exit && f.why[0] && !capture);
		return 0;
	}
	while ((got = capture_next(capture, &packet, &f)) == 1) {
		must(packet.number == ++n);
		check_packet(&packet, capture_is_bare_ip(capture));
	}
	must(!got || (f.exit && f.why[0]));
	capture_close(capture);
	return 0;
}
