#!/bin/bash
# In a guest: the daemon with a guard that libxdp chains. Prints TAP. Called by
# tests/vm/run.
n=0

check() { # NAME COMMAND...
	name=$1
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - daemon: $name"
	else
		echo "not ok $n - daemon: $name"
		echo "$out" | tail -n 30 | sed 's/^/# /'
	fi
}

wait_for() { # COMMAND...
	local end=$((SECONDS + 60))
	while [ $SECONDS -lt $end ]; do
		if "$@"; then return; fi
		sleep 0.2
	done
	echo "in vain: waited for $*"
	cat "$log"
	return 1
}

log=/run/log
guards_in_chain() { xdp-loader status s0 | grep -c tfoguard; }
one_guard() { [ "$(guards_in_chain)" -eq 1 ]; }
logged() { grep -q "$1" "$log"; }
get() { wget -q -O - "http://127.0.0.1:9435$1"; }
ready() { get /readyz >/dev/null 2>&1; }
answers() { get /healthz >/dev/null 2>&1; }
program() { tfoguard status -j s0 | jq .program_id; }

start_daemon() { # [OPTION]...
	[ $# -gt 0 ] || set -- -i s0
	tfoguard run "$@" >"$log" 2>&1 &
	echo $! >/run/daemon
	wait_for answers
}

# Each check is a shell of its own, and only its parent may wait for it.
end_daemon() { # SIGNAL
	local pid
	pid=$(cat /run/daemon)
	kill "-$1" "$pid"
	gone() { [ ! -e "/proc/$pid" ] || grep -q '^State:.*zombie' "/proc/$pid/status"; }
	wait_for gone
}

descriptors() { ls "/proc/$(cat /run/daemon)/fd" | wc -l; }

# ---- in a chain -----------------------------------------------------------

attaches_in_the_chain() {
	xdp-loader load -m native s0 /root/counter.o || return 1
	start_daemon
	wait_for one_guard && tfoguard status -j s0 | jq -e '.chained and .with != []'
}

killed_and_adopted() {
	local before
	before=$(program)
	end_daemon KILL
	one_guard || return 1
	start_daemon
	wait_for logged "adopted as it is" && one_guard && [ "$(program)" = "$before" ]
}

# By "xdp-loader unload" of everything, and of the guard alone.
healed() {
	local id
	id=$(xdp-loader status s0 | awk '/tfoguard/ { print $4 }')
	xdp-loader unload s0 --id "$id" || return 1
	wait_for logged "guarded again" && wait_for one_guard || return 1
	xdp-loader status s0 | grep -q counter || return 1
	tfoguard status -j s0 | jq -e .chained
}

# By looking each second, by scrapes, by attaching anew.
leaks_no_descriptor() {
	local before i
	get /metrics >/dev/null # which loads what stays loaded
	before=$(descriptors)
	# In the midst of a look there are more.
	few() { [ "$(descriptors)" -le "$before" ]; }
	none_more() {
		wait_for few && return
		echo "before: $before, now:"
		ls -l "/proc/$(cat /run/daemon)/fd"
		return 1
	}
	for ((i = 0; i < 5; i++)); do get /metrics >/dev/null; done
	sleep 3
	none_more || return 1
	for i in 2 3; do
		rm -r /sys/fs/bpf/tfoguard/*/*/
		attached_anew() { [ "$(grep -c "guarded again" "$log")" = $i ]; }
		wait_for attached_anew || return 1
	done
	none_more
}

follows_a_key() {
	sysctl -qw net.ipv4.tcp_fastopen_key=1-2-3-4
	in_step() { tfoguard key show -j | jq -e .in_step >/dev/null; }
	wait_for in_step
}

keys_by_the_daemon() {
	tfoguard key rotate --emergency && logged "done for a command: key rotate" &&
		tfoguard key show -j | jq -e .in_step
}

# Its devices leave and join, its links flap: the guard stays on the bond.
guards_a_bond() {
	local before
	end_daemon TERM
	ip link add bond type bond mode active-backup miimon 100 || return 1
	for i in 0 1; do
		ip link add "b$i" type veth peer name "d$i"
		ip link set "d$i" up
		ip link set "b$i" master bond
	done
	ip link set bond up
	start_daemon -i s0 -i bond
	wait_for logged "bond: guarded" || return 1
	on_bond() { tfoguard status -j bond | jq -e .attached >/dev/null && ready; }
	wait_for on_bond || return 1
	before=$(tfoguard status -j bond | jq .program_id)
	for i in 1 2 3; do
		ip link set b1 nomaster
		ip link set d0 down
		sleep 0.3
		ip link set d0 up
		ip link set b1 down
		ip link set b1 master bond || return 1
		sleep 0.5
	done
	sleep 2
	on_bond && [ "$(tfoguard status -j bond | jq .program_id)" = "$before" ] || return 1
	bpftool net show | grep -A5 ^xdp | grep "^bond(" || return 1
	logged "bond: the guard was taken off" && return 1
	ip link del bond
	wait_for logged "bond: the interface has gone"
}

ends() {
	end_daemon TERM
	logged ending && one_guard && tfoguard detach s0 && [ ! -e /sys/fs/bpf/tfoguard ] &&
		xdp-loader unload s0 --all
}

uname -r | sed 's/^/# Linux /'
ip link add s0 type veth peer name c0
ip addr add 10.99.0.2/24 dev s0
ip link set s0 up
ip link set c0 up
sysctl -qw net.ipv4.tcp_fastopen=3 net.ipv4.tcp_fastopen_key=4-3-2-1
tfo-server 8080 >/dev/null &

check "attaches in the chain" attaches_in_the_chain
check "killed, it leaves the chain as it is, and the next one adopts it" killed_and_adopted
check "a guard that is taken out of the chain is back in it" healed
check "looks, scrapes and attaches leave no descriptor open" leaks_no_descriptor
check "a key that is changed is followed" follows_a_key
check "keys are changed by the daemon" keys_by_the_daemon
check "a bond whose devices come and go stays guarded" guards_a_bond
check "it ends, the guard stays until it is detached" ends
echo "1..$n"
