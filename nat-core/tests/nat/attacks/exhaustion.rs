//! A5 to A8, A29: hosts that try to fill the tables.

use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::{
    Config, DropReason, Limits, Mapping, PortForward, Protocol, SessionState, Side, Verdict,
};

use super::victim::{PORTS, SERVER, Victim, learns_nothing};
use crate::strength::packets;
use crate::world::*;

/// Capacity for 2048 mappings, 4096 sessions and every host of the network, with the default
/// limits.
fn world(change: impl FnOnce(&mut Config)) -> World {
    World::sized::<2048, 4096, 256>(|config| {
        config.limits = Limits::DEFAULT;
        change(config);
    })
}

/// The inside port and the remote endpoint of the session with a number.
type Pattern = fn(u16) -> (u16, core::net::SocketAddrV4);

/// A packet of a flood from inside, which may pass or not.
#[track_caller]
fn pour(w: &mut World, packet: Datagram) -> bool {
    match w.flood(packet, Side::Inside) {
        Verdict::Forward { .. } => true,
        Verdict::Drop(_) | Verdict::Reject(_) => false,
        other => panic!("unexpected: {other:?}"),
    }
}

/// A destination of its own for each number.
fn anywhere(number: u32) -> core::net::SocketAddrV4 {
    at(
        Ipv4Addr::from_bits(0x0808_0000 + number % 7919),
        1 + (number % 65_521) as u16,
    )
}

/// How many sessions `host` has, and of how many mappings.
fn shares(w: &World, host: Ipv4Addr) -> (usize, usize) {
    let own: Vec<_> = w
        .sessions()
        .into_iter()
        .filter(|session| *session.inside.ip() == host)
        .collect();
    let mappings: std::collections::HashSet<_> =
        own.iter().map(|s| (s.protocol as u8, s.external)).collect();
    (own.len(), mappings.len())
}

/// Another host, which opens a flow with a port of its own at the first try, of each protocol in
/// turn, and gets an answer.
#[track_caller]
fn newcomer(w: &mut World, host: Ipv4Addr, number: u32) {
    let inside = at(host, 10_000 + (number % 50_000) as u16);
    match number % 3 {
        0 => {
            let external = w.open_udp(inside, at(S2, 53));
            assert_eq!(
                w.inbound(udp(at(S2, 53), external))
                    .forwarded()
                    .destination(),
                inside
            );
        }
        1 => {
            w.open_tcp(inside, at(S2, 80));
        }
        _ => {
            let id = w.open_echo(host, S2, inside.port());
            w.inbound(echo_reply(S2, N, id)).forwarded();
        }
    }
}

/// A5: one host sends UDP to 65,536 destinations, from one port and from all. It gets half of the
/// tables and no more, and at every moment another host opens a flow at the first try.
#[test]
fn a5_one_host_leaves_slots_for_another_at_every_moment() {
    for one_port in [true, false] {
        let mut w = world(|_| ());
        let mut victim = Victim::open(&mut w);
        // A mapping gets a second session only where all ports have had a first.
        let all = if one_port { packets(65_536) } else { 65_536 };
        victim.under(&mut w, 0..all, |w, number| {
            let port = if one_port {
                7000
            } else {
                1024 + (number % 64_512) as u16
            };
            pour(w, udp(at(H1, port), anywhere(number)));
            if number % 128 == 0 {
                newcomer(w, H3, number / 128);
            }
        });
        let (sessions, mappings) = shares(&w, H1);
        assert_eq!(
            (sessions, mappings),
            if one_port { (2048, 1) } else { (2048, 1024) }
        );
        assert!(
            w.stats().replies_rate_limited > 0,
            "refusals get so many errors and no more"
        );
        assert!(
            w.stats().icmp_errors_sent < 1_000,
            "{} errors in a second",
            w.stats().icmp_errors_sent
        );
    }
}

