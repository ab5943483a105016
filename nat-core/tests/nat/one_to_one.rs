//! One-to-one translation (static NAT, RFC 2663 section 4.1.1; Basic NAT for one host): an address
//! for a host of its own.

use core::net::Ipv4Addr;

use crate::world::*;
use nat_core::{
    Config, DropReason, Mapping, Nat, OneToOne, PortForward, PortRange, Protocol, SessionState,
    Side, Tables,
};

use Protocol::{Tcp, Udp};

const RULE: OneToOne = OneToOne {
    external: N2,
    inside: H2,
};

/// [`N2`] belongs to [`H2`]; all others share [`N`].
fn one_to_one() -> World {
    with(|_| ())
}

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(|config| {
        config.external_addresses.push(N2).expect("there is room");
        config.one_to_one.push(RULE).expect("there is room");
        change(config);
    })
}

/// RFC 2663 section 4.1.1: sessions begin on either side, and no port changes.
#[test]
fn ports_are_the_same_on_both_sides() {
    let mut w = one_to_one();
    for port in [1, 80, 1023, 1024, 5000, 65535] {
        assert_eq!(w.open_udp(at(H2, port), at(S1, 53)), at(N2, port));
        assert_eq!(w.open_tcp(at(H2, port), at(S1, 443)).external, at(N2, port));
        w.advance(secs(8000));
        assert_eq!(
            w.inbound(udp(at(S2, 9), at(N2, port)))
                .forwarded()
                .destination(),
            at(H2, port)
        );
        assert_eq!(
            w.outbound(udp(at(H2, port), at(S2, 9)))
                .forwarded()
                .source(),
            at(N2, port)
        );
        assert_eq!(
            Connection::accept(&mut w, at(N2, port), at(S2, 10)).inside,
            at(H2, port)
        );
    }
    assert!(w.sessions().iter().all(|session| session.is_static));
}

/// Packets from any sender get in, also to ports with sessions to others; packets that cannot open
/// a session do not.
#[test]
fn any_sender_reaches_the_host() {
    let mut w = one_to_one();
    w.open_udp(at(H2, 5000), at(S1, 53));
    assert_eq!(
        w.inbound(udp(at(ATTACKER, 9), at(N2, 5000)))
            .forwarded()
            .destination(),
        at(H2, 5000)
    );
    for flags in [ACK, SYN | ACK, FIN | ACK, RST] {
        w.inbound(tcp(at(S1, 9), at(N2, 80), flags))
            .dropped(DropReason::NoSession);
    }
    w.inbound(raw(S1, N2, 47, &[0; 20]))
        .dropped(DropReason::UnknownProtocol);
    assert_eq!(w.sessions().len(), 1);
}

/// A connection from outside is tracked to its end.
#[test]
fn a_connection_from_outside_is_tracked() {
    let mut w = one_to_one();
    let mut connection = Connection::accept(&mut w, at(N2, 22), at(S1, 40000));
    connection.send_from_outside(&mut w, b"hello");
    connection.send_from_inside(&mut w, b"hello yourself");
    w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
    connection.outside_next += 1;
    w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
    assert_eq!(connection.state(&w), SessionState::Closing);
}

/// Pings come in and are answered, without state: the identifier is the host's own.
#[test]
fn pings_come_in_and_are_answered() {
    let mut w = one_to_one();
    for id in [0, 7, 65535] {
        let ping = w.inbound(echo_request(S1, N2, id)).forwarded();
        assert_eq!((*ping.destination().ip(), ping.query_id()), (H2, id));
        let pong = w.outbound(echo_reply(H2, S1, id)).forwarded();
        assert_eq!((*pong.source().ip(), pong.query_id()), (N2, id));
        assert_eq!(
            *w.inbound(timestamp_request(S1, N2, id))
                .forwarded()
                .destination()
                .ip(),
            H2
        );
        assert_eq!(
            *w.outbound(timestamp_reply(H2, S1, id))
                .forwarded()
                .source()
                .ip(),
            N2
        );
    }
    assert_eq!(w.sessions(), []);
    w.inbound(echo_request(S1, N, 7))
        .dropped(DropReason::EchoRefused);
    w.outbound(echo_reply(H1, S1, 7))
        .dropped(DropReason::NoSession);
    w.inbound(echo_request(H1, N2, 7))
        .dropped(DropReason::Martian);
}

