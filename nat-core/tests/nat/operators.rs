//! What applications and tools meet through the NAT: the statements of docs/operators.md.

use crate::world::*;
use nat_core::{DropReason, Filtering, PortForward, PortRange, Protocol};

/// RFC 5780 section 4.3: three destinations see one endpoint.
#[test]
fn a_stun_client_finds_endpoint_independent_mapping() {
    let mut w = World::new();
    let seen: Vec<_> = [at(S1, 3478), at(S1, 3479), at(S2, 3478)]
        .map(|server| w.open_udp(at(H1, 5000), server))
        .into();
    assert!(seen.iter().all(|endpoint| *endpoint == seen[0]), "{seen:?}");
}

/// RFC 5780 section 4.4: which answers arrive, from another address, and from another port.
#[test]
fn a_stun_client_finds_the_filtering_that_is_configured() {
    let kinds = [
        (Filtering::AddressAndPortDependent, [false, false]),
        (Filtering::AddressDependent, [false, true]),
        (Filtering::EndpointIndependent, [true, true]),
    ];
    for (filtering, expected) in kinds {
        let mut w = World::with(|config| config.filtering = filtering);
        let external = w.open_udp(at(H1, 5000), at(S1, 3478));
        let arrives = [at(S2, 3479), at(S1, 3479)]
            .map(|server| w.inbound(udp(server, external)).is_forwarded());
        assert_eq!(arrives, expected, "{filtering:?}");
    }
}

/// RFC 5780 section 4.5: a host reaches itself through its external endpoint.
#[test]
fn a_stun_client_finds_hairpinning() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 3478));
    let packet = w.outbound(udp(at(H1, 5001), external)).forwarded();
    assert_eq!(packet.destination(), at(H1, 5000));
}

/// A scanner outside learns nothing: no RST, no ICMP error, from ports that are in use either.
#[test]
fn a_scan_from_outside_gets_no_answer() {
    let mut w = World::new();
    w.open_tcp(at(H1, 5000), at(S1, 80));
    for port in (1..=1024).chain(49_152..49_252) {
        for packet in [
            tcp(at(ATTACKER, 40_000), at(N, port), SYN),
            tcp(at(ATTACKER, 40_000), at(N, port), ACK),
            udp(at(ATTACKER, 40_000), at(N, port)),
        ] {
            let outcome = w.inbound(packet);
            assert!(matches!(outcome, Outcome::Dropped(_)), "port {port}");
        }
    }
    assert_eq!(w.stats().rejected_total(), 0);
}

/// Two consoles with one game: both get through, from different external ports. A stranger, who has not
/// been sent to, does not reach them; with an open filter, or a port forward for one, he does.
#[test]
fn two_consoles_with_one_port_both_play_and_strangers_need_an_open_filter() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = World::with(|config| config.filtering = filtering);
        let consoles = [H1, H2].map(|console| {
            let external = w.open_udp(at(console, 3074), at(S1, 3544));
            (console, external)
        });
        assert_ne!(consoles[0].1, consoles[1].1);
        for (console, external) in consoles {
            let answer = w.inbound(udp(at(S1, 3544), external)).forwarded();
            assert_eq!(answer.destination(), at(console, 3074));
            let stranger = w.inbound(udp(at(S2, 3074), external)).is_forwarded();
            assert_eq!(stranger, filtering == Filtering::EndpointIndependent);
            // Hole punching: the console sends first.
            w.outbound(udp(at(console, 3074), at(S2, 3074))).forwarded();
            w.inbound(udp(at(S2, 3074), external)).forwarded();
        }
    }
    let mut w = World::new();
    w.nat
        .add_port_forward(PortForward::new(Protocol::Udp, 3074, at(H1, 3074)))
        .expect("a free port");
    w.inbound(udp(at(S2, 3074), at(N, 3074))).forwarded();
    let external = w.open_udp(at(H1, 3074), at(S1, 3544));
    assert_eq!(external, at(N, 3074), "it leaves from there, too");
}

/// Two IKEv2 clients (RFC 7296 section 2.23) with one gateway: UDP 500, then 4500 with ESP inside.
#[test]
fn two_ipsec_hosts_reach_one_gateway_by_udp() {
    let mut w = World::new();
    for port in [500, 4500] {
        let externals = [H1, H2].map(|host| (host, w.open_udp(at(host, port), at(S1, port))));
        assert_ne!(externals[0].1, externals[1].1);
        for (host, external) in externals {
            let answer = w.inbound(udp(at(S1, port), external)).forwarded();
            assert_eq!(answer.destination(), at(host, port));
        }
    }
    // ESP without UDP, and GRE of PPTP, have no ports to tell hosts apart.
    for protocol in [50, 47] {
        w.outbound(raw(H1, S1, protocol, &[7; 40]))
            .rejected(DropReason::UnknownProtocol);
    }
}

