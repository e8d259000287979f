#!/bin/bash
# In a guest with another kernel: the program tests, then the guard on real
# interfaces: alone and chained with another XDP program, exchanged, killed, out
# of memory, on VLANs, and on a driver of real machines. Prints TAP. Called by
# tests/vm/run.
#   guest.sh ROUNDS TEST...    how many attaches are killed, and how many
#                              exchanged; program tests
rounds=$1
tests=("${@:2}")
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

mac_of() { # INTERFACE [OPTION OF ip]...
	ip "${@:2}" link show "$1" | sed -n 's|.*link/ether \([^ ]*\).*|\1|p'
}

make_net() {
	ip netns add client
	sysctl -w net.ipv6.conf.all.disable_ipv6=1 >/dev/null
	in_client sysctl -w net.ipv6.conf.all.disable_ipv6=1 >/dev/null
	ip link add s0 type veth peer name c0
	ip link set c0 netns client
	ethtool -K s0 tx off >/dev/null
	in_client ethtool -K c0 tx off >/dev/null
	ip addr add 10.99.0.2/24 dev s0
	ip link set s0 up
	ip -n client addr add 10.99.0.1/24 dev c0
	ip -n client link set c0 up
	# What is sent here is what the tests send, to the packet: nobody asks
	# for a neighbour, and nothing speaks IPv6.
	ip neigh replace 10.99.0.1 dev s0 lladdr "$(mac_of c0 -n client)" nud permanent
	ip -n client neigh replace 10.99.0.2 dev c0 lladdr "$(mac_of s0)" nud permanent
	sysctl -w net.ipv4.tcp_fastopen=3 >/dev/null
	in_client sysctl -w net.ipv4.tcp_fastopen=3 >/dev/null
	tfo-server 8080 &
	server=$!
	# A veth sends on what comes back by XDP only to an end that has a
	# program too.
	bpftool prog load /root/counter.o /sys/fs/bpf/receiver type xdp &&
		in_client bpftool net attach xdpdrv pinned /sys/fs/bpf/receiver dev c0
}

program_tests() {
	for test in "${tests[@]}"; do
		if "$test" >/tmp/out 2>&1; then
			ok "$test: $(grep -c '^ok' /tmp/out) tests"
		else
			not_ok "$test"
			grep -v '^ok' /tmp/out | head -n 20 | sed 's/^/# /'
		fi
	done
}

# No budget for this compiler is no test passed.
verifier_budget() {
	if grep -q SKIP <<<"$(test_verifier /root/budget 2>&1 | tee /tmp/out)"; then
		n=$((n + 1))
		echo "ok $n - verifier # SKIP no budget for this kernel and compiler"
	else
		check "verifier: within the budget" eval \
			'cat /tmp/out; ! grep -q "^not ok" /tmp/out && grep -q "^ok" /tmp/out'
	fi
}

guarded_connections() { # [INTERFACE ADDRESS]
	set -- "${1:-s0}" "${2:-10.99.0.2}"
	before=$(count "$1" valid_current)
	fetch "$2" && fetch "$2" && fetch "$2" || return 1
	after=$(count "$1" valid_current)
	echo "valid_current $before, then $after"
	[ "$after" -ge $((before + 2)) ]
}

acks() { # NAME [INTERFACE]
	tfoguard stats -p "${2:-s0}" | awk -v ack="\"$1\":" \
		'$1 == ack { found = 1 } found && $1 == "\"packets\":" { gsub(",", ""); print $2; exit }'
}

# Where the kernel takes the ACKs of answers, connections are made of them;
# elsewhere the guard says so, and they are made all the same.
answered() { # [INTERFACE ADDRESS]
	set -- "${1:-s0}" "${2:-10.99.0.2}"
	tfoguard attach "$1" --port 8080,answer=always || return 1
	before=$(count "$1" answer_request)
	for _ in 1 2 3; do
		ip -n client tcp_metrics flush
		fetch "$2" || return 1
	done
	after=$(count "$1" answer_request)
	tfoguard status "$1"
	tfoguard stats "$1"
	echo "answered $before, then $after; accepted $(acks ack_accepted "$1")"
	if can_answer; then
		[ $((after - before)) -eq 3 ] && [ "$(acks ack_accepted "$1")" -ge 3 ]
	else
		[ "$after" = "$before" ] &&
			status_says "bpf_sk_assign_tcp_reqsk" "$1"
	fi || return 1
	tfoguard attach "$1"
}