/// A6: one host pretends to be two hundred, and fills the tables in their names. Each other host,
/// and the router itself, opens its first flow at the first try, and what it has goes on.
#[test]
fn a6_a_host_with_many_addresses_leaves_slots_for_the_others() {
    let mut w = world(|_| ());
    let mut victim = Victim::open(&mut w);
    let named = |number: u32| Ipv4Addr::new(192, 168, 1, 55 + (number % 200) as u8);
    victim.under(&mut w, 0..packets(65_536), |w, number| {
        pour(
            w,
            udp(
                at(named(number), 1024 + (number / 200) as u16),
                anywhere(number),
            ),
        );
        if number % 2048 == 0 {
            newcomer(
                w,
                Ipv4Addr::new(192, 168, 1, 13 + (number / 2048) as u8),
                number / 2048,
            );
        }
    });
    let sessions = w.sessions().len();
    assert!(
        !pour(&mut w, udp(at(named(0), 65_000), SERVER)),
        "there is room for {}",
        4096 - sessions
    );
    w.router_sends(udp(at(N, 5000), at(S1, 53))).forwarded();
    w.router_sends(tcp(at(N, 5000), SERVER, SYN)).forwarded();
    newcomer(&mut w, H3, 0);
    assert!(
        w.stats().dropped(DropReason::MappingTableFull) > packets(10_000).into(),
        "refusals are counted"
    );
}

/// A6: as much is reserved for each host as is configured, and the router has a slot in a full host
/// table.
#[test]
fn a6_what_is_reserved_for_a_host_is_its_own() {
    let mut w = World::sized::<512, 512, 64>(|config| {
        config.limits = Limits::DEFAULT;
        config.limits.reserved_per_host = Some(4);
    });
    w.open_udp(at(H1, 1), at(S1, 53));
    for number in 0..packets(65_536) {
        pour(
            &mut w,
            udp(
                at(
                    Ipv4Addr::new(192, 168, 1, 20 + (number % 200) as u8),
                    1024 + number as u16 / 2,
                ),
                anywhere(number),
            ),
        );
    }
    assert!(w.stats().dropped(DropReason::HostTableFull) > 1_000);
    for number in 1..4 {
        newcomer(&mut w, H1, number);
    }
    // Two of them were answered, and are evicted for two of its own.
    for number in 0..2 {
        w.outbound(udp(at(H1, 9 + number), at(S1, 53))).forwarded();
    }
    // It gets an error, however many errors the others have got.
    w.outbound(udp(at(H1, 11), at(S1, 53)))
        .rejected(DropReason::MappingTableFull);
    assert_eq!(
        w.outbound(udp(at(H2, 9), at(S1, 53))).refusal(),
        Some(DropReason::HostTableFull)
    );
    for number in 0..4 {
        w.router_sends(udp(at(N, 5000 + number), at(S1, 53)))
            .forwarded();
    }
    // All is given back.
    w.advance(secs(7441));
    assert_eq!(w.sessions(), []);
    for number in 0..4 {
        newcomer(&mut w, H2, number);
    }
}

/// A7: one host sends SYNs that get no answer. It gets a quarter of the table for them, in which
/// each new one evicts the oldest. Its own established connections, its other sessions and other
/// hosts are not affected.
#[test]
fn a7_unanswered_connections_have_a_limit() {
    let mut w = world(|_| ());
    let mut victim = Victim::open(&mut w);
    let established = w.open_tcp(at(H1, 40_000), SERVER);
    victim.under(&mut w, 0..packets(65_536), |w, number| {
        assert!(
            pour(
                w,
                tcp(at(H1, 2001 + (number % 997) as u16), anywhere(number), SYN)
            ),
            "{number}"
        );
        if number % 128 == 0 {
            newcomer(w, H3, number / 128);
            w.open_udp(at(H1, 5353), at(S2, 1 + (number / 128) as u16));
        }
    });
    let half_open = w
        .sessions()
        .iter()
        .filter(|session| session.state == SessionState::InsideSyn)
        .count();
    assert_eq!(half_open, 1024);
    assert!(w.stats().half_open_evicted > u64::from(packets(65_536)) - 5_536);
    assert_eq!(w.stats().half_open_evicted, w.stats().sessions_evicted);
    w.inbound(established.outside_sends(ACK)).forwarded();
    // A SYN again is no new session, and does not hold the old one for longer than its own timer.
    w.advance(secs(241));
    assert_eq!(
        shares(&w, H1).0 - 1,
        w.sessions()
            .iter()
            .filter(|s| s.inside == at(H1, 5353))
            .count()
    );
    w.outbound(tcp(at(H1, 2007), SERVER, SYN)).forwarded();
}

