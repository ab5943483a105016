//! Address-and-port-dependent mapping with port overlapping: RFC 7857 section 3, the capacity of
//! cloud NAT gateways.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::HashSet;

use crate::world::*;
use nat_core::{
    DropReason, Filtering, Instant, Mapping, Nat, PortForward, PortRange, Protocol, SessionState,
    Side, Verdict, WideTables,
};

/// A world in which ports overlap, with `ports` external ports from 30000 up.
fn with_ports(ports: u16) -> World {
    World::with(|config| {
        config.mapping = Mapping::AddressAndPortDependent;
        config.ports = PortRange::new(30000, 30000 + ports - 1).expect("some ports");
    })
}

/// X3: hosts share an external port where their destinations differ, in address or in port, and
/// answers find each.
#[test]
fn hosts_share_a_port_where_their_destinations_differ() {
    let mut w = with_ports(1);
    let flows = [
        (H1, at(S1, 80)),
        (H2, at(S2, 80)),
        (H3, at(S1, 81)),
        (H1, at(S2, 81)),
    ];
    for (host, remote) in flows {
        assert_eq!(w.open_udp(at(host, 5000), remote), at(N, 30000));
    }
    let connections = flows.map(|(host, remote)| w.open_tcp(at(host, 5000), remote));
    for (host, remote) in flows {
        assert_eq!(
            w.inbound(udp(remote, at(N, 30000)))
                .forwarded()
                .destination(),
            at(host, 5000)
        );
    }
    for connection in connections {
        let answer = w
            .inbound(connection.outside_sends(ACK).payload(b"200 OK"))
            .forwarded();
        assert_eq!(
            (answer.source(), answer.destination()),
            (connection.remote, connection.inside)
        );
    }
}

/// X3: a port is never shared where the destinations are equal; a session that would need that is
/// refused.
#[test]
fn a_port_is_never_shared_toward_one_destination() {
    let mut w = with_ports(2);
    let externals = [H1, H2].map(|host| w.open_udp(at(host, 5000), at(S1, 80)));
    assert_ne!(externals[0], externals[1]);
    let errors = w.stats().gateway().error_port_allocation;
    w.outbound(udp(at(H3, 5000), at(S1, 80)))
        .rejected(DropReason::PortsExhausted);
    assert_eq!(w.stats().gateway().error_port_allocation, errors + 1);
    for remote in [at(S1, 81), at(S2, 80)] {
        w.open_udp(at(H3, 5000), remote);
    }
    for (host, external) in [H1, H2].into_iter().zip(externals) {
        assert_eq!(
            w.inbound(udp(at(S1, 80), external))
                .forwarded()
                .destination(),
            at(host, 5000)
        );
    }
}

/// RFC 4787 section 4.1: one inside endpoint has an external endpoint for each remote one, and each
/// lets only that in.
#[test]
fn each_remote_endpoint_has_a_mapping_of_its_own() {
    let mut w = with_ports(30000);
    let remotes = [at(S1, 53), at(S1, 54), at(S2, 53)];
    let externals = remotes.map(|remote| w.open_udp(at(H1, 5000), remote));
    assert!(HashSet::from(externals).len() > 1, "drawn for each session");
    for (i, external) in externals.into_iter().enumerate() {
        for (j, remote) in remotes.into_iter().enumerate() {
            let outcome = w.inbound(udp(remote, external));
            if i == j || externals[j] == external {
                assert_eq!(outcome.forwarded().destination(), at(H1, 5000));
            } else {
                outcome.dropped(DropReason::NoMapping);
            }
        }
    }
    // As long as the session lives, its external endpoint is the same.
    w.advance(secs(299));
    assert_eq!(
        remotes.map(|remote| w.open_udp(at(H1, 5000), remote)),
        externals
    );
}

/// U11: pressure does not make ports overlap that are not configured to, nor the other way round.
#[test]
fn the_mapping_behaviour_never_changes_under_load() {
    let mut w = World::with(|config| config.ports = PortRange::new(30000, 30000).expect("a port"));
    w.open_udp(at(H1, 5000), at(S1, 80));
    w.outbound(udp(at(H2, 5000), at(S2, 80)))
        .rejected(DropReason::PortsExhausted);
    let mut w = with_ports(30000);
    for i in 0..100 {
        w.open_udp(at(H1, 5000 + i), at(S1, 80));
        w.open_udp(at(H2, 5000), at(S1, 1000 + i));
    }
    let of_h2 = w
        .sessions()
        .into_iter()
        .filter(|session| *session.inside.ip() == H2);
    assert!(
        of_h2
            .map(|session| session.external.port())
            .collect::<HashSet<_>>()
            .len()
            > 90
    );
}

