#!/bin/bash
# In a guest: SYNs answered in the kernel's place, where its kernel can take
# their ACKs, on devices that the development kernel lacks. Prints TAP. Called by
# tests/vm/run.
n=0

check() { # NAME COMMAND...
	name=$1
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - answer: $name"
	else
		echo "not ok $n - answer: $name"
		echo "$out" | tail -n 20 | sed 's/^/# /'
	fi
}

in_client() { nsenter --net=/run/netns/client "$@"; }

# The packets under one verdict of an interface.
count() { # INTERFACE VERDICT
	tfoguard stats -p "$1" | awk -v verdict="\"$2\":" \
		'$1 == verdict { found = 1 } found && $1 == "\"packets\":" { gsub(",", ""); print $2; exit }'
}

fetch() { in_client tfo-client "$1" 8080; }

is_silent() { # INTERFACE
	tfoguard status -p "$1" | grep -q "not answered under pressure"
}

# Its request is answered, and what was granted opens the next connection; on
# a kernel without the kfunc all is left to it.
answered_at() { # ADDRESS INTERFACE
	in_client ip tcp_metrics flush all
	tfoguard attach "$2" --port 8080,answer=always || return 1
	fetch "$1" && fetch "$1" || return 1
	tfoguard stats -p "$2"
	tfoguard status "$2"
	if takes_acks; then
		[ "$(count "$2" answer_request)" = 1 ]
	else
		is_silent "$2" && [ "$(count "$2" answer_request)" = 0 ] &&
			[ "$(count "$2" cookie_request)" = 1 ]
	fi || return 1
	[ "$(count "$2" valid_current)" = 1 ] && tfoguard detach "$2" &&
		[ ! -e /sys/fs/bpf/tfoguard ] && ! tc_left
}

takes_acks() { grep -qw bpf_sk_assign_tcp_reqsk /proc/kallsyms; }

# What both ends agreed on.
agreed() { jq -c '[.client, .server | del(.syn_data, .resent)]'; }

opened() { # PORT ADDRESS BYTES [WAY]...
	in_client ip tcp_metrics flush all
	in_client tfo.py ask "$2" "$1" "$3" info=1 "${@:4}" | agreed >"/tmp/$1"
}

# One connection, answered by the guard, is like one of the kernel's own, and
# moves 10 MB up and down.
same_as_the_kernels() { # ADDRESS [WAY]...
	opened 9001 "$1" 64 "${@:2}" || return 1
	opened 8001 "$1" 10000000 "${@:2}" || return 1
	echo "$*: $(cat /tmp/8001), the kernel's own: $(cat /tmp/9001)"
	grep -q mss /tmp/8001 && cmp -s /tmp/8001 /tmp/9001
}

each_way() { # ADDRESS...
	for timestamps in 1 0; do
		in_client sysctl -w net.ipv4.tcp_timestamps=$timestamps >/dev/null
		for address; do
			for way in "" plain=1 "plain=1 defer=1"; do
				# shellcheck disable=SC2086 # two words
				same_as_the_kernels "$address" $way || return 1
			done
		done
	done
	in_client sysctl -w net.ipv4.tcp_timestamps=1 >/dev/null
}

connections() { # INTERFACE ADDRESS ADDRESS
	tfoguard attach "$1" --port 8001,answer=always || return 1
	each_way "$2" "$3" || return 1
	tfoguard stats "$1"
	[ "$(count "$1" answer_request)" = 4 ] &&
		[ "$(count "$1" answer_plain)" = 8 ] &&
		[ "$(count "$1" ack_accepted)" = 12 ] && tfoguard detach "$1"
}

# Half-open for a minute: whoever asks never hears.
fill_queue() { # CLIENT'S ADDRESS WITHOUT A WAY BACK
	ip neigh replace "$1" dev s0 lladdr 02:00:00:00:00:99
	in_client ip addr add "$1/32" dev lo
	nsenter --net=/run/netns/client python3 - "$1" >/dev/null 2>&1 <<-END &
		import socket, sys, time
		asking = [socket.socket() for _ in range(20)]
		for s in asking:
		    s.setblocking(False)
		    s.bind((sys.argv[1], 0))
		    s.connect_ex(("10.99.0.2", 8080))
		time.sleep(60)
	END
	silent=$!
	sleep 2
}

