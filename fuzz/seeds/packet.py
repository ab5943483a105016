#!/usr/bin/env python3
"""Writes the named seeds of `packet` beside this file: each is a script in the form of src/packet/script.rs."""

import pathlib
import struct

OUT = pathlib.Path(__file__).resolve().parent / "packet"
INSIDE, OUTSIDE, LOCAL, ANSWER = 0, 1, 2, 3
REPAIR, ERROR, NO_TIMERS = 4, 8, 8
AFTER_301_S, AFTER_351_S = 10 << 4, 11 << 4
FIN, SYN, RST, ACK = 1, 2, 4, 16
HOST, EXTERNAL, SERVER = "192.168.1.10", "203.0.113.1", "198.51.100.10"


def address(text):
    return bytes(map(int, text.split(".")))


def ipv4(protocol, payload, source=HOST, to=SERVER, ttl=64, options=b"", fragment=0x4000):
    words = 5 + len(options) // 4
    total = 4 * words + len(payload)
    fixed = struct.pack(">BBHHHBBH", 0x40 | words, 0, total, 0x1234, fragment, ttl, protocol, 0)
    return fixed + address(source) + address(to) + options + payload


def udp(source_port=5000, port=53, payload=b"query", **header):
    return ipv4(17, struct.pack(">HHHH", source_port, port, 8 + len(payload), 0) + payload, **header)


def tcp(flags, seq=0x1000, ack=0, source_port=40000, port=443, options=b"", **header):
    words = 5 + len(options) // 4
    fixed = struct.pack(">HHIIBBHHH", source_port, port, seq, ack, words << 4, flags, 0xFFFF, 0, 0)
    return ipv4(6, fixed + options, **header)


def icmp(kind, code=0, rest=b"\x12\x34\x00\x01", payload=b"ping", **header):
    return ipv4(1, bytes([kind, code, 0, 0]) + rest + payload, **header)


def entry(control, payload=b""):
    return struct.pack(">BH", control, len(payload)) + payload


def sent(packet, control=INSIDE):
    return entry(control | REPAIR, packet)


def answer(*patches, control=0):
    return entry(ANSWER | REPAIR | control, bytes(b for patch in patches for b in patch))


def error(*patches):
    return answer(*patches, control=ERROR)


# Offsets of patches: TCP flags and the low byte of the acknowledgment number; type, code and MTU of an ICMP error.
FLAGS, ACK_LOW = 33, 31
TYPE, CODE = 20, 21
HANDSHAKE = [sent(tcp(SYN)), answer((FLAGS, SYN | ACK), (ACK_LOW, 1)), sent(tcp(ACK, seq=0x1001, ack=1))]

SEEDS = {
    "bad_header_checksum": [entry(INSIDE, udp())],
    "dhcp_lease": [
        sent(udp(68, 67, source="0.0.0.0", to="255.255.255.255"), LOCAL),
        sent(udp(67, 68, source="203.0.113.254", to="255.255.255.255"), OUTSIDE),
    ],
    "fragment": [sent(udp(fragment=0x2000))],
    "hairpin": [sent(tcp(SYN, to=EXTERNAL, port=8080))],
    "icmp_echo": [sent(icmp(8)), answer()],
    "icmp_frag_needed": [sent(udp(payload=bytes(1200))), error((TYPE, 3), (CODE, 4))],
    "icmp_port_unreachable": [sent(udp()), error((TYPE, 3), (CODE, 3))],
    "icmp_time_exceeded": [sent(tcp(SYN)), error((TYPE, 11))],
    "land": [sent(udp(to=HOST))],
    "martian": [sent(udp(to="127.0.0.1"))],
    "ping_router": [sent(icmp(8, to="192.168.1.1"))],
    "port_forward": [
        sent(tcp(SYN, source=SERVER, to=EXTERNAL, port=8080), OUTSIDE),
        answer((FLAGS, SYN | ACK), (ACK_LOW, 1)),
    ],
    "router_dns": [sent(udp(53000, 53, source=EXTERNAL), LOCAL), answer()],
    "source_route": [sent(udp(options=b"\x83\x07\x04" + address(SERVER) + b"\x00"))],
    "tcp_close": [
        *HANDSHAKE,
        sent(tcp(FIN | ACK, seq=0x1001, ack=1)),
        answer((FLAGS, FIN | ACK), (ACK_LOW, 2)),
        sent(tcp(ACK, seq=0x1002, ack=2)),
    ],
    "tcp_gateway_idle": [*HANDSHAKE, sent(tcp(ACK, seq=0x1001, ack=1), INSIDE | AFTER_351_S)],
    "tcp_handshake": HANDSHAKE,
    "tcp_mss": [sent(tcp(SYN, options=b"\x02\x04\x05\xb4\x01\x01\x04\x02"))],
    "tcp_reset": [*HANDSHAKE, answer((FLAGS, RST | ACK))],
    "tcp_simultaneous_open": [sent(tcp(SYN)), answer((FLAGS, SYN))],
    "tcp_syn": [sent(tcp(SYN))],
    "too_big": [sent(udp(payload=bytes(1000)))],
    "ttl_expired": [sent(udp(ttl=1))],
    "udp_dns": [sent(udp()), answer()],
    "udp_expiry": [sent(udp()), answer(control=AFTER_301_S)],
    "udp_padded": [sent(udp() + bytes(13))],
    "udp_expiry_unnoticed": [sent(udp()), sent(udp(), INSIDE | NO_TIMERS | AFTER_301_S), answer()],
    "unsolicited": [sent(tcp(SYN, source=SERVER, to=EXTERNAL, port=22), OUTSIDE)],
}
# Configuration bits that a seed needs: dhcp_client, the gateway profile, MSS clamping, an outside MTU of 576.
OPTIONS = {"dhcp_lease": 1 << 4, "tcp_gateway_idle": 1 << 3, "tcp_mss": 1 << 5, "too_big": 1 << 7}

OUT.mkdir(exist_ok=True)
for name, entries in SEEDS.items():
    (OUT / f"{name}.bin").write_bytes(bytes([OPTIONS.get(name, 0)]) + b"".join(entries))
