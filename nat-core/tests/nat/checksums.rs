//! Checksums and their corners: standards 4.3, RFC 768, RFC 1624, RFC 3022 section 4.1.

use core::net::Ipv4Addr;

use crate::world::*;
use nat_core::{DropReason, Filtering, PortRange, SessionState};

/// A world in which whatever leaves, leaves from this port.
fn only_port(port: u16) -> World {
    World::with(|config| config.ports = PortRange::new(port, port).expect("a port"))
}

/// The packet of the standards' vectors C2 to C4.
fn vector() -> Datagram {
    udp(at(H1, 5000), at(S1, 53))
}

/// C2, C3: the published numbers of one packet.
#[test]
fn the_vectors_come_out() {
    let mut w = only_port(40000);
    let sent = Packet::parse(&vector().bytes());
    assert_eq!(
        (sent.ip.total_len, sent.ip.header_checksum, sent.checksum()),
        (36, 0x3CA5, 0x47BD),
        "the test's own packet"
    );
    let left = w.outbound(vector()).forwarded();
    assert_eq!(left.source(), at(N, 40000));
    assert_eq!((left.ip.header_checksum, left.checksum()), (0xC355, 0x44B5));
}

/// C4: a UDP checksum that comes out as zero is sent as 0xFFFF, and translated back it is what it
/// was.
#[test]
fn a_udp_checksum_of_zero_is_sent_as_all_ones() {
    let mut w = only_port(57589);
    let left = w.outbound(vector()).forwarded();
    assert_eq!((left.source(), left.checksum()), (at(N, 57589), 0xFFFF));
    // The same sum comes back: the pseudo-header has the addresses the other way round.
    let reply = udp(at(S1, 53), at(N, 57589));
    assert_eq!(
        Packet::parse(&reply.bytes()).checksum(),
        0xFFFF,
        "the test's own packet"
    );
    assert_eq!(w.inbound(reply).forwarded().checksum(), 0x47BD);
}

/// C5: no UDP checksum stays none, both ways, whatever the rewrite.
#[test]
fn an_absent_udp_checksum_stays_absent() {
    for port in [40000, 57589, 65535, 1024] {
        let mut w = only_port(port);
        let left = w.outbound(vector().checksum(Checksum::Zero)).forwarded();
        assert_eq!(left.checksum(), 0);
        let back = w
            .inbound(udp(at(S1, 53), left.source()).checksum(Checksum::Zero))
            .forwarded();
        assert_eq!(back.checksum(), 0);
    }
}

/// C4, C6: every checksum, in both directions: the world recomputes each, and none becomes 0, which
/// means no checksum.
#[test]
fn every_udp_checksum_is_translated_right() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let mut all_ones = [0; 4];
    for word in 0..=u16::MAX {
        let outgoing = udp(at(H1, 5000), at(S1, 53))
            .payload(&word.to_be_bytes())
            .bytes();
        let incoming = udp(at(S1, 53), external)
            .payload(&word.to_be_bytes())
            .bytes();
        let packets = [
            Packet::parse(&outgoing),
            w.outbound(outgoing).forwarded(),
            Packet::parse(&incoming),
            w.inbound(incoming).forwarded(),
        ];
        for (count, packet) in all_ones.iter_mut().zip(packets) {
            *count += u32::from(packet.checksum() == 0xFFFF);
        }
    }
    assert!(
        all_ones.iter().all(|count| *count > 0),
        "the corners were met: {all_ones:?}"
    );
}