/// Its own pings keep their identifier, and replies come back to no other host.
#[test]
fn its_own_pings_keep_their_identifier() {
    let mut w = one_to_one();
    assert_eq!(w.open_echo(H2, S1, 7), 7);
    let other = w.open_echo(H1, S1, 7);
    assert_eq!(
        *w.inbound(echo_reply(S1, N2, 7))
            .forwarded()
            .destination()
            .ip(),
        H2
    );
    assert_eq!(
        *w.inbound(echo_reply(S1, N, other))
            .forwarded()
            .destination()
            .ip(),
        H1
    );
    w.inbound(echo_reply(S1, N2, 8))
        .dropped(DropReason::NoMapping);
}

/// A20, A23: a ping costs a hop in both directions; one that has none left is dropped, answered
/// toward the inside only.
#[test]
fn pings_cost_a_hop() {
    let mut w = one_to_one();
    assert_eq!(
        w.inbound(echo_request(S1, N2, 7).ttl(2)).forwarded().ttl(),
        1
    );
    w.inbound(echo_request(S1, N2, 7).ttl(1))
        .dropped(DropReason::TtlExpired);
    assert_eq!(
        w.outbound(echo_reply(H2, S1, 7).ttl(2)).forwarded().ttl(),
        1
    );
    w.outbound(echo_reply(H2, S1, 7).ttl(1))
        .rejected(DropReason::TtlExpired);
}

/// U13, P1: pings larger than the links are cut, or refused where they must not be.
#[test]
fn large_pings_are_cut() {
    let mut w = with(|config| (config.inside_mtu, config.outside_mtu) = (600, 700));
    let large = |ping: Datagram| ping.payload(&[0x5A; 900]);
    assert_eq!(
        w.inbound(large(echo_request(S1, N2, 7)).may_fragment())
            .fragmented()
            .len(),
        2
    );
    assert_eq!(
        w.outbound(large(echo_reply(H2, S1, 7)).may_fragment())
            .fragmented()
            .len(),
        2
    );
    w.inbound(large(echo_request(S1, N2, 7)))
        .dropped(DropReason::PacketTooBig);
    w.outbound(large(echo_reply(H2, S1, 7)))
        .rejected(DropReason::PacketTooBig);
    for (number, piece) in large(echo_request(S1, N2, 7))
        .may_fragment()
        .cut(&[480])
        .iter()
        .enumerate()
    {
        assert_eq!(
            *w.inbound(piece).forwarded().destination().ip(),
            H2,
            "fragment {number}"
        );
    }
    let pieces: Vec<_> = large(echo_reply(H2, S1, 7)).may_fragment().cut(&[480]);
    let out = pieces
        .iter()
        .map(|piece| w.outbound(piece).forwarded())
        .collect::<Vec<_>>();
    assert_eq!(
        (
            *reassemble(&out).source().ip(),
            reassemble(&out).is_intact()
        ),
        (N2, true)
    );
}

/// No other host gets the address, whatever is free, for any protocol; nor does the router itself.
#[test]
fn no_other_host_gets_the_address() {
    let mut w = one_to_one();
    for i in 0..40 {
        assert_eq!(*w.open_udp(at(H1, 5000 + i), at(S1, 53)).ip(), N);
        w.advance(secs(1000));
        assert_eq!(
            *w.outbound(echo_request(H3, S1, 7 + i))
                .forwarded()
                .source()
                .ip(),
            N
        );
    }
    assert_eq!(
        *w.router_sends(udp(at(N2, 5353), at(S1, 53)))
            .forwarded()
            .source()
            .ip(),
        N
    );
    let of_router = w
        .router_sends(udp(at(N, 5353), at(S1, 53)))
        .forwarded()
        .source();
    w.inbound(udp(at(S1, 53), of_router)).local(Side::Outside);
}