# Who meets the challenge is served when its SYN comes again, and from then on
# at once; who never answers one has no place.
challenged() {
	fill_queue 10.99.0.77
	in_client ip tcp_metrics flush all
	echo '{ports: [{port: 8080, answer: challenge}], pressure: {lo: 0 %, hi: 10 %}}' \
		>/tmp/marks.yaml
	tfoguard attach s0 -c /tmp/marks.yaml || return 1
	fetch 10.99.0.2 && fetch 10.99.0.2 && fetch 10.99.0.2 || return 1
	tfoguard stats s0
	kill $silent
	[ "$(count s0 challenge_met)" = 1 ] && [ "$(count s0 valid_current)" = 1 ] &&
		[ "$(count s0 challenge)" -ge 1 ] && tfoguard detach s0
}

tc_left() { tc qdisc show | grep clsact; }

# Tags that the device strips hide which VLAN a SYN is for.
silent_where_tags_are_stripped() {
	ethtool -K s0 rxvlan on
	tfoguard attach s0 --port 8080,answer=always || return 1
	is_silent s0 && fetch 10.99.7.2 && tfoguard detach s0 || return 1
	ethtool -K s0 rxvlan off
}

uname -r | sed 's/^/# Linux /'
# A chained guard does not answer.
find /usr/lib -name xdp-dispatcher.o -delete
ip netns add client
ip link add s0 type veth peer name c0 netns client
ip addr add 10.99.0.2/24 dev s0
ip -n client addr add 10.99.0.1/24 dev c0
for name in s0 c0; do
	where=
	[ $name = s0 ] || where=in_client
	$where ethtool -K $name tx off rxvlan off txvlan off >/dev/null
	$where ip link set $name up
done
# A veth delivers what XDP sends back only where its peer has a program too.
in_client ip link set c0 xdp obj /root/counter.o sec xdp
sysctl -w net.ipv4.tcp_fastopen=3 \
	net.ipv4.tcp_fastopen_key=00112233-44556677-8899aabb-ccddeeff >/dev/null
in_client sysctl -w net.ipv4.tcp_fastopen=3 >/dev/null
tfo-server 8080 &
server=$!

check "on an interface" answered_at 10.99.0.2 s0
takes_acks || check "a challenge, where ACKs are not taken" challenged

ip link add link s0 name s0.7 type vlan id 7
ip addr add 10.99.7.2/24 dev s0.7
ip addr add fd00:99:7::2/64 dev s0.7 nodad
ip link set s0.7 up
in_client ip link add link c0 name c0.7 type vlan id 7
in_client ip addr add 10.99.7.1/24 dev c0.7
in_client ip addr add fd00:99:7::1/64 dev c0.7 nodad
in_client ip link set c0.7 up
check "on a VLAN device" answered_at 10.99.7.2 s0
if takes_acks; then
	for port in 8001 9001; do
		tfo.py serve $port fastopen=64 info=1 >/tmp/serve-$port &
	done
	until grep -q ready /tmp/serve-8001 && grep -q ready /tmp/serve-9001; do
		sleep 0.2
	done
	check "a VLAN's connections are the kernel's own, with 10 MB each way" \
		connections s0 10.99.7.2 fd00:99:7::2
fi
check "not where VLAN tags are stripped" silent_where_tags_are_stripped
ip link del s0.7

ip link add b0 type bond mode active-backup miimon 100
ip link set s0 down
ip addr flush dev s0
ip link set s0 master b0
ip link set b0 up
ip addr add 10.99.0.2/24 dev b0
sleep 1
check "on a bond" answered_at 10.99.0.2 b0
kill $server
echo "1..$n"
