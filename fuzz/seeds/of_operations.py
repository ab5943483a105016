"""Seeds of `operations`, as src/operations reads them."""

from encode import *
from packets import ACK, FIN, RST, SYN

INPUTS = ["modelled", "free"]
STEPS = ["out", "in", "wait", "forward", "unforward", "addresses", "clear"]
UDP, ECHO, SYN_SENT, SYN_ACK, ACK_SENT, FIN_SENT, FAR_FIN, RESET, FAR_RESET = range(9)
FREE_STEPS = ["out", "in", "session", "hairpin", "error", "router", "advance", "jump", "back", "forward", "unforward",
              "addresses", "drain", "mtu", "clear", "random"]
KINDS = ["udp", "tcp", "request", "reply"]
PAUSES = ["millis", "seconds", "half", "wrap", "just_before_wrap"]
PLAIN = 255


def modelled(*steps, overlapping=False, filtering=0, limit=2, ports=4):
    head = flag(overlapping) + u8(filtering) + u8(limit) + u8(ports)
    return variant(INPUTS, "modelled", head, many(steps))


def out(what, host=0, port=0, remote=0):
    return variant(STEPS, "out", u8(host), u8(port), u8(remote), u8(what))


def back(what, mapping=0, remote=0):
    return variant(STEPS, "in", u8(mapping), u8(remote), u8(what))


def wait(seconds):
    return variant(STEPS, "wait", u16(seconds))


def forwarded(tcp, port, host=0):
    return variant(STEPS, "forward", flag(tcp), u8(port), u8(host), u8(0))


def addresses(choice):
    return variant(STEPS, "addresses", u8(choice))


HANDSHAKE = [out(SYN_SENT), back(SYN_ACK), out(ACK_SENT)]
FLOOD = [out(UDP, port=port, remote=remote, host=host) for host in range(4) for port in range(2) for remote in range(3)]

CHOICES = ["random", "start", "overlapping", "filtering", "filtered_hairpins", "ports", "blocks", "one_to_one",
           "dmz_host", "quarantine_seconds", "limits", "fragments", "quarantine", "mtu"]


def free(*steps, wide=True, **chosen):
    """Whatever is not chosen stays as it is."""
    always = {"start": u8(0), "fragments": flag(False), "quarantine": flag(False)}
    assert set(chosen) <= set(CHOICES)
    choices = [chosen.get(name, always[name]) if name in always else some(chosen[name]) if name in chosen else NONE
               for name in CHOICES]
    return variant(INPUTS, "free", b"".join(choices), flag(wide), many(steps))


def shape(kind="udp", *fields, vary=PLAIN):
    return variant(KINDS, kind, *fields) + u8(vary)


def tcp(flags, seq=0, ack=0):
    return shape("tcp", u8(flags), u8(seq), u8(ack))


def step(name, *fields):
    return variant(FREE_STEPS, name, *fields)


def leaves(what=shape(), host=0, port=5, remote=0):
    return step("out", u8(host), u8(port), u8(remote), what)


def session(place=0, outward=False, what=shape()):
    return step("session", u8(place), flag(outward), what)


def pause(name, kind, *fields):
    return step(name, variant(PAUSES, kind, *fields))


def forward(tcp=False, external_port=2, host=0, port=2, count=0):
    return step("forward", flag(tcp), u8(external_port), u8(host), u8(port), NONE, u8(count))


SEEDS = {
    "model_udp": modelled(out(UDP), back(UDP), wait(300), back(UDP)),
    "model_tcp": modelled(*HANDSHAKE, out(FIN_SENT), back(FIN_SENT), out(ACK_SENT), wait(240)),
    "model_reset": modelled(*HANDSHAKE, back(FAR_RESET), back(RESET), wait(240)),
    "model_forward": modelled(forwarded(True, 1), back(SYN_SENT), out(SYN_ACK), back(ACK_SENT)),
    "model_forward_ends_sessions": modelled(out(UDP), forwarded(False, 1), back(UDP), out(UDP)),
    "model_full": modelled(*FLOOD),
    "model_overlapping": modelled(*FLOOD, overlapping=True, ports=0),
    "model_addresses": modelled(out(UDP), addresses(2), out(UDP, host=1), addresses(6), out(UDP), addresses(1), out(UDP)),
    "free_udp": free(leaves(), session(), session(outward=True)),
    "free_blocks": free(*[leaves(port=port, host=host) for host in range(3) for port in range(4)], blocks=u8(2)),
    "free_wrap": free(leaves(), pause("advance", "seconds", u16(5)), session(), pause("jump", "wrap"), session(),
                      start=u8(1)),
    "free_clock_goes_back": free(leaves(), step("back", u16(3000)), session()),
    "free_forward": free(forward(), step("in", u8(0), u8(2), u8(0), shape()), session(), leaves(port=2)),
    "free_one_to_one": free(leaves(), step("in", u8(0), u8(5), u8(0), shape()), one_to_one=u8(0) + u8(0)),
    "free_dmz": free(step("in", u8(0), u8(4), u8(0), tcp(SYN)), leaves(tcp(SYN | ACK, 0, 1), port=4), dmz_host=u8(0)),
    "free_hairpin": free(leaves(), leaves(host=1), step("hairpin", u8(0), u8(1), shape()), filtering=u8(2)),
    # With one address: another one would have the port free.
    "free_quarantine": free(step("addresses", u8(0), u8(1)), leaves(), step("clear"), leaves(host=1),
                            pause("advance", "seconds", u16(130)), leaves(host=1),
                            ports=u8(0) + flag(False), quarantine_seconds=u8(120), quarantine=flag(True)),
    "free_drain": free(leaves(), step("drain", u8(0), u16(60)), session(), leaves(host=1),
                       pause("advance", "seconds", u16(61)), session()),
    "free_drained_and_taken_back": free(leaves(), step("drain", u8(0), u16(60)), step("addresses", u8(0), u8(2)), session(),
                                        leaves(host=1)),
    "free_error": free(leaves(), step("error", u8(0), flag(False), u8(1)), session()),
    "free_limits": free(*[leaves(remote=remote) for remote in range(5)], limits=u8(2) + u8(1) + u8(1) + u8(0)),
    "free_router": free(step("router", u8(0), u8(5), u8(3), shape()), session()),
    "free_tcp": free(leaves(tcp(SYN)), session(what=tcp(SYN | ACK, 0, 1)), session(outward=True, what=tcp(ACK)),
                     session(what=tcp(RST, 0))),
    "free_fragments": free(leaves(shape(vary=13)), leaves(shape(vary=12)), fragments=flag(True)),
    "free_mtu": free(step("mtu", flag(False), u8(4)), leaves(shape(vary=10)), leaves(shape(vary=11))),
    "free_random": free(*[step("random", u32(seed * 2654435761 % 2**32)) for seed in range(200)], wide=False,
                        random=u16(7)),
}
