//! Timers: standards 0.3, RFC 4787 REQ-5 and 6, RFC 5382 REQ-5, RFC 5508 REQ-2.

use core::time::Duration;

use crate::world::*;
use nat_core::{DropReason, Filtering, Instant, Timeouts};

/// Opens one session and gives back a packet that the outside may send through it.
type Open = fn(&mut World) -> Datagram;

fn udp_session(w: &mut World) -> Datagram {
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    udp(at(S1, 53), external)
}

fn echo_session(w: &mut World) -> Datagram {
    let id = w.open_echo(H1, S1, 7);
    echo_reply(S1, N, id)
}

fn half_open(w: &mut World) -> Datagram {
    Connection::syn_sent(w, at(H1, 5000), at(S1, 80)).outside_sends(SYN | ACK)
}

fn established(w: &mut World) -> Datagram {
    w.open_tcp(at(H1, 5000), at(S1, 80)).outside_sends(ACK)
}

fn closing(w: &mut World) -> Datagram {
    let mut connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
    connection.inside_next += 1;
    w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
    connection.outside_next += 1;
    connection.outside_sends(ACK)
}

fn reset(w: &mut World) -> Datagram {
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.outbound(connection.inside_sends(RST)).forwarded();
    connection.outside_sends(ACK)
}

fn half_closed_inside(w: &mut World) -> Datagram {
    let mut connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
    connection.inside_next += 1;
    connection.outside_sends(ACK)
}

fn half_closed_outside(w: &mut World) -> Datagram {
    let mut connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
    connection.outside_next += 1;
    connection.outside_sends(ACK)
}

/// Lets time pass, with the engine woken when it asks to be, or not.
fn pass(w: &mut World, seconds: u64, woken: bool) {
    if woken {
        w.advance(secs(seconds));
    } else {
        w.jump(secs(seconds));
    }
}

const RFC_TIMERS: [(&str, Open, u64); 8] = [
    ("UDP (U5)", udp_session, 300),
    ("ICMP query (I2)", echo_session, 60),
    ("TCP partially open (X2.1)", half_open, 240),
    ("TCP established (T5)", established, 7440),
    (
        "TCP half-closed by the inside (T5)",
        half_closed_inside,
        7440,
    ),
    (
        "TCP half-closed by the outside (T5)",
        half_closed_outside,
        7440,
    ),
    ("TCP closing (T5)", closing, 240),
    ("TCP after a RST (X2.2)", reset, 240),
];

const GATEWAY_TIMERS: [(&str, Open, u64); 8] = [
    ("UDP", udp_session, 350),
    ("ICMP query", echo_session, 350),
    ("TCP partially open", half_open, 350),
    ("TCP established", established, 350),
    ("TCP half-closed by the inside", half_closed_inside, 350),
    ("TCP half-closed by the outside", half_closed_outside, 350),
    ("TCP closing", closing, 240),
    ("TCP after a RST", reset, 240),
];

#[track_caller]
fn check_timers(timeouts: Timeouts, timers: &[(&str, Open, u64)]) {
    for (name, open, timeout) in timers {
        for woken in [true, false] {
            for (idle, alive) in [(timeout - 1, true), (timeout + 1, false)] {
                let mut w = World::with(|config| config.timeouts = timeouts);
                let reply = open(&mut w);
                pass(&mut w, idle, woken);
                match w.inbound(reply) {
                    Outcome::Forwarded(_) => {
                        assert!(alive, "{name} was alive after {idle} s, woken: {woken}");
                    }
                    other => {
                        assert!(
                            !alive,
                            "{name} was gone after {idle} s, woken: {woken}: {other:?}"
                        );
                        other.dropped(DropReason::NoMapping);
                    }
                }
            }
        }
    }
}

/// [`Timeouts::RFC`] with the timer of UDP for port 53 too, which is the port of the sessions here.
fn rfc_but_for_dns() -> Timeouts {
    let mut timeouts = Timeouts::RFC;
    timeouts.dns = None;
    timeouts
}

