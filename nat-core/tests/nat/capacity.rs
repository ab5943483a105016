//! Tables that fill up, and the limits of one host: RFC 5508 REQ-8, RFC 6888 REQ-4, 5 and 11.

use crate::world::*;
use nat_core::{DropReason, ExhaustionError, Filtering};

/// The ICMP error that an inside host gets when its session is refused: RFC 5508 REQ-8.
const PROHIBITED: (u8, u8) = (3, 13);

/// I8, G11: at capacity less one the next session is had, at capacity it is refused, and the others
/// go on.
#[test]
fn a_full_session_table_refuses_and_ends_no_session() {
    let mut w = World::sized::<16, 8, 4>(|_| ());
    let externals: Vec<_> = (0..8)
        .map(|i| w.open_udp(at(H1, 5000), at(S1, 53 + i)))
        .collect();
    let answer = w
        .outbound(udp(at(H1, 5000), at(S2, 53)))
        .rejected(DropReason::SessionTableFull);
    assert_eq!(
        (answer.icmp_type(), *answer.source().ip()),
        (PROHIBITED, ROUTER)
    );
    w.outbound(tcp(at(H2, 5000), at(S2, 80), SYN))
        .rejected(DropReason::SessionTableFull);
    w.outbound(echo_request(H2, S2, 7))
        .rejected(DropReason::SessionTableFull);
    assert_eq!(w.stats().rejected(DropReason::SessionTableFull), 3);
    for (i, external) in (0..8).zip(externals) {
        w.outbound(udp(at(H1, 5000), at(S1, 53 + i))).forwarded();
        assert_eq!(
            w.inbound(udp(at(S1, 53 + i), external))
                .forwarded()
                .destination(),
            at(H1, 5000)
        );
    }
    w.advance(secs(301));
    w.open_udp(at(H2, 5000), at(S2, 53));
}

/// I8, G11, U11: the same for mappings; a mapping that exists still serves new remote endpoints.
#[test]
fn a_full_mapping_table_refuses_and_ends_no_session() {
    let mut w = World::sized::<4, 16, 4>(|_| ());
    let externals: Vec<_> = (0..4)
        .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)))
        .collect();
    let answer = w
        .outbound(udp(at(H1, 6000), at(S1, 53)))
        .rejected(DropReason::MappingTableFull);
    assert_eq!(answer.icmp_type(), PROHIBITED);
    w.outbound(udp(at(H2, 5000), at(S1, 53)))
        .rejected(DropReason::MappingTableFull);
    for (i, external) in (0..4).zip(externals) {
        assert_eq!(w.open_udp(at(H1, 5000 + i), at(S2, 99)), external);
        w.inbound(udp(at(S1, 53), external)).forwarded();
    }
    w.advance(secs(301));
    w.open_udp(at(H2, 5000), at(S1, 53));
}

/// A6: as many hosts as the table holds, one place of which is the router's; one more is refused
/// until one is done.
#[test]
fn a_full_host_table_refuses_and_ends_no_session() {
    let mut w = World::sized::<16, 16, 3>(|_| ());
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.advance(secs(100));
    w.open_udp(at(H2, 5000), at(S1, 53));
    assert_eq!(
        w.outbound(udp(at(H3, 5000), at(S1, 53)))
            .rejected(DropReason::HostTableFull)
            .icmp_type(),
        PROHIBITED
    );
    w.open_udp(at(H2, 5001), at(S1, 53));
    w.router_sends(udp(at(N, 5000), at(S1, 53))).forwarded();
    w.advance(secs(201));
    w.open_udp(at(H3, 5000), at(S1, 53));
}

/// G4, G5, A5: a host at its limit is refused; the others, and its own sessions, are not.
#[test]
fn a_hosts_sessions_are_limited() {
    let mut w = World::with(|config| config.limits.sessions_per_host = Some(8));
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    for i in 1..8 {
        w.open_udp(at(H1, 5000), at(S1, 53 + i));
    }
    assert_eq!(
        w.outbound(udp(at(H1, 5000), at(S2, 53)))
            .rejected(DropReason::HostLimit)
            .icmp_type(),
        PROHIBITED
    );
    w.outbound(tcp(at(H1, 5000), at(S2, 80), SYN))
        .rejected(DropReason::HostLimit);
    w.outbound(echo_request(H1, S2, 7))
        .rejected(DropReason::HostLimit);
    w.inbound(udp(at(S1, 53), external)).forwarded();
    w.open_udp(at(H2, 5000), at(S2, 53));
    w.advance(secs(301));
    w.open_udp(at(H1, 5000), at(S2, 53));
}

