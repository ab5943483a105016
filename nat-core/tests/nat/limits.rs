//! What one host may use up, and how fast: RFC 6888 REQ-4 and REQ-5.

use crate::world::*;
use nat_core::{
    Config, DropReason, Filtering, Instant, Limits, PortForward, Protocol, Rate, SessionState,
};

/// The ICMP error that an inside host gets when its session is refused: RFC 5508 REQ-8.
const PROHIBITED: (u8, u8) = (3, 13);

fn limited(change: impl FnOnce(&mut Limits)) -> World {
    World::with(|config| change(&mut config.limits))
}

fn rate(burst: u16, per_second: u16) -> Option<Rate> {
    Some(Rate { burst, per_second })
}

/// How many of `count` mappings, from ports `first` and up, `host` gets.
#[track_caller]
fn mappings_had(w: &mut World, host: core::net::Ipv4Addr, first: u16, count: u16) -> usize {
    let got = |port: &u16| match w.outbound(udp(at(host, *port), at(S1, 53))).refusal() {
        None => true,
        Some(reason) => {
            assert_eq!(reason, DropReason::HostRate);
            false
        }
    };
    (first..first + count).filter(got).count()
}

/// Sends a packet, and has a SYN answered. Whether it was forwarded.
fn establish(w: &mut World, packet: &Datagram) -> bool {
    let Outcome::Forwarded(left) = w.outbound(packet) else {
        return false;
    };
    if left.ip.protocol == etherparse::IpNumber::TCP {
        let answer = tcp(left.destination(), left.source(), SYN | ACK).seq(9);
        w.inbound(answer.ack(left.tcp().sequence_number.wrapping_add(1)))
            .forwarded();
    }
    true
}

/// G4b: RFC 6888 REQ-4b: each protocol has a limit of its own; one that is reached leaves the other
/// two alone.
#[test]
fn a_hosts_mappings_are_limited_by_protocol() {
    type Send = fn(u16) -> Datagram;
    type Set = fn(&mut Limits);
    let protocols: [(&str, Send, Set); 3] = [
        (
            "UDP",
            |i| udp(at(H1, 5000 + i), at(S1, 53)),
            |limits| limits.udp_mappings_per_host = Some(3),
        ),
        (
            "TCP",
            |i| tcp(at(H1, 5000 + i), at(S1, 80), SYN),
            |limits| limits.tcp_mappings_per_host = Some(3),
        ),
        (
            "ICMP",
            |i| echo_request(H1, S1, i),
            |limits| limits.icmp_mappings_per_host = Some(3),
        ),
    ];
    for (limited_one, _, set) in protocols {
        let mut w = limited(set);
        for (name, send, _) in protocols {
            let had = (0..8).filter(|i| establish(&mut w, &send(*i))).count();
            assert_eq!(
                had,
                if name == limited_one { 3 } else { 8 },
                "{name} where {limited_one} is limited"
            );
        }
        assert_eq!(w.stats().rejected(DropReason::HostLimit), 5);
    }
}

/// G4, G4b: the limit on all mappings counts those of every protocol together.
#[test]
fn the_limit_on_all_mappings_is_on_the_sum_of_protocols() {
    let mut w = limited(|limits| {
        limits.mappings_per_host = Some(5);
        limits.tcp_mappings_per_host = Some(3);
    });
    for i in 0..2 {
        w.open_udp(at(H1, 5000 + i), at(S1, 53));
        w.open_tcp(at(H1, 5000 + i), at(S1, 80));
    }
    w.open_echo(H1, S1, 7);
    let answer = w
        .outbound(tcp(at(H1, 6000), at(S1, 80), SYN))
        .rejected(DropReason::HostLimit);
    assert_eq!(answer.icmp_type(), PROHIBITED);
    w.outbound(udp(at(H1, 6000), at(S1, 53)))
        .rejected(DropReason::HostLimit);
    // What a host has it keeps, for new remote endpoints too; and another host has limits of its
    // own.
    w.open_udp(at(H1, 5000), at(S2, 53));
    w.open_udp(at(H2, 5000), at(S1, 53));
    // ICMP gives its mapping back after 60 s: one more is possible, of any protocol.
    w.advance(secs(61));
    w.open_tcp(at(H1, 6000), at(S1, 80));
    w.outbound(tcp(at(H1, 6001), at(S1, 80), SYN))
        .rejected(DropReason::HostLimit);
}