/// U5a: by default a question to port 53 lives for 30 s, and each repetition restarts that; no
/// other port has less than 300 s.
#[test]
fn questions_to_dns_servers_live_for_thirty_seconds() {
    let mut w = World::with(|config| config.timeouts = Timeouts::RFC);
    let (dns, other) = (
        w.open_udp(at(H1, 5000), at(S1, 53)),
        w.open_udp(at(H1, 5001), at(S1, 54)),
    );
    w.advance(secs(29));
    w.outbound(udp(at(H1, 5000), at(S1, 53))).forwarded();
    w.advance(secs(29));
    w.inbound(udp(at(S1, 53), dns)).forwarded();
    w.advance(secs(31));
    w.inbound(udp(at(S1, 53), dns))
        .dropped(DropReason::NoMapping);
    w.advance(secs(200));
    w.inbound(udp(at(S1, 54), other)).forwarded();
}

/// U5, I2, T5, X2.1, X2.2: each timer at one second before its end and after it, with and without
/// `handle_timeout`.
#[test]
fn sessions_live_exactly_as_long_as_the_rfcs_say() {
    check_timers(rfc_but_for_dns(), &RFC_TIMERS);
}

/// Opens a session as [`RFC_TIMERS`] has it, and gives back what the inside would send next.
fn inside_sends(name: &str, w: &mut World, open: Open) -> Datagram {
    open(w);
    let session = w.sessions()[0];
    match name {
        _ if name.starts_with("UDP") => udp(session.inside, session.remote),
        _ if name.starts_with("ICMP") => echo_request(H1, S1, 7),
        _ => tcp(session.inside, session.remote, ACK | PSH)
            .seq(INSIDE_ISN + 1)
            .ack(OUTSIDE_ISN + 1),
    }
}

/// U5, I2, T5, X2.1, X2.2: the same timers for what the inside sends: a second before the end it
/// uses the session, after it there is none. UDP and queries open another; a segment of the old
/// connection is answered with a RST.
#[test]
fn the_inside_finds_its_session_as_long_as_the_outside() {
    for (timeouts, timers) in [
        (rfc_but_for_dns(), RFC_TIMERS),
        (Timeouts::GATEWAY, GATEWAY_TIMERS),
    ] {
        for (name, open, timeout) in timers {
            for woken in [true, false] {
                for (idle, alive) in [(timeout - 1, true), (timeout + 1, false)] {
                    let mut w = World::with(|config| config.timeouts = timeouts);
                    let packet = inside_sends(name, &mut w, open);
                    pass(&mut w, idle, woken);
                    let outcome = w.outbound(packet);
                    if !alive && name.starts_with("TCP") {
                        outcome.rejected(DropReason::NoSession);
                    } else {
                        outcome.forwarded();
                    }
                    let opened = if alive || name.starts_with("TCP") {
                        1
                    } else {
                        2
                    };
                    assert_eq!(
                        w.stats().sessions_created,
                        opened,
                        "{name} after {idle} s, woken: {woken}"
                    );
                }
            }
        }
    }
}

/// T5, X2.1: a connection that the outside opens is partially open until the outside proves that it
/// has the SYN-ACK.
#[test]
fn a_connection_opened_from_outside_lives_as_long_while_it_opens() {
    for (idle, alive) in [(239, true), (241, false)] {
        let mut w = World::with(|config| config.filtering = Filtering::EndpointIndependent);
        let external = w.open_tcp(at(H1, 5000), at(S1, 80)).external;
        w.inbound(tcp(at(S2, 7), external, SYN).seq(70)).forwarded();
        w.outbound(tcp(at(H1, 5000), at(S2, 7), SYN | ACK).seq(90).ack(71))
            .forwarded();
        w.advance(secs(idle));
        assert_eq!(
            w.sessions()
                .iter()
                .any(|session| session.remote == at(S2, 7)),
            alive,
            "after {idle} s"
        );
    }
}

