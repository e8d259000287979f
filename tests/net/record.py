#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""record.py INTERFACE PORT: writes down the opening SYNs for a port that arrive at
an interface, as its stack sees them, one JSON object per line; "ready" comes
first."""
import json
import socket
import sys

import segment

ETH_P_ALL = 3
PACKET_OUTGOING = 4

s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
s.bind((sys.argv[1], ETH_P_ALL))
print("ready", flush=True)
while True:
    frame, address = s.recvfrom(1 << 16)
    if address[2] == PACKET_OUTGOING:
        continue
    seen = segment.read(frame)
    if seen and seen["dport"] == int(sys.argv[2]) and segment.is_opening(seen):
        print(json.dumps(seen), flush=True)
