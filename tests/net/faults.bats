#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# Faults of what is around the guard: no memory, bpffs unmounted, an interface
# or a sysctl changed under way, another clock. Each time: what happens to
# traffic, and what the user is told.
#
#   tests/isolate bats tests/net/faults.bats
#
# STEP=1 refuses each system call instead of every fifth.
#
# shellcheck disable=SC2154 # bats sets stderr

load lib

STEP=${STEP:-5}

setup() {
	find_tfoguard
	make_world
	forget_cookies
}

# Also where a test broke off half-way.
teardown() {
	[ "$(grep -c " /sys/fs/bpf bpf " /proc/mounts)" -lt 2 ] || umount /sys/fs/bpf
	mount -o remount,rw /sys/fs/bpf
	end_world
}

# Connections are made, and keep 0-RTT once a cookie is known.
served() { # ADDRESS PORT
	forget_cookies
	[ "$(ask "$1" "$2")" = 1-RTT ]
	[ "$(ask "$1" "$2")" = 0-RTT ]
}

# Its nth call of bpf() fails so. Fails where there were fewer.
failing_at() { # NUMBER ERROR COMMAND...
	local trace=$BATS_TEST_TMPDIR/trace
	run --separate-stderr nsenter --net=/run/netns/server strace -f -qq \
		-o "$trace" -e trace=bpf -e inject=bpf:error="$2":when="$1" "${@:3}"
	echo "# call $1, $2: exit $status: $stderr"
	grep -q INJECTED "$trace"
}

# What an error must be: one sentence, with what was tried and why.
is_told() {
	[ -z "$output" ]
	[[ $stderr == "tfoguard: cannot "?*": "?* ]]
	[ "$(wc -l <<<"$stderr")" = 1 ]
}

# ---- the kernel has no memory, or refuses ---------------------------------

# An attach makes 160 calls of bpf(), probes of libbpf's among them, of which
# some may fail. Whatever fails: nothing is left, be it a pin, a filter or a
# program, or a guard is there that detach takes off without a trace.
@test "a first attach whose system calls fail leaves nothing, or a guard" {
	local failed=0 errors=(ENOMEM E2BIG EPERM)
	before=$(state_of server)
	for ((n = 1; ; n += STEP)); do
		failing_at "$n" "${errors[n / STEP % 3]}" tfoguard attach s0 || break
		case $status in
		1)
			is_told
			failed=$((failed + 1))
			;;
		0 | 4)
			is_guarded server s0
			at_server tfoguard detach s0
			;;
		*) return 1 ;;
		esac
		diff <(echo "$before") <(state_of server)
	done
	echo "# $n calls, $failed were errors"
	[ "$n" -gt 100 ]
	[ "$failed" -gt $((n / STEP / 4)) ]
}

@test "an exchange that lacks memory leaves the guard, and its answers" {
	hear_answers c0
	serve 8080 fastopen=16
	before=$(state_of server)
	guard s0
	link=$(bpftool -j link show pinned "$(find $PINS -name link)" | jq .id)
	answers() {
		at_server tc filter show dev s0 ingress | grep -q tfoguard_ack
		[ "$(at_server tfoguard doctor -j s0 |
			jq 'any(.findings[]; .id == "guard_silent")')" = false ]
	}
	for ((n = 2; ; n += 4 * STEP)); do
		failing_at "$n" ENOMEM tfoguard attach s0 || break
		[ "$status" = 0 ] || is_told
		[[ $status = [014] ]]
		[ "$(bpftool -j link show pinned "$(find $PINS -name link)" | jq .id)" = "$link" ]
		answers
	done
	[ "$n" -gt 50 ]
	served 10.99.0.2 8080
	at_server tfoguard detach s0
	diff <(echo "$before") <(state_of server)
}

# The filter that takes the ACKs is known by its name, which libbpf leaves away
# where its probe for names failed.
@test "a program that libbpf would load without a name is not attached" {
	hear_answers c0
	local unnamed=0
	before=$(state_of server)
	for n in 4 5 6; do
		failing_at "$n" ENOMEM tfoguard attach s0
		grep -q "PROG_LOAD.*INJECTED" "$BATS_TEST_TMPDIR/trace" &&
			[[ $stderr == *"memory for what takes the ACKs"* ]] && unnamed=1
		[ "$status" != 0 ] || at_server tfoguard detach s0
		diff <(echo "$before") <(state_of server)
	done
	[ $unnamed = 1 ]
}

