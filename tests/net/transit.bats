#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# What is not for this host passes untouched, even where this host has a
# listener that a socket lookup would find: traffic that is routed, bridged or
# translated to another network namespace.
#
#   tests/isolate bats tests/net/transit.bats

load lib

# "server" is on the way from "client" to "far", and has a wildcard listener
# with Fast Open on the port that the client asks far for.
setup() {
	find_tfoguard
	make_world
	add_netns far
	join server s1 far f0
	forget_cookies
	serve 8080 fastopen=1024
}

teardown() { end_world; }

route_to_far() {
	# A router asks for its neighbours from its link-local address.
	address server s0 fe80::2/64
	address server s1 10.99.9.1/24 fd00:99:9::1/64 fe80::1/64
	address far f0 10.99.9.2/24 fd00:99:9::2/64
	at_server sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n client route add 10.99.9.0/24 via 10.99.0.2
	ip -n client route add fd00:99:9::/64 via fd00:99::2
	ip -n far route add default via 10.99.9.1
	ip -n far -6 route add default via fd00:99:9::1
	reaches 10.99.9.2
	reaches fd00:99:9::2
}

bridge_to_far() {
	ip -n server address flush dev s0
	ip -n server link add br0 type bridge mcast_snooping 0
	ip -n server link set br0 addrgenmode none
	ip -n server link set s0 master br0
	ip -n server link set s1 master br0
	ip -n server link set br0 up
	address server br0 10.99.0.2/24 fd00:99::2/64
	address far f0 10.99.0.9/24 fd00:99::9/64
	reaches 10.99.0.9
	reaches fd00:99::9
}

translate_to_far() { # PORT
	route_to_far
	at_server nft add table ip nat
	at_server nft 'add chain ip nat prerouting { type nat hook prerouting priority -100; }'
	at_server nft add rule ip nat prerouting iifname s0 tcp dport "$1" \
		dnat to 10.99.9.2:8080
}

reaches() { wait_for at_client ping -c 1 -W 1 -q "$1"; }

# The same SYN with a forged cookie, sent before the guard was there and after,
# looks the same at the far end, to the last byte.
passes_untouched() { # VERDICT [SYN OPTION]...
	record far f0 8080
	syn dport=8080 data=300 cookie=$FORGED seq=1 sport=4000 "${@:2}" >/dev/null
	frames 1 >/dev/null
	guard s0
	guard s1
	mark
	syn dport=8080 data=300 cookie=$FORGED seq=1 sport=4000 "${@:2}" >/dev/null
	judged "$1" 1
	judged forged 0
	frames 2 >/dev/null
	[ "$(frames 2 .frame | sort -u | wc -l)" = 1 ]
	[ "$(frames 2 '[.cookie, (.data | length)] | @csv' | uniq)" = "\"$FORGED\",600" ]
}

# And the guard is not asleep: what is for this host is judged.
judges_its_own() { # SERVER [SYN OPTION]...
	mark
	syn dport=8080 data=20 cookie=$FORGED to="$1" "${@:2}" >/dev/null
	judged forged 1
}

@test "routed, IPv4" {
	route_to_far
	passes_untouched not_ours to=10.99.9.2
	judges_its_own 10.99.0.2
}

@test "routed, IPv6" {
	route_to_far
	passes_untouched not_ours from=fd00:99::1 to=fd00:99:9::2
	judges_its_own fd00:99::2 from=fd00:99::1
}

@test "an address of this host on another of its interfaces is its own" {
	route_to_far
	guard s0
	judges_its_own 10.99.9.1
	judges_its_own fd00:99:9::1 from=fd00:99::1
}

@test "routed: who knows a cookie of the far end's keeps 0-RTT" {
	in_netns far sysctl -qw net.ipv4.tcp_fastopen=3 \
		net.ipv4.tcp_fastopen_key=$OTHER_KEY
	route_to_far
	SERVE_IN=far serve 8081 fastopen=1024
	guard s0
	[ "$(ask 10.99.9.2 8081)" = 1-RTT ]
	[ "$(ask 10.99.9.2 8081)" = 0-RTT ]
}

