#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# The configuration file, and the lists of prefixes.
#
#   tests/isolate bats tests/net/config.bats

load lib

EXAMPLE=$HERE/../../user/tfoguard.yaml.example

setup() {
	find_tfoguard
	make_world
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() { end_world; }

config() { cat >config.yaml; } # from standard input

allow() { at_server tfoguard allow "$@"; }
block() { at_server tfoguard block "$@"; }

# What a pinned map holds, as bpftool reads it.
dump() { bpftool -j map dump pinned "$(find $PINS -name "$1")"; } # NAME

# The entry and what was given, of an IPv4 prefix or an IPv6 one.
in_trie() { # PREFIX
	local trie=list4
	[[ $1 != *:* ]] || trie=list6
	dump $trie | /usr/bin/python3 -c "$(cat <<-END
		import ipaddress, json, struct, sys
		wanted = ipaddress.ip_network("$1")
		for row in json.load(sys.stdin):
		    key = bytes(int(x, 16) for x in row["key"])
		    bits = struct.unpack("=I", key[:4])[0]
		    if ipaddress.ip_network((key[4:], bits)) == wanted:
		        print(*[int(x, 16) for x in row["value"][:2]])
	END
	)"
}

sizes() { dump list_sizes | jq -c '[.[].formatted.value]'; }

policy() { # PORT
	dump ports | jq -c ".[$1].formatted.value | [.mode, .forged, .answer,
		.early, .over_source, .over_prefix, .early_max, .replay]"
}

tuning() { dump tuning | jq -c ".[0].formatted.value.$1"; } # FIELD

# ---- check ----------------------------------------------------------------

@test "check: the example is right, and success is quiet" {
	[ -z "$(tfoguard check -c "$EXAMPLE" 2>&1)" ]
	[ "$(tfoguard check -j -c "$EXAMPLE" | jq -c '[.interfaces, .ports, .prefixes]')" = "[0,0,0]" ]
}

@test "check: file, line, column, and what would be right" {
	config <<-END
		ports:
		  - port: 443
		    replay: 10
	END
	refuses 1 "config.yaml: line 3, column 13:" tfoguard check -c config.yaml
	refuses 1 'can'\''t be "10"; give it a time from 0s to 1h' tfoguard check -c config.yaml
	run -1 --separate-stderr tfoguard check -j -c config.yaml
	jq -e '.exit == 1 and (.error.why | startswith("line 3, column 13")) and
		(.error.do | contains("10m"))' <<<"$stderr"
}

@test "check: a file that is not there, a folder, nobody's" {
	refuses 1 "No such file" tfoguard check -c none.yaml
	refuses 1 "Is a directory" tfoguard check -c .
	refuses 1 "/etc/tfoguard/tfoguard.yaml" tfoguard check
	config <<<"proven: 1m"
	chmod 600 config.yaml
	chmod 755 . ..
	refuses 1 "Permission denied" setpriv --reuid=65534 --clear-groups tfoguard check -c config.yaml
}

@test "check: lists are read too, from the file's folder" {
	mkdir lists
	printf '10.0.0.0/8\r\n# mine\n\n2001:db8::/32 # a\n' >lists/a.txt
	config <<<"lists: {allow: [lists/a.txt]}"
	mv config.yaml lists/../up.yaml
	cd /
	[ "$(tfoguard check -j -c "$BATS_TEST_TMPDIR/up.yaml" | jq .prefixes)" = 2 ]
	echo 10.0.0.1/8 >>"$BATS_TEST_TMPDIR/lists/a.txt"
	refuses 1 "lists/a.txt, line 5: it has bits set" tfoguard check -c "$BATS_TEST_TMPDIR/up.yaml"
}

# ---- attach ---------------------------------------------------------------

@test "attach -c: what the file says is what the data plane reads" {
	config <<-END
		defaults: {forged: drop}
		ports:
		  - {port: 443, early_data: {policy: tls, max_bytes: 1460}, replay: 10s}
		  - {port: 80, mode: pass, over_source: drop}
		limits: {source: {syn: 7}, prefix: {over: drop}}
		pressure: {lo: 6.25 %}
	END
	guard s0 -c config.yaml
	[ "$(policy 443)" = "[1,1,0,1,0,1,1460,10]" ]
	[ "$(policy 80)" = "[4,1,0,0,1,1,0,0]" ]
	[ "$(policy 22)" = "[1,1,0,0,0,1,0,0]" ]
	[ "$(tuning source_syn)" = 7 ]
	[ "$(tuning mark_lo)" = 16 ]
	[ "$(tuning mark_hi)" = 128 ]
	guard s0
	[ "$(policy 443)" = "[1,0,0,0,0,0,0,0]" ]
}

