//! Destinations that are reached without translation: RFC 6888 REQ-6.

use core::net::Ipv4Addr;

use crate::world::*;
use nat_core::{
    Cidr, Config, DropReason, Filtering, Mapping, OneToOne, PortForward, PortRange, Protocol,
    SessionState, Untranslated,
};

/// A host of the untranslated network, and another.
const U: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 9);
const U2: Ipv4Addr = Ipv4Addr::new(10, 20, 255, 9);

fn network(text: &str) -> Cidr {
    let (address, len) = text.split_once('/').expect("a prefix");
    Cidr::new(
        address.parse().expect("an address"),
        len.parse().expect("a length"),
    )
    .expect("a prefix length")
}

fn entry(of: &str, ports: Option<PortRange>) -> Untranslated {
    Untranslated {
        network: network(of),
        ports,
    }
}

/// A world that does not translate toward 10.20.0.0/16.
fn world() -> World {
    with(|_| ())
}

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(|config| {
        config
            .untranslated
            .push(entry("10.20.0.0/16", None))
            .expect("there is room");
        change(config);
    })
}

/// What leaves must be, byte for byte: `sent` with one hop less.
fn one_hop_later(sent: &Datagram) -> Vec<u8> {
    let ttl = sent.ip.time_to_live;
    sent.clone().ttl(ttl - 1).bytes()
}

/// G6: nothing but the time to live changes, not even the identification of what may be fragmented.
#[test]
fn what_goes_there_changes_in_nothing_but_its_time_to_live() {
    let mut w = world();
    let packets = [
        udp(at(H1, 5000), at(U, 53)),
        udp(at(H1, 5000), at(U, 53))
            .may_fragment()
            .id(0x4321)
            .tos(0xB9),
        udp(at(H1, 5000), at(U, 53))
            .checksum(Checksum::Zero)
            .options(&[148, 4, 0, 0]),
        tcp(at(H1, 80), at(U, 80), SYN).may_fragment().id(7),
        echo_request(H1, U, 7).may_fragment().id(8),
        timestamp_request(H1, U, 7),
    ];
    for sent in packets {
        assert_eq!(w.outbound(&sent).forwarded().bytes(), one_hop_later(&sent));
    }
}

/// G6: answers come back to the inside address, and change as little.
#[test]
fn answers_come_in() {
    let mut w = world();
    w.open_udp(at(H1, 5000), at(U, 53));
    w.open_echo(H1, U, 7);
    for answer in [
        udp(at(U, 53), at(H1, 5000)).may_fragment().id(0x4321),
        echo_reply(U, H1, 7),
    ] {
        assert_eq!(
            w.inbound(&answer).forwarded().bytes(),
            one_hop_later(&answer)
        );
    }
    let session = w.session(at(H1, 5000), at(U, 53));
    assert_eq!((session.external, session.is_static), (at(H1, 5000), false));
}

/// AWS-direction: what the network sends by itself stays out, whatever it is sent to.
#[test]
fn unsolicited_packets_from_there_are_dropped() {
    let mut w = world();
    w.open_udp(at(H1, 5000), at(U, 53));
    w.open_echo(H1, U, 7);
    for source in [at(U, 54), at(U2, 53)] {
        w.inbound(udp(source, at(H1, 5000)))
            .dropped(DropReason::Filtered);
    }
    for port in [5001, 53] {
        w.inbound(udp(at(U, 53), at(H1, port)))
            .dropped(DropReason::InsideDestination);
    }
    w.inbound(udp(at(U, 53), at(H2, 5000)))
        .dropped(DropReason::InsideDestination);
    w.inbound(tcp(at(U, 53), at(H1, 5000), SYN))
        .dropped(DropReason::InsideDestination);
    w.inbound(udp(at(U, 53), at(ROUTER, 5000)))
        .dropped(DropReason::InsideDestination);
    w.inbound(echo_request(U, H1, 7))
        .dropped(DropReason::NoSession);
    w.inbound(echo_reply(U, H1, 8))
        .dropped(DropReason::InsideDestination);
    w.inbound(echo_reply(U2, H1, 7))
        .dropped(DropReason::Filtered);
    w.inbound(raw(U, H1, 47, &[0; 20]))
        .dropped(DropReason::UnknownProtocol);
}