/// A7: the same by one that has two hundred names: half of the table in all, and each other host
/// opens its first.
#[test]
fn a7_unanswered_connections_have_a_limit_in_all() {
    let mut w = world(|_| ());
    let mut victim = Victim::open(&mut w);
    victim.under(&mut w, 0..packets(65_536), |w, number| {
        let host = Ipv4Addr::new(192, 168, 1, 55 + (number % 200) as u8);
        pour(
            w,
            tcp(
                at(host, 2001 + (number / 200 % 5) as u16),
                anywhere(number),
                SYN,
            ),
        );
        if number % 2048 == 0 {
            newcomer(w, Ipv4Addr::new(192, 168, 1, 13 + (number / 2048) as u8), 1);
        }
    });
    let half_open = w
        .sessions()
        .iter()
        .filter(|session| session.state == SessionState::InsideSyn)
        .count();
    assert_eq!(half_open, 2048);
    let of_host = |host| {
        w.sessions()
            .iter()
            .filter(|session| *session.inside.ip() == host)
            .count()
    };
    let fewest = (55..255)
        .map(|last| of_host(Ipv4Addr::new(192, 168, 1, last)))
        .min();
    assert!(fewest >= Some(1), "none has taken the place of another's");
}

/// A7, RFC 4987: spoofed SYNs to a server behind a port forward, which answers them all. Genuine
/// clients come through at every moment, the server's own flows too, and nothing established is
/// ended.
#[test]
fn a7_a_forwarded_server_under_spoofed_syns_serves_on() {
    let mut w = world(|_| ());
    let forward = PortForward::new(Protocol::Tcp, 80, at(H1, 80));
    w.nat.add_port_forward(forward).expect("a port forward");
    let mut victim = Victim::open(&mut w);
    let genuine = Connection::accept(&mut w, at(N, 80), at(S2, 999));
    victim.under(&mut w, 0..packets(65_536), |w, number| {
        let spoofed = anywhere(number);
        assert!(matches!(
            w.flood(tcp(spoofed, at(N, 80), SYN).seq(number), Side::Outside),
            Verdict::Forward { .. }
        ));
        assert!(
            pour(
                w,
                tcp(at(H1, 80), spoofed, SYN | ACK)
                    .seq(9)
                    .ack(number.wrapping_add(1))
            ),
            "{number}"
        );
        let every = packets(256);
        if number % every == 0 {
            Connection::accept(w, at(N, 80), at(S2, 1024 + (number / 64) as u16));
            newcomer(w, H1, number / every);
            newcomer(w, H3, number / every);
        }
    });
    let count = |w: &World, state| {
        w.sessions()
            .iter()
            .filter(|session| session.state == state)
            .count()
    };
    assert!(count(&w, SessionState::OutsideSyn) <= 1024);
    assert!(
        count(&w, SessionState::Established) > 2 + 256,
        "all that were established are"
    );
    assert!(w.stats().half_open_evicted > u64::from(packets(65_536)) - 5_536);
    w.inbound(genuine.outside_sends(ACK)).forwarded();
    w.advance(secs(241));
    assert_eq!(count(&w, SessionState::OutsideSyn), 0);
}

/// A7, RFC 4987: spoofed SYNs to two servers behind port forwards, one after the other and at once,
/// in both modes of mapping. Both serve genuine clients at every moment, and no host's own
/// connections are refused.
#[test]
fn a7_spoofed_syns_at_two_forwards_shut_neither_out() {
    for mapping in [
        Mapping::EndpointIndependent,
        Mapping::AddressAndPortDependent,
    ] {
        let mut w = World::sized::<256, 288, 8>(|config| {
            config.limits = Limits::DEFAULT;
            config.mapping = mapping;
        });
        for (port, host) in [(80, H1), (81, H2)] {
            w.nat
                .add_port_forward(PortForward::new(Protocol::Tcp, port, at(host, port)))
                .expect("a port forward");
        }
        for number in 0..packets(2_000) {
            let (port, host) = if number < 200 || number % 2 == 0 {
                (80, H1)
            } else {
                (81, H2)
            };
            let spoofed = anywhere(number);
            w.inbound(tcp(spoofed, at(N, port), SYN).seq(number))
                .forwarded();
            w.outbound(
                tcp(at(host, port), spoofed, SYN | ACK)
                    .seq(9)
                    .ack(number.wrapping_add(1)),
            )
            .forwarded();
            if number % 20 == 0 {
                for (host, port) in [(H1, 80), (H2, 81)] {
                    let genuine =
                        Connection::accept(&mut w, at(N, port), at(S2, 1024 + number as u16));
                    close(&mut w, genuine);
                    let own = w.open_tcp(at(host, 10_000 + number as u16), SERVER);
                    close(&mut w, own);
                }
                // A host without a server has more than is reserved for it.
                let own: Vec<_> = (0..8)
                    .map(|i| w.open_tcp(at(H3, 10_000 + number as u16 + i), SERVER))
                    .collect();
                own.into_iter()
                    .for_each(|connection| close(&mut w, connection));
            }
        }
        assert_eq!(
            w.stats().dropped_total() + w.stats().rejected_total(),
            0,
            "{mapping:?}"
        );
    }
}

