"""Packets, without checksums unless summed."""

import struct

HOST, EXTERNAL, SERVER = "192.168.1.10", "203.0.113.1", "198.51.100.10"
FIN, SYN, RST, ACK = 1, 2, 4, 16


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


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", 0xFFFF - total)


def summed(datagram):
    """The datagram with its header checksum; UDP does without one of its own."""
    header = 4 * (datagram[0] & 15)
    return datagram[:10] + checksum(datagram[:10] + datagram[12:header]) + datagram[12:]


def ethernet(to, source, ethertype, body):
    return bytes.fromhex(to) + bytes.fromhex(source) + struct.pack(">H", ethertype) + body


def arp(operation, sender, sender_ip, target, target_ip):
    head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    return head + bytes.fromhex(sender) + address(sender_ip) + bytes.fromhex(target) + address(target_ip)
