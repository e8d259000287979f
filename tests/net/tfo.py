#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A server and a client that use TCP Fast Open.

tfo.py serve PORT [fastopen=N] [key=HEX] [digest=1]
    Sends back what each connection brings, or its SHA-256. IPv4 and IPv6.
tfo.py ask ADDRESS PORT [BYTES]
    Sends that many bytes (64) with MSG_FASTOPEN and wants them back. Prints
    "0-RTT" where the server took data from the SYN, else "1-RTT".
"""
import hashlib
import os
import socket
import struct
import sys
import threading

TCP_FASTOPEN_KEY = 33
TCPI_OPT_SYN_DATA = 32  # in tcp_info.tcpi_options: the SYN's data were acked
TEN_SECONDS = struct.pack("ll", 10, 0)


def receive_all(connection):
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def answer(connection, digest):
    with connection:
        connection.settimeout(20)
        try:
            data = receive_all(connection)
            if digest:
                data = hashlib.sha256(data).hexdigest().encode()
            connection.sendall(data)
        except OSError:
            pass  # the SYNs made by hand end in resets


def serve(port, options):
    option = dict(word.split("=") for word in options)
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", int(port)))
    if "fastopen" in option:
        queue = int(option["fastopen"])
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, queue)
    if "key" in option:
        key = bytes.fromhex(option["key"])
        s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_KEY, key)
    s.listen(1024)
    print("ready", flush=True)
    while True:
        connection, _ = s.accept()
        thread = threading.Thread(target=answer, daemon=True,
                                  args=(connection, "digest" in option))
        thread.start()


def ask(address, port, n="64"):
    data = os.urandom(int(n))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as s:
        # Not settimeout(), which would make a connection without a cookie an
        # error, "in progress".
        for way in socket.SO_RCVTIMEO, socket.SO_SNDTIMEO:
            s.setsockopt(socket.SOL_SOCKET, way, TEN_SECONDS)
        sent = s.sendto(data, socket.MSG_FASTOPEN, (address, int(port)))
        s.sendall(data[sent:])
        s.shutdown(socket.SHUT_WR)
        back = receive_all(s)
        info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)
    if back not in (data, hashlib.sha256(data).hexdigest().encode()):
        sys.exit(f"{len(back)} other bytes came back")
    print("0-RTT" if info[5] & TCPI_OPT_SYN_DATA else "1-RTT")


if sys.argv[1] == "serve":
    serve(sys.argv[2], sys.argv[3:])
else:
    ask(*sys.argv[2:])