@test "no memory for the program itself, and too few open files" {
	before=$(state_of server)
	# Beyond what the libraries need, less than libbpf does.
	for bytes in 24000000 28000000; do
		refuses 1 "free memory, or allow it more" \
			at_server prlimit --as=$bytes tfoguard attach s0
	done
	for files in 16 24 40; do
		refuses 1 "Too many open files" at_server prlimit --nofile=$files tfoguard attach s0
		diff <(echo "$before") <(state_of server)
	done
	refuses 1 "ulimit -n" at_server prlimit --nofile=24 tfoguard attach s0
}

# Neither programs and maps nor keys need locked pages, of which there are none.
@test "without locked memory a guard is attached and keys are rotated" {
	serve 8080 fastopen=16
	lockless() {
		at_server prlimit --memlock=0 setpriv \
			--bounding-set -ipc_lock,-sys_resource tfoguard "$@"
	}
	lockless attach s0
	served 10.99.0.2 8080
	lockless key rotate --emergency
	[ "$(ask 10.99.0.2 8080)" = 1-RTT ]
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	lockless detach s0
}

# What tells that a client has left the queue is kept with its socket, by the
# socket's own allowance. Without it nobody has its place back: served, later.
@test "no memory for the sockets' notes: beyond its share a client is answered" {
	# Since Linux 6.7 a network namespace has its own.
	at_server test -e /proc/sys/net/core/optmem_max || skip "no optmem_max here"
	cat >"$BATS_TEST_TMPDIR/config.yaml" <<-END
		ports: [{port: 8080}]
		tfo_budget: {mark: 0 %, share: 1 %}
	END
	serve 8080 fastopen=64
	hear_answers c0
	guard s0 -c "$BATS_TEST_TMPDIR/config.yaml"
	served 10.99.0.2 8080
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	at_server sysctl -qw net.core.optmem_max=1
	mark
	# One was given back before; the place of this one is not.
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	for _ in 1 2 3; do
		[ "$(ask 10.99.0.2 8080 100000)" = 1-RTT ]
	done
	judged answer_downgraded 3
	at_server sysctl -qw net.core.optmem_max=131072
	served fd00:99::2 8080
	for _ in 1 2 3; do
		[ "$(ask fd00:99::2 8080)" = 0-RTT ]
	done
}

# ---- bpffs ----------------------------------------------------------------

# What was pinned goes with it, so the guard goes; its filter has no pin.
@test "bpffs unmounted: no guard any more, which all say, and the next one heals" {
	hear_answers c0
	serve 8080 fastopen=16
	guard s0
	served 10.99.0.2 8080
	umount -l /sys/fs/bpf
	[ -z "$(xdp_of server s0)" ]
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	for command in status stats; do
		refuses 3 "no guard is attached to it" at_server tfoguard $command s0
	done
	at_server tfoguard doctor -j s0 | jq -e 'any(.findings[]; .id == "not_guarded")'
	at_server tc filter show dev s0 ingress | grep -q tfoguard_ack
	refuses 3 "no guard is attached to it" at_server tfoguard detach s0
	[ -z "$(at_server tc filter show dev s0 ingress)" ]
	guard s0
	served 10.99.0.2 8080
	mountpoint -q /sys/fs/bpf
}

@test "bpffs unmounted under the daemon: it says what to do, and then goes on" {
	log=$BATS_TEST_TMPDIR/log
	serve 8080 fastopen=16
	start "$log" server tfoguard run -i s0
	wait_for grep -q "s0: guarded" "$log"
	umount -l /sys/fs/bpf
	wait_for grep -q "mount it: mount -t bpf bpf /sys/fs/bpf" "$log"
	[ "$(at_server curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9435/readyz)" = 503 ]
	served 10.99.0.2 8080
	mount -t bpf bpf /sys/fs/bpf
	wait_for is_guarded server s0
	wait_for grep -q "guarded again" "$log"
	served 10.99.0.2 8080
	[ "$(stats | jq .verdicts.valid_current.packets)" = 1 ]
}

