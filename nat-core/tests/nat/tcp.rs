//! TCP sessions: RFC 5382, RFC 6146 section 3.5.2, RFC 7857 section 2, RFC 5961 seen from a NAT.

use core::time::Duration;

use crate::world::*;
use nat_core::{DropReason, SessionState};

use SessionState::{Closing, Established, InsideFin, InsideSyn, OutsideFin, Reset};

fn open() -> (World, Connection) {
    let mut w = World::new();
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    (w, connection)
}

/// A connection over links that carry the largest packets.
fn open_wide() -> (World, Connection) {
    let mut w =
        World::with(|config| (config.inside_mtu, config.outside_mtu) = (u16::MAX, u16::MAX));
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    (w, connection)
}

/// Sends so much from one end, unacknowledged.
fn fill(w: &mut World, connection: &mut Connection, end: End, mebibytes: u32) {
    for _ in 0..(mebibytes << 20) / 60_000 {
        match end {
            End::Inside => connection.send_from_inside(w, &[7; 60_000]),
            End::Outside => connection.send_from_outside(w, &[7; 60_000]),
        }
    }
}

/// A connection whose end `first` has sent a FIN.
fn half_closed(first: End) -> (World, Connection) {
    let (mut w, mut connection) = open();
    first.sends_fin(&mut w, &mut connection);
    (w, connection)
}

/// A connection that both ends have closed.
fn closed() -> (World, Connection) {
    let (mut w, mut connection) = half_closed(End::Inside);
    End::Outside.sends_fin(&mut w, &mut connection);
    w.outbound(connection.inside_sends(ACK)).forwarded();
    (w, connection)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Inside,
    Outside,
}

impl End {
    const BOTH: [Self; 2] = [Self::Inside, Self::Outside];

    fn other(self) -> Self {
        match self {
            Self::Inside => Self::Outside,
            Self::Outside => Self::Inside,
        }
    }

    /// The segment that this end would send next.
    fn segment(self, connection: &Connection, flags: u8) -> Datagram {
        match self {
            Self::Inside => connection.inside_sends(flags),
            Self::Outside => connection.outside_sends(flags),
        }
    }

    fn next(self, connection: &Connection) -> u32 {
        match self {
            Self::Inside => connection.inside_next,
            Self::Outside => connection.outside_next,
        }
    }

    fn next_mut(self, connection: &mut Connection) -> &mut u32 {
        match self {
            Self::Inside => &mut connection.inside_next,
            Self::Outside => &mut connection.outside_next,
        }
    }

    fn send(self, w: &mut World, segment: Datagram) -> Outcome {
        match self {
            Self::Inside => w.outbound(segment),
            Self::Outside => w.inbound(segment),
        }
    }

    #[track_caller]
    fn sends_fin(self, w: &mut World, connection: &mut Connection) {
        self.send(w, self.segment(connection, FIN | ACK))
            .forwarded();
        *self.next_mut(connection) += 1;
    }

    #[track_caller]
    fn sends_data(self, w: &mut World, connection: &mut Connection) {
        match self {
            Self::Inside => connection.send_from_inside(w, b"some data"),
            Self::Outside => connection.send_from_outside(w, b"some data"),
        }
    }
}

