#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# Keys, from the command line to the kernel and to clients.
#
#   tests/isolate bats tests/net/keys.bats

load lib

RING=/run/test/ring/keyring.json

setup_file() {
	find_tfoguard
	make_world
	serve 8080 fastopen=1024
	guard s0
}

teardown_file() { end_world; }

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	rm -rf "${RING%/*}"
	set_key $KEY
	guard s0
	forget_cookies
	umask 077
	echo $OTHER_KEY >other
}

teardown() {
	stop_all
	umount -q "${RING%/*}" 2>/dev/null || :
}

key() { at_server tfoguard key "$@"; } # ACTION [OPTION]...
ring() { key "$@" --ring $RING; }

# A rotation that waits, until it is killed or stop_all.
start_rotation() { # OVERLAP
	start log server tfoguard key rotate --overlap "$1"
	rotation=$(tail -1 "$(pids)")
	wait_for eval '[[ $(kernel) == *,$KEY ]]'
}
kernel() { at_server sysctl -n net.ipv4.tcp_fastopen_key; }
id_of() { key show -j | jq -r ".ring.$1.id"; } # SLOT

# The client has a cookie of the current key.
become_known() {
	ask 10.99.0.2 8080 >/dev/null
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
}

in_step() { [ "$(key show -j "$@" | jq .in_step)" = true ]; }

# ---- the life of a key ----------------------------------------------------

@test "stage, promote, retire: no cookie is lost" {
	become_known
	key stage other
	[ "$(kernel)" = $KEY,$OTHER_KEY ]
	[ "$(key show -j | jq -r .guard.staged)" = "$(id_of staged)" ]
	mark
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	judged valid_current 1
	key promote
	[ "$(kernel)" = $OTHER_KEY,$KEY ]
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	judged valid_previous 1
	counted TcpExtTCPFastOpenPassiveAltKey 1
	key retire
	[ "$(kernel)" = $OTHER_KEY ]
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	judged valid_current 2
	judged forged 0
	in_step
}

@test "a staged key is accepted before it is issued" {
	key stage other
	mark
	syn dport=8080 data=20 cookie="$(cookie 10.99.0.1 10.99.0.2 $OTHER_KEY)" >/dev/null
	judged valid_staged 1
	counted TcpExtTCPFastOpenPassiveAltKey 1
}

@test "a staged key outlives an attach" {
	key stage other
	guard s0
	[ "$(key show -j | jq -r .guard.staged)" = "$(id_of staged)" ]
	key promote
	[ "$(kernel)" = $OTHER_KEY,$KEY ]
}

@test "rotate: the old key is accepted as long as told, and then no more" {
	become_known
	start_rotation 1s
	[ "$(key show -j | jq .ring.previous.overlap)" = 1 ]
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	wait "$rotation"
	[[ $(kernel) != *$KEY* ]]
	in_step
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
}

@test "rotate that was interrupted is ended by the next step" {
	start_rotation 1h
	stop_all
	refuses 1 "previous key is still accepted" key rotate
	key retire
	[[ $(kernel) != *$KEY* ]]
	in_step
}

@test "rotate --emergency: the old key is refused at once" {
	become_known
	key rotate --emergency
	[[ $(kernel) != *$KEY* && $(kernel) != *,* ]]
	mark
	[ "$(ask 10.99.0.2 8080)" = 1-RTT ]
	judged forged 1
	[ "$(ask 10.99.0.2 8080)" = 0-RTT ]
	judged valid_current 1
}

@test "steps out of order are refused, and change nothing" {
	before=$(key show -j)
	refuses 1 "no key is staged" key promote
	refuses 1 "none beside the current key" key retire
	[ "$(kernel)" = $KEY ]
	[ "$(key show -j)" = "$before" ]
	key stage
	staged=$(kernel)
	refuses 1 "another key is staged" key stage other
	[ "$(kernel)" = "$staged" ]
}