/// X2.1, A27: what opens is not kept open by the outside, which may repeat its SYN as often as it
/// likes, nor by answers to it.
#[test]
fn repeated_syns_from_outside_keep_nothing_open() {
    let mut w = World::with(|config| config.filtering = Filtering::EndpointIndependent);
    let external = w.open_tcp(at(H1, 5000), at(S1, 80)).external;
    let ours = Connection::syn_sent(&mut w, at(H1, 5000), at(S2, 8));
    let theirs = tcp(at(S2, 7), external, SYN).seq(70);
    w.inbound(&theirs).forwarded();
    for _ in 0..2 {
        w.outbound(tcp(at(H1, 5000), at(S2, 7), SYN | ACK).seq(90).ack(71))
            .forwarded();
        w.inbound(ours.outside_sends(SYN)).forwarded();
        w.advance(secs(119));
        w.inbound(&theirs).forwarded();
    }
    assert_eq!(w.sessions().len(), 3);
    w.advance(secs(3));
    assert_eq!(w.sessions().len(), 1, "only the established one");
}

/// AWS: the profile of cloud gateways.
#[test]
fn sessions_live_exactly_as_long_as_at_a_gateway() {
    check_timers(Timeouts::GATEWAY, &GATEWAY_TIMERS);
}

/// The RFCs' floors, next to the values that claim to keep them.
#[test]
fn the_default_profile_keeps_the_floors() {
    let rfc = Timeouts::default();
    assert_eq!(rfc, Timeouts::RFC);
    assert!(rfc.udp >= secs(300), "RFC 4787 REQ-5c");
    assert_eq!(
        (rfc.dns, Timeouts::GATEWAY.dns),
        (Some(secs(30)), None),
        "RFC 4787 REQ-5a, port 53 only"
    );
    assert!(
        rfc.tcp_established >= secs(2 * 3600 + 4 * 60),
        "RFC 5382 REQ-5"
    );
    assert!(
        rfc.tcp_partially_open >= secs(240) && rfc.tcp_closing >= secs(240),
        "RFC 5382 REQ-5"
    );
    assert!(rfc.tcp_reset >= secs(240), "RFC 7857 section 2.2");
    assert!(rfc.icmp >= secs(60), "RFC 5508 REQ-2");
}

/// AWS: the inside host that goes on after the idle time gets a RST, the outside nothing.
#[test]
fn an_idle_connection_is_reset_toward_the_inside_only() {
    for timeouts in [Timeouts::GATEWAY, Timeouts::RFC] {
        let mut w = World::with(|config| config.timeouts = timeouts);
        let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
        w.advance(timeouts.tcp_established + secs(1));
        w.inbound(connection.outside_sends(ACK | PSH).payload(b"late"))
            .dropped(DropReason::NoMapping);
        let answer = w
            .outbound(connection.inside_sends(ACK | PSH).payload(b"late"))
            .rejected(DropReason::NoSession);
        assert_eq!(answer.tcp().sequence_number, connection.outside_next);
        assert_eq!(
            (answer.source(), answer.destination()),
            (connection.remote, connection.inside)
        );
    }
}

/// U6: outbound traffic refreshes.
#[test]
fn outbound_traffic_refreshes() {
    let mut w = World::new();
    let reply = udp_session(&mut w);
    for _ in 0..10 {
        w.advance(secs(299));
        w.outbound(udp(at(H1, 5000), at(S1, 53))).forwarded();
    }
    w.advance(secs(299));
    w.inbound(reply).forwarded();
}

/// U6a, 7.1: inbound traffic refreshes a session that the inside uses too.
#[test]
fn inbound_traffic_refreshes_a_session_in_use() {
    let mut w = World::new();
    let reply = udp_session(&mut w);
    w.advance(secs(200));
    w.inbound(&reply).forwarded();
    w.advance(secs(299));
    w.inbound(&reply).forwarded();
}