/// A1, U8: no other host reaches an inside address, whatever the filter, and whatever session there
/// is.
#[test]
fn no_other_host_reaches_an_inside_address() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = with(|config| config.filtering = filtering);
        w.open_udp(at(H1, 5000), at(U, 53));
        w.open_echo(H1, U, 7);
        w.open_udp(at(H1, 5000), at(S1, 53));
        for stranger in [S1, ATTACKER] {
            w.inbound(udp(at(stranger, 53), at(H1, 5000)))
                .dropped(DropReason::InsideDestination);
            w.inbound(echo_reply(stranger, H1, 7))
                .dropped(DropReason::InsideDestination);
            w.inbound(tcp(at(stranger, 53), at(H1, 5000), SYN))
                .dropped(DropReason::InsideDestination);
            w.inbound(echo_request(stranger, H1, 7))
                .dropped(DropReason::NoSession);
        }
    }
}

/// U8: of the network itself, an open filter admits what it admits elsewhere.
#[test]
fn the_filter_holds_within_the_network() {
    use Filtering::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    for (filtering, same_host, other_host) in [
        (AddressAndPortDependent, false, false),
        (AddressDependent, true, false),
        (EndpointIndependent, true, true),
    ] {
        let mut w = with(|config| config.filtering = filtering);
        w.open_udp(at(H1, 5000), at(U, 53));
        assert_eq!(
            w.inbound(udp(at(U, 54), at(H1, 5000))).is_forwarded(),
            same_host
        );
        assert_eq!(
            w.inbound(udp(at(U2, 53), at(H1, 5000))).is_forwarded(),
            other_host
        );
        assert_eq!(w.sessions().len(), 1);
    }
}

/// With no such destination, inside addresses neither leave nor are reached (A18).
#[test]
fn without_such_destinations_nothing_is_different() {
    let mut w = World::new();
    assert_eq!(*w.open_udp(at(H1, 5000), at(U, 53)).ip(), N);
    w.inbound(udp(at(U, 53), at(H1, 5000)))
        .dropped(DropReason::InsideDestination);
    w.inbound(echo_request(U, H1, 7))
        .dropped(DropReason::InsideDestination);
}

/// The network ends at its ends.
#[test]
fn the_network_ends_at_its_ends() {
    let mut w = world();
    for within in [Ipv4Addr::new(10, 20, 0, 0), Ipv4Addr::new(10, 20, 255, 255)] {
        assert_eq!(*w.open_udp(at(H1, 5000), at(within, 53)).ip(), H1);
    }
    for beyond in [Ipv4Addr::new(10, 19, 255, 255), Ipv4Addr::new(10, 21, 0, 0)] {
        assert_eq!(*w.open_udp(at(H1, 5000), at(beyond, 53)).ip(), N);
    }
}

/// An inside endpoint talks both ways at once, and the two do not mix.
#[test]
fn an_endpoint_has_translated_sessions_beside_untranslated_ones() {
    let mut w = world();
    assert_eq!(w.open_udp(at(H1, 5000), at(U, 53)), at(H1, 5000));
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    assert_eq!(*external.ip(), N);
    assert_eq!(w.open_udp(at(H1, 5000), at(U, 53)), at(H1, 5000));
    assert_eq!(
        w.inbound(udp(at(U, 53), at(H1, 5000)))
            .forwarded()
            .destination(),
        at(H1, 5000)
    );
    assert_eq!(
        w.inbound(udp(at(S1, 53), external))
            .forwarded()
            .destination(),
        at(H1, 5000)
    );
    w.inbound(udp(at(U, 53), external))
        .dropped(DropReason::Filtered);
    w.inbound(udp(at(S1, 53), at(H1, 5000)))
        .dropped(DropReason::InsideDestination);
    assert_eq!(w.sessions().len(), 2);
    w.set_external_addresses(&[N2])
        .expect("the address can work");
    assert_eq!(
        w.sessions().len(),
        1,
        "only what was translated has lost its address"
    );
    assert_eq!(
        w.inbound(udp(at(U, 53), at(H1, 5000)))
            .forwarded()
            .destination(),
        at(H1, 5000)
    );
}

