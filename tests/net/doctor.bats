#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# Each finding of "tfoguard doctor" is provoked, and goes when its own advice is
# followed: a command in the advice is run as it stands there.
#
#   tests/isolate bats tests/net/doctor.bats
#
# vlans_hidden and mtu_needs_frags need devices that are not everywhere; they
# are for tests/vm.

bats_require_minimum_version 1.5.0

HERE=$BATS_TEST_DIRNAME
KEY=00112233-44556677-8899aabb-ccddeeff
OTHER_KEY=a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4

setup_file() {
	export TFOGUARD
	TFOGUARD=$(realpath "${TFOGUARD:-$HERE/../../build/tfoguard}")
	# Advice says "tfoguard", and "sudo" where it means root.
	mkdir "$BATS_FILE_TMPDIR/bin"
	ln -s "$TFOGUARD" "$BATS_FILE_TMPDIR/bin/tfoguard"
	printf '#!/bin/sh\nexec "$@"\n' >"$BATS_FILE_TMPDIR/bin/sudo"
	chmod +x "$BATS_FILE_TMPDIR/bin/sudo"
	export PATH=$BATS_FILE_TMPDIR/bin:$PATH
}

# A server's namespace in which all is well, but for what a test does to it.
setup() {
	server=doctor$$
	client=$server-client
	listeners=()
	ip netns add "$server"
	ip netns add "$client"
	ip -n "$server" link set lo up
	ip -n "$server" link add s0 type veth peer name c0 netns "$client"
	ip -n "$server" address add 192.0.2.1/24 dev s0
	ip -n "$client" address add 192.0.2.2/24 dev c0
	ip -n "$server" link set s0 addrgenmode none up
	ip -n "$client" link set c0 addrgenmode none up
	hear_answers
	at_server sysctl -qw net.ipv4.tcp_fastopen=3
	at_server sysctl -qw net.ipv4.tcp_fastopen_key=$KEY
	serve 443 fastopen=16
}

teardown() {
	stop_serving
	at_server tfoguard detach s0 2>/dev/null || :
	ip netns del "$server"
	ip netns del "$client"
}

# "ip netns exec" would hide bpffs.
at_server() { nsenter --net="/run/netns/$server" "$@"; }
guard() { at_server tfoguard attach s0 "$@"; }

# A veth delivers what XDP sends back only where its other end has a program.
hear_answers() {
	ip -n "$client" link set c0 xdp obj \
		"$HERE/../../build/tests/vm/counter.bpf.o" sec xdp
}
miss_answers() { ip -n "$client" link set c0 xdp off; }
at_client() { nsenter --net="/run/netns/$client" "$@"; }

serve() { # PORT [OPTION=VALUE]...
	local ready=$BATS_TEST_TMPDIR/ready$1
	mkfifo "$ready"
	nsenter --net="/run/netns/$server" "$HERE/doctor-listen.py" "$@" \
		>"$ready" 3>&- &
	listeners+=($!)
	grep -q ready "$ready"
	rm "$ready"
}

stop_serving() {
	local pid
	for pid in "${listeners[@]}"; do
		kill "$pid"
		wait "$pid" || :
	done
	listeners=()
}

examine() { run -"$1" at_server tfoguard doctor -j "${@:2}"; } # EXIT [IFACE]

find() { # ID: its finding, out of $output
	jq -e --arg id "$1" '.findings[] | select(.id == $id)' <<<"$output"
}

lacks() { # ID: no such finding in $output
	jq -e .state <<<"$output"
	if find "$1"; then return 1; fi
}

absent() { # ID [IFACE]
	run at_server tfoguard doctor -j "${@:2}"
	lacks "$1"
}

# A finding of that severity is there, and state and exit code fit.
present() { # ID SEVERITY [IFACE]
	local code
	run at_server tfoguard doctor -j "${@:3}"
	code=$status
	find "$1"
	[ "$(find "$1" | jq -r .severity)" = "$2" ]
	[ -n "$(find "$1" | jq -r .do)" ]
	case $(jq -r .state <<<"$output") in
	ok) [ "$code" = 0 ] ;;
	limited) [ "$code" = 4 ] ;;
	broken) [ "$code" = 1 ] ;;
	*) false ;;
	esac
	case $2 in
	limited) [ "$code" != 0 ] ;;
	broken) [ "$code" = 1 ] ;;
	esac
}