/// So also where it is the only one: then others have none, which is counted like any shortage of
/// ports.
#[test]
fn no_other_host_gets_the_only_address() {
    let mut w = World::with(|config| {
        config.one_to_one.extend([OneToOne {
            external: N,
            inside: H2,
        }]);
    });
    w.outbound(udp(at(H1, 5000), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN))
        .rejected(DropReason::PortsExhausted);
    w.outbound(echo_request(H1, S1, 7))
        .rejected(DropReason::PortsExhausted);
    w.router_sends(udp(at(N, 5353), at(S1, 53)))
        .dropped(DropReason::PortsExhausted);
    assert_eq!(w.stats().gateway().error_port_allocation, 4);
    assert_eq!(w.open_udp(at(H2, 5000), at(S1, 53)), at(N, 5000));
    assert_eq!(w.open_echo(H2, S1, 7), 7);
}

/// I3 to I5: errors about its sessions go both ways, those of routers inside included.
#[test]
fn errors_go_both_ways() {
    let mut w = one_to_one();
    let sent = w.outbound(udp(at(H2, 5000), at(S1, 53))).forwarded();
    let received = w
        .inbound(icmp_error(TRANSIT, N2, (11, 0), &sent.bytes()))
        .forwarded();
    assert_eq!(
        (*received.destination().ip(), received.quote().source()),
        (H2, at(H2, 5000))
    );
    let arrived = w.inbound(udp(at(ATTACKER, 9), at(N2, 80))).forwarded();
    for from in [H2, H3] {
        let error = w
            .outbound(icmp_error(from, ATTACKER, (3, 3), &arrived.bytes()))
            .forwarded();
        assert_eq!(
            (*error.source().ip(), error.quote().destination()),
            (N2, at(N2, 80))
        );
    }
    let unsent = udp(at(N2, 80), at(S1, 53)).bytes();
    w.inbound(icmp_error(S1, N2, (3, 3), &unsent))
        .dropped(DropReason::NoSession);
}

/// I4, I5: errors about pings from outside, and about the replies, pass translated like those about
/// packets with ports: traceroute sees the routers on the path, and path MTU discovery works.
#[test]
fn errors_about_pings_go_both_ways() {
    let mut w = one_to_one();
    for (request, reply) in [
        (
            echo_request(S1, N2, 7).payload(&[5; 40]),
            echo_reply(H2, S1, 7).payload(&[5; 40]),
        ),
        (timestamp_request(S1, N2, 7), timestamp_reply(H2, S1, 7)),
    ] {
        let ping = w.inbound(&request).forwarded();
        for reporter in [H2, H3] {
            let received = w
                .outbound(icmp_error(reporter, S1, (11, 0), &ping.bytes()))
                .forwarded();
            assert_eq!(
                (
                    *received.source().ip(),
                    *received.destination().ip(),
                    received.icmp_type()
                ),
                (N2, S1, (11, 0))
            );
            let quote = received.quote();
            assert_eq!(
                (
                    *quote.source().ip(),
                    *quote.destination().ip(),
                    quote.query_id()
                ),
                (S1, N2, 7)
            );
        }
        let pong = w.outbound(&reply).forwarded();
        for reporter in [S1, TRANSIT] {
            let too_big = icmp_error(reporter, N2, (3, 4), &pong.bytes()[..28]).rest([0, 0, 5, 0]);
            let received = w.inbound(too_big).forwarded();
            assert_eq!(
                (
                    *received.source().ip(),
                    *received.destination().ip(),
                    received.icmp_type()
                ),
                (reporter, H2, (3, 4))
            );
            let quote = received.quote();
            assert_eq!(
                (
                    *quote.source().ip(),
                    *quote.destination().ip(),
                    quote.query_id()
                ),
                (H2, S1, 7)
            );
        }
    }
    assert_eq!(w.sessions(), []);
}

