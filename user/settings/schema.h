/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every setting of the configuration file: where it stands, what it may be,
 * where it is kept, its default. This list is the only one: reading, checking,
 * the defaults, user/tfoguard.yaml.example and the manual come from it
 * (tools/setting-table).
 */
#ifndef TFOGUARD_SCHEMA_H
#define TFOGUARD_SCHEMA_H

/*
 * GROUP(path, meaning): what holds others. "x[]" is a list of such.
 * X(path, form, struct, member, default or example, meaning)
 *
 * Forms: NUMBER(min, max), TIME(min, max), SHARE(whole, min, max) with the
 * limits in percent, CHOICE(LIST), WORD and LINES for text, PATH and PATHS for
 * files, which are relative to the configuration's folder. What is NEEDED has
 * no default.
 */
#define SETTINGS(GROUP, X)                                                     \
	GROUP("interfaces[]", "The interfaces that the daemon guards.")        \
	X("interfaces[].name", NEEDED(WORD), config_interface, name, "eth0",   \
	  "As \"ip link\" calls it.")                                          \
	X("interfaces[].attach_mode", CHOICE(ATTACH_MODES), config_interface,  \
	  attach_mode, "native",                                               \
	  "Where the program runs: in the driver, or in the stack (slower, "   \
	  "for devices whose driver can't).")                                  \
                                                                               \
	GROUP("defaults", "How ports are guarded, but for what \"ports\" says "\
			  "otherwise.")                                        \
	X("defaults.mode", CHOICE(PORT_MODES), config, all.mode, "guard",      \
	  "unguarded: not looked at. guard: cookies are checked. off: Fast "   \
	  "Open is cut out of every SYN. drop: SYNs with data are dropped. "   \
	  "pass: counted only.")                                               \
	X("defaults.forged", CHOICE(FORGED_POLICIES), config, all.forged,      \
	  "strip", "What becomes of a cookie that no key made.")               \
	X("defaults.answer", CHOICE(ANSWER_POLICIES), config, all.answer,      \
	  "auto",                                                              \
	  "When the guard answers an unproven SYN in the kernel's place; "     \
	  "auto: when the listener's queue fills.")                            \
                                                                               \
	GROUP("ports[]", "Ports that are guarded otherwise. What is not said " \
			 "of one is as in \"defaults\" and \"limits\".")       \
	X("ports[].port", NEEDED(NUMBER(1, 65535)), config_port, port, "443",  \
	  "Its number.")                                                       \
	X("ports[].mode", CHOICE(PORT_MODES), config_port, policy.mode,        \
	  "guard", "See defaults.mode; guard where that is unguarded.")        \
	X("ports[].forged", CHOICE(FORGED_POLICIES), config_port,              \
	  policy.forged, "strip", "See defaults.forged.")                      \
	X("ports[].answer", CHOICE(ANSWER_POLICIES), config_port,              \
	  policy.answer, "auto", "See defaults.answer.")                       \
	GROUP("ports[].early_data", "Which data a SYN may carry; what does "   \
				    "not fit is cut.")                         \
	X("ports[].early_data.policy", CHOICE(EARLY_POLICIES), config_port,    \
	  policy.early, "any",                                                 \
	  "tls: a ClientHello. http-safe: a GET, HEAD or OPTIONS request.")    \
	X("ports[].early_data.max_bytes", NUMBER(0, 65535), config_port,       \
	  policy.early_max, "0", "So many bytes at most; 0: any number.")      \
	X("ports[].replay", TIME(0, 3600), config_port, policy.replay, "0s",   \
	  "For how long the same data, sent again, is cut; 0s: never. One "    \
	  "table of 131,072 SYNs serves all ports; it misses 1 in 400 when "   \
	  "half full, 1 in 10 when full.")                                     \
	X("ports[].over_source", CHOICE(OVER_POLICIES), config_port,           \
	  policy.over_source, "answer", "See limits.source.over.")             \
	X("ports[].over_prefix", CHOICE(OVER_POLICIES), config_port,           \
	  policy.over_prefix, "answer", "See limits.prefix.over.")             \
                                                                               \
	GROUP("limits", "Of unproven clients, per second; 0: no limit. They "  \
			"bind under pressure only, but where \"over\" is "     \
			"drop.")                                               \
	GROUP("limits.source", "Per source: an IPv4 address, an IPv6 /64.")    \
	X("limits.source.syn", NUMBER(0, 10000000), config, tuning.source_syn, \
	  "100", "SYNs.")                                                      \
	X("limits.source.forged", NUMBER(0, 10000000), config,                 \
	  tuning.source_forged, "10", "SYNs with forged cookies.")             \
	X("limits.source.over", CHOICE(OVER_POLICIES), config,                 \
	  all.over_source, "answer",                                           \
	  "What becomes of SYNs beyond; answer costs an honest client "        \
	  "nothing, drop binds in calm too.")                                  \
	GROUP("limits.prefix", "Per prefix: an IPv4 /24, an IPv6 /48.")        \
	X("limits.prefix.syn", NUMBER(0, 10000000), config, tuning.prefix_syn, \
	  "1000", "SYNs.")                                                     \
	X("limits.prefix.answers", NUMBER(0, 10000000), config,                \
	  tuning.prefix_answers, "0",                                          \
	  "Answers sent to the prefix. A ceiling lets who spoofs a prefix "    \
	  "starve it.")                                                        \
	X("limits.prefix.over", CHOICE(OVER_POLICIES), config,                 \
	  all.over_prefix, "answer", "As limits.source.over.")                 \
                                                                               \
	GROUP("pressure", "Marks in a listener's SYN queue.")                  \
	X("pressure.lo", SHARE(256, 0, 50), config, tuning.mark_lo, "12.5 %",  \
	  "From here on some unproven SYNs are answered.")                     \
	X("pressure.hi", SHARE(256, 1, 50), config, tuning.mark_hi, "50 %",    \
	  "From here on all are.")                                             \
                                                                               \
	GROUP("tfo_budget", "What one source may take of a listener's Fast "   \
			    "Open queue.")                                     \
	X("tfo_budget.mark", SHARE(256, 0, 100), config, tuning.tfo_mark,      \
	  "25 %", "The budget binds while the queue is fuller than this.")     \
	X("tfo_budget.share", SHARE(256, 1, 100), config, tuning.tfo_share,    \
	  "6.25 %", "Of the queue, at least one place ...")                    \
	X("tfo_budget.period", TIME(1, 3600), config, tuning.tfo_period,       \
	  "60s", "... in so much time.")                                       \
                                                                               \
	X("proven", TIME(1, 86400), config, tuning.proven, "10m",              \
	  "For how long a source that showed a right cookie, or took up an "   \
	  "answer, counts as proven.")                                         \
                                                                               \
	GROUP("answers", "The SYN-ACKs that the guard sends.")                 \
	X("answers.mss", NUMBER(0, 65495), config, tuning.mss, "0",            \
	  "The MSS that they offer, at least 536; 0: what the MTU allows. "    \
	  "Below 1220 no IPv6 SYN is answered.")                               \
                                                                               \
	GROUP("lists", "Files of prefixes, a line each, # for comments. Where "\
		       "one is named, all that \"tfoguard allow\" and "        \
		       "\"block\" changed gives way to them.")                 \
	X("lists.allow", PATHS, config, lists.allow, "[]",                     \
	  "Exempt from limits, and from blocks.")                              \
	X("lists.block", PATHS, config, lists.block, "[]", "Dropped.")         \
                                                                               \
	GROUP("keys", "The keys of Fast Open cookies.")                        \
	X("keys.source", CHOICE(KEY_SOURCES), config, keys.source, "kernel",   \
	  "kernel: follow net.ipv4.tcp_fastopen_key. file: keep the keys in "  \
	  "/var/lib/tfoguard and rotate them; what follows is for that.")      \
	X("keys.rotate_every", TIME(0, 31536000), config, keys.rotate_every,   \
	  "24h", "How long a key is issued; 0s: for ever.")                    \
	X("keys.overlap", TIME(0, 31536000), config, keys.overlap, "24h",      \
	  "For how long its cookies are good from then on.")                   \
	X("keys.jitter", SHARE(100, 0, 50), config, keys.jitter, "10 %",       \
	  "Rotate earlier by up to this share, so that servers don't "         \
	  "rotate together.")                                                  \
	X("keys.on_foreign_change", CHOICE(FOREIGN_CHANGES), config,           \
	  keys.on_foreign_change, "repair",                                    \
	  "When something else changes the kernel's key: put ours back, or "   \
	  "adopt it.")                                                         \
                                                                               \
	GROUP("exporter", "Metrics for Prometheus.")                           \
	X("exporter.listen", LINES, config, exporter.listen,                   \
	  "[\"127.0.0.1:9435\"]",                                              \
	  "Addresses and ports to listen on, IPv6 in brackets; [] for none.")  \
	X("exporter.web_config", PATH, config, exporter.web_config, "\"\"",    \
	  "TLS and passwords: a file as of Prometheus' exporters.")            \
                                                                               \
	GROUP("logging", "What the daemon writes.")                            \
	X("logging.format", CHOICE(LOG_FORMATS), config, logging.format,       \
	  "text", "Lines of text, or an object of JSON each.")                 \
	X("logging.level", CHOICE(LOG_LEVELS), config, logging.level, "info",  \
	  "The least that is worth a line.")

#endif