# The command in the advice of a finding in $output.
advice() { # ID
	# shellcheck disable=SC2016 # backquotes are what is looked for
	find "$1" | jq -r .do | sed -n 's/^[^`]*`\([^`]*\)`.*/\1/p' | grep .
}

follow() { # ID
	local command
	command=$(advice "$1")
	echo "# following: $command"
	at_server bash -c "$command"
}

says() { find "$1" | jq -r .what | grep -qF -- "$2"; } # ID TEXT

# PROVOKING COMMAND..., in the server's namespace, brings up the finding, and
# its advice makes it go.
provoke() { # ID SEVERITY COMMAND...
	absent "$1"
	at_server "${@:3}"
	present "$1" "$2"
	follow "$1"
	absent "$1"
}

@test "a healthy server is ok" {
	guard
	examine 0
	jq -e '.state == "ok"' <<<"$output"
	jq -e 'all(.findings[]; .severity == "info")' <<<"$output"
	examine 0 s0
	jq -e 'all(.findings[]; has("id") and has("what") and has("do"))' <<<"$output"
}

@test "text says the state first, then what and what to do" {
	guard
	run -0 at_server tfoguard doctor
	[ "${lines[0]}" = ok ]
	at_server sysctl -qw net.ipv4.tcp_syncookies=0
	run -4 at_server tfoguard doctor
	[ "${lines[0]}" = limited ]
	[[ ${lines[1]} == "limited  net.ipv4.tcp_syncookies is 0:"* ]]
	[[ ${lines[2]} == *"→ "*"\`sysctl -w net.ipv4.tcp_syncookies=1\`" ]]
}

@test "an interface that is not there, and two, are refused" {
	run -1 at_server tfoguard doctor -j s7
	jq -e '.error.tried and .error.why and .error.do and .exit == 1' <<<"$output"
	run -2 at_server tfoguard doctor s0 lo
}

@test "the worst finding makes the state" {
	at_server sysctl -qw net.ipv4.tcp_syncookies=0
	examine 4
	at_server sysctl -qw net.ipv4.tcp_fastopen=1
	examine 1
	jq -e '.findings[0].severity == "broken"' <<<"$output"
}

@test "fastopen_server_off" {
	provoke fastopen_server_off broken sysctl -qw net.ipv4.tcp_fastopen=1
	[ "$(at_server sysctl -n net.ipv4.tcp_fastopen)" = 3 ]
}

@test "fastopen_without_cookie" {
	provoke fastopen_without_cookie limited sysctl -qw net.ipv4.tcp_fastopen=515
}

@test "syncookies_always" {
	provoke syncookies_always broken sysctl -qw net.ipv4.tcp_syncookies=2
}

@test "syncookies_off" {
	provoke syncookies_off limited sysctl -qw net.ipv4.tcp_syncookies=0
}

@test "conntrack_strict" {
	provoke conntrack_strict limited \
		sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
}

@test "zero_key: of the namespace" {
	provoke zero_key broken \
		sysctl -qw net.ipv4.tcp_fastopen_key=00000000-00000000-00000000-00000000
	[[ $(at_server sysctl -n net.ipv4.tcp_fastopen_key) != *00000000-00000000* ]]
}

@test "zero_key: never set is no finding without a listener" {
	ip netns add "$server-fresh"
	run nsenter --net="/run/netns/$server-fresh" tfoguard doctor -j
	ip netns del "$server-fresh"
	lacks zero_key
}

@test "zero_key: of a listener" {
	serve 8443 fastopen=16 key=00112233445566778899aabbccddeeff
	absent zero_key
	stop_serving
	serve 8443 fastopen=16 key=00000000000000000000000000000000
	present zero_key broken
	says zero_key 0.0.0.0:8443
	# "have the server set a random TCP_FASTOPEN_KEY, or none"
	stop_serving
	serve 8443 fastopen=16
	absent zero_key
}