/// I4, I5, A11: an error about a ping that cannot have come in, or a reply that cannot have gone
/// out, is dropped.
#[test]
fn errors_about_pings_of_other_hosts_are_dropped() {
    let mut w = one_to_one();
    let about = |quoted: Datagram| quoted.bytes();
    for (from, to, quoted) in [
        (H1, S1, about(echo_request(S1, H1, 7))),
        (H2, S1, about(echo_request(S2, H2, 7))),
        (H2, S1, about(echo_reply(S1, H2, 7))),
        (H2, N, about(echo_request(N, H2, 7))),
        (H1, N2, about(echo_reply(N2, H1, 7))),
        (H2, N, about(echo_reply(N, H2, 7))),
    ] {
        let outcome = w.outbound(icmp_error(from, to, (11, 0), &quoted));
        assert!(
            matches!(outcome, Outcome::Dropped(_)),
            "{from} to {to}: {outcome:?}"
        );
    }
    for (to, quoted) in [
        (N, about(echo_reply(N, S1, 7))),
        (N2, about(echo_reply(N, S1, 7))),
        (N2, about(echo_reply(H2, S1, 7))),
        (N2, about(echo_request(N2, S1, 7))),
    ] {
        let outcome = w.inbound(icmp_error(TRANSIT, to, (11, 0), &quoted));
        assert!(
            matches!(outcome, Outcome::Dropped(_)),
            "to {to}: {outcome:?}"
        );
    }
}

/// I7: errors about pings that hairpin, and about their replies, come back by hairpin as long as
/// who asks has a session.
#[test]
fn errors_about_hairpinned_pings_come_back() {
    let mut w = one_to_one();
    let ping = w.outbound(echo_request(H1, N2, 7)).forwarded();
    let received = w
        .outbound(icmp_error(H3, N, (11, 0), &ping.bytes()))
        .forwarded();
    assert_eq!(
        (*received.source().ip(), *received.destination().ip()),
        (N2, H1)
    );
    let quote = received.quote();
    assert_eq!(
        (
            *quote.source().ip(),
            *quote.destination().ip(),
            quote.query_id()
        ),
        (H1, N2, 7),
        "as it was sent"
    );

    let reply = echo_reply(H2, N, ping.query_id());
    let pong = w.outbound(&reply).forwarded();
    let received = w
        .outbound(icmp_error(H1, N2, (3, 4), &pong.bytes()).rest([0, 0, 5, 0]))
        .forwarded();
    assert_eq!(
        (*received.source().ip(), *received.destination().ip()),
        (N, H2)
    );
    let quote = received.quote();
    let (source, destination) = (*quote.source().ip(), *quote.destination().ip());
    assert_eq!(
        (source, destination, quote.query_id()),
        (H2, N, ping.query_id()),
        "as it was sent"
    );

    w.advance(secs(61));
    w.outbound(icmp_error(H3, N, (11, 0), &ping.bytes()))
        .dropped(DropReason::NoSession);
    w.outbound(icmp_error(H1, N2, (3, 4), &pong.bytes()))
        .dropped(DropReason::NoSession);
}

