#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# Attach, exchange, detach: on what there is, under traffic, at the same moment,
# and killed on the way.
#
#   tests/isolate bats tests/net/loader.bats
#
# REPLACEMENTS and KILLS make the long tests longer.

load lib

REPLACEMENTS=${REPLACEMENTS:-20}
KILLS=${KILLS:-12}

setup() {
	find_tfoguard
	make_world
	forget_cookies
}

teardown() { end_world; }

# ---- leaving no trace -----------------------------------------------------

leaves_all_as_it_was() { # [OPTION]...
	at_server tc qdisc add dev s0 clsact
	before=$(state_of server)
	guard s0 "$@"
	[ -n "$(xdp_of server s0)" ]
	[ "$(state_of server)" != "$before" ]
	at_server tfoguard detach s0
	diff <(echo "$before") <(state_of server)
}

@test "detach leaves interface, pins and qdiscs as before" {
	leaves_all_as_it_was
}

@test "detach leaves interface, pins and qdiscs as before, in generic mode" {
	leaves_all_as_it_was -m skb
}

@test "detach of one interface leaves the other guarded" {
	join server s1 client c1
	guard s0
	before=$(state_of server)
	guard s1
	at_server tfoguard detach s1
	diff <(echo "$before") <(state_of server)
	is_guarded server s0
}

@test "detach takes the program off even where another holds its link" {
	guard s0
	bpftool link pin pinned "$(find $PINS -name link)" /sys/fs/bpf/kept
	at_server tfoguard detach s0
	[ -z "$(xdp_of server s0)" ]
	rm /sys/fs/bpf/kept
}

@test "success is quiet" {
	[ -z "$(guard s0 2>&1)" ]
	[ -z "$(guard s0 2>&1)" ]
	[ -z "$(at_server tfoguard detach s0 2>&1)" ]
}

# ---- exchanging -----------------------------------------------------------

@test "attach over an attached guard exchanges program and settings, keeps counters" {
	serve 8080 fastopen=16
	guard s0
	syn dport=8080 data=20 cookie=$FORGED >/dev/null
	program=$(xdp_of server s0)
	since=$(at_server tfoguard status -j s0 | jq .attached_at)
	guard s0 --port 8080,mode=off --observe
	[ "$(xdp_of server s0)" != "$program" ]
	[ "$(at_server tfoguard status -j s0 | jq .attached_at)" = "$since" ]
	[ "$(at_server tfoguard status -j s0 | jq -c '[.observe, [.ports[] | [.port, .mode]]]')" = \
		'[true,[[8080,"off"]]]' ]
	[ "$(stats | jq .verdicts.forged.packets)" = 1 ]
	syn dport=8080 data=20 cookie=$FORGED >/dev/null
	[ "$(stats | jq -c '.verdicts | [.forged.packets, .port_off.packets]')" = "[1,1]" ]
}

# SYNs that reach the server's stack are counted by nftables, and end there.
count_arrivals() {
	at_server nft -f - <<-END
		table inet arrivals {
			counter stripped { }
			counter whole { }
			counter others { }
			chain prerouting {
				type filter hook prerouting priority raw;
				tcp dport 9001 ip length 56 counter name stripped drop
				tcp dport 9001 counter name whole drop
				tcp dport 9002-9004 counter name others drop
			}
		}
	END
}

arrivals() { # COUNTER
	at_server nft -j list counter inet arrivals "$1" | jq '.nftables[1].counter.packets'
}

# What the client's end sent before the guard was there; read in a quiet moment,
# for its stack says a word by itself now and then.
know_offset() {
	local before=
	while [ "$before" != "$(client_sent)" ]; do
		before=$(client_sent)
		offset=$((before - $(stats | total)))
	done
}

client_sent() { ip -n client -s -j link show c0 | jq '.[0].stats64.tx.packets'; }