@test "key_drift" {
	guard
	provoke key_drift limited sysctl -qw net.ipv4.tcp_fastopen_key=$OTHER_KEY
}

@test "key_drift: the backup counts too" {
	guard
	provoke key_drift limited sysctl -qw net.ipv4.tcp_fastopen_key=$KEY,$OTHER_KEY
}

@test "advice to attach again keeps mode, ports and observing" {
	guard -m skb --observe --port 443,forged=drop --port 80,mode=off
	before=$(at_server tfoguard status -j | jq -c '[.attach_mode, .observe, .ports]')
	at_server sysctl -qw net.ipv4.tcp_fastopen_key=$OTHER_KEY
	present key_drift limited
	follow key_drift
	after=$(at_server tfoguard status -j | jq -c '[.attach_mode, .observe, .ports]')
	[ "$before" = "$after" ]
	[[ $before == *drop* ]]
}

@test "no_fastopen_listener" {
	absent no_fastopen_listener
	stop_serving
	serve 443
	present no_fastopen_listener broken
	follow no_fastopen_listener
	stop_serving
	serve 443
	absent no_fastopen_listener
}

@test "listener_without_cookie" {
	absent listener_without_cookie
	serve 8443 fastopen=16 no_cookie=1
	present listener_without_cookie limited
	says listener_without_cookie 0.0.0.0:8443
	stop_serving
	serve 443 fastopen=16
	absent listener_without_cookie
}

@test "fastopen_queue_full" {
	stop_serving
	serve 443 fastopen=1
	absent fastopen_queue_full
	cookie=$(tfoguard cookie 192.0.2.77 192.0.2.1 --key $KEY)
	at_client "$HERE/doctor-syn.py" 192.0.2.77 192.0.2.1 443 1 "$cookie"
	present fastopen_queue_full limited
	says fastopen_queue_full "0.0.0.0:443 (1 of 1)"
	# "restart the server with a longer one"
	stop_serving
	serve 443 fastopen=1024
	at_client "$HERE/doctor-syn.py" 192.0.2.77 192.0.2.1 443 1 "$cookie"
	absent fastopen_queue_full
}

@test "syn_queue_full" {
	stop_serving
	serve 443 fastopen=16 backlog=2
	at_client "$HERE/doctor-syn.py" 192.0.2.77 192.0.2.1 443 2
	absent syn_queue_full
	at_client "$HERE/doctor-syn.py" 192.0.2.78 192.0.2.1 443 1
	present syn_queue_full limited
	says syn_queue_full "0.0.0.0:443 (3 of 2)"
	stop_serving
	serve 443 fastopen=16 backlog=1024
	at_client "$HERE/doctor-syn.py" 192.0.2.77 192.0.2.1 443 3
	absent syn_queue_full
}

@test "syn_queue_full: the limit of the system is raised first" {
	at_server sysctl -qw net.core.somaxconn=2
	stop_serving
	serve 443 fastopen=16 backlog=1024
	at_client "$HERE/doctor-syn.py" 192.0.2.77 192.0.2.1 443 3
	present syn_queue_full limited
	follow syn_queue_full
	stop_serving
	serve 443 fastopen=16 backlog=1024
	at_client "$HERE/doctor-syn.py" 192.0.2.77 192.0.2.1 443 3
	absent syn_queue_full
}

@test "accept_queue_full" {
	stop_serving
	serve 443 fastopen=16 backlog=1
	connect_twice() {
		at_client /usr/bin/python3 -c 'import socket
for i in range(2): socket.create_connection(("192.0.2.1", 443))'
	}
	absent accept_queue_full
	connect_twice
	present accept_queue_full limited
	says accept_queue_full "0.0.0.0:443 (2 of 1)"
	stop_serving
	serve 443 fastopen=16 backlog=1024
	connect_twice
	absent accept_queue_full
}

@test "a full queue of a listener without Fast Open is not our concern" {
	serve 8080 backlog=2
	at_client "$HERE/doctor-syn.py" 192.0.2.77 192.0.2.1 8080 3
	absent syn_queue_full
}

