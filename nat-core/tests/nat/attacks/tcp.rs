//! A1, A2, A3, A24, A26: attempts to end, to open or to take over the connections of others.

use nat_core::{DropReason, PortRange, SessionState};

use super::victim::{HOST, PORTS, SERVER, Victim, learns_nothing};
use crate::strength::{is_sent, ports};
use crate::world::*;

/// Sequence numbers guessed by an attacker who does not see the connection.
fn guesses(count: usize) -> impl Iterator<Item = u32> {
    let mut random = fastrand::Rng::with_seed(1);
    core::iter::repeat_with(move || random.u32(..)).take(count)
}

/// A1: an attacker off the path, who spoofs the server, resets every port and tries 65,536 sequence
/// numbers on the right one. Then the server's challenge to what the attacker sends in the NAT's
/// name finds the connection there.
#[test]
fn a1_off_path_resets_of_every_port_end_no_connection() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    // Is this a NAT at all? A ping would show it.
    w.inbound(echo_request(ATTACKER, N, 1))
        .dropped(DropReason::EchoRefused);
    let external = victim.connection.external;
    victim.under(&mut w, PORTS.zip(guesses(65_536)), |w, (port, sequence)| {
        let outcome = w.inbound(tcp(SERVER, at(N, port), RST).seq(sequence));
        learns_nothing(&outcome);
        assert_eq!(
            outcome.is_forwarded(),
            port == external.port(),
            "port {port}"
        );
    });
    victim.under(&mut w, guesses(65_536), |w, sequence| {
        learns_nothing(&w.inbound(tcp(SERVER, external, RST).seq(sequence)));
        learns_nothing(&w.inbound(tcp(SERVER, external, RST | ACK).seq(sequence).ack(sequence)));
    });
    w.inbound(victim.connection.outside_sends(ACK)).forwarded();
    let unused = PORTS.into_iter().find(|port| {
        w.nat
            .sessions()
            .all(|session| session.external.port() != *port)
    });
    let unused = at(N, unused.expect("an unused port"));
    w.inbound(tcp(SERVER, unused, ACK).seq(7).ack(8))
        .dropped(DropReason::NoMapping);
    assert_eq!((w.stats().resets_sent, w.stats().icmp_errors_sent), (0, 0));
}

/// A1 b: not even the RST that has the right number by chance ends a connection that goes on.
#[test]
fn a1_a_lucky_reset_does_not_outlast_the_next_segment() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    w.inbound(victim.connection.outside_sends(RST)).forwarded();
    assert_eq!(victim.connection.state(&w), SessionState::Reset);
    w.advance(secs(239));
    victim.talk(&mut w);
    assert_eq!(w.session(HOST, SERVER).expires_in, secs(7440));
}

/// A2: the same with everything else that begins or ends a connection.
#[test]
fn a2_forged_ends_and_beginnings_end_no_connection() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    let external = victim.connection.external;
    for flags in [FIN | ACK, FIN | PSH | ACK, SYN, SYN | ACK, SYN | ECE | CWR] {
        let tries = ports(PORTS, external.port()).zip(guesses(65_536));
        victim.under(&mut w, tries, |w, (port, sequence)| {
            let forged = |to| {
                tcp(SERVER, to, flags)
                    .seq(sequence)
                    .ack(sequence.rotate_left(7))
            };
            learns_nothing(&w.inbound(forged(at(N, port))));
            learns_nothing(&w.inbound(forged(external)));
        });
    }
    // And of both ends at once, from inside and outside.
    victim.under(&mut w, guesses(10_000), |w, sequence| {
        learns_nothing(
            &w.inbound(
                tcp(SERVER, external, FIN | ACK)
                    .seq(sequence)
                    .ack(!sequence),
            ),
        );
        let _ = w.outbound(tcp(HOST, SERVER, FIN | ACK).seq(!sequence).ack(sequence));
    });
    assert_eq!(w.session(HOST, SERVER).expires_in, secs(7440));
}

/// A3, first step: a neighbour in the same network wants to know which external ports are in use,
/// by packets to them in the server's name. Used or not, all meet the same end.
#[test]
fn a3_a_neighbour_does_not_find_the_port_of_a_connection() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    let external = victim.connection.external;
    victim.under(&mut w, ports(PORTS, external.port()), |w, port| {
        for source in [SERVER, at(N, external.port()), at(ROUTER, 443)] {
            for flags in [SYN | ACK, ACK, RST] {
                w.outbound(tcp(source, at(N, port), flags))
                    .dropped(match source.ip() {
                        &N => DropReason::Land,
                        _ => DropReason::SpoofedSource,
                    });
            }
        }
    });
    assert_eq!(
        w.stats().rejected_total(),
        0,
        "an answer would reveal the port, and go to the victim"
    );
}

