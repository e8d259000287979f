#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# The flood generator sends what it says, and nothing where it must not: counted
# by the guard, whose verdicts tell the kinds, and by the kernel.
#
#   tests/isolate bats tests/net/generator.bats

load lib

# The client's end needs an XDP program, the server's one too: the guard.
setup_file() {
	find_tfoguard
	FLOOD=$(realpath "$(dirname "${TFOGUARD:-$HERE/../../build/tfoguard}")/flood")
	export FLOOD
	make_world
	start "$BATS_FILE_TMPDIR/stand" client "$FLOOD" stand c0 internet \
		--keep 10.99.0.0/24
	wait_for grep -q ready "$BATS_FILE_TMPDIR/stand"
	# A SYN queue stays full for a minute: what looks at the kernel's
	# answers has a listener of its own.
	serve 443 fastopen=1024
	serve 444 fastopen=1024
	serve 445 fastopen=1024
	serve 446 fastopen=1024
	# A router's place, so that answers to any source leave.
	ip -n server neigh add 10.99.0.254 lladdr "$(mac client c0)" dev s0
	ip -n server route add default via 10.99.0.254
	ip -n server neigh add fd00:99::fe lladdr "$(mac client c0)" dev s0
	ip -n server route add default via fd00:99::fe
	guard_ports
}

teardown_file() { end_world; }

setup() {
	guard_ports
	mark s0
}

# Never answered: a verdict for each kind, whatever the SYN queue holds.
guard_ports() {
	guarded s0 --port 443,answer=never --port 444,answer=never \
		--port 445,answer=never --port 446,answer=never
}

# The generator's own account ends up in $sent. What is counted one by one is
# fewer than the ring's 256, so that a busy machine loses none; what was sent
# may still lie there, hence wait_for.
flood() { # [OPTION]...
	sent=$(at_client "$FLOOD" send c0 --to 10.99.0.2 \
		--mac "$(mac server s0)" "$@")
	echo "# $sent"
}

arrived() { jq '.sent.plain - .ring_drops' <<<"$sent"; }

says() { [ "$(jq ".sent.$1" <<<"$sent")" = "$2" ]; } # KIND NUMBER

@test "plain SYNs from many sources, so many and no more" {
	flood --count 200 --pps 5000 --prefix 100.64.0.0/15
	says plain 200
	wait_for judged plain_syn 200
	counted TcpInCsumErrors 0
}

@test "forged cookies are none that a key makes" {
	flood --kind forged --count 200 --pps 5000
	says forged 200
	wait_for judged forged 200
	counted TcpInCsumErrors 0
}

@test "cookie requests are answered with cookies" {
	flood --port 444 --kind request --count 100 --pps 5000 \
		--prefix 100.64.0.0/15
	wait_for judged cookie_request 100
	counted TcpExtTCPFastOpenCookieReqd 100
}

@test "valid cookies open connections, with any source of a prefix" {
	flood --port 445 --kind valid --key $KEY --count 100 --pps 5000 \
		--prefix 203.0.113.0/24
	wait_for judged valid_current 100
	counted TcpExtTCPFastOpenPassive 100
	counted TcpInCsumErrors 0
}

@test "a mix is all kinds in turn, each whole and none as the guard left it" {
	flood --kind mix --key $KEY --count 240 --pps 5000
	says plain 60
	says request 60
	says forged 60
	says valid 60
	wait_for judged plain_syn 60
	wait_for judged cookie_request 60
	wait_for judged forged 60
	wait_for judged valid_current 60
	counted TcpInCsumErrors 0
}

@test "by IPv6 as by IPv4: a mix, whole, from all of a prefix" {
	record server s0 446
	flood --to fd00:99::2 --port 446 --kind mix --key $KEY --count 40 \
		--pps 5000 --prefix 2001:db8::/32
	wait_for judged plain_syn 10
	wait_for judged cookie_request 10
	wait_for judged forged 10
	wait_for judged valid_current 10
	counted TcpExtTCPFastOpenCookieReqd 20
	counted TcpExtTCPFastOpenPassive 10
	counted TcpInCsumErrors 0
	frames 40 .from >"$BATS_TEST_TMPDIR/sources"
	[ "$(grep -c '^20010db8' "$BATS_TEST_TMPDIR/sources")" = 40 ]
	[ "$(sort -u "$BATS_TEST_TMPDIR/sources" | wc -l)" = 40 ]
}

@test "in a mix the holder of a cookie can be one address" {
	record server s0 443
	flood --kind mix --key $KEY --count 40 --pps 5000 --holder 203.0.113.7
	frames 40 .from >"$BATS_TEST_TMPDIR/sources"
	[ "$(grep -c '^cb007107$' "$BATS_TEST_TMPDIR/sources")" = 10 ]
	wait_for judged valid_current 10
}

@test "a slow flood keeps its pace" {
	flood --pps 50 --seconds 1
	wait_for judged plain_syn "$(arrived)"
	[ "$(jq '.sent.plain | . >= 45 and . <= 55' <<<"$sent")" = true ]
}

@test "bursts keep the pace on the whole" {
	flood --pps 500 --burst 256 --seconds 1.2
	wait_for judged plain_syn "$(arrived)"
	[ "$(jq .sent.plain <<<"$sent")" = 768 ]
}

@test "a fast flood keeps its pace" {
	flood --pps 5000 --seconds 1
	wait_for judged plain_syn "$(arrived)"
	[ "$(jq '.offered_pps | . > 1000 and . <= 5100' <<<"$sent")" = true ]
}

@test "what the ring has no room for is reported" {
	# On the generator's own CPU the ring would never be full.
	ip netns exec server sh -c 'echo 1 >/sys/class/net/s0/threaded'
	sent=$(at_client "$FLOOD" send c0 --to 10.99.0.2 \
		--mac "$(mac server s0)" --seconds 0.3)
	ip netns exec server sh -c 'echo 0 >/sys/class/net/s0/threaded'
	echo "# $sent"
	[ "$(jq .ring_drops <<<"$sent")" -gt 0 ]
	wait_for judged plain_syn "$(arrived)"
}

@test "it refuses a network that leads out, and what is no veth" {
	refuses 1 "not one end of a veth" at_client "$FLOOD" send lo \
		--to 10.99.0.2 --mac 02:00:00:00:00:01 --count 1
	refuses 1 "default route" at_server "$FLOOD" send s0 --to 10.99.0.1 \
		--mac "$(mac client c0)" --count 1
	judged plain_syn 0
}

@test "bad options are usage errors" {
	local o
	for o in "--kind none" "--prefix 10.0.0.1/8" "--prefix x/8" "--prefix 2001::/130" "--to fd00::x" "--pps -1" \
		"--mac 1" "--count x" "--kind valid" "--burst 5" "--burst 0 --pps 5" "--seconds 0"; do
		# shellcheck disable=SC2086
		refuses 2 "flood: " at_client "$FLOOD" send c0 --to 10.99.0.2 \
			--mac 02:00:00:00:00:01 --count 1 $o
	done
	refuses 2 "one IP version" at_client "$FLOOD" send c0 --to fd00:99::2 \
		--mac 02:00:00:00:00:01 --count 1 --prefix 10.0.0.0/8
	refuses 2 "whom to flood" at_client "$FLOOD" send c0 --count 1
	refuses 2 "when does it end" at_client "$FLOOD" send c0 \
		--to 10.99.0.2 --mac 02:00:00:00:00:01
	refuses 2 "what stands there" at_client "$FLOOD" stand c0 nothing
}