/// U9, T8: other inside hosts reach it by its external address, and it reaches them, each by the
/// ends that the outside knows.
#[test]
fn it_hairpins_in_both_directions() {
    let mut w = one_to_one();
    let syn = w
        .outbound(tcp(at(H1, 5000), at(N2, 80), SYN).seq(10))
        .forwarded();
    assert_eq!((syn.destination(), *syn.source().ip()), (at(H2, 80), N));
    let answer = w
        .outbound(tcp(at(H2, 80), syn.source(), SYN | ACK).seq(90).ack(11))
        .forwarded();
    assert_eq!(
        (answer.source(), answer.destination()),
        (at(N2, 80), at(H1, 5000))
    );
    w.outbound(tcp(at(H1, 5000), at(N2, 80), ACK).seq(11).ack(91))
        .forwarded();
    assert_eq!(
        w.session(at(H2, 80), syn.source()).state,
        SessionState::Established
    );
    w.nat
        .add_port_forward(PortForward::new(Udp, 53, at(H3, 53)))
        .expect("the port forward is accepted");
    let query = w.outbound(udp(at(H2, 5353), at(N, 53))).forwarded();
    assert_eq!(
        (query.source(), query.destination()),
        (at(N2, 5353), at(H3, 53))
    );
    let reply = w.outbound(udp(at(H3, 53), at(N2, 5353))).forwarded();
    assert_eq!(
        (reply.source(), reply.destination()),
        (at(N, 53), at(H2, 5353))
    );
    let itself = w.outbound(udp(at(H2, 6000), at(N2, 6001))).forwarded();
    assert_eq!(
        (itself.source(), itself.destination()),
        (at(N2, 6000), at(H2, 6001))
    );
}

/// X12 (RFC 7857 section 12): inside hosts ping it by its external address too, and know each other
/// by those alone.
#[test]
fn pings_hairpin_to_it() {
    let mut w = one_to_one();
    for asker in [H1, H2] {
        let ping = w.outbound(echo_request(asker, N2, 7)).forwarded();
        assert_eq!(*ping.destination().ip(), H2);
        let (seen, id) = (*ping.source().ip(), ping.query_id());
        assert_eq!(seen, if asker == H1 { N } else { N2 });
        let pong = w.outbound(echo_reply(H2, seen, id)).forwarded();
        assert_eq!(
            (
                *pong.source().ip(),
                *pong.destination().ip(),
                pong.query_id()
            ),
            (N2, asker, 7)
        );
    }
    w.outbound(echo_request(H2, N, 7))
        .dropped(DropReason::Hairpin);
    w.outbound(echo_reply(H1, N2, 7))
        .dropped(DropReason::Hairpin);
    w.outbound(echo_reply(H2, N, 9))
        .dropped(DropReason::NoMapping);
    let elsewhere = w.open_echo(H3, S1, 7);
    w.outbound(echo_reply(H2, N, elsewhere))
        .dropped(DropReason::NoSession);
    w.outbound(echo_request(H1, N2, 8).ttl(1))
        .rejected(DropReason::TtlExpired);
    w.outbound(echo_request(H1, N2, 8).checksum(Checksum::OffBy(1)))
        .dropped(DropReason::BadChecksum);
}

/// U6a, A20: the reply of a ping that hairpins keeps the asker's session, and costs a hop as the
/// ping does.
#[test]
fn hairpinned_replies_are_tracked() {
    let mut w = one_to_one();
    let ping = w.outbound(echo_request(H1, N2, 7)).forwarded();
    let reply = echo_reply(H2, *ping.source().ip(), ping.query_id());
    for _ in 0..2 {
        w.advance(secs(40));
        w.outbound(&reply).forwarded();
        w.outbound(reply.clone().ttl(1))
            .rejected(DropReason::TtlExpired);
        w.outbound(echo_request(H1, N2, 7)).forwarded();
    }
    w.advance(secs(40));
    w.outbound(&reply).forwarded();
    w.advance(secs(40));
    w.outbound(&reply).forwarded();
    w.advance(secs(60));
    w.outbound(&reply).dropped(DropReason::NoMapping);
}

/// What the router has asked an address before that became one of its own is not answered from
/// inside.
#[test]
fn the_routers_old_queries_are_not_answered_from_inside() {
    let mut w = World::with(|config| config.one_to_one.push(RULE).expect("there is room"));
    let id = w
        .router_sends(echo_request(N, N2, 7))
        .forwarded()
        .query_id();
    w.set_external_addresses(&[N, N2])
        .expect("the addresses can work");
    w.outbound(echo_reply(H2, N, id))
        .dropped(DropReason::Hairpin);
}

