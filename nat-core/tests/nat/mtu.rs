//! Packets that do not fit, and the MSS: RFC 4787 REQ-13, RFC 5508 section 7.1, RFC 1191, standards
//! P1 and P5.

use crate::world::*;
use nat_core::{DropReason, Filtering, Side};

const TOO_BIG: (u8, u8) = (3, 4);

fn small(outside: u16, inside: u16) -> World {
    World::with(|config| (config.outside_mtu, config.inside_mtu) = (outside, inside))
}

/// A UDP datagram of `len` bytes in all.
fn sized(packet: Datagram, len: usize) -> Datagram {
    packet.payload(&vec![7; len - 28])
}

/// U13, P1, I-7.1.1: a packet that is too big and must not be fragmented: the host gets an error
/// with the MTU, which quotes the packet.
#[test]
fn a_packet_too_big_for_the_outside_is_answered_with_the_mtu() {
    let mut w = small(1400, 1500);
    let packet = || udp(at(H1, 5000), at(S1, 53));
    w.outbound(sized(packet(), 1400)).forwarded();
    let sent = sized(packet(), 1401).bytes();
    let answer = w.outbound(sent.clone()).rejected(DropReason::PacketTooBig);
    assert_eq!(
        (answer.icmp_type(), *answer.source().ip()),
        (TOO_BIG, ROUTER)
    );
    assert_eq!(
        answer.icmp_rest(),
        [0, 0, 5, 120],
        "the MTU, with zeros before it"
    );
    assert!(sent.starts_with(answer.payload()));
}

/// I8: a packet that is too big opens no session.
#[test]
fn a_packet_too_big_opens_no_session() {
    let mut w = small(1400, 1500);
    w.outbound(sized(udp(at(H1, 5000), at(S1, 53)), 1500))
        .rejected(DropReason::PacketTooBig);
    assert_eq!(w.sessions(), []);
}

/// I-7.1.1: the same from outside, but only about a packet of a live session.
#[test]
fn a_packet_too_big_for_the_inside_is_answered_only_in_a_session() {
    for filtering in [
        Filtering::AddressAndPortDependent,
        Filtering::EndpointIndependent,
    ] {
        let mut w = World::with(|config| (config.inside_mtu, config.filtering) = (1400, filtering));
        let external = w.open_udp(at(H1, 5000), at(S1, 53));
        w.inbound(sized(udp(at(S1, 53), external), 1400))
            .forwarded();
        let sent = sized(udp(at(S1, 53), external), 1401).bytes();
        let answer = w.inbound(sent.clone()).rejected(DropReason::PacketTooBig);
        assert_eq!((answer.icmp_type(), *answer.source().ip()), (TOO_BIG, N));
        assert_eq!(answer.icmp_rest(), [0, 0, 5, 120]);
        assert!(
            sent.starts_with(answer.payload()),
            "still addressed to the external endpoint"
        );
        assert!(matches!(
            w.inbound(sized(udp(at(S2, 53), external), 1401)),
            Outcome::Dropped(_)
        ));
        assert!(matches!(
            w.inbound(sized(udp(at(S1, 53), at(N, 9)), 1401)),
            Outcome::Dropped(_)
        ));
    }
}

/// The same where the filter would let the stranger in: its first packet is of no session yet.
#[test]
fn a_strangers_packet_too_big_is_not_answered() {
    let mut w = World::with(|config| {
        config.filtering = Filtering::EndpointIndependent;
        config.inside_mtu = 1400;
    });
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    assert!(matches!(
        w.inbound(sized(udp(at(S2, 53), external), 1401)),
        Outcome::Dropped(_)
    ));
}

/// U13a: what may be fragmented is, by both sides; the world holds the pieces against RFC 791 and
/// joins them again.
#[test]
fn a_packet_that_may_be_fragmented_is() {
    let mut w = small(1400, 1300);
    let outgoing = |len| sized(udp(at(H1, 5000), at(S1, 53)), len).may_fragment();
    let external = w.outbound(outgoing(1400)).forwarded().source();
    assert_eq!(w.outbound(outgoing(1401)).fragmented().len(), 2);
    w.inbound(sized(udp(at(S1, 53), external), 1300).may_fragment())
        .forwarded();
    assert_eq!(
        w.inbound(sized(udp(at(S1, 53), external), 1301).may_fragment())
            .fragmented()
            .len(),
        2
    );
    assert_eq!(
        w.outbound(outgoing(20_000)).fragmented().len(),
        15,
        "19,980 bytes, 1376 in each"
    );
}