/// S1 to S4, T5: TCP has the same states, the same checks and the same answers to what is stale.
#[test]
fn connections_are_tracked_like_others() {
    let mut w = world();
    let mut connection = w.open_tcp(at(H1, 5000), at(U, 80));
    assert_eq!(
        (connection.external, connection.state(&w)),
        (at(H1, 5000), SessionState::Established)
    );
    connection.send_from_inside(&mut w, b"GET /");
    connection.send_from_outside(&mut w, b"200 OK");
    w.inbound(
        connection
            .outside_sends(RST)
            .seq(connection.outside_next + 77),
    )
    .forwarded();
    assert_eq!(
        connection.state(&w),
        SessionState::Established,
        "an inexact RST has no effect"
    );
    w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
    connection.outside_next += 1;
    assert_eq!(connection.state(&w), SessionState::OutsideFin);
    w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
    assert_eq!(connection.state(&w), SessionState::Closing);
    w.advance(secs(240));
    w.outbound(connection.inside_sends(ACK))
        .rejected(DropReason::NoSession);
    w.inbound(connection.outside_sends(ACK))
        .dropped(DropReason::InsideDestination);
    w.outbound(tcp(at(H1, 6000), at(U, 80), SYN | ACK))
        .rejected(DropReason::NoSession);
    assert_eq!(w.stats().gateway().connection_established_count, 1);
}

/// U5: their sessions end by the same timers.
#[test]
fn sessions_end_by_their_timers() {
    let mut w = world();
    w.open_udp(at(H1, 5000), at(U, 53));
    w.advance(secs(299));
    w.inbound(udp(at(U, 53), at(H1, 5000))).forwarded();
    w.advance(secs(300));
    w.inbound(udp(at(U, 53), at(H1, 5000)))
        .dropped(DropReason::InsideDestination);
}

/// I3 to I5: errors go both ways and quote what was sent; forged ones do not.
#[test]
fn errors_go_both_ways() {
    let mut w = world();
    for sent in [
        udp(at(H1, 5000), at(U, 53)),
        tcp(at(H1, 5000), at(U, 80), SYN),
        echo_request(H1, U, 7),
    ] {
        let left = w.outbound(&sent).forwarded();
        let error = icmp_error(TRANSIT, H1, (11, 0), &left.bytes());
        assert_eq!(w.inbound(&error).forwarded().bytes(), one_hop_later(&error));
        let answer = match sent.ip.protocol {
            etherparse::IpNumber::ICMP => echo_reply(U, H1, 7),
            etherparse::IpNumber::UDP => udp(at(U, 53), at(H1, 5000)),
            _ => tcp(at(U, 80), at(H1, 5000), SYN | ACK).seq(7).ack(1001),
        };
        let arrived = w.inbound(&answer).forwarded();
        for from in [H1, H2] {
            let error = icmp_error(from, U, (3, 1), &arrived.bytes())
                .may_fragment()
                .id(9);
            assert_eq!(
                w.outbound(&error).forwarded().bytes(),
                one_hop_later(&error)
            );
        }
    }
    let unsent = udp(at(H1, 5001), at(U, 53)).bytes();
    w.inbound(icmp_error(TRANSIT, H1, (11, 0), &unsent))
        .dropped(DropReason::NoSession);
    let never_came = udp(at(U, 53), at(H1, 5001)).bytes();
    w.outbound(icmp_error(H1, U, (3, 3), &never_came))
        .dropped(DropReason::NoSession);
    let translated_ones = udp(at(H1, 5000), at(S1, 53)).bytes();
    w.inbound(icmp_error(TRANSIT, H1, (11, 0), &translated_ones))
        .dropped(DropReason::NoSession);
}

/// U13, U14, X10: fragments pass as they are, in any order, with the identification that they have.
#[test]
fn fragments_pass_as_they_are() {
    let mut w = world();
    let sent = udp(at(H1, 5000), at(U, 53))
        .payload(&[0x5A; 400])
        .may_fragment()
        .id(0x4321);
    let answer = udp(at(U, 53), at(H1, 5000))
        .payload(&[0xA5; 400])
        .may_fragment()
        .id(0x4321);
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        for (datagram, inside) in [(&sent, true), (&answer, false)] {
            let mut arrived = Vec::new();
            for number in order {
                let piece = &datagram.cut(&[104, 96])[number];
                let outcome = if inside {
                    w.outbound(piece)
                } else {
                    w.inbound(piece)
                };
                match outcome {
                    Outcome::Held => {}
                    other => arrived.push(other.forwarded()),
                }
                arrived.extend(w.released());
            }
            assert_eq!(reassemble(&arrived).bytes(), one_hop_later(datagram));
        }
        w.advance(secs(20));
    }
    let strangers = udp(at(ATTACKER, 53), at(H1, 5000))
        .payload(&[0; 400])
        .may_fragment();
    for (number, piece) in strangers.cut(&[104, 96]).iter().enumerate() {
        let outcome = w.inbound(piece);
        assert!(!outcome.is_forwarded(), "fragment {number}: {outcome:?}");
    }
}

