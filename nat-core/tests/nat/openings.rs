//! How connections begin while others on the same ports are remembered: SYNs that are sent again,
//! and what is left of old connections (RFC 9293 sections 3.5 and 3.6.1, RFC 5961 section 4, RFC
//! 7413).

use crate::world::*;
use nat_core::{DropReason, Filtering, PortForward, Protocol, SessionState};

use SessionState::{Closing, Established, InsideFin, InsideSyn, OutsideSyn, Reset};

/// A world with a server on port 80 of [`H1`], reached through port 8080 of the external address.
fn with_server() -> World {
    let mut w = World::new();
    w.nat
        .add_port_forward(PortForward::new(Protocol::Tcp, 8080, at(H1, 80)))
        .expect("the port forward is accepted");
    w
}

/// A28: a RST that does not acknowledge our SYN has no effect, and its receiver would drop it too.
#[test]
fn a_reset_that_does_not_answer_our_syn_is_dropped() {
    for flags in [RST | ACK, RST] {
        let mut w = World::new();
        let connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
        let ack = connection.inside_next + 5000;
        w.inbound(connection.outside_sends(flags).ack(ack))
            .dropped(DropReason::NoSession);
        assert_eq!(connection.state(&w), InsideSyn, "flags {flags:#04x}");
    }
}

/// A28, RFC 9293 sections 3.5 and 3.10.7.3: what acknowledges something else than our SYN reaches
/// the host, which answers it with a RST. It moves neither the state nor the timer, and the answer
/// to the SYN still counts.
#[test]
fn a_stray_segment_before_the_answer_passes_and_changes_nothing() {
    for (flags, beyond) in [ACK, ACK | PSH, FIN | ACK, SYN | ACK]
        .into_iter()
        .flat_map(|flags| {
            // At and before our initial number, just beyond what we have sent, and far off.
            [u32::MAX, u32::MAX - 1000, 1, 0x4000_0000].map(|beyond| (flags, beyond))
        })
    {
        let mut w = World::new();
        let mut connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
        w.advance(secs(100));
        let ack = connection.inside_next.wrapping_add(beyond);
        for _ in 0..3 {
            w.inbound(connection.outside_sends(flags).seq(77).ack(ack))
                .forwarded();
            w.outbound(tcp(connection.inside, connection.remote, RST).seq(ack))
                .forwarded();
        }
        assert_eq!(
            connection.state(&w),
            InsideSyn,
            "flags {flags:#04x}, {beyond:#x} beyond"
        );
        let left = w.session(connection.inside, connection.remote).expires_in;
        assert_eq!(left, secs(140), "flags {flags:#04x}, {beyond:#x} beyond");
        // The SYN comes again, and what answers it is what counts.
        w.outbound(tcp(connection.inside, connection.remote, SYN).seq(INSIDE_ISN))
            .forwarded();
        w.inbound(connection.outside_sends(SYN | ACK)).forwarded();
        connection.outside_next += 1;
        assert_eq!(connection.state(&w), Established);
        w.inbound(connection.outside_sends(RST)).forwarded();
        assert_eq!(
            connection.state(&w),
            Reset,
            "the numbers are those of the new connection"
        );
    }
}

/// A28: an acknowledgment of our SYN is no answer to it without the SYN of the other side.
#[test]
fn an_acknowledgment_alone_does_not_answer_our_syn() {
    for flags in [ACK, ACK | PSH, FIN | ACK] {
        let mut w = World::new();
        let connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
        w.inbound(connection.outside_sends(flags)).forwarded();
        assert_eq!(connection.state(&w), InsideSyn, "flags {flags:#04x}");
    }
}

/// A28, T4: who may send stray segments is the one endpoint that the SYN was sent to, while its
/// session lives.
#[test]
fn stray_segments_come_from_the_peer_alone() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::AddressDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = World::with(|config| config.filtering = filtering);
        let connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
        for other in [at(S1, 81), at(S2, 80), at(ATTACKER, 80)] {
            for flags in [ACK, SYN | ACK, FIN | ACK, RST | ACK] {
                let outcome = w.inbound(tcp(other, connection.external, flags).seq(1).ack(2));
                assert!(!outcome.is_forwarded(), "{other}, flags {flags:#04x}");
            }
        }
        // Whatever it sends, our SYN alone keeps the session.
        for _ in 0..5 {
            w.advance(secs(47));
            w.inbound(connection.outside_sends(ACK).ack(1)).forwarded();
        }
        w.advance(secs(5));
        let outcome = w.inbound(connection.outside_sends(ACK).ack(1));
        assert!(!outcome.is_forwarded());
        assert_eq!(w.sessions(), []);
    }
}

/// RFC 9293 section 3.5.1, figure 9: the RST of a client is lost beyond the NAT, and the server
/// still has the connection when the client opens another on the same ports. Its challenge reaches
/// the client, the client's RST reaches it, and the SYN sent again is answered.
#[test]
fn a_connection_that_only_the_server_remembers_is_ended() {
    let mut w = World::new();
    let mut connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.outbound(connection.inside_sends(RST)).forwarded();
    let syn = tcp(connection.inside, connection.remote, SYN).seq(70_000);
    w.outbound(&syn).forwarded();
    assert_eq!(connection.state(&w), InsideSyn);
    let challenge = w.inbound(connection.outside_sends(ACK)).forwarded();
    let reset =
        tcp(connection.inside, connection.remote, RST).seq(challenge.tcp().acknowledgment_number);
    assert_eq!(
        w.outbound(reset).forwarded().tcp().sequence_number,
        connection.inside_next
    );
    assert_eq!(connection.state(&w), InsideSyn);
    w.advance(secs(1));
    w.outbound(&syn).forwarded();
    (connection.inside_next, connection.outside_next) = (70_001, 5000);
    w.inbound(connection.outside_sends(SYN | ACK)).forwarded();
    assert_eq!(connection.state(&w), Established);
}

