//! The error "host unreachable" to an inside host whose packet found no next hop (RFC 1812 section
//! 5.2.7.1), and what never causes one.

use crate::world::*;
use nat_core::{DropReason, Reply, Side};

/// The error about a packet that has left by a side.
fn unreachable(w: &mut World, packet: &Packet, side: Side) -> Option<Packet> {
    let (now, mut buffer) = (w.now(), [0; Reply::MAX_LEN]);
    let len = w
        .nat
        .host_unreachable(&packet.bytes(), side, &mut buffer, now)?;
    Some(Packet::parse(&buffer[..len]))
}

#[test]
fn the_sender_of_a_packet_without_a_next_hop_learns_of_it() {
    let mut w = World::new();
    let packets = [
        udp(at(H1, 5000), at(S1, 80)),
        tcp(at(H1, 5000), at(S1, 80), SYN),
        echo_request(H1, S1, 7),
    ];
    for packet in packets {
        let left = w.outbound(&packet).forwarded();
        let error = unreachable(&mut w, &left, Side::Outside).expect("an error for the host");
        assert_eq!(error.icmp_type(), (3, 1));
        assert_eq!(
            (error.ip.source, error.ip.destination),
            (ROUTER.octets(), H1.octets())
        );
        let sent = Packet::parse(&packet.bytes());
        assert_eq!(
            error.quote().ip.source,
            sent.ip.source,
            "the host's own packet is quoted"
        );
    }
}

#[test]
fn no_error_answers_a_packet_of_the_outside() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 80));
    let came = w.inbound(udp(at(S1, 80), external)).forwarded();
    assert!(unreachable(&mut w, &came, Side::Inside).is_none());
}

/// RFC 1812 section 4.3.2.7.
#[test]
fn no_error_answers_an_error() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 80));
    let came = w.inbound(udp(at(S1, 80), external)).forwarded();
    let error = icmp_error(H1, S1, (3, 3), &came.bytes());
    let left = w.outbound(&error).forwarded();
    assert!(unreachable(&mut w, &left, Side::Outside).is_none());
}

/// RFC 1812 section 4.3.2.7: only the first fragment is answered.
#[test]
fn no_error_answers_a_later_fragment() {
    let mut w = World::new();
    let whole = udp(at(H1, 5000), at(S1, 80))
        .payload(&[7; 80])
        .may_fragment();
    let fragments = whole.cut(&[40]);
    let first = w.outbound(&fragments[0]).forwarded();
    let later = w.outbound(&fragments[1]).forwarded();
    assert!(unreachable(&mut w, &first, Side::Outside).is_some());
    assert!(unreachable(&mut w, &later, Side::Outside).is_none());
}

#[test]
fn no_error_answers_a_packet_whose_session_has_ended() {
    let mut w = World::new();
    let left = w.outbound(udp(at(H1, 5000), at(S1, 80))).forwarded();
    w.clear();
    assert!(unreachable(&mut w, &left, Side::Outside).is_none());
}

#[test]
fn no_error_is_sent_where_errors_are_off() {
    let mut w = World::with(|config| config.inside_icmp_errors = false);
    let left = w.outbound(udp(at(H1, 5000), at(S1, 80))).forwarded();
    assert!(unreachable(&mut w, &left, Side::Outside).is_none());
}

#[test]
fn a_buffer_that_is_too_short_gets_no_error() {
    let mut w = World::new();
    let left = w.outbound(udp(at(H1, 5000), at(S1, 80))).forwarded();
    let (now, mut buffer) = (w.now(), [0; Reply::MAX_LEN]);
    let short = &mut buffer[..40];
    let len = w
        .nat
        .host_unreachable(&left.bytes(), Side::Outside, short, now);
    assert_eq!(len, None);
}

/// A packet of a host that could go no further anyway says so first, whatever its protocol.
#[test]
fn an_expired_packet_of_an_unknown_protocol_is_reported_as_expired() {
    let mut w = World::new();
    w.outbound(raw(H1, S1, 47, &[0; 8]).ttl(1))
        .rejected(DropReason::TtlExpired);
    w.outbound(raw(H1, S1, 47, &[0; 8]).ttl(2))
        .rejected(DropReason::UnknownProtocol);
}
