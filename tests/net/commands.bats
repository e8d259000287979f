#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# What the commands print, as text and as JSON.
#
#   tests/isolate bats tests/net/commands.bats

load lib

setup_file() {
	find_tfoguard
	make_world
	serve 8080 fastopen=1024
	guard s0
}

teardown_file() { end_world; }

setup() { cd "$BATS_TEST_TMPDIR" || return; }

# Also where a test broke off half-way.
teardown() {
	local name
	stop_all
	for name in s1 "$ODD_NAME"; do
		at_server tfoguard detach "$name" 2>/dev/null || :
	done
	ip -n client link del c1 2>/dev/null || :
}

ODD_NAME=$'caf\xe9'

# One JSON value, which has at least these members.
has() { # MEMBERS AS A JSON LIST; JSON on standard input
	local json
	json=$(cat)
	/usr/bin/python3 -m json.tool <<<"$json" >/dev/null
	jq -e --argjson want "$1" '$want - keys == []' <<<"$json" >/dev/null || {
		echo "# not all of $1 in $json"
		return 1
	}
}

# ---- cookie ---------------------------------------------------------------

@test "cookie: what the kernel makes" {
	[ "$(cookie 10.99.0.1 10.99.0.2)" = 344cb48141bb1b94 ]
	[ "$(cookie fd00:99::1 fd00:99::2)" = dc13829b0a150ec5 ]
	[ "$(cookie 192.0.2.1 192.0.2.2)" = a7065f32bd1c6f26 ]
	[ "$(cookie 192.0.2.1 192.168.0.1 $OTHER_KEY)" = 3021b9d889017eeb ]
	[ "$(cookie fd3d:fa7b:d17d::1 fd3d:a0b:17d6::1 $OTHER_KEY)" = c1d1e9742a47a9bc ]
}

@test "cookie: short words and capitals are the same key" {
	[ "$(cookie 10.99.0.1 10.99.0.2 112233-44556677-8899AABB-CCDDEEFF)" = 344cb48141bb1b94 ]
}

@test "cookie: two keys give two lines" {
	run -0 cookie 10.99.0.1 10.99.0.2 $KEY,$OTHER_KEY
	[ "${lines[0]}" = 344cb48141bb1b94 ]
	[ "${lines[1]}" = "$(cookie 10.99.0.1 10.99.0.2 $OTHER_KEY)" ]
	[ "${#lines[@]}" = 2 ]
}

@test "cookie: as JSON" {
	run -0 tfoguard cookie -j 10.99.0.1 10.99.0.2 --key $KEY,$OTHER_KEY
	has '["client","server","cookies"]' <<<"$output"
	[ "$(jq -r '.cookies[0]' <<<"$output")" = 344cb48141bb1b94 ]
	[ "$(jq '.cookies | length' <<<"$output")" = 2 ]
}

# ---- status, stats, key, version ------------------------------------------

@test "version: as text and as JSON" {
	run -0 tfoguard version
	[[ $output == "tfoguard "[0-9]* ]]
	[ "$(tfoguard --version)" = "$output" ]
	tfoguard version -j | has '["version","kernel","libbpf"]'
}

@test "help is printed on standard output" {
	for command in attach detach status stats explain cookie key allow block \
		check version; do
		tfoguard --help | grep -q "^  $command "
		tfoguard $command --help | grep -q "Usage: tfoguard $command"
	done
}

# The options of each command; -j and -p, which all have, stand below.
@test "the man page's synopsis has each command's options" {
	local page=$HERE/../../user/man/tfoguard.8.scd.in
	sed -n '/^# SYNOPSIS/,/^# DESCRIPTION/p' "$page" | tr -d '\\' >synopsis
	for command in attach detach run status stats metrics explain cookie key \
		allow block check doctor version; do
		grep -E "^\*tfoguard ([a-z]+\*\|\*)?$command\*" synopsis >lines
		tfoguard $command --usage | grep -oE -- '\[?--[a-z.-]+|-[a-z] [A-Z]' |
			tr -d '[' | cut -d' ' -f1 | sort -u |
			grep -vxE -- '--(json|pretty|help|usage|config|mode|interface|file)|-k' >options || :
		while read -r option; do
			grep -qF -- "*$option*" lines || {
				echo "# $command: $option"
				return 1
			}
		done <options
	done
}