/// Both ends close.
#[track_caller]
fn close(w: &mut World, mut connection: Connection) {
    w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
    connection.inside_next += 1;
    w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
}

/// A7: connections that are reset and opened again, so that they were never new when they were half
/// open: the limit holds.
#[test]
fn a7_connections_opened_again_do_not_pass_the_limit() {
    let mut w = world(|_| ());
    let mut victim = Victim::open(&mut w);
    for round in 0..2 {
        victim.under(&mut w, 0..2048_u32, |w, number| {
            let inside = at(H1, 5000);
            let remote = anywhere(number);
            pour(w, tcp(inside, remote, SYN).seq(round << 24));
            if round == 0 {
                pour(w, tcp(inside, remote, RST).seq(1));
            }
        });
    }
    let half_open = w
        .sessions()
        .iter()
        .filter(|session| session.state == SessionState::InsideSyn)
        .count();
    assert_eq!(half_open, 1024);
    newcomer(&mut w, H3, 1);
}

/// A6: one host sends from every port below 1024, of which there are few. Each other host still
/// gets such a port.
#[test]
fn a6_one_host_leaves_low_ports_to_others() {
    let mut w = world(|_| ());
    let mut victim = Victim::open(&mut w);
    victim.under(&mut w, (0..4).flat_map(|_| 1..1024_u16), |w, port| {
        pour(w, udp(at(H1, port), at(S1, 9)));
        pour(w, tcp(at(H1, port), at(S1, 9), SYN));
    });
    for last in 100..250 {
        let host = Ipv4Addr::new(192, 168, 1, last);
        w.open_udp(at(host, 123), at(S2, 123));
        w.open_tcp(at(host, 1023), at(S2, 2049));
    }
}

/// A8: SYNs from outside to every port, from spoofed sources and from the victim's server: no
/// state, no answer.
#[test]
fn a8_syns_from_outside_make_no_state() {
    let mut w = world(|_| ());
    let mut victim = Victim::open(&mut w);
    let external = victim.connection.external;
    let sessions = w.sessions().len();
    victim.under(&mut w, PORTS, |w, port| {
        for source in [anywhere(u32::from(port)), at(ATTACKER, port), SERVER] {
            let outcome = w.inbound(tcp(source, at(N, port), SYN).seq(u32::from(port)));
            learns_nothing(&outcome);
            assert_eq!(
                outcome.is_forwarded(),
                (source, port) == (SERVER, external.port()),
                "S2 of RFC 5961"
            );
        }
    });
    assert_eq!(w.sessions().len(), sessions);
    // Nor later, as an ICMP error would be after six seconds (RFC 5382 REQ-4 lets a NAT stay
    // silent).
    let due = w.nat.poll_timeout().expect("the victim's timers");
    assert!(
        due > w.now().saturating_add(Duration::from_secs(100)),
        "nothing waits to be said"
    );
}

/// A29: a host that picks its tuples: in order, with equal halves, and in steps of the table. None
/// meets a full bucket; `a_flood_of_chosen_keys_meets_the_bound` shows what one that knows the
/// secret would get.
#[test]
fn a29_tuples_picked_without_the_secret_do_not_collide() {
    let patterns: [(&str, Pattern); 5] = [
        ("ports in order", |i| (1024 + i, at(S1, 53))),
        ("every 32nd port", |i| (1024 + i * 32, at(S1, 53))),
        ("equal halves", |i| {
            (
                1024 + i,
                at(
                    Ipv4Addr::from_bits(0x0801_0801 + 0x0001_0001 * u32::from(i % 200)),
                    1024 + i,
                ),
            )
        }),
        ("servers in steps of the table", |i| {
            (
                7,
                at(Ipv4Addr::from_bits(0x0800_0000 + u32::from(i) * 4096), 53),
            )
        }),
        ("remote ports", |i| (7, at(S1, 1 + i * 4))),
    ];
    for (name, tuple) in patterns {
        let mut w = World::sized::<2048, 4096, 4>(|_| ());
        let mut victim = Victim::open(&mut w);
        victim.under(&mut w, 0..2000, |w, number| {
            let (port, remote) = tuple(number);
            assert!(pour(w, udp(at(H1, port), remote)), "{name}, {number}");
        });
        assert_eq!(w.stats().dropped(DropReason::IndexFull), 0, "{name}");
    }
}