/// RFC 3022 section 3.3: a mapping lives as long as one of its sessions.
#[test]
fn a_mapping_lives_as_long_as_its_last_session() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.advance(secs(200));
    assert_eq!(w.open_udp(at(H1, 5000), at(S2, 53)), external);
    w.advance(secs(200));
    assert_eq!(w.sessions().len(), 1);
    w.inbound(udp(at(S1, 53), external))
        .dropped(DropReason::Filtered);
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 53)), external);
    w.advance(secs(301));
    assert_eq!(w.sessions(), []);
    w.inbound(udp(at(S2, 53), external))
        .dropped(DropReason::NoMapping);
}

/// `poll_timeout` names the moment a session ends, not before and not much later.
#[test]
fn the_next_deadline_is_that_of_the_next_session_to_end() {
    let mut w = World::new();
    assert_eq!(w.nat.poll_timeout(), None);
    let start = w.now();
    established(&mut w);
    echo_session(&mut w);
    let due = w.nat.poll_timeout().expect("sessions end some time");
    let wait = due.saturating_duration_since(start);
    assert!(
        (secs(60)..=secs(61)).contains(&wait),
        "the echo ends first, in {wait:?}"
    );
    w.advance(wait);
    assert_eq!(w.sessions().len(), 1);
    assert!(w.nat.poll_timeout().is_some());
}

/// Spurious calls of `handle_timeout` do nothing.
#[test]
fn handling_a_timeout_early_does_nothing() {
    let mut w = World::new();
    let reply = udp_session(&mut w);
    let before = w.sessions();
    for _ in 0..10 {
        w.nat.handle_timeout(w.now());
    }
    assert_eq!(w.sessions(), before);
    w.inbound(reply).forwarded();
}

/// `expires_in` is the time that is left.
#[test]
fn a_session_shows_the_time_it_has_left() {
    let mut w = World::new();
    udp_session(&mut w);
    assert_eq!(w.sessions()[0].expires_in.as_secs_f64().round(), 300.0);
    w.advance(secs(100));
    let left = w.sessions()[0].expires_in;
    assert!((secs(199)..=secs(201)).contains(&left), "{left:?}");
}

/// A clock that steps back neither ends nor prolongs anything: the engine uses the latest time
/// until the clock has caught up.
#[test]
fn a_clock_that_steps_back_stops_time() {
    let mut w = World::new();
    w.advance(secs(5000));
    let reply = udp_session(&mut w);
    w.step_back(secs(4000));
    w.inbound(&reply).forwarded();
    assert_eq!(w.open_udp(at(H1, 5001), at(S1, 53)).ip(), &N);
    w.nat.handle_timeout(w.now());
    assert_eq!(w.sessions().len(), 2);
    w.jump(secs(4000 + 299));
    w.inbound(&reply).forwarded();
    w.jump(secs(700));
    w.inbound(&reply).dropped(DropReason::NoMapping);
}

/// Standards 0.3: a jump beyond every timer, also by whole turns of a 32-bit millisecond counter,
/// ends everything.
#[test]
fn a_jump_by_months_or_years_ends_every_session() {
    let turn = Duration::from_millis(1 << 32);
    let year = secs(365 * 86400);
    for jump in [
        turn,
        turn + secs(10),
        turn * 2,
        turn / 2,
        turn / 2 + secs(10),
        year,
        year * 30,
        year * 500,
    ] {
        for (name, open, _) in RFC_TIMERS {
            let mut w = World::new();
            let reply = open(&mut w);
            w.jump(jump);
            assert!(
                !w.inbound(reply).is_forwarded(),
                "{name} came back after {jump:?}"
            );
            // What is opened then works as ever.
            let reply = udp_session(&mut w);
            w.jump(secs(299));
            w.inbound(reply).forwarded();
        }
    }
}