@test "attach -c: limits are of the namespace, and fit the machine" {
	fits() {
		[ "$(tuning admit_share)" = $((256 / $(nproc --all))) ]
		[ "$(tuning rmem_max)" = "$(at_server sysctl -n net.core.rmem_max)" ]
	}
	join server s1 client c1
	guard s0
	[ "$(tuning source_syn)" = 100 ]
	fits
	config <<<"limits: {source: {syn: 7}}"
	guard s0 -c config.yaml
	[ "$(tuning source_syn)" = 7 ]
	fits
	guard s1 -m skb
	[ "$(tuning source_syn)" = 7 ]
	guard s1 -m skb -c "$EXAMPLE"
	[ "$(tuning source_syn)" = 100 ]
}

@test "attach -c: what can't be attached leaves the limits alone" {
	guard s0
	config <<<"limits: {source: {syn: 7}}"
	# veth takes no program where its peer has more queues.
	ip -n server link add s1 numrxqueues 1 numtxqueues 1 type veth \
		peer name c1 numrxqueues 1 numtxqueues 2
	ip -n server link set s1 up
	ip -n server link set c1 up
	refuses 1 "the kernel refused" guard s1 -c config.yaml
	[ "$(tuning source_syn)" = 100 ]
}

@test "attach -c: packets are judged by it" {
	serve 8080 fastopen=16
	serve 8081 fastopen=16
	config <<<"ports: [{port: 8080, mode: off}, {port: 8081, forged: drop}]"
	guard s0 -c config.yaml
	mark
	syn dport=8080 data=20 cookie=$FORGED >/dev/null
	syn dport=8081 data=20 cookie=$FORGED >/dev/null
	judged port_off 1
	judged forged_drop 1
}

@test "attach -c with --port: on top of the file" {
	config <<<"ports: [{port: 443, forged: drop, replay: 10s}, {port: 80, mode: off}]"
	guard s0 --port 443,mode=drop -c config.yaml --port 81,answer=always
	[ "$(policy 443)" = "[3,1,0,0,0,0,0,10]" ]
	[ "$(policy 80)" = "[2,0,0,0,0,0,0,0]" ]
	[ "$(policy 81)" = "[1,0,1,0,0,0,0,0]" ]
	[ "$(policy 82)" = "[1,0,0,0,0,0,0,0]" ]
}

@test "attach --port without a file: no other port" {
	guard s0 --port 443,early=http-safe,replay=1m
	[ "$(policy 443)" = "[1,0,0,2,0,0,0,60]" ]
	[ "$(policy 80)" = "[0,0,0,0,0,0,0,0]" ]
	refuses 2 'replay "1" is not a time' guard s0 --port 443,replay=1
	refuses 2 'early "x" is not any, tls or http-safe' guard s0 --port 443,early=x
}

@test "attach -c: the mode of the interface, and -m above it" {
	config <<<"interfaces: [{name: c9}, {name: s0, attach_mode: skb}]"
	guard s0 -c config.yaml
	[ "$(at_server tfoguard status -j s0 | jq -r .attach_mode)" = skb ]
	at_server tfoguard detach s0
	guard s0 -m native -c config.yaml
	[ "$(at_server tfoguard status -j s0 | jq -r .attach_mode)" = native ]
}

@test "attach -c: a bad file, or a bad list, changes nothing" {
	before=$(state_of server)
	config <<<"ports: [{port: 443, mode: of}]"
	refuses 1 "line 1, column 27" guard s0 -c config.yaml
	echo x >list.txt
	config <<<"{lists: {block: [list.txt]}, proven: 5m}"
	refuses 1 "list.txt, line 1" guard s0 -c config.yaml
	diff <(echo "$before") <(state_of server)
	guard s0 --port 443,mode=off
	refuses 1 "list.txt, line 1" guard s0 -c config.yaml
	[ "$(policy 443)" = "[2,0,0,0,0,0,0,0]" ]
	[ "$(tuning proven)" = 600 ]
}

