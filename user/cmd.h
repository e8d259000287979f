/* SPDX-License-Identifier: GPL-2.0 */
/* The subcommands. Each parses its own arguments and returns an exit code. */
#ifndef TFOGUARD_CMD_H
#define TFOGUARD_CMD_H

/* X(name, arguments, meaning); dispatch and help come from it. */
#define COMMANDS(X)                                                            \
	X(attach, "IFACE", "Guard an interface, or exchange its guard")        \
	X(detach, "IFACE", "Take the guard off")                               \
	X(run, "", "Keep interfaces guarded and export metrics, for years")    \
	X(status, "[IFACE]", "What is attached, how, with which keys")         \
	X(stats, "[IFACE]", "Packets and bytes by verdict")                    \
	X(metrics, "", "The same and more, as Prometheus reads it")            \
	X(explain, "FILE.pcap", "Judge the packets of a capture")              \
	X(cookie, "CLIENT SERVER", "Compute a Fast Open cookie")               \
	X(key, "show|stage|...", "Show and change the keys")                   \
	X(allow, "add|del|list", "Prefixes exempt from limits and blocks")     \
	X(block, "add|del|list", "Prefixes whose SYNs are dropped")            \
	X(check, "-c FILE", "What is wrong with a configuration")              \
	X(doctor, "[IFACE]", "What keeps Fast Open or the guard from working") \
	X(version, "", "Versions of this program and what it runs on")

#define X(name, arguments, meaning) int cmd_##name(int argc, char **argv);
COMMANDS(X)
#undef X

#endif
