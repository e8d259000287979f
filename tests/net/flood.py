#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""flood.py iface=I mac=M from=A to=A rate=N: sends packets of several kinds,
so many in a second, until it is told to end; then prints how many of each kind.

Ports tell the kinds: 9001 forged cookies with data, 9002 good ones (cookie=HEX)
with data, 9003 requests, 9004 SYNs without Fast Open.
"""
import collections
import json
import random
import signal
import socket
import sys
import time

import syn

EACH = 200  # packets of a kind, each from a port of its own
BURST_S = 0.005


def make(option):
    kinds = {
        "forged": dict(dport="9001", data="20", cookie="0123456789abcdef"),
        "valid": dict(dport="9002", data="20", cookie=option["cookie"]),
        "request": dict(dport="9003", cookie="request"),
        "plain": dict(dport="9004"),
    }
    path = {key: option[key] for key in ("mac", "from", "to")}
    frames = [(kind, syn.craft({**path, **kinds[kind], "sport": str(port)}))
              for kind in kinds for port in range(10000, 10000 + EACH)]
    random.shuffle(frames)
    return frames


def stop(*_):
    raise KeyboardInterrupt


def main():
    option = dict(word.split("=", 1) for word in sys.argv[1:])
    sent = collections.Counter()
    frames = make(option)
    burst = int(int(option["rate"]) * BURST_S)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((option["iface"], 0))
    at = 0
    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    try:
        then = time.monotonic()
        while True:
            for _ in range(burst):
                kind, frame = frames[at % len(frames)]
                at += 1
                sent[kind] += 1  # first: the signal may come between
                s.send(frame)
            then += BURST_S
            time.sleep(max(0, then - time.monotonic()))
    except KeyboardInterrupt:
        print(json.dumps(sent), flush=True)


main()
