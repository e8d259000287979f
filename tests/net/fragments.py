#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Sends SYNs in two fragments each, cut in every way that a stack puts together
again, and says of each whether it was answered.

    fragments.py INTERFACE MAC PORT
"""
import random
import socket
import struct
import sys
import time

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.layers.l2 import Ether

import segment

FROM4, TO4, FROM6, TO6 = "10.99.0.1", "10.99.0.2", "fd00:99::1", "fd00:99::2"
ETH_P_ALL = 3
HOP_BY_HOP, FRAGMENT, DESTINATION = 0, 44, 60
PADDING = bytes([1, 4, 0, 0, 0, 0])  # PadN: what fills a header of 8 bytes


def syn(port, sport):
    # Options that fill it to 40 bytes, so that it can be cut at 8, 16, 24.
    return TCP(sport=sport, dport=port, flags="S", seq=random.getrandbits(32),
               options=[("MSS", 1460)] + [("NOP", None)] * 16)


def ipv4(tcp, cut):
    whole = bytes(IP(src=FROM4, dst=TO4) / tcp)[20:]
    ident = random.getrandbits(16)
    for part, more in ((0, 1), (cut, 0)):
        data = whole[part:cut] if more else whole[part:]
        yield IP(src=FROM4, dst=TO4, id=ident, flags="MF" if more else 0,
                 frag=part // 8, proto=6) / data


def ipv6(tcp, cut, before, behind):
    """@before, @behind: extension headers around the fragment header."""
    tcp = bytes(tcp)
    check = in6_chksum(6, IPv6(src=FROM6, dst=TO6), tcp)
    tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
    whole, first = tcp, 6
    for kind in reversed(behind):
        whole, first = bytes([first, 0]) + PADDING + whole, kind
    ident = random.getrandbits(32)
    for part, more in ((0, 1), (cut, 0)):
        data = whole[part:cut] if more else whole[part:]
        headers, kind = struct.pack("!BBHI", first, 0, part | more,
                                    ident), FRAGMENT
        for outer in reversed(before):
            headers, kind = bytes([kind, 0]) + PADDING + headers, outer
        yield IPv6(src=FROM6, dst=TO6, nh=kind) / (headers + data)


def ways(port, sport):
    for cut in 8, 16, 24:
        yield ipv4(syn(port, sport()), cut)
    # The kernel wants all of the TCP header's 20 bytes in the first.
    for before in [], [HOP_BY_HOP], [DESTINATION]:
        for behind in [], [DESTINATION], [DESTINATION] * 2:
            yield ipv6(syn(port, sport()), 24 + 8 * len(behind), before, behind)


def is_answered(iface, mac, packets):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((iface, ETH_P_ALL))
    for packet in packets:
        s.send(bytes(Ether(dst=mac, src="02:00:00:00:00:99") / packet))
    end = time.monotonic() + 0.2
    while (left := end - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            frame, sender = s.recvfrom(65536)
        except TimeoutError:
            break
        got = segment.read(frame)
        if sender[2] != socket.PACKET_OUTGOING and got and got["flags"] == 0x12:
            return True
    return False


def main():
    iface, mac, port = sys.argv[1:]
    ports = iter(random.sample(range(1024, 60000), 100))
    for packets in ways(int(port), lambda: next(ports)):
        answered = is_answered(iface, mac, list(packets))
        print("answered" if answered else "silence", flush=True)


main()