@test "without a guard and without a ring there is nothing to work on" {
	at_server tfoguard detach s0
	refuses 3 "tfoguard attach" key rotate --emergency
	refuses 3 "tfoguard attach" key show
	[ "$(kernel)" = $KEY ]
}

# ---- a ring on disk -------------------------------------------------------

@test "a ring on disk: the kernel's key becomes the previous one" {
	umask 0
	key rotate --ring $RING --overlap 1s
	[ "$(stat -c %a $RING)" = 600 ]
	[ "$(stat -c %a "${RING%/*}")" = 700 ]
	[[ $(kernel) != *$KEY* ]]
	in_step --ring $RING
	ring history -j | jq -e '[.history[].what] == ["staged", "promoted", "retired"]'
	run -0 ring history
	[[ ${lines[1]} == *" promoted" ]]
}

@test "a ring on disk outlives what the kernel forgets" {
	ring stage other
	ring promote
	at_server tfoguard detach s0
	set_key 1-2-3-4
	guard s0
	[ "$(ring show -j | jq .in_step)" = false ]
	# Any step puts the ring in force first.
	ring retire
	[ "$(kernel)" = $OTHER_KEY ]
	in_step --ring $RING
	ring history -j | jq -e '[.history[].what] | contains(["repaired", "retired"])'
}

@test "a ring can be kept with no guard attached" {
	at_server tfoguard detach s0
	ring stage other
	ring promote
	[ "$(kernel)" = $OTHER_KEY,$KEY ]
	[ "$(ring show -j | jq .guard)" = null ]
	guard s0
	in_step --ring $RING
}

@test "killed at any system call that changes something: mended, no cookie lost" {
	deaths=0
	for call in write fsync renameat bpf; do
		for ((n = 1; ; n++)); do
			rm -f $RING
			set_key $KEY
			ring stage other
			if at_server strace -qqq -o /dev/null -e trace=$call \
				-e inject=$call:signal=SIGKILL:when=$n \
				tfoguard key promote --ring $RING; then
				break
			fi
			deaths=$((deaths + 1))
			# Either way both keys are accepted.
			[[ $(kernel) == *$KEY* && $(kernel) == *$OTHER_KEY* ]]
			in_step
			# Done already, or done now.
			ring promote || refuses 1 "no key is staged" ring promote
			[ "$(kernel)" = $OTHER_KEY,$KEY ]
			in_step --ring $RING
		done
	done
	[ $deaths -gt 8 ]
}

@test "keys are not shown unless asked for" {
	ring stage other
	for command in show "show -j" history "history -j" "stage -j"; do
		# shellcheck disable=SC2086 # command and option
		run ring $command
		for word in ${KEY//-/ } ${OTHER_KEY//-/ }; do
			[[ $output != *$word* ]]
		done
	done
	ring show --reveal | grep -q $OTHER_KEY
	[ "$(ring show --reveal -j | jq -r .ring.staged.key)" = $OTHER_KEY ]
}

@test "no key gets into the arguments, the environment or a core dump" {
	start_rotation 1h
	fresh=$(kernel)
	fresh=${fresh%%,*}
	! tr '\0' ' ' <"/proc/$rotation/cmdline" | grep -F "$fresh"
	! grep -aF "$fresh" "/proc/$rotation/environ"
	[ "$(awk '/Max core file size/ { print $5 }' "/proc/$rotation/limits")" = 0 ]
	# What nobody may dump or trace belongs to root, and its memory is locked.
	[ "$(awk '/VmLck/ { print $2 }' "/proc/$rotation/status")" -gt 0 ]
}

@test "export and import" {
	ring stage other
	ring promote
	key export ring --ring $RING
	[ "$(stat -c %a ring)" = 600 ]
	diff ring <(ring export)
	key rotate --emergency
	key import ring
	[ "$(kernel)" = $OTHER_KEY,$KEY ]
	# One key alone: the present one becomes its previous.
	key retire
	echo 1-2-3-4 | key import -
	[ "$(kernel)" = 00000001-00000002-00000003-00000004,$OTHER_KEY ]
}

@test "files of keys that can't be trusted are refused" {
	before=$(kernel)
	refuses 1 "No such file" key stage nothing
	chmod 644 other
	refuses 1 "others than its owner" key stage other
	chmod 600 other
	chown 1234 other
	refuses 1 "belongs to user 1234" key stage other
	chown 0 other
	ln -s other link
	refuses 1 "symbolic link" key stage link
	for text in "" x $KEY, "$KEY $OTHER_KEY" $KEY,$OTHER_KEY "{}"; do
		echo "$text" >bad
		refuses 1 "not one key in it" key stage bad
		! grep -q 00112233 "$BATS_TEST_TMPDIR/err"
	done
	echo 0-0-0-0 >bad
	refuses 1 "all zeros" key stage bad
	refuses 1 "all zeros" key import bad
	echo '{"format": "tfoguard-keyring"' >bad
	refuses 1 "no key ring" key import bad
	[ "$(kernel)" = "$before" ]
}

@test "a ring on disk that is damaged stays as it is, and so does what is in force" {
	ring stage other
	before=$(kernel) guard=$(key show -j | jq .guard)
	cp $RING good
	spoilt() { # TEXT
		cp $RING bad
		for step in promote retire "rotate --emergency" show history export; do
			# shellcheck disable=SC2086 # step and option
			refuses 1 "$1" ring $step
		done
		cmp $RING bad
		[ "$(kernel)" = "$before" ]
		[ "$(key show -j | jq .guard)" = "$guard" ]
	}
	for bytes in 0 1 100 300 $(($(stat -c %s good) - 2)); do
		head -c "$bytes" good >$RING
		spoilt "no key ring"
	done
	sed 's/"version": 1/"version": 2/' good >$RING
	spoilt "a newer tfoguard wrote it"
	sed "s/$OTHER_KEY/a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d5/" good >$RING
	spoilt "id does not fit it"
	cp good $RING
	chmod 640 $RING
	spoilt "others than its owner"
	chmod 600 $RING
	chown 1234 $RING
	spoilt "belongs to user 1234"
	chown 0 $RING
	ring promote
}

@test "a step that can't be written down isn't done" {
	mkdir -m 700 "${RING%/*}"
	mount -t tmpfs -o size=8k tmpfs "${RING%/*}"
	ring stage other
	before=$(kernel) guard=$(key show -j | jq .guard)
	sum=$(md5sum $RING)
	undone() { # TEXT
		for step in promote retire "rotate --emergency"; do
			# shellcheck disable=SC2086 # step and option
			refuses 1 "$1" ring $step
		done
		[ "$(md5sum $RING)" = "$sum" ]
		[ "$(kernel)" = "$before" ]
		[ "$(key show -j | jq .guard)" = "$guard" ]
	}
	dd if=/dev/zero of="${RING%/*}/fill" bs=4k 2>/dev/null || :
	undone "No space left"
	[ ! -e $RING.new ]
	rm "${RING%/*}/fill"
	mount -o remount,ro "${RING%/*}"
	undone "Read-only file system"
	mount -o remount,rw "${RING%/*}"
	ring promote
	[ "$(kernel)" = $OTHER_KEY,$KEY ]
}

@test "two at a time: one after the other" {
	ring rotate --overlap 1s
	for _ in 1 2 3 4 5 6; do
		ring rotate --emergency 3>&- &
	done
	wait
	in_step --ring $RING
	[ "$(ring history -j | jq '[.history[] | select(.what == "replaced")] | length')" = 6 ]
}

@test "a faulty step as JSON" {
	code=0
	ring promote -j 2>err >out || code=$?
	[ $code = 1 ]
	jq -e '.error.tried == "promote the staged key" and .exit == 1' err
	[ ! -s out ]
	refuses 1 "there is no ring yet in $RING" ring history
	refuses 1 "no history" key history
}
