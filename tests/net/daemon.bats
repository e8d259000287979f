#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# "tfoguard run": what it attaches, adopts, follows, heals and leaves behind.
#
#   tests/isolate bats tests/net/daemon.bats
#
# KILLS and RELOADS make the long tests longer.

load lib

KILLS=${KILLS:-15}
RELOADS=${RELOADS:-20}

setup() {
	find_tfoguard
	make_world
	hear_answers c0
	forget_cookies
}

teardown() { end_world; }

# ---- what they share ------------------------------------------------------

# In the namespace of the server; ready when this returns.
run_daemon() { # [OPTION]...
	log=$BATS_TEST_TMPDIR/log
	start "$log" server tfoguard run "$@"
	daemon=$!
	wait_for logged "started"
	wait_for answers /healthz
}

logged() { grep -q -- "$1" "$log" || { kill -0 "$daemon" || return 0; false; }; }

says() { wait_for grep -q -- "$1" "$log" || { cat "$log"; return 1; }; } # PATTERN

get() { at_server curl -sS --max-time 20 "$@"; }

answers() { [ "$(get -o /dev/null -w '%{http_code}' "http://127.0.0.1:9435$1" 2>/dev/null)" = "${2:-200}" ]; } # PATH [STATUS]

value() { get http://127.0.0.1:9435/metrics | awk -v s="$1" '$1 == s { print $2; found = 1 } END { exit !found }'; } # SERIES

has_value() { [ "$(value "$1")" = "$2" ]; } # SERIES VALUE

end_daemon() { # [SIGNAL]
	kill "-${1:-TERM}" "$daemon"
	code=0
	wait "$daemon" || code=$?
}

index_of() { ip -n server -j link show "$1" | jq '.[0].ifindex'; }

configure() { cat >"$BATS_TEST_TMPDIR/tfoguard.yaml"; }

run_configured() { run_daemon -c "$BATS_TEST_TMPDIR/tfoguard.yaml" "$@"; } # [OPTION]...

program_of() { at_server tfoguard status -j "$1" | jq .program_id; }

# ---- attaching and leaving ------------------------------------------------

@test "it attaches what is missing, and leaves it attached when it ends" {
	join server s1 client c1
	run_daemon -i s0 -i s1
	is_guarded server s0
	is_guarded server s1
	answers /readyz
	has_value 'tfoguard_attached{interface="s1"}' 1
	program=$(program_of s0)
	end_daemon
	[ $code = 0 ]
	[ "$(program_of s0)" = "$program" ]
	is_guarded server s1
	[ -z "$(find /run/tfoguard -name '*.sock')" ]
}

@test "with --detach-on-exit it takes off what it guards" {
	run_daemon -i s0 --detach-on-exit
	is_guarded server s0
	end_daemon INT
	[ $code = 0 ]
	[ -z "$(xdp_of server s0)" ]
}

@test "it adopts what is attached as it is, and attaches that again" {
	guard s0 -m skb --observe --port 853,forged=drop
	status() { at_server tfoguard status -j s0 | jq -c '[.attach_mode, .observe, .ports]'; }
	before=$(status)
	program=$(program_of s0)
	run_daemon -i s0
	says "adopted as it is"
	sleep 1.5
	[ "$(program_of s0)" = "$program" ]
	[ "$(status)" = "$before" ]
	rm -r "$PINS"/*/*/
	says "guarded again"
	[ "$(status)" = "$before" ]
}

tuned() { # FIELD: of the limits in force
	bpftool -j map dump pinned "$(find $PINS -name tuning)" |
		jq ".[0].formatted.value.$1"
}

@test "limits of a guard that was adopted outlive its pins" {
	configure <<<'limits: {source: {syn: 7}}'
	guard s0 -c "$BATS_TEST_TMPDIR/tfoguard.yaml"
	run_daemon -i s0
	says "adopted as it is"
	rm -r $PINS
	says "guarded again"
	[ "$(tuned source_syn)" = 7 ]
	# What somebody sets later is what counts.
	configure <<<'limits: {source: {syn: 9}}'
	guard s0 -c "$BATS_TEST_TMPDIR/tfoguard.yaml"
	says "settings are adopted"
	sleep 1.5 # limits are set last: the next look sees them
	rm -r $PINS
	twice() { [ "$(grep -c "guarded again" "$log")" = 2 ]; }
	wait_for twice
	[ "$(tuned source_syn)" = 9 ]
}

@test "a guard whose program no longer fits the network is exchanged" {
	guard s0 --port 443,forged=drop
	run_daemon -i s0
	program=$(program_of s0)
	takes_data() {
		[ "$(at_server tfoguard doctor -j s0 | jq -c '[.findings[].id |
			select(. == "guard_outdated" or . == "route_without_cookie")]')" = "$1" ]
	}
	ip -n server route add 203.0.113.0/24 via 10.99.0.1 fastopen_no_cookie 1
	address server s0 10.99.0.77/24
	wait_for takes_data '["route_without_cookie"]'
	[ "$(program_of s0)" != "$program" ]
	[ "$(ports_of s0)" = '[[443,"guard","drop"]]' ]
	ip -n server route del 203.0.113.0/24
	address server s0 10.99.0.78/24
	wait_for takes_data '[]'
	grep -q "a route takes data without a cookie now" "$log"
	grep -q "no route takes data" "$log"
}

@test "a bridge that takes the interface takes the ACKs, or nothing is answered" {
	run_daemon -i s0
	acks_at() { at_server tc filter show dev "$1" ingress | grep -q tfoguard_ack; }
	acks_at s0
	program=$(program_of s0)
	ip -n server link add br0 type bridge
	ip -n server link set s0 master br0
	wait_for acks_at br0
	[ "$(program_of s0)" = "$program" ]
	ip -n server link set s0 nomaster
	wait_for no acks_at br0
	acks_at s0
	# Another's filter in its place: the guard goes on without answers.
	at_server tc qdisc replace dev br0 clsact
	at_server tc filter add dev br0 ingress pref 7413 handle 0x7f0 bpf \
		bytecode '1,6 0 0 0,'
	ip -n server link set s0 master br0
	silent() { at_server tfoguard doctor -j s0 | jq -e 'any(.findings[]; .id == "guard_silent")' >/dev/null; }
	wait_for silent
	is_guarded server s0
}

@test "without -i it looks after each that is attached, also later" {
	join server s1 client c1
	guard s0
	run_daemon
	says "s0: guarded already"
	guard s1
	says "s1: guarded already"
	rm -r "$PINS"/*/"$(index_of s1)"
	says "s1: guarded again"
	ip -n server link set s1 down
	ip -n server link set s1 name s9
	says "s1: the interface is called s9 now"
	says "s9: guarded already"
	ip -n server link del s9
	says "s9: the interface has gone"
	wait_for answers /readyz
}

@test "settings that somebody changes are adopted" {
	run_daemon -i s0
	guard s0 --observe
	says "settings are adopted"
	rm -r "$PINS"/*/*/
	says "guarded again"
	[ "$(at_server tfoguard status -j s0 | jq .observe)" = true ]
}

@test "detach tells it to let go, attach to look after it again" {
	run_daemon -i s0
	at_server tfoguard detach s0
	sleep 2
	[ -z "$(xdp_of server s0)" ]
	answers /readyz
	guard s0
	says "guarded already"
	rm -r "$PINS"/*/*/
	says "guarded again"
}

@test "a second daemon is refused, but not one of another namespace" {
	run_daemon -i s0
	refuses 1 "another \"tfoguard run\"" \
		at_server timeout 20 tfoguard run -i s0 --web.listen-address 127.0.0.1:9436
	ip -n client link set c0 xdp off
	start "$BATS_TEST_TMPDIR/other" client tfoguard run -i c0
	wait_for grep -q "c0: guarded" "$BATS_TEST_TMPDIR/other"
	is_guarded client c0
	in_netns client tfoguard detach c0
}

@test "usage errors, a taken port, and no root" {
	refuses 2 "no name of an interface" tfoguard run -i an-interface-of-20-chars
	refuses 2 "not text or json" tfoguard run --log-format xml
	refuses 2 "no path for metrics" tfoguard run --web.telemetry-path metrics
	refuses 2 "is no address to listen on" at_server timeout 20 tfoguard run --web.listen-address 9435
	refuses 1 "Address already in use" \
		at_server timeout 20 tfoguard run --web.listen-address 127.0.0.1:1 --web.listen-address 127.0.0.1:1
	refuses 1 "run it as root" setpriv --reuid 65534 --clear-groups timeout 20 tfoguard run
	[ -z "$(find /run/tfoguard -name '*.sock')" ]
}

# ---- keys -----------------------------------------------------------------

@test "a key that is changed is followed within a second" {
	serve 8080 fastopen=16
	run_daemon -i s0
	set_key $OTHER_KEY,$KEY
	in_step() { [ "$(at_server tfoguard key show -j | jq .in_step)" = true ]; }
	for ((i = 0; i < 12; i++)); do
		! in_step || break
		sleep 0.1
	done
	in_step
	says "the kernel's key was changed: followed"
	mark
	syn dport=8080 data=20 cookie="$(cookie 10.99.0.1 10.99.0.2 $OTHER_KEY)" >/dev/null
	syn dport=8080 data=20 cookie="$(cookie 10.99.0.1 10.99.0.2 $KEY)" sport=4444 >/dev/null
	judged valid_current 1
	judged valid_previous 1
	has_value tfoguard_key_drift 0
	has_value 'tfoguard_key_age_seconds{slot="staged"}' 0 && return 1
	no grep -qiE '(a1){4}|00112233|ccddeeff' "$log"
}

@test "a ring on disk is kept, and rotated on schedule" {
	mount -t tmpfs tmpfs /var/lib
	mkdir -m 700 /var/lib/tfoguard
	serve 8080 fastopen=16
	configure <<-END
		interfaces: [{name: s0}]
		keys: {source: file, rotate_every: 3s, overlap: 2s, jitter: 0 %}
	END
	run_configured
	ask 10.99.0.2 8080
	rotated() { [ "$(value tfoguard_key_rotations_total)" -ge 3 ]; }
	end=$((SECONDS + 20))
	while ! rotated; do
		[ $SECONDS -lt $end ]
		[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
		sleep 0.1
	done
	[ "$(stat -c %a /var/lib/tfoguard/keyring.json)" = 600 ]
	[ "$(at_server tfoguard key show -j | jq .in_step)" = true ]
	no grep -qE '([0-9a-f]{8}-){3}' "$log"
	end_daemon
	umount /var/lib
}

# A daemon that keeps a ring on disk, and a file "other" that holds a key.
run_ring_daemon() {
	mount -t tmpfs tmpfs /var/lib
	mkdir -m 700 /var/lib/tfoguard
	(umask 077 && echo $OTHER_KEY >"$BATS_TEST_TMPDIR/other")
	configure <<-END
		interfaces: [{name: s0}]
		keys: {source: file, rotate_every: 24h, overlap: ${1:-1h}}
	END
	run_configured
}

key() { at_server tfoguard key "$@"; }
kernel_key() { at_server sysctl -n net.ipv4.tcp_fastopen_key; }
steps_told() { grep -c "done for a command: key" "$log"; }

@test "key commands go through the daemon, and work on its ring" {
	run_ring_daemon
	serve 8080 fastopen=16
	[ "$(key show -j | jq -r '.source, .in_step')" = $'file\ntrue' ]
	# The kernel's key was there first.
	[[ $(kernel_key) == *,$KEY ]]
	refuses 1 "the previous key is still accepted" key stage "$BATS_TEST_TMPDIR/other"
	key retire
	refuses 1 "no key is staged" key promote
	key stage - <"$BATS_TEST_TMPDIR/other"
	[[ $(kernel_key) == *,$OTHER_KEY ]]
	key promote --overlap 1h
	[[ $(kernel_key) == $OTHER_KEY,* ]]
	key history -j | jq -e '[.history[].what][-4:] == ["promoted", "retired", "staged", "promoted"]'
	[ "$(key show --reveal -j | jq -r .ring.current.key)" = $OTHER_KEY ]
	diff <(key export) <(key export --ring /var/lib/tfoguard/keyring.json)
	[ "$(steps_told)" = 3 ]
	generation=$(value tfoguard_key_generation)
	kill -HUP "$daemon"
	says " reloaded$"
	key rotate --emergency
	[ "$(value tfoguard_key_generation)" = $((generation + 1)) ]
	key import <(key export) && return 1 # a pipe is no file of its owner's
	end_daemon
	# Without it the ring must be named.
	[ "$(key show -j | jq -r .source)" = kernel ]
	no grep -qE '([0-9a-f]{8}-){3}' "$log"
	umount /var/lib
}

# By a command, and ended by the daemon; not before its time.
rotates_and_ends() {
	local previous began
	previous=$(kernel_key)
	began=$(date +%s%3N)
	key rotate --overlap 2s
	[ $(($(date +%s%3N) - began)) -lt 2000 ]
	[[ $(kernel_key) == *,$previous ]]
	retired() { [[ $(kernel_key) != *,* ]]; }
	wait_for retired
	says "the previous key was retired"
	[ $(($(date +%s%3N) - began)) -ge 2000 ]
}

@test "the daemon ends the rotation that a command began, whatever its source" {
	run_daemon -i s0
	rotates_and_ends
	end_daemon
	run_ring_daemon
	key retire
	rotates_and_ends
	end_daemon
	umount /var/lib
}

@test "a ring that is none of the daemon's" {
	run_ring_daemon
	mine=$BATS_TEST_TMPDIR/mine.json
	before=$(kernel_key)
	refuses 1 "the daemon keeps its ring in /var/lib/tfoguard/keyring.json" \
		key rotate --emergency --ring "$mine"
	refuses 1 "there is no ring yet in $mine" key history --ring "$mine"
	[ "$(kernel_key)" = "$before" ]
	[ ! -e "$mine" ]
	key rotate --emergency --ring /var/lib/tfoguard/keyring.json
	[ "$(steps_told)" = 1 ]
	end_daemon
	umount /var/lib
	# Where the daemon follows the kernel the ring is the command's own.
	run_daemon -i s0
	key rotate --emergency --ring "$mine"
	[ "$(key show --ring "$mine" -j | jq .in_step)" = true ]
	[ "$(kernel_key)" = "$(key export --ring "$mine" | jq -r .ring.current.key)" ]
	no grep -q "done for a command" "$log"
}

@test "a daemon that hangs: the command gives up, and so nothing is done later" {
	run_daemon -i s0
	kill -STOP "$daemon"
	refuses 1 "the daemon did not answer within 15 s" key rotate --emergency
	kill -CONT "$daemon"
	sleep 1.5
	[ "$(kernel_key)" = $KEY ]
	no grep -q "done for a command" "$log"
	key rotate --emergency
	[ "$(steps_told)" = 1 ]
}

@test "a daemon that is killed within a step: its next start goes on with it" {
	run_ring_daemon
	key retire
	deaths=0
	for call in write fsync renameat sendto; do
		for n in 1 2; do
			key stage
			before=$(kernel_key)
			strace -qq -o /dev/null -p "$daemon" -e trace=$call \
				-e inject=$call:signal=SIGKILL:when=$n 3>&- &
			tracer=$!
			wait_for grep -qP '^TracerPid:\t[1-9]' "/proc/$daemon/status"
			code=0
			key promote 2>"$BATS_TEST_TMPDIR/err" || code=$?
			if [ $code != 0 ]; then
				grep -q "the daemon ended before it answered" "$BATS_TEST_TMPDIR/err"
				deaths=$((deaths + 1))
				wait "$daemon" || :
				is_guarded server s0
				# What was issued is accepted.
				[ "$(key show -j | jq '[.guard[]] - (.kernel - [null]) | length')" -le 1 ]
				run_configured
			fi
			kill $tracer 2>/dev/null || :
			wait $tracer || :
			[ "$(key show -j | jq .in_step)" = true ]
			for id in ${before//,/ }; do [[ $(kernel_key) == *$id* ]]; done
			key promote 2>/dev/null || :
			key retire
		done
	done
	echo "# $deaths deaths"
	[ $deaths -ge 5 ]
	end_daemon
	umount /var/lib
}

@test "no room for the ring, or none to write: keys stay as they are, and it goes on" {
	mount -t tmpfs -o size=16k tmpfs /var/lib
	mkdir -m 700 /var/lib/tfoguard
	mount -o remount,ro /var/lib
	configure <<-END
		interfaces: [{name: s0}]
		keys: {source: file, rotate_every: 2s, overlap: 1s, jitter: 0 %}
	END
	run_configured
	# It guards all the same, with the kernel's key.
	is_guarded server s0
	says "cannot look after the keys: .*Read-only file system"
	sleep 1.5
	[ "$(grep -c "look after the keys" "$log")" = 1 ]
	refuses 1 "Read-only file system" key rotate --emergency
	[ "$(kernel_key)" = $KEY ]
	mount -o remount,rw /var/lib
	rotated() { [ "$(value tfoguard_key_rotations_total)" -ge "$1" ]; }
	wait_for rotated 2

	dd if=/dev/zero of=/var/lib/fill bs=4k 2>/dev/null || :
	says "cannot look after the keys: .*No space left"
	before=$(kernel_key)
	refuses 1 "No space left" key rotate --emergency
	sleep 1.2
	[ "$(kernel_key)" = "$before" ]
	[ "$(key show -j | jq .in_step)" = true ]
	[ ! -e /var/lib/tfoguard/keyring.json.new ]
	rotations=$(value tfoguard_key_rotations_total)
	rm /var/lib/fill
	wait_for rotated $((rotations + 1))
	[ "$(key show -j | jq .in_step)" = true ]
	end_daemon
	umount /var/lib
}

@test "a ring that was cut stays as it is, and so does what is in force" {
	run_ring_daemon
	end_daemon
	ring=/var/lib/tfoguard/keyring.json
	cp $ring "$BATS_TEST_TMPDIR/good"
	before=$(kernel_key)
	length=$(stat -c %s $ring)
	for bytes in 0 1 $((length / 3)) $((length - 2)); do
		head -c "$bytes" "$BATS_TEST_TMPDIR/good" >$ring
		run_configured
		is_guarded server s0
		says "cannot look after the keys: $ring: it is no key ring"
		refuses 1 "no key ring" key rotate --emergency
		[ "$(stat -c %s $ring)" = "$bytes" ]
		[ "$(kernel_key)" = "$before" ]
		end_daemon
	done
	cp "$BATS_TEST_TMPDIR/good" $ring
	run_configured
	[ "$(key show -j | jq .in_step)" = true ]
	end_daemon
	umount /var/lib
}

# ---- interfaces come and go -----------------------------------------------

@test "an interface that vanishes and comes back is guarded again" {
	run_daemon -i s0 -i s7
	says "s7: there is no such interface: waiting"
	answers /readyz 503
	has_value 'tfoguard_attached{interface="s7"}' 0
	for ((i = 0; i < 3; i++)); do
		join server s7 client c7
		wait_for is_guarded server s7
		wait_for answers /readyz
		ip -n server link del s7
		wait_for answers /readyz 503
	done
	[ "$(grep -c "s7: the interface has gone" "$log")" = 3 ]
	# Nothing is left of those that have gone.
	[ "$(ls "$PINS"/* | grep -cE '^[0-9]+$')" = 1 ]
	is_guarded server s0
}

@test "what the network does is noticed at once" {
	run_daemon -i s0 -i s7
	for ((i = 1; i <= 5; i++)); do
		join server s7 client c7
		wait_for is_guarded server s7
		sleep "0.$((RANDOM % 10))"
		ip -n server link del s7
		sleep 0.4
		[ "$(grep -c "s7: the interface has gone" "$log")" = $i ]
	done
}

@test "a new interface takes the name of another that has gone" {
	run_daemon -i s0
	index=$(index_of s0)
	ip -n server link del s0
	join server s0 client c0
	wait_for is_guarded server s0
	[ "$(index_of s0)" != "$index" ]
	wait_for answers /readyz
}

@test "an address that comes later is guarded, too" {
	serve 8080 fastopen=16
	run_daemon -i s0
	address server s0 10.99.0.77/24
	sleep 0.5
	mark
	syn to=10.99.0.77 dport=8080 data=20 cookie=$FORGED >/dev/null
	judged forged 1
}

@test "a renamed interface stays guarded, and its name is waited for" {
	run_daemon -i s0
	ip -n server link set s0 down
	ip -n server link set s0 name renamed
	says "called renamed now"
	is_guarded server renamed
	answers /readyz 503
	ip -n server link set renamed name s0
	says "guarded already"
	wait_for answers /readyz
}

@test "link flaps and addresses that change leave the guard alone" {
	run_daemon -i s0
	program=$(program_of s0)
	for ((i = 0; i < 20; i++)); do
		ip -n server link set s0 down
		ip -n server link set s0 up
		ip -n server address add 10.98.0.$i/24 dev s0
	done
	sleep 1.5
	[ "$(program_of s0)" = "$program" ]
	[ "$(grep -c warning "$log")" = 0 ]
}

# ---- healing --------------------------------------------------------------

@test "a guard that somebody takes off by force is attached again" {
	run_daemon -i s0
	for lost in pins link counters; do
		program=$(program_of s0)
		case $lost in
		pins) rm -r "$PINS"/*/*/ ;;
		link) bpftool link detach pinned "$(find $PINS -name link)" ;;
		counters) rm "$PINS"/*/*/counters ;;
		esac
		anew() { is_guarded server s0 && [ "$(program_of s0)" != "$program" ]; }
		wait_for anew
	done
	heals=$(value tfoguard_heals_total)
	[ "$heals" = 3 ]
}

@test "the filter that takes the ACKs of answers is put back" {
	run_daemon -i s0
	filter() { at_server tc filter show dev s0 ingress | grep -q tfoguard; }
	wait_for filter
	at_server tc qdisc del dev s0 clsact
	wait_for filter
}

@test "while it can't attach it tries ever more seldom, and says so" {
	ip -n server link set dev s0 xdpgeneric obj "$(foreign_program)" sec xdp
	run_daemon -i s0
	sleep 5
	tries=$(grep -c "cannot attach to s0" "$log")
	echo "# $tries tries"
	[ "$tries" -ge 2 ]
	[ "$tries" -le 3 ]
	grep -q "the XDP program pass" "$log"
	answers /readyz 503
	has_value 'tfoguard_attached{interface="s0"}' 0
	ip -n server link set dev s0 xdpgeneric off
	kill -HUP "$daemon"
	wait_for is_guarded server s0
}

foreign_program() {
	local object=$BATS_TEST_TMPDIR/foreign.o
	clang -O2 -target bpf -x c -c -o "$object" - <<-END
		__attribute__((section("xdp"))) int pass(void *ctx) { return 2; }
	END
	echo "$object"
}

# Rotations and reloads, with and without the daemon, and a client that never
# comes too late.
stir() {
	local ring=(--ring /var/lib/tfoguard/keyring.json)
	while :; do
		[ "$(ask 10.99.0.2 8080)" = 0-RTT ] || echo lost
		key retire "${ring[@]}" || :
		key stage "${ring[@]}" || :
		key promote "${ring[@]}" || :
		kill -HUP "$daemon" || :
		sleep "0.0$((RANDOM % 10))"
	done 2>/dev/null >>"$BATS_TEST_TMPDIR/stirred"
}

@test "killed at any moment it leaves the guard, and its keys, and the next one goes on" {
	run_ring_daemon
	serve 8080 fastopen=16
	ask 10.99.0.2 8080
	for ((i = 0; i < KILLS; i++)); do
		# Also while it attaches.
		[ $((i % 3)) != 0 ] || rm -r "$PINS"/*/*/
		stir 3>&- &
		stirring=$!
		sleep "0.$((RANDOM % 7))"
		end_daemon KILL
		kill $stirring
		wait $stirring || :
		[ $((i % 3)) = 0 ] || is_guarded server s0
		run_configured
		wait_for is_guarded server s0
		in_step() { [ "$(key show -j | jq .in_step)" = true ]; }
		wait_for in_step
	done
	[ ! -s "$BATS_TEST_TMPDIR/stirred" ]
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	[ "$(ls "$PINS"/* | grep -cE '^[0-9]+$')" = 1 ]
	[ "$(key history -j | jq '[.history[] | select(.what == "promoted")] | length')" -gt 5 ]
	[ "$(stats | jq .verdicts.forged.packets)" = 0 ]
	end_daemon
	umount /var/lib
}

# ---- reloading ------------------------------------------------------------

# What a leak would raise: descriptors, pins, and maps and programs of the
# machine (other tests may run beside, so of this daemon's).
held() {
	ls "/proc/$daemon/fd" | wc -l
	find $PINS
	cat "/proc/$daemon"/fdinfo/* | grep -cE '^(map|prog)_id'
}

resident() { awk '/^VmRSS:/ { print $2 }' "/proc/$daemon/status"; } # kB

@test "reloads leak no memory, no descriptor, be it of a map or program, and no pin" {
	certificate 127.0.0.1
	printf 'tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n' \
		>"$BATS_TEST_TMPDIR/web.yml"
	echo 192.0.2.0/24 >"$BATS_TEST_TMPDIR/block.txt"
	mount -t tmpfs tmpfs /var/lib
	configure <<-END
		interfaces: [{name: s0}]
		ports: [{port: 443, forged: drop}]
		lists: {block: [$BATS_TEST_TMPDIR/block.txt]}
		keys: {source: file}
		exporter: {listen: ["127.0.0.1:9435"], web_config: $BATS_TEST_TMPDIR/web.yml}
	END
	log=$BATS_TEST_TMPDIR/log
	start "$log" server tfoguard run -c "$BATS_TEST_TMPDIR/tfoguard.yaml"
	daemon=$!
	reloads() { [ "$(grep -c "reloaded$" "$log")" = "$1" ]; }
	# Each exchanges the program, which is told when it is done.
	settled() { [ "$(grep -c "s0: guarded$" "$log")" = $(($1 + 1)) ]; }
	says "started"
	scrape() { get --cacert "$BATS_TEST_TMPDIR/cert.pem" -o /dev/null https://127.0.0.1:9435/metrics; }
	for ((i = 1; i <= RELOADS; i++)); do
		wait_for scrape
		kill -HUP "$daemon"
		wait_for reloads $i
		if [ $i = 5 ]; then
			wait_for settled 5
			sleep 1.5
			before=$(held) memory=$(resident)
		fi
	done
	wait_for settled $RELOADS
	sleep 1.5
	grown=$(($(resident) - memory))
	echo "# $RELOADS reloads: resident memory grew by $grown kB of $memory"
	holds_the_same() { [ "$(held)" = "$before" ]; }
	wait_for holds_the_same
	# Of 1,000 reloads a byte each would not show, what each allocates does.
	[ "${ASAN_OPTIONS:-}" ] || [ $grown -lt 1024 ]
	end_daemon
	[ $code = 0 ]
	umount /var/lib
}

@test "a web configuration that is wrong is refused at the start" {
	echo 'tls_server_config: {cert: x}' >"$BATS_TEST_TMPDIR/web.yml"
	refuses 1 "line 1, column 21: not cert_file" \
		at_server timeout 20 tfoguard run -i s0 --web.config.file "$BATS_TEST_TMPDIR/web.yml"
	[ -z "$(xdp_of server s0)" ]
	refuses 1 "No such file" at_server timeout 20 tfoguard run --web.config.file /nowhere
	certificate 127.0.0.1
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
		-out "$BATS_TEST_TMPDIR/key.pem" 2>/dev/null
	printf 'tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n' \
		>"$BATS_TEST_TMPDIR/web.yml"
	refuses 1 "certificate and private key" \
		at_server timeout 20 tfoguard run --web.config.file "$BATS_TEST_TMPDIR/web.yml"
}

@test "a reload is all or nothing, and a metric tells" {
	web=$BATS_TEST_TMPDIR/web.yml
	user alice secret >"$web"
	run_locked "$web"
	as_alice() { get -u alice:secret "$@"; }
	alice_value() { as_alice http://127.0.0.1:9435/metrics | awk -v s="$1" '$1 == s { print $2 }'; }
	[ "$(alice_value tfoguard_config_last_reload_successful)" = 1 ]
	echo 'basic_auth_users: {alice: secret}' >"$web"
	kill -HUP "$daemon"
	says "not reloaded"
	[ "$(alice_value tfoguard_config_last_reload_successful)" = 0 ]
	no grep -q "secret" "$log"
	user bob secret2 >"$web"
	kill -HUP "$daemon"
	says " reloaded$"
	[ "$(as_alice -o /dev/null -w '%{http_code}' http://127.0.0.1:9435/metrics)" = 401 ]
	[ "$(get -u bob:secret2 http://127.0.0.1:9435/metrics | awk '$1 == "tfoguard_config_last_reload_successful" { print $2 }')" = 1 ]
}

ports_of() { at_server tfoguard status -j "$1" | jq -c '[.ports[] | [.port, .mode, .forged]]'; }

@test "a configuration's settings are put in force, also over what is attached" {
	join server s1 client c1
	guard s0 --port 80 -m skb
	echo 192.0.2.0/24 >"$BATS_TEST_TMPDIR/block.txt"
	configure <<-END
		interfaces: [{name: s0, attach_mode: skb}, {name: s1}]
		defaults: {mode: unguarded}
		ports: [{port: 443, forged: drop}]
		lists: {block: [$BATS_TEST_TMPDIR/block.txt]}
		exporter: {listen: ["127.0.0.1:9435", "127.0.0.1:9500"]}
		logging: {format: json}
	END
	run_configured
	for name in s0 s1; do
		[ "$(ports_of $name)" = '[[443,"guard","drop"]]' ]
	done
	[ "$(at_server tfoguard status -j s1 | jq -r .attach_mode)" = native ]
	at_server tfoguard block list | grep -q '^192.0.2.0/24'
	get http://127.0.0.1:9500/healthz | grep -qx ok
	jq -e . "$log" >/dev/null
	# What it attaches again has those settings.
	rm -r "$PINS"/*/*/
	both() { is_guarded server s0 && is_guarded server s1; }
	wait_for both
	[ "$(ports_of s0)" = '[[443,"guard","drop"]]' ]
}

@test "a reload puts the new settings in force, or none of them" {
	join server s1 client c1
	join server s2 client c2
	configure <<-END
		interfaces: [{name: s0}, {name: s1}]
		ports: [{port: 443, mode: "off"}]
	END
	run_configured
	programs=$(program_of s0)-$(program_of s1)
	configure <<-END
		interfaces: [{name: s1}, {name: s2}]
		ports: [{port: 443, mode: "drop"}]
		exporter: {web_config: /nowhere}
	END
	kill -HUP "$daemon"
	says "not reloaded"
	has_value tfoguard_config_last_reload_successful 0
	[ "$(program_of s0)-$(program_of s1)" = "$programs" ]
	[ -z "$(xdp_of server s2)" ]

	configure <<-END
		interfaces: [{name: s1}, {name: s2}]
		defaults: {mode: unguarded}
		ports: [{port: 443, mode: "drop"}]
	END
	kill -HUP "$daemon"
	wait_for is_guarded server s2
	for name in s1 s2; do
		[ "$(ports_of $name)" = '[[443,"drop","strip"]]' ]
	done
	[ -z "$(xdp_of server s0)" ]
	has_value tfoguard_config_last_reload_successful 1
	answers /readyz
}

listens() { at_server ss -Hltn | awk '{ print $4 }' | grep 127 | sort | xargs; }

@test "a reload that moves the exporter: there, or still here" {
	to() { configure <<<"{interfaces: [{name: s0}], exporter: {listen: [$1]}}"; }
	reload() { # ANSWER: a line that the log gets
		local n
		n=$(grep -c "$1" "$log" || :)
		told() { [ "$(grep -c "$1" "$log")" -gt "$2" ]; }
		kill -HUP "$daemon"
		wait_for told "$1" "$n" || { cat "$log"; return 1; }
	}
	to '"127.0.0.1:9435", "127.0.0.1:9436"'
	run_configured
	socket=$(at_server ss -Hltne 'sport = :9435' | grep -o 'ino:[0-9]*')
	to '"127.0.0.1:9437", "127.0.0.1:9435"'
	reload " reloaded$"
	[ "$(listens)" = "127.0.0.1:9435 127.0.0.1:9437" ]
	# What stays is not closed meanwhile.
	[ "$(at_server ss -Hltne 'sport = :9435' | grep -o 'ino:[0-9]*')" = "$socket" ]
	get http://127.0.0.1:9437/healthz | grep -qx ok
	fds=$(value process_open_fds)

	start "$BATS_TEST_TMPDIR/taken" server python3 -m http.server -b 127.0.0.1 9438
	taken() { at_server ss -Hltn 'sport = :9438' | grep -q .; }
	wait_for taken
	for wrong in '"127.0.0.1:9439", "127.0.0.1:9438"' '"127.0.0.1:9435", "127.0.0.1:9435"' \
		'"127.0.0.1:9439", "192.0.2.1:9439"' '":9435"' '"127.0.0.1"'; do
		to "$wrong"
		reload "not reloaded"
		[ "$(listens)" = "127.0.0.1:9435 127.0.0.1:9437 127.0.0.1:9438" ]
		has_value tfoguard_config_last_reload_successful 0
	done
	grep -q "cannot reload the exporter: listen on 127.0.0.1:9438: Address already in use" "$log"
	wait_for has_value process_open_fds "$fds"

	to '"127.0.0.1:9439"'
	reload " reloaded$"
	[ "$(listens)" = "127.0.0.1:9438 127.0.0.1:9439" ]
	get http://127.0.0.1:9439/metrics | grep -qx 'tfoguard_config_last_reload_successful 1'
}

@test "a configuration that is wrong is refused at the start" {
	echo 'interfaces: [{nam: s0}]' | configure
	refuses 1 "line 1" at_server timeout 20 tfoguard run -c "$BATS_TEST_TMPDIR/tfoguard.yaml"
	echo 'defaults: {mode: guard}' | configure
	refuses 1 "names no interface" at_server timeout 20 tfoguard run -c "$BATS_TEST_TMPDIR/tfoguard.yaml"
	echo 'exporter: {listen: []}' | configure
	run_nothing() { start "$BATS_TEST_TMPDIR/log" server tfoguard run -i s0 -c "$BATS_TEST_TMPDIR/tfoguard.yaml"; }
	run_nothing
	wait_for is_guarded server s0
	[ -z "$(at_server ss -Hltn)" ]
}

# ---- the exporter ---------------------------------------------------------

user() { # NAME PASSWORD: a web configuration with that user
	python3 -W ignore -c 'import crypt, sys
print("basic_auth_users: {%s: %s}" % (sys.argv[1],
	crypt.crypt(sys.argv[2], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))))' "$@"
}

run_locked() { # WEB-CONFIG [OPTION]...
	log=$BATS_TEST_TMPDIR/log
	start "$log" server tfoguard run -i s0 --web.config.file "$@"
	daemon=$!
	says "s0: guarded"
}

# Signed by itself, for an address.
certificate() { # ADDRESS
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-days 2 -subj "/CN=$1" -addext "subjectAltName=IP:$1" \
		-keyout "$BATS_TEST_TMPDIR/key.pem" \
		-out "$BATS_TEST_TMPDIR/cert.pem" 2>/dev/null
	chmod 600 "$BATS_TEST_TMPDIR/key.pem"
}

@test "promtool finds nothing wrong with what is exported" {
	run_daemon -i s0 -i s7
	get http://127.0.0.1:9435/metrics >"$BATS_TEST_TMPDIR/metrics"
	[ -z "$(promtool check metrics <"$BATS_TEST_TMPDIR/metrics" 2>&1)" ]
	get -D - -o /dev/null http://127.0.0.1:9435/metrics | tr -d '\r' |
		grep -qx 'Content-Type: text/plain; version=0.0.4; charset=utf-8'
}

@test "paths, methods and addresses" {
	run_daemon -i s0 --web.listen-address '[::1]:9435' \
		--web.listen-address 127.0.0.1:9435 --web.telemetry-path /m
	answers /m
	answers /metrics 404
	answers /
	get http://127.0.0.1:9435/ | grep -q 'href="/m"'
	get 'http://[::1]:9435/healthz' | grep -qx ok
	[ "$(get -I -o /dev/null -w '%{http_code} %{size_download}' http://127.0.0.1:9435/m)" = "200 0" ]
	[ "$(get -X POST -d x -o /dev/null -w '%{http_code}' http://127.0.0.1:9435/m)" = 405 ]
	no at_server curl -s --max-time 2 http://10.99.0.2:9435/m
}

@test "a scrape costs less than two milliseconds of CPU time" {
	run_daemon -i s0
	before=$(value process_cpu_seconds_total)
	for ((i = 0; i < 100; i++)); do answers /metrics; done
	after=$(value process_cpu_seconds_total)
	echo "# $before s, $after s"
	awk -v a="$before" -v b="$after" 'BEGIN { exit !((b - a) / 100 < 0.002) }'
}

@test "users, passwords, and too many wrong ones" {
	user alice secret >"$BATS_TEST_TMPDIR/web.yml"
	run_locked "$BATS_TEST_TMPDIR/web.yml"
	code_of() { get -o /dev/null -w '%{http_code}' "$@" http://127.0.0.1:9435/metrics; }
	[ "$(code_of)" = 401 ]
	[ "$(code_of -u alice:)" = 401 ]
	[ "$(code_of -u alice:secret)" = 200 ]
	[ "$(code_of -u mallory:secret)" = 401 ]
	get -D - -o /dev/null http://127.0.0.1:9435/healthz | grep -qi '^WWW-Authenticate: Basic'
	for ((i = 0; i < 10; i++)); do code_of -u alice:wrong; echo; done >"$BATS_TEST_TMPDIR/codes"
	grep -q 503 "$BATS_TEST_TMPDIR/codes"
	[ "$(code_of -u alice:secret)" = 200 ]
}

@test "client certificates are asked for and verified" {
	certificate 127.0.0.1
	cp "$BATS_TEST_TMPDIR/cert.pem" "$BATS_TEST_TMPDIR/ours.pem"
	cp "$BATS_TEST_TMPDIR/key.pem" "$BATS_TEST_TMPDIR/ours.key"
	cat >"$BATS_TEST_TMPDIR/web.yml" <<-END
		tls_server_config:
		  cert_file: ours.pem
		  key_file: ours.key
		  client_ca_file: ours.pem
		  client_auth_type: RequireAndVerifyClientCert
		  min_version: TLS13
	END
	run_locked "$BATS_TEST_TMPDIR/web.yml"
	certificate 127.0.0.1
	code_of() { get --cacert "$BATS_TEST_TMPDIR/ours.pem" -o /dev/null -w '%{http_code}' "$@" https://127.0.0.1:9435/metrics; }
	[ "$(code_of --cert "$BATS_TEST_TMPDIR/ours.pem" --key "$BATS_TEST_TMPDIR/ours.key")" = 200 ]
	[ "$(code_of)" = 403 ]
	[ "$(code_of --cert "$BATS_TEST_TMPDIR/cert.pem" --key "$BATS_TEST_TMPDIR/key.pem")" = 403 ]
	no code_of --tls-max 1.2 --cert "$BATS_TEST_TMPDIR/ours.pem" --key "$BATS_TEST_TMPDIR/ours.key"
}

# A real Prometheus scrapes, and answers for each interface.
prometheus_sees() { # SCRAPE-CONFIG
	cat >"$BATS_TEST_TMPDIR/prometheus.yml" <<-END
		global: {scrape_interval: 1s}
		scrape_configs:
		  - job_name: tfoguard
		    static_configs: [{targets: ['127.0.0.1:9435']}]
		$1
	END
	start "$BATS_TEST_TMPDIR/prometheus.log" server prometheus \
		--config.file "$BATS_TEST_TMPDIR/prometheus.yml" \
		--storage.tsdb.path "$BATS_TEST_TMPDIR/tsdb" \
		--web.listen-address 127.0.0.1:9090
	query() { get --data-urlencode "query=$1" http://127.0.0.1:9090/api/v1/query 2>/dev/null; }
	wait_for is_seen || { tail -5 "$BATS_TEST_TMPDIR/prometheus.log"; return 1; }
	[ "$(query 'count(tfoguard_packets_total)' | jq -r '.data.result[0].value[1]')" -gt 100 ]
	[ "$(query 'up{job="tfoguard"}' | jq -r '.data.result[0].value[1]')" = 1 ]
}

is_seen() {
	[ "$(query 'sum(tfoguard_attached)' | jq -r '.data.result[0].value[1]')" = 2 ]
}

@test "Prometheus scrapes two interfaces" {
	join server s1 client c1
	run_daemon -i s0 -i s1
	prometheus_sees ""
}

@test "Prometheus scrapes by TLS with a password" {
	join server s1 client c1
	certificate 127.0.0.1
	{
		user alice secret
		echo 'tls_server_config: {cert_file: cert.pem, key_file: key.pem}'
	} >"$BATS_TEST_TMPDIR/web.yml"
	run_locked "$BATS_TEST_TMPDIR/web.yml" -i s1
	prometheus_sees "    scheme: https
    tls_config: {ca_file: $BATS_TEST_TMPDIR/cert.pem}
    basic_auth: {username: alice, password: secret}"
}

# Connections that ask slowly, or nothing at all.
hold() { # NUMBER
	start "$BATS_TEST_TMPDIR/loris" server python3 -c "
import socket, sys, time
held = []
for i in range($1):
	s = socket.create_connection(('127.0.0.1', 9435))
	s.send(b'GET /metrics HTTP/1.1\r\nHost: x\r\n')
	held.append(s)
print('holding', flush=True)
while True:
	time.sleep(1)
	for s in held:
		try: s.send(b'A: b\r\n')
		except OSError: pass
	alive = 0
	for s in held:
		try: alive += s.recv(1, socket.MSG_DONTWAIT) != b''
		except BlockingIOError: alive += 1
		except OSError: pass
	print('alive', alive, flush=True)
"
	wait_for grep -q holding "$BATS_TEST_TMPDIR/loris"
}

# All are connected, and have begun to ask, before the first is answered. Prints
# how many were told the metrics.
scrape_at_once() { # NUMBER
	at_server python3 -c "
import socket, time
scrapers = []
for i in range($1):
	s = socket.create_connection(('127.0.0.1', 9435), timeout=30)
	s.send(b'GET /metrics HTTP/1.1\r\nHost: x\r\n')
	scrapers.append(s)
time.sleep(1) # until they are accepted
told = 0
for s in scrapers:
	try: s.send(b'\r\n')
	except OSError: pass
for s in scrapers:
	text = b''
	try:
		while part := s.recv(65536): text += part
	except OSError: pass
	told += text.startswith(b'HTTP/1.1 200') and b'\ntfoguard_build_info' in text
print(told)
"
}

@test "slow and idle connections keep nobody out, and are ended" {
	run_daemon -i s0
	hold 400
	for ((i = 0; i < 20; i++)); do answers /metrics; done
	[ "$(value process_open_fds)" -lt 200 ]
	ended() { grep -qx 'alive 0' "$BATS_TEST_TMPDIR/loris"; }
	wait_for ended || wait_for ended
	[ "$(value process_open_fds)" -lt 40 ]
}

@test "a hundred scrapers at the same moment are all served, and clients meanwhile" {
	serve 8080 fastopen=16
	run_daemon -i s0
	ask 10.99.0.2 8080
	hold 100
	holder=$!
	mark
	start "$BATS_TEST_TMPDIR/watched" client "$HERE/tfo.py" watch 10.99.0.2 8080 4
	watcher=$!
	[ "$(scrape_at_once 100)" = 100 ]
	wait "$watcher"
	jq -ce '.asked > 100 and .failed == [] and .in_syn == .asked' "$BATS_TEST_TMPDIR/watched"
	judged valid_current "$(jq .asked "$BATS_TEST_TMPDIR/watched")"
	kill $holder
	few() { [ "$(value process_open_fds)" -lt 40 ]; }
	wait_for few
}

# ---- systemd --------------------------------------------------------------

@test "systemd is told when it is ready, alive, reloading and ending" {
	start "$BATS_TEST_TMPDIR/notified" server python3 -c "
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('$BATS_TEST_TMPDIR/notify')
print('listening', flush=True)
while True: print(s.recv(4096).decode().replace('\n', ' '), flush=True)"
	notified() { grep -qE -- "$1" "$BATS_TEST_TMPDIR/notified"; }
	wait_for notified listening
	log=$BATS_TEST_TMPDIR/log
	start "$log" server env NOTIFY_SOCKET="$BATS_TEST_TMPDIR/notify" \
		WATCHDOG_USEC=1000000 tfoguard run -i s0
	daemon=$!
	wait_for notified '^READY=1'
	is_guarded server s0
	wait_for notified 'STATUS=1 of 1 interfaces guarded'
	# Between looks, too, which may have nothing to look at.
	wait_for notified '^WATCHDOG=1$'
	# An attach is one long system call: more time for it, and for it alone.
	rm -r "$PINS"/*/*/
	says "guarded again"
	[ "$(grep -oE 'WATCHDOG_USEC=[0-9]+ WATCHDOG=1' "$BATS_TEST_TMPDIR/notified" | xargs)" = \
		"$(yes WATCHDOG_USEC=300000000 WATCHDOG=1 WATCHDOG_USEC=1000000 WATCHDOG=1 | head -n 2 | xargs)" ]
	# And the start, where no watchdog waits, is given more time.
	[ "$(grep -cx 'EXTEND_TIMEOUT_USEC=300000000 *' "$BATS_TEST_TMPDIR/notified")" = 2 ]
	kill -HUP $daemon
	wait_for notified '^RELOADING=1 MONOTONIC_USEC=[0-9]+'
	reready() { [ "$(grep -c '^READY=1' "$BATS_TEST_TMPDIR/notified")" = 2 ]; }
	wait_for reready
	end_daemon
	wait_for notified '^STOPPING=1'
}

@test "systemd's socket takes the place of the address" {
	log=$BATS_TEST_TMPDIR/log
	start "$log" server systemd-socket-activate -l 127.0.0.1:9777 \
		"$(command -v tfoguard)" run -i s0
	daemon=$!
	activated() { [ "$(get -o /dev/null -w '%{http_code}' http://127.0.0.1:9777/healthz 2>/dev/null)" = 200 ]; }
	wait_for activated
	no get http://127.0.0.1:9435/healthz
}

@test "the log is one line an event: for people, for the journal, in JSON" {
	run_daemon -i s0
	grep -qE '^[0-9-]+T[0-9:]+Z info s0: guarded$' "$log"
	end_daemon
	run_daemon -i s0 --log-format json
	jq -e 'select(.interface == "s0") | .level == "info" and (.message | test("adopted"))' "$log"
	end_daemon
	: >"$log"
	start "$log" server bash -c \
		"JOURNAL_STREAM=\$(stat -Lc %d:%i /dev/stderr) exec tfoguard run -i s0"
	daemon=$!
	says "^<6>s0: guarded already"
}

@test "it runs with no capability in effect, and only its socket's owner may talk" {
	run_daemon -i s0
	effective() { grep -E '^CapEff:' "/proc/$daemon/status" | cut -f2; }
	wait_for test "$(effective)" = 0000000000000000
	[ "$(grep -E '^CapPrm:' "/proc/$daemon/status" | cut -f2)" = 000000c000201000 ]
	grep -qP '^NoNewPrivs:\t1' "/proc/$daemon/status"
	grep -qE '^Max core file size +0 +0 ' "/proc/$daemon/limits"
	socket=$(find /run/tfoguard -name '*.sock')
	[ "$(stat -c %a "$socket")" = 600 ]
	# Also one who got at the file is turned away.
	chmod 666 "$socket"
	send() {
		"$@" /usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect('$socket')
s.send(b'{\"do\": \"release\", \"interface\": \"s0\"}')
print(s.recv(4096).decode())" 2>&1
	}
	no grep -q '"exit":0' <(send setpriv --reuid 65534 --clear-groups)
	no grep -q released "$log"
	send env | grep -q '"exit":0'
	says released
}

@test "what its socket does not understand it refuses" {
	run_daemon -i s0
	socket=$(find /run/tfoguard -name '*.sock')
	for text in '' '{' '[]' '{}' '{"do":"release"}' '{"do":"explode","interface":"s0"}' \
		'{"do":"release","interface":"s0","more":1}' '{"do":1,"interface":"s0"}'; do
		python3 -c "
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect('$socket')
s.send(sys.argv[1].encode())
print(s.recv(4096).decode())" "$text"
	done | tee "$BATS_TEST_TMPDIR/answers"
	[ "$(grep -c '"exit":1' "$BATS_TEST_TMPDIR/answers")" -ge 7 ]
	no grep -q '"exit": *0' "$BATS_TEST_TMPDIR/answers"
	no grep -q released "$log"
	answers /healthz
}

# The names of a set of systemd's, and of the sets in it.
calls_of() { # SET
	systemd-analyze syscall-filter "$1" | sed -n 's/^ \+\([@a-z0-9_-]\+\).*/\1/p' |
		while read -r name; do
			case $name in
			@*) calls_of "$name" ;;
			*) echo "$name" ;;
			esac
		done
}

# What the unit's SystemCallFilter= lines leave.
allowed_calls() { # UNIT
	local line word
	sed -n 's/^SystemCallFilter=//p' "$1" | while read -r line; do
		for word in ${line#\~}; do
			case $word in
			@*) calls_of "$word" ;;
			*) echo "$word" ;;
			esac
		done | sort -u >"$BATS_TEST_TMPDIR/set"
		case $line in
		\~*) comm -23 "$BATS_TEST_TMPDIR/allowed" "$BATS_TEST_TMPDIR/set" >"$BATS_TEST_TMPDIR/next" ;;
		*) cp "$BATS_TEST_TMPDIR/set" "$BATS_TEST_TMPDIR/next" ;;
		esac
		mv "$BATS_TEST_TMPDIR/next" "$BATS_TEST_TMPDIR/allowed"
	done
	cat "$BATS_TEST_TMPDIR/allowed"
}