/// I1a's counterpart: identifiers of queries overlap like ports.
#[test]
fn query_identifiers_overlap_too() {
    let mut w = with_ports(1);
    assert_eq!(
        (w.open_echo(H1, S1, 7), w.open_echo(H2, S2, 7)),
        (30000, 30000)
    );
    assert_eq!(
        w.inbound(echo_reply(S1, N, 30000))
            .forwarded()
            .destination(),
        at(H1, 7)
    );
    assert_eq!(
        w.inbound(echo_reply(S2, N, 30000))
            .forwarded()
            .destination(),
        at(H2, 7)
    );
    w.outbound(echo_request(H3, S1, 7))
        .rejected(DropReason::PortsExhausted);
}

/// I4, I5: an error finds the session by both ends of what it quotes.
#[test]
fn errors_find_the_session_that_shares_its_port() {
    let mut w = with_ports(1);
    for (host, server) in [(H1, S1), (H2, S2)] {
        let sent = w.outbound(udp(at(host, 5000), at(server, 80))).forwarded();
        let error = w
            .inbound(icmp_error(TRANSIT, N, (3, 3), &sent.bytes()))
            .forwarded();
        assert_eq!(*error.destination().ip(), host);
        assert_eq!(error.quote().source(), at(host, 5000));
        let answer = w.inbound(udp(at(server, 80), at(N, 30000))).forwarded();
        let error = w
            .outbound(icmp_error(host, server, (3, 3), &answer.bytes()))
            .forwarded();
        assert_eq!(
            (*error.source().ip(), error.quote().destination()),
            (N, at(N, 30000))
        );
    }
}

/// The end of one session leaves the others that share its port alone.
#[test]
fn sessions_that_share_a_port_end_apart() {
    let mut w = with_ports(1);
    let mut first = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.outbound(udp(at(H2, 5000), at(S1, 80))).forwarded();
    let mut second = w.open_tcp(at(H2, 5000), at(S2, 80));
    w.inbound(first.outside_sends(RST)).forwarded();
    assert_eq!(
        w.session(first.inside, first.remote).state,
        SessionState::Reset
    );
    w.advance(secs(301));
    assert_eq!(w.sessions().len(), 1);
    second.send_from_inside(&mut w, b"still here");
    second.send_from_outside(&mut w, b"so am I");
    w.inbound(first.outside_sends(ACK))
        .dropped(DropReason::NoMapping);
    // The port is free toward the first destination again.
    first = w.open_tcp(at(H3, 5000), at(S1, 80));
    assert_eq!(first.external, at(N, 30000));
    second.send_from_outside(&mut w, b"and now?");
}

/// U14: fragments go the way of their first, though hosts share a port.
#[test]
fn fragments_find_the_session_that_shares_its_port() {
    let mut w = with_ports(1);
    for (host, server) in [(H1, S1), (H2, S2)] {
        w.outbound(udp(at(host, 5000), at(server, 80))).forwarded();
    }
    for (host, server) in [(H1, S1), (H2, S2)] {
        let whole = udp(at(server, 80), at(N, 30000))
            .payload(&[7; 100])
            .may_fragment()
            .id(77);
        let body = &whole.bytes()[field::PAYLOAD];
        let piece = |range: core::ops::Range<usize>, more| {
            whole
                .clone()
                .body(&body[range.clone()])
                .fragment(range.start, more)
        };
        let first = w.inbound(piece(0..64, true)).forwarded();
        let last = w.inbound(piece(64..108, false)).forwarded();
        assert_eq!(
            (*first.destination().ip(), *last.destination().ip()),
            (host, host)
        );
    }
}

/// RFC 4787 REQ-9 presumes endpoint-independent mapping: here hosts reach each other through port
/// forwards.
#[test]
fn port_forwards_serve_both_sides() {
    let mut w = with_ports(100);
    let forward = PortForward::new(Protocol::Udp, 30000, at(H2, 80));
    w.nat
        .add_port_forward(forward)
        .expect("the port forward is accepted");
    for remote in [at(S1, 9), at(S1, 10), at(S2, 9)] {
        assert_eq!(
            w.inbound(udp(remote, at(N, 30000)))
                .forwarded()
                .destination(),
            at(H2, 80)
        );
        assert_eq!(
            w.outbound(udp(at(H2, 80), remote)).forwarded().source(),
            at(N, 30000)
        );
        assert_eq!(
            w.inbound(udp(remote, at(N, 30000)))
                .forwarded()
                .destination(),
            at(H2, 80)
        );
    }
    let hairpinned = w.outbound(udp(at(H1, 5000), at(N, 30000))).forwarded();
    assert_eq!(hairpinned.destination(), at(H2, 80));
    let back = w.outbound(udp(at(H2, 80), hairpinned.source())).forwarded();
    assert_eq!(
        (back.source(), back.destination()),
        (at(N, 30000), at(H1, 5000))
    );
    // A mapping for one remote endpoint lets no other host in.
    let other = w.open_udp(at(H3, 5000), at(S1, 80));
    w.outbound(udp(at(H1, 5000), other))
        .dropped(DropReason::NoMapping);
    // Nor does a dynamic mapping ever get the forwarded port.
    for i in 0..99 {
        assert_ne!(w.open_udp(at(H1, 6000 + i), at(S2, 99)).port(), 30000);
    }
    w.outbound(udp(at(H1, 7000), at(S2, 99)))
        .rejected(DropReason::PortsExhausted);
}

