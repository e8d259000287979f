// SPDX-License-Identifier: GPL-2.0
#include "frames.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastopen.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define TCP_BASE 20

/* Of the sysctl texts 00112233-44556677-8899aabb-ccddeeff, a1…-b2…-c3…-d4…,
 * 01…-02…-03…-04… and 5e…-6f…-70…-81…. */
const struct siphash_key frame_keys[4] = {
	[KEY_current] = { 0x4455667700112233, 0xccddeeff8899aabb },
	[KEY_previous] = { 0xb2b2b2b2a1a1a1a1, 0xd4d4d4d4c3c3c3c3 },
	[KEY_staged] = { 0x0202020201010101, 0x0404040403030303 },
	[FRAME_KEY_OTHER] = { 0x6f6f6f6f5e5e5e5e, 0x8181818170707070 },
};

static const char *const key_names[4] = {
	[KEY_current] = "current",
	[KEY_previous] = "previous",
	[KEY_staged] = "staged",
	[FRAME_KEY_OTHER] = "other",
};

void frame_ring(struct keyring *ring)
{
	memset(ring, 0, sizeof(*ring));
	for (int i = 0; i < KEY_SLOT_COUNT; i++) {
		ring->slot[i].secret = frame_keys[i];
		ring->slot[i].origin = KEY_ORIGIN_given;
	}
}

static unsigned char *put(unsigned char *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

static unsigned char *put16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
	return at + 2;
}

static unsigned char *put_hex(unsigned char *at, const char *hex)
{
	unsigned int byte;

	for (; hex && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		*at++ = (unsigned char)byte;
	return at;
}

static const char *address(const struct frame *f, bool source)
{
	if (source)
		return f->saddr ?: f->ipv6 ? "fd00:99::1" : "192.0.2.1";
	return f->daddr ?: f->ipv6 ? "fd00:99::2" : "192.0.2.2";
}

static size_t put_addresses(const struct frame *f, unsigned char *at)
{
	int family = f->ipv6 ? AF_INET6 : AF_INET;
	size_t n = f->ipv6 ? 16 : 4;

	assert(inet_pton(family, address(f, true), at) == 1);
	assert(inet_pton(family, address(f, false), at + n) == 1);
	return 2 * n;
}

static unsigned char *put_cookie(const struct frame *f, unsigned char *at,
				 const char *name)
{
	struct tfo_path path = { 0 };
	unsigned char bytes[32];
	__u64 cookie;
	int key = 0;

	while (key < 4 && strcmp(name, key_names[key]))
		key++;
	assert(key < 4);
	put_addresses(f, bytes);
	for (int i = 0; i < (f->ipv6 ? 4 : 1); i++) {
		memcpy(&path.words[i], bytes + 8 * i, 8);
		path.words[i] = le64toh(path.words[i]);
	}
	cookie = htole64(tfo_cookie(&frame_keys[key], &path,
				    f->ipv6 ? TFO_PATH_WORDS_IPV6 :
					      TFO_PATH_WORDS_IPV4));
	return put(at, &cookie, sizeof(cookie));
}

/* tfo and exp with what follows their name. */
static unsigned char *put_tfo(const struct frame *f, unsigned char *at,
			      const char *rest, bool exp)
{
	unsigned char *size = at + 1, *start = at;

	at = put(at, exp ? "\xfe\x00\xf9\x89" : "\x22\x00", exp ? 4 : 2);
	if (*rest == ':') {
		at = put_cookie(f, at, rest + 1);
	} else if (*rest == '/') {
		size_t n = strtoul(rest + 1, NULL, 10);

		memset(at, 0xaa, n);
		at += n;
	}
	*size = (unsigned char)(at - start);
	return at;
}

size_t frame_options(const struct frame *f, unsigned char *out)
{
	char *copy = strdup(f->options ?: ""), *rest = copy, *word;
	unsigned char *at = out;

	while ((word = strsep(&rest, " "))) {
		if (!strcmp(word, "mss"))
			at = put(at, "\x02\x04\x05\xb4", 4);
		else if (!strcmp(word, "sackok"))
			at = put(at, "\x04\x02", 2);
		else if (!strcmp(word, "ts"))
			at = put(at, "\x08\x0a\x01\x02\x03\x04\0\0\0\0", 10);
		else if (!strcmp(word, "ws"))
			at = put(at, "\x03\x03\x07", 3);
		else if (!strcmp(word, "nop"))
			*at++ = 1;
		else if (!strcmp(word, "eol"))
			*at++ = 0;
		else if (!strncmp(word, "tfo", 3))
			at = put_tfo(f, at, word + 3, false);
		else if (!strncmp(word, "exp", 3))
			at = put_tfo(f, at, word + 3, true);
		else if (!strncmp(word, "raw:", 4))
			at = put_hex(at, word + 4);
		else
			assert(!*word);
	}
	free(copy);
	while ((at - out) % 4)
		*at++ = 0;
	return (size_t)(at - out);
}

static unsigned long sum16(const unsigned char *at, size_t n)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (unsigned long)(at[i] << 8) + (i + 1 < n ? at[i + 1] : 0);
	return sum;
}

static unsigned int fold(unsigned long sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned int)sum;
}

static unsigned long pseudo_sum(const struct frame *f, size_t tcp_len)
{
	unsigned char addresses[32];
	size_t n = put_addresses(f, addresses);

	return sum16(addresses, n) + tcp_len + 6;
}