/// G4: the limit on mappings leaves sessions of existing mappings alone.
#[test]
fn a_hosts_mappings_are_limited() {
    let mut w = World::with(|config| config.limits.mappings_per_host = Some(4));
    for i in 0..4 {
        w.open_udp(at(H1, 5000 + i), at(S1, 53));
    }
    w.outbound(udp(at(H1, 6000), at(S1, 53)))
        .rejected(DropReason::HostLimit);
    w.open_udp(at(H1, 5000), at(S2, 53));
    for i in 0..4 {
        w.open_udp(at(H2, 5000 + i), at(S1, 53));
    }
    w.advance(secs(301));
    w.open_udp(at(H1, 6000), at(S1, 53));
}

/// G4: the limit is on all that a host has outside, ports and identifiers of every protocol
/// together.
#[test]
fn a_hosts_mappings_are_limited_across_protocols() {
    let mut w = World::with(|config| config.limits.mappings_per_host = Some(64));
    for i in 0..64 {
        match i % 3 {
            0 => w.outbound(udp(at(H1, 5000 + i), at(S1, 53))),
            1 => {
                w.open_tcp(at(H1, 5000 + i), at(S1, 80));
                continue;
            }
            _ => w.outbound(echo_request(H1, S1, 5000 + i)),
        }
        .forwarded();
    }
    for packet in [
        udp(at(H1, 6000), at(S1, 53)),
        tcp(at(H1, 6000), at(S1, 80), SYN),
        echo_request(H1, S1, 6000),
    ] {
        assert_eq!(
            w.outbound(packet)
                .rejected(DropReason::HostLimit)
                .icmp_type(),
            PROHIBITED
        );
    }
    w.open_udp(at(H2, 5000), at(S1, 53));
    w.open_tcp(at(H2, 5000), at(S1, 80));
    w.open_echo(H2, S1, 7);
}

/// A5: a flood of one host: at every moment another host opens a session.
#[test]
fn a_flood_of_one_host_leaves_slots_for_the_others() {
    let mut w = World::sized::<256, 256, 4>(|config| config.limits.sessions_per_host = Some(100));
    for i in 0..400 {
        let _ = w.outbound(udp(at(H1, 1024 + i), at(S1, 53)));
        if i % 20 == 0 {
            w.open_udp(at(H2, 5000 + i / 20), at(S1, 53));
        }
    }
    assert_eq!(
        w.sessions().iter().filter(|s| *s.inside.ip() == H1).count(),
        100
    );
}

/// I10f: refusals are answered in bursts only; what is not answered is dropped.
#[test]
fn refusals_are_rate_limited() {
    let mut w = World::sized::<16, 4, 4>(|config| {
        config.limits.icmp_error_burst = 10;
        config.limits.icmp_errors_per_second = 1;
    });
    for i in 0..4 {
        w.open_udp(at(H1, 5000 + i), at(S1, 53));
    }
    for _ in 0..10 {
        w.outbound(udp(at(H1, 6000), at(S1, 53)))
            .rejected(DropReason::SessionTableFull);
    }
    for _ in 0..10 {
        w.outbound(udp(at(H1, 6000), at(S1, 53)))
            .dropped(DropReason::SessionTableFull);
    }
    assert_eq!(w.stats().icmp_errors_sent, 10);
}

/// G11b, I8, 7.1: the error about a refused session, whatever the reason, is configurable.
#[test]
fn the_error_of_a_refused_session_can_be_chosen() {
    use ExhaustionError::{AdministrativelyProhibited, HostUnreachable, None as Nothing};
    for (error, answer) in [
        (AdministrativelyProhibited, Some((3, 13))),
        (HostUnreachable, Some((3, 1))),
        (Nothing, None),
    ] {
        let check = |outcome: Outcome, reason| match answer {
            Some(kind) => assert_eq!(outcome.rejected(reason).icmp_type(), kind),
            None => outcome.dropped(reason),
        };
        let mut w = World::sized::<4, 2, 4>(|config| config.exhaustion_error = error);
        w.open_udp(at(H1, 5000), at(S1, 53));
        w.open_udp(at(H1, 5000), at(S2, 53));
        check(
            w.outbound(udp(at(H2, 5000), at(S1, 53))),
            DropReason::SessionTableFull,
        );
        check(
            w.outbound(tcp(at(H2, 5000), at(S1, 80), SYN)),
            DropReason::SessionTableFull,
        );
        check(
            w.outbound(echo_request(H2, S1, 7)),
            DropReason::SessionTableFull,
        );
        let mut w = World::with(|config| {
            config.exhaustion_error = error;
            config.limits.sessions_per_host = Some(1);
            config.ports = nat_core::PortRange::new(30000, 30000).expect("a port");
        });
        w.open_udp(at(H1, 5000), at(S1, 53));
        check(
            w.outbound(udp(at(H1, 5000), at(S2, 53))),
            DropReason::HostLimit,
        );
        check(
            w.outbound(udp(at(H2, 5000), at(S2, 53))),
            DropReason::PortsExhausted,
        );
        // Other errors are what they were.
        assert_eq!(
            w.outbound(udp(at(H1, 5000), at(S1, 53)).ttl(1))
                .rejected(DropReason::TtlExpired)
                .icmp_type(),
            (11, 0)
        );
        assert_eq!(w.stats().replies_rate_limited, 0);
    }
    assert_eq!(config().exhaustion_error, AdministrativelyProhibited);
}