/// I10e: no error about an ICMP error, however big.
#[test]
fn an_icmp_error_too_big_is_not_answered() {
    let mut w = small(100, 100);
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let quote = udp(external, at(S1, 53)).payload(&[7; 72]).bytes();
    assert!(matches!(
        w.inbound(icmp_error(TRANSIT, N, (3, 3), &quote)),
        Outcome::Dropped(_)
    ));
}

/// P3: the NAT keeps no path MTU: after a "too big" from outside, big packets still leave.
#[test]
fn a_path_mtu_is_not_remembered() {
    let mut w = World::new();
    let left = w
        .outbound(sized(udp(at(H1, 5000), at(S1, 53)), 1500))
        .forwarded()
        .bytes();
    w.inbound(icmp_error(TRANSIT, N, TOO_BIG, &left[..28]).rest([0, 0, 2, 64]))
        .forwarded();
    w.outbound(sized(udp(at(H1, 5000), at(S1, 53)), 1500))
        .forwarded();
}

/// P6: a probe that is lost for its size leaves the mapping as it was.
#[test]
fn a_lost_probe_does_not_change_the_mapping() {
    let mut w = small(1400, 1500);
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    w.advance(secs(200));
    let before = w.sessions();
    w.outbound(sized(udp(at(H1, 5000), at(S1, 53)), 1450))
        .rejected(DropReason::PacketTooBig);
    assert_eq!(w.sessions(), before, "its timer too");
    w.inbound(udp(at(S1, 53), external)).forwarded();
    assert_eq!(w.open_udp(at(H1, 5000), at(S1, 53)), external);
}

/// AWS: links of up to 8,500 bytes; beyond that a packet is dropped and answered, or fragmented
/// where it may be.
#[test]
fn large_mtus_are_used_to_the_last_byte() {
    let mut w = small(8500, 8500);
    let external = w
        .outbound(sized(udp(at(H1, 5000), at(S1, 53)), 8500))
        .forwarded()
        .source();
    w.inbound(sized(udp(at(S1, 53), external), 8500))
        .forwarded();
    let answer = w
        .outbound(sized(udp(at(H1, 5000), at(S1, 53)), 8501))
        .rejected(DropReason::PacketTooBig);
    assert_eq!(
        (answer.icmp_type(), answer.icmp_rest()),
        (TOO_BIG, [0, 0, 0x21, 0x34])
    );
    assert_eq!(
        w.outbound(sized(udp(at(H1, 5000), at(S1, 53)), 8501).may_fragment())
            .fragmented()
            .len(),
        2
    );
}

fn clamping(outside: u16, inside: u16) -> World {
    World::with(|config| {
        (config.outside_mtu, config.inside_mtu) = (outside, inside);
        config.mss_clamp = true;
    })
}

/// A SYN's options as they left.
#[track_caller]
fn clamped(w: &mut World, options: &[u8]) -> Vec<u8> {
    let left = w
        .outbound(
            tcp(at(H1, 5000), at(S1, 80), SYN)
                .tcp_options(options)
                .payload(b"data"),
        )
        .forwarded();
    assert_eq!(left.payload(), b"data");
    left.tcp().options.as_slice().to_vec()
}

/// P5: the MSS is lowered to what both MTUs carry, never raised; the world recomputes the checksum
/// of each segment.
#[test]
fn the_mss_is_lowered_to_what_fits() {
    let mss = |value: u16| [&[2, 4][..], &value.to_be_bytes()].concat();
    for (outside, inside, offered, left) in [
        (1400, 1500, 1460, 1360),
        (1500, 1400, 1460, 1360),
        (1492, 1500, 1460, 1452),
        (1400, 1500, 1360, 1360),
        (1400, 1500, 1361, 1360),
        (1400, 1500, 536, 536),
        (1500, 1500, 1460, 1460),
        (1500, 1500, 8960, 1460),
        (1400, 1500, 0, 0),
    ] {
        let mut w = clamping(outside, inside);
        assert_eq!(
            clamped(&mut w, &mss(offered)),
            mss(left),
            "{offered} with MTUs {outside}, {inside}"
        );
    }
}

