#!/bin/bash
# In a guest: what doctor finds only on devices that the development kernel
# lacks, and that its advice clears it. Prints TAP. Called by tests/vm/run.
n=0

check() { # NAME COMMAND...
	name=$1
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - doctor: $name"
	else
		echo "not ok $n - doctor: $name"
		echo "$out" | tail -n 20 | sed 's/^/# /'
	fi
}

finds() { # ID INTERFACE
	tfoguard doctor -p "$2" >/tmp/doctor
	cat /tmp/doctor
	grep -q "\"id\": \"$1\"" /tmp/doctor
}
finds_not() { ! finds "$@"; }

# The command that doctor gives in backquotes for one finding.
advice() { # ID INTERFACE
	tfoguard doctor -p "$2" | grep -A 3 "\"id\": \"$1\"" |
		sed -n 's/.*"do": "[^`]*`\([^`]*\)`.*/\1/p'
}
follow() {
	command=$(advice "$@")
	echo "advice: $command"
	[ -n "$command" ] && eval "$command"
}

uname -r | sed 's/^/# Linux /'
ip link add v0 type veth peer name v1
ip link set v0 up
ip link set v1 up
check "no VLAN, nothing hidden" finds_not vlans_hidden v0
ip link add link v0 name v0.7 type vlan id 7
check "VLAN tags that the driver strips" finds vlans_hidden v0
check "its advice can be followed" follow vlans_hidden v0
check "and clears it" finds_not vlans_hidden v0
ethtool -K v0 rxvlan on >/dev/null
tfoguard attach v0
check "the same with a guard" finds vlans_hidden v0
check "its advice can be followed, with a guard" follow vlans_hidden v0
check "and clears it, with a guard" finds_not vlans_hidden v0
tfoguard detach v0

check "MTU 1500 fits" finds_not mtu_needs_frags eth0
ip link set eth0 mtu 9000
check "an MTU that the driver can't give XDP whole" finds mtu_needs_frags eth0
check "its advice can be followed, MTU" follow mtu_needs_frags eth0
check "and clears it, MTU" finds_not mtu_needs_frags eth0
echo "1..$n"
