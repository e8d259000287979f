# shellcheck shell=bash disable=SC2034 # the tests use what is set here
# SPDX-License-Identifier: GPL-2.0
# What the tests of this folder share: a small world of network namespaces, the
# program in it, and what it and the kernel counted. For use under tests/isolate
# only: names are fixed, and nobody cleans up what a failed test leaves.

bats_require_minimum_version 1.5.0

HERE=$BATS_TEST_DIRNAME
KEY=00112233-44556677-8899aabb-ccddeeff
OTHER_KEY=a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4
FORGED=0123456789abcdef # no key in these tests makes it
PINS=/sys/fs/bpf/tfoguard

# So that "tfoguard" is the program under test, for every user.
find_tfoguard() {
	local program
	program=$(realpath "${TFOGUARD:-$HERE/../../build/tfoguard}")
	mkdir -p /run/test
	install -m 755 "$program" /run/test/tfoguard
	export PATH=/run/test:$PATH
}

# ---- namespaces -----------------------------------------------------------

# "ip netns exec" would hide bpffs.
in_netns() { nsenter --net="/run/netns/$1" "${@:2}"; }
at_server() { in_netns server "$@"; }
at_client() { in_netns client "$@"; }

add_netns() {
	local name
	for name in "$@"; do
		ip netns add "$name"
		ip -n "$name" link set lo up
	done
}

# A pair of interfaces, up, silent but for what the test sends, and with whole
# checksums in their packets, as on a wire.
join() { # NETNS INTERFACE NETNS INTERFACE
	ip -n "$1" link add "$2" type veth peer name "$4" netns "$3"
	set -- "$1" "$2" "$3" "$4"
	while [ $# -gt 0 ]; do
		in_netns "$1" ethtool -K "$2" tx off >/dev/null
		ip -n "$1" link set "$2" addrgenmode none up
		shift 2
	done
}

# A veth delivers what XDP sends back only where its other end has a program.
hear_answers() { # INTERFACE
	ip -n client link set "$1" xdp obj \
		"$HERE/../../build/tests/vm/counter.bpf.o" sec xdp
}

address() { # NETNS INTERFACE ADDRESS...
	local a
	for a in "${@:3}"; do
		case $a in
		*:*) ip -n "$1" address add "$a" dev "$2" nodad ;;
		*) ip -n "$1" address add "$a" dev "$2" ;;
		esac
	done
}

mac() { ip -n "$1" -j link show "$2" | jq -r '.[0].address'; } # NETNS INTERFACE

# Namespaces "server" and "client", joined as s0 and c0.
make_world() {
	add_netns server client
	join server s0 client c0
	address server s0 10.99.0.2/24 fd00:99::2/64
	address client c0 10.99.0.1/24 fd00:99::1/64
	at_server sysctl -qw net.ipv4.tcp_fastopen=3 net.ipv4.tcp_fastopen_key=$KEY
}

end_world() {
	local netns
	stop_all
	for netns in $(ip netns list | cut -d' ' -f1); do
		in_netns "$netns" tfoguard status -j 2>/dev/null |
			jq -r .interface |
			while read -r name; do
				in_netns "$netns" tfoguard detach "$name"
			done
		ip netns del "$netns"
	done
	[ ! -e $PINS ] || { echo "# left:"; find $PINS; return 1; }
}

# ---- what runs beside a test ----------------------------------------------

# Waits for what should come soon. Fails when it has not after ten seconds.
wait_for() { # COMMAND...
	local end=$((SECONDS + 10))
	while [ $SECONDS -lt $end ]; do
		if "$@"; then return; fi
		sleep 0.01
	done
	echo "# in vain: waited for $*"
	return 1
}

pids() { echo "${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/pids"; }

# In the background, until stop_all; its output goes to the file.
start() { # FILE NETNS COMMAND...
	nsenter --net="/run/netns/$2" "${@:3}" >"$1" 2>&1 3>&- &
	echo $! >>"$(pids)"
}

stop_all() {
	local pid
	[ -e "$(pids)" ] || return 0
	while read -r pid; do
		kill "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done <"$(pids)"
	rm "$(pids)"
}

# An echo server: see tfo.py.
serve() { # PORT [OPTION=VALUE]...
	local log=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/served-$1
	start "$log" "${SERVE_IN:-server}" "$HERE/tfo.py" serve "$@"
	wait_for grep -q ready "$log"
}

# Asks an echo server in the SYN where a cookie is known; says whether the data
# were taken from the SYN: "0-RTT" or "1-RTT". Fails where they do not come back.
ask() { at_client "$HERE/tfo.py" ask "$@"; } # ADDRESS PORT [BYTES]

# Writes down the opening SYNs that an interface hands to the stack for a port:
# one JSON object per line.
record() { # NETNS INTERFACE PORT
	recorded=$BATS_TEST_TMPDIR/recorded-$1-$2-$3
	start "$recorded" "$1" "$HERE/record.py" "$2" "$3"
	wait_for grep -q ready "$recorded"
}

