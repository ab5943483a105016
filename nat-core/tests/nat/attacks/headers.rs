//! A18, A19, A25: headers with wrong fields, and packets that cannot be translated.

use core::net::Ipv4Addr;

use nat_core::{DropReason, Side, Verdict};

use super::victim::{Victim, learns_nothing};
use crate::strength::packets;
use crate::world::*;

/// Any packet that an inside host may think of, most with a header that holds.
fn anything(random: &mut fastrand::Rng) -> Vec<u8> {
    let remotes = [S1, S2, N, ROUTER, H3, Ipv4Addr::new(8, 8, 8, 8)];
    let (from, to) = (
        random.choice([H1, H3]).unwrap_or(H1),
        random.choice(remotes).unwrap_or(S1),
    );
    let (source, destination) = (at(from, random.u16(..)), at(to, random.u16(..)));
    let quoted = tcp(destination, source, ACK).bytes();
    let len = random.usize(20..80);
    let payload = random_bytes(random, len);
    let packet = match random.u8(..6) {
        0 => tcp(source, destination, random.u8(..)).payload(&payload),
        1 => udp(source, destination).payload(&payload),
        2 => icmp(from, to, random.u8(..20), random.u8(..3), [0, 9, 0, 1]).payload(&payload),
        3 => icmp_error(from, to, (3, random.u8(..16)), &quoted),
        4 => raw(from, to, random.u8(..), &payload),
        _ => udp(source, destination)
            .payload(&payload)
            .may_fragment()
            .id(random.u16(..8))
            .cut(&[8])
            .swap_remove(1),
    };
    let off = if random.bool() {
        Checksum::Good
    } else {
        Checksum::OffBy(random.u16(1..))
    };
    let mut bytes = packet.checksum(off).bytes();
    if random.u8(..4) == 0 {
        let index = random.usize(..bytes.len());
        bytes[index] ^= 1 << random.u8(..8);
        if index < 20 && index != 0 {
            fix_header_checksum(&mut bytes);
        }
    }
    bytes
}

/// A18: a host sends 50,000 packets of every kind, most of which cannot be translated. The world
/// checks each that leaves: no inside address does, neither in its header nor in what it quotes.
#[test]
fn a18_nothing_leaves_untranslated() {
    let mut w = World::sized::<512, 1024, 16>(|_| ());
    let mut victim = Victim::open(&mut w);
    let mut random = fastrand::Rng::with_seed(18);
    let mut left = 0;
    for number in 0..packets(50_000) {
        let outcome = w.outbound(anything(&mut random));
        left += u32::from(outcome.is_forwarded());
        drop(w.take_released());
        if number % 500 == 0 {
            w.advance(secs(30));
            victim.talk(&mut w);
        }
    }
    assert!(left > packets(1_000), "{left} could be translated");
    for reason in [
        DropReason::UnknownProtocol,
        DropReason::BadTcpFlags,
        DropReason::BadChecksum,
        DropReason::UnknownIcmpType,
    ] {
        assert!(
            w.stats().dropped(reason) > packets(100).into(),
            "{reason:?}"
        );
    }
}

/// A19: every option there is, as a whole and cut short, both ways, and a source route by way of
/// the NAT to the victim.
#[test]
fn a19_no_option_routes_a_packet() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    let external = victim.external;
    let routes: [u8; 4] = [131, 137, 7, 68];
    victim.under(&mut w, routes, |w, kind| {
        let [a, b, c, d] = H2.octets();
        let reason = if kind >= 131 {
            DropReason::SourceRoute
        } else {
            DropReason::RecordRoute
        };
        for options in [
            vec![kind, 7, 4, a, b, c, d, 0],
            vec![1, kind, 7, 4, a, b, c, d],
            vec![kind, 3, 4, 0],
        ] {
            w.inbound(udp(at(S2, 5353), external).options(&options))
                .dropped(reason);
            w.inbound(udp(at(ATTACKER, 5353), external).options(&options))
                .dropped(reason);
            w.outbound(udp(at(H1, 5353), at(S2, 5353)).options(&options))
                .dropped(reason);
        }
    });
    victim.under(&mut w, 2..=u8::MAX, |w, kind| {
        for len in [0, 1, 5, 39, 255] {
            let outcome = w.inbound(udp(at(S2, 5353), external).options(&[kind, len, 0, 0]));
            assert!(
                matches!(
                    outcome.refusal(),
                    Some(
                        DropReason::BadOptions | DropReason::SourceRoute | DropReason::RecordRoute
                    )
                ),
                "{kind} {len}"
            );
        }
    });
}

/// A25: every length of a packet against every length that it declares, every version and header
/// length, and 200,000 packets of random bytes, from both sides.
#[test]
fn a25_headers_that_lie_are_survived() {
    let mut w = World::sized::<512, 1024, 16>(|_| ());
    let mut victim = Victim::open(&mut w);
    let (out, into) = (
        victim.connection.inside_sends(ACK),
        victim.connection.outside_sends(ACK),
    );
    for (packet, from) in [(out.bytes(), Side::Inside), (into.bytes(), Side::Outside)] {
        let refused = |w: &mut World, bytes: &[u8], fix: bool| {
            let mut bytes = bytes.to_vec();
            if fix {
                fix_header_checksum(&mut bytes);
            }
            if from == Side::Inside {
                w.outbound(bytes)
            } else {
                w.inbound(bytes)
            }
        };
        for len in 0..packet.len() {
            assert!(
                matches!(refused(&mut w, &packet[..len], false), Outcome::Dropped(_)),
                "cut to {len} bytes"
            );
        }
        for total in (0..40).chain(41..=u16::MAX) {
            let mut lie = packet.clone();
            lie[field::TOTAL_LENGTH].copy_from_slice(&total.to_be_bytes());
            assert!(
                matches!(refused(&mut w, &lie, true), Outcome::Dropped(_)),
                "total length {total}"
            );
        }
        for first in (0..=u8::MAX).filter(|first| *first != packet[field::VERSION_AND_IHL]) {
            let mut lie = packet.clone();
            lie[field::VERSION_AND_IHL] = first;
            let fix = usize::from(first & 15) * 4 <= lie.len() && first & 15 >= 5;
            assert!(
                matches!(refused(&mut w, &lie, fix), Outcome::Dropped(_)),
                "first byte {first:#x}"
            );
        }
        let right = packet[field::TCP_DATA_OFFSET] >> 4;
        for offset in (0..=u8::MAX).filter(|byte| byte >> 4 != right) {
            let mut lie = packet.clone();
            lie[field::TCP_DATA_OFFSET] = offset;
            assert!(
                matches!(refused(&mut w, &lie, true), Outcome::Dropped(_)),
                "data offset {offset:#x}"
            );
        }
        victim.talk(&mut w);
    }
    victim.under(&mut w, 0..200_000, |w, number| {
        let mut random = fastrand::Rng::with_seed(number);
        let len = random.usize(..120);
        let bytes = random_bytes(&mut random, len);
        let side = if number % 2 == 0 {
            Side::Inside
        } else {
            Side::Outside
        };
        let verdict = w.flood(bytes, side);
        assert!(matches!(verdict, Verdict::Drop(_)), "{verdict:?}");
    });
    learns_nothing(&w.inbound(vec![]));
}
