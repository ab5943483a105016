//! Which session of a host is evicted for another of the same host: RFC 5382 section 5, RFC 6888
//! REQ-4.

use core::net::SocketAddrV4;
use core::time::Duration;

use crate::world::*;
use nat_core::{Config, DropReason, Mapping, PortForward, PortRange, Protocol, SessionState};

const SERVER: SocketAddrV4 = at(S1, 80);

/// A session of H1 from `port`, in the state that its name says.
type Open = fn(&mut World, u16);

fn reset(w: &mut World, port: u16) {
    let connection = w.open_tcp(at(H1, port), SERVER);
    w.inbound(connection.outside_sends(RST)).forwarded();
}

fn closing(w: &mut World, port: u16) {
    let mut connection = w.open_tcp(at(H1, port), SERVER);
    w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
    connection.inside_next += 1;
    w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
}

fn dns(w: &mut World, port: u16) {
    for name in [b"a.example", b"b.example"] {
        let left = w
            .outbound(udp(at(H1, port), at(S1, 53)).payload(name))
            .forwarded();
        w.inbound(udp(at(S1, 53), left.source())).forwarded();
    }
}

fn question(w: &mut World, port: u16) {
    let external = w.open_udp(at(H1, port), at(S1, 123));
    w.inbound(udp(at(S1, 123), external)).forwarded();
    w.outbound(udp(at(H1, port), at(S1, 123))).forwarded();
    w.inbound(udp(at(S1, 123), external)).forwarded();
}

fn ping(w: &mut World, port: u16) {
    let id = w.open_echo(H1, S1, port);
    w.inbound(echo_reply(S1, N, id)).forwarded();
}

fn outside_syn(w: &mut World, port: u16) {
    w.inbound(tcp(at(S2, port), at(N, 80), SYN).seq(70))
        .forwarded();
    w.outbound(tcp(at(H1, 80), at(S2, port), SYN | ACK).seq(90).ack(71))
        .forwarded();
}

fn inside_syn(w: &mut World, port: u16) {
    w.outbound(tcp(at(H1, port), SERVER, SYN)).forwarded();
}

const RANKS: [(&str, Open); 5] = [
    ("reset", reset),
    ("closing", closing),
    ("answered", dns),
    ("not acknowledged by the outside", outside_syn),
    ("not answered by the outside", inside_syn),
];

// What is never evicted.

fn established(w: &mut World, port: u16) {
    w.open_tcp(at(H1, port), SERVER);
}

fn half_closed(w: &mut World, port: u16) {
    let connection = w.open_tcp(at(H1, port), SERVER);
    w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
}

fn unanswered(w: &mut World, port: u16) {
    w.open_udp(at(H1, port), at(S1, 53));
}

fn conversation(w: &mut World, port: u16) {
    let external = w.open_udp(at(H1, port), at(S1, 123));
    w.inbound(udp(at(S1, 123), external)).forwarded();
    w.outbound(udp(at(H1, port), at(S1, 123)).payload(b"and then?"))
        .forwarded();
    w.inbound(udp(at(S1, 123), external)).forwarded();
}

fn two_questions(w: &mut World, port: u16) {
    let external = w.open_udp(at(H1, port), at(S1, 123));
    w.outbound(udp(at(H1, port), at(S1, 123)).payload(b"and besides?"))
        .forwarded();
    w.inbound(udp(at(S1, 123), external)).forwarded();
}

/// Without a checksum a repeated datagram cannot be recognized.
fn without_checksum(w: &mut World, port: u16) {
    for _ in 0..2 {
        let left = w
            .outbound(udp(at(H1, port), at(S1, 123)).checksum(Checksum::Zero))
            .forwarded();
        w.inbound(udp(at(S1, 123), left.source())).forwarded();
    }
}

fn revived(w: &mut World, port: u16) {
    let connection = w.open_tcp(at(H1, port), SERVER);
    w.inbound(connection.outside_sends(RST)).forwarded();
    w.inbound(connection.outside_sends(ACK)).forwarded();
}

fn forged_reset(w: &mut World, port: u16) {
    let connection = w.open_tcp(at(H1, port), SERVER);
    w.inbound(
        connection
            .outside_sends(RST)
            .seq(connection.outside_next.wrapping_add(5)),
    )
    .forwarded();
}

const LASTING: [(&str, Open); 8] = [
    ("established", established),
    ("half closed", half_closed),
    ("unanswered UDP", unanswered),
    ("a conversation", conversation),
    ("two questions at once", two_questions),
    ("without checksums", without_checksum),
    ("revived after a RST", revived),
    ("after a RST of no one", forged_reset),
];

const MODES: [Mapping; 2] = [
    Mapping::EndpointIndependent,
    Mapping::AddressAndPortDependent,
];

