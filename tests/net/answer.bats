#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# What the guard answers in the kernel's place, and the connections that the
# kernel makes of it: with real clients, real listeners and real floods.
#
#   tests/isolate bats tests/net/answer.bats

load lib

BUILT=$(dirname "$(realpath "${TFOGUARD:-$BATS_TEST_DIRNAME/../../build/tfoguard}")")

# Ports from 8001 on are always answered, those from 9001 on never.
setup_file() {
	find_tfoguard
	make_world
	join server s1 client c1
	address server s1 10.99.1.2/24
	address client c1 10.99.1.1/24
	hear_answers c0
	hear_answers c1
	ip -n server route add default via 10.99.0.1
}

teardown_file() { end_world; }

setup() {
	set_key $KEY
	forget_cookies
}

always() { # PORT...
	local ports=()
	for port in "$@"; do ports+=(--port "$port,answer=always"); done
	guarded s0 "${ports[@]}"
	mark
}

teardown() {
	[ -z "${asleep:-}" ] || kill -CONT "$asleep" # else it would not end
	stop_all
	if [ -n "${taken:-}" ]; then
		unguarded
		at_server tc qdisc del dev s0 clsact
	fi
}

# What became of ACKs, since the namespace was first guarded.
acks() { # NAME
	local folder names
	folder=$(dirname "$(find $PINS -name ack_names)")
	names=$(bpftool -j map dump pinned "$folder/ack_names")
	bpftool -j map dump pinned "$folder/ack_counters" | jq --arg name "$1" \
		--argjson names "$names" '
		($names[0].formatted.value.name | index($name)) as $slot |
		[.[0].formatted.values[].value.slot[$slot][].packets] | add'
}


acked() { # NAME NUMBER: since the count was noted in $before
	[ $(($(acks "$1") - before)) = "$2" ] || {
		echo "# $1 rose by $(($(acks "$1") - before)), not by $2"
		return 1
	}
}

@test "a veth whose other end would take no answer gives none" {
	serve 8090 fastopen=64
	serve 8091 fastopen=64
	ip -n client link set c1 xdp off
	guard s1 --port 8090,answer=always --port 8091,answer=challenge
	mark s1
	[ "$(ask 10.99.1.2 8090 64 plain=1)" = 1-RTT ]
	[ "$(ask 10.99.1.2 8091 64 plain=1)" = 1-RTT ]
	judged plain_syn 2 s1
	hear_answers c1
	guard s1 --port 8090,answer=always
	mark s1
	[ "$(ask 10.99.1.2 8090 64 plain=1)" = 1-RTT ]
	judged answer_plain 1 s1
	# What the namespace's guards share is to go with the last of them.
	at_server tfoguard detach s1
}

@test "a firewall may drop what is invalid, not what is new and no SYN" {
	always 8001
	serve 8001 fastopen=64
	at_server nft add table inet f
	at_server nft 'add chain inet f in { type filter hook input priority 0; }'
	at_server nft add rule inet f in ct state invalid drop
	mark
	[ "$(ask 10.99.0.2 8001 64 plain=1)" = 1-RTT ]
	judged answer_plain 1
	at_server nft add rule inet f in 'tcp flags != syn ct state new drop'
	run timeout 2 nsenter --net=/run/netns/client "$HERE/tfo.py" ask \
		10.99.0.2 8001 64 plain=1
	[ "$status" != 0 ]
	at_server nft delete table inet f
}

# ---- connections ----------------------------------------------------------

# What both ends agreed on, as the guard answered and as the kernel did.
agreed() { jq -c '[.client, .server | del(.syn_data, .resent)]'; }

# An answered connection is like one of the kernel's own, and moves 10 MB up and
# down.
same_as_the_kernels() { # ADDRESS [WAY]...
	local ours kernels
	forget_cookies
	kernels=$(ask "$1" 9001 10000000 info=1 "${@:2}" | agreed)
	forget_cookies
	mark
	before=$(acks ack_accepted)
	ours=$(ask "$1" 8001 10000000 info=1 "${@:2}" | agreed)
	case $* in
	*plain=1*) judged answer_plain 1 ;;
	*) judged answer_request 1 ;;
	esac
	acked ack_accepted 1
	echo "# ours:   $ours"
	echo "# kernel: $kernels"
	[ "$ours" = "$kernels" ]
}

pair() { # [OPTION=VALUE]...
	always 8001
	serve 8001 fastopen=64 info=1 "$@"
	serve 9001 fastopen=64 info=1 "$@"
}