can_answer() { grep -qw bpf_sk_assign_tcp_reqsk /proc/kallsyms; }

status_says() { # TEXT [INTERFACE]
	tfoguard status -p "${2:-s0}" >/tmp/status
	cat /tmp/status
	grep -q "$1" /tmp/status
}

refused_for() {
	tfoguard attach s0 2>/tmp/err && return 1
	cat /tmp/err
	grep -q "$1" /tmp/err && [ ! -e /sys/fs/bpf/tfoguard ]
}

chained_with_another() { # [INTERFACE ADDRESS]
	xdp-loader load -m native "${1:-s0}" /root/counter.o || return 1
	status_says counter "${1:-s0}" || return 1
	# The newest: the client's end may have one, too.
	map=$(bpftool map show name counted | sed -n 's/^\([0-9]*\):.*/\1/p' | tail -n 1)
	before=$(bpftool -j map lookup id "$map" key 0 0 0 0 | tr -d '\n')
	guarded_connections "$@" || return 1
	after=$(bpftool -j map lookup id "$map" key 0 0 0 0 | tr -d '\n')
	[ "$before" != "$after" ] || { echo "the other program saw nothing"; return 1; }
}

# Exchanged while packets come in: each is counted once, none is missed.
exchanged_under_traffic() {
	before=$(count s0 not_tcp)
	in_client ping -q -i 0.01 -c 300 10.99.0.2 >/tmp/ping &
	ping=$!
	i=0
	while [ $i -lt "$rounds" ]; do
		tfoguard attach s0 || return 1
		i=$((i + 1))
	done
	wait $ping
	after=$(count s0 not_tcp)
	sent=$(sed -n 's/^\([0-9]*\) packets transmitted.*/\1/p' /tmp/ping)
	echo "sent $sent, counted $((after - before))"
	cat /tmp/ping
	[ $((after - before)) -eq "$sent" ]
}

guards_in_chain() { xdp-loader status s0 | grep -c tfoguard; }

# One guard stands in the chain, and counts each packet once.
one_guard() {
	before=$(count s0 not_tcp)
	in_client ping -q -i 0.01 -c 10 10.99.0.2 >/dev/null || return 1
	after=$(count s0 not_tcp)
	echo "$(guards_in_chain) guards, counted $((after - before)) of 10"
	[ "$(guards_in_chain)" -eq 1 ] && [ $((after - before)) -eq 10 ]
}

no_guard() {
	find /sys/fs/bpf/tfoguard 2>/dev/null
	echo "$(guards_in_chain) guards"
	[ "$(guards_in_chain)" -eq 0 ] && [ ! -e /sys/fs/bpf/tfoguard ]
}

lost_pins() {
	tfoguard attach s0 || return 1
	rm -r /sys/fs/bpf/tfoguard
	[ "$(guards_in_chain)" -eq 1 ] || return 1
	tfoguard attach s0 && one_guard
}

lost_pins_detach() {
	rm -r /sys/fs/bpf/tfoguard
	tfoguard detach s0 && no_guard || return 1
	tfoguard detach s0
	[ $? -eq 3 ]
}

# Killed by the kernel when it enters a system call for the nth time.
killed_at() { # SYSTEM CALL, NUMBER
	strace -qq -o /dev/null -e trace="$1" -e inject="$1:signal=KILL:when=$2" \
		tfoguard attach s0
	[ $? -eq 137 ]
}

# When the new guard takes the packets, and before or after it is pinned.
exchange_killed() {
	for call in renameat2 unlinkat; do
		tfoguard attach s0 && in_client ping -q -c 1 10.99.0.2 >/dev/null || return 1
		first=$(count s0 not_tcp)
		killed_at "$call" 1 || return 1
		echo "at $call: $(guards_in_chain) guards"
		[ "$(guards_in_chain)" -eq 2 ] || return 1
		in_client ping -q -i 0.01 -c 10 10.99.0.2 >/dev/null
		[ "$(count s0 not_tcp)" -eq $((first + 10)) ] || return 1
		tfoguard attach s0 && one_guard || return 1
		last=$(count s0 not_tcp)
		echo "counted $((last - first)) of 20"
		[ "$last" -eq $((first + 20)) ] || return 1
	done
}

# Microseconds that an attach takes here.
time_of_attach() {
	start=${EPOCHREALTIME/./}
	tfoguard attach s0 || return 1
	took=$((${EPOCHREALTIME/./} - start))
}