@test "the units are sound, and let the daemon do what it does" {
	units=$BATS_TEST_TMPDIR/units
	make -C "$HERE/../.." -s install PREFIX=/usr DESTDIR="$BATS_TEST_TMPDIR"
	units=$BATS_TEST_TMPDIR/usr/lib/systemd/system
	for unit in tfoguard.service tfoguard@test.service; do
		exposure=$(systemd-analyze security --offline=true \
			"$units/${unit/test/}" | sed -n 's/.*Overall exposure.*: \([0-9.]*\) .*/\1/p')
		echo "# $unit: $exposure"
		awk -v e="$exposure" 'BEGIN { exit !(e > 0 && e <= 3.0) }'
	done
	# What they run is not installed here.
	sed -i 's|^ExecStart=[^ ]*|ExecStart=/bin/true|; /^Documentation=/d' "$units"/*
	verdict=$(systemd-analyze verify "$units"/tfoguard.service "$units"/tfoguard.socket \
		"$units"/tfoguard@test.service 2>&1 | grep tfoguard || true)
	echo "$verdict"
	[ -z "$verdict" ]

	log=$BATS_TEST_TMPDIR/log
	start "$log" server strace -f -qq -o "$BATS_TEST_TMPDIR/calls" \
		tfoguard run -i s0 --detach-on-exit
	wait_for answers /metrics
	kill -HUP "$(pgrep -P $!)"
	says " reloaded$"
	kill "$(pgrep -P $!)"
	says ending
	wait $!
	sed -E 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/; t; d' "$BATS_TEST_TMPDIR/calls" |
		sort -u >"$BATS_TEST_TMPDIR/made"
	grep -qx bpf "$BATS_TEST_TMPDIR/made"
	refused=$(allowed_calls "$units/tfoguard.service" |
		comm -13 - "$BATS_TEST_TMPDIR/made")
	echo "# refused: $refused"
	[ -z "$refused" ]
}
