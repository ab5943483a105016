//! Counters: by verdict and reason, and under the names of cloud gateways (standards section 5).

use std::collections::HashSet;

use crate::world::*;
use nat_core::DropReason;

/// Each packet counts once where it came in, and once where it went out, with the bytes of its
/// datagram.
#[test]
fn traffic_is_counted_by_side() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.outbound(udp(at(H1, 5000), at(S1, 53)).payload(&[7; 100]).padding(18))
        .forwarded();
    w.inbound(udp(at(S1, 53), external).payload(&[7; 1000]))
        .forwarded();
    w.inbound(udp(at(S2, 53), external))
        .dropped(DropReason::Filtered);
    let stats = w.stats();
    assert_eq!(
        (stats.inside.packets_in, stats.inside.bytes_in),
        (2, 36 + 128)
    );
    assert_eq!(
        (stats.outside.packets_out, stats.outside.bytes_out),
        (2, 36 + 128)
    );
    assert_eq!(
        (stats.outside.packets_in, stats.outside.bytes_in),
        (2, 1028 + 36)
    );
    assert_eq!(
        (stats.inside.packets_out, stats.inside.bytes_out),
        (1, 1028)
    );
    assert_eq!((stats.forwarded, stats.dropped_total()), (3, 1));
}

/// What the router says itself is counted apart.
#[test]
fn answers_are_no_traffic() {
    let mut w = World::new();
    w.outbound(udp(at(H1, 5000), at(S1, 53)).ttl(1))
        .rejected(DropReason::TtlExpired);
    w.outbound(tcp(at(H1, 5000), at(S1, 80), ACK))
        .rejected(DropReason::NoSession);
    let stats = w.stats();
    assert_eq!(
        (stats.inside.packets_out, stats.outside.packets_out),
        (0, 0)
    );
    assert_eq!((stats.icmp_errors_sent, stats.resets_sent), (1, 1));
    assert_eq!(
        (
            stats.rejected(DropReason::TtlExpired),
            stats.rejected(DropReason::NoSession)
        ),
        (1, 1)
    );
    assert_eq!((stats.rejected_total(), stats.dropped_total()), (2, 0));
    assert_eq!(stats.gateway().packets_drop_count, 2);
}

/// Packets of the router and for it.
#[test]
fn the_routers_packets_are_counted_apart() {
    let mut w = World::new();
    w.router_sends(udp(at(N, 5353), at(S1, 53))).forwarded();
    w.outbound(echo_request(H1, ROUTER, 7))
        .local(nat_core::Side::Inside);
    let stats = w.stats();
    assert_eq!(
        (stats.from_router, stats.inside.packets_in, stats.local),
        (1, 1, 1)
    );
}

/// Each reason has a word of its own for reports.
#[test]
fn reasons_have_words() {
    let words: HashSet<_> = DropReason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .collect();
    assert_eq!(words.len(), DropReason::COUNT);
    assert!(
        words
            .iter()
            .all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
    );
    assert_eq!(
        DropReason::BadHeaderChecksum.as_str(),
        "bad-header-checksum"
    );
}

/// Mappings and sessions as they come and go.
#[test]
fn mappings_and_sessions_are_counted() {
    let mut w = World::new();
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.open_udp(at(H1, 5000), at(S2, 53));
    w.open_udp(at(H1, 5001), at(S2, 53));
    w.outbound(udp(at(H1, 5001), at(S2, 53))).forwarded();
    assert_eq!(
        (
            w.stats().mappings_created,
            w.stats().sessions_created,
            w.stats().sessions_expired
        ),
        (2, 3, 0)
    );
    w.advance(secs(301));
    assert_eq!(w.stats().sessions_expired, 3);
}

/// `ConnectionAttemptCount`, `ConnectionEstablishedCount`, `ActiveConnectionCount`: of TCP only.
#[test]
fn connections_are_counted() {
    let mut w = World::new();
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.open_echo(H1, S1, 7);
    let unanswered = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
    w.outbound(tcp(unanswered.inside, unanswered.remote, SYN).seq(unanswered.inside_next - 1))
        .forwarded();
    w.open_tcp(at(H1, 5001), at(S1, 80));
    let metrics = w.stats().gateway();
    assert_eq!(
        metrics.connection_attempt_count, 2,
        "a retransmitted SYN is no other attempt"
    );
    assert_eq!(metrics.connection_established_count, 1);
    assert_eq!(metrics.active_connection_count, 2);
    w.advance(secs(241));
    assert_eq!(w.stats().gateway().active_connection_count, 1);
}