/// G4b: a port forward counts among the mappings of its host and protocol.
#[test]
fn port_forwards_count_for_their_protocol() {
    let mut w = limited(|limits| limits.udp_mappings_per_host = Some(1));
    let forward = PortForward::new(Protocol::Udp, 9000, at(H1, 9000));
    w.nat.add_port_forward(forward).expect("a port forward");
    w.open_udp(at(H1, 9000), at(S1, 53));
    w.outbound(udp(at(H1, 5000), at(S1, 53)))
        .rejected(DropReason::HostLimit);
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN)).forwarded();
    assert!(w.remove_port_forward(&forward));
    w.open_udp(at(H1, 5000), at(S1, 53));
}

/// G5: the sessions of one mapping are limited; another mapping of the same host has its own.
#[test]
fn a_mappings_sessions_are_limited() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
    ] {
        let mut w = World::with(|config| {
            config.filtering = filtering;
            config.limits.sessions_per_mapping = Some(4);
        });
        let external = w.open_udp(at(H1, 5000), at(S1, 53));
        for i in 1..4 {
            w.open_udp(at(H1, 5000), at(S1, 53 + i));
        }
        let answer = w
            .outbound(udp(at(H1, 5000), at(S2, 53)))
            .rejected(DropReason::HostLimit);
        assert_eq!(answer.icmp_type(), PROHIBITED);
        // What is there goes on, both ways.
        w.outbound(udp(at(H1, 5000), at(S1, 54))).forwarded();
        w.inbound(udp(at(S1, 53), external)).forwarded();
        for i in 0..4 {
            w.open_udp(at(H1, 5001), at(S1, 53 + i));
        }
        w.advance(secs(301));
        w.open_udp(at(H1, 5000), at(S2, 53));
    }
}

/// G5: and those of a port forward: packets from outside that the inside answers do not open more
/// of them.
#[test]
fn a_port_forwards_sessions_are_limited() {
    let mut w = limited(|limits| limits.sessions_per_mapping = Some(2));
    let forward = PortForward::new(Protocol::Tcp, 80, at(H1, 80));
    w.nat.add_port_forward(forward).expect("a port forward");
    let genuine = Connection::accept(&mut w, at(N, 80), at(S1, 999));
    for i in 0..5 {
        answer(&mut w, i).forwarded();
        let remotes: Vec<_> = w.sessions().iter().map(|session| session.remote).collect();
        assert_eq!(
            remotes,
            [at(S1, 999), at(ATTACKER, 1000 + i)],
            "the newest takes the place of the one before"
        );
    }
    let other = Connection::accept(&mut w, at(N, 80), at(S2, 999));
    answer(&mut w, 5).rejected(DropReason::HostLimit);
    for connection in [genuine, other] {
        w.inbound(connection.outside_sends(ACK)).forwarded();
    }
}

/// G4c: RFC 6888 REQ-4c: a host gets a burst of mappings, then so many a second; others do not feel
/// it.
#[test]
fn new_mappings_of_a_host_are_limited_in_rate() {
    let mut w = limited(|limits| limits.mapping_rate = rate(10, 4));
    assert_eq!(mappings_had(&mut w, H1, 2000, 15), 10);
    let answer = w
        .outbound(udp(at(H1, 2999), at(S1, 53)))
        .rejected(DropReason::HostRate);
    assert_eq!(answer.icmp_type(), PROHIBITED);
    assert_eq!(mappings_had(&mut w, H2, 2000, 10), 10);
    for (after, expected) in [
        (249, 0),
        (1, 1),
        (250, 1),
        (1000, 4),
        (2000, 8),
        (60_000, 10),
    ] {
        w.advance(core::time::Duration::from_millis(after));
        let first = 3000 + (w.stats().mappings_created as u16) * 10;
        assert_eq!(
            mappings_had(&mut w, H1, first, 20),
            expected,
            "{after} ms later"
        );
    }
}

/// G4c: all protocols take from one allowance, and what has a mapping already takes none of it.
#[test]
fn the_rate_of_mappings_is_on_new_mappings_of_every_protocol() {
    let mut w = limited(|limits| limits.mapping_rate = rate(3, 1));
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN)).forwarded();
    w.open_echo(H1, S1, 7);
    w.outbound(udp(at(H1, 5001), at(S1, 53)))
        .rejected(DropReason::HostRate);
    w.outbound(tcp(at(H1, 5001), at(S1, 80), SYN))
        .rejected(DropReason::HostRate);
    w.outbound(echo_request(H1, S1, 8))
        .rejected(DropReason::HostRate);
    for i in 0..20 {
        w.open_udp(at(H1, 5000), at(S2, 100 + i));
        w.inbound(udp(at(S1, 53), external)).forwarded();
    }
    w.outbound(udp(at(H1, 5001), at(S1, 53)))
        .rejected(DropReason::HostRate);
}