@test "status: all that a port can be told" {
	at_server tfoguard attach s0 -c <(cat <<-END
		defaults: {mode: unguarded}
		limits: {prefix: {over: drop}}
		ports: [{port: 443, early_data: {policy: http-safe, max_bytes: 900}, replay: 10s, over_source: drop, over_prefix: answer}, {port: 853}]
	END
	)
	[ "$(at_server tfoguard status -j s0 | jq -c '[.ports[] | [.port, .early_data.policy, .early_data.max_bytes, .replay, .over_source, .over_prefix]]')" = \
		'[[443,"http-safe",900,10,"drop","answer"],[853,"any",0,0,"answer","drop"]]' ]
	at_server tfoguard status s0 | grep -q "443: mode guard, forged strip, answer auto, early data http-safe, at most 900 bytes, replay 10 s, over_source drop$"
	at_server tfoguard attach s0
}

@test "status: as text and as JSON" {
	at_server tfoguard status s0 | grep -qx "s0: guarded"
	run -0 at_server tfoguard status -j
	has '["interface","ifindex","attached","attach_mode","chained","program_id",
		"observe","ports","keys","limits"]' <<<"$output"
	[ "$(jq -c '[.interface, .attached, .attach_mode, .observe]' <<<"$output")" = \
		'["s0",true,"native",false]' ]
	[ "$(jq .program_id <<<"$output")" = "$(xdp_of server s0)" ]
	[ "$(jq -c .ports <<<"$output")" = '[{"mode":"guard","forged":"strip","answer":"auto","early_data":{"policy":"any","max_bytes":0},"replay":0,"over_source":"answer","over_prefix":"answer","port":"all"}]' ]
}

@test "pretty JSON is the same JSON, in more lines" {
	for command in status "stats s0" "key show"; do
		# shellcheck disable=SC2086 # command and interface
		run -0 at_server tfoguard $command -p
		[ "${#lines[@]}" -gt 5 ]
		# shellcheck disable=SC2086
		diff <(jq -S . <<<"$output") <(at_server tfoguard $command -j | jq -S .)
	done
}

@test "keys are shown by fingerprint, never whole" {
	for command in status "status -j" "key show" "key show -j"; do
		# shellcheck disable=SC2086 # command and option
		run -0 at_server tfoguard $command
		for word in ${KEY//-/ } 7766554433221100 ffeeddccbbaa9988; do
			[[ $output != *$word* ]]
		done
	done
	at_server tfoguard key show -j | has '["guard","kernel","in_step"]'
	[ "$(at_server tfoguard key show -j | jq .in_step)" = true ]
	at_server tfoguard key show -j | jq -e '.guard.current == .kernel[0]'
}

@test "key show says when the kernel has another key" {
	set_key $OTHER_KEY
	run -0 at_server tfoguard key show
	[[ $output == *"attach"* ]]
	[ "$(at_server tfoguard key show -j | jq .in_step)" = false ]
	set_key $KEY
}

@test "stats: every verdict with action, packets and bytes" {
	syn dport=8080 data=20 cookie=$FORGED >/dev/null
	run -0 at_server tfoguard stats -j s0
	has '["interface","verdicts"]' <<<"$output"
	for verdict in not_tcp segment plain_syn valid_current forged not_ours port_drop; do
		jq -c ".verdicts.$verdict" <<<"$output" | has '["action","packets","bytes","families"]'
	done
	jq -e '.verdicts.forged | .action == "strip" and .packets > 0 and .bytes > 0' <<<"$output"
	jq -e 'all(.verdicts[]; [.families[].packets] == [.families[].packets | floor]
		and .packets == ([.families[].packets] | add)
		and .bytes == ([.families[].bytes] | add))' <<<"$output"
}

