#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# What goes wrong is one clear sentence on standard error, the right exit code,
# and changes nothing: 1 failed, 2 usage, 3 not attached.
#
#   tests/isolate bats tests/net/errors.bats
#
# shellcheck disable=SC2154 # bats sets stderr

load lib

setup_file() {
	find_tfoguard
	make_world
}

teardown_file() { end_world; }

# Also where a test broke off half-way.
teardown() {
	stop_all
	set_key $KEY
	ip -n server link del s1 2>/dev/null || :
	[ ! -e $PINS ] || find $PINS -depth -delete
	! is_guarded server s0
}

# Refused, and all is as it was.
harmless() { # EXIT TEXT COMMAND...
	local before
	before=$(state_of server)
	refuses "$@"
	diff <(echo "$before") <(state_of server)
}

# As the user nobody, without capabilities.
as_nobody() {
	nsenter --net=/run/netns/server setpriv --reuid 65534 --regid 65534 \
		--clear-groups tfoguard "$@"
}

# As root, without these capabilities.
without() { # CAPABILITIES COMMAND...
	nsenter --net=/run/netns/server setpriv --bounding-set "-${1//,/,-}" \
		tfoguard "${@:2}"
}

# ---- who may --------------------------------------------------------------

@test "nobody is told to be root, where nothing is attached" {
	harmless 1 "run it as root" as_nobody attach s0
	harmless 1 "run it as root" as_nobody detach s0
	harmless 1 "run it as root" as_nobody status
	harmless 1 "run it as root" as_nobody stats s0
	harmless 1 "run it as root" as_nobody key show
}

@test "nobody is told to be root, where a guard is attached" {
	guard s0
	harmless 1 "run it as root" as_nobody attach s0
	harmless 1 "run it as root" as_nobody detach s0
	harmless 1 "run it as root" as_nobody status
	harmless 1 "run it as root" as_nobody stats s0
	harmless 1 "run it as root" as_nobody key show
	is_guarded server s0
}

@test "nobody may compute a cookie and ask for the version" {
	[ "$(as_nobody cookie 10.99.0.1 10.99.0.2 --key $KEY)" = 344cb48141bb1b94 ]
	as_nobody version
}

@test "root of a user namespace is not root enough" {
	in_userns() { nsenter --net=/run/netns/server unshare "$@"; }
	harmless 1 "Operation not permitted" in_userns -U tfoguard attach s0
	harmless 1 "Operation not permitted" in_userns -Ur tfoguard attach s0
}

@test "missing capabilities are named" {
	harmless 1 "CAP_BPF or CAP_SYS_ADMIN" without bpf,sys_admin attach s0
	harmless 1 "CAP_BPF or CAP_SYS_ADMIN" without all attach s0
	harmless 1 "CAP_PERFMON" without perfmon,sys_admin attach s0
}

@test "missing capabilities leave the attached guard and its keys alone" {
	guard s0
	set_key $OTHER_KEY
	keys=$(at_server tfoguard key show -j)
	program=$(xdp_of server s0)
	harmless 1 "CAP_BPF" without bpf,sys_admin attach s0
	harmless 1 "CAP_PERFMON" without perfmon,sys_admin attach s0
	[ "$(at_server tfoguard key show -j)" = "$keys" ]
	[ "$(xdp_of server s0)" = "$program" ]
}

@test "attach and detach need no CAP_SYS_ADMIN" {
	without sys_admin attach s0
	is_guarded server s0
	without sys_admin attach s0
	without sys_admin stats -j s0 | jq -e .verdicts
	without sys_admin detach s0
	[ ! -e $PINS ]
}

@test "keys that can't be read for want of CAP_SYS_ADMIN are not called none" {
	guard s0
	refuses 1 "CAP_SYS_ADMIN" without sys_admin key show
}

