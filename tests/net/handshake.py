#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Opens a connection by hand, with its first segments in an order of one's own:

    handshake.py iface=I mac=M from=A to=A dport=N order=WORD,WORD…
                 [timestamps=1] [cookie=HEX] [wait=SECONDS] [thief=A]
                 [scattered=I,M]

The words: "ack" the handshake's ACK, "data" the first segment of data, "end"
its FIN, "reset" an RST, "abort" one behind the data, "again" the SYN once more,
"pause" a moment; "both" the ACK and the data in one breath; "astray" an ACK of
what was never sent, "broken" one whose checksum is wrong, "mangled" one whose
IP header's is, "signed" one with TCP-MD5 that nobody agreed on, "optioned" one
with an IP option that makes no sense, "garbled" data whose checksum is wrong;
"met" the RST that meets a challenge, "stolen" the same from the thief's address.
With a cookie the data are in the SYN too. All but the SYN go to another
interface and MAC with "scattered", where only their Ethernet headers arrive in
the first buffer. Prints "served" where the data came back, "reset" where an RST
did, else "nothing".
"""
import mmap
import random
import socket
import struct
import sys
import time

from scapy.layers.inet import IP, IPOption, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

DATA = b"the first words"
RST = 4
# A source route that is too short to be one.
NONSENSE = {"ihl": 6, "options": [IPOption(b"\x83\x02\x00\x00")]}
OWN_MAC = "02:00:00:00:00:99"

option = dict(word.split("=", 1) for word in sys.argv[1:])
six = ":" in option["to"]
sport, dport = random.randint(1024, 65535), int(option["dport"])
isn = random.getrandbits(32)
heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
heard.bind((option["iface"], 3))
wire = heard


def build(flags, seq, ack=0, data=b"", options=(), check=None, whose="from",
          in_ip={}):
    ip = (IPv6 if six else IP)(src=option[whose], dst=option["to"], **in_ip)
    return bytes(Ether(dst=option["mac"], src=OWN_MAC) / ip / TCP(
        sport=sport, dport=dport, flags=flags, seq=seq % 2**32, ack=ack,
        options=list(options), chksum=check) / data)


class Scattered:
    """A ring for sending: the kernel copies no more than the link's header."""

    def __init__(self, iface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((iface, 3))
        self.socket.setsockopt(263, 13, struct.pack("4I", 4096, 1, 2048, 2))
        self.ring = mmap.mmap(self.socket.fileno(), 4096)
        self.at = 0

    def send(self, frame):
        self.ring[self.at + 32:self.at + 32 + len(frame)] = frame
        self.ring[self.at:self.at + 16] = struct.pack("QII", 1, len(frame), 0)
        self.socket.send(b"")
        self.at ^= 2048


def send(*segment, **more):
    wire.send(build(*segment, **more))


def receive(seconds):
    """The next segment from the server, or None."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        heard.settimeout(left)
        try:
            packet = Ether(heard.recv(1 << 16))
        except socket.timeout:
            return None
        if TCP in packet and (packet[TCP].sport, packet[TCP].dport) == (dport, sport):
            return packet
    return None


def main():
    global wire
    wait = float(option.get("wait", 2))
    offer = [("MSS", 1400)]
    if "timestamps" in option:
        offer += [("SAckOK", b""), ("Timestamp", (1000, 0)), ("WScale", 5)]
    early = b""
    if "cookie" in option:
        offer, early = [(34, bytes.fromhex(option["cookie"])), *offer], DATA
    send("S", isn, data=early, options=offer)
    answer = receive(wait)
    if answer is None:
        return "no answer"
    ack = (answer[TCP].seq + 1) % 2**32
    stamps = [("Timestamp", (1001, dict(answer[TCP].options)["Timestamp"][0]))] \
        if "timestamps" in option else []
    if "scattered" in option:
        iface, option["mac"] = option["scattered"].split(",")
        wire = Scattered(iface)
    for word in option["order"].split(","):
        if word == "ack":
            send("A", isn + 1 + len(early), ack, options=stamps)
        elif word == "data":
            send("PA", isn + 1, ack, DATA, stamps)
        elif word == "both":
            two = [build("A", isn + 1, ack, options=stamps),
                   build("PA", isn + 1, ack, DATA, stamps)]
            for frame in two:
                wire.send(frame)
        elif word == "end":
            send("FA", isn + 1 + len(DATA), ack, options=stamps)
        elif word == "reset":
            send("R", isn + 1 + len(early))
        elif word == "abort":
            send("R", isn + 1 + len(DATA))
        elif word in ("met", "stolen"):
            send("R", answer[TCP].ack,
                 whose="thief" if word == "stolen" else "from")
        elif word == "again":
            send("S", isn, data=early, options=offer)
        elif word == "astray":
            send("A", isn + 1 + len(early), ack + 1000, options=stamps)
        elif word == "broken":
            send("A", isn + 1 + len(early), ack, options=stamps, check=1)
        elif word == "garbled":
            send("PA", isn + 1, ack, DATA, stamps, check=1)
        elif word == "mangled":
            send("A", isn + 1 + len(early), ack, options=stamps,
                 in_ip={"chksum": 1})
        elif word == "signed":
            send("A", isn + 1 + len(early), ack,
                 options=[(19, bytes(16)), *stamps])
        elif word == "optioned":
            send("A", isn + 1 + len(early), ack, options=stamps, in_ip=NONSENSE)
        else:
            time.sleep(0.3)
    while packet := receive(wait):
        if packet[TCP].flags & RST:
            return "reset"
        if bytes(packet[TCP].payload)[:len(DATA)] == DATA:
            send("R", isn + 2 + len(DATA), packet[TCP].ack)
            return "served"
    return "nothing"


print(main())