/// `ConnectionEstablishedCount`: neither an attempt that is refused nor one that is not answered,
/// but one that both ends open at the same time.
#[test]
fn attempts_that_fail_are_not_established() {
    let mut w = World::new();
    let counts = |w: &World| {
        let metrics = w.stats().gateway();
        (
            metrics.connection_attempt_count,
            metrics.connection_established_count,
            metrics.active_connection_count,
        )
    };
    let refused = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
    w.inbound(
        tcp(refused.remote, refused.external, RST | ACK)
            .seq(0)
            .ack(refused.inside_next),
    )
    .forwarded();
    assert_eq!(counts(&w), (1, 0, 0));
    let given_up = Connection::syn_sent(&mut w, at(H1, 5001), at(S1, 80));
    w.outbound(given_up.inside_sends(RST)).forwarded();
    Connection::syn_sent(&mut w, at(H1, 5002), at(S1, 80));
    w.advance(secs(241));
    assert_eq!(counts(&w), (3, 0, 0));
    let both = Connection::syn_sent(&mut w, at(H1, 5003), at(S1, 80));
    w.inbound(both.outside_sends(SYN)).forwarded();
    w.inbound(both.outside_sends(SYN | ACK)).forwarded();
    assert_eq!(counts(&w), (4, 1, 1));
}

/// `ActiveConnectionCount`: not a connection that was closed or reset, though its session waits for
/// its end; again one that goes on after a RST. `ConnectionAttemptCount`: a connection on the ports
/// of the last one is another attempt.
#[test]
fn closed_connections_are_not_active() {
    let mut w = World::new();
    let active = |w: &World| w.stats().gateway().active_connection_count;
    let mut closed = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.outbound(closed.inside_sends(FIN | ACK)).forwarded();
    closed.inside_next += 1;
    assert_eq!(active(&w), 1, "half-closed");
    w.inbound(closed.outside_sends(FIN | ACK)).forwarded();
    assert_eq!((active(&w), w.sessions().len()), (0, 1), "closed");
    let mut reset = w.open_tcp(at(H1, 5001), at(S1, 80));
    assert_eq!(active(&w), 1);
    w.inbound(reset.outside_sends(RST)).forwarded();
    assert_eq!((active(&w), w.sessions().len()), (0, 2), "reset");
    reset.send_from_inside(&mut w, b"not believed");
    assert_eq!(active(&w), 1, "restored");
    w.open_tcp(at(H1, 5000), at(S1, 80));
    let metrics = w.stats().gateway();
    assert_eq!(
        (
            metrics.connection_attempt_count,
            metrics.active_connection_count
        ),
        (3, 2)
    );
    assert_eq!(metrics.connection_established_count, 3);
}

/// `IdleTimeoutCount`: a connection that just falls silent counts, one that was closed or reset
/// does not, and what is no connection never does.
#[test]
fn idle_timeouts_count_what_was_not_closed() {
    let mut w = World::new();
    w.open_udp(at(H1, 5000), at(S1, 53));
    w.open_echo(H1, S1, 7);
    let mut closed = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.outbound(closed.inside_sends(FIN | ACK)).forwarded();
    closed.inside_next += 1;
    w.inbound(closed.outside_sends(FIN | ACK)).forwarded();
    let reset = w.open_tcp(at(H1, 5001), at(S1, 80));
    w.inbound(reset.outside_sends(RST)).forwarded();
    w.advance(secs(301));
    assert_eq!(
        (w.stats().gateway().idle_timeout_count, w.sessions().len()),
        (0, 0)
    );
    w.open_tcp(at(H1, 5002), at(S1, 80));
    w.advance(secs(7441));
    assert_eq!(w.stats().gateway().idle_timeout_count, 1);
    assert_eq!(w.stats().sessions_expired, 5);
}