# The guard goes on with pins that nobody finds. It must not be taken for
# another's program, nor lose what takes its ACKs.
@test "another bpffs over the guard's: it goes on, and all say that it is hidden" {
	serve 8080 fastopen=16
	guard s0
	program=$(xdp_of server s0)
	filter=$(at_server tc filter show dev s0 ingress)
	mount -t bpf bpf /sys/fs/bpf
	for command in status stats attach detach; do
		refuses 1 "umount /sys/fs/bpf" at_server tfoguard $command s0
	done
	at_server tfoguard doctor -j s0 | jq -e 'any(.findings[]; .id == "guard_hidden")'
	[ "$(xdp_of server s0)" = "$program" ]
	[ "$(at_server tc filter show dev s0 ingress)" = "$filter" ]
	served 10.99.0.2 8080
	umount /sys/fs/bpf
	is_guarded server s0
	[ "$(stats | jq .verdicts.valid_current.packets)" = 1 ]
}

@test "bpffs read-only: nothing is done, and why is told" {
	guard s0
	before=$(state_of server)
	mount -o remount,ro /sys/fs/bpf
	for command in attach detach status stats; do
		refuses 1 "Read-only file system" at_server tfoguard $command s0
	done
	mount -o remount,rw /sys/fs/bpf
	diff <(echo "$before") <(state_of server)
	is_guarded server s0
}

# ---- the network changes under way ----------------------------------------

flood() { # INTERFACE ADDRESS: from the client's end
	flooded=$BATS_TEST_TMPDIR/flood
	start "$flooded" client "$HERE/flood.py" iface=c0 mac="$(mac server s0)" \
		from=10.99.0.1 to=10.99.0.2 rate=4000 \
		cookie="$(cookie 10.99.0.1 10.99.0.2)"
	wait_for grep -q ready "$flooded"
}

flooding() { # VERDICT: packets come in and are judged so
	local before
	before=$(stats | jq ".verdicts.$1.packets")
	rises() { [ "$(stats | jq ".verdicts.$1.packets")" -gt $((before + 100)) ]; }
	wait_for rises "$1"
}

@test "an interface removed under traffic: its counters can be read, then nothing is left" {
	join server s1 client c1
	address server s1 10.99.1.2/24
	address client c1 10.99.1.1/24
	serve 8080 fastopen=16
	for port in 9001 9002; do serve $port fastopen=1024; done
	guard s0
	guard s1
	flood
	flooding forged
	ip -n server link del s0
	at_server tfoguard status s0 | grep -q "has gone"
	[ "$(stats | jq .verdicts.forged.packets)" -gt 100 ]
	served 10.99.1.2 8080
	at_server tfoguard detach s0
	refuses 3 "no such interface" at_server tfoguard detach s0
	served 10.99.1.2 8080
	[ "$(at_server tfoguard status -j | jq -r .interface)" = s1 ]
}

# The MSS in a SYN-ACK: 8080 is answered by the kernel, 8081 by the guard.
offered() { syn dport="$1" | jq -r '.answer.ip[80:88]'; } # PORT

@test "the MTU changed under traffic: nothing is lost, answers keep to it" {
	# A receiver that takes fragments: no other lets the MTU rise.
	bpftool prog load "$(receiver)" /sys/fs/bpf/receiver
	at_client bpftool net attach xdpdrv pinned /sys/fs/bpf/receiver dev c0
	rm /sys/fs/bpf/receiver
	for port in 8080 9001 9002; do serve $port fastopen=1024; done
	serve 8081 fastopen=16
	guard s0 --port 8080 --port 9001 --port 9002 --port 8081,answer=always
	program=$(xdp_of server s0)
	flood
	for mtu in 1280 9000 1500 3000; do
		ip -n client link set c0 mtu $mtu
		ip -n server link set s0 mtu $mtu
		flooding forged
		served 10.99.0.2 8080
		[ "$(ask 10.99.0.2 8080 100000)" = 0-RTT ]
		mark
		forget_cookies
		[ "$(ask 10.99.0.2 8081 100000)" = 1-RTT ]
		judged answer_request 1
		[ "$(offered 8081)" = "$(printf 0204%04x $((mtu - 40)))" ]
		[ "$(offered 8081)" = "$(offered 8080)" ]
	done
	[ "$(xdp_of server s0)" = "$program" ]
}

