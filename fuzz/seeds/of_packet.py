"""Seeds of `packet` and of `differential`: scripts in the form of src/script.rs, after the byte of options."""

import struct

from packets import *

INSIDE, OUTSIDE, LOCAL, ANSWER = 0, 1, 2, 3
REPAIR, ERROR, NO_TIMERS = 4, 8, 8
AFTER_301_S, AFTER_351_S = 10 << 4, 11 << 4


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

# The source address of an error, that of an inside host.
FROM_HOST = list(zip(range(12, 16), address(HOST)))

# An inside host quotes a packet that came in by a port forward, and adds the address of its interface after that
# (RFC 5837). The quote is translated; the extension is left alone (RFC 5508 REQ-3d), and so the address leaves.
QUOTE = summed(udp(5000, 80, source=SERVER, to=HOST, payload=bytes(100)))
INTERFACE = b"\x20\0" + checksum(b"\x20\0\0\0\0\x0c\2\4\0\1\0\0" + address(HOST))
INTERFACE += b"\0\x0c\2\4\0\1\0\0" + address(HOST)

ENTRIES = {
    "bad_header_checksum": [entry(INSIDE, udp())],
    "dhcp_lease": [
        sent(udp(68, 67, source="0.0.0.0", to="255.255.255.255"), LOCAL),
        sent(udp(67, 68, source="203.0.113.254", to="255.255.255.255"), OUTSIDE),
    ],
    "dhcp_too_big": [
        sent(udp(68, 67, source="0.0.0.0", to="255.255.255.255", payload=bytes(600), fragment=fragment), LOCAL)
        for fragment in (0, 0x4000)
    ],
    "fragment": [sent(udp(fragment=0x2000))],
    "hairpin": [sent(tcp(SYN, to=EXTERNAL, port=8080))],
    "icmp_echo": [sent(icmp(8)), answer()],
    "icmp_frag_needed": [sent(udp(payload=bytes(1200))), error((TYPE, 3), (CODE, 4))],
    "icmp_from_inside": [sent(udp(5000, 8080, source=SERVER, to=EXTERNAL), OUTSIDE), error(*FROM_HOST, (TYPE, 3), (CODE, 3))],
    "icmp_interface_information": [
        sent(udp(5000, 8080, source=SERVER, to=EXTERNAL), OUTSIDE),
        answer(),
        sent(icmp(3, 3, rest=b"\0\x20\0\0", payload=QUOTE + INTERFACE, to=SERVER)),
    ],
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
    "tcp_mss_at_odd_place": [sent(tcp(SYN, options=b"\x01\x02\x04\x05\xb4\x01\x01\x00"))],
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
# Configuration bits that a seed needs.
GATEWAY_PROFILE, DHCP_CLIENT, MSS_CLAMP, SMALL_INSIDE, SMALL_OUTSIDE = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
OPTIONS = {
    "dhcp_lease": DHCP_CLIENT,
    "dhcp_too_big": DHCP_CLIENT | SMALL_OUTSIDE,
    "tcp_gateway_idle": GATEWAY_PROFILE,
    "tcp_mss": MSS_CLAMP | SMALL_INSIDE | SMALL_OUTSIDE,
    "tcp_mss_at_odd_place": MSS_CLAMP | SMALL_INSIDE | SMALL_OUTSIDE,
    "too_big": SMALL_OUTSIDE,
}

SEEDS = {name: bytes([OPTIONS.get(name, 0)]) + b"".join(entries) for name, entries in ENTRIES.items()}

# Inputs that the fuzzer has found, as they were.
FOUND = {
    "dhcp_answer_from_another_port": (
        "1006002145000021123440004011000000000000ffffffff00440043000d000071756572790500214500002112344000"
        "40110000cb0071feffffffff004b0044000d00007175657279"
    ),
    "error_with_an_impossible_quote_length": (
        "000500214500fc201234400040110000c633640acb00710113881f90000d000071657572790700000400ac458700ac12"
        "34400040010000c0a8010ac633640a0300030060020000450000801234400040113c49c633640ac0a8010a1388005000"
        "6c000000000000000000000000000000000000000000000000000000000000000000007a000000000000000000000000"
        "000000000004000000000000000000006572790700000400ac458700ac1234400040010000c0a8010ac6336400000000"
        "000000000000000020001c3c000c0204002800c0a8010a"
    ),
}
SEEDS |= {name: bytes.fromhex(data) for name, data in FOUND.items()}