/// Standards 0.3: the clock may start anywhere, and run over the end of 32 bits of milliseconds.
#[test]
fn the_clock_may_start_anywhere() {
    let starts = [
        0,
        1,
        (1 << 31) - 1000,
        (1 << 32) - 1000,
        (1 << 32) * 1000 - 1000,
        1_700_000_000_000,
        1 << 62,
    ];
    for start in starts {
        for (name, open, timeout) in RFC_TIMERS {
            for (idle, alive) in [(timeout - 1, true), (timeout + 1, false)] {
                for woken in [true, false] {
                    let mut w = World::new().starting_at(Instant::from_millis(start));
                    let reply = open(&mut w);
                    pass(&mut w, idle, woken);
                    let forwarded = w.inbound(reply).is_forwarded();
                    assert_eq!(
                        forwarded, alive,
                        "{name} after {idle} s from {start} ms, woken: {woken}"
                    );
                }
            }
        }
    }
}

/// A long life in steps: over many turns of a 32-bit counter a session in use never ends, an idle
/// one always.
#[test]
fn sessions_in_use_survive_the_turns_of_a_counter() {
    let mut w = World::with(|config| config.timeouts.udp = Timeouts::MAX);
    let reply = udp_session(&mut w);
    for _ in 0..20 {
        w.jump(secs(11 * 86400));
        w.outbound(udp(at(H1, 5000), at(S1, 53))).forwarded();
        w.inbound(&reply).forwarded();
    }
    w.jump(secs(13 * 86400));
    w.inbound(&reply).dropped(DropReason::NoMapping);
}

/// An expired session is never used and admits no packet, even if `handle_timeout` was not called.
#[test]
fn what_an_expired_session_had_opened_is_closed() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = World::with(|config| config.filtering = filtering);
        let externals: Vec<_> = (0..20)
            .map(|i| w.open_udp(at(H1, 5000 + i), at(S1, 53)))
            .collect();
        // Packets at short intervals, so that the engine does not see the clock jump.
        for _ in 0..299 {
            w.jump(secs(1));
            w.inbound(udp(at(S1, 53), at(N, 9)))
                .dropped(DropReason::NoMapping);
        }
        w.jump(secs(2));
        for sender in [at(S1, 53), at(S1, 54), at(S2, 53)] {
            let outcome = w.inbound(udp(sender, externals[19]));
            assert!(
                !outcome.is_forwarded(),
                "{filtering:?}: {sender} came in through an expired session: {outcome:?}"
            );
        }
    }
}

/// The same for errors about what the expired session had let in.
#[test]
fn an_expired_session_lets_no_error_out() {
    for filtering in [Filtering::AddressDependent, Filtering::EndpointIndependent] {
        let mut w = World::with(|config| config.filtering = filtering);
        for i in 0..20 {
            w.open_udp(at(H1, 5000 + i), at(S1, 53));
        }
        w.jump(secs(60) * 4);
        w.inbound(udp(at(S1, 53), at(N, 9)))
            .dropped(DropReason::NoMapping);
        w.jump(secs(61));
        let quote = udp(at(S1, 54), at(H1, 5019)).bytes();
        let outcome = w.outbound(icmp_error(H1, S1, (3, 3), &quote));
        assert!(!outcome.is_forwarded(), "{filtering:?}: {outcome:?}");
    }
}

/// U5b, I2a, T5a, X2.1: every timer can be set, and is that of its own sessions only.
#[test]
fn timers_are_configurable() {
    let timers = [10, 60, 20, 30, 30, 30, 40, 50];
    for ((name, open, _), timeout) in RFC_TIMERS.into_iter().zip(timers) {
        for (idle, alive) in [(timeout - 1, true), (timeout + 1, false)] {
            let mut w = World::with(|config| {
                config.timeouts.udp = secs(10);
                config.timeouts.icmp = secs(60);
                config.timeouts.tcp_partially_open = secs(20);
                config.timeouts.tcp_established = secs(30);
                config.timeouts.tcp_closing = secs(40);
                config.timeouts.tcp_reset = secs(50);
            });
            let reply = open(&mut w);
            w.advance(secs(idle));
            assert_eq!(
                w.sessions().len(),
                usize::from(alive),
                "{name} after {idle} s"
            );
            assert_eq!(
                w.inbound(reply).is_forwarded(),
                alive,
                "{name} after {idle} s"
            );
        }
    }
}