fn world(mode: Mapping, change: impl FnOnce(&mut Config)) -> World {
    let mut w = World::with(|config| {
        config.mapping = mode;
        change(config);
    });
    w.nat
        .add_port_forward(PortForward::new(Protocol::Tcp, 80, at(H1, 80)))
        .expect("a port forward");
    w
}

/// The ports by which the sessions of H1 were opened, sorted.
fn ports(w: &World) -> Vec<u16> {
    let own = w
        .sessions()
        .into_iter()
        .filter(|session| *session.inside.ip() == H1);
    let port = |inside: u16, remote: u16| if inside == 80 { remote } else { inside };
    let mut ports: Vec<_> = own
        .map(|session| port(session.inside.port(), session.remote.port()))
        .collect();
    ports.sort_unstable();
    ports
}

/// A limit, or a table, that four sessions of a host reach.
type Narrow = fn(&mut Config);

const LIMITS: [(&str, Narrow); 2] = [
    ("sessions of a host", |config| {
        config.limits.sessions_per_host = Some(4);
    }),
    ("mappings of a host", |config| {
        config.limits.mappings_per_host = Some(4);
    }),
];

/// G4, G11d: finished and half-open sessions are evicted in the order of ranks, and of one rank the
/// oldest does; for limits on sessions and on mappings, and in both modes of mapping.
#[test]
fn sessions_are_evicted_in_the_order_of_their_ranks() {
    for mode in MODES {
        for (limit, narrow) in LIMITS {
            for (index, (name, open)) in RANKS.into_iter().enumerate() {
                for (worse, later) in &RANKS[index..] {
                    let mut w = world(mode, narrow);
                    // The worse rank first, so that it is older.
                    later(&mut w, 5000);
                    open(&mut w, 5001);
                    established(&mut w, 5002);
                    established(&mut w, 5003);
                    w.open_udp(at(H1, 5004), at(S2, 9));
                    let gone = if name == *worse { 5000 } else { 5001 };
                    // Behind a port forward two sessions may have one mapping, which then has not
                    // come free.
                    let both = name == *worse && name.contains("acknowledged") && mode == MODES[0];
                    let left: Vec<_> = (5000..5005).filter(|port| *port != gone).collect();
                    if !(both && limit.starts_with("mappings")) {
                        assert_eq!(ports(&w), left, "{name} before {worse}, {limit}, {mode:?}");
                        assert_eq!(w.stats().sessions_evicted, 1);
                    }
                }
            }
        }
    }
}

/// RFC 5382 section 5: where less than an eighth of the tables is free, what has been done for a
/// while (a connection 4 s, an answered question 30 s) is evicted for a new session of its host
/// although slots are free, so that the last slots are left for hosts with none to give up.
#[test]
fn long_finished_sessions_are_evicted_before_the_tables_are_full() {
    for mode in MODES {
        for by_mapping in [false, true] {
            let narrow = |config: &mut Config| config.mapping = mode;
            let mut w = if by_mapping {
                World::sized::<32, 128, 4>(narrow)
            } else {
                World::sized::<128, 32, 4>(narrow)
            };
            closing(&mut w, 5000);
            reset(&mut w, 5001);
            w.advance(Duration::from_millis(3900));
            // 27 sessions or mappings: four of 32 are free, which is an eighth.
            for port in 5002..5016 {
                w.open_udp(at(H1, port), at(S2, 9));
            }
            for port in 5000..5012 {
                w.open_udp(at(H2, port), at(S2, 9));
            }
            assert_eq!(w.stats().sessions_evicted, 0);
            w.open_udp(at(H2, 5012), at(S2, 9));
            w.open_udp(at(H1, 5016), at(S2, 9));
            assert_eq!(
                w.stats().sessions_evicted,
                0,
                "neither another host's, nor one that ended just now"
            );
            w.advance(Duration::from_millis(200));
            for (port, gone) in [(5017, 5001), (5018, 5000)] {
                w.open_udp(at(H1, port), at(S2, 9));
                assert!(
                    !ports(&w).contains(&gone),
                    "{gone} is evicted, {mode:?}, by mapping: {by_mapping}"
                );
            }
            question(&mut w, 5019);
            w.advance(Duration::from_millis(25_700));
            w.open_udp(at(H1, 5020), at(S2, 9));
            assert_eq!(
                w.stats().sessions_evicted,
                2,
                "nothing answered is evicted before 30 s, while slots are free"
            );
            w.advance(Duration::from_millis(4300));
            w.open_udp(at(H1, 5021), at(S2, 9));
            assert!(
                !ports(&w).contains(&5019),
                "the answered one is evicted, {mode:?}, by mapping: {by_mapping}"
            );
        }
    }
}