/// U13a, P1: what is larger than a link is cut, or answered, as if it were translated.
#[test]
fn large_packets_are_cut_or_answered() {
    let mut w = with(|config| (config.inside_mtu, config.outside_mtu) = (600, 700));
    let large = udp(at(H1, 5000), at(U, 53)).payload(&[0x5A; 900]);
    w.outbound(&large).rejected(DropReason::PacketTooBig);
    let pieces = w.outbound(large.clone().may_fragment()).fragmented();
    assert_eq!(
        reassemble(&pieces).bytes(),
        one_hop_later(&large.may_fragment())
    );
    let answer = udp(at(U, 53), at(H1, 5000)).payload(&[0x5A; 900]);
    w.inbound(&answer).rejected(DropReason::PacketTooBig);
    assert_eq!(w.inbound(answer.may_fragment()).fragmented().len(), 2);
}

/// RFC 1812 section 4.3.2.4: an error about what is not translated has an address of the router for
/// its source, not that of the host it was sent to.
#[test]
fn errors_come_from_the_router() {
    let mut w = with(|config| config.inside_mtu = 576);
    w.open_udp(at(H1, 5000), at(U, 53));
    let expired = w
        .inbound(udp(at(U, 53), at(H1, 5000)).ttl(1))
        .rejected(DropReason::TtlExpired);
    let too_big = udp(at(U, 53), at(H1, 5000)).payload(&[7; 1000]);
    let too_big = w.inbound(too_big).rejected(DropReason::PacketTooBig);
    for answer in [expired, too_big] {
        assert_eq!(
            (*answer.source().ip(), *answer.destination().ip()),
            (w.nat.config().inside.address(), U)
        );
    }
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let translated = w
        .inbound(udp(at(S1, 53), external).ttl(1))
        .rejected(DropReason::TtlExpired);
    assert_eq!(translated.source().ip(), external.ip());
}

/// A20: a hop is a hop.
#[test]
fn the_time_to_live_is_used_up() {
    let mut w = world();
    w.outbound(udp(at(H1, 5000), at(U, 53)).ttl(1))
        .rejected(DropReason::TtlExpired);
    w.open_udp(at(H1, 5000), at(U, 53));
    w.inbound(udp(at(U, 53), at(H1, 5000)).ttl(1))
        .rejected(DropReason::TtlExpired);
    w.inbound(udp(at(U, 54), at(H1, 5000)).ttl(1))
        .dropped(DropReason::Filtered);
}

/// An entry of some ports is for them alone: what goes to others, and pings, is translated.
#[test]
fn an_entry_may_be_of_some_ports() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
    ] {
        let mut w = World::with(|config| {
            config.filtering = filtering;
            config
                .untranslated
                .extend([entry("10.20.0.0/16", PortRange::new(80, 89))]);
        });
        for port in [80, 89] {
            assert_eq!(w.open_udp(at(H1, 5000), at(U, port)), at(H1, 5000));
            assert_eq!(w.open_tcp(at(H1, 5000), at(U, port)).external, at(H1, 5000));
        }
        for port in [79, 90] {
            let external = w.open_udp(at(H1, 5000), at(U, port));
            assert_eq!(*external.ip(), N);
            assert_eq!(
                w.inbound(udp(at(U, port), external))
                    .forwarded()
                    .destination(),
                at(H1, 5000)
            );
            w.inbound(udp(at(U, port), at(H1, 5000)))
                .dropped(DropReason::InsideDestination);
        }
        assert_eq!(
            *w.outbound(echo_request(H1, U, 7)).forwarded().source().ip(),
            N
        );
        let large = udp(at(H1, 5000), at(U, 80))
            .payload(&[0x5A; 400])
            .may_fragment()
            .id(77);
        let pieces: Vec<_> = large
            .cut(&[104])
            .iter()
            .map(|piece| w.outbound(piece).forwarded())
            .collect();
        assert_eq!(reassemble(&pieces).bytes(), one_hop_later(&large));
    }
}

