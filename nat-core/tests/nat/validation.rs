//! What is refused before anything else is looked at: standards A19, A25, A26.

use core::net::Ipv4Addr;

use crate::world::*;
use nat_core::{DropReason, Side};

/// A packet with one byte of its header changed, and the header checksum made right again.
fn with_byte(packet: Datagram, index: usize, value: u8) -> Vec<u8> {
    let mut bytes = packet.bytes();
    bytes[index] = value;
    if (20..=bytes.len()).contains(&field::header_len(&bytes)) {
        fix_header_checksum(&mut bytes);
    }
    bytes
}

fn with_total_length(packet: Datagram, total: u16) -> Vec<u8> {
    let mut bytes = packet.bytes();
    bytes[field::TOTAL_LENGTH].copy_from_slice(&total.to_be_bytes());
    fix_header_checksum(&mut bytes);
    bytes
}

fn outgoing() -> Datagram {
    udp(at(H1, 5000), at(S1, 53))
}

type Case = (&'static str, Vec<u8>, Vec<DropReason>);

/// Checks on both sides that each packet is dropped for one of its reasons, with addresses that are
/// right there.
#[track_caller]
fn refused(cases: impl Fn(Ipv4Addr, Ipv4Addr) -> Vec<Case>) {
    for (side, from, to) in [(Side::Inside, H1, S1), (Side::Outside, S1, N)] {
        for (name, packet, reasons) in cases(from, to) {
            let mut w = World::new();
            let outcome = match side {
                Side::Inside => w.outbound(packet.clone()),
                Side::Outside => w.inbound(packet.clone()),
            };
            let Outcome::Dropped(reason) = outcome else {
                panic!("{name}, {side:?}: {outcome:?}")
            };
            assert!(reasons.contains(&reason), "{name}, {side:?}: {reason:?}");
            assert_eq!(w.stats().dropped(reason), 1, "{name}, {side:?}");
        }
    }
}

/// A25: wrong fields in the IPv4 header.
#[test]
fn malformed_headers_are_dropped_with_their_reason() {
    use DropReason::{BadHeaderChecksum, BadHeaderLength, BadTotalLength, BadVersion, Truncated};
    refused(|from, to| {
        let packet = || udp(at(from, 5000), at(to, 53));
        let mut bad_checksum = packet().bytes();
        bad_checksum[10] ^= 0x10;
        vec![
            ("nothing", Vec::new(), vec![Truncated]),
            (
                "half a header",
                packet().bytes()[..10].to_vec(),
                vec![Truncated],
            ),
            (
                "a byte less than a header",
                packet().bytes()[..19].to_vec(),
                vec![Truncated],
            ),
            (
                "version 6",
                with_byte(packet(), field::VERSION_AND_IHL, 0x65),
                vec![BadVersion],
            ),
            (
                "version 0",
                with_byte(packet(), field::VERSION_AND_IHL, 0x05),
                vec![BadVersion],
            ),
            (
                "IHL 4",
                with_byte(packet(), field::VERSION_AND_IHL, 0x44),
                vec![BadHeaderLength],
            ),
            (
                "IHL 0",
                with_byte(packet(), field::VERSION_AND_IHL, 0x40),
                vec![BadHeaderLength],
            ),
            (
                "IHL beyond the packet",
                with_byte(packet(), field::VERSION_AND_IHL, 0x4F),
                vec![BadHeaderLength],
            ),
            (
                "IHL beyond the total length",
                with_total_length(packet().options(&[1; 8]), 24),
                vec![BadHeaderLength, BadTotalLength],
            ),
            (
                "total length beyond the packet",
                with_total_length(packet(), 37),
                vec![BadTotalLength],
            ),
            (
                "total length 65535",
                with_total_length(packet(), 65535),
                vec![BadTotalLength],
            ),
            (
                "total length below the header",
                with_total_length(packet(), 19),
                vec![BadTotalLength, BadHeaderLength],
            ),
            (
                "total length 0",
                with_total_length(packet(), 0),
                vec![BadTotalLength, BadHeaderLength],
            ),
            (
                "a wrong header checksum",
                bad_checksum,
                vec![BadHeaderChecksum],
            ),
        ]
    });
}

/// A25: wrong lengths in the transport header.
#[test]
fn malformed_transport_headers_are_dropped_with_their_reason() {
    let with_udp_length = |packet: Datagram, length: u16| {
        let mut bytes = packet.bytes();
        bytes[field::UDP_LENGTH].copy_from_slice(&length.to_be_bytes());
        bytes
    };
    let with_data_offset = |packet: Datagram, words: u8| {
        let mut bytes = packet.bytes();
        bytes[field::TCP_DATA_OFFSET] = words << 4;
        bytes
    };
    let reasons = || vec![DropReason::BadTransportLength];
    refused(|from, to| {
        let packet = || udp(at(from, 5000), at(to, 53));
        let segment = || tcp(at(from, 5000), at(to, 80), SYN).payload(b"1234");
        let empty = |protocol, len| raw(from, to, protocol, &vec![0; len]).bytes();
        vec![
            ("UDP length 0", with_udp_length(packet(), 0), reasons()),
            ("UDP length 7", with_udp_length(packet(), 7), reasons()),
            (
                "UDP length beyond the datagram",
                with_udp_length(packet(), 17),
                reasons(),
            ),
            (
                "UDP length 65535",
                with_udp_length(packet(), 65535),
                reasons(),
            ),
            (
                "TCP data offset 0",
                with_data_offset(segment(), 0),
                reasons(),
            ),
            (
                "TCP data offset 4",
                with_data_offset(segment(), 4),
                reasons(),
            ),
            (
                "TCP data offset beyond the segment",
                with_data_offset(segment(), 7),
                reasons(),
            ),
            (
                "TCP data offset 15",
                with_data_offset(segment(), 15),
                reasons(),
            ),
            ("no UDP header", empty(17, 0), reasons()),
            ("7 bytes of UDP header", empty(17, 7), reasons()),
            ("no TCP header", empty(6, 0), reasons()),
            ("19 bytes of TCP header", empty(6, 19), reasons()),
            ("no ICMP header", empty(1, 0), reasons()),
            ("7 bytes of ICMP header", empty(1, 7), reasons()),
        ]
    });
}

/// A25: a UDP length below the IP payload is legal; all of the datagram is forwarded.
#[test]
fn a_udp_length_below_the_ip_payload_is_forwarded() {
    let mut w = World::new();
    let mut packet = udp(at(H1, 5000), at(S1, 53)).payload(b"nat-").bytes();
    packet.extend(b"tail");
    packet[field::TOTAL_LENGTH].copy_from_slice(&36_u16.to_be_bytes());
    fix_header_checksum(&mut packet);
    assert_eq!(w.outbound(packet).forwarded().payload(), b"nat-tail");
}

/// A26: flags that no legal segment carries, with and without a session.
#[test]
fn impossible_tcp_flags_are_dropped() {
    let mut w = World::new();
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    let impossible = [
        0,
        PSH,
        URG,
        PSH | URG,
        FIN,
        FIN | PSH | URG,
        SYN | FIN,
        SYN | FIN | ACK,
        SYN | RST,
        SYN | RST | ACK,
        RST | FIN,
        RST | FIN | ACK,
        FIN | SYN | RST | PSH | ACK | URG | ECE | CWR,
    ];
    for flags in impossible {
        w.outbound(connection.inside_sends(flags))
            .dropped(DropReason::BadTcpFlags);
        w.inbound(connection.outside_sends(flags))
            .dropped(DropReason::BadTcpFlags);
        w.outbound(tcp(at(H2, 1), at(S2, 2), flags))
            .dropped(DropReason::BadTcpFlags);
    }
}

/// A19, RFC 7126: source routes, record route and timestamps are not forwarded.
#[test]
fn options_that_ask_routers_for_something_are_dropped() {
    let options: [(&str, &[u8], DropReason); 4] = [
        (
            "LSRR",
            &[131, 7, 4, 192, 168, 1, 10, 0],
            DropReason::SourceRoute,
        ),
        (
            "SSRR",
            &[137, 7, 4, 192, 168, 1, 10, 0],
            DropReason::SourceRoute,
        ),
        ("RR", &[7, 7, 4, 0, 0, 0, 0, 0], DropReason::RecordRoute),
        ("TS", &[68, 8, 5, 0, 0, 0, 0, 0], DropReason::RecordRoute),
    ];
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    for (name, option, reason) in options {
        let behind_no_op = [&[1, 1, 1, 1], option].concat();
        for options in [option, &behind_no_op] {
            let out = w.outbound(outgoing().options(options)).refusal();
            assert_eq!(out, Some(reason), "{name}");
            let inward = w
                .inbound(udp(at(S1, 53), external).options(options))
                .refusal();
            assert_eq!(inward, Some(reason), "{name}");
        }
    }
}

/// A19: options whose length is no length.
#[test]
fn malformed_options_are_dropped() {
    let options: [(&str, &[u8]); 5] = [
        ("length 0", &[148, 0, 0, 0]),
        ("length 1", &[148, 1, 0, 0]),
        ("beyond the header", &[148, 5, 0, 0]),
        ("no room for a length", &[1, 1, 1, 148]),
        ("length 255", &[1, 130, 255, 0]),
    ];
    refused(|from, to| {
        let packet = |options| udp(at(from, 5000), at(to, 53)).options(options).bytes();
        let case = |(name, options)| (name, packet(options), vec![DropReason::BadOptions]);
        options.into_iter().map(case).collect()
    });
}

/// A19: other options stay as they are, on packets of every length of header.
#[test]
fn harmless_options_are_forwarded_untouched() {
    let mut w = World::new();
    for words in 1..=10 {
        let mut options = vec![1; words * 4];
        // Router alert (RFC 2113), then the end of the list.
        options[..4].copy_from_slice(&[148, 4, 0, 0]);
        let leaving = w.outbound(outgoing().options(&options)).forwarded();
        assert_eq!(leaving.ip.options.as_slice(), options);
        let back = w
            .inbound(udp(at(S1, 53), leaving.source()).options(&options))
            .forwarded();
        assert_eq!(back.ip.options.as_slice(), options);
        let segment = tcp(at(H1, 7000 + words as u16), at(S1, 80), SYN).options(&options);
        w.outbound(segment).forwarded();
    }
    // What follows the end of the list is not an option, whatever it looks like.
    w.outbound(outgoing().options(&[1, 0, 131, 3])).forwarded();
}

/// Without memory for them, fragments are dropped and counted, first and later ones, and leave no
/// state.
#[test]
fn fragments_without_memory_are_dropped() {
    let mut w = World::without_fragments();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    for (more, offset) in [(true, 0), (true, 1), (false, 1), (false, 100)] {
        let before = w.sessions();
        let fragment = |mut packet: Datagram| {
            packet.ip.dont_fragment = false;
            packet.ip.more_fragments = more;
            packet.ip.fragment_offset = offset.try_into().expect("13 bits");
            packet
        };
        w.outbound(fragment(outgoing()))
            .dropped(DropReason::Fragment);
        w.outbound(fragment(udp(at(H2, 1), at(S1, 53))))
            .dropped(DropReason::Fragment);
        w.inbound(fragment(udp(at(S1, 53), external)))
            .dropped(DropReason::Fragment);
        assert_eq!(w.sessions(), before);
    }
}

/// AWS, A18: protocols without ports are refused both ways and never leave; nothing is said
/// outside.
#[test]
fn unknown_protocols_are_dropped() {
    let mut w = World::new();
    for protocol in [0, 2, 4, 41, 47, 50, 51, 132, 136, 255] {
        w.outbound(raw(H1, S1, protocol, &[0; 40]))
            .rejected(DropReason::UnknownProtocol);
        w.inbound(raw(S1, N, protocol, &[0; 40]))
            .dropped(DropReason::UnknownProtocol);
    }
}

/// I10c, I11: ICMP messages that are neither queries we translate nor errors.
#[test]
fn unknown_icmp_types_are_dropped() {
    let mut w = World::new();
    for kind in [
        1, 2, 6, 7, 9, 10, 15, 16, 17, 18, 30, 37, 38, 40, 41, 42, 255,
    ] {
        w.outbound(icmp(H1, S1, kind, 0, [0, 7, 0, 1]).payload(&[0; 32]))
            .dropped(DropReason::UnknownIcmpType);
        w.inbound(icmp(S1, N, kind, 0, [0, 7, 0, 1]).payload(&[0; 32]))
            .dropped(DropReason::UnknownIcmpType);
    }
}

/// A25: bytes behind the total length are the link's; they are neither forwarded nor summed.
#[test]
fn link_padding_is_cut_off() {
    let mut w = World::new();
    for padding in [1, 2, 3, 18, 46] {
        let leaving = w.outbound(outgoing().padding(padding)).forwarded();
        assert_eq!(leaving.payload(), b"nat-core");
        let back = w
            .inbound(udp(at(S1, 53), leaving.source()).padding(padding))
            .forwarded();
        assert_eq!(back.payload(), b"nat-core");
        w.outbound(tcp(at(H1, 6000), at(S1, 80), SYN).padding(padding))
            .forwarded();
        let answer = w
            .outbound(outgoing().ttl(1).padding(padding))
            .rejected(DropReason::TtlExpired);
        assert_eq!(
            answer.payload(),
            outgoing().ttl(1).bytes(),
            "padding is not quoted"
        );
    }
}

/// One packet of each kind that passes, from inside and from outside, for a world in which their
/// sessions are open.
fn specimens(w: &mut World) -> Vec<(Side, Vec<u8>)> {
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let id = w.open_echo(H1, S1, 7);
    let connection = w.open_tcp(at(H1, 5001), at(S1, 80));
    let left = w.outbound(outgoing()).forwarded().bytes();
    let arrived = w.inbound(udp(at(S1, 53), external)).forwarded().bytes();
    let inside = [
        outgoing().bytes(),
        outgoing().options(&[148, 4, 0, 0, 1, 1, 1, 0]).bytes(),
        tcp(at(H2, 9), at(S2, 80), SYN)
            .tcp_options(&[2, 4, 5, 180, 1, 3, 3, 7])
            .bytes(),
        connection.inside_sends(ACK | PSH).payload(b"GET /").bytes(),
        echo_request(H1, S1, 7).bytes(),
        icmp_error(H1, S1, (3, 3), &arrived).bytes(),
    ];
    let outside = [
        udp(at(S1, 53), external).bytes(),
        connection.outside_sends(ACK).payload(b"200 OK").bytes(),
        echo_reply(S1, N, id).bytes(),
        icmp_error(TRANSIT, N, (11, 0), &left).bytes(),
    ];
    let sided = |side, packets: Vec<Vec<u8>>| packets.into_iter().map(move |packet| (side, packet));
    sided(Side::Inside, inside.to_vec())
        .chain(sided(Side::Outside, outside.to_vec()))
        .collect()
}

fn send(w: &mut World, side: Side, packet: Vec<u8>) -> Outcome {
    match side {
        Side::Inside => w.outbound(packet),
        Side::Outside => w.inbound(packet),
    }
}

/// A25: every length of every packet, cut off by the link or declared so; nothing panics, nothing
/// leaves wrong.
#[test]
fn packets_of_every_length_are_survived() {
    let mut w = World::new();
    for (side, packet) in specimens(&mut w) {
        for len in 0..packet.len() {
            let mut cut = packet[..len].to_vec();
            assert!(
                send(&mut w, side, cut.clone()).refusal().is_some(),
                "{len} of {} bytes",
                packet.len()
            );
            if len >= 20 && usize::from(cut[0] & 15) * 4 <= len {
                cut[field::TOTAL_LENGTH].copy_from_slice(&(len as u16).to_be_bytes());
                fix_header_checksum(&mut cut);
                let _ = send(&mut w, side, cut);
            }
        }
    }
}

/// A25: every byte of every packet replaced, with the header checksum right and wrong.
#[test]
fn packets_with_any_byte_changed_are_survived() {
    let mut w = World::new();
    for (side, packet) in specimens(&mut w) {
        for index in 0..packet.len() {
            for value in [0x00, 0x01, 0x0F, 0x40, 0x7F, 0x80, 0xFF] {
                let mut changed = packet.clone();
                changed[index] = value;
                let _ = send(&mut w, side, changed.clone());
                if usize::from(changed[0] & 15) * 4 <= changed.len() && changed[0] & 15 >= 5 {
                    fix_header_checksum(&mut changed);
                    let _ = send(&mut w, side, changed);
                }
            }
        }
    }
}

/// A25: garbage of all lengths from 0 to 64.
#[test]
fn garbage_is_survived() {
    let mut random = fastrand::Rng::with_seed(25);
    let mut w = World::new();
    w.open_udp(at(H1, 5000), at(S1, 53));
    for len in 0..=64 {
        for round in 0..100 {
            let mut bytes = random_bytes(&mut random, len);
            let side = if random.bool() {
                Side::Inside
            } else {
                Side::Outside
            };
            if round % 2 == 0 && len >= 20 {
                plausible_header(&mut bytes, side, &mut random);
            }
            let _ = send(&mut w, side, bytes);
        }
    }
}

/// Makes garbage look right at first sight, so that it gets further.
fn plausible_header(bytes: &mut [u8], side: Side, random: &mut fastrand::Rng) {
    let words = random.u8(5..=(bytes.len() / 4).min(15) as u8);
    let (source, destination): (Ipv4Addr, Ipv4Addr) = match side {
        Side::Inside => (H1, S1),
        Side::Outside => (S1, N),
    };
    let total = bytes.len() as u16;
    bytes[field::VERSION_AND_IHL] = 0x40 | words;
    bytes[field::TOTAL_LENGTH].copy_from_slice(&total.to_be_bytes());
    bytes[field::FLAGS_AND_OFFSET].fill(0);
    bytes[field::PROTOCOL] = [1, 6, 17][random.usize(..3)];
    bytes[field::SOURCE].copy_from_slice(&source.octets());
    bytes[field::DESTINATION].copy_from_slice(&destination.octets());
    fix_header_checksum(bytes);
}