/// P5: the SYN-ACK too.
#[test]
fn the_mss_of_a_syn_ack_is_lowered() {
    let mut w = clamping(1400, 1500);
    let connection = Connection::syn_sent(&mut w, at(H1, 5000), at(S1, 80));
    let answer = connection
        .outside_sends(SYN | ACK)
        .tcp_options(&[2, 4, 5, 180]);
    assert_eq!(
        w.inbound(answer).forwarded().tcp().options.as_slice(),
        [2, 4, 5, 80]
    );
}

/// P5: the option is found at any position, odd ones too, and nothing else is changed.
#[test]
fn the_mss_is_found_among_other_options() {
    let cases: [(&[u8], &[u8]); 4] = [
        (&[1, 2, 4, 5, 180, 1, 1, 1], &[1, 2, 4, 5, 80, 1, 1, 1]),
        (&[1, 1, 1, 2, 4, 5, 180, 0], &[1, 1, 1, 2, 4, 5, 80, 0]),
        (&[3, 3, 7, 2, 4, 5, 180, 1], &[3, 3, 7, 2, 4, 5, 80, 1]),
        (
            &[4, 2, 8, 10, 2, 4, 5, 180, 2, 4, 5, 180, 2, 4, 5, 180],
            &[4, 2, 8, 10, 2, 4, 5, 180, 2, 4, 5, 180, 2, 4, 5, 80],
        ),
    ];
    for (offered, left) in cases {
        assert_eq!(clamped(&mut clamping(1400, 1500), offered), left);
    }
}

/// P5: options that are no options, or behind the end of the list, are left alone; none is added.
#[test]
fn broken_options_are_left_alone() {
    let cases: [&[u8]; 9] = [
        &[],
        &[0, 2, 4, 5, 180, 0, 0, 0],
        &[2, 3, 5, 180],
        &[2, 6, 5, 180, 5, 180, 1, 1],
        &[1, 1, 1, 2],
        &[1, 1, 2, 4],
        &[1, 2, 4, 255],
        &[8, 0, 2, 4, 5, 180, 1, 1],
        &[8, 1, 2, 4, 5, 180, 1, 1],
    ];
    for options in cases {
        assert_eq!(clamped(&mut clamping(1400, 1500), options), options);
    }
}

/// P5: only SYNs are touched, and only where clamping is asked for.
#[test]
fn other_segments_are_not_clamped() {
    let mut w = clamping(1400, 1500);
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    let segment = connection.inside_sends(ACK).tcp_options(&[2, 4, 5, 180]);
    assert_eq!(
        w.outbound(segment).forwarded().tcp().options.as_slice(),
        [2, 4, 5, 180]
    );
    assert_eq!(
        clamped(&mut small(1400, 1500), &[2, 4, 5, 180]),
        [2, 4, 5, 180]
    );
}

/// P5: the clamp follows an MTU that changes.
#[test]
fn the_mss_follows_the_mtu() {
    let mut w = clamping(1500, 1500);
    assert_eq!(clamped(&mut w, &[2, 4, 5, 180]), [2, 4, 5, 180]);
    w.nat
        .set_mtu(Side::Outside, 1280)
        .expect("1280 bytes is an MTU");
    assert_eq!(clamped(&mut w, &[2, 4, 5, 180]), [2, 4, 4, 216]);
}

/// U13a: an ICMP error that may be fragmented is, by both sides.
#[test]
fn an_icmp_error_that_may_be_fragmented_is() {
    for inward in [true, false] {
        let mut w = World::with(|config| (config.inside_mtu, config.outside_mtu) = (100, 100));
        let external = w.open_udp(at(H1, 5000), at(S1, 53));
        let error = if inward {
            let left = udp(external, at(S1, 53)).payload(&[7; 72]).bytes();
            w.inbound(icmp_error(TRANSIT, N, (3, 3), &left).may_fragment())
        } else {
            let arrived = udp(at(S1, 53), at(H1, 5000)).payload(&[7; 72]).bytes();
            w.outbound(icmp_error(H1, S1, (3, 3), &arrived).may_fragment())
        };
        assert_eq!(error.fragmented().len(), 2, "inward: {inward}");
    }
}