# Each call of bpf() by itself: what can't be read is not called gone.
@test "a refused system call never costs the guard that is attached" {
	link_id() { bpftool -j link show pinned "$(find $PINS -name link)" | jq .id; }
	for command in attach detach status; do
		guard s0
		syn dport=8080 data=20 cookie=$FORGED >/dev/null
		link=$(link_id)
		seen=$(stats | total)
		for ((n = 1; ; n++)); do
			run nsenter --net=/run/netns/server strace -qq \
				-o "$BATS_TEST_TMPDIR/trace" -e trace=bpf \
				-e inject=bpf:error=EPERM:when=$n tfoguard $command s0
			grep -q INJECTED "$BATS_TEST_TMPDIR/trace" || break
			echo "# $command, call $n refused: exit $status"
			[ -z "$(find $PINS -name '*-spare')" ]
			if [ $command = detach ] && [ "$status" = 0 ]; then
				[ ! -e $PINS ]
				break
			fi
			is_guarded server s0
			[ "$(link_id)" = "$link" ]
			[ "$(stats | total)" -ge "$seen" ]
		done
		[ "$n" -gt 2 ]
	done
}

@test "what the lock's folder is refused for is told" {
	rm -rf /run/tfoguard
	refuses 1 "/run/tfoguard: Permission denied" as_nobody attach s0
	refuses 1 "/run/tfoguard: Permission denied" as_nobody detach s0
}

@test "ip netns exec, which hides the pins, is refused" {
	harmless 1 "nsenter --net=/run/netns/NAME" \
		ip netns exec server tfoguard attach s0
}

# ---- what is not there ----------------------------------------------------

@test "an unknown interface" {
	harmless 1 "there is no such interface" at_server tfoguard attach nosuch
	harmless 3 "there is no such interface" at_server tfoguard detach nosuch
	harmless 1 "there is no such interface" at_server tfoguard status nosuch
	harmless 1 "there is no such interface" at_server tfoguard stats nosuch
}

@test "names that are no interface's" {
	for name in "" "a/b" "../s0" "%s%n" $'new\nline' "$(printf 'x%.0s' {1..300})"; do
		before=$(state_of server)
		for command in attach detach status stats; do
			run at_server tfoguard $command "$name"
			[[ $status = [13] ]]
			[[ $output == *"no such interface"* ]]
		done
		diff <(echo "$before") <(state_of server)
	done
}

@test "nothing is attached" {
	harmless 3 "tfoguard attach" at_server tfoguard status
	harmless 3 "tfoguard attach s0" at_server tfoguard status s0
	harmless 3 "tfoguard attach" at_server tfoguard stats
	harmless 3 "tfoguard attach s0" at_server tfoguard stats s0
	harmless 3 "tfoguard attach s0" at_server tfoguard detach s0
	harmless 3 "tfoguard attach" at_server tfoguard key show
}

# ---- usage ----------------------------------------------------------------

usage() { harmless 2 "$1" at_server tfoguard "${@:2}"; } # TEXT ARGUMENT...

@test "usage: no command, or an unknown one" {
	usage "Usage"
	usage 'cannot run "tfoguard atach": there is no such command' atach s0
}

@test "usage: no interface, or two" {
	usage "which interface?" attach
	usage "which interface?" detach
	usage "one interface" attach s0 s1
	usage "one interface" detach s0 s1
	usage "one interface" status s0 s1
	usage "one interface" stats s0 s1
}

@test "usage: modes" {
	usage '"hw" is not native or skb' attach s0 -m hw
	usage "requires an argument" attach s0 -m
	usage "unrecognized option" attach s0 --frobnicate
}

@test "usage: ports" {
	for port in 0 65536 -1 x "" 80x 99999999999999999999 " 80" 80.5; do
		usage "is no port from 1 to 65535" attach s0 --port "$port"
	done
	usage 'mode "deny" is not guard, off, drop or pass' attach s0 --port 80,mode=deny
	usage 'mode "unguarded" is not guard' attach s0 --port 80,mode=unguarded
	usage 'forged "pass" is not strip or drop' attach s0 --port 80,forged=pass
	usage "is not mode=" attach s0 --port 80,
	usage "is not mode=" attach s0 --port 80,colour=red
	usage "too long" attach s0 --port "80,mode=$(printf 'x%.0s' {1..300})"
	usage "is no port from 1 to 65535" explain x.pcap --port 0
}