/// C6: a translation that changes nothing, where equation 3 makes zero of 0xFFFF.
#[test]
fn a_translation_to_the_same_endpoint_keeps_the_checksum() {
    let own = Ipv4Addr::new(192, 168, 1, 200);
    let mut w = World::with(|config| {
        config.external_addresses.clear();
        config.external_addresses.push(own).expect("there is room");
        config.ports = PortRange::new(5000, 5000).expect("a port");
    });
    let hit = |from, to| {
        let word = Packet::parse(&udp(from, to).payload(&[0, 0]).bytes())
            .checksum()
            .to_be_bytes();
        udp(from, to).payload(&word)
    };
    for packet in [
        hit(at(own, 5000), at(S1, 53)),
        hit(at(S1, 53), at(own, 5000)),
    ] {
        assert_eq!(
            Packet::parse(&packet.bytes()).checksum(),
            0xFFFF,
            "the test's own packet"
        );
        let outgoing = packet.ip.source == own.octets();
        let left = if outgoing {
            w.outbound(packet)
        } else {
            w.inbound(packet)
        }
        .forwarded();
        assert_eq!(left.checksum(), 0xFFFF);
    }
}

/// C7: a TCP checksum of zero is a number like any other.
#[test]
fn a_tcp_checksum_of_zero_is_updated() {
    let mut w = World::new();
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    let hit = |segment: Datagram| {
        let word = Packet::parse(&segment.clone().payload(&[0, 0]).bytes())
            .checksum()
            .to_be_bytes();
        segment.payload(&word)
    };
    let out = hit(connection.inside_sends(ACK));
    assert_eq!(
        Packet::parse(&out.bytes()).checksum(),
        0,
        "the test's own packet"
    );
    w.outbound(out).forwarded();
    let inward = hit(connection.outside_sends(ACK));
    assert_eq!(
        Packet::parse(&inward.bytes()).checksum(),
        0,
        "the test's own packet"
    );
    w.inbound(inward).forwarded();
}

/// C8: a wrong checksum of a packet that changes nothing stays as wrong as it was: the world
/// compares.
#[test]
fn a_wrong_checksum_is_never_repaired() {
    let mut w = World::new();
    let external = w.open_udp(at(H1, 5000), at(S1, 53));
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    for error in [1, 2, 0x100, 0x7FFF, 0x8000, 0xFFFE] {
        let wrong = Checksum::OffBy(error);
        for packet in [
            udp(at(H1, 5000), at(S1, 53)),
            connection.inside_sends(ACK).payload(b"data"),
        ] {
            w.outbound(packet.checksum(wrong)).forwarded();
        }
        for packet in [
            udp(at(S1, 53), external),
            connection.outside_sends(ACK).payload(b"data"),
        ] {
            w.inbound(packet.checksum(wrong)).forwarded();
        }
    }
}

/// A24: a packet that would open a session, or change the state of one, has a right checksum or is
/// dropped.
#[test]
fn a_packet_with_a_wrong_checksum_changes_no_state() {
    let mut w = World::new();
    let wrong = Checksum::OffBy(1);
    w.outbound(udp(at(H1, 5000), at(S1, 53)).checksum(wrong))
        .dropped(DropReason::BadChecksum);
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN).checksum(wrong))
        .dropped(DropReason::BadChecksum);
    w.outbound(echo_request(H1, S1, 7).checksum(wrong))
        .dropped(DropReason::BadChecksum);
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    for flags in [SYN, SYN | ACK, FIN | ACK, RST, RST | ACK] {
        w.outbound(connection.inside_sends(flags).checksum(wrong))
            .dropped(DropReason::BadChecksum);
        w.inbound(connection.outside_sends(flags).checksum(wrong))
            .dropped(DropReason::BadChecksum);
    }
}