# At random moments, over an attached guard and without one; then attach or
# detach, by turns, must heal.
attaches_killed() {
	time_of_attach
	for ((i = 0; i < rounds; i++)); do
		tfoguard attach s0 &
		attach=$!
		moment=$((took * (RANDOM % 100) / 100))
		sleep "$((moment / 1000000)).$(printf %06d $((moment % 1000000)))"
		kill -9 $attach 2>/dev/null
		wait $attach 2>/dev/null
		if ((i % 3)); then
			tfoguard attach s0 && one_guard || return 1
		else
			tfoguard detach s0 || [ $? -eq 3 ] || return 1
			no_guard || return 1
		fi
	done
	tfoguard attach s0 && one_guard
}

# An attach that libxdp loads without dispatcher, killed before it saw that.
left_without_dispatcher() {
	bpftool prog loadall /root/guard.o /sys/fs/bpf/left type xdp || return 1
	for then in attach detach; do
		ip link set s0 xdpdrv pinned /sys/fs/bpf/left/tfoguard_chained || return 1
		tfoguard $then s0 || return 1
		[ $then = detach ] || { one_guard && tfoguard detach s0; } || return 1
		no_guard && ! ip link show s0 | grep -q prog/xdp || return 1
	done
	rm -r /sys/fs/bpf/left
}

# A dispatcher takes ten programs; the eleventh fails after the guard was told
# that another will follow it.
exchange_without_room() {
	tfoguard attach s0 || return 1
	for i in 1 2 3 4 5 6 7 8 9; do
		xdp-loader load -m native s0 /root/counter.o || return 1
	done
	pings=
	for cpu in 0 1; do # what marks are left, are left for each
		in_client taskset -c $cpu ping -q -i 0.01 -c 200 10.99.0.2 >/dev/null &
		pings+=" $!"
	done
	sleep 0.5
	tfoguard attach s0 2>/tmp/err && { echo "there was room"; return 1; }
	grep "no room" /tmp/err || return 1
	# shellcheck disable=SC2086 # a list
	wait $pings
	one_guard || return 1
	xdp-loader unload s0 --all
	tfoguard detach s0
}

# As root, but for these capabilities: refused, and all is as it was.
unable() { # CAPABILITIES, as setpriv takes them away; EXIT TEXT COMMAND
	find /sys/fs/bpf | sort >/tmp/pins
	setpriv --bounding-set "$1" tfoguard "$4" s0 >/tmp/out 2>&1
	status=$?
	cat /tmp/out
	echo "exit $status"
	[ $status -eq "$2" ] && grep -q "$3" /tmp/out || return 1
	find /sys/fs/bpf | sort | diff /tmp/pins - || return 1
	status_says '"attached": true'
}

unable_when_chained() {
	for command in attach detach; do
		unable -sys_admin 1 CAP_SYS_ADMIN $command && one_guard || return 1
	done
	setpriv --bounding-set -sys_admin tfoguard status -p s0 | grep '"attached": true' || return 1
	xdp-loader load -m native s0 /root/counter.o && tfoguard detach s0 || return 1
	setpriv --bounding-set -sys_admin tfoguard attach s0 2>/tmp/err && return 1
	cat /tmp/err
	grep -q CAP_SYS_ADMIN /tmp/err && no_guard && xdp-loader unload s0 --all
}

detached_after_unload() {
	xdp-loader unload s0 --all || return 1
	status_says '"attached": false' || return 1
	no_pins_and_no_program
}

detach_leaves_the_other() {
	tfoguard detach s0 || return 1
	[ ! -e /sys/fs/bpf/tfoguard ] || { find /sys/fs/bpf; return 1; }
	xdp-loader status s0 | grep -q counter
}

