// SPDX-License-Identifier: GPL-2.0
#include "craft.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <string.h>

#include "fastopen.h"

#define TCP_HEADER 20
#define OPTIONS_MAX 40
#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define URG 0x20
#define ECE 0x40
#define CWR 0x80

const struct listener listeners[LISTENER_COUNT] = {
#define X(name, port, tfo, own, no_cookie, dual, exists)                       \
	{ #name, port, tfo, own, no_cookie, dual, exists },
	LISTENERS(X)
#undef X
};

/* ---- chance -------------------------------------------------------------- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
struct chance {
	uint64_t state;
};

static uint64_t draw(struct chance *c)
{
	uint64_t z = (c->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* From 0 to @n - 1. */
static uint32_t below(struct chance *c, uint32_t n)
{
	return (uint32_t)((draw(c) >> 32) * n >> 32);
}

static uint32_t between(struct chance *c, uint32_t low, uint32_t high)
{
	return low + below(c, high - low + 1);
}

static bool percent(struct chance *c, uint32_t n)
{
	return below(c, 100) < n;
}

static void fill(struct chance *c, uint8_t *to, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		to[i] = (uint8_t)draw(c);
}

/* ---- bytes --------------------------------------------------------------- */

static void put16(uint8_t *to, uint32_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static void put32(uint8_t *to, uint32_t v)
{
	put16(to, v >> 16);
	put16(to + 2, v);
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint64_t get64_le(const uint8_t *at)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | at[i];
	return v;
}

/* Sum of 16-bit words, the last odd byte padded with a zero. */
static uint32_t sum(const uint8_t *at, uint32_t len, uint32_t start)
{
	for (uint32_t i = 0; i + 1 < len; i += 2)
		start += get16(at + i);
	if (len & 1)
		start += (uint32_t)at[len - 1] << 8;
	return start;
}

static uint32_t folded(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* ---- clients ------------------------------------------------------------- */

/*
 * A client has an address of its own, so that no 4-tuple comes twice. Spread by
 * an odd factor, whose inverse leads back.
 */
#define SPREAD 0x9e3779b1U

bool craft_number(const uint8_t *address, bool ipv6, uint32_t *number)
{
	const uint8_t *low = address + (ipv6 ? 13 : 1);
	uint32_t spread = (uint32_t)low[0] << 16 | get16(low + 1);
	uint32_t inverse = SPREAD;

	/* Newton: each step doubles the bits that are right. */
	for (int i = 0; i < 4; i++)
		inverse *= 2 - SPREAD * inverse;
	*number = spread * inverse % NUMBERS;
	return address[0] == (ipv6 ? CLIENT_IPV6_NET : CLIENT_IPV4_NET);
}

static void choose_client(struct chance *c, struct syn *s)
{
	uint32_t spread = s->number * SPREAD % NUMBERS;
	uint8_t *low = s->client + 1;

	if (s->ipv6) {
		fill(c, s->client, 13);
		s->client[0] = CLIENT_IPV6_NET;
		low = s->client + 13;
	} else {
		s->client[0] = CLIENT_IPV4_NET;
	}
	low[0] = (uint8_t)(spread >> 16);
	put16(low + 1, spread);
}

void craft_cookie(const struct siphash_key *key, const struct syn *s,
		  uint8_t cookie[8])
{
	uint32_t size = s->ipv6 ? 16 : 4;
	struct tfo_path path = { 0 };
	uint8_t bytes[32] = { 0 };
	uint64_t hash;

	memcpy(bytes, s->client, size);
	memcpy(bytes + size, s->ipv6 ? SERVER_IPV6 : SERVER_IPV4, size);
	for (int i = 0; i < TFO_PATH_WORDS_IPV6; i++)
		path.words[i] = get64_le(bytes + 8 * i);
	hash = tfo_cookie(key, &path, s->ipv6 ? TFO_PATH_WORDS_IPV6 :
						TFO_PATH_WORDS_IPV4);
	for (int i = 0; i < 8; i++)
		cookie[i] = (uint8_t)(hash >> 8 * i);
}

/* ---- TCP options --------------------------------------------------------- */

/* Room for one option more than fits; what is too much is cut. */
struct options {
	uint8_t byte[OPTIONS_MAX + 64];
	uint32_t len;
};

static bool is_full(const struct options *o)
{
	return o->len >= OPTIONS_MAX;
}

static uint8_t *grow(struct options *o, uint32_t by)
{
	uint8_t *at = o->byte + o->len;

	o->len += by;
	return at;
}

static void add(struct options *o, uint8_t kind, const void *body, uint32_t len)
{
	uint8_t *at = grow(o, 2 + len);

	at[0] = kind;
	at[1] = (uint8_t)(2 + len);
	memcpy(at + 2, body, len);
}

static void add_random(struct chance *c, struct options *o, uint8_t kind,
		       uint32_t len)
{
	uint8_t body[OPTIONS_MAX];

	fill(c, body, len);
	add(o, kind, body, len);
}

static void add_nops(struct options *o, uint32_t n)
{
	memset(grow(o, n), 1, n);
}

static void add_mss(struct chance *c, struct options *o)
{
	uint8_t mss[2];

	put16(mss, percent(c, 80) ? 1460 : below(c, 65536));
	add(o, 2, mss, sizeof(mss));
}

static void add_timestamps(struct chance *c, struct options *o)
{
	uint8_t times[8] = { 0 };

	fill(c, times, percent(c, 90) ? 4 : 8);
	add(o, 8, times, sizeof(times));
}

static void add_window_scale(struct chance *c, struct options *o)
{
	uint8_t scale = (uint8_t)below(c, percent(c, 90) ? 15 : 256);

	add(o, 3, &scale, 1);
}

/* A kind that means nothing here, or (19, 29) gets the SYN dropped. */
static void add_unknown(struct chance *c, struct options *o)
{
	static const uint8_t kinds[] = { 5,  6,  9,  15,  19,  28,  29,	 30,
					 33, 35, 69, 172, 200, 253, 254, 255 };

	add_random(c, o, kinds[below(c, sizeof(kinds))], below(c, 13));
}

static enum cookie_key choose_key(struct chance *c, const struct syn *s)
{
	static const uint8_t share[KEY_COUNT] = {
#define X(name, n) n,
		COOKIE_KEYS(X)
#undef X
	};
	uint32_t at = below(c, 100);
	int key = 0;

	if (listeners[s->listener].own_key && percent(c, 50))
		return percent(c, 70) ? KEY_own : KEY_own_backup;
	while (key < KEY_COUNT - 1 && at >= share[key])
		at -= share[key++];
	return key;
}

static void choose_cookie(struct chance *c, const struct run *run,
			  const struct syn *s, uint8_t cookie[8])
{
	struct syn other = *s;

	switch (below(c, 20)) {
	case 0:
		fill(c, cookie, 8);
		return;
	case 1: /* right, but of another address */
		other.client[s->ipv6 ? below(c, 16) : below(c, 4)] ^=
			(uint8_t)between(c, 1, 255);
		craft_cookie(&run->keys[choose_key(c, s)], &other, cookie);
		return;
	case 2: /* right but for one bit */
		craft_cookie(&run->keys[choose_key(c, s)], s, cookie);
		cookie[below(c, 8)] ^= (uint8_t)(1 << below(c, 8));
		return;
	default:
		craft_cookie(&run->keys[choose_key(c, s)], s, cookie);
	}
}

static uint32_t choose_cookie_len(struct chance *c)
{
	if (percent(c, 68))
		return 8;
	if (percent(c, 40))
		return 0;
	return percent(c, 90) ? below(c, 20) : below(c, 37);
}

/* Kind 34, or the older 254 with its magic; 253 and other magics are none. */
static void add_tfo(struct chance *c, const struct run *run,
		    const struct syn *s, struct options *o)
{
	uint8_t body[OPTIONS_MAX + 8], *cookie = body;
	uint32_t len = choose_cookie_len(c);
	uint8_t kind = TFO_KIND;

	if (percent(c, 30)) {
		kind = percent(c, 94) ? TFO_KIND_EXP : 253;
		put16(body, percent(c, 94) ? TFO_EXP_MAGIC : below(c, 65536));
		cookie += 2;
	}
	fill(c, cookie, sizeof(body) - 2);
	choose_cookie(c, run, s, cookie);
	add(o, kind, body, (uint32_t)(cookie - body) + len);
}

/* As Linux clients send them. */
static void usual_options(struct chance *c, const struct run *run,
			  const struct syn *s, struct options *o)
{
	add_mss(c, o);
	if (percent(c, 80)) {
		add(o, 4, "", 0);
		add_timestamps(c, o);
	}
	if (percent(c, 80)) {
		add_nops(o, 1);
		add_window_scale(c, o);
	}
	if (percent(c, 85)) {
		add_nops(o, 2 * below(c, 2));
		add_tfo(c, run, s, o);
	}
}

static void add_any(struct chance *c, const struct run *run,
		    const struct syn *s, struct options *o)
{
	uint32_t at = o->len;

	switch (below(c, 16)) {
	case 0:
		add_mss(c, o);
		break;
	case 1:
		add(o, 4, "", 0);
		break;
	case 2:
		add_timestamps(c, o);
		break;
	case 3:
		add_window_scale(c, o);
		break;
	case 4:
		if (percent(c, 25))
			*grow(o, 1) = 0; /* end of list */
		break;
	case 5:
	case 6:
		add_unknown(c, o);
		break;
	case 7:
	case 8:
	case 9:
		add_nops(o, between(c, 1, 3));
		break;
	default:
		add_tfo(c, run, s, o);
	}
	if (o->len > at + 1 && percent(c, 4)) {
		uint8_t lies[] = { 0, 1, 2, 3, (uint8_t)(o->byte[at + 1] + 1),
				   (uint8_t)(o->byte[at + 1] - 1), 40, 255 };

		o->byte[at + 1] = lies[below(c, sizeof(lies))];
	}
}

static void noise_options(struct chance *c, struct options *o)
{
	static const uint8_t likely[] = { 0, 1, 1, 1, 2, 4, 8, 10, 12, 34,
					  34, 254, 0xf9, 0x89 };

	o->len = below(c, OPTIONS_MAX + 1);
	for (uint32_t i = 0; i < o->len; i++)
		o->byte[i] = percent(c, 70) ? likely[below(c, sizeof(likely))] :
					      (uint8_t)draw(c);
}

/* Whole words, as the header's length demands. */
static void close_options(struct chance *c, struct options *o)
{
	if (o->len > OPTIONS_MAX)
		o->len = OPTIONS_MAX;
	while (o->len % 4)
		*grow(o, 1) = percent(c, 60) ? 1 : percent(c, 80) ? 0 :
						   (uint8_t)draw(c);
}

static void choose_options(struct chance *c, const struct run *run,
			   const struct syn *s, struct options *o)
{
	uint32_t kind = below(c, 100);

	o->len = 0;
	if (kind < 45)
		usual_options(c, run, s, o);
	else if (kind < 92)
		for (uint32_t n = below(c, 9); n && !is_full(o); n--)
			add_any(c, run, s, o);
	else
		noise_options(c, o);
	close_options(c, o);
}

int craft_counting_option(const struct syn *s, uint8_t *kind)
{
	const uint8_t *tcp = s->frame + s->l4, *at = tcp + TCP_HEADER;
	const uint8_t *end = tcp + (tcp[12] >> 4) * 4;
	int counts = -1;

	while (at < end && at[0] != 0) {
		int cookie_len = -1;

		if (at[0] == 1) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			break;
		if (at[0] == TFO_KIND)
			cookie_len = at[1] - TFO_HEADER;
		else if (at[0] == TFO_KIND_EXP && at[1] >= TFO_HEADER_EXP &&
			 get16(at + 2) == TFO_EXP_MAGIC)
			cookie_len = at[1] - TFO_HEADER_EXP;
		if (cookie_len >= 0 && cookie_len % 2 == 0) {
			counts = cookie_len;
			*kind = at[0];
		}
		at += at[1];
	}
	return counts;
}

/* ---- IP ------------------------------------------------------------------ */

static uint32_t ipv4_options(struct chance *c, uint8_t *to)
{
	static const struct {
		uint8_t len, byte[12];
	} shapes[] = {
		{ 4, { 1, 1, 1, 1 } },
		{ 4, { 1, 1, 1, 0 } },
		{ 4, { 148, 4, 0, 0 } }, /* router alert */
		{ 8, { 7, 7, 4, 0, 0, 0, 0, 0 } }, /* record route */
		{ 12, { 68, 12, 5, 0 } }, /* timestamps */
		{ 8, { 130, 3, 0, 1, 1, 1, 1, 0 } },
		{ 8, { 131, 7, 4, 192, 0, 2, 9, 0 } }, /* source route */
		{ 4, { 7, 40, 4, 0 } }, /* too long */
	};
	uint32_t i = below(c, sizeof(shapes) / sizeof(*shapes));

	memcpy(to, shapes[i].byte, shapes[i].len);
	return shapes[i].len;
}

/* Returns the header's length; length and checksum come later. */
static uint32_t put_ipv4(struct chance *c, struct syn *s, uint8_t *ip)
{
	uint32_t len = 20;

	memset(ip, 0, len);
	if (percent(c, 18))
		len += ipv4_options(c, ip + 20);
	ip[0] = (uint8_t)(0x40 | len / 4);
	ip[1] = percent(c, 30) ? (uint8_t)draw(c) : 0;
	put16(ip + 4, below(c, 65536));
	put16(ip + 6, percent(c, 50) ? 0x4000 : 0); /* DF */
	if (percent(c, 3))
		ip[6] |= 0x80; /* reserved: the kernel does not look */
	else if (percent(c, 2))
		put16(ip + 6, below(c, 65536)); /* mostly a fragment */
	ip[8] = percent(c, 80) ? 64 : (uint8_t)between(c, 1, 255);
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, s->client, 4);
	memcpy(ip + 16, SERVER_IPV4, 4);
	return len;
}

/* One extension header behind @next, which it fills in. */
static uint32_t put_extension(struct chance *c, uint8_t *to, uint8_t *next,
			      bool hop_by_hop, uint32_t words_max)
{
	uint8_t kinds[] = { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_ROUTING,
			    IPPROTO_HOPOPTS };
	uint32_t words = below(c, words_max), len = 8 + 8 * words;
	uint8_t kind = hop_by_hop ? IPPROTO_HOPOPTS :
				    kinds[below(c, percent(c, 95) ? 3 : 4)];

	memset(to, 0, len);
	*next = kind;
	if (kind == IPPROTO_FRAGMENT) {
		fill(c, to + 4, 4);
		if (percent(c, 10))
			put16(to + 2, below(c, 65536));
		to[1] = percent(c, 90) ? 0 : (uint8_t)draw(c);
		return 8;
	}
	if (kind == IPPROTO_ROUTING) {
		to[2] = percent(c, 70) ? 0 : (uint8_t)draw(c);
		to[3] = percent(c, 95) ? 0 : 1;
		return 8;
	}
	/* PadN, of which the kernel allows 7 bytes; or an option to skip. */
	to[1] = (uint8_t)words;
	to[2] = words ? 0x1e : 1;
	to[3] = (uint8_t)(len - 4);
	if (percent(c, 4))
		to[2] = (uint8_t)draw(c);
	return len;
}

static uint32_t choose_chain(struct chance *c)
{
	if (percent(c, 65))
		return 0;
	return percent(c, 85) ? between(c, 1, 3) : between(c, 4, 16);
}

/* Hop-by-hop options belong in front, and mostly are. */
static uint32_t put_ipv6(struct chance *c, struct syn *s, uint8_t *ip)
{
	uint8_t *next = ip + 6, *at = ip + 40;
	uint32_t n = choose_chain(c), words_max = n == 1 ? 31 : 3;
	bool hop_by_hop = n && percent(c, 40);

	put32(ip, 0x60000000 | (percent(c, 30) ? below(c, 1 << 28) : 0));
	*next = IPPROTO_TCP;
	ip[7] = percent(c, 80) ? 64 : (uint8_t)between(c, 1, 255);
	memcpy(ip + 8, s->client, 16);
	memcpy(ip + 24, SERVER_IPV6, 16);
	s->lengthless = hop_by_hop && percent(c, 20);
	for (; n; n--) {
		uint32_t len = put_extension(c, at, next, hop_by_hop,
					     words_max);

		hop_by_hop = false;
		next = at;
		at += len;
		*next = IPPROTO_TCP;
	}
	return (uint32_t)(at - ip);
}

/* ---- checksums ----------------------------------------------------------- */

/* Over the pseudo-header and @len bytes; the field itself counts. */
static uint32_t tcp_sum(const struct syn *s, uint32_t len, uint32_t pseudo_len)
{
	const uint8_t *ip = s->frame + ETH_HLEN;
	uint32_t size = s->ipv6 ? 16 : 4;
	uint32_t start = IPPROTO_TCP + pseudo_len;

	start = sum(ip + (s->ipv6 ? 8 : 12), 2 * size, start);
	return folded(sum(s->frame + s->l4, len, start));
}

/* The SYN as it should be: every length and both checksums right. */
static void seal(struct syn *s)
{
	uint8_t *ip = s->frame + ETH_HLEN, *tcp = s->frame + s->l4;
	uint32_t ip_len = s->l4 - ETH_HLEN;

	put16(tcp + 16, 0);
	put16(tcp + 16, ~tcp_sum(s, s->tcp_len, s->tcp_len));
	if (s->ipv6) {
		put16(ip + 4, ip_len - 40 + s->tcp_len);
		return;
	}
	put16(ip + 2, ip_len + s->tcp_len);
	put16(ip + 10, 0);
	put16(ip + 10, ~folded(sum(ip, ip_len, 0)));
}

static void seal_ipv4(struct syn *s)
{
	uint8_t *ip = s->frame + ETH_HLEN;

	if (s->ipv6)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, ~folded(sum(ip, (ip[0] & 15) * 4, 0)));
}

/*
 * Both zeros of one's complement are right for the kernel. The field that
 * nobody reads makes the checksum one of them.
 */
static void checksum_zero(struct chance *c, struct syn *s)
{
	uint8_t *tcp = s->frame + s->l4;

	if (tcp[13] & URG)
		return;
	put16(tcp + 16, 0);
	put16(tcp + 18, 0);
	put16(tcp + 18, ~tcp_sum(s, s->tcp_len, s->tcp_len));
	put16(tcp + 16, percent(c, 50) ? 0 : 0xffff);
}

/*
 * A checksum that is wrong, and one that a careless rewrite would make right:
 * of the segment without its data, for instance.
 */
static void break_checksum(struct chance *c, struct syn *s)
{
	uint8_t *tcp = s->frame + s->l4;
	uint32_t header = (tcp[12] >> 4) * 4, old = get16(tcp + 16);
	uint32_t size = s->ipv6 ? 16 : 4;

	switch (below(c, 9)) {
	case 0:
		put16(tcp + 16, below(c, 65536));
		break;
	case 1:
		put16(tcp + 16, old + 1);
		break;
	case 2:
		put16(tcp + 16, 0);
		break;
	case 3: /* of the header alone */
		put16(tcp + 16, 0);
		put16(tcp + 16, ~tcp_sum(s, header, header));
		break;
	case 4: /* of the whole, with the header's length */
		put16(tcp + 16, 0);
		put16(tcp + 16, ~tcp_sum(s, s->tcp_len, header));
		break;
	case 5: /* of the header, with the whole's length */
		put16(tcp + 16, 0);
		put16(tcp + 16, ~tcp_sum(s, header, s->tcp_len));
		break;
	case 6: /* of the pseudo-header alone: left to a device */
		put16(tcp + 16, tcp_sum(s, 0, s->tcp_len));
		break;
	case 7: /* without the pseudo-header */
		put16(tcp + 16, 0);
		put16(tcp + 16, ~folded(sum(tcp, s->tcp_len, 0)));
		break;
	case 8: /* a flipped bit on the way: address, header, options, data */
		if (percent(c, 10))
			s->frame[s->l4 - 1 - below(c, 2 * size)] ^= 1;
		else
			tcp[below(c, s->tcp_len)] ^=
				(uint8_t)(1 << below(c, 8));
		break;
	}
}

/* ---- the segment --------------------------------------------------------- */

static uint8_t choose_flags(struct chance *c)
{
	uint8_t flags = SYN;

	if (percent(c, 10))
		flags |= PSH;
	if (percent(c, 6))
		flags |= URG;
	if (percent(c, 10))
		flags |= percent(c, 80) ? ECE | CWR : percent(c, 50) ? ECE :
								       CWR;
	if (percent(c, 2))
		flags |= FIN;
	if (percent(c, 2))
		flags |= RST;
	if (percent(c, 1))
		flags |= ACK;
	return flags;
}

static uint32_t choose_data_len(struct chance *c, uint32_t max)
{
	uint32_t kind = below(c, 100);

	if (kind < 35)
		return 0;
	if (kind < 50)
		return between(c, 1, 8);
	if (kind < 85)
		return between(c, 1, 600);
	return between(c, 1, max);
}

static uint32_t choose_isn(struct chance *c)
{
	return percent(c, 90) ? (uint32_t)draw(c) : 0U - below(c, 1000);
}

static void put_tcp(struct chance *c, const struct run *run, struct syn *s)
{
	uint8_t *tcp = s->frame + s->l4;
	uint32_t data_len = choose_data_len(c, run->data_max);
	struct options o;

	choose_options(c, run, s, &o);
	s->isn = choose_isn(c);
	put16(tcp, percent(c, 99) ? between(c, 1, 65535) : 0);
	put16(tcp + 2, listeners[s->listener].port);
	put32(tcp + 4, s->isn);
	put32(tcp + 8, percent(c, 90) ? 0 : (uint32_t)draw(c));
	/* Mostly no reserved bits, of which one asks for accurate ECN. */
	tcp[12] = (uint8_t)((TCP_HEADER + o.len) / 4 << 4 |
			    (percent(c, 4) ? below(c, 16) : 0));
	tcp[13] = choose_flags(c);
	put16(tcp + 14, percent(c, 5) ? 0 : below(c, 65536));
	put16(tcp + 18, percent(c, 90) ? 0 : below(c, 65536));
	memcpy(tcp + TCP_HEADER, o.byte, o.len);
	fill(c, tcp + TCP_HEADER + o.len, data_len);
	s->tcp_len = TCP_HEADER + o.len + data_len;
}

/* ---- damage -------------------------------------------------------------- */

/* Options that end in the middle, and begin the data; or no sense at all. */
static void cut_header(struct chance *c, struct syn *s)
{
	uint8_t *words = s->frame + s->l4 + 12;
	uint32_t n = *words >> 4;

	if (percent(c, 70) && n > 5)
		n = between(c, 5, n - 1);
	else
		n = below(c, 16);
	*words = (uint8_t)(n << 4 | (*words & 15));
	seal(s);
}

/* The IP length: less than there is, more, or nothing. */
static void change_length(struct chance *c, struct syn *s)
{
	uint8_t *field = s->frame + ETH_HLEN + (s->ipv6 ? 4 : 2);
	uint32_t len = get16(field), cut;

	switch (below(c, 5)) {
	case 0:
	case 1: /* a right segment in front of other bytes */
		cut = below(c, s->tcp_len);
		s->tcp_len -= cut;
		seal(s);
		return;
	case 2:
		len += between(c, 1, 40);
		break;
	case 3:
		len -= between(c, 1, 60);
		break;
	case 4:
		len = 0;
		break;
	}
	put16(field, len);
	seal_ipv4(s);
}

static void break_ipv4(struct chance *c, struct syn *s)
{
	uint8_t *ip = s->frame + ETH_HLEN;

	if (s->ipv6)
		return;
	if (percent(c, 50))
		put16(ip + 10, below(c, 65536));
	else
		ip[below(c, (ip[0] & 15) * 4)] ^= (uint8_t)(1 << below(c, 8));
}

/* To a station, an address or a network protocol that is not the server's. */
static void misdirect(struct chance *c, struct syn *s)
{
	uint8_t *ip = s->frame + ETH_HLEN;

	switch (below(c, 5)) {
	case 0:
		s->frame[5] = 0x77;
		return;
	case 1:
		memset(s->frame, 0xff, ETH_ALEN);
		return;
	case 2:
		ip[s->ipv6 ? 39 : 19] = s->ipv6 || percent(c, 50) ? 77 : 255;
		break;
	case 3:
		ip[0] ^= (uint8_t)(between(c, 1, 15) << 4); /* version */
		return;
	case 4: /* from the server itself, from nowhere, from a group */
		if (s->ipv6)
			memset(ip + 8, percent(c, 50) ? 0 : 0xff, 16);
		else if (percent(c, 50))
			memcpy(ip + 12, SERVER_IPV4, 4);
		else
			ip[12] = percent(c, 50) ? 0 : 224;
		break;
	}
	seal(s);
}

static void damage(struct chance *c, struct syn *s)
{
	uint32_t kind = below(c, 100);

	if (kind < 4)
		cut_header(c, s);
	else if (kind < 8)
		change_length(c, s);
	else if (kind < 18)
		break_checksum(c, s);
	else if (kind < 21)
		checksum_zero(c, s);
	else if (kind < 23)
		break_ipv4(c, s);
	else if (kind < 25)
		misdirect(c, s);
}

/* ---- whole frames -------------------------------------------------------- */

static void put_ethernet(uint8_t *frame, bool ipv6)
{
	memcpy(frame, SERVER_MAC, ETH_ALEN);
	memcpy(frame + ETH_ALEN, CLIENT_MAC, ETH_ALEN);
	put16(frame + 12, ipv6 ? ETH_P_IPV6 : ETH_P_IP);
}

/* Tags in the frame. Of VLAN 0 they tell a priority only, and the kernel skips
 * any number of them; others are of VLANs that the server does not have. */
static void add_tags(struct chance *c, const struct run *run, struct syn *s)
{
	uint32_t n = percent(c, 70) ? 1 : between(c, 1, run->tags_max);
	uint8_t *at = s->frame + 2 * ETH_ALEN;

	for (; n; n--) {
		memmove(at + 4, at, s->len - 2 * ETH_ALEN);
		put16(at, percent(c, 70) ? ETH_P_8021Q : ETH_P_8021AD);
		put16(at + 2, below(c, 16) << 12 |
				      (percent(c, 80) ? 0 : below(c, 4096)));
		s->len += 4;
		s->l4 += 4;
	}
}

/* The length is 0, as if a jumbo option told it: without one the kernel takes
 * the whole frame, padding and all, where a hop-by-hop header comes first. */
static void leave_length_out(struct syn *s)
{
	s->tcp_len = s->len - s->l4;
	seal(s);
	put16(s->frame + ETH_HLEN + 4, 0);
}

static struct chance begin(const struct run *run, uint32_t number,
			   struct syn *s)
{
	struct chance c = { run->seed };

	c.state = draw(&c) + number;
	memset(s, 0, sizeof(*s));
	s->number = number;
	s->ipv6 = percent(&c, 50);
	s->listener = percent(&c, 40) ? LISTENER_usual :
					below(&c, LISTENER_COUNT);
	choose_client(&c, s);
	put_ethernet(s->frame, s->ipv6);
	return c;
}

void craft_syn(const struct run *run, uint32_t number, struct syn *s)
{
	struct chance c = begin(run, number, s);
	uint8_t *ip = s->frame + ETH_HLEN;

	s->l4 = ETH_HLEN + (s->ipv6 ? put_ipv6(&c, s, ip) :
				      put_ipv4(&c, s, ip));
	put_tcp(&c, run, s);
	s->len = s->l4 + s->tcp_len;
	if (percent(&c, 15)) {
		uint32_t padding = between(&c, 1, 40);

		fill(&c, s->frame + s->len, padding);
		s->len += padding;
	}
	seal(s);
	if (s->lengthless)
		leave_length_out(s);
	damage(&c, s);
	if (percent(&c, 3))
		add_tags(&c, run, s);
	s->twice = percent(&c, 4);
}

void craft_sentinel(const struct run *run, uint32_t number, struct syn *s)
{
	uint8_t *ip = s->frame + ETH_HLEN, *tcp;

	begin(run, number, s);
	s->listener = LISTENER_without_tfo;
	if (s->ipv6) {
		ip[0] = 0x60;
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		memcpy(ip + 8, s->client, 16);
		memcpy(ip + 24, SERVER_IPV6, 16);
	} else {
		ip[0] = 0x45;
		ip[8] = 64;
		ip[9] = IPPROTO_TCP;
		memcpy(ip + 12, s->client, 4);
		memcpy(ip + 16, SERVER_IPV4, 4);
	}
	s->l4 = ETH_HLEN + (s->ipv6 ? 40 : 20);
	s->tcp_len = TCP_HEADER;
	s->len = s->l4 + s->tcp_len;
	tcp = s->frame + s->l4;
	put16(tcp, 1024);
	put16(tcp + 2, listeners[s->listener].port);
	tcp[12] = TCP_HEADER / 4 << 4;
	tcp[13] = SYN;
	put16(tcp + 14, 65535);
	seal(s);
}

uint32_t craft_segment(const uint8_t *answer, uint8_t flags, uint32_t seq,
		       uint32_t ack, uint8_t *frame)
{
	bool ipv6 = get16(answer + 12) == ETH_P_IPV6;
	uint32_t size = ipv6 ? 16 : 4, from = ipv6 ? 8 : 12;
	const uint8_t *ip = answer + ETH_HLEN;
	const uint8_t *tcp = ip + (ipv6 ? 40 : (ip[0] & 15) * 4);
	struct syn s = { .ipv6 = ipv6, .tcp_len = TCP_HEADER };
	uint8_t *to = s.frame + ETH_HLEN;

	put_ethernet(s.frame, ipv6);
	to[0] = ipv6 ? 0x60 : 0x45;
	to[ipv6 ? 6 : 9] = IPPROTO_TCP;
	to[ipv6 ? 7 : 8] = 64;
	memcpy(to + from, ip + from + size, size);
	memcpy(to + from + size, ip + from, size);
	s.l4 = ETH_HLEN + (ipv6 ? 40 : 20);
	to = s.frame + s.l4;
	memcpy(to, tcp + 2, 2);
	memcpy(to + 2, tcp, 2);
	put32(to + 4, seq);
	put32(to + 8, ack);
	to[12] = TCP_HEADER / 4 << 4;
	to[13] = flags;
	put16(to + 14, 65535);
	seal(&s);
	memcpy(frame, s.frame, s.l4 + TCP_HEADER);
	return s.l4 + TCP_HEADER;
}