/// C8, A24: a segment with a wrong checksum does not change the state of a connection: not to
/// established, and not back from a RST.
#[test]
fn a_segment_with_a_wrong_checksum_moves_no_connection() {
    let wrong = Checksum::OffBy(1);
    let mut w = World::with(|config| config.filtering = Filtering::EndpointIndependent);
    let external = w.open_tcp(at(H1, 5000), at(S1, 80)).external;
    w.inbound(tcp(at(S2, 7), external, SYN).seq(70)).forwarded();
    w.outbound(tcp(at(H1, 5000), at(S2, 7), SYN | ACK).seq(90).ack(71))
        .forwarded();
    let acknowledgment = tcp(at(S2, 7), external, ACK).seq(71).ack(91);
    w.inbound(acknowledgment.clone().checksum(wrong))
        .dropped(DropReason::BadChecksum);
    w.inbound(acknowledgment).forwarded();
    let connection = w.open_tcp(at(H1, 6000), at(S1, 80));
    w.inbound(connection.outside_sends(RST)).forwarded();
    w.inbound(connection.outside_sends(ACK).checksum(wrong))
        .dropped(DropReason::BadChecksum);
    w.outbound(connection.inside_sends(ACK).checksum(wrong))
        .dropped(DropReason::BadChecksum);
    assert_eq!(connection.state(&w), SessionState::Reset);
}

/// A24: a TCP checksum of zero is wrong unless it is right, also on a packet that changes state.
#[test]
fn a_tcp_segment_cannot_go_without_checksum() {
    let mut w = World::new();
    w.outbound(tcp(at(H1, 5000), at(S1, 80), SYN).checksum(Checksum::Zero))
        .dropped(DropReason::BadChecksum);
}

/// C9: an echo reply of nothing but zeros has the checksum 0xFFFF, not zero.
#[test]
fn the_checksum_of_an_all_zero_echo_reply_is_all_ones() {
    let mut w = World::new();
    for payload in [&[][..], &[0; 8], &[0; 7]] {
        let request = echo_request(H1, S1, 0).rest([0; 4]).payload(payload);
        let id = w.outbound(request).forwarded().query_id();
        let [high, low] = id.to_be_bytes();
        let reply = w
            .inbound(
                echo_reply(S1, N, id)
                    .rest([high, low, 0, 0])
                    .payload(payload),
            )
            .forwarded();
        assert_eq!(
            (reply.query_id(), reply.checksum()),
            (0, 0xFFFF),
            "{} bytes",
            payload.len()
        );
    }
}

/// C10: an ICMP checksum covers the identifier but no address; the world recomputes it over the
/// message.
#[test]
fn the_identifier_is_all_that_changes_in_an_icmp_query() {
    let mut w = World::new();
    for id in [0, 1, 7, 0x7FFF, 0x8000, 0xFFFF] {
        let sent = echo_request(H1, S1, id);
        let left = w.outbound(&sent).forwarded();
        let back = w.inbound(echo_reply(S1, N, left.query_id())).forwarded();
        assert_eq!(back.query_id(), id);
    }
}

/// C11: random packets of every shape, there and back; the world recomputes each checksum.
#[test]
fn random_packets_leave_with_right_checksums() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut w = World::new();
    let connection = w.open_tcp(at(H1, 5000), at(S1, 80));
    for _ in 0..3000 {
        let len = random.usize(..200);
        let payload = random_bytes(&mut random, len);
        let options = vec![1; random.usize(..=10) * 4];
        let host = [H1, H2, H3][random.usize(..3)];
        let port = 4000 + random.u16(..20);
        let shape = |packet: Datagram, random: &mut fastrand::Rng| {
            let packet = packet
                .payload(&payload)
                .options(&options)
                .tos(random.u8(..))
                .ttl(random.u8(2..));
            packet.id(random.u16(..))
        };
        let kind = random.u8(..4);
        let request = match kind {
            0 => udp(at(host, port), at(S2, 9)),
            1 => tcp(at(host, port), at(S2, 9), SYN),
            2 => echo_request(host, S2, port),
            _ => connection.inside_sends(ACK | PSH),
        };
        let left = w.outbound(shape(request, &mut random)).forwarded();
        let reply = match kind {
            0 => udp(at(S2, 9), left.source()),
            1 => tcp(at(S2, 9), left.source(), SYN | ACK).ack(1001),
            2 => echo_reply(S2, N, left.query_id()),
            _ => connection.outside_sends(ACK),
        };
        w.inbound(shape(reply, &mut random)).forwarded();
    }
}