@test "stats: the text says what the JSON says" {
	run -0 at_server tfoguard stats s0
	[[ ${lines[0]} == s0 ]]
	json=$(stats)
	[ "$(awk '$1 == "forged" { print $3 }' <<<"$output")" = "$(jq .verdicts.forged.packets <<<"$json")" ]
	[ "$(awk '$1 == "all" { print $3 }' <<<"$output")" = "$(total <<<"$json")" ]
	[ "$(awk 'NR > 2 && $1 != "all" { sum += $3 } END { print sum }' <<<"$output")" = \
		"$(total <<<"$json")" ]
	[[ $output != *port_drop* ]]
	at_server tfoguard stats --all s0 | grep -q "port_drop .* 0 .* 0$"
}

@test "stats of all interfaces is one object for each" {
	join server s1 client c1
	guard s1 -m skb
	[ "$(at_server tfoguard stats -j | jq -r .interface | sort | xargs)" = "s0 s1" ]
	[ "$(at_server tfoguard status -j | jq -r .attach_mode | sort | xargs)" = "native skb" ]
}

@test "an interface whose name is not UTF-8 makes JSON all the same" {
	join server "$ODD_NAME" client c1
	guard "$ODD_NAME" -m skb
	at_server tfoguard status -j "$ODD_NAME" | has '["interface","attached"]'
	at_server tfoguard stats -j "$ODD_NAME" | has '["interface","verdicts"]'
}

@test "stats --watch prints rates" {
	start watched server tfoguard stats --watch s0
	start pings client ping -i 0.02 -q 10.99.0.2
	settled() { [ "$(grep -c PACKETS/S watched)" -ge 2 ]; }
	wait_for settled
	# Fifty a second are asked for; a busy machine may send less.
	rate=$(awk '$1 == "not_tcp" { rate = $3 } END { print rate }' watched)
	echo "# $rate in a second"
	[ "$rate" -ge 10 ]
	[ "$rate" -le 60 ]
}

@test "stats --watch: as JSON, an object a second" {
	start watched server tfoguard stats --watch -j s0
	two() { [ "$(wc -l <watched)" -ge 2 ]; }
	wait_for two
	head -1 watched | has '["interface","verdicts"]'
	head -2 watched | tail -1 | has '["interface","verdicts"]'
	# The first has nothing to compare with.
	head -1 watched | jq -e 'all(.verdicts[]; has("packets_per_second") | not)'
	head -2 watched | tail -1 |
		jq -e 'all(.verdicts[]; .packets_per_second >= 0 and .bytes_per_second >= 0)'
}

@test "stats --watch: rates as JSON are what was sent" {
	start watched server tfoguard stats --watch -j s0
	start pings client ping -i 0.02 -q 10.99.0.2
	three() { [ "$(wc -l <watched)" -ge 3 ]; }
	wait_for three
	rate=$(head -3 watched | tail -1 | jq .verdicts.not_tcp.packets_per_second)
	echo "# $rate in a second"
	jq -en "$rate >= 10 and $rate <= 60"
}

@test "stats --watch: a guard that is attached anew starts anew" {
	join server s1 client c1
	address client c1 10.99.1.1/24
	guard s1 -m skb
	start pings client ping -i 0.02 -q -b 10.99.1.255
	start watched server tfoguard stats --watch --all
	settled() { [ "$(awk '$1 == "not_tcp" && $3 > 0' watched | wc -l)" -ge 1 ]; }
	wait_for settled
	# Between two looks: other counters under the same index.
	at_server bash -c "tfoguard detach s1 && tfoguard attach s1 -m skb"
	lines=$(wc -l <watched)
	more() { [ "$(tail -n "+$((lines + 1))" watched | grep -c PACKETS/S)" -ge 3 ]; }
	wait_for more
	[ "$(awk '$3 + 0 > 1000000' watched | wc -l)" = 0 ]
}