@test "usage: key" {
	usage "what about the keys?" key
	usage 'nothing "frobnicate" to do' key frobnicate
	usage 'show takes no argument "show"' key show show
	usage 'stage takes no argument "b"' key stage a b
	usage "import which FILE?" key import
	usage "--emergency is for rotate" key promote --emergency
	usage "--emergency leaves no --overlap" key rotate --emergency --overlap 1s
	usage "--overlap is for rotate and promote" key retire --overlap 1s
	usage "--reveal is for show and export" key rotate --reveal
	for time in 0s -5s x "5 s" 99999d ""; do
		usage "is not a time from 1s" key rotate --overlap "$time"
	done
}

@test "usage: keys and addresses of cookie" {
	for key in "" 1 1-2-3 1-2-3-4-5 1-2-3-x 123456789-2-3-4 "1-2-3-4," ",1-2-3-4" \
		1-2-3-4,1-2-3-4,1-2-3-4 "1-2-3-4 5" 00112233445566778899aabbccddeeff; do
		usage "is not of the form" cookie 10.99.0.1 10.99.0.2 --key "$key"
	done
	usage "made with which key?" cookie 10.99.0.1 10.99.0.2
	usage "CLIENT and SERVER" cookie --key 1-2-3-4
	usage "CLIENT and SERVER" cookie 10.99.0.1 --key 1-2-3-4
	usage "Usage" cookie 10.99.0.1 10.99.0.2 10.99.0.3 --key 1-2-3-4
	for address in x 10.99.0 10.99.0.256 fd00::1 ::ffff:10.99.0.1 "" 10.99.0.1/24; do
		usage "two IPv4 or two IPv6 addresses" \
			cookie "$address" 10.99.0.2 --key 1-2-3-4
	done
	usage "two IPv4 or two IPv6 addresses" cookie fd00::1%s0 fd00::2 --key 1-2-3-4
}

@test "usage: keys of explain" {
	usage "is not of the form" explain x.pcap --key 1-2-3
	usage "which capture?" explain
	usage "one capture at a time" explain a b
	usage "--live asks the listeners whether there is pressure" explain a --live --pressure
}

# ---- pins of another version ----------------------------------------------

# An attached guard whose record tells another layout of pins.
of_layout() { # NUMBER
	guard s0
	record=$(find $PINS -name record)
	bytes=$(bpftool -j map lookup pinned "$record" key hex 00 00 00 00 |
		jq -r '.value[4:] | join(" ")')
	set_layout "$1"
}

set_layout() {
	# shellcheck disable=SC2086 # a list of bytes
	bpftool map update pinned "$record" key hex 00 00 00 00 \
		value hex "$(printf %02x "$1")" 00 00 00 $bytes
}

@test "pins of a newer version are not touched" {
	of_layout 99
	program=$(xdp_of server s0)
	for command in "attach s0" "detach s0" "status s0" "stats s0" status stats; do
		# shellcheck disable=SC2086 # command and interface
		harmless 1 "(layout 99) this version does not know" at_server tfoguard $command
	done
	[ "$(xdp_of server s0)" = "$program" ]
	set_layout 1
	is_guarded server s0
}

# The keys of the namespace are in one of its maps, and for all its interfaces.
@test "pins of a newer version: the keys are not touched, by no interface" {
	join server s1 client c1
	of_layout 99
	keyring=$(find $PINS -name keyring)
	ring() { bpftool -j map dump pinned "$keyring" | jq -c '[.[].value]'; }
	before=$(ring)
	[ -n "$before" ]
	set_key $OTHER_KEY
	refuses 1 "(layout 99)" at_server tfoguard attach s0
	[ "$(ring)" = "$before" ]
	refuses 1 "(layout 99)" at_server tfoguard attach s1
	[ "$(ring)" = "$before" ]
}