/// G5: rate-limited allocation of sessions, of new mappings and of old ones.
#[test]
fn new_sessions_of_a_host_are_limited_in_rate() {
    let mut w = limited(|limits| limits.session_rate = rate(5, 2));
    for i in 0..5 {
        w.open_udp(at(H1, 5000 + i % 2), at(S1, 53 + i));
    }
    assert_eq!(
        w.outbound(udp(at(H1, 5000), at(S2, 53)))
            .rejected(DropReason::HostRate)
            .icmp_type(),
        PROHIBITED
    );
    w.outbound(tcp(at(H1, 5000), at(S2, 80), SYN))
        .rejected(DropReason::HostRate);
    // A session that is there may send as fast as it likes.
    for _ in 0..50 {
        w.outbound(udp(at(H1, 5000), at(S1, 53))).forwarded();
    }
    w.open_udp(at(H2, 5000), at(S2, 53));
    w.advance(secs(1));
    w.open_udp(at(H1, 5000), at(S2, 53));
    w.open_udp(at(H1, 5000), at(S2, 54));
    w.outbound(udp(at(H1, 5000), at(S2, 55)))
        .rejected(DropReason::HostRate);
}

/// G4c: a packet that is refused takes nothing: neither one beyond the rate, nor one refused for
/// another reason.
#[test]
fn a_refused_packet_takes_no_token() {
    let mut w = limited(|limits| limits.mapping_rate = rate(2, 1));
    assert_eq!(mappings_had(&mut w, H1, 2000, 50), 2);
    w.advance(secs(2));
    assert_eq!(
        mappings_had(&mut w, H1, 3000, 50),
        2,
        "refusals did not postpone the next"
    );

    // One of the two rates is used up: nothing is taken of the other.
    let mut w = limited(|limits| {
        limits.mapping_rate = rate(3, 1);
        limits.session_rate = rate(2, 1000);
        limits.udp_mappings_per_host = Some(1);
    });
    w.open_udp(at(H1, 5000), at(S1, 53));
    for i in 0..10 {
        assert_eq!(
            w.outbound(udp(at(H1, 6000 + i), at(S1, 53))).refusal(),
            Some(DropReason::HostLimit)
        );
    }
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN)).forwarded();
    for i in 0..10 {
        assert_eq!(
            w.outbound(tcp(at(H1, 6000 + i), at(S1, 80), SYN)).refusal(),
            Some(DropReason::HostRate)
        );
    }
    w.advance(core::time::Duration::from_millis(2));
    w.outbound(tcp(at(H1, 7000), at(S1, 80), SYN)).forwarded();
    assert_eq!(
        w.outbound(tcp(at(H1, 7001), at(S1, 80), SYN)).refusal(),
        Some(DropReason::HostRate)
    );
}

/// G4c, A24: the rate is kept when the low 32 bits of the clock wrap, and after months of rest a
/// host has its burst.
#[test]
fn the_rate_survives_the_turns_of_the_clock() {
    let start = Instant::from_millis((1 << 32) - 3_000);
    let mut w = limited(|limits| limits.mapping_rate = rate(4, 1)).starting_at(start);
    assert_eq!(mappings_had(&mut w, H1, 2000, 10), 4);
    for second in 0..6 {
        w.advance(secs(1));
        assert_eq!(
            mappings_had(&mut w, H1, 3000 + second * 20, 10),
            1,
            "{second}"
        );
    }
    let forward = PortForward::new(Protocol::Udp, 9000, at(H2, 9000));
    w.nat
        .add_port_forward(forward)
        .expect("a port forward, which keeps its host known");
    assert_eq!(mappings_had(&mut w, H2, 2000, 10), 4);
    for days in [1, 20, 30, 49, 400] {
        w.advance(secs(days * 24 * 3600));
        assert_eq!(mappings_had(&mut w, H2, 2000, 10), 4, "after {days} days");
    }
}

/// The router's own packets are not those of a host: it has no limits.
#[test]
fn the_router_itself_is_not_limited() {
    let mut w = limited(|limits| {
        limits.sessions_per_host = Some(1);
        limits.sessions_per_mapping = Some(1);
        limits.mappings_per_host = Some(1);
        limits.udp_mappings_per_host = Some(1);
        limits.mapping_rate = rate(1, 1);
        limits.session_rate = rate(1, 1);
    });
    for i in 0..10 {
        w.router_sends(udp(at(N, 5000 + i), at(S1, 53))).forwarded();
        w.router_sends(udp(at(N, 5000), at(S2, 1000 + i)))
            .forwarded();
    }
}