/// RFC 9293 section 3.6.1: the server closed first, and answers a SYN whose number is not beyond
/// the old ones with the ACK of TIME-WAIT. The RST at what it acknowledges, which is our own
/// initial number here, is no end of the new attempt.
#[test]
fn an_acknowledgment_of_time_wait_reaches_the_client() {
    let mut w = World::new();
    let mut connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    w.inbound(connection.outside_sends(FIN | ACK)).forwarded();
    connection.outside_next += 1;
    w.outbound(connection.inside_sends(FIN | ACK)).forwarded();
    connection.inside_next += 1;
    assert_eq!(connection.state(&w), Closing);
    for isn in [connection.inside_next, connection.inside_next - 50] {
        let syn = tcp(connection.inside, connection.remote, SYN).seq(isn);
        w.outbound(&syn).forwarded();
        w.inbound(connection.outside_sends(ACK)).forwarded();
        let reset = tcp(connection.inside, connection.remote, RST).seq(connection.inside_next);
        w.outbound(reset).forwarded();
        assert_eq!(connection.state(&w), InsideSyn, "initial number {isn}");
        w.outbound(&syn).forwarded();
        let answer = tcp(connection.remote, connection.external, SYN | ACK)
            .seq(9)
            .ack(isn + 1);
        w.inbound(answer).forwarded();
        assert_eq!(connection.state(&w), Established);
        w.outbound(tcp(connection.inside, connection.remote, RST).seq(isn + 1))
            .forwarded();
        assert_eq!(connection.state(&w), Reset);
    }
}

/// RFC 9293 section 3.10.7.4: a server that has answered a SYN, and gets an acknowledgment of
/// something else, answers that with a RST at what was acknowledged and goes on waiting. So does
/// its session.
#[test]
fn an_answered_syn_waits_on_after_a_stray_acknowledgment() {
    let mut w = with_server();
    let (server, client) = (at(H1, 80), at(S1, 4000));
    w.inbound(tcp(client, at(N, 8080), SYN).seq(500))
        .forwarded();
    w.outbound(tcp(server, client, SYN | ACK).seq(900).ack(501))
        .forwarded();
    for ack in [900, 100, 902] {
        w.inbound(tcp(client, at(N, 8080), ACK).seq(501).ack(ack))
            .forwarded();
        w.outbound(tcp(server, client, RST).seq(ack)).forwarded();
        assert_eq!(
            w.session(server, client).state,
            OutsideSyn,
            "acknowledgment {ack}"
        );
    }
    w.inbound(tcp(client, at(N, 8080), ACK).seq(501).ack(901))
        .forwarded();
    assert_eq!(w.session(server, client).state, Established);
}

/// RFC 7413 section 4.2.1: a SYN with data is sent again without them, and the other way round. The
/// answer may acknowledge what either has carried.
#[test]
fn a_syn_sent_again_keeps_what_was_sent_with_the_first() {
    let (inside, remote) = (at(H1, 5000), at(S1, 80));
    let with_data = || tcp(inside, remote, SYN).seq(1000).payload(&[7; 100]);
    let without = || tcp(inside, remote, SYN).seq(1000);
    for syns in [[with_data(), without()], [without(), with_data()]] {
        for flags in [SYN | ACK, RST | ACK] {
            for ack in [1001, 1050, 1101] {
                let mut w = World::new();
                let external = w.outbound(&syns[0]).forwarded().source();
                w.outbound(&syns[1]).forwarded();
                w.inbound(tcp(remote, external, flags).seq(5000).ack(ack))
                    .forwarded();
                let expected = if flags & RST == 0 { Established } else { Reset };
                assert_eq!(
                    w.session(inside, remote).state,
                    expected,
                    "acknowledgment {ack}"
                );
            }
            let mut w = World::new();
            let external = w.outbound(&syns[0]).forwarded().source();
            w.outbound(&syns[1]).forwarded();
            let _stray = w.inbound(tcp(remote, external, flags).seq(5000).ack(1102));
            assert_eq!(
                w.session(inside, remote).state,
                InsideSyn,
                "beyond what was sent"
            );
        }
    }
}

/// RFC 7413 section 4.2.2: a server may send data before its SYN-ACK is acknowledged, and the
/// SYN-ACK again after them. What the client acknowledges then, and what closes the connection,
/// counts.
#[test]
fn a_syn_ack_sent_again_keeps_what_was_sent_behind_it() {
    let mut w = with_server();
    let (server, client) = (at(H1, 80), at(S1, 4000));
    w.inbound(tcp(client, at(N, 8080), SYN).seq(500).payload(&[1; 20]))
        .forwarded();
    let syn_ack = tcp(server, client, SYN | ACK).seq(900).ack(521);
    w.outbound(&syn_ack).forwarded();
    w.outbound(
        tcp(server, client, ACK | PSH)
            .seq(901)
            .ack(521)
            .payload(&[2; 50]),
    )
    .forwarded();
    w.outbound(tcp(server, client, FIN | ACK).seq(951).ack(521))
        .forwarded();
    w.outbound(&syn_ack).forwarded();
    w.inbound(tcp(client, at(N, 8080), ACK).seq(521).ack(952))
        .forwarded();
    assert_eq!(w.session(server, client).state, InsideFin);
}
