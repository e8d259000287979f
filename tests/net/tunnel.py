#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""tunnel.py NETNS NAME NETNS NAME: makes a tun device, which has no Ethernet
header, in each of two network namespaces, and carries packets between them; says
"ready" first."""
import ctypes
import fcntl
import os
import select
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 1, 0x1000
CLONE_NEWNET = 0x40000000


def make(netns, name):
    with open(f"/run/netns/{netns}", encoding="ascii") as f:
        if ctypes.CDLL(None).setns(f.fileno(), CLONE_NEWNET):
            sys.exit(f"no network namespace {netns}")
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(),
                                            IFF_TUN | IFF_NO_PI))
    return tun


one, other = make(*sys.argv[1:3]), make(*sys.argv[3:5])
print("ready", flush=True)
while True:
    for tun in select.select([one, other], [], [])[0]:
        packet = os.read(tun, 1 << 16)
        try:
            os.write(other if tun == one else one, packet)
        except OSError:
            pass  # not up yet
