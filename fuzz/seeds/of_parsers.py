"""Seeds of `parsers`: the entry point, a byte of options (bit 0: checksums are made right first), and what goes in."""

import struct

from packets import *

ENTRIES = ["inside", "outside", "local", "quote", "segment", "header", "lan_frame", "wan_frame", "fragmenter", "answer"]
LAN, WAN, ROUTER_LAN, ROUTER_WAN = "02000000000a", "020000000003", "020000000001", "020000000002"
HOST_77, ROUTER_77, GATEWAY, EXTERNAL_77 = "192.168.77.10", "192.168.77.1", "198.51.100.1", "198.51.100.77"
QUERY = udp(5000, 53, source=HOST_77, to="203.0.113.80")

# As long as RFC 4884 can say here: 31 words.
QUOTE = summed(udp(0, 53, source=EXTERNAL, payload=bytes(96)))


def with_reserved_bit(datagram):
    return datagram[:6] + bytes([datagram[6] | 0x80]) + datagram[7:]


def through(entry, data, options=1):
    return bytes([ENTRIES.index(entry), options]) + data


def frame(ethertype, body, to=ROUTER_LAN, source=LAN):
    return through("lan_frame", ethernet(to, source, ethertype, body), 0)


SEEDS = {
    "udp": through("inside", udp(5000, 53)),
    "udp_length_beyond_packet": through("inside", udp(5000, 53)[:24] + b"\xff\xff" + udp(5000, 53)[26:]),
    "tcp_syn": through("inside", tcp(SYN, source_port=5000, port=80)),
    "tcp_no_flags": through("inside", tcp(0, source_port=5000, port=80)),
    "echo": through("inside", icmp(8, rest=b"\0\7\0\1")),
    "bad_header_checksum": through("inside", udp(5000, 53), 0),
    # The checksum that it would have without the reserved bit.
    "checksum_without_reserved_bit": through("inside", with_reserved_bit(summed(udp(5000, 53))), 0),
    "truncated": through("inside", udp(5000, 53)[:19]),
    "ipv6": through("inside", b"\x60" + bytes(50)),
    "first_fragment": through("inside", udp(5000, 53, payload=bytes(12), fragment=0x2000)),
    "later_fragment": through("inside", udp(5000, 53, fragment=0x0003)),
    "other_protocol": through("inside", ipv4(47, bytes(12))),
    "unsolicited": through("outside", udp(53, 7, source=SERVER, to=EXTERNAL)),
    "port_forward": through("outside", udp(53, 8080, source=SERVER, to=EXTERNAL)),
    "router_dns": through("local", udp(53000, 53, source=EXTERNAL)),
    "quote": through("quote", QUOTE),
    "quote_of_tcp": through("quote", summed(tcp(SYN, port=80, source=EXTERNAL)), 1 | 1 << 1),
    "quote_of_ping": through("quote", summed(icmp(8, source=EXTERNAL, rest=bytes(4)))),
    "quote_cut_short": through("quote", QUOTE[:27]),
    "quote_of_other_version": through("quote", summed(b"\x65" + QUOTE[1:])),
    "quote_with_extension": through("quote", QUOTE + bytes.fromhex("2000dfff00080101deadbeef"), 1 | 31 << 3),
    "mss": through("segment", b"\x02\x04\x05\xb4\x01\x03\x03\x07"),
    "mss_behind_end_of_options": through("segment", b"\x00\x02\x04\x05\xb4\x00\x00\x00"),
    "option_of_no_length": through("segment", b"\x02\x00\x05\xb4"),
    "record_route": through("header", b"\x07\x07\x04\x00\x00\x00\x00\x00" + udp(5000, 53)[20:], 1 | 2 << 1),
    "router_alert": through("header", b"\x94\x04\x00\x00" + udp(5000, 53)[20:], 1 | 1 << 1),
    "source_route": through("header", b"\x83\x07\x04\x01\x02\x03\x04\x00" + udp(5000, 53)[20:], 1 | 2 << 1),
    "frame_udp": frame(0x0800, summed(QUERY)),
    "frame_runt": through("lan_frame", b"\x02\x00\x00", 0),
    "frame_ipv6": frame(0x86DD, b"\x60" + bytes(40)),
    "frame_vlan": frame(0x8100, b"\0\5" + bytes(48)),
    "frame_priority_tag": frame(0x8100, b"\x60\0\x08\0" + summed(QUERY)),
    "frame_arp_request": frame(0x0806, arp(1, LAN, HOST_77, "000000000000", ROUTER_77), to="ffffffffffff"),
    "frame_arp_cut_short": frame(0x0806, arp(1, LAN, HOST_77, "000000000000", ROUTER_77)[:27], to="ffffffffffff"),
    "frame_arp_of_our_own": frame(0x0806, arp(1, LAN, ROUTER_77, "000000000000", ROUTER_77), to="ffffffffffff"),
    "frame_outside": through("wan_frame", ethernet(ROUTER_WAN, WAN, 0x0800, summed(udp(53, 7, source="203.0.113.80", to=EXTERNAL_77))), 0),
    "fragments": through("fragmenter", struct.pack(">HH", 68, 0) + summed(udp(5000, 53, payload=bytes(192), fragment=0))),
    "fragments_of_a_truncated_datagram": through("fragmenter", struct.pack(">HH", 0, 9) + b"\x45"),
    "answer": through("answer", struct.pack(">H", 576) + summed(tcp(ACK, source_port=5000))),
    "answer_into_an_empty_buffer": through("answer", struct.pack(">H", 0) + summed(tcp(ACK))),
}

WORDS = [
    *(through(entry, b"") for entry in ENTRIES),
    *(struct.pack(">H", ethertype) for ethertype in (0x0800, 0x0806, 0x86DD, 0x8100, 0x88A8)),
    *map(bytes.fromhex, [LAN, WAN, ROUTER_LAN, ROUTER_WAN, "ffffffffffff"]),
    *map(address, [HOST_77, ROUTER_77, GATEWAY, EXTERNAL_77, EXTERNAL]),
    *(struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) for operation in (1, 2)),
]
