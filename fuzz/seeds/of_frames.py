"""Seeds of `frames`, as src/frames reads them."""

from encode import *

STEPS = ["arrive", "answer", "error", "stack", "take", "room", "link", "outside", "pass"]
BODIES = ["udp", "tcp", "echo", "arp", "bytes"]
INTACT = NONE + NONE
# Whom a frame from inside goes to: stations outside first, then those inside.
GATEWAY, EXTERNAL, OTHER_ADDRESS, SERVER, HOST, OTHER_HOST, ROUTER = range(7)
LAN, WAN = flag(False), flag(True)


def medium(ip=False, less=0, reads_early=False):
    return flag(ip) + u8(less) + flag(reads_early)


def router(*steps, lan=medium(), wan=medium(), dhcp=False, open=False, forward=False, introduced=True):
    return lan + wan + flag(dhcp) + flag(open) + flag(forward) + flag(introduced) + many(steps)


def body(name, *fields):
    return variant(BODIES, name, *fields)


def udp(port=0, to_port=2, length=20, ttl=255):
    return body("udp", u8(port), u8(to_port), u16(length), u8(ttl))


def frame(what, to=SERVER, sender=0, broadcast=False, corruption=INTACT):
    return flag(broadcast) + u8(sender) + u8(to) + what + corruption


def inside(what, **rest):
    return variant(STEPS, "arrive", LAN, frame(what, **rest))


def outside(what, **rest):
    return variant(STEPS, "arrive", WAN, frame(what, **rest))


def step(name, *fields):
    return variant(STEPS, name, *fields)


def stack(side, what, **rest):
    return step("stack", side, frame(what, **rest))


ANSWER = step("answer", u8(0), INTACT)


def error(kind):
    return step("error", u8(0), u8(kind), INTACT)


def room(side, frames):
    return step("room", side, u8(frames))


def link(side, up):
    return step("link", side, flag(up))


def wait(millis):
    return step("pass", u16(millis))


ARP = body("arp", flag(False))

SEEDS = {
    "session": router(inside(udp()), ANSWER),
    "port_unreachable": router(inside(udp()), error(0)),
    "ping": router(inside(body("echo", flag(False), u8(56))), ANSWER),
    "handshake": router(inside(body("tcp", u8(0), u8(5), u8(2), u32(1))), ANSWER),
    "unknown_neighbour": router(inside(udp()), wait(1000), wait(1000), wait(1000), wait(1000), introduced=False),
    "arp_request": router(inside(ARP, to=ROUTER)),
    "arp_of_the_router_itself": router(inside(ARP, to=ROUTER, sender=2)),
    "driver_full": router(room(WAN, 0), inside(udp()), wait(20), room(WAN, 3), inside(udp())),
    "link_lost": router(link(WAN, False), inside(udp()), link(WAN, True), inside(udp())),
    "fragmented_on_the_way_out": router(inside(udp(length=1400, ttl=64)), wan=medium(less=250)),
    "too_big": router(inside(udp(length=1400)), wan=medium(less=250)),
    "bare_ip_outside": router(inside(udp()), ANSWER, wan=medium(ip=True), introduced=False),
    "reads_early": router(room(WAN, 0), inside(udp()), inside(udp()), room(WAN, 1), wait(50),
                          lan=medium(reads_early=True)),
    "address_changes": router(inside(udp()), step("outside", u8(1)), inside(udp()), step("outside", u8(3)), inside(udp())),
    "port_forward": router(outside(udp(port=2, to_port=6), to=5, sender=0), forward=True),
    "unsolicited": router(outside(udp(port=2, to_port=6), to=5, sender=0)),
    "own_stack": router(inside(udp(), to=ROUTER), step("take", LAN), stack(LAN, udp(), to=HOST)),
    "own_stack_outside": router(stack(WAN, udp(), to=3 + 4), ANSWER, step("take", WAN)),
    # A DHCP server outside that has an address of the inside network, the first host's: the lease is renewed there.
    "dhcp_server_with_an_inside_address": router(stack(WAN, udp(port=4, to_port=3), to=0), dhcp=True),
    # Its UDP header says another length than there is.
    "dhcp_client_with_a_wrong_length": router(
        stack(WAN, udp(port=4, to_port=3), to=0, corruption=some(u8(24) + u8(0) + u8(25) + u8(0xEF)) + NONE), dhcp=True
    ),
    "runt": router(inside(udp(), corruption=NONE + some(u16(9)))),
    "other_ethertype": router(inside(body("bytes", u16(0x1234), many([u8(1)] * 50)))),
    "corrupted_header": router(inside(udp(), corruption=some(u8(24) + u8(9) + u8(25) + u8(9)) + NONE)),
}