/// U8: the remote endpoint distinguishes the sessions of an overlapping port, so no less strict
/// filter can be configured with it.
#[test]
fn overlapping_needs_the_strictest_filter() {
    for filtering in [Filtering::EndpointIndependent, Filtering::AddressDependent] {
        let mut config = config();
        config.mapping = Mapping::AddressAndPortDependent;
        config.filtering = filtering;
        let mut tables = nat_core::Tables::<1, 1, 1>::new();
        let error = Nat::new(&mut tables, config, SEED)
            .map(drop)
            .expect_err("an impossible choice");
        assert_eq!(error.field, "filtering");
    }
}

/// What is left of a removed address is gone, and the rest goes on.
#[test]
fn an_address_can_be_taken_away() {
    let mut w = World::with(|config| {
        config.mapping = Mapping::AddressAndPortDependent;
        config.external_addresses.push(N2).expect("there is room");
    });
    for i in 0..20 {
        w.open_udp(
            at(Ipv4Addr::from_bits(H1.to_bits() + i % 8), 5000),
            at(S1, 80 + i as u16),
        );
    }
    let (kept, lost): (Vec<_>, Vec<_>) = w
        .sessions()
        .into_iter()
        .partition(|session| *session.external.ip() == N2);
    assert!(!kept.is_empty() && !lost.is_empty());
    w.set_external_addresses(&[N2, N3])
        .expect("the addresses can work");
    assert_eq!(w.sessions(), kept);
    for session in kept {
        assert_eq!(
            w.inbound(udp(session.remote, session.external))
                .forwarded()
                .destination(),
            session.inside
        );
    }
    for session in lost {
        w.inbound(udp(session.remote, session.external))
            .dropped(DropReason::NotForUs);
    }
}

const PER_DESTINATION: u32 = 55_000;

/// AWS-capacity: 110,000 sessions over two destinations on one external address, 55,000 to each,
/// and every answer finds its host.
#[test]
fn one_address_carries_fifty_five_thousand_sessions_to_each_destination() {
    let gateway = || {
        let mut config = config();
        config.inside = nat_core::Cidr::new(Ipv4Addr::new(10, 0, 0, 1), 8).expect("a network");
        config.mapping = Mapping::AddressAndPortDependent;
        config.limits.sessions_per_host = None;
        config.limits.mappings_per_host = None;
        config
    };
    let tables = Box::leak(Box::new(WideTables::<131_072, 131_072, 16>::wide()));
    let mut nat = Nat::new(tables, gateway(), SEED).expect("the configuration can work");
    let now = Instant::from_secs(1);
    let servers = [at(S1, 443), at(S2, 443)];
    let flows = || {
        let hosts = (0..PER_DESTINATION).map(|i| {
            at(
                Ipv4Addr::new(10, 0, 0, 2 + (i % 11) as u8),
                2000 + (i / 11) as u16,
            )
        });
        servers
            .into_iter()
            .flat_map(move |server| hosts.clone().map(move |host| (host, server)))
    };
    let mut externals = HashSet::new();
    for (host, server) in flows() {
        let mut packet = udp(host, server).bytes();
        let verdict = nat.process(&mut packet, Side::Inside, now);
        assert!(
            matches!(
                verdict,
                Verdict::Forward {
                    to: Side::Outside,
                    ..
                }
            ),
            "{host} to {server}: {verdict:?}"
        );
        let external = Packet::parse(&packet).source();
        assert_eq!(*external.ip(), N);
        assert!(
            externals.insert((external, server)),
            "{external} is shared toward {server}"
        );
        answered(&mut nat, server, external, host, now);
    }
    assert_eq!(nat.sessions().count(), 2 * PER_DESTINATION as usize);
    for session in nat.sessions().collect::<Vec<_>>() {
        answered(
            &mut nat,
            session.remote,
            session.external,
            session.inside,
            now,
        );
    }
}

fn answered(
    nat: &mut Nat<'_, u32>,
    from: SocketAddrV4,
    to: SocketAddrV4,
    host: SocketAddrV4,
    now: Instant,
) {
    let mut packet = udp(from, to).bytes();
    let verdict = nat.process(&mut packet, Side::Outside, now);
    assert!(
        matches!(
            verdict,
            Verdict::Forward {
                to: Side::Inside,
                ..
            }
        ),
        "{from} to {to}: {verdict:?}"
    );
    assert_eq!(Packet::parse(&packet).destination(), host);
}
