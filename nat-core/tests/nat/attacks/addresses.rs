//! A17, A20 to A23: addresses that no such packet can have.

use core::net::Ipv4Addr;

use nat_core::{DropReason, Filtering, Hairpinning, PortForward, Protocol};

use super::victim::{HOST, SERVER, Victim, learns_nothing};
use crate::world::*;

const BROADCAST: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 255);
const EVERYONE: Ipv4Addr = Ipv4Addr::BROADCAST;
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);

/// A packet of each protocol from one address to another.
fn packets(from: Ipv4Addr, to: Ipv4Addr) -> [Datagram; 4] {
    let (source, destination) = (at(from, 5353), at(to, 5353));
    [
        udp(source, destination),
        tcp(source, destination, SYN),
        tcp(source, destination, ACK),
        echo_request(from, to, 7),
    ]
}

/// A17: every first byte of a source address that cannot be outside, and of a destination that
/// cannot either, though the filter lets everyone in; and every source that is not of the inside
/// network, from inside.
#[test]
fn a17_martians_of_either_side_are_dropped() {
    let mut w = World::with(|config| config.filtering = Filtering::EndpointIndependent);
    let mut victim = Victim::open(&mut w);
    let reserved = (0..=255).filter(|first| *first == 0 || *first == 127 || *first >= 224);
    let reserved = reserved.map(|first| Ipv4Addr::new(first, 1, 2, 3));
    let neighbours = (0..=255).map(|last| Ipv4Addr::new(192, 168, 1, last));
    let martians: Vec<_> = reserved
        .chain(neighbours)
        .chain([N, EVERYONE, Ipv4Addr::new(169, 254, 1, 1)])
        .collect();
    let external = victim.external;
    victim.under(&mut w, &martians, |w, martian| {
        for packet in packets(*martian, *external.ip()) {
            let refused = w.inbound(packet).refusal();
            assert!(
                matches!(refused, Some(DropReason::Martian | DropReason::Land)),
                "from {martian}: {refused:?}"
            );
        }
        for packet in packets(ATTACKER, *martian)
            .into_iter()
            .filter(|_| *martian != N)
        {
            let outcome = w.inbound(packet);
            assert!(
                matches!(outcome, Outcome::Dropped(_)),
                "to {martian}: {outcome:?}"
            );
        }
        w.inbound(udp(at(*martian, 5353), external))
            .refusal()
            .expect("an open filter is for those who are outside");
    });
    let foreign = (0..=255).flat_map(|first| {
        [
            Ipv4Addr::new(first, 168, 1, 10),
            Ipv4Addr::new(first, 0, 113, 1),
        ]
    });
    let foreign: Vec<_> = foreign
        .filter(|source| !inside().contains(*source))
        .chain([S1, N, ROUTER])
        .collect();
    victim.under(&mut w, &foreign, |w, source| {
        for packet in packets(*source, S1) {
            let outcome = w.outbound(packet);
            let expected = [
                DropReason::SpoofedSource,
                DropReason::Martian,
                DropReason::Land,
            ]
            .map(Outcome::Dropped);
            assert!(
                expected.iter().any(|e| e.refusal() == outcome.refusal()),
                "from {source}: {outcome:?}"
            );
        }
        for packet in packets(H1, *source) {
            let reserved =
                source.is_loopback() || source.octets()[0] == 0 || source.octets()[0] >= 224;
            assert!(
                !reserved || matches!(w.outbound(packet), Outcome::Dropped(_)),
                "to {source}"
            );
        }
    });
    assert_eq!(
        w.stats().rejected_total(),
        0,
        "an answer would go to the one who is spoofed"
    );
}

/// A20: no host outside can pass for a host inside by hairpinning. A hairpinned packet costs one
/// hop, counts against the limits of its sender and, where configured, passes the same filter as
/// packets from outside.
#[test]
fn a20_hairpins_are_not_forged() {
    let mut w = World::with(|config| config.external_addresses.push(N2).expect("there is room"));
    let mut victim = Victim::open(&mut w);
    let external = victim.external;
    let other = if *external.ip() == N { N2 } else { N };
    victim.under(&mut w, 1..=u16::MAX, |w, port| {
        w.inbound(udp(at(other, port), external))
            .dropped(DropReason::Martian);
        let refused = w.inbound(udp(at(*external.ip(), port), external)).refusal();
        assert_eq!(refused, Some(DropReason::Land));
    });
    let turned = w.outbound(udp(at(H1, 9), external)).forwarded();
    assert_eq!((turned.ttl(), turned.destination()), (63, HOST));
    assert!(
        w.nat
            .config()
            .external_addresses
            .contains(turned.source().ip()),
        "the filter sees an external address"
    );
    w.outbound(udp(at(S2, 5353), external))
        .dropped(DropReason::SpoofedSource);

    let mut w = World::with(|config| config.hairpinning = Hairpinning::Filtered);
    let victim = Victim::open(&mut w);
    w.outbound(udp(at(H1, 9), victim.external))
        .dropped(DropReason::Filtered);
}

