#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Listens and never accepts: doctor-listen.py PORT [fastopen=N] [backlog=N]
[key=HEX] [no_cookie=1] [device=NAME] [mptcp=1]. Says "ready", then waits to be killed."""
import signal
import socket
import sys

IPPROTO_MPTCP = 262
TCP_FASTOPEN, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE = 23, 33, 34

option = dict(word.split("=") for word in sys.argv[2:])
s = socket.socket(proto=IPPROTO_MPTCP if "mptcp" in option else 0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1])))
if "fastopen" in option:
    s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, int(option["fastopen"]))
if "key" in option:
    key = bytes.fromhex(option["key"])
    s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, key)
if "device" in option:
    name = option["device"].encode()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
if "no_cookie" in option:
    s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
s.listen(int(option.get("backlog", 128)))
print("ready", flush=True)
signal.pause()
