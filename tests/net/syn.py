#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Sends a SYN made by hand, and prints it and its answer:

    syn.py iface=I mac=M from=A to=A dport=N [sport=N] [seq=N]
           [cookie=HEX|request] [kind=34|254] [data=BYTES] [check=bad]
           [nops=N] [wait=SECONDS]
    syn.py write=FILE [bare=1] ...

"sent" is the frame. "answer" is null where none came within the wait (1 s);
its "acked" is how many bytes of the SYN's data it acknowledges. With "write"
nothing is sent: the frame, or the bare IP packet, is put into a capture and
printed in hex.
"""
import json
import random
import socket
import sys
import time

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import PcapWriter

import segment

ETH_P_ALL = 3
MAGIC = b"\xf9\x89"


def craft(option):
    """The frame as bytes."""
    options = [("MSS", 1460)]
    cookie = option.get("cookie")
    if cookie is not None:
        value = b"" if cookie == "request" else bytes.fromhex(cookie)
        kind = int(option.get("kind", 34))
        options.append((kind, (MAGIC if kind == 254 else b"") + value))
    options += [("NOP", None)] * int(option.get("nops", 0))
    ip = IPv6 if ":" in option["to"] else IP
    tcp = TCP(sport=int(option.get("sport", random.randint(1024, 65535))),
              dport=int(option["dport"]), flags="S", options=options,
              seq=int(option.get("seq", random.getrandbits(32))))
    frame = bytes(Ether(dst=option["mac"], src="02:00:00:00:00:99") /
                  ip(src=option["from"], dst=option["to"]) / tcp /
                  bytes(i % 251 for i in range(int(option.get("data", 0)))))
    if option.get("check") == "bad":
        check = len(frame) - len(bytes(tcp)) - int(option.get("data", 0)) + 16
        frame = frame[:check] + bytes([frame[check] ^ 1]) + frame[check + 1:]
    return frame


def exchange(frame, iface, wait):
    """Sends the frame; the first segment that comes back, or None."""
    sent = segment.read(frame)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((iface, ETH_P_ALL))
    s.send(frame)
    end = time.monotonic() + wait
    while (left := end - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            got = segment.read(s.recv(1 << 16))
        except socket.timeout:
            return None
        if got and (got["from"], got["sport"], got["dport"]) == (
                sent["to"], sent["dport"], sent["sport"]):
            got["acked"] = (got["ack"] - sent["seq"] - 1) % 2**32
            return got
    return None


def main():
    option = dict(word.split("=", 1) for word in sys.argv[1:])
    frame = craft(option)
    if "write" in option:
        bare = "bare" in option
        writer = PcapWriter(option["write"], append=True, sync=True,
                            linktype=101 if bare else 1)
        packet = frame[14:] if bare else frame
        writer.write(packet)
        print(packet.hex())
        return
    answer = exchange(frame, option["iface"], float(option.get("wait", 1)))
    print(json.dumps({"sent": segment.read(frame), "answer": answer}))


if __name__ == "__main__":
    main()
