#!/bin/bash
# In a guest: what shares an interface's wire, as far as the development kernel
# lacks it: containers behind the same MAC, VLANs of a bridge's port. Prints
# TAP. Called by tests/vm/run.
n=0

check() { # NAME COMMAND...
	name=$1
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - links: $name"
	else
		echo "not ok $n - links: $name"
		echo "$out" | tail -n 20 | sed 's/^/# /'
	fi
}

in_netns() { nsenter --net="/run/netns/$1" "${@:2}"; }

# The packets under one verdict of s0.
count() {
	tfoguard stats -p s0 | awk -v verdict="\"$1\":" \
		'$1 == verdict { found = 1 } found && $1 == "\"packets\":" { gsub(",", ""); print $2; exit }'
}

# A real connection by Fast Open; its data must come back.
fetch() { in_netns client tfo-client "$1" 8080; }

# Client and container know each other's cookies; the guard can't.
container_untouched() { # ADDRESS
	tfoguard attach s0 || return 1
	forged=$(count forged) data=$(count data_without_cookie)
	not_ours=$(count not_ours)
	fetch "$1" && fetch "$1" && fetch "$1" || return 1
	echo "forged $forged, now $(count forged);" \
		"not_ours $not_ours, now $(count not_ours)"
	[ "$(count forged)" = "$forged" ] &&
		[ "$(count data_without_cookie)" = "$data" ] &&
		[ "$(count not_ours)" = $((not_ours + 2)) ]
}

# A cookie whose key is gone is found out at this host's address.
guarded_at() { # ADDRESS
	tfoguard attach s0 && fetch "$1" && fetch "$1" || return 1
	sysctl -w "net.ipv4.tcp_fastopen_key=$RANDOM-2-3-4" >/dev/null
	tfoguard attach s0 || return 1
	before=$(count forged)
	fetch "$1" || return 1
	echo "forged $before, then $(count forged)"
	[ "$(count forged)" = $((before + 1)) ]
}

outdated() { # TEXT, or nothing: not at all
	tfoguard doctor -p s0 >/tmp/doctor
	cat /tmp/doctor
	if [ -n "$1" ]; then grep -q "$1" /tmp/doctor; else
		! grep -q guard_outdated /tmp/doctor; fi
}

uname -r | sed 's/^/# Linux /'
for name in client container; do
	ip netns add $name
	ip -n $name link set lo up
	in_netns $name sysctl -w net.ipv4.tcp_fastopen=3 >/dev/null
done
ip link add s0 type veth peer name c0 netns client
ip addr add 10.99.0.2/24 dev s0
ip -n client addr add 10.99.0.1/24 dev c0
ip link set s0 up
ip -n client link set c0 up
ethtool -K s0 tx off >/dev/null
in_netns client ethtool -K c0 tx off >/dev/null
sysctl -w net.ipv4.tcp_fastopen=3 net.ipv4.ip_forward=0 >/dev/null
tfo-server 8080 &
here=$!
in_netns container tfo-server 8080 &
there=$!

# The driver strips the tags, so that XDP sees the container's frames untagged,
# and the VLAN device is not in the namespace of the guard.
ip link add link s0 name v7 netns container type vlan id 7
ip -n container addr add 10.99.7.9/24 dev v7
ip -n container link set v7 up
ip -n client link add link c0 name c7 type vlan id 7
ip -n client addr add 10.99.7.1/24 dev c7
ip -n client link set c7 up
check "a container's VLAN, its tag stripped" container_untouched 10.99.7.9
check "and this host is guarded" guarded_at 10.99.0.2
ip -n container link del v7

ip link add link s0 name i0 type ipvlan mode l2
ip link set i0 netns container
ip -n container addr add 10.99.0.9/24 dev i0
ip -n container link set i0 up
check "an ipvlan container" container_untouched 10.99.0.9
check "and this host is guarded, beside ipvlan" guarded_at 10.99.0.2
ip -n container link del i0

# VLANs of a bridge, and of its port, which takes its frames first.
ethtool -K s0 rxvlan off >/dev/null
in_netns client ethtool -K c0 txvlan off >/dev/null
ip link add br0 type bridge
ip link set br0 up
ip addr flush dev s0
tfoguard attach s0
check "nothing changed yet" outdated ""
ip link set s0 master br0
check "doctor tells a bridge" outdated "bridge or bond has changed"
ip link add link br0 name br0.7 type vlan id 7
ip addr add 10.99.7.2/24 dev br0.7
ip link set br0.7 up
ip link add link s0 name s0.8 type vlan id 8
ip addr add 10.99.8.2/24 dev s0.8
ip link set s0.8 up
ip -n client link add link c0 name c8 type vlan id 8
ip -n client addr add 10.99.8.1/24 dev c8
ip -n client link set c8 up
check "doctor tells VLANs" outdated "VLAN devices on it have changed"
check "a VLAN of the bridge" guarded_at 10.99.7.2
check "a VLAN of the bridge's port" guarded_at 10.99.8.2
check "doctor is content" outdated ""
tfoguard detach s0
kill $here $there
echo "1..$n"
