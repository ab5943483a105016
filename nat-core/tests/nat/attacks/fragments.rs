//! A13 to A16: fragments that hide, rewrite, fill or overflow.

use core::net::Ipv4Addr;

use nat_core::DropReason;

use super::victim::{HOST, SERVER, Victim, learns_nothing};
use crate::world::*;

/// A datagram of the victim's UDP flow with a number, in three pieces, and in the order that its
/// number says.
#[track_caller]
fn datagram_passes(w: &mut World, number: u16) {
    let payload = number.to_be_bytes().repeat(150);
    let whole = udp(HOST, at(S2, 5353))
        .payload(&payload)
        .may_fragment()
        .id(number);
    let pieces = whole.cut(&[104, 96]);
    let mut arrived = Vec::new();
    for index in [[0, 1, 2], [0, 2, 1]][usize::from(number % 2)] {
        arrived.push(w.outbound(&pieces[index]).forwarded());
    }
    let joined = reassemble(&arrived);
    assert_eq!((joined.payload(), joined.is_intact()), (&payload[..], true));
}

/// A13: a first fragment of TCP that ends before the flags, of every length, both ways; and what
/// would follow it.
#[test]
fn a13_tiny_first_fragments_hide_no_flags() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    let (out, into) = (
        victim.connection.inside_sends(ACK),
        victim.connection.outside_sends(ACK),
    );
    victim.under(&mut w, 0..5000_u16, |w, id| {
        let len = [8, 16][usize::from(id % 2)];
        for (packet, inward) in [(&out, false), (&into, true)] {
            let pieces = packet
                .clone()
                .payload(&[7; 64])
                .may_fragment()
                .id(id)
                .cut(&[len]);
            let mut send = |piece: &Datagram| {
                if inward {
                    w.inbound(piece)
                } else {
                    w.outbound(piece)
                }
            };
            let tiny = send(&pieces[0]);
            let expected = [DropReason::BadFragment, DropReason::BadTransportLength].map(Some);
            assert!(expected.contains(&tiny.refusal()), "{len} bytes: {tiny:?}");
            let rest = send(&pieces[1]).refusal();
            assert!(
                matches!(
                    rest,
                    Some(DropReason::BadFragment | DropReason::Fragment) | None
                ),
                "{rest:?}"
            );
        }
        if id % 100 == 0 {
            w.advance(secs(3));
        }
    });
}

/// A14: a later fragment that would overlap the flags, and a second first fragment with other
/// ports, which is processed by itself: refused, it changes nothing.
#[test]
fn a14_overlapping_fragments_rewrite_no_header() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    let server = w.open_tcp(at(H3, 5000), SERVER).outside_sends(ACK);
    victim.under(&mut w, 0..5000_u16, |w, id| {
        let pieces = server
            .clone()
            .payload(&[7; 200])
            .may_fragment()
            .id(id)
            .cut(&[104]);
        w.inbound(&pieces[0]).forwarded();
        let flags = tcp(SERVER, at(N, 1), SYN).may_fragment().id(id);
        let over_flags = flags.clone().fragment(8, true).body(&flags.bytes()[28..36]);
        w.inbound(over_flags).dropped(DropReason::BadFragment);
        let other_ports = tcp(at(S1, 9), at(N, 9), SYN)
            .payload(&[8; 200])
            .may_fragment()
            .id(id)
            .cut(&[104]);
        w.inbound(&other_ports[0]).dropped(DropReason::NoMapping);
        assert_eq!(
            w.inbound(&pieces[1]).forwarded().destination().ip(),
            &H3,
            "the first way stays"
        );
        w.advance(core::time::Duration::from_millis(20));
    });
}