@test "exchanging under traffic loses nothing, and lets nothing forged through" {
	log=$BATS_TEST_TMPDIR/flood
	for port in 8080 9001 9002; do serve $port fastopen=1024; done
	count_arrivals
	guard s0
	know_offset
	ask 10.99.0.2 8080
	start "$log" client "$HERE/flood.py" iface=c0 mac="$(mac server s0)" \
		from=10.99.0.1 to=10.99.0.2 rate=4000 \
		cookie="$(cookie 10.99.0.1 10.99.0.2)"
	flood=$!
	wait_for grep -q ready "$log"
	for ((i = 0; i < REPLACEMENTS; i++)); do
		guard s0
		[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	done
	kill $flood
	ended() { grep -q forged "$log"; }
	wait_for ended
	sent() { tail -1 "$log" | jq ".$1"; }
	echo "# $i exchanges, sent: $(tail -1 "$log")"
	[ "$(sent forged)" -gt 1000 ]

	# Each packet that the client's end sent was counted, once.
	all_counted() { [ "$(stats | total)" = $(($(client_sent) - offset)) ]; }
	wait_for all_counted || echo "# $(stats | total) counted of $(($(client_sent) - offset))"
	all_counted
	echo "# judged: $(stats | jq -c '.verdicts | map_values(.packets) | with_entries(select(.value > 0))')"
	[ "$(stats | jq .verdicts.forged.packets)" = "$(sent forged)" ]
	[ "$(stats | jq .verdicts.plain_syn.packets)" = "$(sent plain)" ]
	[ "$(stats | jq .verdicts.valid_current.packets)" = $(($(sent valid) + REPLACEMENTS)) ]
	# Each that was forged arrived, without its data.
	[ "$(arrivals whole)" = 0 ]
	[ "$(arrivals stripped)" = "$(sent forged)" ]
	[ "$(arrivals others)" = $(($(sent valid) + $(sent request) + $(sent plain))) ]
}

@test "nobody else can take the program off" {
	guard s0
	program=$(xdp_of server s0)
	run -2 ip -n server link set dev s0 xdp off
	[[ $output == *"active BPF XDP link"* ]]
	[ "$(xdp_of server s0)" = "$program" ]
	run ip -n server -force link set dev s0 xdpdrv obj "$(foreign_program)" sec xdp
	[ "$status" != 0 ]
	[ "$(xdp_of server s0)" = "$program" ]
	is_guarded server s0
}

foreign_program() {
	local object=$BATS_TEST_TMPDIR/foreign.o
	clang -O2 -target bpf -x c -c -o "$object" - <<-END
		__attribute__((section("xdp"))) int pass(void *ctx) { return 2; }
	END
	echo "$object"
}

@test "the other mode over an attached guard is refused" {
	for pair in "native skb" "skb native"; do
		set -- $pair
		guard s0 -m "$1"
		before=$(state_of server)
		refuses 1 "it is attached in mode $1" at_server tfoguard attach s0 -m "$2"
		diff <(echo "$before") <(state_of server)
		at_server tfoguard detach s0
	done
}

@test "another's XDP program is left alone" {
	for how in xdpdrv xdpgeneric; do
		ip -n server link set dev s0 $how obj "$(foreign_program)" sec xdp
		before=$(state_of server)
		refuses 1 "the XDP program pass" at_server tfoguard attach s0
		refuses 1 "the XDP program pass" at_server tfoguard attach s0 -m skb
		refuses 3 "no guard is attached" at_server tfoguard detach s0
		diff <(echo "$before") <(state_of server)
		ip -n server link set dev s0 $how off
	done
}

# ---- at the same moment ---------------------------------------------------

@test "two attaches at the same moment make one guard" {
	for i in 1 2; do
		guard s0 2>"$BATS_TEST_TMPDIR/first" 3>&- &
		first=$!
		guard s0 2>"$BATS_TEST_TMPDIR/second" 3>&- &
		second=$!
		wait $first
		wait $second
		is_guarded server s0
		[ "$(at_server tfoguard status -j | wc -l)" = 1 ]
	done
	find $PINS | grep -c '/link$' | grep -x 1
	at_server tfoguard detach s0
	[ -z "$(xdp_of server s0)" ]
	[ ! -e $PINS ]
}

@test "attach and detach at the same moment end in one or the other" {
	for i in 1 2 3; do
		guard s0 3>&- &
		attach=$!
		sleep "0.$i"
		at_server tfoguard detach s0 2>/dev/null || [ $? = 3 ]
		wait $attach
		[ -n "$(xdp_of server s0)" ] && is_guarded server s0 || [ ! -e $PINS ]
	done
}

@test "stats of a guard that is detached meanwhile: counters, or that none is attached" {
	for ((n = 1; n <= 9; n++)); do
		guard s0
		nsenter --net=/run/netns/server strace -qq -o /dev/null -e trace=bpf \
			-e inject=bpf:delay_enter=700ms:when=$n \
			tfoguard stats -j s0 >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
		reader=$!
		sleep 0.2
		at_server tfoguard detach s0
		code=0
		wait $reader || code=$?
		echo "# at call $n: exit $code, $(head -c 200 "$BATS_TEST_TMPDIR/out")"
		[[ $code = [03] ]]
	done
}

@test "who waits for another too long says so" {
	mkdir -p /run/tfoguard
	exec 9>/run/tfoguard/lock
	flock 9
	refuses 1 "another tfoguard is changing guards" at_server tfoguard attach s0
	exec 9>&-
	[ ! -e $PINS ]
	guard s0
}

@test "two namespaces with the same name and index do not mix" {
	add_netns twin
	join twin s0 client c1
	[ "$(ip -n twin -j link show s0 | jq '.[0].ifindex')" = \
		"$(ip -n server -j link show s0 | jq '.[0].ifindex')" ]
	address twin s0 10.99.1.2/24
	address client c1 10.99.1.1/24
	in_netns twin sysctl -qw net.ipv4.tcp_fastopen=3 net.ipv4.tcp_fastopen_key=$OTHER_KEY
	serve 8080 fastopen=16
	SERVE_IN=twin serve 8080 fastopen=16
	guard s0
	in_netns twin tfoguard attach s0 --port 8080,forged=drop
	keys() { in_netns "$1" tfoguard key show -j | jq -r .guard.current; }
	[ "$(keys server)" != "$(keys twin)" ]
	ask 10.99.0.2 8080
	ask 10.99.1.2 8080
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	[ "$(ask 10.99.1.2 8080)" = 0-RTT ]
	[ "$(stats | jq .verdicts.valid_current.packets)" = 1 ]
	at_server tfoguard detach s0
	is_guarded twin s0
	[ "$(in_netns twin tfoguard stats -j s0 | jq .verdicts.valid_current.packets)" = 1 ]
}

# ---- devices --------------------------------------------------------------

@test "a device without Ethernet header: native is refused" {
	in_tun
	before=$(state_of server)
	refuses 1 'attach with "-m skb"' at_server tfoguard attach t0
	diff <(echo "$before") <(state_of server)
}

@test "a device without Ethernet header: generic mode judges bare IP" {
	serve 8080 fastopen=16
	in_tun
	guard t0 -m skb
	for option in cookie=$FORGED cookie="$(cookie 10.99.5.9 10.99.5.2)"; do
		syn write=/dev/null bare=1 dport=8080 data=20 to=10.99.5.2 \
			from=10.99.5.9 "$option" >&7
	done
	seen() { [ "$(stats t0 | jq -c '.verdicts | [.forged.packets, .valid_current.packets]')" = "[1,1]" ]; }
	wait_for seen
	stats t0 | jq -e '.verdicts.forged.families.ipv4.packets == 1'
	kernel_counters | grep -x "TcpExtTCPFastOpenPassive 1"
	kernel_counters | grep -x "TcpInCsumErrors 0"
	exec 7>&-
}

# A tun device, and descriptor 7 leads into it.
in_tun() {
	local log=$BATS_TEST_TMPDIR/tun
	mkfifo "$BATS_TEST_TMPDIR/into"
	nsenter --net=/run/netns/server "$HERE/tun.py" t0 \
		<"$BATS_TEST_TMPDIR/into" >"$log" 2>&1 3>&- &
	echo $! >>"$(pids)"
	exec 7>"$BATS_TEST_TMPDIR/into"
	wait_for grep -q ready "$log"
	ip -n server link set t0 addrgenmode none up
	address server t0 10.99.5.2/24
}

@test "a driver without native XDP is named, with the way out" {
	ip -n server link add br0 type bridge
	before=$(state_of server)
	refuses 1 'attach with "-m skb"' at_server tfoguard attach br0
	diff <(echo "$before") <(state_of server)
	guard br0 -m skb
}

@test "an interface that goes away: status and detach by its name" {
	guard s0
	ip -n server link del s0
	at_server tfoguard status -j s0 | jq -e '.attached == false'
	at_server tfoguard status s0 | grep -q "has gone"
	at_server tfoguard detach s0
	[ ! -e $PINS ]
}

new_s0() { # [INDEX]
	ip -n server link add s0 ${1:+index "$1"} type veth peer name c0 netns client
	ip -n server link set s0 up
	ip -n client link set c0 up
}

@test "an interface that goes away: a new one of its name is another" {
	guard s0
	ip -n server link del s0
	new_s0
	refuses 3 "no guard is attached" at_server tfoguard status s0
	guard s0
	is_guarded server s0
	[ "$(at_server tfoguard status -j | wc -l)" = 1 ]
	at_server tfoguard detach s0
	[ ! -e $PINS ]
}

@test "an interface that goes away: detach of its name works though a new one has it" {
	guard s0
	ip -n server link del s0
	new_s0
	at_server tfoguard detach s0
	[ ! -e $PINS ]
}

@test "an interface that goes away: a new one of its index is another" {
	ip -n server link del s0
	new_s0 77
	guard s0
	at_client ping -c 1 10.99.0.2 || :
	ip -n server link del s0
	new_s0 77
	at_server tfoguard status -j s0 | jq -e '.attached == false'
	guard s0
	is_guarded server s0
	[ -n "$(xdp_of server s0)" ]
	at_server tfoguard detach s0
	[ ! -e $PINS ]
}

@test "a renamed interface is still guarded, by its new name" {
	guard s0
	ip -n server link set s0 name s9
	is_guarded server s9
	refuses 3 "there is no such interface" at_server tfoguard detach s0
	at_server tfoguard detach s9
	[ ! -e $PINS ]
}

@test "a namespace that goes away: its pins go with the next attach or detach" {
	for then in attach detach; do
		[ $then = attach ] || guard s0
		add_netns gone
		join gone s0 client c1
		in_netns gone tfoguard attach s0
		[ "$(ls $PINS | wc -l)" -ge 1 ]
		ip netns del gone
		vanished() { ! ip -n client link show c1 >/dev/null 2>&1; }
		wait_for vanished
		at_server tfoguard $then s0
		if [ $then = attach ]; then
			is_guarded server s0
			[ "$(ls $PINS | wc -l)" = 1 ]
		else
			[ ! -e $PINS ]
		fi
	done
}

@test "every command takes an interface's alternative names" {
	long=a-name-that-is-longer-than-the-fifteen-of-an-interface
	ip -n server link property add dev s0 altname other altname $long
	for name in other $long; do
		guard $name
		is_guarded server s0
		guard $name
		for command in status stats; do
			[ "$(at_server tfoguard $command -j $name | jq -r .interface)" = s0 ]
		done
		at_server tfoguard doctor -j $name | jq -e '.' >/dev/null || [ $? != 1 ]
		! at_server tfoguard doctor $name 2>&1 | grep "no such interface"
		at_server tfoguard detach $name
		[ ! -e $PINS ]
	done
}

@test "an interface that moves to another namespace can be detached where it was" {
	guard s0
	ip -n server link set s0 netns client
	at_server tfoguard status -j s0 | jq -e '.attached == false'
	at_server tfoguard detach s0
	[ -z "$(xdp_of client s0)" ]
	[ ! -e $PINS ]
}

# ---- killed ---------------------------------------------------------------

# Guarded as a whole, and what comes in is counted; or not guarded.
not_half() {
	local before
	if [ -n "$(xdp_of server s0)" ]; then
		is_guarded server s0
		before=$(stats | jq .verdicts.no_listener.packets)
		syn dport=8080 data=20 cookie=$FORGED >/dev/null
		[ "$(stats | jq .verdicts.no_listener.packets)" -gt "$before" ]
	elif is_guarded server s0; then
		echo "# status says it is guarded"
		return 1
	fi
}

attach_killed_at() { # SYSTEM CALL, NUMBER
	run nsenter --net=/run/netns/server strace -qq -o /dev/null \
		-e trace="$1" -e "inject=$1:signal=KILL:when=$2" tfoguard attach s0
	echo "# killed at $*"
	[ "$status" = 137 ]
}

# The system calls by which an attach changes something, one a line, each as its
# name and how many of that name came before it.
steps() {
	local trace=$BATS_TEST_TMPDIR/trace
	nsenter --net=/run/netns/server strace -qq -o "$trace" \
		-e trace=mkdir,rename,renameat2,bpf tfoguard attach s0
	awk -F'(' '{ n[$1]++ }
		/^(mkdir|rename|renameat2)/ || /BPF_OBJ_PIN|BPF_LINK_CREATE|BPF_LINK_UPDATE/ {
			print $1, n[$1]
		}' "$trace" >"$BATS_TEST_TMPDIR/steps"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/steps")" -ge 9 ]
}

@test "a first attach that is killed at any step: detach cleans up" {
	steps
	at_server tfoguard detach s0
	while read -r call number; do
		attach_killed_at "$call" "$number"
		not_half
		at_server tfoguard detach s0 || [ $? = 3 ]
		[ -z "$(xdp_of server s0)" ]
		[ ! -e $PINS ] || { find $PINS; return 1; }
	done <"$BATS_TEST_TMPDIR/steps"
}

@test "a first attach that is killed at any step: attach heals" {
	steps
	at_server tfoguard detach s0
	# Every third step; an attach takes its time.
	while read -r call number; do
		attach_killed_at "$call" "$number"
		not_half
		guard s0
		is_guarded server s0
		at_server tfoguard detach s0
		[ ! -e $PINS ]
	done < <(tac "$BATS_TEST_TMPDIR/steps" | sed -n '1~3p')
}

@test "an exchange that is killed at any step leaves a guard, and attach heals" {
	guard s0
	steps
	while read -r call number; do
		attach_killed_at "$call" "$number"
		is_guarded server s0
		[ -n "$(xdp_of server s0)" ]
		guard s0
		is_guarded server s0
		run -0 find $PINS -name '*-new' -o -name '*-spare'
		[ -z "$output" ]
	done < <(tac "$BATS_TEST_TMPDIR/steps" | sed -n '1~3p')
}

@test "attaches killed at random moments" {
	start=$(date +%s%N)
	guard s0
	took=$(($(date +%s%N) - start)) # nanoseconds
	at_server tfoguard detach s0
	for ((i = 0; i < KILLS; i++)); do
		nsenter --net=/run/netns/server tfoguard attach s0 3>&- &
		attach=$!
		moment=$((took * (RANDOM % 110) / 100))
		sleep "$((moment / 1000000000)).$(printf %09d $((moment % 1000000000)))"
		kill -9 $attach 2>/dev/null || :
		wait $attach || :
		not_half
		if ((i % 2)); then
			at_server tfoguard detach s0 || [ $? = 3 ]
			[ ! -e $PINS ]
		fi
	done
	guard s0
	is_guarded server s0
}
