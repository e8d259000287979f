#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Sends N SYNs that nobody will follow up: doctor-syn.py CLIENT SERVER PORT N
[COOKIE]. CLIENT is an address that no host has, so that the SYN-ACK meets
nobody who would reset it; with COOKIE, a Fast Open one, the SYN has data."""
import socket
import struct
import sys

client, server, port, n = sys.argv[1:5]
cookie = bytes.fromhex(sys.argv[5]) if len(sys.argv) > 5 else b""
options = struct.pack("!BBH", 2, 4, 1460)
if cookie:
    options += struct.pack("!BB", 34, 2 + len(cookie)) + cookie
options += b"\1" * (-len(options) % 4)
data = b"request" if cookie else b""


def checksum(octets):
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack("!%dH" % (len(octets) // 2), octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(source_port):
    header = struct.pack("!HHIIBBHHH", source_port, int(port), 1, 0,
                         (20 + len(options)) << 2, 2, 65535, 0, 0)
    whole = header + options + data
    pseudo = (socket.inet_aton(client) + socket.inet_aton(server) +
              struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(whole)))
    return whole[:16] + struct.pack("!H", checksum(pseudo + whole)) + whole[18:]


raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for i in range(int(n)):
    tcp = segment(20000 + i)
    # The kernel fills in the length and the checksum.
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64,
                     socket.IPPROTO_TCP, 0, socket.inet_aton(client),
                     socket.inet_aton(server))
    raw.sendto(ip + tcp, (server, 0))