# The lines of a record, when there are so many.
frames() { # NUMBER [JQ FILTER]
	has_frames() { [ "$(wc -l <"$recorded")" -gt "$1" ]; }
	wait_for has_frames "$1" || { cat "$recorded"; return 1; }
	tail -n +2 "$recorded" | jq -r "${2:-.}"
}

# One SYN made by hand, from client to server unless told otherwise; prints it
# and its answer as JSON. See syn.py.
syn() { # [OPTION=VALUE]...
	at_client "$HERE/syn.py" iface=c0 from=10.99.0.1 to=10.99.0.2 \
		mac="$(mac server s0)" "$@"
}

# ---- Fast Open ------------------------------------------------------------

cookie() { tfoguard cookie "$1" "$2" --key "${3:-$KEY}"; } # CLIENT SERVER [KEY]

forget_cookies() { ip -n client tcp_metrics flush all; }

# The cookie that the client would show to the server.
remembered() { # SERVER
	ip -n client tcp_metrics show "$1" | sed -n 's/.*fo_cookie \([0-9a-f]*\).*/\1/p'
}

set_key() { at_server sysctl -qw net.ipv4.tcp_fastopen_key="$1"; }

guard() { at_server tfoguard attach "$@"; } # INTERFACE [OPTION]...

# As guard, unless it is so already: an attach costs a second.
guarded() { # INTERFACE [OPTION]...
	local note=$BATS_FILE_TMPDIR/guarded-$1 state
	state="$* $(at_server sysctl -n net.ipv4.tcp_fastopen_key)"
	[ "$(cat "$note" 2>/dev/null)" != "$state" ] || return 0
	guard "$@"
	echo "$state" >"$note"
}

# ---- what was counted -----------------------------------------------------

stats() { at_server tfoguard stats -j "${1:-s0}"; } # [INTERFACE]

total() { jq '[.verdicts[].packets] | add'; } # of the stats on standard input

kernel_counters() {
	at_server cat /proc/net/netstat /proc/net/snmp | awk '
		$1 == group { for (i = 2; i <= NF; i++) print name[i], $i; group = ""; next }
		{ group = $1; for (i = 2; i <= NF; i++) name[i] = substr($1, 1, length($1) - 1) $i }'
}

# From here on judged() and counted() count.
mark() { # [INTERFACE]
	stats "${1:-s0}" >"$BATS_TEST_TMPDIR/stats-${1:-s0}"
	kernel_counters >"$BATS_TEST_TMPDIR/kernel"
}

# The guard gave that verdict so many times since mark().
judged() { # VERDICT NUMBER [INTERFACE]
	local now before
	now=$(stats "${3:-s0}" | jq ".verdicts.$1.packets")
	before=$(jq ".verdicts.$1.packets" "$BATS_TEST_TMPDIR/stats-${3:-s0}")
	[ $((now - before)) = "$2" ] || {
		echo "# $1 rose by $((now - before)), not by $2; in all:"
		stats "${3:-s0}" | jq -c '.verdicts | map_values(.packets) | with_entries(select(.value > 0))'
		return 1
	}
}

# A counter of the server's kernel rose by so much since mark().
counted() { # COUNTER NUMBER
	local rise
	rise=$(kernel_counters | awk -v c="$1" '
		NR == FNR { before[$1] = $2; next }
		$1 == c { print $2 - before[$1]; found = 1 }
		END { exit !found }' "$BATS_TEST_TMPDIR/kernel" -)
	[ "$rise" = "$2" ] || {
		echo "# $1 rose by $rise, not by $2"
		return 1
	}
}

# A port as if it were under pressure, and answered, until the machine is turned
# off.
press() { # PORT
	local port
	for port in 0 "$1"; do
		bpftool map update pinned "$(find $PINS -name port_states)" \
			key $((port & 255)) $((port >> 8)) 0 0 value \
			255 255 255 255 255 255 255 255 0 0 0 0 0 0 0 0
	done
}

# ---- what must not change -------------------------------------------------

# All of a namespace that an attach could touch.
state_of() { # NETNS
	ip -n "$1" -d -j link | jq -S .
	in_netns "$1" tc qdisc show
	find /sys/fs/bpf | sort
}

xdp_of() { # NETNS INTERFACE: id of the program there, or nothing
	ip -n "$1" -d -j link show "$2" | jq -r '.[0].xdp.prog.id // empty'
}

is_guarded() { # NETNS INTERFACE
	[ "$(in_netns "$1" tfoguard status -j "$2" 2>/dev/null | jq .attached)" = true ]
}

# Fails where the command does not: bats takes no heed of a plain "!".
no() { ! "$@"; }

# An error is one sentence on standard error and nothing on standard output.
refuses() { # EXIT TEXT COMMAND...
	local code=0 out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
	"${@:3}" >"$out" 2>"$err" || code=$?
	echo "# exit $code: $(cat "$err")"
	[ "$code" = "$1" ]
	[ ! -s "$out" ]
	grep -qF -- "$2" "$err"
}
