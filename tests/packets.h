/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of named packets and what becomes of each: the program tests run
 * them, the fuzzers begin with them.
 */
#ifndef TFOGUARD_TESTS_PACKETS_H
#define TFOGUARD_TESTS_PACKETS_H

#include "frames.h"
#include "ports.h"
#include "verdict.h"

enum { FORGED_DROP_PORT = 444, OFF_PORT, DROP_PORT, PASS_PORT, FREE_PORT };

static inline void row_ports(struct port_policy ports[PORT_COUNT])
{
	ports_guard_all(ports);
	ports[FORGED_DROP_PORT].forged = FORGED_drop;
	ports[OFF_PORT].mode = PORT_off;
	ports[DROP_PORT].mode = PORT_drop;
	ports[PASS_PORT].mode = PORT_pass;
	ports[FREE_PORT].mode = PORT_unguarded;
}

/* The program under each of these settings; nothing is looked up. */
enum { ETHERNET, BARE_IP, OBSERVE, JUDGES };

#define LINUX_SYN "mss sackok ts nop ws"
#define MD5 "raw:131200112233445566778899aabbccddeeff"
#define NOPS8 " nop nop nop nop nop nop nop nop"

#define Q8021 0x8100
#define AD8021 0x88a8

static const struct row {
	const char *name;
	struct frame in;
	enum verdict verdict;
	const char *out_options; /* of a stripped one; NULL: as they came */
	bool keeps_data; /* of a stripped one */
	int only; /* 4 or 6; 0: both */
	int judge;
} rows[] = {
	/* Not ours to judge. */
	{ "UDP", { .protocol = 17 }, V_not_tcp },
	{ "ARP", { .ethertype = 0x0806 }, V_not_tcp },
	{ "LLC", { .ethertype = 0x0026 }, V_not_tcp },
	{ "data segment", { .flags = ACK | PSH, .data_len = 1000 }, V_segment },
	{ "SYN-ACK", { .flags = SYN | ACK }, V_segment },
	{ "SYN-FIN", { .flags = SYN | FIN, .options = "tfo:other" }, V_segment },
	{ "SYN-RST", { .flags = SYN | RST, .options = "tfo:other" }, V_segment },
	{ "RST", { .flags = RST }, V_segment },
	{ "no flags", { .flags = PSH }, V_segment },
	{ "segment with an absurd header length",
	  { .flags = ACK, .doff = 2 },
	  V_segment },

	/* Ports. */
	{ "unguarded port", { .dport = FREE_PORT, .options = "tfo:other" },
	  V_unguarded },
	{ "mode pass", { .dport = PASS_PORT, .options = "tfo:other",
			 .data_len = 50 },
	  V_port_pass },
	{ "mode off: plain", { .dport = OFF_PORT, .options = LINUX_SYN },
	  V_plain_syn },
	{ "mode off: request", { .dport = OFF_PORT, .options = "mss tfo nop nop" },
	  V_port_off, "mss nop nop nop nop" },
	{ "mode off: valid cookie and data",
	  { .dport = OFF_PORT, .options = "mss nop nop tfo:current",
	    .data_len = 77 },
	  V_port_off, "mss nop nop nop nop" NOPS8 },
	{ "mode off: odd cookie",
	  { .dport = OFF_PORT, .options = "tfo/3" },
	  V_port_off, "nop nop nop nop nop" },
	{ "mode off: data alone", { .dport = OFF_PORT, .data_len = 3 },
	  V_port_off, "" },
	{ "mode drop: valid cookie and data",
	  { .dport = DROP_PORT, .options = "tfo:current", .data_len = 9 },
	  V_port_drop },
	{ "mode drop: data alone", { .dport = DROP_PORT, .data_len = 9 },
	  V_port_drop },
	{ "mode drop: plain", { .dport = DROP_PORT, .options = LINUX_SYN },
	  V_plain_syn },
	{ "mode drop: request", { .dport = DROP_PORT, .options = "tfo" },
	  V_cookie_request },
	{ "mode drop: valid cookie, no data",
	  { .dport = DROP_PORT, .options = "tfo:current" },
	  V_valid_current },
	{ "mode drop: forged, no data",
	  { .dport = DROP_PORT, .options = "tfo:other nop nop" },
	  V_forged, "tfo" NOPS8 " nop nop" },
	{ "forged=drop: forged",
	  { .dport = FORGED_DROP_PORT, .options = "tfo:other", .data_len = 9 },
	  V_forged_drop },
	{ "forged=drop: valid",
	  { .dport = FORGED_DROP_PORT, .options = "tfo:current", .data_len = 9 },
	  V_valid_current },
	{ "forged=drop: bad length",
	  { .dport = FORGED_DROP_PORT, .options = "tfo/4 nop nop" },
	  V_bad_length, "tfo nop nop nop nop nop nop" },

	/* The rows of the kernel's table. */
	{ "bare SYN", { 0 }, V_plain_syn },
	{ "Linux's SYN", { .options = LINUX_SYN }, V_plain_syn },
	{ "request", { .options = LINUX_SYN " tfo" }, V_cookie_request },
	{ "request, kind 254", { .options = LINUX_SYN " exp" },
	  V_cookie_request },
	{ "request with data", { .options = "tfo", .data_len = 20 },
	  V_cookie_request },
	{ "valid, current key",
	  { .options = LINUX_SYN " tfo:current", .data_len = 200 },
	  V_valid_current },
	{ "valid, no data", { .options = "tfo:current" }, V_valid_current },
	{ "valid, kind 254", { .options = "exp:current", .data_len = 1 },
	  V_valid_current },
	{ "valid, previous key",
	  { .options = LINUX_SYN " tfo:previous", .data_len = 200 },
	  V_valid_previous },
	{ "valid, staged key", { .options = "tfo:staged", .data_len = 200 },
	  V_valid_staged },
	{ "wrong cookie",
	  { .options = LINUX_SYN " tfo:other", .data_len = 200 },
	  V_forged, LINUX_SYN " tfo" NOPS8 },
	{ "wrong cookie, no data", { .options = "tfo:other nop nop" },
	  V_forged, "tfo" NOPS8 " nop nop" },
	{ "wrong cookie, kind 254",
	  { .options = "mss exp:other", .data_len = 31 },
	  V_forged, "mss exp" NOPS8 },
	{ "wrong cookie at an odd offset",
	  { .options = "nop tfo:other nop", .data_len = 31 },
	  V_forged, "nop tfo" NOPS8 " nop" },
	{ "wrong cookie, kind 254, odd offset",
	  { .options = "nop exp:other nop nop nop", .data_len = 32 },
	  V_forged, "nop exp" NOPS8 " nop nop nop" },
	{ "cookie of 2", { .options = "tfo/2", .data_len = 5 }, V_bad_length,
	  "tfo nop nop" },
	{ "cookie of 4", { .options = "tfo/4 nop nop", .data_len = 5 },
	  V_bad_length, "tfo nop nop nop nop nop nop" },
	{ "cookie of 16", { .options = "tfo/16 nop nop", .data_len = 5 },
	  V_bad_length, "tfo" NOPS8 NOPS8 " nop nop" },
	{ "cookie of 18", { .options = "tfo/18", .data_len = 5 },
	  V_bad_length, "tfo" NOPS8 NOPS8 " nop nop" },
	{ "cookie of 38", { .options = "tfo/38", .data_len = 5 }, V_bad_length,
	  "tfo" NOPS8 NOPS8 NOPS8 NOPS8 " nop nop nop nop nop nop" },
	{ "cookie of 6, kind 254", { .options = "exp/6 nop nop" }, V_bad_length,
	  "exp nop nop nop nop nop nop nop nop" },
	{ "cookie of 7: no option", { .options = "tfo/7", .data_len = 4 },
	  V_data_without_cookie, "nop" NOPS8 },
	{ "cookie of 7, no data", { .options = "tfo/7" }, V_plain_syn },
	{ "data without option", { .data_len = 100 }, V_data_without_cookie },
	{ "data without Fast Open", { .options = LINUX_SYN, .data_len = 1 },
	  V_data_without_cookie },

	/* Signed: what would be cut is left alone. */
	{ "signed by MD5, data", { .options = MD5 " nop nop", .data_len = 9 },
	  V_signed_syn },
	{ "signed by AO, wrong cookie",
	  { .options = "raw:1d080102aabbccdd tfo:other nop nop" },
	  V_signed_syn },
	{ "signed, valid cookie",
	  { .options = MD5 " tfo:current", .data_len = 9 },
	  V_valid_current },
	{ "signed, no Fast Open", { .options = MD5 " nop nop" }, V_plain_syn },
	{ "signed, mode off",
	  { .dport = OFF_PORT, .options = MD5 " nop nop", .data_len = 9 },
	  V_port_off },
	{ "signed, mode drop",
	  { .dport = DROP_PORT, .options = MD5 " nop nop", .data_len = 9 },
	  V_port_drop },
	{ "a signature that does not fit is none",
	  { .options = "tfo:other raw:1330", .data_len = 9 },
	  V_forged, "tfo" NOPS8 " raw:1330" },

	/* How the kernel reads options. */
	{ "end of list hides", { .options = "eol tfo:other" }, V_plain_syn },
	{ "size 0 stops", { .options = "raw:0500 tfo:other" }, V_plain_syn },
	{ "size 1 stops", { .options = "raw:0501 tfo:other" }, V_plain_syn },
	{ "size beyond the end stops", { .options = "tfo raw:0530" },
	  V_cookie_request },
	{ "cookie beyond the end stops", { .options = "mss raw:220a0102" },
	  V_plain_syn },
	{ "unknown kinds are skipped",
	  { .options = "raw:fa04ffff tfo:current nop nop" },
	  V_valid_current },
	{ "kind alone in the last byte",
	  { .options = "nop nop nop raw:22" },
	  V_plain_syn },
	{ "253 is not it", { .options = "raw:fd04f989 nop nop" },
	  V_plain_syn },
	{ "254 with another magic", { .options = "raw:fe0cf98aaaaaaaaaaaaaaaaa" },
	  V_plain_syn },
	{ "254 too short for a magic", { .options = "raw:fe02f989 nop nop" },
	  V_plain_syn },
	{ "bad, then valid",
	  { .options = "tfo:other tfo:current", .data_len = 10 },
	  V_valid_current },
	{ "valid, then bad",
	  { .options = "tfo:current tfo:other", .data_len = 10 },
	  V_forged, "nop nop" NOPS8 " tfo" NOPS8 },
	{ "valid, then request", { .options = "tfo:current tfo" },
	  V_cookie_request },
	{ "valid, then cookie of 2",
	  { .options = "tfo:current tfo/2 nop nop", .data_len = 10 },
	  V_bad_length, "nop nop" NOPS8 " tfo nop nop nop nop" },
	{ "valid, then odd",
	  { .options = "tfo:current tfo/7", .data_len = 10 },
	  V_valid_current },
	{ "bad, then odd",
	  { .options = "tfo:other tfo/7 nop", .data_len = 10 },
	  V_forged, "tfo" NOPS8 " nop nop" NOPS8 },
	{ "34, then 254 wins",
	  { .options = "tfo:other exp:current", .data_len = 10 },
	  V_valid_current },
	{ "254, then 34 wins",
	  { .options = "exp:current tfo:other", .data_len = 10 },
	  V_forged, "nop nop nop nop" NOPS8 " tfo" NOPS8 },
	{ "unaligned", { .options = "nop tfo:current", .data_len = 7 },
	  V_valid_current },
	{ "40 NOPs",
	  { .options = "nop nop" NOPS8 NOPS8 NOPS8 NOPS8 " nop nop nop nop nop nop" },
	  V_plain_syn },
	{ "valid after 28 NOPs",
	  { .options = "nop nop nop nop" NOPS8 NOPS8 NOPS8 " tfo:current nop nop" },
	  V_valid_current },
	{ "SYN with PSH and URG",
	  { .flags = SYN | PSH | URG, .options = "tfo:current", .data_len = 1 },
	  V_valid_current },
	{ "SYN with ECE and CWR",
	  { .flags = SYN | ECE | CWR, .options = "tfo:other nop nop" },
	  V_forged, "tfo" NOPS8 " nop nop" },
	{ "cookie of another client",
	  { .saddr = "192.0.2.7", .options = "raw:220aa7065f32bd1c6f26 nop nop" },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 4 },
	{ "the known vector",
	  { .options = "raw:220aa7065f32bd1c6f26 nop nop", .data_len = 8 },
	  V_valid_current, .only = 4 },
	{ "the known vector, IPv6",
	  { .options = "raw:220adc13829b0a150ec5 nop nop", .data_len = 8 },
	  V_valid_current, .only = 6 },

	/* Links. */
	{ "VLAN, valid",
	  { .tags = { { Q8021, 100 } }, .options = "tfo:current" },
	  V_valid_current },
	{ "VLAN, forged",
	  { .tags = { { Q8021, 0xe064 } }, .options = "tfo:other nop nop",
	    .data_len = 99 },
	  V_forged, "tfo" NOPS8 " nop nop" },
	{ "QinQ, forged",
	  { .tags = { { AD8021, 7 }, { Q8021, 100 } },
	    .options = "tfo:other nop nop", .data_len = 99 },
	  V_forged, "tfo" NOPS8 " nop nop" },
	{ "three tags",
	  { .tags = { { AD8021, 7 }, { Q8021, 100 }, { Q8021, 5 } },
	    .options = "tfo:other" },
	  V_unparsed_link },
	{ "bare IP, valid",
	  { .no_ethernet = true, .options = "tfo:current", .data_len = 9 },
	  V_valid_current, .judge = BARE_IP },
	{ "bare IP, forged",
	  { .no_ethernet = true, .options = "tfo:other nop nop", .data_len = 9 },
	  V_forged, "tfo" NOPS8 " nop nop", .judge = BARE_IP },
	{ "padding behind the IP packet",
	  { .options = "tfo:other nop nop", .padding = 20 },
	  V_forged, "tfo" NOPS8 " nop nop" },

	/* IPv4. */
	{ "IP options",
	  { .ip_options = "0101010194040000", .options = "tfo:other nop nop",
	    .data_len = 40 },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 4 },
	{ "don't fragment", { .frag_off = 0x4000, .options = "tfo:current" },
	  V_valid_current, .only = 4 },
	{ "first fragment", { .frag_off = 0x2000, .options = "tfo:other" },
	  V_fragment, .only = 4 },
	{ "later fragment", { .frag_off = 0x0010 }, V_fragment, .only = 4 },
	{ "version 5", { .version_ihl = 0x55 }, V_unparsed_ip, .only = 4 },
	{ "header of 16 bytes", { .version_ihl = 0x44 }, V_unparsed_ip,
	  .only = 4 },
	{ "IP length beyond the frame",
	  { .options = "tfo:other nop nop", .ip_len_more = 1 },
	  V_unparsed_ip },
	{ "IP length short of the TCP header",
	  { .options = "tfo:other nop nop", .ip_len_more = -1 },
	  V_unparsed_tcp },
	{ "IP length short of its own header",
	  { .ip_len_more = -25 },
	  V_unparsed_ip, .only = 4 },

	/* IPv6. */
	{ "version 4 in IPv6", { .version_ihl = 0x45 }, V_unparsed_ip,
	  .only = 6 },
	{ "hop-by-hop", { .extensions = "h", .options = "tfo:current" },
	  V_valid_current, .only = 6 },
	{ "hop-by-hop, destination, forged",
	  { .extensions = "hd", .options = "tfo:other nop nop", .data_len = 33 },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 6 },
	{ "routing, no segment left",
	  { .extensions = "r", .options = "tfo:current" },
	  V_valid_current, .only = 6 },
	{ "routing, a segment left",
	  { .extensions = "R", .options = "tfo:other" },
	  V_not_ours, .only = 6 },
	{ "atomic fragment", { .extensions = "a", .options = "tfo:current" },
	  V_valid_current, .only = 6 },
	{ "atomic fragment, forged",
	  { .extensions = "da", .options = "tfo:other nop nop", .data_len = 2 },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 6 },
	{ "first fragment, IPv6", { .extensions = "f", .options = "tfo:other" },
	  V_fragment, .only = 6 },
	{ "later fragment, IPv6", { .extensions = "l" }, V_fragment,
	  .only = 6 },
	{ "seven extensions",
	  { .extensions = "hdrdadd", .options = "tfo:current" },
	  V_valid_current, .only = 6 },
	{ "as many extensions as the kernel takes",
	  { .extensions = "hdddddddddddddrda", .options = "tfo:other nop nop",
	    .data_len = 7 },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 6 },
	{ "extensions beyond 2 KiB", { .extensions =
	  "hddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
	  "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
	  .options = "tfo:current" },
	  V_unparsed_ip, .only = 6 },
	{ "no payload length, hop-by-hop: all of the frame",
	  { .extensions = "h", .options = "tfo:other nop nop", .data_len = 9,
	    .ip_len_more = -(16 + 20 + 12 + 9) },
	  V_forged, "tfo" NOPS8 " nop nop", .only = 6 },
	{ "no payload length, atomic fragment",
	  { .extensions = "ha", .options = "tfo:other nop nop",
	    .ip_len_more = -(16 + 8 + 20 + 12) },
	  V_unparsed_ip, .only = 6 },
	{ "no payload length, no hop-by-hop",
	  { .options = "tfo:other nop nop", .ip_len_more = -(20 + 12) },
	  V_unparsed_tcp, .only = 6 },
	{ "UDP behind an extension", { .extensions = "d", .protocol = 17 },
	  V_not_tcp, .only = 6 },

	/* TCP. */
	{ "header of 16 bytes, TCP", { .doff = 4 }, V_unparsed_tcp },
	{ "header beyond the packet", { .doff = 15 }, V_unparsed_tcp },

	/* Only looking. */
	{ "observed forged",
	  { .options = "tfo:other nop nop", .data_len = 44 },
	  V_forged, .keeps_data = true, .judge = OBSERVE },
	{ "observed drop",
	  { .dport = DROP_PORT, .options = "tfo:current", .data_len = 44 },
	  V_port_drop, .judge = OBSERVE },
};

#define N_ROWS (sizeof(rows) / sizeof(*rows))

/* The row's frame under an IP version; 0 where it has none under it. */
static inline size_t row_build(const struct row *row, bool ipv6,
			       unsigned char *out)
{
	struct frame f = row->in;

	if (row->only && row->only != (ipv6 ? 6 : 4))
		return 0;
	f.ipv6 = ipv6;
	return frame_build(&f, out);
}

#endif