/// G4c, RFC 6888: without a configured rate there is none.
#[test]
fn without_a_rate_a_host_is_as_fast_as_it_asks() {
    let mut w = World::new();
    assert_eq!(mappings_had(&mut w, H1, 2000, 200), 200);
}

/// A host whose port forward is full of unacknowledged answers, in a table of 64 sessions.
fn answering(half_open: u16) -> World {
    let mut w = limited(|limits| limits.half_open_per_host = Some(half_open));
    w.nat
        .add_port_forward(PortForward::new(Protocol::Tcp, 80, at(H1, 80)))
        .expect("a port forward");
    for i in 0..half_open {
        answer(&mut w, i).forwarded();
    }
    w
}

/// H1's answer to a SYN from a port of the attacker's.
fn answer(w: &mut World, i: u16) -> Outcome {
    w.inbound(tcp(at(ATTACKER, 1000 + i), at(N, 80), SYN).seq(70))
        .forwarded();
    w.outbound(
        tcp(at(H1, 80), at(ATTACKER, 1000 + i), SYN | ACK)
            .seq(90)
            .ack(71),
    )
}

/// A7, G11d: the oldest unacknowledged answer to a SYN from outside is evicted for one more
/// connection of its host, opened from either side; then the oldest half-open connection that the
/// host has begun, but never for one opened from outside.
#[test]
fn the_oldest_unacknowledged_answer_is_evicted() {
    let mut w = answering(4);
    let established = w
        .inbound(tcp(at(ATTACKER, 1000), at(N, 80), ACK).seq(71).ack(91))
        .forwarded();
    assert_eq!(
        w.session(at(H1, 80), established.source()).state,
        SessionState::Established
    );
    answer(&mut w, 4).forwarded();
    assert_eq!(w.stats().half_open_evicted, 0, "one was acknowledged");
    answer(&mut w, 5).forwarded();
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN)).forwarded();
    let left: Vec<_> = w
        .sessions()
        .iter()
        .map(|session| session.remote.port())
        .collect();
    assert_eq!(
        (w.stats().half_open_evicted, left),
        (2, vec![1000, 1003, 1004, 1005, 80])
    );
    for i in 0..3 {
        w.outbound(tcp(at(H1, 5001 + i), at(S1, 80), SYN))
            .forwarded();
    }
    answer(&mut w, 9).rejected(DropReason::HalfOpenLimit);
    w.outbound(tcp(at(H1, 6000), at(S1, 80), SYN)).forwarded();
    let own = w
        .sessions()
        .into_iter()
        .filter(|session| session.state == SessionState::InsideSyn);
    assert_eq!(
        own.map(|session| session.inside.port()).collect::<Vec<_>>(),
        [5001, 5002, 5003, 6000]
    );
    assert_eq!(
        w.session(at(H1, 80), established.source()).state,
        SessionState::Established
    );

    // Also the last of its mapping; but never what another host has.
    let mut w = answering(1);
    answer(&mut w, 9).forwarded();
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN)).forwarded();
    w.outbound(tcp(at(H2, 5000), at(S1, 80), SYN)).forwarded();
    assert_eq!(
        answer(&mut w, 10)
            .rejected(DropReason::HalfOpenLimit)
            .icmp_type(),
        PROHIBITED
    );
    assert_eq!(w.sessions().len(), 2);
}

/// A7: a connection is half open until the other end has answered, and again when its ports are
/// used again. What counts is what there is: of a host, and of all.
#[test]
fn connections_that_are_not_answered_are_counted() {
    for of_all in [false, true] {
        let mut w = limited(|limits| {
            *if of_all {
                &mut limits.half_open
            } else {
                &mut limits.half_open_per_host
            } = Some(3);
        });
        let syn =
            |w: &mut World, host, port| w.outbound(tcp(at(host, port), at(S1, 80), SYN)).refusal();
        let mut ended = 0;
        for round in 0..3 {
            let base = 5000 + 100 * round;
            let mut opening: Vec<_> = (0..3)
                .map(|i| Connection::syn_sent(&mut w, at(H1, base + i), at(S1, 80)))
                .collect();
            assert_eq!(
                syn(&mut w, H2, base + 9),
                of_all.then_some(DropReason::HalfOpenLimit)
            );
            w.open_udp(at(H1, 5000), at(S1, 53));
            // Answered, and reset: each is evicted for one; after that the oldest is.
            w.inbound(opening[0].outside_sends(SYN | ACK)).forwarded();
            assert_eq!(syn(&mut w, H1, base + 10), None);
            opening[1].outside_next = 0;
            w.inbound(opening[1].outside_sends(RST | ACK)).forwarded();
            assert_eq!(syn(&mut w, H1, base + 11), None);
            assert_eq!(w.stats().half_open_evicted, ended);
            assert_eq!(syn(&mut w, H1, base + 12), None);
            ended += 1;
            assert_eq!(w.stats().half_open_evicted, ended);
            w.inbound(opening[2].outside_sends(SYN | ACK))
                .dropped(DropReason::NoMapping);
            w.advance(secs(241));
        }
        let left = w
            .nat
            .sessions()
            .filter(|s| s.state == SessionState::InsideSyn)
            .count();
        assert_eq!(left, 0);
    }
}