# In a second, on each CPU (bad_acks of struct tuning).
allow_one_bad_ack() {
	local tuning value
	tuning=$(find $PINS -name tuning)
	value=$(bpftool -j map dump pinned "$tuning" |
		jq -r '.[0].value[48:52] = ["0x01", "0x00", "0x00", "0x00"] |
			.[0].value | join(" ")')
	# shellcheck disable=SC2086 # bytes
	bpftool map update pinned "$tuning" key 0 0 0 0 value $value
}

@test "routed: under pressure too, whatever its segments acknowledge" {
	route_to_far
	SERVE_IN=far serve 8080 fastopen=1024
	hear_answers c0
	guard s0
	press 8080
	allow_one_bad_ack
	for to in 10.99.9.2 fd00:99:9::2; do
		run -0 timeout 5 nsenter --net=/run/netns/client \
			"$HERE/tfo.py" ask $to 8080 1000000
	done
	[ "$(at_server tfoguard stats -j s0 |
		jq .acks.ack_refused_drop.packets)" = 0 ]
}

@test "bridged, IPv4" {
	bridge_to_far
	passes_untouched not_ours to=10.99.0.9 mac="$(mac far f0)"
	judges_its_own 10.99.0.2 mac="$(mac server br0)"
}

@test "bridged, IPv6" {
	bridge_to_far
	passes_untouched not_ours from=fd00:99::1 to=fd00:99::9 mac="$(mac far f0)"
	judges_its_own fd00:99::2 from=fd00:99::1 mac="$(mac server br0)"
}

@test "bridged in generic mode" {
	bridge_to_far
	record far f0 8080
	guard s0 -m skb
	mark
	run -0 syn dport=8080 data=300 cookie=$FORGED to=10.99.0.9 mac="$(mac far f0)"
	judged not_ours 1
	[ "$(frames 1 .frame)" = "$(jq -r .sent.frame <<<"$output")" ]
}

@test "bridged: to this host's address, but to another's MAC" {
	bridge_to_far
	record far f0 8080
	guard s0
	mark
	run -0 syn dport=8080 data=300 cookie=$FORGED mac="$(mac far f0)"
	judged not_ours 1
	[ "$(frames 1 .frame)" = "$(jq -r .sent.frame <<<"$output")" ]
}

@test "translated: an address of another host" {
	translate_to_far 8080
	ip -n client route add 198.51.100.7 via 10.99.0.2
	ip -n server route add 198.51.100.7 via 10.99.9.2
	passes_untouched not_ours to=198.51.100.7
}

@test "translated: a port of this host where nothing listens" {
	translate_to_far 8443
	passes_untouched no_listener dport=8443
	judges_its_own 10.99.0.2
}

# XDP comes before netfilter and can't know: "tfoguard doctor" warns.
@test "translated: a port of this host that listens too costs the round trip only" {
	in_netns far sysctl -qw net.ipv4.tcp_fastopen=3 \
		net.ipv4.tcp_fastopen_key=$OTHER_KEY
	translate_to_far 8080
	SERVE_IN=far serve 8080 fastopen=1024
	guard s0
	[ "$(ask 10.99.0.2 8080)" = 1-RTT ]
	mark
	[ "$(ask 10.99.0.2 8080)" = 1-RTT ]
	judged forged 1
	judged valid_current 0
}

# As an ipvlan's: behind the same MAC, in another network namespace, and of
# addresses that this host forwards nothing to.
container_with_the_same_mac() {
	ip -n server link add link s0 name p0 type macvlan mode passthru
	ip -n server link set p0 netns far
	ip -n far link set p0 addrgenmode none up
	ip -n server address flush dev s0
	address server s1 10.99.0.2/24 fd00:99::2/64
	address far p0 10.99.0.9/24 fd00:99::9/64
	at_server sysctl -qw net.ipv4.ip_forward=0
	[ "$(mac far p0)" = "$(mac server s0)" ]
	reaches 10.99.0.9
	reaches fd00:99::9
}

@test "a container's that has this host's MAC, without forwarding" {
	container_with_the_same_mac
	record far p0 8080
	guard s0
	mark
	run -0 syn dport=8080 data=300 cookie=$FORGED to=10.99.0.9
	judged not_ours 1
	judged forged 0
	[ "$(frames 1 .frame | tail -1)" = "$(jq -r .sent.frame <<<"$output")" ]
	run -0 syn dport=8080 data=300 cookie=$FORGED from=fd00:99::1 to=fd00:99::9
	judged not_ours 2
	[ "$(frames 2 .frame | tail -1)" = "$(jq -r .sent.frame <<<"$output")" ]
	syn dport=8080 data=20 cookie=$FORGED to=10.99.0.2 >/dev/null
	judged forged 1
}

# Frames on lo show no MAC address.
@test "lo can be guarded" {
	guard lo -m skb
	mark lo
	for to in 127.0.0.1 10.99.0.2 fd00:99::2; do
		at_server "$HERE/tfo.py" ask $to 8080
	done
	at_server "$HERE/syn.py" iface=lo mac=00:00:00:00:00:00 from=127.0.0.1 \
		to=127.0.0.1 dport=8080 data=20 cookie=$FORGED >/dev/null
	judged forged 1 lo
	judged not_ours 0 lo
	at_server "$HERE/tfo.py" ask 127.0.0.1 8080
	at_server tfoguard detach lo
}