/// U7, A21: where the networks overlap, no host inside gets what seems to come from itself.
#[test]
fn a_ping_from_its_own_number_is_dropped() {
    let external = Ipv4Addr::new(192, 168, 1, 77);
    let mut w = World::with(|config| {
        config
            .external_addresses
            .push(external)
            .expect("there is room");
        config
            .one_to_one
            .push(OneToOne {
                external,
                inside: H2,
            })
            .expect("there is room");
    });
    w.inbound(echo_request(H2, external, 7))
        .dropped(DropReason::Land);
    w.inbound(udp(at(H2, 9), at(external, 80)))
        .dropped(DropReason::Land);
    assert_eq!(
        *w.inbound(echo_request(H1, external, 7))
            .forwarded()
            .destination()
            .ip(),
        H2
    );
}

/// The ports that the router keeps are closed there too, and the host leaves from others.
#[test]
fn reserved_ports_are_closed() {
    let mut w = with(|config| config.reserved_ports = PortRange::new(6000, 6009));
    w.inbound(udp(at(S1, 9), at(N2, 6005)))
        .dropped(DropReason::NoMapping);
    let external = w.open_udp(at(H2, 6005), at(S1, 53));
    assert!(
        *external.ip() == N2 && !(6000..6010).contains(&external.port()),
        "{external}"
    );
    // Nothing that is configured later ends it.
    w.nat
        .add_port_forward(PortForward::new(Tcp, 8080, at(H1, 80)))
        .expect("the port forward is accepted");
    assert_eq!(
        w.inbound(udp(at(S1, 53), external))
            .forwarded()
            .destination(),
        at(H2, 6005)
    );
}

/// While the address is not the NAT's the rule rests: the host is like any other, and nothing ends
/// its sessions.
#[test]
fn the_rule_waits_for_its_address() {
    let mut w = World::with(|config| config.one_to_one.push(RULE).expect("there is room"));
    w.inbound(udp(at(S1, 9), at(N2, 80)))
        .dropped(DropReason::NotForUs);
    let shared = w.open_udp(at(H2, 5000), at(S1, 53));
    assert_eq!(*shared.ip(), N);
    w.outbound(echo_reply(H2, S1, 7))
        .dropped(DropReason::NoSession);
    w.nat
        .add_port_forward(PortForward::new(Tcp, 8080, at(H1, 80)))
        .expect("the port forward is accepted");
    w.set_external_addresses(&[N, N3])
        .expect("the addresses can work");
    assert_eq!(
        w.inbound(udp(at(S1, 53), shared)).forwarded().destination(),
        at(H2, 5000)
    );
    w.set_external_addresses(&[N, N3, N2])
        .expect("the addresses can work");
    w.inbound(udp(at(S1, 53), shared))
        .dropped(DropReason::NoMapping);
    assert_eq!(w.open_udp(at(H2, 5000), at(S1, 53)), at(N2, 5000));
    assert_eq!(
        *w.inbound(echo_request(S1, N2, 7))
            .forwarded()
            .destination()
            .ip(),
        H2
    );
    w.set_external_addresses(&[N3])
        .expect("the addresses can work");
    assert_eq!(*w.open_udp(at(H2, 5000), at(S1, 53)).ip(), N3);
    w.inbound(echo_request(S1, N2, 7))
        .dropped(DropReason::NotForUs);
}