@test "small_backlog" {
	stop_serving
	serve 443 fastopen=16 backlog=15
	absent small_backlog
	guard --port 443
	present small_backlog limited
	says small_backlog "0.0.0.0:443 (15)"
	stop_serving
	serve 443 fastopen=16 backlog=1024
	serve 8443 fastopen=16 backlog=4
	absent small_backlog
}

@test "mptcp_listener" {
	serve 8443 fastopen=16 mptcp=1
	guard --port 443
	absent mptcp_listener
	guard --port 443 --port 8443
	present mptcp_listener limited
	says mptcp_listener 0.0.0.0:8443
	# "have the server listen by plain TCP, and restart it"
	stop_serving
	serve 8443 fastopen=16
	absent mptcp_listener
}

@test "answers_stopped" {
	guard
	absent answers_stopped
	# Until two seconds from now, as the acceptor would write it for longer.
	at_server python3 - "$(echo /sys/fs/bpf/tfoguard/*/port_states)" <<-END
		import struct, subprocess, sys, time
		state = struct.pack("=4I", 0, 0, (time.monotonic_ns() >> 30) + 3, 0)
		subprocess.run(["bpftool", "map", "update", "pinned", sys.argv[1], "key",
		                "hex", "bb", "01", "00", "00", "value", "hex",
		                *(f"{byte:02x}" for byte in state)], check=True)
	END
	present answers_stopped limited
	says answers_stopped "port 443"
	limits | grep -q "answers to port 443 have stopped"
	# "answers begin again by themselves"
	sleep 4
	absent answers_stopped
	if limits | grep -q "have stopped"; then return 1; fi
}

nat_chain() { # HOOK
	at_server nft add table ip nat
	at_server nft "add chain ip nat $1 { type nat hook $1 priority 0; }"
}

@test "address_translation: nft dnat" {
	nat_chain prerouting
	provoke address_translation limited \
		nft add rule ip nat prerouting tcp dport 443 dnat to 198.51.100.1
}

@test "address_translation: nft redirect, several rules, in a chain of its own" {
	nat_chain prerouting
	at_server nft add chain ip nat own
	at_server nft add rule ip nat prerouting jump own
	absent address_translation
	at_server nft add rule ip nat own tcp dport 80 redirect to :8080
	at_server nft add rule ip nat own tcp dport 443 redirect to :8443
	present address_translation limited
	follow address_translation
	absent address_translation
	[ "$(at_server nft list chain ip nat own | grep -c redirect)" = 0 ]
}

@test "address_translation: nft tproxy" {
	at_server nft add table inet m
	at_server nft 'add chain inet m p { type filter hook prerouting priority 0; }'
	provoke address_translation limited \
		nft add rule inet m p tcp dport 443 tproxy to :8443
}

@test "address_translation: not what leaves, not UDP, not source addresses" {
	nat_chain prerouting
	nat_chain output
	nat_chain postrouting
	at_server nft add rule ip nat output tcp dport 443 dnat to 198.51.100.1
	at_server nft add rule ip nat prerouting udp dport 443 dnat to 198.51.100.1
	at_server nft add rule ip nat prerouting ip protocol udp redirect
	nat_chain input
	at_server nft add rule ip nat postrouting tcp dport 443 snat to 198.51.100.1
	at_server nft add rule ip nat input tcp dport 443 snat to 198.51.100.1
	absent address_translation
}

@test "address_translation: iptables over nftables" {
	provoke address_translation limited iptables-nft -t nat -A PREROUTING \
		-p tcp --dport 443 -j DNAT --to-destination 198.51.100.1
	at_server iptables-nft -t nat -A PREROUTING -p udp -j REDIRECT
	absent address_translation
}

@test "address_translation: legacy iptables" {
	at_server iptables-legacy -t nat -N OWN
	at_server iptables-legacy -t nat -A OWN -p tcp -j RETURN
	at_server iptables-legacy -t nat -A PREROUTING -p udp -j REDIRECT
	at_server iptables-legacy -t nat -A OUTPUT -p tcp -j REDIRECT
	provoke address_translation limited iptables-legacy -t nat -A OWN \
		-p tcp --dport 443 -j DNAT --to-destination 198.51.100.1
	at_server iptables-legacy -t nat -A PREROUTING -p tcp -j REDIRECT
	at_server iptables-legacy -t nat -A PREROUTING -j REDIRECT
	present address_translation limited
	follow address_translation
	absent address_translation
	[ "$(at_server iptables-legacy -t nat -S PREROUTING | grep -c REDIRECT)" = 1 ]
}

