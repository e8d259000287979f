#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# What "tfoguard metrics" tells, against what the guard and the kernel counted.
#
#   tests/isolate bats tests/net/metrics.bats

load lib

setup_file() {
	make_world
	hear_answers c0
}

setup() {
	find_tfoguard
	guarded s0
	forget_cookies
}

teardown_file() {
	find_tfoguard
	end_world
}

metrics() { at_server tfoguard metrics; }

value() { metrics | awk -v s="$1" '$1 == s { print $2; found = 1 } END { exit !found }'; } # SERIES

@test "promtool finds nothing wrong with the metrics" {
	metrics >"$BATS_TEST_TMPDIR/metrics"
	[ "$(promtool check metrics <"$BATS_TEST_TMPDIR/metrics" 2>&1)" = "" ]
}

@test "every verdict of the program is a series, by family" {
	verdicts=$("$HERE/../../tools/verdict-table" | grep -c '^| `')
	[ "$verdicts" -gt 20 ]
	for metric in packets bytes; do
		[ "$(metrics | grep -c "^tfoguard_${metric}_total{interface=\"s0\"")" = $((3 * verdicts)) ]
	done
}

@test "every result of an ACK is a series, by family" {
	results=$(grep -cE '^	X\(ack_' "$HERE/../../include/verdict.h")
	[ "$results" -gt 4 ]
	[ "$(metrics | grep -c '^tfoguard_acks_total{family=')" = $((3 * results)) ]
}

@test "packets and bytes are those of stats" {
	serve 8080 fastopen=16
	series='interface="s0",family="ipv4",verdict="forged"'
	packets=$(value "tfoguard_packets_total{$series}")
	bytes=$(value "tfoguard_bytes_total{$series}")
	syn dport=8080 data=20 cookie=$FORGED >/dev/null
	[ "$(value "tfoguard_packets_total{$series}")" = $((packets + 1)) ]
	[ "$(value "tfoguard_bytes_total{$series}")" -gt "$bytes" ]
	[ "$(value "tfoguard_bytes_total{$series}")" = \
		"$(stats | jq .verdicts.forged.families.ipv4.bytes)" ]
}

@test "data that were cut are counted, and outlive an exchange" {
	serve 8080 fastopen=16
	series='tfoguard_data_cut_bytes_total{interface="s0",family="ipv4"}'
	before=$(value "$series")
	syn dport=8080 data=20 cookie=$FORGED >/dev/null
	syn dport=8080 data=100 sport=4001 >/dev/null
	[ "$(value "$series")" = $((before + 120)) ]
	guard s0
	[ "$(value "$series")" = $((before + 120)) ]
	[ "$(stats | jq .data_cut_bytes)" = $((before + 120)) ]
	# A guard of a version that counted none is gone on with.
	rm "$PINS"/*/*/cuts
	guard s0
	[ "$(value "$series")" = 0 ]
	[ "$(value 'tfoguard_packets_total{interface="s0",family="ipv4",verdict="forged"}')" -gt 0 ]
}

@test "the fill of the proven sources is near the truth, whatever it is" {
	map=$(echo $PINS/*/proven)
	size=$(bpftool -j map show pinned "$map" | jq .bytes_value)
	none=$(printf '00 %.0s' $(seq "$size"))
	fill() { value 'tfoguard_map_fill_ratio{map="proven"}'; }
	grow() { # TO: entries; sources 0 to that
		python3 -c "
for i in range($1):
	n = i * 2654435761 % 2**64
	key = ' '.join('%02x' % b for b in n.to_bytes(8, 'little'))
	print('map update pinned $map key hex', key, '01 00 00 00 00 00 00 00 value hex $none')
" >"$BATS_TEST_TMPDIR/batch"
		bpftool batch file "$BATS_TEST_TMPDIR/batch" >/dev/null
	}
	[ "$(fill)" = 0 ]
	grow 1000
	awk -v f="$(fill)" 'BEGIN { exit !(f > 0.008 && f < 0.025) }'
	grow 20000
	awk -v f="$(fill)" 'BEGIN { exit !(f > 0.27 && f < 0.34) }'
	# Until the guard is attached afresh they stay.
	at_server tfoguard detach s0
	rm "$BATS_FILE_TMPDIR/guarded-s0"
}

@test "the kernel's counters are told beside ours" {
	serve 8080 fastopen=16
	series='tfoguard_kernel_tcpext_total{counter="TCPFastOpenCookieReqd"}'
	before=$(value "$series")
	ask 10.99.0.2 8080
	[ "$(value "$series")" = $((before + 1)) ]
	[ "$(value "$series")" = "$(kernel_counters | awk '$1 == "TcpExtTCPFastOpenCookieReqd" { print $2 }')" ]
}

@test "pressure and queues of guarded ports are those of stats" {
	serve 8081 fastopen=4 backlog=16
	guarded s0 --port 8081,answer=never
	half_open() { at_client "$HERE/doctor-syn.py" 10.99.0.77 10.99.0.2 "$@"; }
	[ "$(value 'tfoguard_pressure{port="8081"}')" = 0 ]
	half_open 8081 1 "$(cookie 10.99.0.77 10.99.0.2)"
	[ "$(value 'tfoguard_tfo_queue_ratio{port="8081"}')" = 0.25 ]
	half_open 8081 4
	[ "$(value 'tfoguard_syn_queue_ratio{port="8081"}')" = "$(stats |
		jq '.ports[] | select(.port == 8081) | .syn_queue / .syn_limit')" ]
	pressure=$(value 'tfoguard_pressure{port="8081"}')
	[ "$pressure" = "$(stats | jq '.ports[] | select(.port == 8081) | .pressure')" ]
	awk -v p="$pressure" 'BEGIN { exit !(p > 0 && p < 1) }'
	serve 8082 fastopen=4
	no value 'tfoguard_pressure{port="8082"}'
}

@test "every listener is told, however many there are" {
	guarded s0
	start "$BATS_TEST_TMPDIR/many" server python3 -c "
import socket, time
held = []
for port in range(20000, 20300):
	s = socket.socket(socket.AF_INET6 if port % 3 else socket.AF_INET)
	if port % 7 == 0: s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
	s.bind(('', port))
	s.listen()
	held.append(s)
print('ready', flush=True)
time.sleep(60)"
	wait_for grep -q ready "$BATS_TEST_TMPDIR/many"
	[ "$(metrics | grep -c '^tfoguard_pressure{port="20[012]')" = 300 ]
}

@test "answers that are stopped are told" {
	guarded s0
	serve 8083 fastopen=4
	[ "$(value 'tfoguard_answers_stopped{port="8083"}')" = 0 ]
	# stopped_until, far ahead; 8083 is 0x1f93
	bpftool map update pinned "$(echo $PINS/*/port_states)" \
		key hex 93 1f 00 00 value hex 00 00 00 00 00 00 00 00 ff ff ff 7f 00 00 00 00
	[ "$(value 'tfoguard_answers_stopped{port="8083"}')" = 1 ]
}

@test "a key of the kernel's that the ring lacks is drift" {
	[ "$(value tfoguard_key_drift)" = 0 ]
	[ "$(value 'tfoguard_key_age_seconds{slot="current"}')" -lt 100 ]
	set_key $OTHER_KEY
	[ "$(value tfoguard_key_drift)" = 1 ]
	set_key $KEY
	[ "$(value tfoguard_key_drift)" = 0 ]
}

@test "no key and no part of one is told" {
	no grep -iE '00112233|44556677|8899aabb|ccddeeff' <(metrics)
	no grep -F "$(at_server tfoguard key show -j | jq -r .guard.current)" <(metrics)
}

@test "with nothing attached the kernel's counters are told" {
	in_netns client tfoguard metrics >"$BATS_TEST_TMPDIR/metrics"
	promtool check metrics <"$BATS_TEST_TMPDIR/metrics"
	grep -q '^tfoguard_build_info{' "$BATS_TEST_TMPDIR/metrics"
	no grep -q '^tfoguard_attached' "$BATS_TEST_TMPDIR/metrics"
}

@test "an interface that has gone is not told, the next one of its name once" {
	join server s1 client c1
	guard s1
	ip -n server link del s1
	[ "$(metrics | grep -c '^tfoguard_attached{')" = 1 ]
	join server s1 client c1
	guard s1
	metrics >"$BATS_TEST_TMPDIR/metrics"
	[ "$(grep -c '^tfoguard_attached{interface="s1"}' "$BATS_TEST_TMPDIR/metrics")" = 1 ]
	promtool check metrics <"$BATS_TEST_TMPDIR/metrics"
	at_server tfoguard detach s1
	ip -n server link del s1
}

@test "a name with quotes is escaped" {
	ip -n server link add 'a"b\c' type veth peer name d1
	ip -n server link set 'a"b\c' up
	ip -n server link set d1 up
	guard 'a"b\c'
	metrics | promtool check metrics
	metrics | grep -qF 'tfoguard_attached{interface="a\"b\\c"} 1'
	at_server tfoguard detach 'a"b\c'
	ip -n server link del d1
}

@test "--textfile writes the whole file in one step, for all to read" {
	file=$BATS_TEST_TMPDIR/tfoguard.prom
	at_server tfoguard metrics --textfile "$file"
	[ "$(stat -c %a "$file")" = 644 ]
	promtool check metrics <"$file"
	inode=$(stat -c %i "$file")
	at_server tfoguard metrics --textfile "$file"
	[ "$(stat -c %i "$file")" != "$inode" ]
	[ "$(ls "$BATS_TEST_TMPDIR"/tfoguard.prom*)" = "$file" ]
}

@test "a textfile that can't be written is an error, and the old one stays" {
	refuses 1 "cannot write the metrics to /nowhere/f.prom" \
		at_server tfoguard metrics --textfile /nowhere/f.prom
	mkdir "$BATS_TEST_TMPDIR/full"
	mount -t tmpfs -o size=4k tmpfs "$BATS_TEST_TMPDIR/full"
	echo old >"$BATS_TEST_TMPDIR/full/f.prom"
	refuses 1 "No space left" \
		at_server tfoguard metrics --textfile "$BATS_TEST_TMPDIR/full/f.prom"
	[ "$(cat "$BATS_TEST_TMPDIR"/full/*)" = old ]
	umount "$BATS_TEST_TMPDIR/full"
}

@test "usage errors" {
	refuses 2 "not for JSON" tfoguard metrics -j --textfile x
	refuses 2 "Too many arguments" tfoguard metrics s0
}

@test "JSON names every metric of the table" {
	[ "$(at_server tfoguard metrics -j | jq -r '.tfoguard_attached.samples[0] | [.labels.interface, .value] | @csv')" = '"s0",1' ]
	[ "$(at_server tfoguard metrics -j | jq 'keys | length')" = \
		"$(grep -cE '^	X\((tfoguard|process)_' "$HERE/../../user/metrics.h")" ]
}

# ---- what is made of them -------------------------------------------------

PROMETHEUS=$BATS_TEST_DIRNAME/../../tools/prometheus

metrics_of() { at_server tfoguard metrics -j | jq -r keys[] | sort; }

# Names of metrics in a file, however they are used there.
named_in() { grep -oE '\b(tfoguard|process)_[a-z_]+' "$1" | sort -u; }

@test "the alerts are sound, and each fires when it should, not before" {
	promtool check rules "$PROMETHEUS/alerts.yml"
	promtool test rules "$HERE/alerts_test.yml"
	diff <(sed -n 's/.*- alert: //p' "$PROMETHEUS/alerts.yml" | sort) \
		<(sed -n 's/.*{alertname="\(.*\)"}.*/\1/p' "$HERE/alerts_test.yml" | sort)
}

@test "alerts and dashboard name only metrics that there are" {
	for file in alerts.yml dashboard.json; do
		[ "$(named_in "$PROMETHEUS/$file" | wc -l)" -gt 8 ]
		unknown=$(named_in "$PROMETHEUS/$file" | comm -23 - <(metrics_of))
		echo "# $file: $unknown"
		[ -z "$unknown" ]
	done
	jq -e '.panels | length > 10' "$PROMETHEUS/dashboard.json"
}

@test "the dashboard shows every metric that there is" {
	missing=$(named_in "$PROMETHEUS/dashboard.json" | comm -13 - <(metrics_of))
	echo "# $missing"
	[ -z "$missing" ]
}

@test "the dashboard's queries are PromQL, and name only verdicts that there are" {
	jq -r '.panels[] | .targets[] | .expr' "$PROMETHEUS/dashboard.json" |
		sed 's/\$__rate_interval/5m/g; s/\$[a-z]*/x/g' |
		jq -R '{alert: "a", expr: .}' |
		jq -s '{groups: [{name: "g", rules: [to_entries[] | .value + {alert: "a\(.key)"}]}]}' \
			>"$BATS_TEST_TMPDIR/rules.yml"
	promtool check rules "$BATS_TEST_TMPDIR/rules.yml"
	verdicts=$("$HERE/../../tools/verdict-table" | sed -n 's/^| `\([a-z_]*\)`.*/\1/p')
	cat "$PROMETHEUS"/* | grep -oE 'verdict(=~|!~|=|!=)\\?"[a-z_|.*]*' |
		sed 's/.*"//' | tr '|' '\n' | grep . | sort -u | while read -r verdict; do
			grep -qxE "$verdict" <<<"$verdicts" || { echo "# $verdict"; exit 1; }
		done
}