/// G11d, A7: no established session and no session of another host is evicted: only half-open
/// sessions that a host has begun itself, for those that it begins next, the oldest first.
#[test]
fn only_sessions_of_a_host_are_evicted_for_its_new_ones() {
    let mut w = World::sized::<8, 8, 4>(|_| ());
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    for i in 1..8 {
        w.outbound(tcp(at(H2, 5000 + i), at(S1, 80), SYN))
            .forwarded();
    }
    for i in 0..100 {
        w.outbound(tcp(at(H2, 6000 + i), at(S1, 80), SYN))
            .forwarded();
        assert!(
            w.outbound(tcp(at(H1, 6000 + i), at(S1, 80), SYN))
                .refusal()
                .is_some()
        );
        assert!(
            w.outbound(udp(at(H3, 6000 + i), at(S1, 80)))
                .refusal()
                .is_some()
        );
    }
    let left: Vec<_> = w
        .sessions()
        .iter()
        .map(|session| session.inside.port())
        .collect();
    assert_eq!(left, [5000, 6093, 6094, 6095, 6096, 6097, 6098, 6099]);
    w.inbound(connection.outside_sends(ACK)).forwarded();
}

/// A8, A27: packets from outside that an open filter lets in take no slots: the inside makes the
/// sessions, not they.
#[test]
fn packets_from_outside_take_no_slots() {
    let mut w = World::sized::<4, 4, 4>(|config| config.filtering = Filtering::EndpointIndependent);
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    for i in 0..100 {
        w.inbound(udp(at(ATTACKER, 1000 + i), external)).forwarded();
    }
    assert_eq!(w.sessions().len(), 1);
    for i in 0..3 {
        w.outbound(udp(at(H1, 5000), at(ATTACKER, 1000 + i)))
            .forwarded();
    }
    w.outbound(udp(at(H1, 5000), at(ATTACKER, 2000)))
        .rejected(DropReason::SessionTableFull);
    w.inbound(udp(at(S1, 53), external)).forwarded();
}

/// Filtering by address: each remote address takes one session more, and gives it back.
#[test]
fn remote_addresses_of_the_filter_are_freed() {
    let mut w = World::sized::<8, 16, 4>(|config| config.filtering = Filtering::AddressDependent);
    for round in 0..20 {
        for i in 0..4 {
            w.open_udp(
                at(H1, 5000 + round * 10 + i),
                at([S1, S2][usize::from(i % 2)], 53),
            );
        }
        w.advance(secs(301));
    }
}

/// Filling and emptying again and again leaks nothing: each time as much is had.
#[test]
fn tables_can_be_filled_again_and_again() {
    let mut w = World::sized::<8, 16, 4>(|_| ());
    for round in 0..50_u16 {
        let mut opened = 0;
        for i in 0..8 {
            for remote in [S1, S2] {
                w.open_udp(
                    at([H1, H2, H3][usize::from(i % 3)], 5000 + round * 8 + i),
                    at(remote, 53),
                );
                opened += 1;
            }
        }
        assert_eq!(w.sessions().len(), opened);
        w.outbound(udp(at(H1, 4000), at(S1, 53)))
            .refusal()
            .expect("a refusal");
        if round % 2 == 0 {
            w.advance(secs(301));
        } else {
            w.clear();
        }
    }
}

/// The smallest tables work.
#[test]
fn tables_of_one_work() {
    let mut w = World::sized::<1, 1, 1>(|_| ());
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    assert!(
        w.outbound(udp(at(H1, 5001), at(S1, 53)))
            .refusal()
            .is_some()
    );
    w.inbound(udp(at(S1, 53), external)).forwarded();
    assert!(
        w.outbound(udp(at(H2, 5001), at(S1, 53)))
            .refusal()
            .is_some()
    );
    w.open_udp(at(H1, 5001), at(S1, 53));
    assert!(
        w.outbound(udp(at(H1, 5002), at(S1, 53)))
            .refusal()
            .is_some(),
        "it was not answered"
    );
    w.advance(secs(301));
    w.open_udp(at(H2, 5001), at(S1, 53));
}

/// Tables that are filled to the last slot by many hosts and ports: the index holds as much as the
/// table.
#[test]
fn large_tables_fill_to_the_last_slot() {
    let mut w = World::sized::<512, 512, 8>(|config| config.limits.icmp_error_burst = 1000);
    let mut refused = 0;
    for i in 0..512 {
        let host = [H1, H2, H3][usize::from(i % 3)];
        refused += u32::from(
            !w.outbound(udp(at(host, 2000 + i), at(S1, 53)))
                .is_forwarded(),
        );
    }
    assert_eq!(refused, 0);
    assert!(!w.outbound(udp(at(H1, 9000), at(S1, 53))).is_forwarded());
}
