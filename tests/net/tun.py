#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""tun.py NAME: makes a tun device, which has no Ethernet header, and puts into
it what standard input brings, a packet in hex a line; says "ready" first."""
import fcntl
import os
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000

tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", sys.argv[1].encode(),
                                        IFF_TUN | IFF_NO_PI))
print("ready", flush=True)
for line in sys.stdin:
    os.write(tun, bytes.fromhex(line))