@test "attach -c: the file's lists replace what was given; without any, it stays" {
	guard s0
	block add 10.0.0.0/8
	guard s0
	config <<<"proven: 5m"
	guard s0 -c config.yaml
	[ "$(block list)" = 10.0.0.0/8 ]
	echo 192.0.2.0/24 >a.txt
	printf '192.0.2.1\n198.51.100.0/24\n' >b.txt
	config <<<"lists: {allow: [a.txt], block: [b.txt]}"
	guard s0 -c config.yaml
	[ "$(allow list)" = 192.0.2.0/24 ]
	[ "$(block list -j | jq -c '[.[] | [.prefix, .obeyed]]')" = \
		'[["192.0.2.1/32",false],["198.51.100.0/24",true]]' ]
	[ "$(sizes)" = "[3,0]" ]
}

# ---- allow, block ---------------------------------------------------------

@test "lists: without a guard there are none" {
	refuses 3 "no guard is attached" allow list
	refuses 3 "no guard is attached" block add 10.0.0.0/8
	refuses 3 "no guard is attached" block del 10.0.0.0/8
}

@test "lists: add, list, del, for IPv4 and IPv6" {
	guard s0
	[ "$(sizes)" = "[0,0]" ]
	[ -z "$(block list)" ]
	[ "$(block list -j)" = "[]" ]
	[ -z "$(block add 192.0.2.0/24 2001:db8::/32 10.1.2.3 2>&1)" ]
	block add 10.1.2.3
	[ "$(block list | xargs)" = "10.1.2.3/32 192.0.2.0/24 2001:db8::/32" ]
	[ "$(sizes)" = "[2,1]" ]
	[ "$(in_trie 10.1.2.3/32)" = "2 4" ]
	[ "$(in_trie 192.0.2.0/24)" = "2 4" ]
	[ "$(in_trie 2001:db8::/32)" = "2 4" ]
	[ -z "$(block del 192.0.2.0/24 2001:db8::/32 2>&1)" ]
	[ "$(block list)" = 10.1.2.3/32 ]
	[ "$(sizes)" = "[1,0]" ]
	[ -z "$(in_trie 192.0.2.0/24)" ]
}

@test "lists: an allow wins over the blocks within it, until it goes" {
	guard s0
	block add 10.1.0.0/16 10.0.0.0/8 2001:db8:1::/48
	allow add 10.0.0.0/8 2001:db8::/32
	[ "$(in_trie 10.1.0.0/16)" = "1 4" ]
	[ "$(in_trie 10.0.0.0/8)" = "1 6" ]
	[ "$(in_trie 2001:db8:1::/48)" = "1 4" ]
	block list | grep -q "^10.1.0.0/16 # not obeyed"
	# What is printed can be read back.
	block list >list.txt
	block del -f list.txt
	[ "$(in_trie 10.0.0.0/8)" = "1 2" ]
	block add -f list.txt
	allow del 10.0.0.0/8 2001:db8::/32
	[ "$(in_trie 10.1.0.0/16)" = "2 4" ]
	[ "$(in_trie 10.0.0.0/8)" = "2 4" ]
	[ "$(in_trie 2001:db8:1::/48)" = "2 4" ]
	[ "$(sizes)" = "[2,1]" ]
}

@test "lists: an allow exempts from the limits of source and prefix" {
	serve 8080 backlog=1024
	# Ten SYNs of a source and prefix that sent none before.
	n=0
	ten() { # VERDICT NUMBER
		n=$((n + 1))
		mark
		at_client "$HERE/doctor-syn.py" 198.18.$n.1 10.99.0.2 8080 10
		judged "$1" "$2"
	}
	for over in source prefix; do
		config <<<"{limits: {$over: {syn: 1, over: drop}}, ports: [{port: 8080}]}"
		guard s0 -c config.yaml
		ten ${over}_limit 9
		allow add 198.18.0.0/15
		ten plain_syn 10
		allow del 198.18.0.0/15
		ten ${over}_limit 9
	done
}