/// Each session ends at its own time, however they are mixed and refreshed.
#[test]
fn many_sessions_end_each_at_its_time() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut w = World::new();
    let start = w.now();
    let mut last_used = [None; 50];
    for _ in 0..600 {
        w.advance(secs(random.u64(1..5)));
        let i = random.usize(..50);
        w.open_udp(at(H1, 5000 + i as u16), at(S1, 53));
        last_used[i] = Some(w.now());
        let now = w.now();
        let idle = |used: Option<Instant>| used.map(|used| now.saturating_duration_since(used));
        let alive: Vec<_> = w
            .sessions()
            .iter()
            .map(|s| usize::from(s.inside.port() - 5000))
            .collect();
        for (i, used) in last_used.iter().enumerate() {
            match idle(*used) {
                Some(idle) if idle < secs(300) => assert!(alive.contains(&i), "{i} ended early"),
                Some(idle) if idle > secs(301) => {
                    assert!(!alive.contains(&i), "{i} outlived {idle:?}");
                }
                _ => (),
            }
        }
    }
    assert!(
        w.now().saturating_duration_since(start) > secs(900),
        "sessions had time to end"
    );
}

/// U5a: RFC 4787 REQ-5a allows shorter timers for well-known ports; by default none is shorter,
/// whatever the destination port.
#[test]
fn the_timer_does_not_depend_on_the_destination_port() {
    for port in [53, 123, 500, 1023, 1024, 3478, 51820] {
        let mut w = World::new();
        let external = w.open_udp(at(H1, 5000), at(S1, port));
        w.advance(secs(299));
        assert!(
            w.inbound(udp(at(S1, port), external)).is_forwarded(),
            "toward port {port}"
        );
    }
}

/// U5a: DNS alone may have a shorter timer, and only by choice: other sessions of the same mapping
/// keep their timer, and so do sessions from outside to port 53 of the host.
#[test]
fn a_shorter_timer_for_dns_is_for_dns_only() {
    for timeouts in [Timeouts::RFC, Timeouts::GATEWAY] {
        let mut w = World::with(|config| {
            config.timeouts = timeouts;
            config.timeouts.dns = Some(secs(30));
        });
        let external = w.open_udp(at(H1, 5000), at(S1, 53));
        for port in [3478, 51820, 123, 5353] {
            assert_eq!(w.open_udp(at(H1, 5000), at(S2, port)), external);
        }
        let server = w.open_udp(at(H2, 53), at(S2, 6000));
        let connection = w.open_tcp(at(H1, 5000), at(S1, 53));
        w.advance(secs(29));
        w.inbound(udp(at(S1, 53), external)).forwarded();
        w.advance(secs(29));
        assert!(
            w.nat.sessions().any(|session| session.remote == at(S1, 53)),
            "refreshed by the answer"
        );
        w.advance(secs(1));
        w.inbound(udp(at(S1, 53), external))
            .dropped(DropReason::Filtered);
        w.advance(timeouts.udp - secs(60));
        for port in [3478, 51820, 123, 5353] {
            w.inbound(udp(at(S2, port), external)).forwarded();
        }
        w.inbound(udp(at(S2, 6000), server)).forwarded();
        w.inbound(connection.outside_sends(ACK)).forwarded();
    }
}

/// U5a: the outside alone does not keep a DNS session alive either.
#[test]
fn inbound_traffic_alone_does_not_keep_a_dns_session() {
    let mut w = World::with(|config| config.timeouts.dns = Some(secs(30)));
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    for _ in 0..3 {
        w.advance(secs(20));
        let _ = w.inbound(udp(at(S1, 53), external));
    }
    w.inbound(udp(at(S1, 53), external))
        .dropped(DropReason::NoMapping);
}