@test "pins of a newer version with a larger record are not touched" {
	guard s0
	folder=$(dirname "$(find $PINS -name record)")
	mv "$folder/record" "$folder/kept"
	bpftool map create "$folder/record" type array key 4 value 512 entries 1 \
		name record
	for command in attach detach status stats; do
		harmless 1 "this version does not know" at_server tfoguard $command s0
	done
}

@test "a guard that can't be read does not hide the others" {
	join server s1 client c1
	of_layout 1
	guard s1
	set_layout 99
	for command in status stats; do
		run -4 --separate-stderr at_server tfoguard $command -j
		[ "$(jq -r .interface <<<"$output")" = s1 ]
		[[ $stderr == *"s0: "*"(layout 99)"* ]]
	done
	set_layout 1
	at_server tfoguard detach s0
	at_server tfoguard detach s1
}

@test "pins that lack the record: attach does not replace the guard, detach takes it off" {
	guard s0
	program=$(xdp_of server s0)
	rm "$(find $PINS -name record)"
	refuses 1 "detach" at_server tfoguard attach s0
	[ "$(xdp_of server s0)" = "$program" ]
	at_server tfoguard detach s0
	[ -z "$(xdp_of server s0)" ]
	[ ! -e $PINS ]
}

@test "pins that lack some maps: detach takes the guard off" {
	guard s0
	rm "$(find $PINS -name counters)"
	refuses 1 "detach" at_server tfoguard attach s0
	[ -n "$(xdp_of server s0)" ]
	at_server tfoguard detach s0
	[ -z "$(xdp_of server s0)" ]
	[ ! -e $PINS ]
}

# ---- captures -------------------------------------------------------------

capture() { # FILE: of three SYNs
	local port
	for port in 1 2 3; do
		"$HERE/syn.py" write="$1" sport=$port mac=02:00:00:00:00:02 from=10.99.0.1 \
			to=10.99.0.2 dport=80 data=20 cookie=$FORGED >/dev/null
	done
}

@test "captures: no such file, no file, none that may be read" {
	cd "$BATS_TEST_TMPDIR"
	refuses 1 "No such file" tfoguard explain missing.pcap
	refuses 1 "cannot explain ." tfoguard explain .
	refuses 1 "cannot explain /" tfoguard explain /
}

@test "captures: empty, or not one" {
	cd "$BATS_TEST_TMPDIR"
	: >empty
	refuses 1 "cannot explain empty" tfoguard explain empty
	head -c 100000 /dev/urandom >random
	refuses 1 "cannot explain random" tfoguard explain random
	head -c 3 /dev/zero >three
	refuses 1 "cannot explain three" tfoguard explain three
	echo "this is not a capture, but text" >text
	refuses 1 "unknown file format" tfoguard explain text
}

@test "captures: none in it" {
	cd "$BATS_TEST_TMPDIR"
	capture c
	head -c 24 c >none
	[ -z "$(tfoguard explain none)" ]
	[ -z "$(tfoguard explain -j none)" ]
}

@test "captures: cut short, what is whole is explained" {
	cd "$BATS_TEST_TMPDIR"
	capture c
	for cut in 1 50 90; do
		head -c -$cut c >"cut"
		run -4 --separate-stderr tfoguard explain -j cut
		[ "${#lines[@]}" = 2 ]
		[[ $stderr == *"after 2 packets"* ]]
	done
	head -c 60 c >"cut"
	refuses 1 "after 0 packets" tfoguard explain cut
}

@test "captures: absurd lengths" {
	cd "$BATS_TEST_TMPDIR"
	capture c
	# The second packet's record says it has 4 GB.
	at=$((24 + 16 + $(od -An -tu4 -j 32 -N 4 c)))
	cp c absurd
	printf '\377\377\377\377' | dd of=absurd bs=1 seek=$((at + 8)) conv=notrunc status=none
	run -4 --separate-stderr tfoguard explain -j absurd
	[ "${#lines[@]}" = 1 ]
	[[ $stderr == *"after 1 packets"* ]]
}