/// The same where not a limit but the tables are full: the host's own is evicted, and another host
/// is refused.
#[test]
fn finished_sessions_are_evicted_if_the_tables_are_full() {
    for mode in MODES {
        for (name, open) in RANKS {
            for by_mapping in [false, true] {
                let narrow = |config: &mut Config| config.mapping = mode;
                let mut w = if by_mapping {
                    World::sized::<3, 64, 4>(narrow)
                } else {
                    World::sized::<64, 3, 4>(narrow)
                };
                w.nat
                    .add_port_forward(PortForward::new(Protocol::Tcp, 80, at(H1, 80)))
                    .expect("a port forward");
                w.open_tcp(at(H2, 5000), SERVER);
                open(&mut w, 5000);
                established(&mut w, 5001);
                let refused = w.outbound(udp(at(H3, 5000), at(S2, 9))).refusal();
                let full = if by_mapping {
                    DropReason::MappingTableFull
                } else {
                    DropReason::SessionTableFull
                };
                assert_eq!(refused, Some(full), "{name} is not another's to end");
                assert!(w.outbound(udp(at(H2, 5001), at(S2, 9))).refusal().is_some());
                w.open_udp(at(H1, 5002), at(S2, 9));
                assert_eq!(ports(&w), [5001, 5002], "{name}, {mode:?}");
            }
        }
    }
}

/// A session of any other kind is never ended for another, whichever limit is reached.
#[test]
fn no_lasting_session_is_evicted() {
    for mode in MODES {
        for (limit, narrow) in LIMITS {
            for (name, open) in LASTING {
                let mut w = world(mode, narrow);
                (5000..5004).for_each(|port| open(&mut w, port));
                let before = w.sessions();
                w.outbound(udp(at(H1, 6000), at(S2, 9)))
                    .rejected(DropReason::HostLimit);
                w.outbound(tcp(at(H1, 6000), at(S2, 9), SYN))
                    .rejected(DropReason::HostLimit);
                w.outbound(echo_request(H1, S2, 6000))
                    .rejected(DropReason::HostLimit);
                assert_eq!(w.sessions(), before, "{name}, {limit}, {mode:?}");
            }
        }
    }
}

/// An exchange is one question, which may be repeated, and its answer; by ICMP, and to a DNS
/// server, each is one.
#[test]
fn answered_questions_are_evicted() {
    for (name, open) in [("DNS", dns as Open), ("UDP", question), ("ICMP", ping)] {
        let mut w = world(MODES[0], |config| config.limits.sessions_per_host = Some(1));
        open(&mut w, 5000);
        w.open_udp(at(H1, 5001), at(S2, 9));
        assert_eq!(ports(&w), [5001], "{name}");
    }
    // Asked again, it waits again.
    let mut w = world(MODES[0], |config| config.limits.sessions_per_host = Some(1));
    question(&mut w, 5000);
    w.outbound(udp(at(H1, 5000), at(S1, 123))).forwarded();
    w.outbound(udp(at(H1, 5001), at(S2, 9)))
        .rejected(DropReason::HostLimit);
}

/// A5: thousands of short connections, a scan of ports, and DNS look-ups, one after the other, with
/// the default limits: none is refused.
#[test]
fn short_connections_one_after_the_other_are_never_refused() {
    for mode in MODES {
        let mut w = World::sized::<128, 256, 16>(|config| {
            config.limits = nat_core::Limits::DEFAULT;
            config.timeouts = nat_core::Timeouts::RFC;
            config.mapping = mode;
        });
        let lasting = w.open_tcp(at(H1, 4000), at(S2, 22));
        for port in 5000..6300 {
            closing(&mut w, port);
            dns(&mut w, port);
            ping(&mut w, port);
            let syn = Connection::syn_sent(&mut w, at(H1, 40_000), at(S2, port));
            w.inbound(
                tcp(syn.remote, syn.external, RST | ACK)
                    .seq(0)
                    .ack(syn.inside_next),
            )
            .forwarded();
        }
        w.inbound(lasting.outside_sends(ACK)).forwarded();
        assert_eq!(w.stats().dropped_total() + w.stats().rejected_total(), 0);
        w.open_udp(at(H2, 5000), at(S1, 53));
    }
}