/// A21: source and destination the same, with equal ports and others, on both sides.
#[test]
fn a21_land_is_dropped() {
    let mut w = World::with(|config| config.filtering = Filtering::EndpointIndependent);
    let mut victim = Victim::open(&mut w);
    let external = victim.external;
    victim.under(
        &mut w,
        [N, ROUTER, H1, H2, S1, ATTACKER, BROADCAST, EVERYONE],
        |w, address| {
            for packet in packets(address, address) {
                let outcome = w.inbound(packet.clone());
                assert!(
                    matches!(
                        outcome,
                        Outcome::Dropped(DropReason::Land | DropReason::Martian)
                    ),
                    "{outcome:?}"
                );
                w.outbound(packet).dropped(DropReason::Land);
            }
        },
    );
    victim.under(&mut w, 1..=u16::MAX, |w, port| {
        w.inbound(udp(at(*external.ip(), port), external))
            .dropped(DropReason::Land);
        w.outbound(tcp(at(H1, port), at(H1, 80), SYN))
            .dropped(DropReason::Land);
    });
    // A server on an inside host's own address, as it looks from there.
    w.inbound(udp(at(H2, 5353), external))
        .dropped(DropReason::Martian);
}

/// A22: multicast and broadcast packets are not forwarded and get no answer, so they amplify
/// nothing. What the router's own stack does with a broadcast of its network is up to that stack.
/// The adapter, `nat-embassy`, handles multicast and broadcast frames.
#[test]
fn a22_broadcasts_amplify_nothing() {
    let mut w = World::with(|config| (config.inside_ping, config.outside_ping) = (true, true));
    let mut victim = Victim::open(&mut w);
    let sessions = w.sessions().len();
    victim.under(&mut w, 0..1000_u16, |w, number| {
        let group = Ipv4Addr::new(224 + (number % 16) as u8, 0, 0, number as u8);
        for packet in packets(H1, group) {
            w.outbound(packet.ttl(1 + (number % 64) as u8))
                .dropped(DropReason::Broadcast);
        }
        for to in [group, GROUP, EVERYONE, BROADCAST] {
            for packet in packets(ATTACKER, to) {
                assert!(matches!(w.inbound(packet), Outcome::Dropped(_)));
            }
        }
        for from in [group, EVERYONE, BROADCAST] {
            for packet in packets(from, N).into_iter().chain(packets(from, S1)) {
                assert!(matches!(w.outbound(packet.clone()), Outcome::Dropped(_)));
                assert!(matches!(w.inbound(packet), Outcome::Dropped(_)));
            }
        }
        for packet in packets(H1, EVERYONE)
            .into_iter()
            .chain(packets(H1, BROADCAST))
        {
            assert!(
                matches!(w.outbound(packet), Outcome::Local(..)),
                "it does not leave the inside"
            );
        }
    });
    assert_eq!(
        (w.sessions().len(), w.stats().icmp_errors_sent),
        (sessions, 0)
    );
}

/// A23: two NATs that send unknown packets to each other would loop each packet until its time to
/// live is used up. A packet for an unused address or port ends here, and each pass through the NAT
/// costs a hop.
#[test]
fn a23_no_packet_goes_round() {
    let mut w = World::with(|config| config.external_addresses.push(N2).expect("there is room"));
    let forward = PortForward::new(Protocol::Udp, 9000, at(H1, 9000));
    w.nat.add_port_forward(forward).expect("a port forward");
    let mut victim = Victim::open(&mut w);
    victim.under(&mut w, 1..=u8::MAX, |w, ttl| {
        for to in [at(N2, 7), at(N, 7), at(N3, 7), at(H3, 7)] {
            learns_nothing(&w.inbound(udp(SERVER, to).ttl(ttl)));
            let outcome = w.inbound(tcp(SERVER, to, SYN).ttl(ttl));
            assert!(matches!(outcome, Outcome::Dropped(_)), "{outcome:?}");
        }
        // From inside to an external port that is not in use: it does not leave either.
        assert!(
            !w.outbound(udp(at(H3, 9), at(N2, 7)).ttl(ttl))
                .is_forwarded()
        );
        // By a port forward, and back by the host, as two forwards that mirror each other would
        // have it.
        let mut hops = ttl;
        while hops > 1 {
            hops = w
                .inbound(udp(at(ATTACKER, 9000), at(N, 9000)).ttl(hops))
                .forwarded()
                .ttl();
            if hops > 1 {
                hops = w
                    .outbound(udp(at(H1, 9000), at(ATTACKER, 9000)).ttl(hops))
                    .forwarded()
                    .ttl();
            }
        }
        let end = w.inbound(udp(at(S2, 9), at(N, 9000)).ttl(hops));
        assert!(
            matches!(end, Outcome::Dropped(DropReason::TtlExpired)),
            "{end:?}"
        );
    });
}
