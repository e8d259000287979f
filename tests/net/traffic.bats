#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# What happens to the traffic of real servers and clients, and to SYNs made by
# hand, on a guarded interface.
#
#   tests/isolate bats tests/net/traffic.bats

load lib

# s0 is guarded in the driver, s1 in the stack, s2 has large frames.
setup_file() {
	find_tfoguard
	make_world
	join server s1 client c1
	address server s1 10.99.1.2/24 fd00:99:1::2/64
	address client c1 10.99.1.1/24 fd00:99:1::1/64
	join server s2 client c2
	address server s2 10.99.2.2/24 fd00:99:2::2/64
	address client c2 10.99.2.1/24 fd00:99:2::1/64
	ip -n server link set s2 mtu 9000
	ip -n client link set c2 mtu 9000
	run_nginx
	run_knot
	serve 8080 fastopen=1024
	guarded s1 -m skb
	guarded s2
}

teardown_file() { end_world; }

setup() {
	set_key $KEY
	guarded s0
	forget_cookies
	mark s0
}

teardown() { stop_all; }

run_nginx() {
	local home=$BATS_FILE_TMPDIR/nginx
	mkdir -p "$home/www"
	echo "hello" >"$home/www/hello"
	head -c 10000000 /dev/urandom >"$home/www/large"
	cat >"$home/conf" <<-END
		daemon off;
		user root;
		pid $home/pid;
		events { }
		http {
			access_log off;
			client_body_temp_path $home/body;
			proxy_temp_path $home/proxy;
			fastcgi_temp_path $home/fastcgi;
			uwsgi_temp_path $home/uwsgi;
			scgi_temp_path $home/scgi;
			root $home/www;
			server { listen 80 fastopen=256; listen [::]:80 fastopen=256; }
			server { listen 81; listen [::]:81; }
		}
	END
	start "$home/log" server nginx -e "$home/error" -p "$home" -c "$home/conf"
	wait_for get 10.99.0.2:81
}

run_knot() {
	local home=$BATS_FILE_TMPDIR/knot
	mkdir -p "$home"
	cat >"$home/conf" <<-END
		server:
		    rundir: $home
		    user: root
		    listen: [ 0.0.0.0@5353, ::@5353 ]
		    tcp-fastopen: on
		database:
		    storage: $home
		template:
		  - id: default
		    storage: $home
		zone:
		  - domain: example.
		    file: zone
	END
	cat >"$home/zone" <<-END
		example. 60 SOA ns.example. admin.example. 1 60 60 60 60
		example. 60 NS ns.example.
		ns.example. 60 A 10.99.0.2
	END
	start "$home/log" server knotd -c "$home/conf"
	wait_for resolve 10.99.0.2
}

