// SPDX-License-Identifier: GPL-2.0
#include "answer.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "fastopen.h"

#define TCP_HEADER 20
#define SYN 0x02
#define RST 0x04
#define ACK 0x10

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) << 16 | get16(at + 2);
}

uint32_t answer_tcp(const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + ETH_HLEN;
	uint32_t l4 = 0;

	if (len < ETH_HLEN + 20)
		return 0;
	if (get16(frame + 12) == ETH_P_IP && ip[9] == IPPROTO_TCP)
		l4 = ETH_HLEN + (ip[0] & 15) * 4;
	else if (get16(frame + 12) == ETH_P_IPV6 && ip[6] == IPPROTO_TCP)
		l4 = ETH_HLEN + 40;
	return l4 && l4 + TCP_HEADER <= len ? l4 : 0;
}

static void read_cookie(const uint8_t *option, uint32_t header,
			struct answer *a)
{
	uint32_t len = option[1] - header;

	a->cookie_kind = option[0];
	a->cookie_len = (int8_t)len;
	memcpy(a->cookie, option + header,
	       len < sizeof(a->cookie) ? len : sizeof(a->cookie));
}

static void read_options(const uint8_t *at, const uint8_t *end,
			 struct answer *a)
{
	while (end - at >= 2 && at[0] != 0) {
		uint8_t *copy = a->options + a->n_options;

		if (at[0] == 1) {
			at++;
			continue;
		}
		if (at[1] < 2 || at[1] > end - at)
			return;
		if (at[0] == TFO_KIND) {
			read_cookie(at, TFO_HEADER, a);
		} else if (at[0] == TFO_KIND_EXP) {
			read_cookie(at, TFO_HEADER_EXP, a);
		} else {
			memcpy(copy, at, at[1]);
			a->n_options += at[1];
			if (at[0] == 8) /* the server's clock */
				memset(copy + 2, 0, 4);
		}
		at += at[1];
	}
}

void answer_read(const uint8_t *tcp, uint32_t len, struct answer *a)
{
	uint32_t header = (tcp[12] >> 4) * 4;

	memset(a, 0, sizeof(*a));
	a->cookie_len = -1;
	a->flags = tcp[13];
	a->reserved = tcp[12] & 15;
	a->window = (uint16_t)get16(tcp + 14);
	a->ack = get32(tcp + 8);
	if (a->flags & RST) {
		a->kind = ANSWER_RST;
		a->seq = get32(tcp + 4);
	} else if ((a->flags & (SYN | ACK)) == (SYN | ACK)) {
		a->kind = ANSWER_SYNACK;
	}
	if (header >= TCP_HEADER && header <= len)
		read_options(tcp + TCP_HEADER, tcp + header, a);
}

bool answer_equal_apart(const struct answer *a, const struct answer *b)
{
	return a->kind == b->kind && a->flags == b->flags &&
	       a->reserved == b->reserved && a->window == b->window &&
	       a->ack == b->ack && a->seq == b->seq &&
	       a->again == b->again &&
	       a->n_options == b->n_options &&
	       !memcmp(a->options, b->options, a->n_options);
}

bool answer_equal_cookie(const struct answer *a, const struct answer *b)
{
	return a->cookie_len == b->cookie_len &&
	       a->cookie_kind == b->cookie_kind &&
	       !memcmp(a->cookie, b->cookie, sizeof(a->cookie));
}

static void print_hex(FILE *to, const uint8_t *at, int len)
{
	for (int i = 0; i < len; i++)
		fprintf(to, "%02x", at[i]);
}

void answer_print(FILE *to, const char *who, const struct answer *a)
{
	static const char *const kinds[] = { "nothing", "SYN-ACK", "RST" };

	fprintf(to, "#   %-13s %s", who, kinds[a->kind]);
	if (a->again)
		fprintf(to, ", %u times", a->again + 1);
	if (a->kind != ANSWER_NONE) {
		fprintf(to, ", flags %x%02x, ack %08x, window %u, options ",
			a->reserved, a->flags, a->ack, a->window);
		print_hex(to, a->options, a->n_options);
	}
	if (a->kind == ANSWER_RST)
		fprintf(to, ", seq %08x", a->seq);
	if (a->kind != ANSWER_NONE && a->cookie_len >= 0) {
		fprintf(to, ", Fast Open kind %u, cookie ", a->cookie_kind);
		print_hex(to, a->cookie, a->cookie_len);
	}
	fputc('\n', to);
}