/// `ErrorPortAllocation`: of every protocol, low ports too; not for other shortages.
#[test]
fn port_shortage_is_counted() {
    let openers: [fn(u16) -> Datagram; 4] = [
        |i| udp(at(H1, 5000 + i), at(S1, 53)),
        |i| tcp(at(H1, 5000 + i), at(S1, 80), SYN),
        |i| echo_request(H1, S1, 5000 + i),
        |i| udp(at(H1, 500 + i), at(S1, 53)),
    ];
    let mut w = World::sized::<5, 512, 16>(|config| {
        config.ports = nat_core::PortRange::new(30000, 30000).expect("a port");
        config.low_ports = nat_core::PortRange::new(300, 300).expect("a port");
    });
    // One that is half open would give its port to the next.
    Connection::open(&mut w, at(H1, 5000), at(S1, 80));
    let mut errors = 0;
    for opener in openers {
        w.outbound(opener(0)).forwarded();
        for i in 1..4 {
            w.outbound(opener(i)).refusal().expect("no port is left");
            errors += 1;
            assert_eq!(w.stats().gateway().error_port_allocation, errors);
        }
    }
    let by_reason = w.stats().rejected(DropReason::PortsExhausted)
        + w.stats().dropped(DropReason::PortsExhausted);
    assert_eq!(by_reason, errors);
}

/// The names that cloud gateways give their metrics.
#[test]
fn metrics_have_the_published_names() {
    let w = World::new();
    let names = w.stats().gateway().named().map(|(name, _)| name);
    let published = [
        "ActiveConnectionCount",
        "BytesInFromDestination",
        "BytesInFromSource",
        "BytesOutToDestination",
        "BytesOutToSource",
        "ConnectionAttemptCount",
        "ConnectionEstablishedCount",
        "ErrorPortAllocation",
        "IdleTimeoutCount",
        "PacketsDropCount",
        "PacketsInFromDestination",
        "PacketsInFromSource",
        "PacketsOutToDestination",
        "PacketsOutToSource",
        "PeakBytesPerSecond",
        "PeakPacketsPerSecond",
    ];
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(sorted, published);
}

/// The metrics of packets and bytes are those of the side that each name speaks of.
#[test]
fn metrics_of_traffic_are_of_their_side() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.outbound(udp(at(H1, 5000), at(S1, 53)).payload(&[7; 100]))
        .forwarded();
    w.outbound(udp(at(H1, 5000), at(S1, 53)).ttl(1))
        .rejected(DropReason::TtlExpired);
    w.inbound(udp(at(S1, 53), external).payload(&[7; 1000]))
        .forwarded();
    w.inbound(udp(at(S2, 53), external))
        .dropped(DropReason::Filtered);
    w.inbound(udp(at(S2, 53), external))
        .dropped(DropReason::Filtered);
    let expected = [
        ("PacketsInFromSource", 3),
        ("BytesInFromSource", 36 + 128 + 36),
        ("PacketsOutToDestination", 2),
        ("BytesOutToDestination", 36 + 128),
        ("PacketsInFromDestination", 3),
        ("BytesInFromDestination", 1028 + 36 + 36),
        ("PacketsOutToSource", 1),
        ("BytesOutToSource", 1028),
        ("PacketsDropCount", 3),
    ];
    let metrics = w.stats().gateway().named();
    for metric in expected {
        assert!(metrics.contains(&metric), "{metric:?} in {metrics:?}");
    }
}

