/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every packet leaves the guard with exactly one of these verdicts. This list
 * is the only one: the enum, the names in stats, JSON, metrics and explain, and
 * the tables in the README and the man page come from it.
 */
#ifndef TFOGUARD_VERDICT_H
#define TFOGUARD_VERDICT_H

/* X(action, meaning) */
#define ACTIONS(X)                                                             \
	X(pass, "the packet goes on untouched")                                \
	X(strip, "data cut, cookie made a cookie request; the SYN goes on")    \
	X(answer, "a SYN-ACK goes back from the driver, the SYN no further")   \
	X(drop, "the packet goes nowhere")

enum action {
#define X(action, meaning) ACTION_##action,
	ACTIONS(X)
#undef X
	ACTION_COUNT
};

/* X(name, action, meaning) */
#define VERDICTS(X)                                                            \
	X(not_tcp, pass, "not TCP over IPv4 or IPv6")                          \
	X(segment, pass, "TCP, but not the SYN that opens a connection")       \
	X(challenge_met, pass, "the RST that proves an address")               \
	X(unguarded, pass, "a SYN to a port that is not guarded")              \
	X(fragment, pass, "a fragment of an IP packet")                        \
	X(unparsed_link, pass, "cut short or nested too deep before IP")       \
	X(unparsed_ip, pass, "an IP header or length that makes no sense")     \
	X(unparsed_tcp, pass, "a TCP header that does not fit its packet")     \
	X(plain_syn, pass, "a SYN without Fast Open")                          \
	X(cookie_request, pass, "a SYN that asks for a cookie")                \
	X(valid_current, pass, "a cookie made with the current key")           \
	X(valid_previous, pass, "a cookie made with the previous key")         \
	X(valid_staged, pass, "a cookie made with the staged key")             \
	X(valid_listener, pass, "a cookie made with the listener's own key")   \
	X(valid_namespace, pass, "a cookie made with a key of the kernel's "   \
				 "that the guard's ring lacks: it is stale")   \
	X(data_accepted, pass, "data that its listener takes without a "       \
			       "valid cookie")                                 \
	X(not_ours, pass, "for another host, a container or a bridge's port")  \
	X(no_listener, pass, "for this host, but nothing listens")             \
	X(socket_exists, pass, "a SYN for a connection that exists")           \
	X(signed_syn, pass, "signed by TCP-MD5 or TCP-AO: to cut it would "    \
			    "break the signature")                             \
	X(port_pass, pass, "a SYN to a port in mode pass")                     \
	X(act_failed, pass, "could not be rewritten, left as it was")          \
	X(forged, strip, "a cookie that no key made")                          \
	X(bad_length, strip, "a cookie of a length that no server makes")      \
	X(data_without_cookie, strip, "data in a SYN without a cookie")        \
	X(port_off, strip, "Fast Open to a port in mode off: all of it cut")   \
	X(replay, strip, "data that came before, to a port with a replay "     \
			 "filter")                                             \
	X(early_data, strip, "data of a sort or size that the port refuses: "  \
			     "cut, the cookie stays")                          \
	X(tfo_budget, strip, "a valid cookie beyond its source's share of the " \
			     "Fast Open queue")                                \
	X(answer_plain, answer, "a SYN without a cookie, under pressure")      \
	X(answer_request, answer, "a cookie request, under pressure: granted") \
	X(answer_forged, answer, "a wrong cookie, under pressure: a fresh one " \
				 "goes back")                                  \
	X(answer_downgraded, answer, "a valid cookie that would have ended "   \
				     "up in the SYN queue")                    \
	X(challenge, answer, "an unproven SYN under pressure, where the "      \
			     "kernel can't take the ACK of an answer: its "    \
			     "address is to be proven")                        \
	X(blocked, drop, "from a blocked prefix")                              \
	X(source_limit, drop, "more than a source may send, to a port with "   \
			      "over_source=drop")                              \
	X(prefix_limit, drop, "more than a prefix may send, to a port with "   \
			      "over_prefix=drop")                              \
	X(answer_ceiling, drop, "answers to one prefix beyond the ceiling "    \
				"that was set")                                \
	X(fragment_pressure, drop, "a SYN in fragments to a port under "       \
				   "pressure")                                 \
	X(odd_limit, drop, "what can't be judged or answered, beyond a small " \
			   "rate, under pressure")                             \
	X(forged_drop, drop, "a cookie that no key made, to a port with "      \
			     "forged=drop")                                    \
	X(port_drop, drop, "a SYN with data to a port in mode drop")

/* Zero is no verdict: the next stage decides. */
enum verdict {
	UNDECIDED = 0,
#define X(name, action, meaning) V_##name,
	VERDICTS(X)
#undef X
	VERDICT_COUNT
};

static inline __attribute__((always_inline)) enum action
verdict_action(enum verdict v)
{
	/* A switch and not a table: clang puts a small constant table into
	 * .rodata.cst8, which libbpf 1.1 refuses ("Error finalizing .BTF"). */
	switch (v) {
#define X(name, action, meaning)                                               \
	case V_##name:                                                         \
		return ACTION_##action;
		VERDICTS(X)
#undef X
	default:
		return ACTION_pass;
	}
}

/*
 * What became of segments that met a listener while ACKs of answers may come
 * (tc), counted apart from the packets of XDP. X(name, meaning)
 */
#define ACKS(X)                                                                \
	X(ack_accepted, "an ACK of our answer: a connection")                  \
	X(ack_known, "the same again: what is behind us refused it")           \
	X(ack_refused_pass, "no cookie of ours, left to the kernel's own")     \
	X(ack_refused_drop, "no cookie of ours, beyond a small rate, under "   \
			    "pressure")                                        \
	X(ack_repeated, "data that came before, to a port with a replay "      \
			"filter: dropped")                                      \
	X(ack_no_listener, "nothing listens any more")                         \
	X(ack_failed, "the kernel would not take it")

enum ack {
#define X(name, meaning) A_##name,
	ACKS(X)
#undef X
	ACK_COUNT
};

/* X(name, meaning); counters are kept for each apart. */
#define FAMILIES(X)                                                            \
	X(other, "neither IPv4 nor IPv6, or not known yet")                    \
	X(ipv4, "IPv4")                                                        \
	X(ipv6, "IPv6")

enum family {
#define X(name, meaning) FAMILY_##name,
	FAMILIES(X)
#undef X
	FAMILY_COUNT
};

#endif
