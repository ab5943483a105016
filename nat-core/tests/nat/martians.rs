//! Addresses that no forwarded packet may carry: standards A17, A18, A20 to A23; RFC 1812 section
//! 5.3.7.

use core::net::Ipv4Addr;

use crate::world::*;
use nat_core::{DropReason, Filtering, Side};

const fn ip(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const NETWORK: Ipv4Addr = ip(192, 168, 1, 0);
const BROADCAST: Ipv4Addr = ip(192, 168, 1, 255);

/// A17: a packet from outside with an impossible source is dropped, though the filter lets everyone
/// in.
#[test]
fn martian_sources_from_outside_are_dropped() {
    let mut w = World::with(|config| {
        config.filtering = Filtering::EndpointIndependent;
        config.external_addresses.push(N2).expect("there is room");
    });
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let other_external = if *external.ip() == N { N2 } else { N };
    let martians = [
        H1,
        H2,
        ROUTER,
        NETWORK,
        BROADCAST,
        other_external,
        ip(0, 0, 0, 0),
        ip(0, 1, 2, 3),
        ip(127, 0, 0, 1),
        ip(127, 255, 255, 254),
        ip(169, 254, 1, 1),
        ip(224, 0, 0, 1),
        ip(239, 255, 255, 255),
        ip(240, 0, 0, 1),
        ip(255, 255, 255, 255),
    ];
    for source in martians {
        let outcome = w.inbound(udp(at(source, 53), external));
        assert_eq!(outcome.refusal(), Some(DropReason::Martian), "{source}");
    }
    assert_eq!(
        w.stats().rejected_total(),
        0,
        "nothing is ever said to a martian"
    );
    w.inbound(udp(at(S2, 53), external)).forwarded();
}

/// U7: behind another NAT or a carrier's, private and shared addresses are ordinary remote
/// addresses.
#[test]
fn private_addresses_outside_are_not_martians() {
    for remote in [
        ip(10, 0, 0, 1),
        ip(172, 16, 0, 1),
        ip(192, 168, 2, 1),
        ip(100, 64, 0, 1),
        ip(192, 0, 2, 1),
    ] {
        let mut w = World::new();
        let external = w.open_udp(at(H1, 5000), at(remote, 53));
        assert_eq!(
            w.inbound(udp(at(remote, 53), external))
                .forwarded()
                .destination(),
            at(H1, 5000),
            "{remote}"
        );
    }
}

/// A3, A6, A17: what comes from inside comes from an address of the inside network, and not from
/// the router's.
#[test]
fn spoofed_sources_from_inside_are_dropped() {
    let mut w = World::new();
    for source in [S1, N, ip(192, 168, 2, 10), ip(10, 0, 0, 1), ip(8, 8, 8, 8)] {
        for packet in [
            udp(at(source, 5000), at(S2, 53)),
            tcp(at(source, 5000), at(S2, 80), SYN),
        ] {
            let reason = w.outbound(packet).refusal();
            assert_eq!(reason, Some(DropReason::SpoofedSource), "{source}");
        }
    }
    for source in [
        ROUTER,
        NETWORK,
        BROADCAST,
        ip(0, 0, 0, 0),
        ip(127, 0, 0, 1),
        ip(224, 0, 0, 1),
        ip(255, 255, 255, 255),
    ] {
        let reason = w.outbound(udp(at(source, 5000), at(S2, 53))).refusal();
        assert!(
            matches!(
                reason,
                Some(DropReason::SpoofedSource | DropReason::Martian)
            ),
            "{source}: {reason:?}"
        );
    }
    assert_eq!(w.sessions(), []);
    assert_eq!(
        w.stats().rejected_total(),
        0,
        "an answer would go to the victim of the spoofing"
    );
}

/// A17: destinations that are nowhere.
#[test]
fn martian_destinations_from_inside_are_dropped() {
    let mut w = World::new();
    for destination in [
        ip(0, 0, 0, 0),
        ip(0, 1, 2, 3),
        ip(127, 0, 0, 1),
        ip(169, 254, 1, 1),
        ip(240, 0, 0, 1),
    ] {
        let reason = w.outbound(udp(at(H1, 5000), at(destination, 53))).refusal();
        assert_eq!(reason, Some(DropReason::Martian), "{destination}");
    }
    assert_eq!(w.stats().rejected_total(), 0);
}

/// A17, A23: what comes from outside and is not for an external address goes nowhere.
#[test]
fn packets_from_outside_that_are_not_for_the_nat_are_dropped() {
    let mut w = World::new();
    w.open_udp(at(H1, 5000), at(S1, 53));
    for destination in [H1, H2, ROUTER] {
        let reason = w.inbound(udp(at(S1, 53), at(destination, 5000))).refusal();
        assert!(
            matches!(
                reason,
                Some(DropReason::InsideDestination | DropReason::NotForUs)
            ),
            "{destination}: {reason:?}"
        );
    }
    for destination in [N2, S2, ip(203, 0, 113, 255)] {
        w.inbound(udp(at(S1, 53), at(destination, 5000)))
            .dropped(DropReason::NotForUs);
    }
    for destination in [ip(224, 0, 0, 1), ip(255, 255, 255, 255)] {
        w.inbound(udp(at(S1, 53), at(destination, 5000)))
            .dropped(DropReason::Broadcast);
    }
}

/// A21: LAND packets, the same address on both ends.
#[test]
fn packets_from_an_address_to_itself_are_dropped() {
    let mut w = World::new();
    let external = w.open_tcp(at(H1, 5000), at(S1, 80)).external;
    w.outbound(tcp(at(H1, 80), at(H1, 80), SYN))
        .dropped(DropReason::Land);
    w.outbound(udp(at(H1, 80), at(H1, 81)))
        .dropped(DropReason::Land);
    for (from, to) in [(external, external), (at(N, 1), external)] {
        w.inbound(tcp(from, to, SYN)).dropped(DropReason::Land);
    }
    let reason = w.outbound(udp(at(ROUTER, 80), at(ROUTER, 80))).refusal();
    assert!(
        matches!(reason, Some(DropReason::Land | DropReason::SpoofedSource)),
        "{reason:?}"
    );
    let reason = w.inbound(udp(at(H1, 80), at(H1, 80))).refusal();
    assert!(
        matches!(reason, Some(DropReason::Land | DropReason::Martian)),
        "{reason:?}"
    );
}

/// A21, U7: nor where the networks overlap, and the number outside is that of the very host that
/// its packet would reach.
#[test]
fn no_packet_arrives_from_the_number_of_its_receiver() {
    let mut w = World::with(|config| {
        config.filtering = Filtering::EndpointIndependent;
        config.external_addresses.clear();
        config
            .external_addresses
            .push(ip(192, 168, 1, 200))
            .expect("there is room");
    });
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    assert_eq!(
        w.inbound(udp(at(H2, 53), external))
            .forwarded()
            .destination(),
        at(H1, 5000)
    );
    w.inbound(udp(at(H1, 53), external))
        .dropped(DropReason::Land);
}

/// A22: multicast is not translated and not answered.
#[test]
fn multicast_is_dropped() {
    let mut w = World::new();
    for destination in [ip(224, 0, 0, 251), ip(239, 255, 255, 250)] {
        w.outbound(udp(at(H1, 5353), at(destination, 5353)))
            .dropped(DropReason::Broadcast);
        w.outbound(udp(at(H1, 5353), at(destination, 5353)).ttl(1))
            .dropped(DropReason::Broadcast);
        w.outbound(echo_request(H1, destination, 7))
            .dropped(DropReason::Broadcast);
    }
    assert_eq!(w.sessions(), []);
}

/// Broadcasts of the inside network, and what is for the router there, are for its own stack and
/// never leave.
#[test]
fn packets_for_the_router_inside_are_local() {
    let mut w = World::new();
    for destination in [ROUTER, BROADCAST, ip(255, 255, 255, 255)] {
        for ttl in [64, 1] {
            let packet = udp(at(H1, 5000), at(destination, 67)).ttl(ttl);
            let local = w.outbound(&packet).local(Side::Inside);
            assert_eq!(
                local.bytes(),
                packet.bytes(),
                "the router's own packets are not changed"
            );
        }
    }
    w.outbound(tcp(at(H1, 5000), at(ROUTER, 80), SYN))
        .local(Side::Inside);
    w.outbound(echo_request(H1, ROUTER, 7)).local(Side::Inside);
    w.outbound(raw(H1, ROUTER, 2, &[0; 8])).local(Side::Inside);
    assert_eq!(w.sessions(), []);
}

/// A host that asks for an address by DHCP has none yet.
#[test]
fn a_dhcp_request_without_a_source_address_reaches_the_router() {
    let mut w = World::new();
    w.outbound(udp(at(ip(0, 0, 0, 0), 68), at(ip(255, 255, 255, 255), 67)))
        .local(Side::Inside);
}

/// Hosts of the inside network reach each other without the router.
#[test]
fn packets_from_inside_to_an_inside_host_are_dropped() {
    let mut w = World::new();
    w.outbound(udp(at(H1, 5000), at(H2, 53)))
        .dropped(DropReason::InsideDestination);
    w.outbound(udp(at(H1, 5000), at(NETWORK, 53)))
        .refusal()
        .expect("a refusal");
}

/// A query to an external address is for the router, which does not answer there; a packet to an
/// unused port is not hairpinned.
#[test]
fn what_cannot_turn_back_inside_is_dropped() {
    let mut w = World::new();
    w.outbound(echo_request(H1, N, 7))
        .dropped(DropReason::Hairpin);
    w.outbound(tcp(at(H1, 5000), at(N, 80), SYN))
        .dropped(DropReason::NoMapping);
    assert_eq!(w.sessions(), []);
}

/// A18: what cannot be translated does not leave.
#[test]
fn without_an_external_address_nothing_leaves() {
    let mut w = World::with(|config| config.external_addresses.clear());
    for packet in [
        udp(at(H1, 5000), at(S1, 53)),
        tcp(at(H1, 5000), at(S1, 80), SYN),
        echo_request(H1, S1, 7),
    ] {
        let answer = w.outbound(packet).rejected(DropReason::AddressMissing);
        assert_eq!(answer.icmp_type(), (3, 0), "net unreachable");
        assert_eq!(*answer.source().ip(), ROUTER);
    }
    w.inbound(udp(at(S1, 53), at(N, 5000)))
        .dropped(DropReason::NotForUs);
    assert_eq!(w.sessions(), []);
}

/// A18: random packets from inside; the world checks that none leaves with an inside address.
#[test]
fn no_random_packet_leaks_an_inside_address() {
    let mut random = fastrand::Rng::with_seed(18);
    let mut w = World::new();
    for _ in 0..2000 {
        let pick = |random: &mut fastrand::Rng| {
            [H1, H2, S1, S2, N, ROUTER, ip(10, 0, 0, 1)][random.usize(..7)]
        };
        let (from, to) = (pick(&mut random), pick(&mut random));
        let len = random.usize(..80);
        let body = random_bytes(&mut random, len);
        let packet = match random.u8(..6) {
            0 => raw(from, to, [1, 6, 17, 47][random.usize(..4)], &body),
            1 => tcp(at(from, random.u16(..20)), at(to, 80), random.u8(..)),
            2 => udp(at(from, random.u16(..20)), at(to, 53)).payload(&body),
            3 => icmp(
                from,
                to,
                random.u8(..20),
                random.u8(..4),
                [0, random.u8(..4), 0, 1],
            )
            .payload(&body),
            4 => icmp_error(
                from,
                to,
                (3, 3),
                &udp(at(S1, 53), at(H1, random.u16(..20))).bytes(),
            ),
            _ => icmp_error(
                from,
                to,
                (11, 0),
                &tcp(at(S1, 80), at(H1, random.u16(..20)), ACK).bytes(),
            ),
        };
        let _ = w.outbound(packet);
        if random.u8(..50) == 0 {
            w.advance(secs(10));
        }
    }
}