each_way() { # [ADDRESS]...
	[ $# -gt 0 ] || set -- 10.99.0.2 fd00:99::2
	for address in "$@"; do
		for way in "" plain=1 "plain=1 defer=1"; do
			same_as_the_kernels $address $way
		done
	done
}

@test "a connection is the kernel's own, with timestamps" {
	pair
	each_way
}

@test "a connection is the kernel's own, without timestamps" {
	pair
	at_client sysctl -qw net.ipv4.tcp_timestamps=0
	each_way
	at_client sysctl -qw net.ipv4.tcp_timestamps=1
}

each_way_and_timestamps() { # [ADDRESS]...
	each_way "$@"
	at_client sysctl -qw net.ipv4.tcp_timestamps=0
	each_way "$@"
	at_client sysctl -qw net.ipv4.tcp_timestamps=1
}

@test "a connection is the kernel's own, to a reuseport group" {
	pair group=4
	each_way_and_timestamps
}

@test "a connection is the kernel's own, to a listener for IPv4 alone" {
	pair ipv4=1
	each_way_and_timestamps 10.99.0.2
}

@test "a connection is the kernel's own, whatever sysctls forbid" {
	pair
	for where in server client; do
		for name in sack window_scaling timestamps; do
			in_netns $where sysctl -qw net.ipv4.tcp_$name=0
			same_as_the_kernels 10.99.0.2
			in_netns $where sysctl -qw net.ipv4.tcp_$name=1
		done
	done
}

@test "a connection is the kernel's own, with ECN" {
	pair
	at_client sysctl -qw net.ipv4.tcp_ecn=1
	for timestamps in 1 0; do
		at_client sysctl -qw net.ipv4.tcp_timestamps=$timestamps
		same_as_the_kernels 10.99.0.2
		forget_cookies
		[ "$(ask 10.99.0.2 8001 64 info=1 | jq .server.ecn)" = true ]
	done
	at_client sysctl -qw net.ipv4.tcp_timestamps=1 net.ipv4.tcp_ecn=2
}

@test "a small receive buffer is neither overrun nor stalled" {
	pair rcvbuf=8192
	same_as_the_kernels 10.99.0.2
	forget_cookies
	# Once in a while a tail loss probe sends again; what is beyond the
	# window is sent again each time.
	local in_one_go=0
	for i in {1..5}; do
		said=$(ask 10.99.0.2 8001 200000 info=1 plain=1)
		echo "# $said"
		[ "$(jq '.ms < 200' <<<"$said")" = true ]
		[ "$(jq .client.resent <<<"$said")" != 0 ] || in_one_go=1
	done
	[ $in_one_go = 1 ]
}

@test "each member of a reuseport group takes its ACKs" {
	always 8001
	serve 8001 fastopen=64 group=4
	before=$(acks ack_accepted)
	for i in {1..12}; do
		forget_cookies
		[ "$(ask 10.99.0.2 8001 10000)" = 1-RTT ]
	done
	judged answer_request 12
	acked ack_accepted 12
}

# Opened by hand, from an address that no stack has.
open_as() { # ORDER [OPTION=VALUE]...
	at_client "$HERE/handshake.py" iface=c0 mac="$(mac server s0)" \
		from=10.99.0.77 to=10.99.0.2 dport=8001 order="$1" "${@:2}"
}

strangers() { # NETNS INTERFACE: where addresses are that no stack has
	for address in 10.99.0.77 10.99.0.78 fd00:99::77; do
		ip -n "$1" neigh replace $address dev "$2" lladdr 02:00:00:00:00:99
	done
}

@test "data that overtake the ACK, or come without it, are taken" {
	always 8001
	serve 8001
	strangers server s0
	for family in "" "from=fd00:99::77 to=fd00:99::2"; do
		for options in "" timestamps=1; do
			for order in ack,data,end data,ack,end data,end \
				ack,ack,data,end; do
				mark
				run open_as $order $options $family
				echo "# $order $options $family: $output"
				[ "$output" = served ]
				judged answer_plain 1
			done
		done
	done
}

lose_first_acks() { # PORT...
	at_client nft 'add table inet lost; flush table inet lost
		add chain inet lost out { type filter hook output priority 0; }'
	for port in "$@"; do
		at_client nft add rule inet lost out tcp dport "$port" \
			'tcp flags & (syn | ack | psh | fin) == ack' \
			limit rate 1/hour burst 1 packets counter drop
	done
}

@test "a connection is the kernel's own where the ACK is lost and data come" {
	pair
	for timestamps in 1 0; do
		at_client sysctl -qw net.ipv4.tcp_timestamps=$timestamps
		for address in 10.99.0.2 fd00:99::2; do
			lose_first_acks 8001 9001
			same_as_the_kernels $address plain=1
			at_client nft list table inet lost
			[ "$(at_client nft -j list table inet lost | jq -c '
				[.. | .counter? // empty | .packets]')" = '[1,1]' ]
		done
	done
	at_client nft delete table inet lost
	at_client sysctl -qw net.ipv4.tcp_timestamps=1
}

# A thread that is woken first reads both from the queue at once.
@test "data in one batch with the ACK are taken" {
	always 8001
	serve 8001
	strangers server s0
	threaded() { ip netns exec server sh -c "echo $1 >/sys/class/net/s0/threaded"; }
	threaded 1
	for options in "" timestamps=1; do
		for _ in 1 2 3; do
			run open_as both,pause,end $options
			echo "# $options: $output"
			[ "$output" = served ]
		done
	done
	threaded 0
}

@test "a SYN that is sent again has the same answer" {
	always 8001
	serve 8001
	strangers server s0
	[ "$(open_as again,pause,ack,data,end)" = served ]
	judged answer_plain 2
}

# As some drivers hand them over.
@test "an ACK whose headers lie outside the first buffer is taken" {
	always 8001
	serve 8001
	strangers server s0
	join server s7 client c7
	local program
	program=$(at_server tc -j filter show dev s0 ingress |
		jq 'first(.[].options.prog.id // empty)')
	bpftool prog pin id "$program" /sys/fs/bpf/acceptor
	at_server tc qdisc add dev s7 clsact
	at_server tc filter add dev s7 ingress bpf da object-pinned /sys/fs/bpf/acceptor
	before=$(acks ack_accepted)
	run open_as ack,data,end scattered=c7,"$(mac server s7)"
	ip -n server link del s7
	rm /sys/fs/bpf/acceptor
	echo "# $output"
	[ "$output" = served ]
	acked ack_accepted 1
}

# ---- cookies --------------------------------------------------------------

@test "an answered request is granted a cookie that opens the next connection" {
	always 8001
	serve 8001 fastopen=64
	for address in 10.99.0.2 fd00:99::2; do
		own=10.99.0.1
		[ $address = 10.99.0.2 ] || own=fd00:99::1
		mark
		[ "$(ask $address 8001)" = 1-RTT ]
		judged answer_request 1
		[ "$(remembered $address)" = "$(cookie $own $address)" ]
		[ "$(ask $address 8001)" = 0-RTT ]
		judged valid_current 1
	done
}

@test "a request of the older kind is granted a cookie of that kind" {
	always 8001
	serve 8001 fastopen=64
	# As long as its answer: a veth may leave no room to grow.
	run syn dport=8001 cookie=request kind=254 nops=8
	[ "$(jq -r .answer.kind <<<"$output")" = 254 ]
	[ "$(jq -r .answer.cookie <<<"$output")" = "$(cookie 10.99.0.1 10.99.0.2)" ]
	judged answer_request 1
}

@test "where a frame can't grow its answer goes without a cookie" {
	always 8001
	serve 8001 fastopen=64
	run syn dport=8001 cookie=request
	[ "$(jq .answer.flags <<<"$output")" = $((0x12)) ]
	[ "$(jq .answer.cookie <<<"$output")" = null ]
	judged answer_request 1
}

@test "the cookie is of the listener's own key" {
	always 8001
	serve 8001 fastopen=64 key=00112233445566778899aabbccddeeff
	[ "$(ask 10.99.0.2 8001)" = 1-RTT ]
	judged answer_request 1
	[ "$(remembered 10.99.0.2)" != "$(cookie 10.99.0.1 10.99.0.2)" ]
	[ "$(ask 10.99.0.2 8001)" = 0-RTT ]
	judged valid_listener 1
}

@test "a listener without Fast Open grants none" {
	always 8001
	serve 8001
	[ "$(ask 10.99.0.2 8001)" = 1-RTT ]
	judged answer_request 1
	[ -z "$(remembered 10.99.0.2)" ]
}

@test "a wrong cookie is answered with a fresh one, in one round trip" {
	always 8001
	serve 8001 fastopen=64
	[ "$(ask 10.99.0.2 8001)" = 1-RTT ]
	set_key $OTHER_KEY
	always 8001
	said=$(ask 10.99.0.2 8001 64 info=1)
	echo "# $said"
	[ "$(jq '.way == "1-RTT" and .ms < 150' <<<"$said")" = true ]
	judged answer_forged 1
	[ "$(remembered 10.99.0.2)" = "$(cookie 10.99.0.1 10.99.0.2 $OTHER_KEY)" ]
	[ "$(ask 10.99.0.2 8001)" = 0-RTT ]
}

# ---- when the guard must not answer ---------------------------------------

# A client is served, and not by an answer.
left_to_the_kernel() {
	mark
	ask 10.99.0.2 8001 10000 plain=1
	judged answer_plain 0
	judged plain_syn 1
}

@test "MPTCP listeners answer for themselves" {
	always 8001
	serve 8001 mptcp=1
	left_to_the_kernel
}

@test "without SYN cookies the kernel answers for itself" {
	always 8001
	serve 8001
	at_server sysctl -qw net.ipv4.tcp_syncookies=0
	left_to_the_kernel
	at_server sysctl -qw net.ipv4.tcp_syncookies=1
}

queued() { # NUMBER: connections that port 8001 has not accepted yet
	[ "$(at_server ss -Hltn 'sport = :8001' | awk '{ print $2 }')" = "$1" ]
}

# A server that does not accept until it is told.
serve_asleep() { # [OPTION=VALUE]...
	serve 8001 "$@"
	asleep=$(tail -n 1 "$(pids)")
	kill -STOP "$asleep"
}

@test "with a full accept queue the kernel does as it does" {
	always 8001
	serve_asleep backlog=1
	for i in 1 2; do
		start "$BATS_TEST_TMPDIR/held-$i" client "$HERE/tfo.py" ask 10.99.0.2 8001 plain=1
	done
	wait_for queued 2
	mark
	start "$BATS_TEST_TMPDIR/third" client "$HERE/tfo.py" ask 10.99.0.2 8001 plain=1
	wait_for judged plain_syn 1
	judged answer_plain 0
	kill -CONT "$asleep"
	wait_for grep -q 1-RTT "$BATS_TEST_TMPDIR/third"
	grep -q 1-RTT "$BATS_TEST_TMPDIR/held-1"
	grep -q 1-RTT "$BATS_TEST_TMPDIR/held-2"
}

@test "an ACK that meets a full accept queue resets nothing" {
	always 8001
	serve_asleep backlog=0
	strangers server s0
	start "$BATS_TEST_TMPDIR/ours" client "$HERE/handshake.py" iface=c0 \
		mac="$(mac server s0)" from=10.99.0.77 to=10.99.0.2 dport=8001 \
		order=pause,pause,pause,pause,pause,ack,data,pause,pause,data,end
	wait_for judged answer_plain 1
	start "$BATS_TEST_TMPDIR/held" client "$HERE/tfo.py" ask 10.99.0.2 8001 plain=1
	wait_for queued 1
	overflowed() { ! counted TcpExtListenOverflows 0; }
	wait_for overflowed
	kill -CONT "$asleep"
	wait_for test -s "$BATS_TEST_TMPDIR/ours"
	cat "$BATS_TEST_TMPDIR/ours"
	[ "$(cat "$BATS_TEST_TMPDIR/ours")" = served ]
}

@test "a firewall that refuses the connections stops the answers" {
	always 8001
	serve 8001
	at_server sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
	at_server nft -f - <<-END
		table inet strict {
			chain in {
				type filter hook input priority 0;
				ct state invalid drop
			}
		}
	END
	# Each CPU counts for itself.
	for i in {101..120}; do
		ip -n client address add 10.99.0.$i/32 dev c0
		start "$BATS_TEST_TMPDIR/$i" client timeout 2 "$HERE/tfo.py" ask \
			10.99.0.2 8001 plain=1 from=10.99.0.$i
	done
	kernels_turn() {
		mark
		at_client timeout 0.5 "$HERE/tfo.py" ask 10.99.0.2 8001 plain=1 2>&1 || :
		judged answer_plain 0 >/dev/null
	}
	wait_for kernels_turn
	left_to_the_kernel
	at_server nft delete table inet strict
	at_server sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1
}

# Twelve sources do the same at once.
twelve() { # PORT ORDER
	serve "$1"
	strangers server s0
	for i in {1..12}; do
		ip -n server neigh replace 10.99.0.$((200 + i)) dev s0 \
			lladdr 02:00:00:00:00:99
		start "$BATS_TEST_TMPDIR/$i" client taskset -c 0 \
			"$HERE/handshake.py" iface=c0 mac="$(mac server s0)" \
			from=10.99.0.$((200 + i)) to=10.99.0.2 dport="$1" \
			order="$2" wait=1
	done
	all_ended() {
		[ "$(cat "$BATS_TEST_TMPDIR"/{1..12} | wc -l)" = 12 ]
	}
	wait_for all_ended
	cat "$BATS_TEST_TMPDIR"/{1..12}
}

still_answered() { # PORT
	mark
	before=$(acks ack_accepted)
	at_client taskset -c 0 "$HERE/tfo.py" ask 10.99.0.2 "$1" plain=1
	judged answer_plain 1
	acked ack_accepted 1
}

# Each takes an answer up, resets the connection, and shows the ACK again.
@test "clients can't stop the answers" {
	always 8012
	twelve 8012 ack,reset,pause,ack
	[ "$(acks ack_known)" -ge 12 ]
	still_answered 8012
}

# Each brings its cookie back twice in a segment that the kernel drops.
@test "ACKs that are broken on the way can't stop the answers" {
	local port=8020
	for word in broken garbled mangled signed optioned; do
		always $((++port))
		before=$(acks ack_failed)
		twelve $port $word,pause,$word
		[ $word = optioned ] || acked ack_failed 24
		still_answered $port
		stop_all
	done
}

# Who has a prefix has as many sources as it likes.
@test "one IPv6 prefix can't stop the answers" {
	always 8011
	serve 8011
	for i in {1..12}; do
		start "$BATS_TEST_TMPDIR/$i" client taskset -c 0 \
			"$HERE/handshake.py" iface=c0 mac="$(mac server s0)" \
			from=fd00:99:0:$i::1 to=fd00:99::2 dport=8011 \
			order=ack,reset,pause,ack wait=1
	done
	all_ended() {
		[ "$(cat "$BATS_TEST_TMPDIR"/{1..12} | wc -l)" = 12 ]
	}
	wait_for all_ended
	cat "$BATS_TEST_TMPDIR"/{1..12}
	mark
	before=$(acks ack_accepted)
	at_client taskset -c 0 "$HERE/tfo.py" ask 10.99.0.2 8011 plain=1
	judged answer_plain 1
	acked ack_accepted 1
}

# ---- what is counted, and who counts as proven ----------------------------

# How many sources have proven themselves lately.
proven() {
	bpftool -j map dump pinned "$(find $PINS -name proven)" | jq length
}

@test "an ACK proves its source with timestamps alone, for its MAC is short without" {
	always 8043
	serve 8043
	ip -n server neigh replace 10.99.0.79 dev s0 lladdr 02:00:00:00:00:99
	local known
	known=$(proven)
	[ "$(open_as ack,data,end dport=8043 from=10.99.0.79)" = served ]
	[ "$(proven)" = "$known" ]
	[ "$(open_as ack,data,end dport=8043 from=10.99.0.79 timestamps=1)" = served ]
	[ "$(proven)" = $((known + 1)) ]
}

@test "nothing that proves no address enters the table of those that did" {
	always 8044
	serve 8044
	local known address=10.99.0.80
	ip -n server neigh replace $address dev s0 lladdr 02:00:00:00:00:99
	known=$(proven)
	before=$(acks ack_refused_pass)
	for order in pause astray broken reset; do
		open_as $order dport=8044 from=$address timestamps=1 wait=0.2
	done
	acked ack_refused_pass 1
	run syn dport=8044 from=10.99.0.81
	run syn dport=8044 from=10.99.0.81 cookie=0011223344556677 data=5
	[ "$(proven)" = "$known" ]
}

@test "ACKs without a cookie of ours are dropped beyond a rate, under pressure" {
	local usual few state
	always 8041
	serve 8041
	strangers server s0
	# One in a second; the words of struct tuning are of four bytes.
	usual=$(bpftool -j map dump pinned "$(find $PINS -name tuning)" |
		jq -r '.[0].value | join(" ")')
	few=$(awk '{ $49 = "0x01"; $50 = $51 = $52 = "0x00"; print }' <<<"$usual")
	tune() {
		bpftool map update pinned "$(find $PINS -name tuning)" \
			key 0 0 0 0 value $1
	}
	tune "$few"
	for state in 0 255; do
		before=$(acks ack_refused_drop)
		bpftool map update pinned "$(find $PINS -name port_states)" \
			key $((8041 & 255)) $((8041 >> 8)) 0 0 value \
			$state $state $state $state 255 255 255 255 \
			0 0 0 0 0 0 0 0
		run at_client taskset -c 0 "$HERE/handshake.py" iface=c0 \
			mac="$(mac server s0)" from=10.99.0.77 to=10.99.0.2 \
			dport=8041 order=astray,astray,astray,astray,astray wait=0.5
		echo "# $output, dropped: $(($(acks ack_refused_drop) - before))"
		[ "$output" = reset ]
		[ $state != 0 ] || acked ack_refused_drop 0
	done
	tune "$usual"
	acked ack_refused_drop 4
}

@test "an ACK that comes when nothing listens any more is counted" {
	local listener
	always 8042
	serve 8042
	listener=$(tail -n 1 "$(pids)")
	strangers server s0
	before=$(acks ack_no_listener)
	start "$BATS_TEST_TMPDIR/late" client "$HERE/handshake.py" iface=c0 \
		mac="$(mac server s0)" from=10.99.0.77 to=10.99.0.2 dport=8042 \
		order=pause,pause,pause,pause,ack
	wait_for judged answer_plain 1
	kill "$listener"
	wait_for test -s "$BATS_TEST_TMPDIR/late"
	[ "$(cat "$BATS_TEST_TMPDIR/late")" = reset ]
	acked ack_no_listener 1
}

# ---- the replay filter ----------------------------------------------------

filtered() { # PORT [MORE]
	cat >"$BATS_TEST_TMPDIR/config.yaml" <<-END
		ports: [{port: $1, answer: always, replay: 10s}]
		${2:-}
	END
	guarded s0 -c "$BATS_TEST_TMPDIR/config.yaml"
	mark
	strangers server s0
}

# How many fingerprints a table of them holds.
prints_in() { # MAP
	bpftool -j map dump pinned "$(find $PINS -name "$1")" |
		jq '[.[].formatted.value.slots[] | select(.print != 0)] | length'
}

@test "the replay filter's table holds nothing but data" {
	filtered 8031
	serve 8031
	local data acks
	data=$(prints_in seen)
	acks=$(prints_in vouched)
	for i in {1..5}; do
		ask 10.99.0.2 8031 64 plain=1
	done
	[ $(($(prints_in vouched) - acks)) = 5 ]
	[ $(($(prints_in seen) - data)) = 0 ]
	[ "$(open_as data,end dport=8031)" = served ]
	[ $(($(prints_in seen) - data)) = 1 ]
}

@test "one source enters no more data into the replay filter than its rate" {
	filtered 8032 "limits: {source: {syn: 1}}"
	serve 8032
	local data
	data=$(prints_in seen)
	before=$(acks ack_repeated)
	for i in {1..10}; do
		start "$BATS_TEST_TMPDIR/$i" client "$HERE/handshake.py" \
			iface=c0 mac="$(mac server s0)" from=10.99.0.77 \
			to=10.99.0.2 dport=8032 order=data wait=1
	done
	all_ended() {
		[ "$(cat "$BATS_TEST_TMPDIR"/{1..10} | wc -l)" = 10 ]
	}
	wait_for all_ended
	sort "$BATS_TEST_TMPDIR"/{1..10} | uniq -c
	no grep -q reset "$BATS_TEST_TMPDIR"/{1..10}
	local repeated
	repeated=$(($(acks ack_repeated) - before))
	echo "# dropped: $repeated"
	[ $repeated -gt 0 ]
	[ $repeated -lt 10 ]
	[ $(($(prints_in seen) - data)) = $((10 - repeated)) ]
}

# What the kernel had no room for was not taken, so it does not come again; what
# came twice the listener would answer with a reset.
@test "the replay filter resets nobody" {
	filtered 8033
	serve 8033 backlog=0
	asleep=$(tail -n 1 "$(pids)")
	kill -STOP "$asleep"
	start "$BATS_TEST_TMPDIR/ours" client "$HERE/handshake.py" iface=c0 \
		mac="$(mac server s0)" from=10.99.0.77 to=10.99.0.2 dport=8033 \
		order=pause,pause,pause,pause,pause,ack,data,pause,pause,data,end
	wait_for judged answer_plain 1
	start "$BATS_TEST_TMPDIR/held" client "$HERE/tfo.py" ask 10.99.0.2 8033 plain=1
	full() { [ "$(at_server ss -Hltn 'sport = :8033' | awk '{ print $2 }')" = 1 ]; }
	wait_for full
	overflowed() { ! counted TcpExtListenOverflows 0; }
	wait_for overflowed
	before=$(acks ack_repeated)
	kill -CONT "$asleep"
	wait_for test -s "$BATS_TEST_TMPDIR/ours"
	cat "$BATS_TEST_TMPDIR/ours"
	[ "$(cat "$BATS_TEST_TMPDIR/ours")" = served ]
	acked ack_repeated 0
	run open_as data,abort,pause,data dport=8033
	[ "$output" = nothing ]
	acked ack_repeated 1
}

# ---- floods ---------------------------------------------------------------

VICTIM=203.0.113.7

# SYNs from random addresses of a prefix, in the background.
flood() { # SOURCE/BITS PORT RATE SECONDS
	flood_log=$BATS_TEST_TMPDIR/flood-$2-$3
	start "$flood_log" client "$BUILT/flood" send c0 --to 10.99.0.2 \
		--mac "$(mac server s0)" --prefix "$1" --port "$2" --pps "$3" \
		--seconds "$4"
}

# What clients see, in the background, to $BATS_TEST_TMPDIR/NAME.
watch() { # NAME PORT SECONDS [WAY]...
	start "$BATS_TEST_TMPDIR/$1" client "$HERE/tfo.py" watch 10.99.0.2 "${@:2}"
}

# The summary, when it is there, holds what is said in jq.
saw() { # NAME FILTER
	wait_for test -s "$BATS_TEST_TMPDIR/$1"
	cat "$BATS_TEST_TMPDIR/$1"
	[ "$(jq "$2" "$BATS_TEST_TMPDIR/$1")" = true ]
}

# Half-open connections in the listener's SYN queue.
half_open() { # PORT
	stats | jq ".ports[] | select(.port == $1) | .syn_queue"
}

fullest() { # PORT SECONDS: the most that was seen
	local most=0 now end=$((SECONDS + $2))
	while [ $SECONDS -lt $end ]; do
		now=$(half_open "$1")
		[ "$now" -le $most ] || most=$now
	done
	echo "$most"
}

answered() { # of all since mark
	local now before
	now=$(stats | jq '[.verdicts | to_entries[] | select(.key | startswith("answer_")) | .value.packets] | add')
	before=$(jq '[.verdicts | to_entries[] | select(.key | startswith("answer_")) | .value.packets] | add' "$BATS_TEST_TMPDIR/stats-s0")
	echo $((now - before))
}

under_guard() { # PORT
	guarded s0 --port "$1"
	mark
}

unguarded() {
	at_server tfoguard detach s0 2>/dev/null || :
	rm -f "$BATS_FILE_TMPDIR/guarded-s0"
}

# Nobody waited for a SYN to be sent again. (Data are, by a tail loss probe, where
# a server is late by milliseconds.)
served_well='.failed == [] and .asked > 50 and .worst_ms < 500 and .most_ms < 50'
in_syn='.in_syn == .asked'

@test "under a flood returning clients keep 0-RTT, and new ones are served at once" {
	serve 8101 fastopen=256 backlog=256
	under_guard 8101
	ip -n client address replace $VICTIM/32 dev lo
	ask 10.99.0.2 8101 64 from=$VICTIM
	flood 198.18.0.0/15 8101 20000 5
	sleep 0.5
	watch returning 8101 3.5 from=$VICTIM
	watch new 8101 3.5 plain=1
	most=$(fullest 8101 4)
	saw returning "$served_well and $in_syn"
	saw new "$served_well"
	wait_for test -s "$flood_log"
	sent=$(jq .sent.plain "$flood_log")
	echo "# at most $most of 256; answered $(answered) of $sent"
	[ "$most" -ge 32 ]
	[ "$most" -le 128 ]
	[ "$(answered)" -gt $((sent * 9 / 10)) ]
	# Clients that complete earn the listener its SYNs back, though the
	# flood stays in its queue for a minute.
	watch later 8101 9 plain=1
	sleep 8
	wait_for test -s "$BATS_TEST_TMPDIR/later"
	mark
	for i in {1..20}; do ask 10.99.0.2 8101 64 plain=1 >/dev/null; done
	judged plain_syn 20
	[ "$(answered)" = 0 ]
}

# Half of what the queue takes is still there, for a minute.
@test "five seconds after a flood nothing is answered any more" {
	serve 8108 fastopen=256 backlog=256
	under_guard 8108
	for flood in long short; do
		if [ $flood = long ]; then
			flood 198.18.0.0/15 8108 20000 4
		else
			flood 198.18.0.0/15 8108 500 1
		fi
		wait_for test -s "$flood_log"
		[ "$(half_open 8108)" -ge 32 ]
		sleep 5
		mark
		for i in {1..20}; do
			ask 10.99.0.2 8108 64 plain=1
			[ $i != 10 ] || forget_cookies
		done
		ask 10.99.0.2 8108
		[ "$(answered)" = 0 ]
		judged plain_syn 20
		judged cookie_request 1
	done
}

@test "attached in the middle of a flood, the guard brings 0-RTT back" {
	# Touches nothing; but without a program nothing of the flood arrives.
	guarded s0 --observe --port 8102
	serve 8102 fastopen=256 backlog=256
	ask 10.99.0.2 8102
	flood 198.18.0.0/15 8102 20000 30
	full() { [ "$(half_open 8102)" -gt 256 ]; }
	wait_for full
	watch before 8102 1
	saw before '.in_syn == 0 and .asked > 20'
	under_guard 8102
	begin=$SECONDS
	until [ "$(ask 10.99.0.2 8102)" = 0-RTT ]; do
		[ $((SECONDS - begin)) -lt 13 ]
		sleep 0.1
	done
	echo "# after $((SECONDS - begin)) s"
	watch after 8102 2
	saw after "$served_well and $in_syn"
}

@test "a flood from a client's own prefix does it no harm" {
	serve 8103 fastopen=256 backlog=256
	under_guard 8103
	ip -n client address replace $VICTIM/32 dev lo
	ask 10.99.0.2 8103 64 from=$VICTIM
	flood 203.0.113.0/24 8103 20000 4
	sleep 0.5
	watch returning 8103 3 from=$VICTIM
	watch new 8103 3 from=$VICTIM plain=1
	saw returning "$served_well and $in_syn"
	saw new "$served_well"
}

@test "a slow flood fills no queue and stops no 0-RTT" {
	serve 8104 fastopen=256 backlog=256
	under_guard 8104
	ask 10.99.0.2 8104
	flood 198.18.0.0/15 8104 50 16
	watch returning 8104 15
	watch new 8104 15 plain=1
	most=$(fullest 8104 15)
	saw returning "$served_well and $in_syn"
	saw new "$served_well"
	echo "# at most $most"
	[ "$most" -le 128 ]
}

# The share of a Fast Open queue: one place of it here, in a minute.
@test "who completes has its place in the queue back, who parks has not" {
	cat >"$BATS_TEST_TMPDIR/config.yaml" <<-END
		ports: [{port: 8107}]
		tfo_budget: {mark: 0 %, share: 1 %}
	END
	guarded s0 -c "$BATS_TEST_TMPDIR/config.yaml"
	mark
	serve 8107 fastopen=64
	for address in 10.99.0.2 fd00:99::2; do
		ask $address 8107
		for i in {1..10}; do
			[ "$(ask $address 8107)" = 0-RTT ]
		done
	done
	judged valid_current 20
	# What the kernel takes no notice of gives nothing back.
	strangers server s0
	opened() { # FROM WORD,WORD…
		at_client "$HERE/handshake.py" iface=c0 from="$1" to=10.99.0.2 \
			mac="$(mac server s0)" dport=8107 order="$2" wait=0.3 \
			cookie="$(cookie "$1" 10.99.0.2)"
	}
	mark
	opened 10.99.0.77 broken,broken,astray,broken,again,reset,broken
	judged valid_current 1
	opened 10.99.0.77 pause
	judged valid_current 1
	judged answer_downgraded 1
}

# ---- the challenge --------------------------------------------------------

# The kernel takes no ACK of an answer: another's filter has our place.
challenging() { # PORT
	unguarded
	at_server tc qdisc add dev s0 clsact
	at_server tc filter add dev s0 ingress pref 7413 handle 0x7f0 \
		bpf da bytecode '1,6 0 0 4294967295'
	cat >"$BATS_TEST_TMPDIR/config.yaml" <<-END
		ports: [{port: $1, answer: challenge}]
		pressure: {lo: 0 %, hi: 10 %}
	END
	taken=1
	guarded s0 --port "$1,answer=challenge"
	mark
}

under_pressure() { [ "$(half_open "$1")" -gt 32 ]; } # PORT: its lower mark

proved() { # NUMBER: of sources that are known to hold their address
	local known
	known=$(bpftool -j map dump pinned "$(find $PINS -name proven)" | jq length)
	echo "# $known proved their address"
	[ "$known" = "$1" ]
}

@test "under a flood challenged clients are served, and returning ones keep 0-RTT" {
	serve 8119 fastopen=256 backlog=256
	challenging 8119
	ip -n client address replace $VICTIM/32 dev lo
	ask 10.99.0.2 8119 64 from=$VICTIM
	for i in {1..20}; do
		[ "$(ask 10.99.0.2 8119 64 plain=1)" = 1-RTT ]
	done
	judged challenge 0

	flood 198.18.0.0/15 8119 20000 7
	wait_for under_pressure 8119
	sleep 1.5
	watch returning 8119 4 from=$VICTIM
	for i in {1..8}; do
		ip -n client address replace 203.0.113.10$i/32 dev lo
		for time in first second; do
			said=$(ask 10.99.0.2 8119 64 plain=1 info=1 from=203.0.113.10$i)
			echo "# $i, $time: $said"
			[ "$(jq '.ms < 500' <<<"$said")" = true ]
		done
	done
	ask fd00:99::2 8119 64 plain=1
	ask fd00:99::2 8119 64 plain=1
	saw returning ".failed == [] and .asked > 50 and .resent == 0 and $in_syn"
	# Once each, but for who got one of the few places left, and nobody of
	# the flood.
	met=$(($(stats | jq .verdicts.challenge_met.packets) -
		$(jq .verdicts.challenge_met.packets "$BATS_TEST_TMPDIR/stats-s0")))
	echo "# $met of 9 were challenged"
	[ $met -ge 5 ]
	[ $met -le 9 ]
	proved $met
	wait_for test -s "$flood_log"
	cat "$flood_log"
}

@test "only the RST that meets a challenge proves an address" {
	serve 8120 backlog=256
	challenging 8120
	strangers server s0
	flood 198.18.0.0/15 8120 20000 20
	wait_for under_pressure 8120
	sleep 1.5
	try() { # WORD: nearly all of them are challenged
		for _ in {1..4}; do
			open_as "$1" dport=8120 wait=0.2 thief=10.99.0.78
		done
	}
	for wrong in reset ack stolen; do
		try $wrong
		judged challenge_met 0
		proved 0
	done
	# Once: the next SYN passes.
	try met
	judged challenge_met 1
	proved 1
}

# ---- unkind states --------------------------------------------------------

@test "a listener that closes and comes back in a flood is guarded at once" {
	serve 8105 fastopen=256 backlog=256
	under_guard 8105
	ask 10.99.0.2 8105
	flood 198.18.0.0/15 8105 20000 8
	sleep 0.5
	[ "$(ask 10.99.0.2 8105)" = 0-RTT ]
	kill "$(sed -n 1p "$(pids)")"
	refused() { ! ask 10.99.0.2 8105 64 plain=1 2>/dev/null; }
	wait_for refused
	serve 8105 fastopen=256 backlog=256
	watch returning 8105 1.5
	watch new 8105 1.5 plain=1
	saw returning "$served_well and $in_syn"
	saw new "$served_well"
}

@test "a guard exchanged, keys changed and a guard detached in a flood lose nobody" {
	serve 8106 fastopen=256 backlog=256
	under_guard 8106
	ip -n client address replace $VICTIM/32 dev lo
	ask 10.99.0.2 8106 64 from=$VICTIM
	flood 198.18.0.0/15 8106 20000 15
	sleep 0.5
	watch returning 8106 4 from=$VICTIM
	watch new 8106 4 plain=1
	guard s0 --port 8106
	set_key $OTHER_KEY
	guard s0 --port 8106
	# The new key costs one round trip, once.
	saw returning '.failed == [] and .in_syn >= .asked - 1 and .worst_ms < 400'
	saw new '.failed == [] and .worst_ms < 1500'
	watch last 8106 5 plain=1
	sleep 1
	unguarded
	saw last '.failed == [] and .worst_ms < 1500'
	[ -z "$(at_server tc qdisc show dev s0 clsact)" ]
	[ -z "$(at_server tc filter show dev s0 ingress)" ]
	[ -z "$(xdp_of server s0)" ]
	[ ! -e $PINS ]
}

# ---- more than one interface ----------------------------------------------

# The client's SYNs leave by c0, the rest by c1.
steer() {
	ip -n client route replace 10.99.0.2/32 dev c1 src 10.99.0.1
	ip -n client route replace 10.99.0.2/32 dev c0 src 10.99.0.1 table 100
	ip -n client rule add fwmark 1 table 100
	at_client nft -f - <<-END
		table inet steer {
			chain out {
				type route hook output priority mangle;
				tcp flags & (syn | ack) == syn meta mark set 1
			}
		}
	END
}

end_steer() {
	at_client nft delete table inet steer
	ip -n client rule del fwmark 1 table 100
	ip -n client route del 10.99.0.2/32 dev c1
}

@test "a SYN comes in on one interface, its ACK on another" {
	always 8001
	guard s1 --port 8001
	serve 8001 fastopen=64
	steer
	mark s0
	mark s1
	before=$(acks ack_accepted)
	[ "$(ask 10.99.0.2 8001 100000)" = 1-RTT ]
	end_steer
	judged answer_request 1
	[ "$(stats s1 | total)" -gt 10 ]
	acked ack_accepted 1
	at_server tfoguard detach s1
}

has_filter() { # INTERFACE
	at_server tc filter show dev "$1" ingress | grep -q tfoguard_ack
}

@test "a guard that leaves takes its own filter, and the other goes on" {
	always 8001
	serve 8001 fastopen=64
	guard s1 --port 8001,answer=always
	has_filter s0
	has_filter s1
	at_server tfoguard detach s1
	has_filter s0
	[ -z "$(at_server tc qdisc show dev s1 clsact)" ]
	[ "$(ask 10.99.0.2 8001)" = 1-RTT ]
	judged answer_request 1
	guard s1 --port 8001,answer=always
	unguarded
	mark s1
	[ "$(ask 10.99.1.2 8001)" = 1-RTT ]
	judged answer_request 1 s1
	at_server tfoguard detach s1
}

# ---- others on the same hook ----------------------------------------------

@test "a foreign qdisc and its filter stay when the guard goes" {
	at_server tc qdisc add dev s1 clsact
	at_server tc filter add dev s1 egress pref 9 bpf da bytecode '1,6 0 0 0'
	serve 8001 fastopen=64
	guard s1 --port 8001,answer=always
	mark s1
	[ "$(ask 10.99.1.2 8001)" = 1-RTT ]
	judged answer_request 1 s1
	at_server tfoguard detach s1
	! has_filter s1
	at_server tc filter show dev s1 egress | grep -q 'pref 9'
	at_server tc qdisc del dev s1 clsact
	# And one that is empty is not ours either.
	at_server tc qdisc add dev s1 clsact
	guard s1 --port 8001
	at_server tfoguard detach s1
	[ -n "$(at_server tc qdisc show dev s1 clsact)" ]
	at_server tc qdisc del dev s1 clsact
}

@test "where another's filter has our place the guard answers nothing, and says so" {
	at_server tc qdisc add dev s1 clsact
	at_server tc filter add dev s1 ingress pref 7413 handle 0x7f0 \
		bpf da bytecode '1,6 0 0 4294967295'
	serve 8001 fastopen=64
	guard s1 --port 8001,answer=always
	at_server tfoguard status -j s1 | jq -e '.limits | any(test("not answered under pressure"))'
	mark s1
	[ "$(ask 10.99.1.2 8001)" = 1-RTT ]
	judged cookie_request 1 s1
	at_server tfoguard detach s1
	at_server tc filter show dev s1 ingress | grep -q 'handle 0x7f0 .*bytecode'
	at_server tc qdisc del dev s1 clsact
}

@test "a filter that took our place meanwhile stays when the guard goes" {
	guard s1 --port 8001
	at_server tc filter del dev s1 ingress pref 7413
	at_server tc filter add dev s1 ingress pref 7413 handle 0x7f0 \
		bpf da bytecode '1,6 0 0 4294967295'
	at_server tfoguard detach s1
	at_server tc filter show dev s1 ingress | grep -q 'handle 0x7f0 .*bytecode'
	at_server tc qdisc del dev s1 clsact
}

# Killed when it enters a system call for the nth time.
killed_at() { # SYSTEM CALL, NUMBER
	run at_server strace -qq -o /dev/null -e trace="$1" \
		-e inject="$1:signal=KILL:when=$2" tfoguard attach s1 --port 8001,answer=always
	[ "$status" = 137 ]
}

@test "an attach killed between its two programs is mended by the next command" {
	serve 8001 fastopen=64
	for command in attach detach; do
		killed_at renameat2 1
		has_filter s1
		[ -z "$(xdp_of server s1)" ]
		if [ $command = attach ]; then
			guard s1 --port 8001,answer=always
			mark s1
			[ "$(ask 10.99.1.2 8001)" = 1-RTT ]
			judged answer_request 1 s1
			at_server tfoguard detach s1
		else
			run -3 at_server tfoguard detach s1
		fi
		! has_filter s1
		[ -z "$(at_server tc qdisc show dev s1 clsact)" ]
		[ -z "$(find $PINS -name '*spare*' 2>/dev/null)" ]
	done
}

# ---- other devices --------------------------------------------------------

@test "in generic mode SYNs are answered too" {
	serve 8001 fastopen=64
	guard s1 -m skb --port 8001,answer=always
	mark s1
	[ "$(ask 10.99.1.2 8001 1000000)" = 1-RTT ]
	judged answer_request 1 s1
	[ "$(ask 10.99.1.2 8001)" = 0-RTT ]
	at_server tfoguard detach s1
}

@test "on a tun device SYNs are answered too" {
	start "$BATS_TEST_TMPDIR/tunnel" client "$HERE/tunnel.py" \
		server t0 client t1
	wait_for grep -q ready "$BATS_TEST_TMPDIR/tunnel"
	ip -n server link set t0 up
	ip -n client link set t1 up
	address server t0 10.99.2.2/24 fd00:99:2::2/64
	address client t1 10.99.2.1/24 fd00:99:2::1/64
	serve 8001 fastopen=64
	guard t0 -m skb --port 8001,answer=always
	mark t0
	[ "$(ask 10.99.2.2 8001 1000000)" = 1-RTT ]
	[ "$(ask fd00:99:2::2 8001 1000000)" = 1-RTT ]
	judged answer_request 2 t0
	# That of IPv4 has no room to grow by a cookie.
	[ "$(ask fd00:99:2::2 8001)" = 0-RTT ]
	at_server tfoguard detach t0
}