@test "address_translation: legacy ip6tables" {
	provoke address_translation limited ip6tables-legacy -t nat -A PREROUTING \
		-p tcp --dport 443 -j REDIRECT --to-ports 8443
}

@test "asking for rules makes no tables" {
	absent address_translation
	[ ! -s "/proc/net/ip_tables_names" ]
	[ -z "$(at_server cat /proc/net/ip_tables_names)" ]
	[ -z "$(at_server nft list ruleset)" ]
}

@test "synproxy" {
	at_server nft add table inet f
	at_server nft 'add chain inet f in { type filter hook input priority 0; }'
	provoke synproxy limited nft add rule inet f in tcp dport 443 \
		ct state invalid,untracked synproxy mss 1460 wscale 7
}

@test "synproxy: legacy iptables" {
	provoke synproxy limited iptables-legacy -A INPUT -p tcp --dport 443 \
		-j SYNPROXY --mss 1460 --wscale 7
}

@test "acks_refused: nft" {
	at_server nft add table inet f
	at_server nft 'add chain inet f in { type filter hook input priority 0; }'
	for rule in "tcp flags & (fin|syn|rst|ack) != syn ct state new drop" \
		"ct state new tcp flags != syn counter reject" \
		"tcp flags != syn ct state == new drop" \
		"tcp flags != syn ct state != established drop" \
		"tcp flags & (syn|ack) == ack ct state new drop" \
		"tcp flags ! syn ct state new,untracked drop"; do
		# shellcheck disable=SC2086 # nft takes words
		provoke acks_refused limited nft add rule inet f in $rule
	done
}

@test "acks_refused: iptables over nftables" {
	provoke acks_refused limited iptables-nft -A INPUT -p tcp ! --syn \
		-m conntrack --ctstate NEW -j DROP
	provoke acks_refused limited iptables-nft -A INPUT -p tcp ! --syn \
		-m state --state NEW,INVALID -j REJECT
}

@test "acks_refused: not what lets them in, not what is invalid, not what leaves" {
	at_server nft add table inet f
	at_server nft 'add chain inet f in { type filter hook input priority 0; }'
	at_server nft 'add chain inet f out { type filter hook output priority 0; }'
	for rule in "ct state invalid drop" "ct state new drop" \
		"tcp flags != syn ct state established drop" \
		"tcp flags == syn ct state new drop" \
		"tcp flags & (syn|ack) == (syn|ack) ct state new drop" \
		"tcp flags != syn ct state != new drop" \
		"tcp flags != fin ct state new drop" \
		"tcp flags ! ack ct state new drop" \
		"tcp flags & (fin|syn|rst|ack) != ack ct state new drop" \
		"tcp flags != syn ct state ! new drop" \
		"meta l4proto udp @th,104,8 != 2 ct state new drop" \
		"tcp flags != syn ct state new counter accept"; do
		# shellcheck disable=SC2086 # nft takes words
		at_server nft add rule inet f in $rule
	done
	at_server nft add rule inet f out 'tcp flags != syn ct state new drop'
	at_server iptables-nft -A INPUT -p tcp ! --syn -m conntrack \
		! --ctstate NEW -j DROP
	at_server iptables-nft -A INPUT -p tcp ! --syn -m conntrack \
		--ctstate INVALID -j DROP
	absent acks_refused
}

@test "route_without_cookie, and guard_outdated before and after" {
	guard
	absent route_without_cookie s0
	absent guard_outdated s0
	at_server ip route add 198.51.100.0/24 via 192.0.2.2 src 192.0.2.1 \
		metric 7 fastopen_no_cookie 1
	present route_without_cookie limited
	present guard_outdated limited
	follow guard_outdated
	absent guard_outdated
	present route_without_cookie limited
	follow route_without_cookie
	absent route_without_cookie
	at_server ip route | grep "^198.51.100.0/24 via 192.0.2.2 .*src 192.0.2.1 metric 7"
	present guard_outdated limited
	follow guard_outdated
	absent guard_outdated
}

