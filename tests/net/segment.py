# SPDX-License-Identifier: GPL-2.0
"""Reads TCP over IPv4 or IPv6 out of an Ethernet frame, as the stack would."""

TCP = 6
SYN, ACK = 0x02, 0x10


def read(frame):
    """A dict of what the tests ask for; None for anything but TCP."""
    if frame[12:14] == b"\x08\x00" and frame[23] == TCP:
        tcp = 14 + (frame[14] & 15) * 4
        end = 14 + int.from_bytes(frame[16:18], "big")
        source, to = frame[26:30], frame[30:34]
    elif frame[12:14] == b"\x86\xdd" and frame[20] == TCP:
        tcp = 54
        end = 54 + int.from_bytes(frame[18:20], "big")
        source, to = frame[22:38], frame[38:54]
    else:
        return None
    data = tcp + (frame[tcp + 12] >> 4) * 4
    kind, cookie = fast_open(frame[tcp + 20:data])
    return {
        "from": source.hex(),
        "to": to.hex(),
        "sport": int.from_bytes(frame[tcp:tcp + 2], "big"),
        "dport": int.from_bytes(frame[tcp + 2:tcp + 4], "big"),
        "seq": int.from_bytes(frame[tcp + 4:tcp + 8], "big"),
        "ack": int.from_bytes(frame[tcp + 8:tcp + 12], "big"),
        "flags": frame[tcp + 13],
        "kind": kind,
        "cookie": cookie,
        "data": frame[data:end].hex(),
        "ip": frame[14:end].hex(),
        "frame": frame.hex(),
    }


def is_opening(segment):
    return segment["flags"] & (SYN | ACK) == SYN


def fast_open(options):
    """Kind and cookie of the last Fast Open option; an empty cookie is a
    request."""
    kind = cookie = None
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        size = options[at + 1]
        body = options[at + 2:at + size]
        if options[at] == 34:
            kind, cookie = 34, body.hex()
        elif options[at] == 254 and body[:2] == b"\xf9\x89":
            kind, cookie = 254, body[2:].hex()
        at += size
    return kind, cookie