# With Fast Open. Fails unless it says hello.
get() { # HOST
	[ "$(at_client curl --tcp-fastopen --noproxy '*' --silent --show-error \
		--fail --max-time 10 "http://$1/hello")" = hello ]
}

resolve() { # ADDRESS
	[ "$(at_client kdig +tcp +fastopen +short +timeout=5 +retry=0 \
		"@$1" -p 5353 ns.example A)" = 10.99.0.2 ]
}

# The first request asks for a cookie, the second is in its SYN.
second_in_syn() { # INTERFACE COMMAND...
	forget_cookies
	mark "$1"
	"${@:2}"
	judged cookie_request 1 "$1"
	counted TcpExtTCPFastOpenPassive 0
	"${@:2}"
	judged valid_current 1 "$1"
	counted TcpExtTCPFastOpenPassive 1
	counted TcpExtTCPFastOpenPassiveFail 0
}

# ---- real servers ---------------------------------------------------------

@test "nginx serves curl in the SYN, over IPv4" {
	second_in_syn s0 get 10.99.0.2
}

@test "nginx serves curl in the SYN, over IPv6" {
	second_in_syn s0 get "[fd00:99::2]"
}

@test "nginx serves curl in the SYN, over IPv4, in generic mode" {
	second_in_syn s1 get 10.99.1.2
}

@test "nginx serves curl in the SYN, over IPv6, in generic mode" {
	second_in_syn s1 get "[fd00:99:1::2]"
}

@test "knot serves kdig in the SYN, over IPv4" {
	second_in_syn s0 resolve 10.99.0.2
}

@test "knot serves kdig in the SYN, over IPv6" {
	second_in_syn s0 resolve fd00:99::2
}

@test "knot serves kdig in the SYN, over IPv4, in generic mode" {
	second_in_syn s1 resolve 10.99.1.2
}

@test "knot serves kdig in the SYN, over IPv6, in generic mode" {
	second_in_syn s1 resolve fd00:99:1::2
}

@test "a client sees its data taken from the SYN" {
	[ "$(ask 10.99.0.2 8080)" = 1-RTT ]
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	judged valid_current 2
}

@test "the client gets the cookie that the program computes" {
	ask 10.99.0.2 8080
	ask fd00:99::2 8080
	[ "$(remembered 10.99.0.2)" = 344cb48141bb1b94 ]
	[ "$(remembered 10.99.0.2)" = "$(cookie 10.99.0.1 10.99.0.2)" ]
	[ "$(remembered fd00:99::2)" = "$(cookie fd00:99::1 fd00:99::2)" ]
}

# ---- stale cookies --------------------------------------------------------

# The client's cookie was made with a key that guard and kernel no longer have.
grow_stale() { # ADDRESS
	ask "$1" 8080
	[ -n "$(remembered "$1")" ]
	set_key $OTHER_KEY
	guarded s0
}

stale_costs_a_round_trip() { # CLIENT SERVER INTERFACE
	grow_stale "$2"
	mark "$3"
	[ "$(ask "$2" 8080)" = 1-RTT ]
	judged forged 1 "$3"
	counted TcpExtTCPFastOpenPassive 0
	# The kernel did not even see it: it was asked for a cookie.
	counted TcpExtTCPFastOpenPassiveFail 0
	counted TcpExtTCPFastOpenCookieReqd 1
	counted TcpInCsumErrors 0
	[ "$(remembered "$2")" = "$(cookie "$1" "$2" $OTHER_KEY)" ]
	[ "$(ask "$2" 8080)" = 0-RTT ]
	judged valid_current 1 "$3"
}

@test "a stale cookie costs one round trip, over IPv4" {
	stale_costs_a_round_trip 10.99.0.1 10.99.0.2 s0
}

@test "a stale cookie costs one round trip, over IPv6, in generic mode" {
	stale_costs_a_round_trip fd00:99:1::1 fd00:99:1::2 s1
}

@test "curl does not notice that its cookie was stale" {
	get 10.99.0.2
	set_key $OTHER_KEY
	guarded s0
	mark
	get 10.99.0.2
	judged forged 1
	counted TcpExtTCPFastOpenPassive 0
	get 10.99.0.2
	counted TcpExtTCPFastOpenPassive 1
}

@test "a key that the guard has not adopted yet is asked for at the kernel" {
	ask 10.99.0.2 8080
	set_key $OTHER_KEY
	mark
	# The guard knows the old key still; the kernel refuses, and no worse.
	[ "$(ask 10.99.0.2 8080)" = 1-RTT ]
	judged valid_current 1
	counted TcpExtTCPFastOpenPassiveFail 1
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	judged valid_namespace 1
	judged forged 0
}

@test "a cookie of the kernel's backup key is good" {
	ask 10.99.0.2 8080
	set_key $OTHER_KEY,$KEY
	guarded s0
	mark
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	judged valid_previous 1
	counted TcpExtTCPFastOpenPassiveAltKey 1
}

# ---- listeners ------------------------------------------------------------

@test "a listener's own key is good for it" {
	serve 8090 fastopen=1024 key=000102030405060708090a0b0c0d0e0f
	[ "$(ask 10.99.0.2 8090)" = 1-RTT ]
	[ "$(remembered 10.99.0.2)" != "$(cookie 10.99.0.1 10.99.0.2)" ]
	[ "$(ask 10.99.0.2 8090)" = 0-RTT ]
	judged valid_listener 1
	judged forged 0
}

@test "one listener's own key is no good for another" {
	serve 8090 fastopen=1024 key=000102030405060708090a0b0c0d0e0f
	ask 10.99.0.2 8090
	[ "$(ask 10.99.0.2 8080)" = 1-RTT ]
	judged forged 1
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
}

@test "a listener without Fast Open serves those who try" {
	get 10.99.0.2:81
	get 10.99.0.2
	mark
	get 10.99.0.2:81
	judged valid_current 1
	counted TcpExtTCPFastOpenPassive 0
	set_key $OTHER_KEY
	guarded s0
	mark
	get 10.99.0.2:81
	judged forged 1
}

@test "a forged cookie to a port without a listener is left to the kernel" {
	run -0 syn dport=9 cookie=$FORGED data=20
	judged no_listener 1
	# RST, ACK: of the SYN and its data
	[ "$(jq .answer.flags <<<"$output")" = 20 ]
	[ "$(jq .answer.acked <<<"$output")" = 20 ]
}

# ---- SYNs made by hand ----------------------------------------------------

answered() { # BYTES ACKED, COOKIE or null, KIND or null; in $output
	[ "$(jq -c '.answer | [.acked, .cookie, .kind]' <<<"$output")" = \
		"$(jq -cn --argjson acked "$1" --arg cookie "$2" --argjson kind "$3" \
			'[$acked, if $cookie == "null" then null else $cookie end, $kind]')" ] || {
		jq -c '.answer | del(.frame)' <<<"$output"
		return 1
	}
}

@test "a good cookie: the data are taken" {
	run -0 syn dport=8080 data=21 cookie="$(cookie 10.99.0.1 10.99.0.2)"
	judged valid_current 1
	answered 21 null null
}

@test "a forged cookie: the data are cut and a good cookie comes back" {
	run -0 syn dport=8080 data=21 cookie=$FORGED
	judged forged 1
	answered 0 "$(cookie 10.99.0.1 10.99.0.2)" 34
}

@test "a forged cookie over IPv6: the data are cut and a good cookie comes back" {
	run -0 syn from=fd00:99::1 to=fd00:99::2 dport=8080 data=21 cookie=$FORGED
	judged forged 1
	answered 0 "$(cookie fd00:99::1 fd00:99::2)" 34
}

@test "the stack gets a forged SYN as a request without data" {
	record server s0 8080
	syn dport=8080 data=21 cookie=$FORGED
	[ "$(frames 1 '[.cookie, .kind, .data] | @csv')" = '"",34,""' ]
	counted TcpInCsumErrors 0
}

@test "the older option, kind 254: a good cookie" {
	run -0 syn dport=8080 data=21 kind=254 cookie="$(cookie 10.99.0.1 10.99.0.2)"
	judged valid_current 1
	answered 21 null null
}

@test "the older option, kind 254: a forged cookie" {
	run -0 syn dport=8080 data=21 kind=254 cookie=$FORGED
	judged forged 1
	answered 0 "$(cookie 10.99.0.1 10.99.0.2)" 254
}

@test "the older option, kind 254: a request" {
	run -0 syn dport=8080 kind=254 cookie=request
	judged cookie_request 1
	answered 0 "$(cookie 10.99.0.1 10.99.0.2)" 254
}

@test "a cookie of a wrong length: the data are cut and a good cookie comes back" {
	run -0 syn dport=8080 data=21 cookie=0123456789ab
	judged bad_length 1
	answered 0 "$(cookie 10.99.0.1 10.99.0.2)" 34
}

@test "data without a cookie are cut" {
	record server s0 8080
	run -0 syn dport=8080 data=21
	judged data_without_cookie 1
	answered 0 null null
	[ "$(frames 1 .data)" = "" ]
}

@test "a SYN without Fast Open is none of our business" {
	run -0 syn dport=8080
	judged plain_syn 1
	answered 0 null null
}

@test "a corrupt SYN stays corrupt: the server never answers it" {
	run -0 syn dport=8080 data=21 cookie=$FORGED check=bad wait=0.5
	judged forged 1
	jq -e '.answer == null' <<<"$output"
	counted TcpInCsumErrors 1
	counted TcpExtTCPFastOpenCookieReqd 0
}

@test "a corrupt SYN over IPv6 stays corrupt, in generic mode" {
	mark s1
	run -0 syn iface=c1 mac="$(mac server s1)" from=fd00:99:1::1 to=fd00:99:1::2 \
		dport=8080 data=21 cookie=$FORGED check=bad wait=0.5
	judged forged 1 s1
	jq -e '.answer == null' <<<"$output"
	counted TcpInCsumErrors 1
}

# ---- large frames ---------------------------------------------------------

sha256() { sha256sum | cut -d' ' -f1; }

@test "large frames: ten megabytes come down intact" {
	want=$(sha256 <"$BATS_FILE_TMPDIR/nginx/www/large")
	have=$(at_client curl --tcp-fastopen --noproxy '*' -sSf --max-time 20 \
		http://10.99.2.2/large | sha256)
	[ "$want" = "$have" ]
}

@test "large frames: ten megabytes go up intact, in segments of 8 kB" {
	serve 8090 fastopen=1024 digest=1
	mark s2
	ask 10.99.2.2 8090 10000000
	large=$(stats s2 | jq '.verdicts.segment | .bytes / .packets > 2500')
	[ "$large" = true ]
}

@test "large frames: a request of 1,400 bytes is taken from the SYN" {
	ask 10.99.2.2 8080 1400
	mark s2
	[ "$(ask 10.99.2.2 8080 1400)" = 0-RTT ]
	judged valid_current 1 s2
}

@test "large frames: a request of 8 kB is taken from the SYN" {
	ask 10.99.2.2 8080 8000
	mark s2
	[ "$(ask 10.99.2.2 8080 8000)" = 0-RTT ]
	judged valid_current 1 s2
}

@test "large frames: a stale cookie with 8 kB, more than a buffer, is served" {
	grow_stale 10.99.2.2
	mark s2
	[ "$(ask 10.99.2.2 8080 8000)" = 1-RTT ]
	judged forged 1 s2
	counted TcpExtTCPFastOpenPassive 0
	counted TcpInCsumErrors 0
	[ "$(ask 10.99.2.2 8080 8000)" = 0-RTT ]
}

@test "large frames: forged cookies with any length of data are answered at once" {
	mark s2
	for data in 1 3 1400 3500 3600 4095 4096 8000; do
		run -0 syn iface=c2 mac="$(mac server s2)" from=10.99.2.1 to=10.99.2.2 \
			dport=8080 cookie=$FORGED data=$data
		answered 0 "$(cookie 10.99.2.1 10.99.2.2)" 34
	done
	judged forged 8 s2
	judged act_failed 0 s2
	counted TcpInCsumErrors 0
}

# ---- observing ------------------------------------------------------------

@test "observing: a forged SYN arrives as it was sent, and is counted" {
	guarded s0 --observe
	mark
	record server s0 8080
	run -0 syn dport=8080 data=21 cookie=$FORGED
	judged forged 1
	[ "$(frames 1 .frame)" = "$(jq -r .sent.frame <<<"$output")" ]
	counted TcpExtTCPFastOpenPassiveFail 1
	stats | jq -e .observe
}

@test "observing: what would be dropped arrives" {
	guarded s0 --observe --port 8080,mode=drop
	mark
	record server s0 8080
	run -0 syn dport=8080 data=21 cookie="$(cookie 10.99.0.1 10.99.0.2)"
	judged port_drop 1
	answered 21 null null
	[ "$(frames 1 .frame)" = "$(jq -r .sent.frame <<<"$output")" ]
}

# ---- ports ----------------------------------------------------------------

PORTS="--port 8080 --port 8081,mode=off --port 8082,mode=drop --port 8083,mode=pass
	--port 8084,forged=drop"

some_ports() { # PORT TO SERVE
	# shellcheck disable=SC2086 # several options
	guarded s0 $PORTS
	serve "$1" fastopen=1024
	mark
}

@test "ports: one that is not named is not guarded" {
	some_ports 8085
	record server s0 8085
	run -0 syn dport=8085 data=21 cookie=$FORGED
	judged unguarded 1
	[ "$(frames 1 .frame)" = "$(jq -r .sent.frame <<<"$output")" ]
}

@test "ports: one that is named is guarded" {
	some_ports 8085
	run -0 syn dport=8080 data=21 cookie=$FORGED
	judged forged 1
	answered 0 "$(cookie 10.99.0.1 10.99.0.2)" 34
}

@test "ports: off cuts data and option of a good cookie, and the client is served" {
	some_ports 8081
	ask 10.99.0.2 8080
	record server s0 8081
	[ "$(ask 10.99.0.2 8081)" = 1-RTT ]
	judged port_off 1
	[ "$(frames 1 '[.cookie, .data] | @csv')" = ',""' ]
	counted TcpExtTCPFastOpenPassive 0
}

@test "ports: off gives no cookies" {
	some_ports 8081
	run -0 syn dport=8081 cookie=request
	judged port_off 1
	answered 0 null null
}

@test "ports: drop drops a SYN with data, whatever its cookie" {
	some_ports 8082
	record server s0 8082
	run -0 syn dport=8082 data=21 cookie="$(cookie 10.99.0.1 10.99.0.2)" wait=0.3
	jq -e '.answer == null' <<<"$output"
	run -0 syn dport=8082 data=21 wait=0.3
	jq -e '.answer == null' <<<"$output"
	judged port_drop 2
	# One without data gets there, and nothing got there before.
	run -0 syn dport=8082 seq=7
	judged plain_syn 1
	[ "$(frames 1 .seq | head -1)" = 7 ]
}

@test "ports: drop serves who sends no data, and who gives up sending them" {
	some_ports 8082
	[ "$(ask 10.99.0.2 8082)" = 1-RTT ] # asked for a cookie, without data
	judged port_drop 0
	[ "$(ask 10.99.0.2 8082)" = 1-RTT ] # showed it, with data; then without
	judged port_drop 1
}

@test "ports: pass touches nothing" {
	some_ports 8083
	record server s0 8083
	run -0 syn dport=8083 data=21 cookie=$FORGED
	judged port_pass 1
	[ "$(frames 1 .frame)" = "$(jq -r .sent.frame <<<"$output")" ]
}

@test "ports: forged=drop drops what is forged" {
	some_ports 8084
	run -0 syn dport=8084 data=21 cookie=$FORGED wait=0.3
	jq -e '.answer == null' <<<"$output"
	judged forged_drop 1
	counted TcpExtTCPFastOpenPassiveFail 0
}

@test "ports: forged=drop takes what is good" {
	some_ports 8084
	run -0 syn dport=8084 data=21 cookie="$(cookie 10.99.0.1 10.99.0.2)"
	judged valid_current 1
	answered 21 null null
}

# ---- counting -------------------------------------------------------------

@test "every packet is counted once, and all its bytes" {
	sent() { ip -n client -s -j link show c0 | jq "[.[0].stats64.tx.$1] | add"; }
	bytes() { jq '[.verdicts[].bytes] | add'; }
	packets=$(sent packets) octets=$(sent bytes)
	before=$(stats | total) before_octets=$(stats | bytes)
	at_client ping -c 3 -i 0.01 -q 10.99.0.2
	at_client ping -c 3 -i 0.01 -q fd00:99::2
	get 10.99.0.2
	get "[fd00:99::2]"
	resolve 10.99.0.2
	for data in 1 20 1000; do
		syn dport=8080 data=$data cookie=$FORGED >/dev/null
	done
	all_counted() {
		[ $(($(stats | total) - before)) = $(($(sent packets) - packets)) ]
	}
	wait_for all_counted
	# veth counts bytes without the Ethernet header, 14 of them.
	[ $(($(stats | bytes) - before_octets)) = \
		$(($(sent bytes) - octets + 14 * ($(sent packets) - packets))) ]
}

# A SYN in fragments that leave its flags to the second, or have headers before
# or behind the one that says so.
@test "no SYN in fragments gets by under pressure" {
	fragments() {
		at_client "$HERE/fragments.py" c0 "$(mac server s0)" 8080
	}
	[ "$(fragments | sort -u)" = answered ]
	press 8080
	run -0 fragments
	echo "$output"
	judged fragment_pressure "${#lines[@]}"
	[ "$(sort -u <<<"$output")" = silence ]
	[ "$(ask 10.99.0.2 8080 3000)" = 1-RTT ]
	at_client ping -c 1 -s 4000 -q 10.99.0.2
	at_client ping -c 1 -s 4000 -q fd00:99::2
}

# Beyond its share of the Fast Open queue a valid cookie is answered, and the
# client's ACK brings the data that its SYN had.
@test "data of a SYN that was answered is no replay" {
	cat >"$BATS_TEST_TMPDIR/config.yaml" <<-END
		ports: [{port: 8090, replay: 1m}]
		tfo_budget: {mark: 0 %, share: 1 %}
	END
	hear_answers c0
	guarded s0 -c "$BATS_TEST_TMPDIR/config.yaml"
	serve 8090 fastopen=16
	for to in 10.99.0.2 fd00:99::2; do
		forget_cookies
		[ "$(ask $to 8090)" = 1-RTT ]
		own=10.99.0.1
		[ $to = 10.99.0.2 ] || own=fd00:99::1
		syn from=$own to=$to dport=8090 cookie="$(cookie $own $to)" data=9
		mark
		[ "$(ask $to 8090)" = 1-RTT ]
		judged answer_downgraded 1
		stats | jq -e '.acks | .ack_accepted.packets > 0 and
			.ack_refused_pass.packets == 0'
	done
	ip -n client link set c0 xdp off
}