@test "route_without_cookie: default, another table, IPv6" {
	at_server ip route add default via 192.0.2.2 fastopen_no_cookie 1
	present route_without_cookie limited
	follow route_without_cookie
	absent route_without_cookie
	provoke route_without_cookie limited ip route add 198.51.100.0/24 \
		dev s0 table 77 fastopen_no_cookie 1
	provoke route_without_cookie limited ip -6 route add 2001:db8::/64 \
		dev s0 fastopen_no_cookie 1
}

# Each is told, attach clears it, and the guard goes by what is true then.
outdated() { # TEXT COMMAND...
	absent guard_outdated
	at_server "${@:2}"
	present guard_outdated limited
	says guard_outdated "$1"
	follow guard_outdated
	absent guard_outdated
}

@test "guard_outdated: addresses" {
	# It takes its addresses off a link that goes down.
	at_server sysctl -qw net.ipv6.conf.s0.disable_ipv6=1
	guard
	outdated "addresses of this host" ip address add 192.0.2.9/24 dev s0
	outdated "addresses of this host" ip address del 192.0.2.9/24 dev s0
	outdated "addresses of this host" ip address add 2001:db8::9/64 dev lo
	outdated "addresses of this host" ip route add local 203.0.113.0/24 dev lo
	# A flap is no change.
	at_server ip link set s0 down
	absent guard_outdated
	at_server ip link set s0 up
	absent guard_outdated
}

@test "guard_outdated: MAC, bridge and name" {
	guard
	outdated "its MAC address, bridge or bond" \
		ip link set s0 address 02:00:00:00:00:77
	at_server ip link add br0 type bridge
	outdated "its MAC address, bridge or bond" ip link set s0 master br0
	outdated "its MAC address, bridge or bond" ip link set s0 nomaster
	outdated "its name was s0" ip link set s0 name s9
	[ "$(at_server tfoguard status -j s9 | jq .attached)" = true ]
	at_server tfoguard detach s9
}

@test "listener_on_upper_device: a bridge" {
	at_server ip link add br0 type bridge
	at_server ip link set br0 up
	serve 8443 fastopen=16 device=br0
	absent listener_on_upper_device s0
	at_server ip link set s0 master br0
	present listener_on_upper_device limited s0
	says listener_on_upper_device "0.0.0.0:8443 on br0"
	# "have the server listen on an address"
	stop_serving
	serve 8443 fastopen=16
	serve 8444 fastopen=16 device=s0
	absent listener_on_upper_device s0
}

@test "missing_capabilities: of root" {
	absent missing_capabilities
	for capability in NET_ADMIN BPF PERFMON; do
		run -1 at_server setpriv \
			--bounding-set "-${capability,,},-sys_admin" \
			tfoguard doctor -j
		find missing_capabilities
		says missing_capabilities "CAP_$capability"
		[ "$(advice missing_capabilities)" = "sudo tfoguard doctor" ]
	done
	follow missing_capabilities
	absent missing_capabilities
}

@test "missing_capabilities: not root" {
	run -1 at_server setpriv --reuid 65534 --clear-groups \
		"$(copy_for_nobody)" doctor -j s0
	find missing_capabilities
	says missing_capabilities "root's identity"
	[ "$(advice missing_capabilities)" = "sudo tfoguard doctor s0" ]
	follow missing_capabilities
	absent missing_capabilities
}

# Where the user nobody can reach it.
copy_for_nobody() {
	mkdir -p /run/doctor
	chmod 755 /run/doctor
	install -m 755 "$TFOGUARD" /run/doctor/tfoguard
	echo /run/doctor/tfoguard
}

@test "missing_sys_admin" {
	absent missing_sys_admin
	# It stands for CAP_BPF and CAP_PERFMON, which are younger.
	run at_server setpriv --bounding-set -bpf,-perfmon tfoguard doctor -j
	lacks missing_capabilities
	lacks missing_sys_admin
	run at_server setpriv --bounding-set -sys_admin tfoguard doctor -j
	lacks missing_capabilities
	find missing_sys_admin
	[ "$status" != 0 ]
	follow missing_sys_admin
	absent missing_sys_admin
}