/// A port forward on the address comes first, and its port is never the host's.
#[test]
fn a_port_forward_on_the_address_comes_first() {
    let mut w = one_to_one();
    let mut forward = PortForward::new(Udp, 8080, at(H1, 80));
    forward.external_address = Some(N2);
    w.nat
        .add_port_forward(forward)
        .expect("the port forward is accepted");
    assert_eq!(
        w.inbound(udp(at(S1, 9), at(N2, 8080)))
            .forwarded()
            .destination(),
        at(H1, 80)
    );
    let own = w.open_udp(at(H2, 8080), at(S1, 9));
    assert!(*own.ip() == N2 && own.port() != 8080, "{own}");
    assert_eq!(
        w.inbound(udp(at(S1, 9), at(N2, 8080)))
            .forwarded()
            .destination(),
        at(H1, 80)
    );
    assert_eq!(
        w.outbound(udp(at(H1, 80), at(S1, 9))).forwarded().source(),
        at(N2, 8080)
    );
    assert_eq!(
        w.inbound(udp(at(S1, 9), at(N2, 8081)))
            .forwarded()
            .destination(),
        at(H2, 8081)
    );
}

/// U1: an endpoint of the host that a port forward names has that external endpoint, and no other.
#[test]
fn a_forwarded_endpoint_of_the_host_has_one_external_endpoint() {
    let mut w = one_to_one();
    w.nat
        .add_port_forward(PortForward::new(Tcp, 8080, at(H2, 80)))
        .expect("the port forward is accepted");
    assert_eq!(
        Connection::accept(&mut w, at(N, 8080), at(S1, 9)).inside,
        at(H2, 80)
    );
    w.inbound(tcp(at(S2, 9), at(N2, 80), SYN))
        .dropped(DropReason::NoMapping);
    assert_eq!(
        Connection::accept(&mut w, at(N2, 8080), at(S1, 9)).inside,
        at(H2, 8080)
    );
}

/// A port forward that rests leaves the endpoint to the other rule.
#[test]
fn a_resting_forward_leaves_the_endpoint_to_one_to_one_translation() {
    let mut w = one_to_one();
    let mut forward = PortForward::new(Tcp, 8080, at(H2, 80));
    forward.external_address = Some(N3);
    w.nat
        .add_port_forward(forward)
        .expect("the port forward is accepted");
    assert_eq!(
        Connection::accept(&mut w, at(N2, 80), at(S1, 9)).inside,
        at(H2, 80)
    );
}

/// With ports that overlap, its own stay its own.
#[test]
fn it_works_with_overlapping_ports() {
    let mut w = with(|config| config.mapping = Mapping::AddressAndPortDependent);
    for remote in [at(S1, 53), at(S2, 53)] {
        assert_eq!(w.open_udp(at(H2, 5000), remote), at(N2, 5000));
    }
    assert_eq!(
        w.inbound(udp(at(ATTACKER, 9), at(N2, 5000)))
            .forwarded()
            .destination(),
        at(H2, 5000)
    );
    assert_eq!(
        Connection::accept(&mut w, at(N2, 80), at(S1, 9)).inside,
        at(H2, 80)
    );
    assert_eq!(*w.open_udp(at(H1, 5000), at(S1, 53)).ip(), N);
}

/// Rules that cannot work, or that name an address twice, are refused.
#[test]
fn impossible_rules_are_refused() {
    let rule = |external, inside| OneToOne { external, inside };
    let broadcast = Ipv4Addr::new(192, 168, 1, 255);
    let cases = [
        vec![rule(N2, S1)],
        vec![rule(N2, ROUTER)],
        vec![rule(N2, broadcast)],
        vec![rule(Ipv4Addr::UNSPECIFIED, H2)],
        vec![rule(Ipv4Addr::new(224, 0, 0, 1), H2)],
        vec![rule(N2, H2), rule(N2, H1)],
        vec![rule(N2, H2), rule(N3, H2)],
    ];
    for rules in cases {
        let mut config = config();
        config.one_to_one.extend(rules.iter().copied());
        let mut tables = Tables::<4, 4, 4>::new();
        let error = Nat::new(&mut tables, config, SEED)
            .map(drop)
            .expect_err("cannot work");
        assert_eq!(error.field, "one_to_one", "{rules:?}");
    }
}
