// SPDX-License-Identifier: GPL-2.0
/*
 * SYN cookies: what goes in comes out; any bit changed, or garbage, and the
 * cookie is none. A change of bits that the MAC covers may fit by chance, in
 * one of 2^38 with timestamps, in one of 2^23 without, which a fuzzer meets:
 * there only the MAC's own bits are changed.
 */
#include "fuzz.h"
#include "syncookie.h"

struct input {
	struct siphash_key master;
	__u64 epoch;
	struct syncookie_flow flow;
	struct syncookie_options options;
	struct syncookie garbage;
	__u8 bit;
};

static int is_taken(const struct siphash_key *secret,
		    const struct syncookie_flow *flow, __u8 rcv_wscale,
		    const struct syncookie *c, int timestamps)
{
	struct syncookie_options o = syncookie_read(c, timestamps);

	if (!timestamps)
		o.rcv_wscale = rcv_wscale;
	return syncookie_fits(secret, flow, &o, c);
}

static void round_trip(const struct siphash_key *secret, const struct input *in)
{
	const struct syncookie_options *o = &in->options;
	struct syncookie c = syncookie_make(secret, &in->flow, o);
	struct syncookie_options back = syncookie_read(&c, o->timestamps);

	must(back.mss == (o->timestamps ?
				  o->mss :
				  syncookie_mss(syncookie_mss_index(o->mss))));
	must(back.snd_wscale == o->snd_wscale);
	must(back.rcv_wscale == (o->timestamps ? o->rcv_wscale : 0));
	must(back.sack == o->sack && back.ecn == o->ecn);
	must(back.timestamps == o->timestamps);
	must(is_taken(secret, &in->flow, o->rcv_wscale, &c, o->timestamps));
	if (!o->timestamps)
		c.isn ^= 1U << (9 + in->bit % 23);
	else if (in->bit % 64 < 32)
		c.isn ^= 1U << in->bit % 32;
	else
		c.tsval ^= 1U << in->bit % 32;
	must(!is_taken(secret, &in->flow, o->rcv_wscale, &c, o->timestamps));
}

/* Whatever is read from garbage is of the form that is written. */
static void garbage(const struct siphash_key *secret, const struct input *in,
		    int timestamps)
{
	struct syncookie_options o = syncookie_read(&in->garbage, timestamps);

	must(o.snd_wscale <= 15 && o.rcv_wscale <= 15);
	must(o.sack <= 1 && o.ecn <= 1 && o.timestamps == timestamps);
	must(timestamps || o.mss >= 536);
	if (timestamps)
		must(!((syncookie_tsval(&o) ^ in->garbage.tsval) >> 6));
	else
		must(syncookie_low_bits(&o) == (in->garbage.isn & 0x1ff));
	is_taken(secret, &in->flow, in->options.rcv_wscale, &in->garbage,
		 timestamps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct siphash_key secret;
	struct input in;

	take(&data, &size, &in, sizeof(in));
	in.flow.path_words = in.flow.path_words % 2 ? TFO_PATH_WORDS_IPV4 :
						      TFO_PATH_WORDS_IPV6;
	in.options.snd_wscale &= 15;
	in.options.rcv_wscale &= 15;
	in.options.sack &= 1;
	in.options.ecn &= 1;
	in.options.timestamps &= 1;
	secret = syncookie_secret(&in.master, in.epoch);
	round_trip(&secret, &in);
	garbage(&secret, &in, 0);
	garbage(&secret, &in, 1);
	syncookie_challenge(&secret, &in.flow);
	return 0;
}