/// A3, second and third step: it resets the connection in the victim's name, and opens its own to
/// the same server, to get the victim's port and what the server sends.
#[test]
fn a3_a_neighbour_does_not_take_over_a_connection() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    let external = victim.connection.external;
    victim.under(&mut w, guesses(65_536), |w, sequence| {
        // From inside, the NAT cannot tell which host sent this, so it passes; but it ends no
        // connection.
        w.outbound(tcp(HOST, SERVER, RST).seq(sequence)).forwarded();
    });
    for _ in 0..200 {
        let own = w
            .outbound(tcp(at(H1, HOST.port()), SERVER, SYN).seq(1))
            .forwarded();
        assert_ne!(own.source(), external);
    }
    w.outbound(tcp(at(H1, external.port()), SERVER, SYN).seq(1))
        .forwarded();
    victim.talk(&mut w);
}

/// A3 e: the port of a connection that was reset is not another's while its session lasts, though
/// it be the last port.
#[test]
fn a3_the_port_of_a_reset_connection_is_not_given_away() {
    let mut w =
        World::with(|config| config.ports = PortRange::new(30_000, 30_000).expect("a port"));
    let connection = w.open_tcp(HOST, SERVER);
    w.inbound(connection.outside_sends(RST)).forwarded();
    for _ in 0..2 {
        w.outbound(tcp(at(H1, 5000), SERVER, SYN))
            .rejected(DropReason::PortsExhausted);
        w.advance(secs(119));
    }
    w.inbound(connection.outside_sends(ACK)).forwarded();
}

/// A24: what is damaged, so that no receiver takes it, moves nothing here either, and opens
/// nothing.
#[test]
fn a24_segments_with_wrong_checksums_change_nothing() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    for difference in (1..=u16::MAX).filter(|difference| is_sent(*difference)) {
        let wrong = Checksum::OffBy(difference);
        // The other zero is the same number, and of UDP zero is none.
        let is_wrong = |packet: Datagram| {
            let packet = packet.checksum(wrong);
            let sent = Packet::parse(&packet.bytes());
            Some(packet).filter(|_| !sent.is_intact() && sent.checksum() != 0)
        };
        let before = w.sessions();
        for flags in [RST, FIN | ACK] {
            if let Some(packet) = is_wrong(victim.connection.outside_sends(flags)) {
                w.inbound(packet).dropped(DropReason::BadChecksum);
            }
            if let Some(packet) = is_wrong(victim.connection.inside_sends(flags)) {
                w.outbound(packet).dropped(DropReason::BadChecksum);
            }
        }
        for packet in [tcp(at(H1, 1), SERVER, SYN), udp(at(H1, 1), SERVER)] {
            if let Some(packet) = is_wrong(packet) {
                w.outbound(packet).dropped(DropReason::BadChecksum);
            }
        }
        assert_eq!(w.sessions(), before);
    }
    victim.talk(&mut w);
    // None is no wrong one (RFC 768), and stays none.
    let left = w
        .outbound(udp(at(H1, 1), SERVER).checksum(Checksum::Zero))
        .forwarded();
    assert_eq!(left.checksum(), 0);
}

/// A26: every combination of flags, as the first packet of a connection and in the middle of
/// another's.
#[test]
fn a26_only_a_syn_opens_a_connection() {
    const OPENING: u8 = PSH | URG | ECE | CWR;
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    victim.under(&mut w, 0..=u8::MAX, |w, flags| {
        let (from, before) = (at(H1, 2000 + u16::from(flags)), w.sessions().len());
        let outcome = w.outbound(tcp(from, SERVER, flags).seq(9).ack(8));
        let opens = flags & SYN != 0 && flags & !(SYN | OPENING) == 0;
        assert_eq!(
            outcome.is_forwarded(),
            opens,
            "flags {flags:#010b}: {outcome:?}"
        );
        assert_eq!(w.sessions().len(), before + usize::from(opens));
    });
    let sessions = w.sessions().len();
    let external = victim.connection.external;
    victim.under(&mut w, 0..=u8::MAX, |w, flags| {
        // To the victim's port from another address, to an unused port, and with the server's
        // address.
        learns_nothing(&w.inbound(tcp(at(ATTACKER, 443), external, flags).seq(9).ack(8)));
        learns_nothing(&w.inbound(tcp(at(ATTACKER, 443), at(N, 1023), flags).seq(9).ack(8)));
        learns_nothing(&w.inbound(tcp(SERVER, external, flags).seq(9).ack(8)));
    });
    assert_eq!(
        w.sessions().len(),
        sessions,
        "packets from outside open nothing"
    );
}