/// X2, T2: the life of a connection, as the session shows it.
#[test]
fn a_session_follows_its_connection() {
    let mut w = World::new();
    let mut connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
    assert_eq!(connection.state(&w), InsideSyn);
    w.outbound(tcp(connection.inside, connection.remote, SYN).seq(connection.inside_next - 1))
        .forwarded();
    assert_eq!(connection.state(&w), InsideSyn, "after a retransmitted SYN");
    w.inbound(connection.outside_sends(SYN | ACK)).forwarded();
    connection.outside_next += 1;
    assert_eq!(connection.state(&w), Established);
    w.outbound(connection.inside_sends(ACK)).forwarded();
    connection.send_from_inside(&mut w, b"GET / HTTP/1.1\r\n\r\n");
    connection.send_from_outside(&mut w, b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(connection.state(&w), Established);
    End::Outside.sends_fin(&mut w, &mut connection);
    assert_eq!(connection.state(&w), OutsideFin);
    End::Inside.sends_data(&mut w, &mut connection);
    assert_eq!(
        connection.state(&w),
        OutsideFin,
        "the other direction is still open"
    );
    End::Inside.sends_fin(&mut w, &mut connection);
    assert_eq!(connection.state(&w), Closing);
    w.inbound(connection.outside_sends(ACK)).forwarded();
    assert_eq!(connection.state(&w), Closing);
}

/// X2: which end closes first makes no other difference.
#[test]
fn either_end_may_close_first() {
    for (first, half) in [(End::Inside, InsideFin), (End::Outside, OutsideFin)] {
        let (mut w, mut connection) = half_closed(first);
        assert_eq!(connection.state(&w), half);
        first
            .send(&mut w, first.segment(&connection, ACK))
            .forwarded();
        assert_eq!(connection.state(&w), half, "{first:?} cannot close twice");
        first.other().sends_data(&mut w, &mut connection);
        first.other().sends_fin(&mut w, &mut connection);
        assert_eq!(connection.state(&w), Closing);
    }
}

/// T2: a FIN may carry data, and may be retransmitted; both ends may close at once.
#[test]
fn fins_come_in_all_legal_forms() {
    let (mut w, mut connection) = open();
    let fin = connection.inside_sends(FIN | PSH | ACK).payload(b"bye");
    w.outbound(&fin).forwarded();
    assert_eq!(connection.state(&w), InsideFin);
    w.outbound(&fin).forwarded();
    assert_eq!(connection.state(&w), InsideFin, "after a retransmitted FIN");
    // The outside end closes without having seen that FIN.
    w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
    assert_eq!(connection.state(&w), Closing);
    connection.inside_next += 4;
    connection.outside_next += 1;
    w.outbound(connection.inside_sends(ACK)).forwarded();
    w.inbound(connection.outside_sends(ACK)).forwarded();
}

/// T2, A2: a segment that overtook another is accounted for once it is acknowledged, and the FIN
/// behind it counts.
#[test]
fn a_fin_behind_data_out_of_order_counts() {
    for end in End::BOTH {
        let (mut w, mut connection) = open();
        let segment = |from: u32| {
            end.segment(&connection, ACK)
                .seq(end.next(&connection).wrapping_add(from))
        };
        let (early, late) = (segment(4).payload(b"5678"), segment(0).payload(b"1234"));
        end.send(&mut w, early).forwarded();
        end.send(&mut w, late).forwarded();
        match end {
            End::Inside => connection.inside_next += 8,
            End::Outside => connection.outside_next += 8,
        }
        end.other()
            .send(&mut w, end.other().segment(&connection, ACK))
            .forwarded();
        end.sends_fin(&mut w, &mut connection);
        let half = if end == End::Inside {
            InsideFin
        } else {
            OutsideFin
        };
        assert_eq!(connection.state(&w), half, "{end:?}");
    }
}

/// T2: a FIN that overtakes data which is sent again, by loss or reordering, ends its direction
/// like any other: else each such connection would hold its session for two hours.
#[test]
fn a_fin_that_overtakes_data_counts() {
    for first in End::BOTH {
        let (mut w, mut connection) = open();
        let data = first.segment(&connection, ACK).payload(b"late");
        let fin = first
            .segment(&connection, FIN | ACK)
            .seq(first.next(&connection).wrapping_add(4));
        first.send(&mut w, fin).forwarded();
        first.send(&mut w, data).forwarded();
        match first {
            End::Inside => connection.inside_next += 5,
            End::Outside => connection.outside_next += 5,
        }
        first
            .other()
            .send(&mut w, first.other().segment(&connection, ACK))
            .forwarded();
        first.other().sends_fin(&mut w, &mut connection);
        first
            .send(&mut w, first.segment(&connection, ACK))
            .forwarded();
        assert_eq!(connection.state(&w), Closing, "{first:?} closed first");
    }
}

/// T2a: simultaneous open, with the peer's SYN before and after a retransmission of ours.
#[test]
fn simultaneous_open_establishes_a_session() {
    for retransmit_first in [false, true] {
        let mut w = World::new();
        let mut connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
        let ours = tcp(connection.inside, connection.remote, SYN).seq(connection.inside_next - 1);
        if retransmit_first {
            w.outbound(&ours).forwarded();
        }
        w.inbound(connection.outside_sends(SYN)).forwarded();
        if !retransmit_first {
            w.outbound(&ours).forwarded();
        }
        connection.outside_next += 1;
        w.outbound(
            connection
                .inside_sends(SYN | ACK)
                .seq(connection.inside_next - 1),
        )
        .forwarded();
        w.inbound(
            connection
                .outside_sends(SYN | ACK)
                .seq(connection.outside_next - 1),
        )
        .forwarded();
        assert_eq!(connection.state(&w), Established);
        End::Inside.sends_data(&mut w, &mut connection);
        End::Outside.sends_data(&mut w, &mut connection);
    }
}

/// T2a, T4: the peer's SYN comes first, is dropped silently, and is repeated once our SYN has
/// opened a session. The first one leaves no state and causes no error later.
#[test]
fn a_simultaneous_open_may_begin_outside() {
    for wait in [0, 3, 6, 100] {
        let mut w = World::new();
        let (inside, remote) = (at(H1, 5000), at(S1, 80));
        // An external endpoint that the peer has learned from a third party.
        let external = w.open_tcp(inside, at(S2, 3478)).external;
        let theirs = tcp(remote, external, SYN).seq(OUTSIDE_ISN);
        w.inbound(&theirs).dropped(DropReason::Filtered);
        w.advance(secs(wait));
        let ours = w
            .outbound(tcp(inside, remote, SYN).seq(INSIDE_ISN))
            .forwarded();
        assert_eq!(
            (ours.source(), w.session(inside, remote).state),
            (external, InsideSyn),
            "after {wait} s"
        );
        w.advance(secs(3));
        assert_eq!(w.inbound(&theirs).forwarded().destination(), inside);
        w.outbound(
            tcp(inside, remote, SYN | ACK)
                .seq(INSIDE_ISN)
                .ack(OUTSIDE_ISN + 1),
        )
        .forwarded();
        w.inbound(
            tcp(remote, external, SYN | ACK)
                .seq(OUTSIDE_ISN)
                .ack(INSIDE_ISN + 1),
        )
        .forwarded();
        assert_eq!(w.session(inside, remote).state, Established);
        w.advance(secs(7439));
        w.outbound(
            tcp(inside, remote, ACK)
                .seq(INSIDE_ISN + 1)
                .ack(OUTSIDE_ISN + 1),
        )
        .forwarded();
        assert_eq!(w.stats().rejected_total(), 0);
    }
}

/// T2: segments that a connection may legally carry pass unchanged and leave it established.
#[test]
fn legal_segments_pass() {
    let (mut w, mut connection) = open();
    End::Inside.sends_data(&mut w, &mut connection);
    End::Outside.sends_data(&mut w, &mut connection);
    for end in End::BOTH {
        let next = end.next(&connection);
        let plain = |flags| end.segment(&connection, flags);
        let segments = [
            (
                "keep-alive without data",
                plain(ACK).seq(next.wrapping_sub(1)),
            ),
            (
                "keep-alive with a byte",
                plain(ACK).seq(next.wrapping_sub(1)).payload(&[0]),
            ),
            ("zero window", plain(ACK).window(0)),
            ("window probe", plain(ACK).payload(&[1])),
            (
                "urgent data",
                plain(ACK | PSH | URG)
                    .payload(b"!")
                    .tcp_header(|header| header.urgent_pointer = 1),
            ),
            ("ECN echo", plain(ACK | ECE)),
            ("congestion window reduced", plain(ACK | CWR)),
            (
                "selective acknowledgment",
                plain(ACK).tcp_options(&[1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 19]),
            ),
            (
                "timestamps",
                plain(ACK).tcp_options(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
            ),
            (
                "a retransmission",
                plain(ACK | PSH)
                    .seq(next.wrapping_sub(9))
                    .payload(b"some data"),
            ),
            (
                "a segment out of order",
                plain(ACK | PSH)
                    .seq(next.wrapping_add(1000))
                    .payload(b"later"),
            ),
        ];
        for (name, segment) in segments {
            let expected = segment.bytes()[field::TCP_PAYLOAD].to_vec();
            let passed = end.send(&mut w, segment).forwarded();
            assert_eq!(
                passed.bytes()[field::TCP_PAYLOAD],
                expected,
                "{name} of {end:?}"
            );
            assert_eq!(connection.state(&w), Established, "{name} of {end:?}");
        }
    }
}

/// T2: SYNs with data (TFO), with all usual options, and with ECN set-up.
#[test]
fn syns_come_in_all_legal_forms() {
    let (inside, remote) = (at(H1, 5000), at(S1, 80));
    let syns = [
        (
            "with data",
            tcp(inside, remote, SYN).payload(b"GET / HTTP/1.1\r\n\r\n"),
        ),
        (
            "with options",
            tcp(inside, remote, SYN).tcp_options(&[2, 4, 5, 180, 4, 2, 1, 3, 3, 14, 1, 1]),
        ),
        ("with ECN set-up", tcp(inside, remote, SYN | ECE | CWR)),
    ];
    for (name, syn) in syns {
        let mut w = World::new();
        let left = w.outbound(syn.seq(1000)).forwarded();
        let covered = 1001 + left.payload().len() as u32;
        for ack in [1001, covered] {
            w.inbound(tcp(remote, left.source(), SYN | ACK).seq(5000).ack(ack))
                .forwarded();
        }
        assert_eq!(w.session(inside, remote).state, Established, "{name}");
        w.outbound(tcp(inside, remote, ACK).seq(covered).ack(5001))
            .forwarded();
    }
}

/// T2: SYN-ACKs with data, with all usual options, with the answer to ECN set-up, and sent again.
#[test]
fn syn_acks_come_in_all_legal_forms() {
    let forms: [(&str, u8, &[u8], &[u8]); 4] = [
        ("plain", SYN | ACK, &[], &[]),
        ("with data", SYN | ACK, &[], b"220 ready"),
        (
            "with options",
            SYN | ACK,
            &[2, 4, 5, 180, 4, 2, 1, 3, 3, 14, 1, 1],
            &[],
        ),
        ("with ECN set-up", SYN | ACK | ECE, &[], &[]),
    ];
    for (name, flags, options, payload) in forms {
        let mut w = World::new();
        let mut connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
        let answer = connection
            .outside_sends(flags)
            .tcp_options(options)
            .payload(payload);
        for _ in 0..2 {
            let arrived = w.inbound(&answer).forwarded();
            assert_eq!(
                (arrived.destination(), arrived.tcp_flags()),
                (connection.inside, flags),
                "{name}"
            );
            assert_eq!(connection.state(&w), Established, "{name}");
        }
        connection.outside_next += 1 + payload.len() as u32;
        w.outbound(connection.inside_sends(ACK)).forwarded();
        // The numbers are tracked: the RST behind it is exact.
        w.inbound(connection.outside_sends(RST)).forwarded();
        assert_eq!(connection.state(&w), Reset, "{name}");
    }
}

/// T2: with a window scale of 14 much more is under way unacknowledged than a plain window holds,
/// and the numbers are tracked to the end of it.
#[test]
fn a_scaled_window_is_filled() {
    for end in End::BOTH {
        let mut w =
            World::with(|config| (config.inside_mtu, config.outside_mtu) = (u16::MAX, u16::MAX));
        let mut connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
        w.inbound(
            connection
                .outside_sends(SYN | ACK)
                .tcp_options(&[3, 3, 14, 1]),
        )
        .forwarded();
        connection.outside_next += 1;
        w.outbound(connection.inside_sends(ACK).window(u16::MAX))
            .forwarded();
        for _ in 0..600 {
            match end {
                End::Inside => connection.send_from_inside(&mut w, &[7; 60_000]),
                End::Outside => connection.send_from_outside(&mut w, &[7; 60_000]),
            }
        }
        end.other()
            .send(&mut w, end.other().segment(&connection, ACK))
            .forwarded();
        assert_eq!(connection.state(&w), Established, "{end:?}");
        end.sends_fin(&mut w, &mut connection);
        end.other().sends_fin(&mut w, &mut connection);
        assert_eq!(connection.state(&w), Closing, "{end:?}");
    }
}

/// T2, X2: one segment lost before it came here, with up to a wide window under way behind it (RFC
/// 7323 section 2.3): the acknowledgment that closes the gap is believed, and both FINs count.
#[test]
fn a_gap_as_wide_as_a_large_window_is_closed() {
    for (end, mebibytes) in End::BOTH
        .into_iter()
        .flat_map(|end| [8, 15, 16, 17, 24, 64].map(|size| (end, size)))
    {
        let (mut w, mut connection) = open_wide();
        let lost = end.segment(&connection, ACK).payload(&[7; 60_000]);
        *end.next_mut(&mut connection) += 60_000;
        fill(&mut w, &mut connection, end, mebibytes);
        end.send(&mut w, lost).forwarded();
        end.other()
            .send(&mut w, end.other().segment(&connection, ACK))
            .forwarded();
        assert_eq!(
            connection.state(&w),
            Established,
            "{end:?}, {mebibytes} MiB"
        );
        end.sends_fin(&mut w, &mut connection);
        end.other().sends_fin(&mut w, &mut connection);
        assert_eq!(connection.state(&w), Closing, "{end:?}, {mebibytes} MiB");
    }
}

/// T2, X2: the same where the FIN follows at once, before the lost segment is sent again.
#[test]
fn a_fin_beyond_a_wide_gap_counts() {
    for (end, mebibytes) in End::BOTH
        .into_iter()
        .flat_map(|end| [8, 15, 16, 17, 24, 64].map(|size| (end, size)))
    {
        let (mut w, mut connection) = open_wide();
        let lost = end.segment(&connection, ACK).payload(&[7; 60_000]);
        *end.next_mut(&mut connection) += 60_000;
        fill(&mut w, &mut connection, end, mebibytes);
        end.sends_fin(&mut w, &mut connection);
        end.send(&mut w, lost).forwarded();
        end.other()
            .send(&mut w, end.other().segment(&connection, ACK))
            .forwarded();
        end.other().sends_fin(&mut w, &mut connection);
        assert_eq!(connection.state(&w), Closing, "{end:?}, {mebibytes} MiB");
    }
}

/// T2, X2: a FIN of the receiver, and its RST, count while its acknowledgments are far behind what
/// is under way to it.
#[test]
fn the_receiver_of_a_wide_window_may_close() {
    for end in End::BOTH {
        let (mut w, mut connection) = open_wide();
        let behind = *end.next_mut(&mut connection);
        fill(&mut w, &mut connection, end, 64);
        let receiver = end.other();
        let data = receiver
            .segment(&connection, ACK)
            .ack(behind)
            .payload(b"data");
        receiver.send(&mut w, data).forwarded();
        *receiver.next_mut(&mut connection) += 4;
        let fin = receiver.segment(&connection, FIN | ACK).ack(behind);
        receiver.send(&mut w, fin).forwarded();
        *receiver.next_mut(&mut connection) += 1;
        end.sends_fin(&mut w, &mut connection);
        assert_eq!(connection.state(&w), Closing, "{end:?}");
    }
}

/// A1, A2: the same from one who does not know the numbers: neither what comes far after a gap, nor
/// an acknowledgment of far more than was sent, moves what is known of a connection.
#[test]
fn a_forged_gap_is_not_skipped() {
    for (end, ahead) in End::BOTH
        .into_iter()
        .flat_map(|end| [9 << 20, 64 << 20, 1 << 30].map(|ahead| (end, ahead)))
    {
        for off in [1, 1 << 10, 1 << 25, u32::MAX] {
            let (mut w, connection) = open();
            let at = end.next(&connection).wrapping_add(ahead);
            let acknowledged = end.other().next(&connection).wrapping_add(off);
            let _ = end.send(
                &mut w,
                end.segment(&connection, ACK)
                    .seq(at)
                    .ack(acknowledged)
                    .payload(b"forged"),
            );
            let _ = end.send(
                &mut w,
                end.segment(&connection, RST).seq(at.wrapping_add(6)),
            );
            assert_eq!(
                connection.state(&w),
                Established,
                "{end:?}, {ahead} ahead, {off} off"
            );
            let _ = end.send(&mut w, end.segment(&connection, RST));
            assert_eq!(connection.state(&w), Reset, "the true one counts");
        }
    }
}

/// T2: keep-alives alone, with or without their byte, keep a connection for ever, and the RST of
/// its end is still exact.
#[test]
fn keep_alives_keep_a_connection() {
    for end in End::BOTH {
        for payload in [&[][..], &[0]] {
            let (mut w, connection) = open();
            for _ in 0..5 {
                w.advance(secs(7200));
                let probe = end
                    .segment(&connection, ACK)
                    .seq(end.next(&connection).wrapping_sub(1))
                    .payload(payload);
                end.send(&mut w, probe).forwarded();
                end.other()
                    .send(&mut w, end.other().segment(&connection, ACK))
                    .forwarded();
            }
            assert_eq!(connection.state(&w), Established, "{end:?}");
            end.send(&mut w, end.segment(&connection, RST)).forwarded();
            assert_eq!(connection.state(&w), Reset, "{end:?}");
        }
    }
}

/// T2: a client that gives up before it has an answer says so by a RST, which is passed on.
#[test]
fn a_client_may_give_up_its_attempt() {
    let mut w = World::new();
    let connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
    w.outbound(connection.inside_sends(RST)).forwarded();
    w.advance(secs(241));
    assert!(!connection.is_alive(&w));
}

/// T2: after one FIN the other direction carries data for as long as it likes, and is acknowledged.
#[test]
fn a_half_closed_connection_carries_data() {
    for first in End::BOTH {
        let (mut w, mut connection) = half_closed(first);
        let state = connection.state(&w);
        for _ in 0..10 {
            w.advance(secs(300));
            first.other().sends_data(&mut w, &mut connection);
            first
                .send(&mut w, first.segment(&connection, ACK))
                .forwarded();
        }
        w.advance(secs(7439));
        first.other().sends_data(&mut w, &mut connection);
        assert_eq!(connection.state(&w), state, "{first:?} closed first");
        first.other().sends_fin(&mut w, &mut connection);
        assert_eq!(connection.state(&w), Closing);
    }
}

/// T2: sequence numbers run over their end during handshake, data, and FIN.
#[test]
fn sequence_numbers_wrap() {
    let mut w = World::new();
    let (inside, remote) = (at(H1, 5000), at(S1, 80));
    let external = w
        .outbound(tcp(inside, remote, SYN).seq(u32::MAX))
        .forwarded()
        .source();
    w.inbound(tcp(remote, external, SYN | ACK).seq(u32::MAX - 2).ack(0))
        .forwarded();
    assert_eq!(w.session(inside, remote).state, Established);
    w.outbound(
        tcp(inside, remote, ACK)
            .seq(0)
            .ack(u32::MAX - 1)
            .payload(b"12345"),
    )
    .forwarded();
    w.inbound(
        tcp(remote, external, ACK)
            .seq(u32::MAX - 1)
            .ack(5)
            .payload(b"1234"),
    )
    .forwarded();
    w.inbound(tcp(remote, external, FIN | ACK).seq(2).ack(5))
        .forwarded();
    assert_eq!(w.session(inside, remote).state, OutsideFin);
    w.outbound(tcp(inside, remote, RST | ACK).seq(5).ack(3))
        .forwarded();
    assert_eq!(w.session(inside, remote).state, Reset);
}

/// T5: one FIN leaves the timer of an established session; both FINs start the short one.
#[test]
fn a_half_closed_session_lives_as_long_as_an_established_one() {
    for end in End::BOTH {
        for (idle, alive) in [(7439, true), (7441, false)] {
            let (mut w, connection) = half_closed(end);
            w.advance(secs(idle));
            assert_eq!(
                w.inbound(connection.outside_sends(ACK)).is_forwarded(),
                alive,
                "{end:?}, {idle} s"
            );
        }
    }
}

/// X2.2a, S3: the exact RST of either end is passed on, and the session lives 240 s more unless
/// traffic goes on.
#[test]
fn an_exact_reset_ends_a_session_after_its_time() {
    for end in End::BOTH {
        for flags in [RST, RST | ACK] {
            for (idle, alive) in [(239, true), (241, false)] {
                let (mut w, connection) = open();
                end.send(&mut w, end.segment(&connection, flags))
                    .forwarded();
                assert_eq!(connection.state(&w), Reset, "{end:?}");
                w.advance(secs(idle));
                assert_eq!(connection.is_alive(&w), alive, "{end:?}, {idle} s");
                assert_eq!(
                    w.inbound(connection.outside_sends(ACK)).is_forwarded(),
                    alive,
                    "{end:?}, {idle} s"
                );
            }
        }
    }
}

/// X2.2: after a RST that its receiver did not believe, traffic brings the session back for its
/// full time.
#[test]
fn traffic_after_a_reset_restores_the_session() {
    for end in End::BOTH {
        for sender in End::BOTH {
            let (mut w, mut connection) = open();
            end.send(&mut w, end.segment(&connection, RST)).forwarded();
            w.advance(secs(200));
            sender.sends_data(&mut w, &mut connection);
            assert_eq!(
                connection.state(&w),
                Established,
                "{sender:?} after a RST of {end:?}"
            );
            w.advance(secs(7000));
            sender.other().sends_data(&mut w, &mut connection);
        }
    }
}

/// X2, X7.1: another RST neither restores a session nor restarts its timer.
#[test]
fn a_second_reset_restores_nothing() {
    for end in End::BOTH {
        let (mut w, connection) = open();
        end.send(&mut w, end.segment(&connection, RST)).forwarded();
        for _ in 0..2 {
            w.advance(secs(119));
            let _ = end.send(&mut w, end.segment(&connection, RST));
            assert_eq!(connection.state(&w), Reset, "{end:?}");
        }
        w.advance(secs(3));
        assert!(!connection.is_alive(&w), "{end:?}");
    }
}

/// S3: data and then the RST right behind it, before anything was acknowledged, is exact too.
#[test]
fn a_reset_right_behind_unacknowledged_data_is_exact() {
    for end in End::BOTH {
        let (mut w, mut connection) = open();
        end.sends_data(&mut w, &mut connection);
        end.send(&mut w, end.segment(&connection, RST)).forwarded();
        assert_eq!(connection.state(&w), Reset, "{end:?}");
    }
}

/// S3: a RST at what the other end has acknowledged is exact, though more was sent since.
#[test]
fn a_reset_at_what_was_acknowledged_is_exact() {
    for end in End::BOTH {
        let (mut w, mut connection) = open();
        let acknowledged = end.next(&connection);
        end.sends_data(&mut w, &mut connection);
        end.send(&mut w, end.segment(&connection, RST).seq(acknowledged))
            .forwarded();
        assert_eq!(connection.state(&w), Reset, "{end:?}");
    }
}

/// S1, S3, A1: a RST that is not exact is at most passed on: no state, no timer changes.
#[test]
fn an_inexact_reset_has_no_effect() {
    for end in End::BOTH {
        for distance in [
            1_u32,
            2,
            1000,
            60_000,
            0x4000_0000,
            0x7FFF_FFFF,
            0x8000_0000,
            u32::MAX,
        ] {
            let (mut w, connection) = open();
            w.advance(secs(1000));
            let forged = end
                .segment(&connection, RST)
                .seq(end.next(&connection).wrapping_add(distance));
            let _ = end.send(&mut w, forged);
            assert_eq!(
                connection.state(&w),
                Established,
                "{end:?}, {distance:#x} off"
            );
            w.advance(secs(6439));
            assert!(
                connection.is_alive(&w),
                "{end:?}, {distance:#x} off: the timer was shortened"
            );
            w.advance(secs(2));
            assert!(
                !connection.is_alive(&w),
                "{end:?}, {distance:#x} off: the timer was restarted"
            );
        }
    }
}

/// S1: the RST of RFC 5961: in the window but not exact passes, the challenge ACK passes, and the
/// exact one counts.
#[test]
fn the_challenge_of_an_inexact_reset_works_through_the_nat() {
    let (mut w, mut connection) = open();
    connection.send_from_inside(&mut w, b"GET /");
    w.inbound(
        connection
            .outside_sends(RST)
            .seq(connection.outside_next + 10),
    )
    .forwarded();
    assert_eq!(connection.state(&w), Established);
    w.outbound(connection.inside_sends(ACK)).forwarded();
    w.inbound(connection.outside_sends(RST)).forwarded();
    assert_eq!(connection.state(&w), Reset);
}

/// A1 (ReDAN): RSTs with random sequence numbers to every port evict nothing.
#[test]
fn a_flood_of_forged_resets_evicts_nothing() {
    let (mut w, mut connection) = open();
    let mut random = fastrand::Rng::with_seed(1);
    for port in (0..=u16::MAX).chain([connection.external.port(); 1000]) {
        let forged = tcp(connection.remote, at(N, port), RST).seq(random.u32(..));
        let outcome = w.inbound(forged);
        assert!(
            !matches!(outcome, Outcome::Rejected(..)),
            "never a word to the outside"
        );
    }
    assert_eq!(connection.state(&w), Established);
    connection.send_from_inside(&mut w, b"still");
    connection.send_from_outside(&mut w, b"here");
    w.advance(secs(7439));
    connection.send_from_outside(&mut w, b"for long");
}

/// A2: a FIN far from where the connection is has no effect.
#[test]
fn a_forged_fin_has_no_effect() {
    for end in End::BOTH {
        for distance in [
            0x1000_0000_u32,
            0x4000_0000,
            0x7FFF_FFFF,
            0x8000_0000,
            0xC000_0000,
        ] {
            let (mut w, connection) = open();
            let forged = end
                .segment(&connection, FIN | ACK)
                .seq(end.next(&connection).wrapping_add(distance));
            let _ = end.send(&mut w, forged);
            assert_eq!(
                connection.state(&w),
                Established,
                "{end:?}, {distance:#x} off"
            );
        }
    }
}

/// A2: FINs forged for both ends do not shorten the life of a connection.
#[test]
fn forged_fins_for_both_ends_close_nothing() {
    let (mut w, mut connection) = open();
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..1000 {
        let seq = connection
            .outside_next
            .wrapping_add(random.u32(0x10_0000..0xFFF0_0000));
        let _ = w.inbound(connection.outside_sends(FIN | ACK).seq(seq));
    }
    assert_eq!(connection.state(&w), Established);
    connection.send_from_outside(&mut w, b"data");
}

/// S2, A2: a SYN or SYN-ACK within an established connection is passed on at most; the challenge
/// ACK decides.
#[test]
fn a_syn_within_a_connection_resets_nothing() {
    for end in End::BOTH {
        for flags in [SYN, SYN | ACK] {
            let (mut w, mut connection) = open();
            let forged = end.segment(&connection, flags).seq(77_777).ack(88_888);
            let _ = end.send(&mut w, forged);
            assert_eq!(
                connection.state(&w),
                Established,
                "{end:?}, flags {flags:#04x}"
            );
            // Tracking goes on with the numbers of the connection: its own RST is exact, one after
            // the SYN's is not.
            let _ = end.send(&mut w, end.segment(&connection, RST).seq(77_778));
            assert_eq!(
                connection.state(&w),
                Established,
                "{end:?}, flags {flags:#04x}: RST behind the SYN"
            );
            end.other().sends_data(&mut w, &mut connection);
            end.send(&mut w, end.segment(&connection, RST)).forwarded();
            assert_eq!(
                connection.state(&w),
                Reset,
                "{end:?}, flags {flags:#04x}: the true RST"
            );
        }
    }
}

/// A1, S3: an acknowledgment of data that was never sent does not make a forged RST exact.
#[test]
fn a_forged_acknowledgment_does_not_validate_a_reset() {
    let (mut w, connection) = open();
    let elsewhere = connection.inside_next.wrapping_add(0x2000_0000);
    let _ = w.inbound(
        tcp(connection.remote, connection.external, ACK)
            .seq(connection.outside_next)
            .ack(elsewhere),
    );
    // The peer's forged ACK would make this the highest acknowledged number of the inside end.
    let _ = w.outbound(connection.inside_sends(RST).seq(elsewhere));
    assert_eq!(connection.state(&w), Established);
}

/// T2: a refused connection: the RST that acknowledges our SYN passes and counts.
#[test]
fn a_refused_connection_is_reset() {
    let mut w = World::new();
    let connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
    let refusal = tcp(connection.remote, connection.external, RST | ACK)
        .seq(0)
        .ack(connection.inside_next);
    w.inbound(refusal).forwarded();
    w.advance(secs(241));
    assert!(!connection.is_alive(&w));
}

/// A26, S4: a segment of a session that is gone is answered with a RST inside; the world checks its
/// numbers.
#[test]
fn a_segment_without_a_session_is_reset_inside() {
    let mut w = World::new();
    for flags in [ACK, ACK | PSH, FIN | ACK, SYN | ACK, ACK | URG] {
        let segment = tcp(at(H1, 5000), at(S1, 80), flags)
            .seq(7777)
            .ack(8888)
            .payload(b"late");
        let reset = w.outbound(segment).rejected(DropReason::NoSession);
        assert_eq!(
            (reset.source(), reset.destination()),
            (at(S1, 80), at(H1, 5000))
        );
        assert_eq!(
            (reset.tcp_flags(), reset.tcp().sequence_number),
            (RST, 8888)
        );
        w.advance(INTERVAL);
    }
    assert_eq!(w.stats().resets_sent, 5);
    assert_eq!(w.sessions(), []);
}

/// The least time between two RSTs for one connection.
const INTERVAL: Duration = Duration::from_millis(100);

/// S4: a connection gets one RST in 100 ms; what is not answered is dropped for the same reason.
#[test]
fn resets_are_limited_by_connection() {
    let mut w = World::new();
    let segment = tcp(at(H1, 5000), at(S1, 80), ACK).seq(7777).ack(8888);
    for round in 1..=3 {
        w.outbound(&segment).rejected(DropReason::NoSession);
        for _ in 0..9 {
            w.advance(INTERVAL / 10);
            w.outbound(&segment).dropped(DropReason::NoSession);
        }
        w.advance(INTERVAL / 10);
        assert_eq!(
            (w.stats().resets_sent, w.stats().replies_rate_limited),
            (round, 9 * round)
        );
    }
}

/// S4, RFC 5961 section 10, CVE-2016-5696: no limit is shared, so the RSTs that a host gets say
/// nothing about others: neither of another host's, nor of its own, nor of one that differs in a
/// single field.
#[test]
fn no_connection_suppresses_the_reset_of_another() {
    let mut w = World::new();
    let ack = |from, to| tcp(from, to, ACK).seq(1).ack(2);
    for i in 0..2000 {
        let (from, to) = (
            at([H1, H2, H3][usize::from(i % 3)], 5000 + i / 12),
            at([S1, S2][usize::from(i % 2)], 80 + i % 4),
        );
        w.outbound(ack(from, to)).rejected(DropReason::NoSession);
    }
    let mut w = World::new();
    w.outbound(ack(at(H1, 5000), at(S1, 80)))
        .rejected(DropReason::NoSession);
    for (from, to) in [
        (at(H2, 5000), at(S1, 80)),
        (at(H1, 5001), at(S1, 80)),
        (at(H1, 5000), at(S2, 80)),
        (at(H1, 5000), at(S1, 81)),
        (at(H1, 80), at(S1, 5000)),
    ] {
        w.outbound(ack(from, to)).rejected(DropReason::NoSession);
    }
    assert_eq!(w.stats().replies_rate_limited, 0);
}

/// S4: for which segments of unknown connections there is a RST can be chosen. What is not answered
/// is a silent drop.
#[test]
fn the_segments_that_are_reset_can_be_chosen() {
    use nat_core::InsideResets::{Always, Never, NotForBareAck};
    for resets in [Always, NotForBareAck, Never] {
        for has_sessions in [false, true] {
            let mut w = World::with(|config| config.inside_resets = resets);
            if has_sessions {
                w.open_udp(at(H1, 5000), at(S1, 53));
            }
            let segment = |flags| tcp(at(H1, 5000), at(S1, 80), flags).seq(7).ack(8);
            let bare = [segment(ACK), segment(ACK | ECE)];
            let others = [
                segment(ACK).payload(b"late"),
                segment(ACK | PSH).payload(b"x"),
                segment(FIN | ACK),
                segment(SYN | ACK),
            ];
            for (packets, due) in [
                (&bare[..], resets == Always),
                (&others[..], resets != Never),
            ] {
                for packet in packets {
                    if due {
                        w.outbound(packet).rejected(DropReason::NoSession);
                    } else {
                        w.outbound(packet).dropped(DropReason::NoSession);
                    }
                    w.advance(INTERVAL);
                }
            }
            assert_eq!(w.stats().replies_rate_limited, 0);
        }
    }
}

/// S4: never a RST about a RST.
#[test]
fn a_reset_without_a_session_is_dropped() {
    let mut w = World::new();
    for flags in [RST, RST | ACK] {
        w.outbound(tcp(at(H1, 5000), at(S1, 80), flags))
            .dropped(DropReason::NoSession);
        w.inbound(tcp(at(S1, 80), at(N, 5000), flags))
            .dropped(DropReason::NoMapping);
    }
}

/// A1c: the outside gets no RST for a segment that no session knows, mapping or not.
#[test]
fn a_segment_from_outside_without_a_session_is_dropped() {
    let (mut w, connection) = open();
    for flags in [SYN, SYN | ACK, ACK, ACK | PSH, FIN | ACK, RST, RST | ACK] {
        w.inbound(tcp(at(S2, 80), connection.external, flags))
            .dropped(DropReason::Filtered);
        w.inbound(tcp(at(S1, 81), connection.external, flags))
            .dropped(DropReason::Filtered);
    }
}

/// S2, RFC 1122 section 4.2.2.13: a closed connection's ports are used again before its time is up.
#[test]
fn a_closed_connections_ports_are_used_again() {
    let (mut w, connection) = closed();
    let again = tcp(connection.inside, connection.remote, SYN).seq(500_000_000);
    assert_eq!(w.outbound(again).forwarded().source(), connection.external);
    w.inbound(
        tcp(connection.remote, connection.external, SYN | ACK)
            .seq(9)
            .ack(500_000_001),
    )
    .forwarded();
    assert_eq!(connection.state(&w), Established);
    w.outbound(
        tcp(connection.inside, connection.remote, ACK)
            .seq(500_000_001)
            .ack(10),
    )
    .forwarded();
    w.advance(secs(7439));
    assert!(connection.is_alive(&w));
    // The new numbers are tracked.
    w.inbound(tcp(connection.remote, connection.external, RST).seq(10))
        .forwarded();
    assert_eq!(connection.state(&w), Reset);
}

/// S2: the same after a RST.
#[test]
fn a_reset_connections_ports_are_used_again() {
    let (mut w, connection) = open();
    w.inbound(connection.outside_sends(RST)).forwarded();
    w.outbound(tcp(connection.inside, connection.remote, SYN).seq(500_000_000))
        .forwarded();
    w.inbound(
        tcp(connection.remote, connection.external, SYN | ACK)
            .seq(9)
            .ack(500_000_001),
    )
    .forwarded();
    assert_eq!(connection.state(&w), Established);
    w.outbound(tcp(connection.inside, connection.remote, RST).seq(500_000_001))
        .forwarded();
    assert_eq!(connection.state(&w), Reset);
}

/// S2, RFC 9293 section 3.5.1: a host that has restarted opens its connection again, on the same
/// ports. The server's challenge has the number at which its RST counts; then the new connection is
/// tracked.
#[test]
fn a_host_that_forgot_its_connection_opens_it_again() {
    let (mut w, mut connection) = open();
    End::Inside.sends_data(&mut w, &mut connection);
    End::Outside.sends_data(&mut w, &mut connection);
    w.inbound(connection.outside_sends(ACK)).forwarded();
    w.outbound(connection.inside_sends(ACK)).forwarded();
    let syn = tcp(connection.inside, connection.remote, SYN).seq(77);
    w.outbound(&syn).forwarded();
    let challenge = w.inbound(connection.outside_sends(ACK)).forwarded();
    let answer =
        tcp(connection.inside, connection.remote, RST).seq(challenge.tcp().acknowledgment_number);
    w.outbound(answer).forwarded();
    assert_eq!(connection.state(&w), Reset);
    w.outbound(&syn).forwarded();
    w.inbound(
        tcp(connection.remote, connection.external, SYN | ACK)
            .seq(5)
            .ack(78),
    )
    .forwarded();
    assert_eq!(connection.state(&w), Established);
    w.inbound(tcp(connection.remote, connection.external, RST).seq(6))
        .forwarded();
    assert_eq!(connection.state(&w), Reset);
}

/// T2, RFC 9293 section 3.5, figure 7: a host that begins again before it has an answer, with
/// another number: the answer to that one counts. The one to the first reaches the host, which
/// refuses it with a RST, and changes nothing.
#[test]
fn an_attempt_may_begin_again_with_another_number() {
    let mut w = World::new();
    let connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
    w.outbound(tcp(connection.inside, connection.remote, SYN).seq(77))
        .forwarded();
    let old = w
        .inbound(connection.outside_sends(SYN | ACK))
        .forwarded()
        .tcp()
        .acknowledgment_number;
    w.outbound(tcp(connection.inside, connection.remote, RST).seq(old))
        .forwarded();
    assert_eq!(connection.state(&w), InsideSyn);
    w.inbound(
        tcp(connection.remote, connection.external, SYN | ACK)
            .seq(5)
            .ack(78),
    )
    .forwarded();
    assert_eq!(connection.state(&w), Established);
}

/// X7.1, T5: what is left of a closed connection does not keep its session alive, whichever end
/// sends it.
#[test]
fn stray_segments_do_not_keep_a_closed_session() {
    for end in End::BOTH {
        let (mut w, connection) = closed();
        for flags in [ACK, FIN | ACK] {
            w.advance(secs(119));
            let _ = end.send(&mut w, end.segment(&connection, flags));
            assert_eq!(connection.state(&w), Closing, "{end:?}");
        }
        w.advance(secs(3));
        assert!(!connection.is_alive(&w), "{end:?}");
    }
}

/// T5: the numbers may be lost, as after a gap wider than is believed; what the inside sends still
/// keeps the connection.
#[test]
fn traffic_keeps_a_connection_whose_numbers_are_lost() {
    let (mut w, mut connection) = open();
    connection.inside_next = connection.inside_next.wrapping_add(0x2000_0000);
    connection.outside_next = connection.outside_next.wrapping_add(0x2000_0000);
    for _ in 0..3 {
        w.advance(secs(7000));
        End::Inside.sends_data(&mut w, &mut connection);
        End::Outside.sends_data(&mut w, &mut connection);
    }
    assert_eq!(connection.state(&w), Established);
}

/// A7: attempts that are never answered end by the timer of their own.
#[test]
fn unanswered_syns_end_by_their_own_timer() {
    let mut w = World::with(|config| config.timeouts.tcp_partially_open = secs(30));
    let connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
    w.advance(secs(29));
    assert!(connection.is_alive(&w));
    w.advance(secs(2));
    assert!(!connection.is_alive(&w));
}

/// X2: a long transfer with losses, reordering and window limits stays established and keeps exact
/// numbers.
#[test]
fn a_transfer_with_losses_is_followed() {
    let (mut w, mut connection) = open();
    let mut random = fastrand::Rng::with_seed(3);
    let start = connection.outside_next;
    for round in 0..300_u32 {
        let base = start.wrapping_add(round * 14_600);
        let mut segments: Vec<u32> = (0..10).map(|i| base.wrapping_add(i * 1460)).collect();
        random.shuffle(&mut segments);
        for seq in segments {
            w.inbound(connection.outside_sends(ACK).seq(seq).payload(&[5; 1460]))
                .forwarded();
        }
        connection.outside_next = base.wrapping_add(14_600);
        w.outbound(connection.inside_sends(ACK)).forwarded();
    }
    assert_eq!(connection.state(&w), Established);
    w.inbound(connection.outside_sends(RST)).forwarded();
    assert_eq!(connection.state(&w), Reset);
}