/// A6, G4: so many mappings and sessions are reserved for each possible host; a host that has used
/// them shares the rest.
#[test]
fn what_is_reserved_for_others_is_refused() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
    ] {
        let mut w = World::sized::<32, 64, 5>(|config| {
            config.filtering = filtering;
            config.limits.reserved_per_host = Some(4);
        });
        let had = (0..40)
            .filter(|i| w.outbound(udp(at(H1, 5000 + i), at(S1, 53))).is_forwarded())
            .count();
        assert_eq!(
            had,
            32 - 4 * 4,
            "all but what is reserved for three hosts and the router"
        );
        for host in [H2, H3] {
            let had = (0..40)
                .filter(|i| {
                    w.outbound(udp(at(host, 5000 + i), at(S1, 53)))
                        .is_forwarded()
                })
                .count();
            assert_eq!(had, 4);
        }
        // A session is refused as well, where a mapping needs none.
        let remotes = (0..90_u16).filter(|i| {
            w.outbound(udp(at(H1, 5000), at(S2, 100 + i)))
                .is_forwarded()
        });
        // Filtered by address a session may take two slots, and so may those that are reserved.
        let left = if filtering == Filtering::AddressDependent {
            64 - 2 * 24 - 2 * 8
        } else {
            64 - 24 - 8
        };
        assert_eq!(remotes.count(), left);
        for i in 0..4 {
            w.router_sends(udp(at(N, 5000 + i), at(S1, 53))).forwarded();
        }
        let fourth = core::net::Ipv4Addr::new(192, 168, 1, 40);
        for i in 0..4 {
            w.open_udp(at(fourth, 5000 + i), at([S1, S2][usize::from(i % 2)], 53));
        }
        w.outbound(udp(at(fourth, 6000), at(S1, 53)))
            .refusal()
            .expect("no more than is reserved");
        w.advance(secs(301));
        let again = (0..40)
            .filter(|i| w.outbound(udp(at(H1, 5000 + i), at(S1, 53))).is_forwarded())
            .count();
        assert_eq!(again, 16, "all is given back");
    }
}

/// Limits of nothing, and rates that cannot be kept, are refused when the NAT is built.
#[test]
fn limits_that_cannot_work_are_refused() {
    fn problem(change: impl FnOnce(&mut Limits)) -> Option<&'static str> {
        let mut config: Config = config();
        change(&mut config.limits);
        let mut tables = Box::new(nat_core::Tables::<4, 4, 4>::new());
        nat_core::Nat::new(&mut tables, config, SEED)
            .err()
            .map(|error| error.field)
    }
    assert_eq!(
        problem(|limits| limits.sessions_per_mapping = Some(0)),
        Some("limits")
    );
    assert_eq!(
        problem(|limits| limits.tcp_mappings_per_host = Some(0)),
        Some("limits")
    );
    assert_eq!(
        problem(|limits| limits.udp_mappings_per_host = Some(0)),
        Some("limits")
    );
    assert_eq!(
        problem(|limits| limits.icmp_mappings_per_host = Some(0)),
        Some("limits")
    );
    assert_eq!(
        problem(|limits| limits.half_open_per_host = Some(0)),
        Some("limits")
    );
    assert_eq!(problem(|limits| limits.half_open = Some(0)), Some("limits"));
    for wrong in [rate(0, 1), rate(1, 0), rate(1, 1001)] {
        assert_eq!(
            problem(|limits| limits.mapping_rate = wrong),
            Some("limits"),
            "{wrong:?}"
        );
        assert_eq!(
            problem(|limits| limits.session_rate = wrong),
            Some("limits"),
            "{wrong:?}"
        );
    }
    for right in [None, rate(1, 1), rate(u16::MAX, 1000)] {
        assert_eq!(
            problem(|limits| limits.mapping_rate = right),
            None,
            "{right:?}"
        );
        assert_eq!(
            problem(|limits| limits.session_rate = right),
            None,
            "{right:?}"
        );
    }
}