/// A15: 10,000 fragments without a first, of as many datagrams, from one source and from many, with
/// the victim's fragments, in order and not, in between.
#[test]
fn a15_fragments_without_a_first_take_no_slots_from_others() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    victim.under(&mut w, 0..10_000_u32, |w, number| {
        let source = if number % 2 == 0 {
            ATTACKER
        } else {
            Ipv4Addr::from_bits((S1.to_bits() & !0xFF) + number % 250 + 1)
        };
        let stray = udp(at(source, 1), at(N, 1))
            .may_fragment()
            .id(number as u16);
        let outcome = w.inbound(stray.fragment(800, true).body(&[0; 64]));
        assert!(
            matches!(
                outcome,
                Outcome::Held | Outcome::Dropped(DropReason::Fragment)
            ),
            "{outcome:?}"
        );
        if number % 50 == 0 {
            datagram_passes(w, (number / 50) as u16);
        }
    });
    assert!(
        w.stats().dropped(DropReason::Fragment) > 9_000,
        "the attacker has filled what there is"
    );
}

/// A15: first fragments through a port forward, from sources of all kinds: what belongs to sessions
/// of other hosts keeps its place, in order with a pause between the fragments, and out of order.
#[test]
fn a15_first_fragments_through_a_forward_displace_no_session() {
    for rate in [1, 4, 20] {
        let mut w = World::fragmenting::<16, 4>(|_| ());
        let forward = nat_core::PortForward::new(nat_core::Protocol::Udp, 51_820, at(H1, 51_820));
        w.nat
            .add_port_forward(forward)
            .expect("the port forward is accepted");
        let external = w.open_udp(at(H2, 4000), at(S1, 53));
        let mut strangers = 0_u32;
        let mut flood = |w: &mut World| {
            for _ in 0..rate * 5 {
                strangers += 1;
                let source = Ipv4Addr::from_bits(0x0b00_0000 + strangers);
                let datagram = udp(at(source, 4444), at(N, 51_820))
                    .payload(&[7; 200])
                    .may_fragment();
                w.inbound(&datagram.id(strangers as u16).cut(&[104])[0])
                    .forwarded();
            }
            w.advance(core::time::Duration::from_millis(5));
        };
        for id in 0..50 {
            let fragments = udp(at(S1, 53), external)
                .payload(&[id as u8; 200])
                .may_fragment()
                .id(id)
                .cut(&[104]);
            let (early, late) = if id % 2 == 0 { (0, 1) } else { (1, 0) };
            flood(&mut w);
            let early = w.inbound(&fragments[early]);
            flood(&mut w);
            let mut arrived = vec![w.inbound(&fragments[late]).forwarded()];
            arrived.extend(w.released());
            if id % 2 == 0 {
                arrived.push(early.forwarded());
            } else {
                early.held();
            }
            let whole = reassemble(&arrived);
            assert!(
                whole.is_intact() && whole.destination() == at(H2, 4000),
                "{rate} per ms: {whole:?}"
            );
        }
    }
}

/// A16: the ping of death, pieces of odd lengths, and a neighbour who adds to what the server
/// sends.
#[test]
fn a16_impossible_and_foreign_fragments_join_no_datagram() {
    let mut w = World::new();
    let mut victim = Victim::open(&mut w);
    let external = w.open_udp(at(H3, 5000), at(S2, 5353));
    victim.under(&mut w, 0..5000_u16, |w, id| {
        let ping = || raw(ATTACKER, N, 1, &[]).may_fragment().id(id);
        let beyond = 65_528 - usize::from(id % 8) * 8;
        w.inbound(ping().fragment(beyond, false).body(&[0; 100]))
            .dropped(DropReason::BadFragment);
        w.inbound(
            ping()
                .fragment(8, true)
                .body(&vec![0; 9 + usize::from(id % 7)]),
        )
        .dropped(DropReason::BadFragment);
        w.inbound(ping().fragment(8, true).body(&[]))
            .dropped(DropReason::BadFragment);
        let pieces = udp(at(S2, 5353), external)
            .payload(&[7; 200])
            .may_fragment()
            .id(id)
            .cut(&[104]);
        w.inbound(&pieces[0]).forwarded();
        // From inside, no host has the server's address.
        learns_nothing(&w.outbound(&pieces[1]));
        w.inbound(&pieces[1]).forwarded();
        w.advance(core::time::Duration::from_millis(20));
    });
}