/// A WireGuard or OpenVPN tunnel with keep-alives stays; without, the server's packets are lost until
/// the client sends, from an external port that may be another one.
#[test]
fn a_tunnel_needs_keep_alives_to_be_reachable() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 51_820), at(S1, 51_820));
    for _ in 0..48 {
        w.advance(secs(25));
        assert_eq!(w.open_udp(at(H1, 51_820), at(S1, 51_820)), external);
    }
    w.inbound(udp(at(S1, 51_820), external)).forwarded();
    w.advance(secs(301));
    w.inbound(udp(at(S1, 51_820), external))
        .dropped(DropReason::NoMapping);
    let external = w.open_udp(at(H1, 51_820), at(S1, 51_820));
    w.inbound(udp(at(S1, 51_820), external)).forwarded();
}

/// RFC 3261 section 18.2.2: without rport, the answer goes to the port of the Via header, here 5060, not
/// to the one that the request came from (RFC 3581).
#[test]
fn a_sip_answer_without_rport_needs_a_port_forward() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5060), at(S1, 5060));
    assert_ne!(external, at(N, 5060));
    w.inbound(udp(at(S1, 5060), at(N, 5060)))
        .dropped(DropReason::NoMapping);
    w.inbound(udp(at(S1, 5060), external)).forwarded(); // with rport

    w.nat
        .add_port_forward(PortForward::new(Protocol::Udp, 5060, at(H1, 5060)))
        .expect("a free port");
    assert_eq!(w.open_udp(at(H1, 5060), at(S1, 5060)), at(N, 5060));
    w.inbound(udp(at(S1, 5060), at(N, 5060))).forwarded();
}

/// Active FTP: the server connects from port 20 to the port that the client has named (RFC 959). Passive
/// FTP: the client connects.
#[test]
fn active_ftp_fails_and_passive_ftp_works() {
    let mut w = World::new();
    w.open_tcp(at(H1, 5000), at(S1, 21));
    w.inbound(tcp(at(S1, 20), at(N, 5001), SYN))
        .dropped(DropReason::NoMapping);
    w.open_tcp(at(H1, 5001), at(S1, 30_000));
}

/// TFTP (RFC 1350 section 4): the server answers from a port of its choice. So it fails by default, and
/// works with address-dependent filtering.
#[test]
fn tftp_needs_address_dependent_filtering() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
    ] {
        let mut w = World::with(|config| config.filtering = filtering);
        let external = w.open_udp(at(H1, 5000), at(S1, 69));
        let data = w.inbound(udp(at(S1, 34_567), external));
        if filtering == Filtering::AddressAndPortDependent {
            data.dropped(DropReason::Filtered);
        } else {
            assert_eq!(data.forwarded().destination(), at(H1, 5000));
            w.outbound(udp(at(H1, 5000), at(S1, 34_567))).forwarded();
        }
    }
}

/// Traceroute by UDP: each hop's error comes back to the host, the router's own first.
#[test]
fn a_traceroute_sees_the_router_and_every_hop() {
    let mut w = World::new();
    let own = w
        .outbound(udp(at(H1, 40_000), at(S1, 33_434)).ttl(1))
        .rejected(DropReason::TtlExpired);
    assert_eq!(own.destination().ip(), &H1);
    let probe = w
        .outbound(udp(at(H1, 40_000), at(S1, 33_435)).ttl(2))
        .forwarded();
    let hop = w
        .inbound(icmp_error(TRANSIT, N, (11, 0), &probe.bytes()))
        .forwarded();
    assert_eq!((*hop.source().ip(), *hop.destination().ip()), (TRANSIT, H1));
}

/// Double NAT: the outside network is private, and an address of the NAT there works as any.
#[test]
fn behind_another_nat_a_private_external_address_works() {
    let mut w = World::new();
    let private = core::net::Ipv4Addr::new(10, 0, 0, 5);
    w.set_external_addresses(&[private])
        .expect("a host's address");
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    assert_eq!(*external.ip(), private);
    w.inbound(udp(at(S1, 53), external)).forwarded();
    // A server in the network between both NATs.
    let modem = core::net::Ipv4Addr::new(10, 0, 0, 1);
    w.open_tcp(at(H1, 5001), at(modem, 80));
}

/// A carrier: blocks of ports, and a log of two lines a host instead of two a mapping.
#[test]
fn a_carriers_log_has_two_lines_for_each_host() {
    let mut w = World::with(|config| {
        config.ports = PortRange::new(1024, 65_535).expect("ports");
        config.port_blocks = Some(1008);
    });
    for port in 0..100 {
        w.open_udp(at(H1, 5000 + port), at(S1, 53));
    }
    w.advance(secs(400));
    let events = w.events();
    let of_blocks = events.iter().filter(|event| {
        matches!(
            event,
            nat_core::Event::BlockAssigned(_) | nat_core::Event::BlockReleased(_)
        )
    });
    assert_eq!((of_blocks.count(), events.len()), (2, 202));
}