/// Several entries: each is for itself.
#[test]
fn several_entries_add_up() {
    let mut w = with(|config| {
        config.untranslated.extend([
            entry("10.30.0.0/24", PortRange::new(1, 10)),
            entry("10.30.0.9/32", None),
        ]);
    });
    let (some, all) = (Ipv4Addr::new(10, 30, 0, 1), Ipv4Addr::new(10, 30, 0, 9));
    for (to, kept) in [
        (at(U, 53), true),
        (at(some, 10), true),
        (at(some, 11), false),
        (at(all, 11), true),
    ] {
        assert_eq!(*w.open_udp(at(H1, 5000), to).ip() == H1, kept, "{to}");
    }
}

/// Without an external address they are reached all the same.
#[test]
fn no_external_address_is_needed() {
    let mut w = with(|config| config.external_addresses.clear());
    assert_eq!(w.open_tcp(at(H1, 5000), at(U, 80)).external, at(H1, 5000));
    w.open_echo(H1, U, 7);
    assert_eq!(w.inbound(echo_reply(U, H1, 7)).forwarded().query_id(), 7);
    w.outbound(udp(at(H1, 5000), at(S1, 53)))
        .rejected(DropReason::AddressMissing);
    w.set_external_addresses(&[N])
        .expect("the address can work");
    assert_eq!(*w.open_udp(at(H1, 5000), at(S1, 53)).ip(), N);
    assert_eq!(w.sessions().len(), 3, "the sessions go on");
}

/// U9a: an external address is the NAT's own, though the network of such destinations has it.
#[test]
fn an_external_address_of_the_network_is_hairpinned() {
    let mut w = with(|config| config.untranslated.extend([entry("203.0.113.0/24", None)]));
    w.nat
        .add_port_forward(PortForward::new(Protocol::Tcp, 8080, at(H2, 80)))
        .expect("the port forward is accepted");
    let syn = w
        .outbound(tcp(at(H1, 5000), at(N, 8080), SYN).seq(10))
        .forwarded();
    assert_eq!((*syn.source().ip(), syn.destination()), (N, at(H2, 80)));
    let answer = w
        .outbound(tcp(at(H2, 80), syn.source(), SYN | ACK).seq(90).ack(11))
        .forwarded();
    assert_eq!(
        (answer.source(), answer.destination()),
        (at(N, 8080), at(H1, 5000))
    );
    assert_eq!(
        *w.open_udp(at(H1, 5000), at(N2, 53)).ip(),
        H1,
        "a neighbour of the NAT"
    );
}

/// What comes from there to an external address is dropped too: the answer would leave from
/// another.
#[test]
fn no_rule_lets_the_network_in() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = with(|config| {
            config.filtering = filtering;
            config.external_addresses.push(N2).expect("there is room");
            config.one_to_one.extend([OneToOne {
                external: N2,
                inside: H2,
            }]);
            config.dmz_host = Some(H3);
        });
        w.nat
            .add_port_forward(PortForward::new(Protocol::Udp, 8080, at(H1, 80)))
            .expect("the port forward is accepted");
        let open = w.open_udp(at(H1, 5000), at(S1, 53));
        let answered = w.open_udp(at(H1, 80), at(S1, 53));
        for external in [at(N, 8080), at(N, 9), at(N2, 80), open, answered] {
            let outcome = w.inbound(udp(at(U, 53), external));
            assert!(
                matches!(outcome, Outcome::Dropped(_)),
                "{external}: {outcome:?}"
            );
            let outcome = w.inbound(tcp(at(U, 53), external, SYN));
            assert!(
                matches!(outcome, Outcome::Dropped(_)),
                "{external}: {outcome:?}"
            );
        }
        let outcome = w.inbound(echo_request(U, N2, 7));
        assert!(matches!(outcome, Outcome::Dropped(_)), "{outcome:?}");
        assert!(
            w.inbound(udp(at(S2, 9), at(N, 8080))).is_forwarded(),
            "others get in"
        );
    }
}

/// The router's own packets are always translated: its address outside is an external one.
#[test]
fn the_routers_own_packets_are_translated() {
    let mut w = world();
    let external = w
        .router_sends(udp(at(N, 5353), at(U, 53)))
        .forwarded()
        .source();
    assert_eq!(*external.ip(), N);
    w.inbound(udp(at(U, 53), external))
        .local(nat_core::Side::Outside);
}