static unsigned char *put_link(const struct frame *f, unsigned char *at)
{
	unsigned int type = f->ethertype ?: f->ipv6 ? 0x86dd : 0x0800;

	if (f->no_ethernet)
		return at;
	at = put(at, "\x02\0\0\0\0", 5);
	*at++ = f->dmac_last;
	at = put(at, "\x02\0\0\0\0\xfe", 6);
	for (int i = 0; i < 3 && f->tags[i].tpid; i++) {
		at = put16(at, f->tags[i].tpid);
		at = put16(at, f->tags[i].tci);
	}
	return put16(at, type);
}

static unsigned char *put_ipv4(const struct frame *f, unsigned char *at,
			       size_t payload)
{
	size_t options = strlen(f->ip_options ?: "") / 2;
	size_t header = IPV4_HEADER + options;
	unsigned char *ip = at;

	memset(ip, 0, IPV4_HEADER);
	ip[0] = f->version_ihl ?: (unsigned char)(0x40 | header / 4);
	put16(ip + 2, (unsigned int)((int)(header + payload) + f->ip_len_more));
	ip[1] = f->tos;
	put16(ip + 4, 0x1234);
	put16(ip + 6, f->frag_off);
	ip[8] = 64;
	ip[9] = f->protocol ?: 6;
	put_addresses(f, ip + 12);
	at = put_hex(ip + IPV4_HEADER, f->ip_options);
	put16(ip + 10, ~fold(sum16(ip, header)) & 0xffff);
	return at;
}

static unsigned char extension_kind(char letter)
{
	switch (letter) {
	case 'h':
		return 0;
	case 'r':
	case 'R':
		return 43;
	case 'd':
		return 60;
	}
	return 44;
}

static unsigned char *put_extension(unsigned char *at, char letter, int next)
{
	memset(at, 0, 16);
	at[0] = (unsigned char)next;
	switch (letter) {
	case 'h':
	case 'd': /* 16 bytes, a PadN in them */
		at[1] = 1;
		at[2] = 1;
		at[3] = 12;
		return at + 16;
	case 'R':
		at[3] = 1;
		return at + 8;
	case 'f':
		at[3] = 1;
		return at + 8;
	case 'l':
		at[3] = 8;
		return at + 8;
	}
	return at + 8; /* 'r', 'a' */
}

static unsigned char *put_ipv6(const struct frame *f, unsigned char *at,
			       size_t payload)
{
	const char *letters = f->extensions ?: "";
	unsigned char *ip = at;
	int protocol = f->protocol ?: 6;

	memset(ip, 0, IPV6_HEADER);
	ip[0] = (f->version_ihl ?: 0x60) | f->tos >> 4;
	ip[1] = (unsigned char)(f->tos << 4);
	ip[6] = letters[0] ? extension_kind(letters[0]) :
			     (unsigned char)protocol;
	ip[7] = 64;
	put_addresses(f, ip + 8);
	at = ip + IPV6_HEADER;
	for (; *letters; letters++)
		at = put_extension(at, *letters,
				   letters[1] ? extension_kind(letters[1]) :
						protocol);
	put16(ip + 4, (unsigned int)((int)((size_t)(at - ip) - IPV6_HEADER +
					   payload) +
				     f->ip_len_more));
	return at;
}

size_t frame_build(const struct frame *f, unsigned char *out)
{
	unsigned char options[256], *at, *tcp;
	size_t n_options = frame_options(f, options);
	size_t tcp_len = TCP_BASE + n_options + f->data_len;
	unsigned int check;

	at = put_link(f, out);
	tcp = f->ipv6 ? put_ipv6(f, at, tcp_len) : put_ipv4(f, at, tcp_len);
	memset(tcp, 0, TCP_BASE);
	put16(tcp, f->sport ?: 40000);
	put16(tcp + 2, f->dport ?: 443);
	memcpy(tcp + 4, "\x10\x20\x30\x40", 4);
	tcp[12] = (unsigned char)((f->doff ?: (TCP_BASE + n_options) / 4) << 4);
	tcp[13] = f->flags ?: SYN;
	put16(tcp + 14, 64240);
	at = put(tcp + TCP_BASE, options, n_options);
	for (size_t i = 0; i < f->data_len; i++)
		*at++ = f->data && i < strlen(f->data) ?
				(unsigned char)f->data[i] :
				(unsigned char)(i * 7 + 1);
	check = ~fold(pseudo_sum(f, tcp_len) + sum16(tcp, tcp_len)) & 0xffff;
	put16(tcp + 16, check ^ f->check_error);
	memset(at, 0x55, f->padding);
	at += f->padding;
	assert(at - out <= FRAME_MAX);
	return (size_t)(at - out);
}

bool frame_checksums_right(const struct frame *f, const unsigned char *frame)
{
	const unsigned char *ip = frame, *tcp;
	size_t ip_len, tcp_len;

	if (!f->no_ethernet)
		ip += 14;
	for (int i = 0; i < 3 && f->tags[i].tpid; i++)
		ip += 4;
	if (f->ipv6) {
		unsigned char skipped[512];

		ip_len = IPV6_HEADER + (size_t)(ip[4] << 8 | ip[5]);
		tcp = ip + (put_ipv6(f, skipped, 0) - skipped);
	} else {
		size_t header = (size_t)(ip[0] & 15) * 4;

		ip_len = (size_t)(ip[2] << 8 | ip[3]);
		tcp = ip + header;
		if (fold(sum16(ip, header)) != 0xffff)
			return false;
	}
	tcp_len = ip_len - (size_t)(tcp - ip);
	return fold(pseudo_sum(f, tcp_len) + sum16(tcp, tcp_len)) == 0xffff;
}