# A veth sends back only to an end that has a program, too.
receiver() {
	local object=$BATS_TEST_TMPDIR/receiver.o
	clang -O2 -target bpf -x c -c -o "$object" - <<-END
		__attribute__((section("xdp.frags"))) int pass(void *ctx) { return 2; }
	END
	echo "$object"
}

@test "tcp_fastopen switched under traffic: what the listener takes is what passes" {
	for port in 8080 9001 9002; do serve $port fastopen=1024; done
	guard s0
	program=$(xdp_of server s0)
	served 10.99.0.2 8080
	flood
	flooding forged
	bits() { at_server sysctl -qw net.ipv4.tcp_fastopen="$1"; }
	# Off: plain handshakes. Back: as before, with the cookie of before.
	bits 1
	[ "$(ask 10.99.0.2 8080)" = 1-RTT ]
	bits 3
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	# Data without a cookie are taken, which the guard must not cut.
	bits 0x203
	flooding data_accepted
	at_client "$HERE/syn.py" iface=c0 mac="$(mac server s0)" from=10.99.0.1 \
		to=10.99.0.2 dport=8080 data=20 cookie=$FORGED >"$BATS_TEST_TMPDIR/taken"
	[ "$(jq .answer.acked "$BATS_TEST_TMPDIR/taken")" = 20 ]
	bits 3
	flooding forged
	[ "$(syn dport=8080 data=20 cookie=$FORGED | jq .answer.acked)" = 0 ]
	served 10.99.0.2 8080
	[ "$(xdp_of server s0)" = "$program" ]
}

@test "a second guard behind the first, on its bridge: each packet once in each" {
	ip -n server link add br0 type bridge
	ip -n server address flush dev s0
	ip -n server link set s0 master br0
	ip -n server link set br0 addrgenmode none up
	address server br0 10.99.0.2/24
	ip -n server link set br0 address "$(mac server s0)"
	serve 8080 fastopen=16
	guard s0
	guard br0 -m skb
	served 10.99.0.2 8080
	mark s0
	mark br0
	answer=$(syn dport=8080 data=20 cookie=$FORGED)
	[ "$(jq .answer.acked <<<"$answer")" = 0 ]
	judged forged 1 s0
	# What the first has made a request of is one for the second.
	judged forged 0 br0
	judged cookie_request 1 br0
	at_server tfoguard detach s0
	mark br0
	[ "$(syn dport=8080 data=20 cookie=$FORGED sport=5555 | jq .answer.acked)" = 0 ]
	judged forged 1 br0
}

# ---- other clocks ---------------------------------------------------------

# The wall clock alone: what counts time counts by the clock since boot.
at() { FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 at_server faketime -f "$@"; } # TIME COMMAND...

@test "the clock set back: attach, status and keys go on" {
	serve 8080 fastopen=16
	guard s0
	served 10.99.0.2 8080
	at -10d tfoguard attach s0
	is_guarded server s0
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	at -20d tfoguard status s0 | grep -q guarded
	at -20d tfoguard key show -j | jq -e .in_step
	at -20d tfoguard key rotate --emergency
	[ "$(ask 10.99.0.2 8080)" = 1-RTT ]
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	at +3650d tfoguard metrics | grep -q '^tfoguard_key_age_seconds'
	no grep -q -- '} -' <(at -3650d tfoguard metrics | grep tfoguard_key_age_seconds)
	at -30d tfoguard detach s0
}

# There the clock that programs go by is another than the program's.
@test "detach in a time namespace ends" {
	hear_answers c0
	serve 8080 fastopen=16
	guard s0 --port 8080,answer=always
	syn dport=8080 wait=0.1 >/dev/null
	[ "$(stats | jq .verdicts.answer_plain.packets)" = 1 ]
	at_server timeout 20 unshare -T --monotonic=-20000 tfoguard detach s0
	[ -z "$(xdp_of server s0)" ]
}
