#!/bin/bash
# In a guest with another kernel: the program tests, then the guard on real
# interfaces: alone and chained with another XDP program, exchanged, on VLANs.
# Prints TAP. Called by tests/vm/run.
n=0

ok() { n=$((n + 1)); echo "ok $n - $1"; }
not_ok() { n=$((n + 1)); echo "not ok $n - $1"; }

# Runs the rest of the line; what it printed is shown if it fails.
check() {
	name=$1
	shift
	if out=$("$@" 2>&1); then ok "$name"; else
		not_ok "$name"
		echo "$out" | tail -n 20 | sed 's/^/# /'
	fi
}

# The packets under one verdict of one interface.
count() {
	tfoguard stats -p "$1" | awk -v verdict="\"$2\":" \
		'$1 == verdict { found = 1 } found && $1 == "\"packets\":" { gsub(",", ""); print $2; exit }'
}

in_client() { nsenter --net=/run/netns/client "$@"; }

# A real connection by Fast Open; its data must come back.
fetch() { in_client tfo-client "$1" 8080; }

make_net() {
	ip netns add client
	ip link add s0 type veth peer name c0
	ip link set c0 netns client
	ethtool -K s0 tx off >/dev/null
	in_client ethtool -K c0 tx off >/dev/null
	ip addr add 10.99.0.2/24 dev s0
	ip link set s0 up
	ip -n client addr add 10.99.0.1/24 dev c0
	ip -n client link set c0 up
	sysctl -w net.ipv4.tcp_fastopen=3 >/dev/null
	in_client sysctl -w net.ipv4.tcp_fastopen=3 >/dev/null
	tfo-server 8080 &
	server=$!
}

program_tests() {
	for test in test_program test_look; do
		if "$test" >/tmp/out 2>&1; then
			ok "$test: $(grep -c '^ok' /tmp/out) tests"
		else
			not_ok "$test"
			grep -v '^ok' /tmp/out | head -n 20 | sed 's/^/# /'
		fi
	done
}

guarded_connections() {
	before=$(count s0 valid_current)
	fetch 10.99.0.2 && fetch 10.99.0.2 && fetch 10.99.0.2 || return 1
	after=$(count s0 valid_current)
	echo "valid_current $before, then $after"
	[ "$after" -ge $((before + 2)) ]
}

status_says() {
	tfoguard status -p s0 >/tmp/status
	cat /tmp/status
	grep -q "$1" /tmp/status
}

refused_for() {
	tfoguard attach s0 2>/tmp/err && return 1
	cat /tmp/err
	grep -q "$1" /tmp/err && [ ! -e /sys/fs/bpf/tfoguard ]
}

chained_with_another() {
	xdp-loader load -m native s0 /root/counter.o || return 1
	tfoguard status -p s0 | grep -q counter || { tfoguard status -p s0; return 1; }
	map=$(bpftool map show name counted | sed -n 's/^\([0-9]*\):.*/\1/p')
	before=$(bpftool -j map lookup id "$map" key 0 0 0 0 | tr -d '\n')
	guarded_connections || return 1
	after=$(bpftool -j map lookup id "$map" key 0 0 0 0 | tr -d '\n')
	[ "$before" != "$after" ] || { echo "the other program saw nothing"; return 1; }
}

# Exchanged while packets come in: each is counted once, none is missed.
exchanged_under_traffic() {
	in_client ping -q -i 0.01 -c 300 10.99.0.2 >/tmp/ping &
	ping=$!
	i=0
	before=$(count s0 not_tcp)
	while [ $i -lt 10 ]; do
		tfoguard attach s0 || return 1
		i=$((i + 1))
	done
	wait $ping
	after=$(count s0 not_tcp)
	sent=$(sed -n 's/^\([0-9]*\) packets transmitted.*/\1/p' /tmp/ping)
	echo "sent $sent, counted $((after - before))"
	cat /tmp/ping
	# ARP comes and goes beside the pings.
	[ $((after - before)) -ge "$sent" ] && [ $((after - before)) -le $((sent + 10)) ]
}

detach_leaves_the_other() {
	tfoguard detach s0 || return 1
	[ ! -e /sys/fs/bpf/tfoguard ] || { find /sys/fs/bpf; return 1; }
	xdp-loader status s0 | grep -q counter
}

no_pins_and_no_program() {
	tfoguard detach s0 || return 1
	[ ! -e /sys/fs/bpf/tfoguard ] || { find /sys/fs/bpf; return 1; }
	! ip link show s0 | grep -q prog/xdp
}

# SYNs in a tagged VLAN: the guard finds the device by its tag.
vlan_connections() {
	ip link add link s0 name s0.7 type vlan id 7
	ip addr add 10.99.7.2/24 dev s0.7
	ip link set s0.7 up
	in_client ip link add link c0 name c0.7 type vlan id 7
	in_client ip addr add 10.99.7.1/24 dev c0.7
	in_client ip link set c0.7 up
	ethtool -K s0 rxvlan off >/dev/null
	in_client ethtool -K c0 txvlan off >/dev/null
	tfoguard attach s0 || return 1
	fetch 10.99.7.2 && fetch 10.99.7.2 || return 1
	before=$(count s0 forged)
	# A key that the client's cookie was not made with.
	sysctl -w net.ipv4.tcp_fastopen_key=1-2-3-4 >/dev/null
	tfoguard attach s0 && fetch 10.99.7.2 || return 1
	after=$(count s0 forged)
	echo "forged $before, then $after"
	[ "$after" -eq $((before + 1)) ]
}

uname -r | sed 's/^/# Linux /'
program_tests
make_net
check "attach, chained by libxdp" tfoguard attach s0
check "status says chained" status_says '"chained": true'
check "real connections keep 0-RTT" guarded_connections
check "another program joins and both count" chained_with_another
check "exchanged under traffic, chained: each packet once" exchanged_under_traffic
check "real connections after the exchange" guarded_connections
check "detach leaves the other program" detach_leaves_the_other
check "attach beside a program that is there" tfoguard attach s0
check "real connections again" guarded_connections
xdp-loader unload s0 --all >/dev/null 2>&1
tfoguard detach s0 >/dev/null 2>&1

# Without its dispatcher libxdp can't chain.
dispatcher=$(find /usr/lib -name xdp-dispatcher.o)
mv "$dispatcher" /root/
check "attach without a dispatcher, alone" tfoguard attach s0
check "status says alone, and why" status_says '"alone_because": "[^"]'
check "real connections, alone" guarded_connections
check "exchanged under traffic, alone: each packet once" exchanged_under_traffic
check "detach leaves nothing" no_pins_and_no_program
mv /root/xdp-dispatcher.o "$dispatcher"
sysctl -w net.core.bpf_jit_enable=0 >/dev/null
check "without the JIT attach says so" refused_for "bpf_jit_enable=1"
sysctl -w net.core.bpf_jit_enable=1 >/dev/null

check "a forged cookie in a VLAN is stripped" vlan_connections
check "detach leaves nothing, VLAN" no_pins_and_no_program
kill $server
echo "1..$n"