@test "no_btf" {
	absent no_btf
	run -1 at_server unshare --mount bash -c \
		'mount -t tmpfs none /sys/kernel/btf && tfoguard doctor -j'
	find no_btf
	# The advice is another kernel: the one that has it.
	absent no_btf
}

@test "program_refused" {
	absent program_refused
	run -1 at_server unshare --user --map-root-user tfoguard doctor -j
	find program_refused
	says program_refused "Operation not permitted"
	# The advice is to run it outside.
	absent program_refused
}

@test "no_bpffs" {
	absent no_bpffs
	run -1 ip netns exec "$server" tfoguard doctor -j s0
	find no_bpffs
	advice no_bpffs | grep "/run/netns/$server tfoguard doctor s0"
	run -0 bash -c "$(advice no_bpffs) -j"
	lacks no_bpffs
}

@test "guards_unreadable" {
	guard
	absent guards_unreadable
	folder=$(pins)/99999
	mkdir "$folder"
	bpftool map create "$folder/record" type array key 4 value 512 \
		entries 1 name record
	present guards_unreadable broken
	# The advice is the version that knows such pins.
	rm "$folder/record"
	rmdir "$folder"
	absent guards_unreadable
}

# The folder of the namespace's guards: the test has no other.
pins() { echo /sys/fs/bpf/tfoguard/*; }

@test "interface_gone" {
	guard
	absent interface_gone
	at_server ip link del s0
	present interface_gone limited
	present interface_gone limited s0
	follow interface_gone
	absent interface_gone
	run -1 at_server tfoguard doctor s0
}

@test "guard_not_held" {
	guard
	absent guard_not_held
	bpftool link detach pinned "$(pins)"/[0-9]*/link
	present guard_not_held broken
	follow guard_not_held
	absent guard_not_held
	at_server tfoguard status -j | jq -e .attached
}

@test "no_guard" {
	present no_guard info
	guard # as the advice says: it can't know which interface
	absent no_guard
}

@test "not_guarded" {
	present not_guarded info s0
	follow not_guarded
	absent not_guarded s0
}

@test "guard_silent: another's filter is in the way" {
	guard --port 443,answer=always
	absent guard_silent s0
	at_server tfoguard detach s0
	at_server tc qdisc add dev s0 clsact
	at_server tc filter add dev s0 ingress pref 7413 handle 0x7f0 bpf \
		bytecode '1,6 0 0 0,'
	guard --port 443,answer=always
	present guard_silent limited s0
	says guard_silent "File exists"
	follow guard_silent
	absent guard_silent s0
	[ "$(at_server tfoguard status -j s0 | jq -r '.ports[].answer')" = always ]
}

limits() { at_server tfoguard status -j s0 | jq -r '.limits[]'; }

@test "guard_silent: the veth's other end runs no XDP program" {
	miss_answers
	guard --port 443,answer=always
	present guard_silent limited s0
	says guard_silent "since the veth's other end runs no XDP program"
	limits | grep -q "other end runs no XDP"
	follow guard_silent
	absent guard_silent s0
	absent generic_mode s0
	at_server tfoguard status -j s0 |
		jq -e '.attach_mode == "skb" and .ports[0].answer == "always"'
	hear_answers
	present generic_mode limited s0
	follow generic_mode
	absent guard_silent s0
}

@test "guard_silent: the other end has a program since" {
	miss_answers
	guard
	present guard_silent limited s0
	hear_answers
	present guard_silent limited s0
	follow guard_silent
	absent guard_silent s0
	at_server tfoguard status -j s0 | jq -e '.attach_mode == "native"'
}

@test "answers_unsent: the other end has none any more" {
	guard
	absent answers_unsent s0
	miss_answers
	present answers_unsent broken s0
	limits | grep -q "ANSWERS ARE LOST"
	follow answers_unsent
	absent answers_unsent s0
	if limits | grep -q "ANSWERS ARE LOST"; then return 1; fi
	present guard_silent limited s0
}

