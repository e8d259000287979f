#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A server and a client that use TCP Fast Open.

tfo.py serve PORT [fastopen=N] [key=HEX] [digest=1] [info=1] [backlog=N]
             [group=N] [rcvbuf=N] [mptcp=1] [ipv4=1]
    Sends back what each connection brings, or its SHA-256; first, with info=1,
    a line that says what its end knows of the connection. IPv4 and IPv6, or IPv4
    alone; a group of so many listeners shares the port.
tfo.py ask ADDRESS PORT [BYTES] [info=1] [WAY]...
    Sends that many bytes (64) with MSG_FASTOPEN and wants them back. Prints
    "0-RTT" where the server took data from the SYN, else "1-RTT"; with info=1
    a JSON object with what both ends know of the connection.
tfo.py watch ADDRESS PORT SECONDS [WAY]...
    Asks fifty times in a second for so many seconds; sums up in JSON.

WAY: plain=1 connects without Fast Open, defer=1 so that data come with the ACK;
from=ADDRESS.
"""
import hashlib
import json
import os
import socket
import statistics
import struct
import sys
import threading
import time

TCP_FASTOPEN_KEY = 33
TCPI_OPTIONS = {"timestamps": 1, "sack": 2, "wscale": 4, "ecn": 8, "syn_data": 32}
TEN_SECONDS = struct.pack("ll", 10, 0)


def receive_all(connection):
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def tcp_info(s):
    """Of struct tcp_info."""
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    known = {name: bool(info[5] & bit) for name, bit in TCPI_OPTIONS.items()}
    known["sends_wscale"], known["takes_wscale"] = info[6] & 15, info[6] >> 4
    known["mss"] = struct.unpack_from("I", info, 16)[0]
    known["resent"] = struct.unpack_from("I", info, 100)[0]
    return known


def answer(connection, option):
    with connection:
        connection.settimeout(20)
        try:
            data = receive_all(connection)
            if "digest" in option:
                data = hashlib.sha256(data).hexdigest().encode()
            if "info" in option:
                data = json.dumps(tcp_info(connection)).encode() + b"\n" + data
            connection.sendall(data)
        except OSError:
            pass  # the SYNs made by hand end in resets


def listen(port, option):
    ipv4 = "ipv4" in option
    s = socket.socket(socket.AF_INET if ipv4 else socket.AF_INET6,
                      socket.SOCK_STREAM,
                      socket.IPPROTO_MPTCP if "mptcp" in option else 0)
    if not ipv4:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if "group" in option:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if "rcvbuf" in option:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(option["rcvbuf"]))
    s.bind(("" if ipv4 else "::", int(port)))
    if "fastopen" in option:
        queue = int(option["fastopen"])
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, queue)
    if "key" in option:
        key = bytes.fromhex(option["key"])
        s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, key)
    s.listen(int(option.get("backlog", 1024)))
    return s


def accept_all(listener, option):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, daemon=True,
                         args=(connection, option)).start()


def serve(port, option):
    group = [listen(port, option) for _ in range(int(option.get("group", 1)))]
    print("ready", flush=True)
    for listener in group[1:]:
        threading.Thread(target=accept_all, daemon=True,
                         args=(listener, option)).start()
    accept_all(group[0], option)


def exchange(address, port, n, option):
    data = os.urandom(n)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as s:
        # Not settimeout(), which would make a connection without a cookie an
        # error, "in progress".
        for way in socket.SO_RCVTIMEO, socket.SO_SNDTIMEO:
            s.setsockopt(socket.SOL_SOCKET, way, TEN_SECONDS)
        if "from" in option:
            s.bind((option["from"], 0))
        if "defer" in option:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        begin, sent = time.monotonic(), 0
        if "plain" in option:
            s.connect((address, port))
        else:
            sent = s.sendto(data, socket.MSG_FASTOPEN, (address, port))
        s.sendall(data[sent:])
        s.shutdown(socket.SHUT_WR)
        back = receive_all(s)
        took = (time.monotonic() - begin) * 1000
        client = tcp_info(s)
    server = None
    expected = data, hashlib.sha256(data).hexdigest().encode()
    if back not in expected and b"\n" in back:
        line, back = back.split(b"\n", 1)
        server = json.loads(line)
    if back not in expected:
        sys.exit(f"{len(back)} other bytes came back")
    return {"way": "0-RTT" if client["syn_data"] else "1-RTT",
            "ms": took, "client": client, "server": server}


def watch(address, port, seconds, option):
    end, seen, failed = time.monotonic() + seconds, [], []
    while time.monotonic() < end:
        due = time.monotonic() + 0.02
        try:
            seen.append(exchange(address, port, 64, option))
        except OSError as error:
            failed.append(str(error))
        time.sleep(max(0, due - time.monotonic()))
    ms = sorted(one["ms"] for one in seen) or [0]
    return {"asked": len(seen) + len(failed), "failed": failed,
            "in_syn": sum(one["way"] == "0-RTT" for one in seen),
            "resent": sum(one["client"]["resent"] > 0 for one in seen),
            "median_ms": statistics.median(ms),
            "most_ms": ms[len(ms) * 95 // 100], "worst_ms": ms[-1]}


def main():
    words = sys.argv[2:]
    option = dict(word.split("=", 1) for word in words if "=" in word)
    words = [word for word in words if "=" not in word]
    if sys.argv[1] == "serve":
        serve(words[0], option)
    elif sys.argv[1] == "watch":
        print(json.dumps(watch(words[0], int(words[1]), float(words[2]), option)))
    else:
        said = exchange(words[0], int(words[1]), int((words + ["64"])[2]), option)
        print(json.dumps(said) if "info" in option else said["way"])


main()
