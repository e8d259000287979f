#!/bin/bash
# In a guest: tfoguard.service under a systemd of its own, hardening, watchdog
# and all. Prints TAP. Called by tests/vm/run.
n=0

check() { # NAME COMMAND...
	name=$1
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - unit: $name"
	else
		echo "not ok $n - unit: $name"
		{
			echo "$out"
			tail -n 10 /run/systemd.log
			inside cat /run/daemon.log
		} | tail -n 40 | sed 's/^/# /'
	fi
}

wait_for() { # COMMAND...
	local end=$((SECONDS + 100))
	while [ $SECONDS -lt $end ]; do
		if "$@"; then return; fi
		sleep 0.2
	done
	echo "in vain: waited for $*"
	return 1
}

# systemd wants to be the first process, and on a root that can be exchanged.
start_systemd() {
	mkdir /new
	unshare --pid --fork --mount bash -euc '
		mount -t tmpfs -o mode=755 tmpfs /new
		cp -a /bin /etc /lib /lib64 /root /sbin /usr /var /new/
		cd /new
		mkdir proc sys dev run tmp
		mount -t proc proc proc
		mount --rbind /sys sys
		mount --rbind /dev dev
		mount -t tmpfs -o mode=755 tmpfs run
		mount -t tmpfs tmpfs tmp
		mount --move . /
		exec chroot . env container=guest /usr/bin/systemd --log-target=console \
			--unit=basic.target' >/run/systemd.log 2>&1 &
	wait_for runs_systemd
}

runs_systemd() {
	init=$(pgrep -x systemd | head -n 1)
	[ "$init" ] && inside systemctl is-active basic.target | grep -qx active
}

inside() { nsenter --target "$init" --mount --pid "$@"; }
show() { inside systemctl show --value -p "$1" tfoguard.service; } # PROPERTY
is() { [ "$(show "$1")" = "$2" ]; } # PROPERTY VALUE
main_pid() { inside cat "/proc/$(show MainPID)/$1"; } # FILE
logged() { inside grep -q "$1" /run/daemon.log; }
program() { inside tfoguard status -j s0 | jq .program_id; }
is_attached() { inside tfoguard status -j s0 | jq -e .attached; }

starts() {
	inside systemctl start tfoguard.service || return 1
	is ActiveState active && is StatusText "1 of 1 interfaces guarded" &&
		is_attached
}

has_no_privileges_in_effect() {
	main_pid status | grep -E '^(Cap|NoNewPrivs|Seccomp)'
	main_pid status | grep -qE '^CapEff:.0+$' &&
		main_pid status | grep -qE '^CapBnd:.000000c000201000$' &&
		main_pid status | grep -qE '^Seccomp:.2$'
}

# The ring, the kernel's key and the pins can be written, and no more.
changes_keys() {
	inside tfoguard key rotate --emergency || return 1
	logged "done for a command: key rotate" || return 1
	inside tfoguard key show -j | jq -e '.source == "file" and .in_step' &&
		[ "$(inside stat -c %a /var/lib/tfoguard/keyring.json)" = 600 ]
}

reloads() {
	inside systemctl reload tfoguard.service || return 1
	wait_for logged " reloaded$" && is ActiveState active
}

# What hangs is ended and started anew; the guard goes on meanwhile. Without a
# configuration it is adopted as it is.
watched() {
	local before
	before=$(program)
	inside bash -c 'echo TFOGUARD_OPTIONS=-i s0 >/etc/default/tfoguard'
	kill -STOP "$(pgrep -x tfoguard)"
	wait_for is NRestarts 1 && is_attached && wait_for is ActiveState active &&
		logged "adopted as it is" && [ "$(program)" = "$before" ]
}

stops() {
	inside systemctl stop tfoguard.service || return 1
	is ActiveState inactive && is Result success &&
		is_attached
}

by_its_socket() {
	inside systemctl start tfoguard.socket || return 1
	is ActiveState inactive || return 1
	inside wget -q -O - http://127.0.0.1:9435/healthz | grep -qx ok &&
		is ActiveState active && inside systemctl stop tfoguard.socket tfoguard.service &&
		inside tfoguard detach s0
}

# Of a network namespace that has a name: its interface, its key, its settings.
in_a_namespace() {
	local red="nsenter --net=/run/netns/red"
	inside ip netns add red || return 1
	inside $red ip link add r0 type veth peer name r1
	inside $red ip link set r0 up
	inside $red ip link set r1 up
	inside $red sysctl -qw net.ipv4.tcp_fastopen_key=5-6-7-8
	inside bash -c 'echo "TFOGUARD_OPTIONS=-i r0 --web.listen-address 127.0.0.1:9500" \
		>/etc/default/tfoguard-red'
	inside systemctl start tfoguard@red.service || return 1
	inside systemctl is-active tfoguard@red.service
	inside $red tfoguard status -j r0 | jq -e .attached || return 1
	inside $red tfoguard key show -j | jq -e .in_step || return 1
	inside tfoguard status -j r0 && return 1 # there is none here
	inside $red ip link set lo up
	inside $red wget -q -O - http://127.0.0.1:9500/healthz | grep -qx ok || return 1
	inside systemctl stop tfoguard@red.service && inside $red tfoguard detach r0
}

uname -r | sed 's/^/# Linux /'
ip link add s0 type veth peer name c0
ip addr add 10.99.0.2/24 dev s0
ip link set s0 up
ip link set c0 up
sysctl -qw net.ipv4.tcp_fastopen=3
mkdir -p /etc/tfoguard /etc/default /etc/systemd/system/tfoguard.service.d
cat >/etc/tfoguard/tfoguard.yaml <<-END
	interfaces: [{name: s0}]
	keys: {source: file}
END
echo 'TFOGUARD_OPTIONS=-c /etc/tfoguard/tfoguard.yaml' >/etc/default/tfoguard
# On an emulated machine an attach takes longer than the watchdog waits. There is
# no journal.
cat >/etc/systemd/system/tfoguard.service.d/guest.conf <<-END
	[Service]
	WatchdogSec=4s
	StandardError=append:/run/daemon.log
END

cp -r /etc/systemd/system/tfoguard.service.d /etc/systemd/system/tfoguard@.service.d
start_systemd >/run/out 2>&1
init=$(pgrep -x systemd | head -n 1)
check "it starts, and tells when it is ready" starts
check "no capability is in effect, and system calls are filtered" has_no_privileges_in_effect
check "keys can be changed" changes_keys
check "it reloads" reloads
check "it is started anew when it hangs" watched
check "it ends, and the guard stays" stops
check "it is started by its socket" by_its_socket
check "one of another network namespace, by its name" in_a_namespace
echo "1..$n"