no_pins_and_no_program() {
	tfoguard detach s0 && no_pins_left
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

# In a group of processes that may have almost nothing. The kernel refuses or
# kills; then all is as it was, or healed by the next command.
starved() { # MEGABYTES COMMAND...
	mkdir /sys/fs/cgroup/starved || return 1
	echo "$1M" >/sys/fs/cgroup/starved/memory.max || return 1
	(echo 0 >/sys/fs/cgroup/starved/cgroup.procs && exec "${@:2}")
	status=$?
	echo "$1 MB: exit $status"
	rmdir /sys/fs/cgroup/starved
	return $status
}

out_of_memory() {
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control || return 1
	for megabytes in 4 10; do # of which an attach takes more
		starved $megabytes tfoguard attach s0 && return 1
		tfoguard detach s0 || [ $? -eq 3 ] || return 1
		no_pins_left || return 1
	done
	tfoguard attach s0 || return 1
	for megabytes in 4 10; do
		starved $megabytes tfoguard attach s0 && return 1
		guarded_connections || return 1
	done
	tfoguard attach s0 && one_guard && tfoguard detach s0
}

# Neither programs and maps nor keys need them.
lockless() {
	(ulimit -l 0 && exec setpriv --bounding-set -ipc_lock,-sys_resource \
		tfoguard "$@")
}

no_locked_pages() {
	lockless attach s0 && guarded_connections &&
		lockless key rotate --emergency && lockless detach s0 &&
		no_pins_left
}

no_pins_left() {
	[ ! -e /sys/fs/bpf/tfoguard ] || { find /sys/fs/bpf; return 1; }
	! ip link show s0 | grep -q prog/xdp
}

# Two cards on one wire: a driver as in real machines.
make_wire() {
	ip link set eth1 netns client
	ip addr add 10.99.1.2/24 dev eth0
	ip link set eth0 up
	ip -n client addr add 10.99.1.1/24 dev eth1
	ip -n client link set eth1 up
}

in_driver() {
	ip link show eth0 | grep "xdp " && status_says '"attach_mode": "native"' eth0
}

uname -r | sed 's/^/# Linux /'
can_answer || echo "# without bpf_sk_assign_tcp_reqsk"
program_tests
verifier_budget
# Where nobody else has packets stamped, a ping switches that on, and off when it
# ends: code is patched that another CPU runs, which the emulator can't do (see
# boot; 7.2 ended in an oops there). One that lasts leaves it on.
ping -q -i 86400 127.0.0.1 >/dev/null &
make_net
check "attach, chained by libxdp" tfoguard attach s0
check "status says chained" status_says '"chained": true'
check "real connections keep 0-RTT" guarded_connections
check "answered from the chain" answered
check "another program joins and both count" chained_with_another
check "exchanged under traffic, chained: each packet once" exchanged_under_traffic
check "real connections after the exchange" guarded_connections
check "detach leaves the other program" detach_leaves_the_other
check "attach beside a program that is there" tfoguard attach s0
check "real connections again" guarded_connections
check "detach after another took all programs off" detached_after_unload
check "attach after the pins were lost: one guard" lost_pins
check "detach after the pins were lost: none" lost_pins_detach
check "an exchange killed on the way: one guard, each packet once" exchange_killed
check "attaches killed at random moments" attaches_killed
check "without CAP_SYS_ADMIN: refused, nothing changed" unable_when_chained
check "a guard without dispatcher, left by a kill" left_without_dispatcher
check "an exchange without room leaves the guard at work" exchange_without_room

check "out of memory: refused, and what is there stays" out_of_memory
check "out of memory for locked pages: nothing is missing" no_locked_pages

# Without its dispatcher libxdp can't chain.
dispatcher=$(find /usr/lib -name xdp-dispatcher.o)
mv "$dispatcher" /root/
check "attach without a dispatcher, alone" tfoguard attach s0
check "status says alone, and why" status_says '"alone_because": "[^"]'
check "real connections, alone" guarded_connections
check "answered, alone" answered
check "exchanged under traffic, alone: each packet once" exchanged_under_traffic
check "detach leaves nothing" no_pins_and_no_program
make_wire
check "virtio-net: attach, alone" tfoguard attach eth0
check "virtio-net: in its driver" in_driver
check "virtio-net: real connections, alone" guarded_connections eth0 10.99.1.2
check "virtio-net: answered" answered eth0 10.99.1.2
check "virtio-net: detach" tfoguard detach eth0
mv /root/xdp-dispatcher.o "$dispatcher"
check "virtio-net: attach, chained" tfoguard attach eth0
check "virtio-net: another program joins and both count" \
	chained_with_another eth0 10.99.1.2
check "virtio-net: detach from the chain" tfoguard detach eth0
xdp-loader unload eth0 --all
sysctl -w net.core.bpf_jit_enable=0 >/dev/null
check "without the JIT attach says so" refused_for "bpf_jit_enable=1"
sysctl -w net.core.bpf_jit_enable=1 >/dev/null

check "a forged cookie in a VLAN is stripped" vlan_connections
check "detach leaves nothing, VLAN" no_pins_and_no_program
kill $server
echo "1..$n"