/// A7: a session that is over and opened again is half open again, and meets the limit: the oldest
/// of the host is evicted.
#[test]
fn a_session_opened_again_counts_as_half_open() {
    let mut w = world(MODES[0], |config| {
        config.limits.half_open_per_host = Some(2);
    });
    for port in 5000..5004 {
        let connection = Connection::syn_sent(&mut w, at(H1, port), SERVER);
        w.outbound(tcp(connection.inside, SERVER, RST).seq(connection.inside_next))
            .forwarded();
    }
    for port in 5000..5004 {
        w.outbound(tcp(at(H1, port), SERVER, SYN).seq(0x4000_0000))
            .forwarded();
    }
    assert_eq!(ports(&w), [5002, 5003]);
    assert!(
        w.sessions()
            .iter()
            .all(|session| session.state == SessionState::InsideSyn)
    );
    // One from outside may not take the place of what the inside has begun.
    let mut w = world(MODES[0], |config| {
        config.limits.half_open_per_host = Some(1);
    });
    let mut connection = Connection::accept(&mut w, at(N, 80), at(S2, 999));
    w.inbound(connection.outside_sends(RST)).forwarded();
    inside_syn(&mut w, 5000);
    connection.outside_next = connection.outside_next.wrapping_add(0x4000_0000);
    let again = tcp(at(H1, 80), at(S2, 999), SYN | ACK)
        .seq(0x7000_0000)
        .ack(connection.outside_next);
    w.outbound(again).rejected(DropReason::HalfOpenLimit);
    assert_eq!(ports(&w), [999, 5000]);
}

/// RFC 6888 REQ-5: a session that is opened again counts by the rate of sessions.
#[test]
fn a_session_opened_again_counts_by_the_rate() {
    let mut w = world(MODES[0], |config| {
        config.limits.session_rate = Some(nat_core::Rate {
            burst: 2,
            per_second: 1,
        });
    });
    reset(&mut w, 5000);
    w.outbound(tcp(at(H1, 5000), SERVER, SYN).seq(0x4000_0000))
        .forwarded();
    w.outbound(udp(at(H1, 5001), SERVER))
        .rejected(DropReason::HostRate);
}

/// RFC 6888 REQ-5: for the limit of one mapping, one of its sessions is evicted, also its only one.
#[test]
fn a_session_of_the_mapping_is_evicted_for_another() {
    let mut w = world(MODES[0], |config| {
        config.limits.sessions_per_mapping = Some(1);
    });
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.inbound(udp(at(S1, 53), external)).forwarded();
    dns(&mut w, 5001);
    assert_eq!(
        w.open_udp(at(H1, 5000), at(S2, 53)),
        external,
        "the mapping has stayed"
    );
    assert_eq!((ports(&w), w.sessions().len()), (vec![5000, 5001], 2));
}

/// Where all external ports are taken, one of the host's own that is done gives its port, unless
/// ports wait.
#[test]
fn a_done_session_gives_its_port() {
    for mode in MODES {
        let mut w = world(mode, |config| {
            config.ports = PortRange::new(30_000, 30_001).expect("two ports");
        });
        dns(&mut w, 5000);
        let external = w.session(at(H1, 5000), at(S1, 53)).external;
        w.open_udp(at(H1, 5001), at(S1, 53));
        assert_eq!(w.open_udp(at(H1, 5002), at(S1, 53)), external);
        w.outbound(udp(at(H1, 5003), at(S1, 53)))
            .rejected(DropReason::PortsExhausted);
        assert_eq!(ports(&w), [5001, 5002], "{mode:?}");
    }
    let mut w = World::quarantining::<8>(|config| {
        config.ports = PortRange::new(30_000, 30_000).expect("a port");
    });
    dns(&mut w, 5000);
    w.outbound(udp(at(H1, 5001), at(S1, 53)))
        .rejected(DropReason::PortsExhausted);
}

/// G4: one host leaves some ports of each pool to each other: those below 1024, a small range that
/// is configured, and each parity.
#[test]
fn one_host_leaves_ports_of_each_pool_to_others() {
    for (low, count, parity) in [
        (false, 8, false),
        (false, 40, false),
        (true, 1023, false),
        (true, 1023, true),
    ] {
        let mut w = World::sized::<2048, 2048, 16>(|config| {
            config.limits.reserved_per_host = None;
            config.port_parity = parity;
            if !low {
                config.ports = PortRange::new(30_000, 30_000 + count - 1).expect("a range");
            }
        });
        let first = if low { 1 } else { 5000 };
        let get =
            |w: &mut World, host, port| w.outbound(udp(at(host, port), at(S1, 9))).is_forwarded();
        let had = (first..first + 1023)
            .filter(|port| get(&mut w, H1, *port))
            .count();
        assert!(
            (usize::from(count) / 2..usize::from(count)).contains(&had),
            "{had} of {count}"
        );
        for host in [H2, H3] {
            assert!(get(&mut w, host, first + 100), "{count} ports");
            // Of many ports, more than one is reserved for each.
            assert!(!low || get(&mut w, host, first + 102), "{count} ports");
        }
        // What it has given back it may have again.
        w.advance(secs(301));
        assert_eq!(
            (first..first + 1023)
                .filter(|port| get(&mut w, H1, *port))
                .count(),
            had
        );
    }
}