@test "output that is lost is an error" {
	for command in "stats s0" status "doctor" "key show" version --help; do
		# shellcheck disable=SC2086 # command and interface
		run -1 --separate-stderr at_server bash -c "tfoguard $command >/dev/full"
		[[ $stderr == *"cannot write the output: No space left on device"* ]]
	done
	add data=20
	run -1 --separate-stderr bash -c "tfoguard explain capture >/dev/full"
	[[ $stderr == *"No space left"* ]]
	run -1 --separate-stderr bash -c "tfoguard version -j >/dev/full"
	[ "$(jq .exit <<<"$stderr")" = 1 ]
	# Nothing to print, nothing lost.
	at_server bash -c "tfoguard attach s0 >/dev/full"
}

@test "stats --watch ends when nobody reads it" {
	# As systemd and python start programs: with SIGPIPE ignored.
	run -1 at_server timeout 10 bash -c \
		'trap "" PIPE; set -o pipefail; tfoguard stats --watch -j s0 | head -1 >/dev/null'
}

@test "status says what can't be read" {
	[ "$(at_server tfoguard status -j | jq -c '[.limits[] | select(contains("keys"))]')" = '[]' ]
	run -0 at_server setpriv --bounding-set -sys_admin tfoguard status -j s0
	[ "$(jq -c .keys <<<"$output")" = '{}' ]
	jq -e '.limits | any(. == "its keys can\u0027t be read without CAP_SYS_ADMIN: Operation not permitted")' <<<"$output"
	run -0 at_server setpriv --bounding-set -sys_admin tfoguard status s0
	[[ $output == *"keys      unknown"* ]]
}

@test "stats --watch ends when the guard is gone" {
	join server s1 client c1
	guard s1 -m skb
	start watched server tfoguard stats --watch s1
	watcher=$!
	wait_for grep -q s1 watched
	at_server tfoguard detach s1
	code=0
	wait $watcher || code=$?
	[ "$code" = 3 ]
}

# ---- explain --------------------------------------------------------------

# One more SYN in the capture; prints it as hex.
add() { # [OPTION=VALUE]...
	"$HERE/syn.py" write=capture mac=02:00:00:00:00:02 from=10.99.0.1 \
		to=10.99.0.2 dport=8080 seq=7 sport=4000 "$@"
}

GOOD=344cb48141bb1b94 # with $KEY, from 10.99.0.1 to 10.99.0.2

explain() { tfoguard explain -j "$@" capture; }

# Of one kind each; $frames is them in hex, a line each.
varied() { # [OPTION]...
	frames=$(
		add "$@"
		add cookie=request "$@"
		add data=20 cookie=$GOOD "$@"
		add data=21 cookie=$FORGED "$@"
		add data=22 cookie=$FORGED kind=254 "$@"
		add data=20 cookie=0123 "$@"
		add data=20 "$@"
		add data=20 cookie=$FORGED from=fd00:99::1 to=fd00:99::2 "$@"
	)
}

VERDICTS="plain_syn cookie_request valid_current forged forged bad_length
	data_without_cookie forged"
ACTIONS="pass pass pass strip strip strip strip strip"

# What explain -j of varied() says.
explained_well() { # JSON LINES
	local line
	while read -r line; do
		has '["packet","verdict","action","in","out"]' <<<"$line"
	done <<<"$1"
	[ "$(jq -r .packet <<<"$1" | xargs)" = "1 2 3 4 5 6 7 8" ]
	[ "$(jq -r .verdict <<<"$1" | xargs)" = "$(xargs <<<"$VERDICTS")" ]
	[ "$(jq -r .action <<<"$1" | xargs)" = "$ACTIONS" ]
	[ "$(jq -r .in <<<"$1")" = "$(awk '{ print length($0) / 2 }' <<<"$frames")" ]
	# What passes leaves as it came.
	diff <(head -3 <<<"$frames") <(jq -r 'select(.action == "pass").out' <<<"$1")
}

@test "explain: Ethernet" {
	varied
	explained_well "$(explain --key $KEY)"
}

@test "explain: bare IP" {
	varied bare=1
	explained_well "$(explain --key $KEY)"
}