/// The invariants of section 5: what came in on a side went out on the other, by hairpin on the
/// same, or was dropped, answered, or local.
#[test]
fn packets_in_are_packets_out_and_drops() {
    let mut random = fastrand::Rng::with_seed(6);
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let server = w.open_udp(at(H2, 7000), at(S1, 53));
    let (mut lost_inside, mut lost_outside, mut by_hairpin) = (0, 0, 0);
    for _ in 0..1000 {
        let port = 5000 + random.u16(..8);
        let ttl = random.u8(..3);
        let quote = udp(external, at(S1, 53)).bytes();
        let (from_inside, outcome) = match random.u8(..9) {
            0 => (true, w.outbound(udp(at(H1, port), at(S1, 53)))),
            1 => (
                true,
                w.outbound(tcp(
                    at(H1, port),
                    at(S1, 80),
                    [SYN, ACK, 0][random.usize(..3)],
                )),
            ),
            2 => (
                true,
                w.outbound(udp(
                    at(H1, port),
                    at([ROUTER, H2, S2][random.usize(..3)], 53),
                )),
            ),
            3 => (true, w.outbound(udp(at(H1, port), at(S1, 53)).ttl(ttl))),
            4 => (false, w.inbound(udp(at(S1, 53), external).ttl(ttl))),
            5 => (
                false,
                w.inbound(icmp_error(TRANSIT, N, (3, random.u8(..16)), &quote).ttl(ttl)),
            ),
            6 => (
                true,
                w.outbound(echo_request(H1, [S1, N, ROUTER][random.usize(..3)], port)),
            ),
            7 => {
                let outcome = w.outbound(udp(at(H1, port), server).ttl(ttl));
                by_hairpin += u64::from(outcome.is_forwarded());
                (true, outcome)
            }
            _ => (false, w.inbound(udp(at(S1, 53), at(N, random.u16(..))))),
        };
        let lost = if from_inside {
            &mut lost_inside
        } else {
            &mut lost_outside
        };
        *lost += u64::from(!outcome.is_forwarded());
    }
    let metrics = w.stats().gateway();
    assert!(by_hairpin > 10, "{by_hairpin} hairpins");
    assert_eq!(
        metrics.packets_in_from_source,
        metrics.packets_out_to_destination + by_hairpin + lost_inside
    );
    assert_eq!(
        metrics.packets_in_from_destination + by_hairpin,
        metrics.packets_out_to_source + lost_outside
    );
    assert_eq!(
        metrics.packets_drop_count + w.stats().local,
        lost_inside + lost_outside
    );
}

/// `PeakPacketsPerSecond`, `PeakBytesPerSecond`: of what came in on both sides, whatever became of
/// it, but not of what the router sends itself; the highest average of 10 s within a minute.
#[test]
fn peaks_are_the_highest_averages_of_ten_seconds() {
    let peaks = |w: &World| {
        let metrics = w.stats().gateway();
        (
            metrics.peak_packets_per_second,
            metrics.peak_bytes_per_second,
        )
    };
    let mut w = World::new();
    for _ in 0..20 {
        w.outbound(udp(at(H1, 5000), at(S1, 53)).payload(&[7; 72]))
            .forwarded();
        w.inbound(udp(at(S2, 53), at(N, 9)).payload(&[7; 22]))
            .dropped(DropReason::NoMapping);
        w.router_sends(udp(at(N, 5353), at(S1, 53))).forwarded();
    }
    w.advance(core::time::Duration::from_millis(9_999));
    assert_eq!(peaks(&w), (0, 0), "the window is not complete");
    w.advance(core::time::Duration::from_millis(1));
    assert_eq!(peaks(&w), (4, 20 * (100 + 50) / 10));
    // More packets, but fewer bytes, in a later window: each peak has a window of its own.
    for _ in 0..70 {
        w.inbound(udp(at(S2, 53), at(N, 9)).payload(&[]))
            .dropped(DropReason::NoMapping);
    }
    w.advance(secs(10));
    assert_eq!(peaks(&w), (7, 300));
    w.advance(secs(49));
    assert_eq!(peaks(&w), (7, 300), "within the minute");
    w.advance(secs(1));
    assert_eq!(
        peaks(&w),
        (7, 70 * 28 / 10),
        "the first window is a minute ago"
    );
    w.advance(secs(10));
    assert_eq!(peaks(&w), (0, 0));
}

/// Standards 0.3: a jump of the clock leaves no peak behind, nor makes one, and time that steps
/// back adds nothing.
#[test]
fn peaks_survive_jumps_of_the_clock() {
    for jump in [secs(70), secs(1 << 32), secs(500 * 365 * 86400)] {
        let mut w = World::new();
        for _ in 0..100 {
            w.inbound(udp(at(S2, 53), at(N, 9)))
                .dropped(DropReason::NoMapping);
        }
        w.step_back(secs(500));
        w.inbound(udp(at(S2, 53), at(N, 9)))
            .dropped(DropReason::NoMapping);
        w.jump(secs(510));
        w.inbound(udp(at(S2, 53), at(N, 9)))
            .dropped(DropReason::NoMapping);
        assert_eq!(w.stats().gateway().peak_packets_per_second, 10);
        w.jump(jump);
        w.inbound(udp(at(S2, 53), at(N, 9)))
            .dropped(DropReason::NoMapping);
        assert_eq!(
            w.stats().gateway().peak_packets_per_second,
            0,
            "after {jump:?}"
        );
    }
}