@test "answers_unheard" {
	guard --port 443,answer=always
	# Whether it is there takes CAP_SYS_ADMIN to tell.
	run at_server setpriv --bounding-set -sys_admin tfoguard doctor -j
	lacks answers_unheard
	provoke answers_unheard broken tc qdisc del dev s0 clsact
	at_server tc qdisc del dev s0 clsact
	limits | grep -q "WHO IS ANSWERED IS RESET"
	guard
	if limits | grep -q "WHO IS ANSWERED"; then return 1; fi
}

@test "limits_drop" {
	guard
	absent limits_drop s0
	echo 'limits: {source: {over: drop}}' >"$BATS_TEST_TMPDIR/tfoguard.yaml"
	guard -c "$BATS_TEST_TMPDIR/tfoguard.yaml"
	present limits_drop limited s0
	# "set "over: answer" in the configuration, and attach again with it"
	sed -i s/drop/answer/ "$BATS_TEST_TMPDIR/tfoguard.yaml"
	guard -c "$BATS_TEST_TMPDIR/tfoguard.yaml"
	absent limits_drop s0
}

@test "observe_only" {
	guard
	absent observe_only
	guard --observe
	present observe_only info
	follow observe_only
	absent observe_only
}

@test "generic_mode" {
	guard
	absent generic_mode
	at_server tfoguard detach s0
	guard -m skb --port 443
	present generic_mode limited
	follow generic_mode
	absent generic_mode
	at_server tfoguard status -j |
		jq -e '.attach_mode == "native" and .ports[0].port == 443'
}

@test "driver_without_native_xdp, generic_only: a bridge" {
	at_server ip link add br0 type bridge
	absent driver_without_native_xdp s0
	present driver_without_native_xdp limited br0
	run -1 at_server tfoguard attach br0
	absent generic_only
	present driver_without_native_xdp limited br0
	follow driver_without_native_xdp
	absent driver_without_native_xdp br0
	present generic_only info br0
	absent generic_only s0
	at_server tfoguard detach br0
}

@test "driver_without_native_xdp: bare IP packets" {
	at_server ip tuntap add t0 mode tun
	present driver_without_native_xdp limited t0
	follow driver_without_native_xdp
	absent driver_without_native_xdp t0
	at_server tfoguard detach t0
}

@test "unknown_link" {
	absent unknown_link s0
	at_server ip tuntap add t0 mode tun
	absent unknown_link t0
	# TUNSETLINK to ARPHRD_PPP; the device stays.
	at_server /usr/bin/python3 - <<-END
		import fcntl, struct
		tun = open("/dev/net/tun", "r+b", buffering=0)
		fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"t0", 0x1001))
		fcntl.ioctl(tun, 0x400454cd, 512)
	END
	present unknown_link limited t0
	run -1 at_server tfoguard attach t0
	# The advice is to guard another.
	absent unknown_link s0
}

@test "foreign_xdp" {
	clang -O2 -target bpf -x c -c -o "$BATS_TEST_TMPDIR/pass.o" - <<-END
		__attribute__((section("xdp"))) int pass(void *ctx) { return 2; }
	END
	absent foreign_xdp s0
	for how in xdp xdpgeneric; do
		at_server ip link set dev s0 "$how" obj \
			"$BATS_TEST_TMPDIR/pass.o" sec xdp
		present foreign_xdp limited s0
		run -1 at_server tfoguard attach s0
		present foreign_xdp limited s0
		follow foreign_xdp
		absent foreign_xdp s0
	done
	guard
}

@test "guard_hidden" {
	guard
	absent guard_hidden s0
	mount -t bpf bpf /sys/fs/bpf
	present guard_hidden limited s0
	absent foreign_xdp s0
	absent not_guarded s0
	follow guard_hidden
	absent guard_hidden s0
	at_server tfoguard status -j s0 | jq -e .attached
}

@test "cannot_chain is what status says of a guard" {
	guard
	because=$(at_server tfoguard status -j | jq -r .alone_because)
	if [ -n "$because" ]; then
		present cannot_chain info
		says cannot_chain "$because"
	else
		absent cannot_chain
	fi
}