@test "lists: one wrong prefix, and nothing is done" {
	guard s0
	block add 10.0.0.0/8
	while IFS='|' read -r prefix text; do
		refuses 1 "$text" block add 192.0.2.0/24 "$prefix"
	done <<-END
		10.0.0.1/8|write 10.0.0.0/8
		2001:db8::1/32|write 2001:db8::/32
		::ffff:192.0.2.0/120|write 192.0.2.0/24
		10.0.0.0/33|0 to 32
		example.org|no IPv4 or IPv6 address
	END
	printf '192.0.2.0/24\n\nx\n' >list.txt
	refuses 1 "list.txt, line 3: it is no IPv4" block add -f list.txt
	refuses 1 "192.0.2.0/24 is not in the list" block del 10.0.0.0/8 192.0.2.0/24
	refuses 1 "10.0.0.0/8 is not in the list" allow del 10.0.0.0/8
	[ "$(block list)" = 10.0.0.0/8 ]
	[ "$(sizes)" = "[1,0]" ]
	refuses 2 "which prefixes?" block add
	refuses 2 "is not add, del or list" block sub 10.0.0.0/8
	refuses 2 "list takes no prefixes" block list 10.0.0.0/8
	run -1 --separate-stderr block add -j 10.0.0.1/8
	jq -e '.exit == 1 and (.error.do | contains("10.0.0.0/8"))' <<<"$stderr"
}

@test "lists: of the namespace, for all its guards, until the last one goes" {
	join server s1 client c1
	guard s0
	block add 10.0.0.0/8
	guard s1 -m skb
	block add 192.0.2.0/24
	guard s0
	[ "$(block list | xargs)" = "10.0.0.0/8 192.0.2.0/24" ]
	lists_of() { # INTERFACE: the ids of the lists that its program reads
		bpftool -j prog show id "$(xdp_of server "$1")" | jq -r '.map_ids[]' |
			while read -r id; do
				bpftool -j map show id "$id" | jq -r 'select(.name | startswith("list")) | .id'
			done
	}
	[ "$(lists_of s0)" = "$(lists_of s1)" ]
	at_server tfoguard detach s0
	[ "$(block list | xargs)" = "10.0.0.0/8 192.0.2.0/24" ]
	at_server tfoguard detach s1
	guard s0
	[ -z "$(block list)" ]
}

@test "lists: 100,000 prefixes in seconds" {
	guard s0
	for ((i = 0; i < 100000; i++)); do
		echo "11.$((i >> 16)).$((i >> 8 & 255)).$((i & 255))"
	done >list.txt
	# Of a CPU, of which others may have the most.
	TIMEFORMAT='%U %S'
	{ time block add -f list.txt; } 2>taken
	awk '{ print "# " $1 + $2 " s"; exit $1 + $2 > 10 }' taken
	[ "$(sizes)" = "[100000,0]" ]
	allow add 11.0.0.0/8
	[ "$(in_trie 11.1.0.0)" = "1 4" ]
	allow del 11.0.0.0/8
	[ "$(in_trie 11.1.0.0)" = "2 4" ]
	[ "$(block list | wc -l)" = 100000 ]
	block del -f - <list.txt
	[ "$(sizes)" = "[0,0]" ]
	[ "$(dump list4)" = "[]" ]
}

@test "lists: more than there is room for, and nothing is done" {
	guard s0
	block add 10.0.0.0/8
	awk 'BEGIN { for (i = 0; i < 1000000; i++)
		printf "11.%d.%d.%d\n", i / 65536, i / 256 % 256, i % 256 }' >list.txt
	refuses 1 "would hold 1000001 prefixes of IPv4" block add -f list.txt
	[ "$(block list)" = 10.0.0.0/8 ]
}

# A map that is smaller than it should be stands in for a kernel without memory.
@test "lists: what the kernel takes half-way is taken back" {
	guard s0
	small=$(find $PINS -name list4)
	rm "$small"
	bpftool map create "$small" type lpm_trie key 8 value 4 entries 4 name list4 flags 1
	block add 10.1.0.0/16 192.0.2.0/24
	refuses 1 "nothing was changed" allow add 10.0.0.0/8 11.0.0.0/8 12.0.0.0/8
	[ "$(in_trie 10.1.0.0/16)" = "2 4" ]
	[ "$(block list | xargs)" = "10.1.0.0/16 192.0.2.0/24" ]
	[ -z "$(allow list)" ]
	[ "$(sizes)" = "[2,0]" ]
}

@test "lists: changed one at a time" {
	guard s0
	flock /run/tfoguard/lock sleep 1 &
	held() { ! flock -n /run/tfoguard/lock true; }
	wait_for held
	block add 10.0.0.0/8
	flock -n /run/tfoguard/lock true # so the other one has ended
	[ "$(block list)" = 10.0.0.0/8 ]
}

@test "lists: root only" {
	guard s0
	unprivileged() { at_server setpriv --reuid=65534 --clear-groups tfoguard "$@"; }
	refuses 1 "run it as root" unprivileged block list
	refuses 1 "run it as root" unprivileged block add 10.0.0.0/8
}
