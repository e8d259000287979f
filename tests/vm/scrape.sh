#!/bin/bash
# In a guest with 64 possible CPUs, whose every instruction takes a nanosecond:
# what a scrape costs the daemon. Prints TAP. Called by tests/vm/run.
SCRAPES=50
# Two milliseconds of CPU time, were a CPU to take a nanosecond for each.
ALLOWED=2000000

log=/run/log
get() { wget -q -O - "http://127.0.0.1:9435$1"; }
spent() { cut -d ' ' -f 1 "/proc/$daemon/schedstat"; }
now() { cut -d ' ' -f 1 /proc/uptime | tr -d .; } # hundredths of a second

# What the daemon spends in ten seconds, with so many scrapes in them.
spends() { # SCRAPES
	local end=$(($(now) + 1000)) before i
	before=$(spent)
	for ((i = 0; i < $1; i++)); do get /metrics >/dev/null; done
	while [ "$(now)" -lt $end ]; do sleep 0.01; done
	echo $(($(spent) - before))
}

uname -r | sed 's/^/# Linux /'
ip link add s0 type veth peer name c0
ip link set s0 up
ip link set c0 up
tfoguard attach s0
tfoguard run -i s0 2>$log &
daemon=$!
until get /readyz >/dev/null 2>&1; do sleep 0.1; done
get /metrics >/dev/null # which loads what stays loaded
once=$(spends $SCRAPES)
twice=$(spends $((2 * SCRAPES)))
cost=$(((twice - once) / SCRAPES))
cpus=$(cat /sys/devices/system/cpu/possible)
series=$(get /metrics | grep -c '^tfoguard_packets_total{interface="s0"')
echo "# possible CPUs $cpus, instructions of a scrape: $cost, of each second beside: $(((2 * once - twice) / 10))"
name="a scrape of 64 CPUs' counters costs less than $ALLOWED instructions"
if [ "$cpus" = 0-63 ] && [ "$series" -gt 100 ] && [ "$cost" -gt 100000 ] &&
	[ "$cost" -lt $ALLOWED ]; then
	echo "ok 1 - scrape: $name"
else
	echo "not ok 1 - scrape: $name"
	sed 's/^/# /' $log
fi
echo "1..1"