# What leaves is what a client would send that asks for a cookie: all bytes,
# both checksums.
@test "explain: a forged cookie leaves as a request, to the last byte" {
	varied
	rm capture
	wanted=$(
		add cookie=request nops=8
		add cookie=request nops=8 kind=254
		add cookie=request nops=2
		add
		add cookie=request nops=8 from=fd00:99::1 to=fd00:99::2
	)
	varied
	diff <(cat <<<"$wanted") \
		<(explain --key $KEY | jq -r 'select(.action == "strip").out')
}

@test "explain: trailing bytes after the IP packet are not said to leave" {
	frame=$(add)
	/usr/bin/python3 - "$frame" <<-END
		import struct, sys
		frame = bytes.fromhex(sys.argv[1]) + b"trailer"
		with open("capture", "r+b") as f:
		    f.seek(24)
		    f.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
	END
	[ "$(explain | jq -r .out)" = "$frame" ]
	[ "$(explain | jq .in)" = $((${#frame} / 2 + 7)) ]
}

@test "explain: the second key is the previous one" {
	add cookie=$GOOD data=20
	[ "$(explain --key $OTHER_KEY,$KEY | jq -r .verdict)" = valid_previous ]
	[ "$(explain --key $OTHER_KEY | jq -r .verdict)" = forged ]
	[ "$(explain | jq -r .verdict)" = forged ]
}

@test "explain: ports" {
	add cookie=$GOOD data=20
	while read -r port verdict action; do
		line=$(explain --key $KEY --port "$port")
		[ "$(jq -r '"\(.verdict) \(.action)"' <<<"$line")" = "$verdict $action" ]
		[ "$(jq 'has("out")' <<<"$line")" = "$([ "$action" = drop ] && echo false || echo true)" ]
	done <<-END
		8080 valid_current pass
		8080,mode=off port_off strip
		8080,mode=drop port_drop drop
		8080,mode=pass port_pass pass
		80 unguarded pass
	END
	[ "$(explain --port 8080,forged=drop | jq -c '[.verdict, .action, has("out")]')" = \
		'["forged_drop","drop",false]' ]
}

@test "explain --pressure: what proves nothing is answered" {
	varied
	[ "$(explain --key $KEY | jq -r .action | xargs)" = \
		"pass pass pass strip strip strip strip strip" ]
	[ "$(explain --key $KEY --pressure | jq -r .verdict | xargs)" = \
		"answer_plain answer_request valid_current answer_forged answer_forged answer_forged answer_plain answer_forged" ]
	[ "$(explain --key $KEY --pressure --port 8080,answer=never | jq -r .verdict | head -1)" = plain_syn ]
	# What leaves is a SYN-ACK to where the SYN came from.
	run -0 bash -c "tfoguard explain -j --key $KEY --pressure capture | head -1 | jq -r .out"
	[[ ${output:28} == 45*0a6300020a6300011f900fa0????????00000008?012* ]]
	# It grants the cookie of the key that is given.
	[[ $(explain --key $KEY --pressure | jq -r 'select(.verdict == "answer_request").out') == *220a$GOOD* ]]
}

@test "explain: answer=always needs no pressure, live or not" {
	varied
	[ "$(explain --key $KEY --port 8080,answer=always | jq -r .verdict | head -2 | xargs)" = \
		"answer_plain answer_request" ]
	serve 8090 fastopen=16
	rm capture
	add dport=8090
	live() { at_server tfoguard explain --live -j --port "$1" capture | jq -r .verdict; }
	[ "$(live 8090,answer=always)" = answer_plain ]
	[ "$(live 8090)" = plain_syn ]
}

@test "explain: as text, a line for each packet" {
	varied
	run -0 tfoguard explain --key $KEY capture
	[ "${#lines[@]}" = 8 ]
	[ "$(awk '{ print $2 }' <<<"$output" | xargs)" = "$(xargs <<<"$VERDICTS")" ]
}

@test "explain: the interface's counters do not move" {
	mark
	varied
	explain >/dev/null
	judged forged 0
}

@test "explain --live asks the kernel for its key, its addresses and its listeners" {
	add cookie=$GOOD data=20
	add cookie=$FORGED data=20
	add cookie=$FORGED data=20 dport=9
	add cookie=$FORGED data=20 to=10.99.0.77
	add cookie=$FORGED data=20 from=fd00:99::1 to=fd00:99::2
	add cookie="$(cookie 10.99.0.1 10.99.0.2 $OTHER_KEY)" data=20
	run -0 at_server tfoguard explain --live -j capture
	[ "$(jq -r .verdict <<<"$output" | xargs)" = \
		"valid_current forged no_listener not_ours forged forged" ]
}

@test "explain --live knows a listener's own key" {
	serve 8090 fastopen=16 key=000102030405060708090a0b0c0d0e0f
	add dport=8090 data=20 \
		cookie="$(cookie 10.99.0.1 10.99.0.2 03020100-07060504-0b0a0908-0f0e0d0c)"
	[ "$(at_server tfoguard explain --live -j capture | jq -r .verdict)" = valid_listener ]
}

@test "explain --live judges bare IP too" {
	add bare=1 cookie=$FORGED data=20
	[ "$(at_server tfoguard explain --live -j capture | jq -r .verdict)" = forged ]
}

# A capture of one frame to port 8080 with so many bytes in all; the IP packet
# is as long as it may be. Of them only so many were captured.
long_frame() { # BYTES [CAPTURED]
	/usr/bin/python3 - "$1" "${2:-$1}" <<-END
		import struct, sys
		n, kept = map(int, sys.argv[1:])
		ip = min(n - 14, 65535)
		frame = bytes.fromhex("020000000002020000000001" "0800")
		frame += struct.pack(">BBHHHBBH4s4s", 0x45, 0, ip, 1, 0, 64, 6, 0,
		                     bytes([10, 99, 0, 1]), bytes([10, 99, 0, 2]))
		frame += struct.pack(">HHIIBBHHH", 4000, 8080, 7, 0, 0x80, 2, 512, 0, 0)
		frame += bytes.fromhex("220a$FORGED") + bytes(2)
		frame += bytes(n - len(frame))
		with open("capture", "ab") as f:
		    if not f.tell():
		        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
		    f.write(struct.pack("<IIII", 0, 0, kept, n) + frame[:kept])
	END
}

@test "explain: the longest packets" {
	long_frame 16385
	long_frame 65549
	run -0 explain --key $KEY
	[ "$(jq .in <<<"$output" | xargs)" = "16385 65549" ]
	# Cut is what lies in the first buffer; the rest the kernel ignores.
	[ "$(jq -r .verdict <<<"$output" | uniq)" = forged ]
}

@test "explain: what the kernel can't run is said of that packet, the rest goes on" {
	long_frame 200
	long_frame 200000
	long_frame 200
	run -4 --separate-stderr explain --key $KEY
	[ "$(jq -c '[.packet, .verdict, .too_long]' <<<"$output" | xargs)" = \
		"[1,forged,null] [2,null,true] [3,forged,null]" ]
	jq -e '.exit == 4 and (.error.why | endswith("too long for the kernel to try: 1"))' <<<"$stderr"
	run -4 --separate-stderr tfoguard explain --key $KEY capture
	[[ ${lines[1]} == *"not judged"*"too long for the kernel to try" ]]
}

@test "explain: a packet that the capture cut is said to be" {
	long_frame 1000
	long_frame 1000 96
	long_frame 1000 999
	run -4 --separate-stderr explain --key $KEY
	[ "$(jq -c '[.packet, .verdict, .in, .cut_from]' <<<"$output" | xargs)" = \
		"[1,forged,1000,null] [2,unparsed_ip,96,1000] [3,unparsed_ip,999,1000]" ]
	jq -e '.exit == 4 and .error.do == "capture whole frames (tcpdump -s 0)"' <<<"$stderr"
	run -4 --separate-stderr tfoguard explain --key $KEY capture
	[[ ${lines[0]} != *cut* ]]
	[[ ${lines[1]} == *" 96 bytes in (cut from 1000)"* ]]
}