@test "captures: of a link type that the guard never sees" {
	cd "$BATS_TEST_TMPDIR"
	capture c
	for type in 113 276 105 147 9999; do # cooked, cooked v2, 802.11, user, none
		head -c 20 c >other
		# shellcheck disable=SC2059 # the format is made here
		printf "$(printf '\\x%02x\\x%02x\\0\\0' $((type & 255)) $((type >> 8)))" >>other
		tail -c +25 c >>other
		refuses 1 "not Ethernet or raw IP" tfoguard explain other
	done
}

@test "captures: packets of any length and contents are judged" {
	cd "$BATS_TEST_TMPDIR"
	/usr/bin/python3 - <<-END
		import os, struct
		for name, link in ("ether", 1), ("bare", 101):
		    with open(name, "wb") as f:
		        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, link))
		        for n in [*range(80), 1500, 2048]:
		            f.write(struct.pack("<IIII", 0, 0, n, n) + os.urandom(n))
	END
	for name in ether bare; do
		run --separate-stderr tfoguard explain -j $name
		echo "# $name: $status ${#lines[@]} $stderr"
		[ "$status" = 0 ]
		[ "${#lines[@]}" = 82 ]
	done
}

# ---- errors as JSON -------------------------------------------------------

json_error() { # EXIT COMMAND...
	run --separate-stderr "${@:2}"
	[ "$status" = "$1" ]
	[ -z "$output" ]
	/usr/bin/python3 -m json.tool <<<"$stderr" >/dev/null
	[ "$(jq -c '[keys, (.error | keys), .exit]' <<<"$stderr")" = \
		"[[\"error\",\"exit\"],[\"do\",\"tried\",\"why\"],$1]" ]
	[ "$(jq -r '.error | .tried != "" and .why != ""' <<<"$stderr")" = true ]
}

@test "errors as JSON" {
	json_error 1 at_server tfoguard attach -j nosuch
	json_error 3 at_server tfoguard detach -j s0
	json_error 3 at_server tfoguard status -j
	json_error 3 at_server tfoguard stats -j s0
	json_error 3 at_server tfoguard key show -j
	json_error 1 at_server tfoguard explain -j missing.pcap
	json_error 2 at_server tfoguard cookie -j x y --key 1-2-3-4
	json_error 1 as_nobody attach -j s0
	json_error 1 at_server tfoguard attach -p nosuch
}

@test "errors as JSON: usage" {
	for arguments in "attach -j" "attach s0 -j s1" "attach --json s0 -m hw" \
		"attach -p s0 --frobnicate" "attach -jx s0" "attach s0 --port 0 -j" \
		"stats -wj s0 s1" "cookie -j" "explain -j" "key -j rotated" \
		"version -j 1" "doctor -pj a b" "status -j a b" "detach -j" "atach -j"; do
		# shellcheck disable=SC2086 # command and arguments
		json_error 2 tfoguard $arguments
	done
	json_error 2 tfoguard attach -j s0 --mode hw
	[ "$(jq -c .error <<<"$stderr")" = '{"tried":"read the arguments of \"tfoguard attach\"",'\
'"why":"\"hw\" is not native or skb","do":"see \"tfoguard attach --help\""}' ]
	# Not asked for: what follows --key is a key.
	run -2 --separate-stderr tfoguard cookie a -kj
	[[ $stderr == "tfoguard cookie: "* ]]
	[ "$(tfoguard attach -j --help | head -1)" = "$(tfoguard attach --help | head -1)" ]
}

@test "errors as JSON: whatever the name" {
	json_error 1 at_server tfoguard attach -j $'quote" newline\n'
	json_error 1 at_server tfoguard attach -j $'\xff\xfe'
	json_error 1 at_server tfoguard explain -j $'\xff\xfe'
}