/// A forwarded endpoint, and a host with an address for itself, reach the network as they are.
#[test]
fn rules_do_not_translate_either() {
    let mut w = with(|config| {
        config.external_addresses.push(N2).expect("there is room");
        config.one_to_one.extend([OneToOne {
            external: N2,
            inside: H2,
        }]);
        config.dmz_host = Some(H3);
    });
    w.nat
        .add_port_forward(PortForward::new(Protocol::Udp, 8080, at(H1, 80)))
        .expect("the port forward is accepted");
    for inside in [at(H1, 80), at(H2, 80), at(H3, 80)] {
        assert_eq!(w.open_udp(inside, at(U, 53)), inside);
        assert!(!w.session(inside, at(U, 53)).is_static);
    }
    // A forward of such an endpoint that comes or goes leaves those sessions alone.
    w.nat
        .add_port_forward(PortForward::new(Protocol::Udp, 81, at(H3, 80)))
        .expect("the port forward is accepted");
    assert!(w.remove_port_forward(&PortForward::new(Protocol::Udp, 8080, at(H1, 80))));
    assert_eq!(w.sessions().len(), 3);
}

/// With ports that overlap it is the same.
#[test]
fn it_works_with_overlapping_ports() {
    let mut w = with(|config| config.mapping = Mapping::AddressAndPortDependent);
    for remote in [at(U, 53), at(U, 54), at(U2, 53)] {
        assert_eq!(w.open_udp(at(H1, 5000), remote), at(H1, 5000));
        assert_eq!(
            w.inbound(udp(remote, at(H1, 5000)))
                .forwarded()
                .destination(),
            at(H1, 5000)
        );
    }
    w.inbound(udp(at(U2, 54), at(H1, 5000)))
        .dropped(DropReason::InsideDestination);
}

/// G4: these sessions count against the limits of their host, and take no port.
#[test]
fn sessions_are_limited_and_take_no_port() {
    let mut w = with(|config| {
        config.ports = PortRange::new(30000, 30001).expect("two ports");
        config.limits.mappings_per_host = Some(4);
    });
    for i in 0..4 {
        w.open_udp(at(H1, 5000 + i), at(U, 53));
    }
    w.outbound(udp(at(H1, 5004), at(U, 53)))
        .rejected(DropReason::HostLimit);
    w.open_udp(at(H2, 5000), at(S1, 53));
    w.open_udp(at(H2, 5001), at(S1, 53));
    w.open_udp(at(H2, 5002), at(U, 53));
    w.outbound(udp(at(H2, 5003), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
}

/// RFC 6888 REQ-6: a host with an external address for itself is not pinged from there, so an
/// unsolicited reply does not leave, and never from that address.
#[test]
fn a_one_to_one_host_answers_no_ping_from_there() {
    let mut w = with(|config| {
        config
            .one_to_one
            .push(OneToOne {
                external: N,
                inside: H1,
            })
            .expect("there is room");
    });
    w.inbound(echo_request(U, N, 7))
        .dropped(DropReason::NoSession);
    w.outbound(echo_reply(H1, U, 7))
        .dropped(DropReason::NoSession);
    assert_eq!(
        *w.outbound(echo_reply(H1, S1, 7)).forwarded().source().ip(),
        N
    );
}

/// RFC 2131 section 4.1: what is sent to the port of the DHCP client is the router's, but not what
/// answers a host whose address is not translated and which talks from that port.
#[test]
fn the_dhcp_clients_port_of_an_untranslated_host_is_its_own() {
    let mut w = World::with(|config| {
        config.dhcp_client = true;
        config
            .untranslated
            .push(entry("198.51.100.10/32", None))
            .expect("room for one");
    });
    w.outbound(udp(at(H1, 68), at(S1, 9))).forwarded();
    assert_eq!(
        w.inbound(udp(at(S1, 9), at(H1, 68)))
            .forwarded()
            .destination(),
        at(H1, 68)
    );
    w.inbound(udp(at(S2, 67), at(H1, 68)))
        .local(nat_core::Side::Outside);
    w.inbound(udp(at(S2, 9), at(N, 68)))
        .local(nat_core::Side::Outside);
}
