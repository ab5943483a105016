//! Datagrams in several frames: fragments that arrive, and datagrams that are cut for the way out.

use crate::world::frames::{
    Udp, datagram_of, ethertype_of, fragments, header_of, ipv4_frame, udp_of,
};
use crate::world::nic::Nic;
use crate::world::*;
use etherparse::{EtherType, Ipv4Header};
use nat_embassy::FrameDrop;

fn with_mtu(nic: Nic, mtu: usize) -> Nic {
    nic.script(|script| script.mtu = mtu);
    nic
}

/// Puts the payloads of datagrams together in order of their offsets.
fn reassemble(datagrams: &[&[u8]]) -> Vec<u8> {
    let mut parts: Vec<(usize, &[u8])> = datagrams
        .iter()
        .map(|datagram| {
            let header = Ipv4Header::from_slice(datagram).unwrap().0;
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            (
                usize::from(header.fragment_offset.value()) * 8,
                &datagram[20..usize::from(header.total_len)],
            )
        })
        .collect();
    parts.sort_unstable();
    let mut whole = Vec::new();
    for (offset, part) in parts {
        assert_eq!(offset, whole.len(), "a gap or an overlap");
        whole.extend_from_slice(part);
    }
    whole
}

fn big() -> Udp {
    Udp {
        payload: (0..1200).map(|i| i as u8).collect(),
        ..outbound()
    }
}

#[test]
fn fragments_follow_their_first_in_any_order() {
    for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [2, 0, 1]] {
        let mut w = World::acquainted();
        let pieces = fragments(&big().build(), 480);
        for i in order {
            w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &pieces[i]));
            w.run();
        }
        let sent = w.wan.take_sent();
        assert_eq!(sent.len(), 3, "order {order:?}");
        let datagrams: Vec<&[u8]> = sent.iter().map(|frame| datagram_of(frame)).collect();
        assert_eq!(
            reassemble(&datagrams)[8..],
            big().payload,
            "order {order:?}"
        );
        assert!(sent.iter().all(|frame| destination_mac(frame) == GATEWAY.0));
    }
}

/// All four places for fragments that wait may belong to one source while no other needs them.
#[test]
fn four_fragments_in_reverse_come_through() {
    let mut w = World::acquainted();
    for number in 2..=5 {
        let large = Udp {
            payload: (0..240 * number - 8).map(|i| i as u8).collect(),
            ..outbound()
        };
        let pieces = fragments(&large.build(), 240);
        assert_eq!(pieces.len(), number);
        for piece in pieces.iter().rev() {
            w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, piece));
        }
        w.run();
        let sent = w.wan.take_sent();
        assert_eq!(sent.len(), number);
        let datagrams: Vec<&[u8]> = sent.iter().map(|frame| datagram_of(frame)).collect();
        assert_eq!(reassemble(&datagrams)[8..], large.payload);
    }
}

/// 65,000 bytes, the last fragment first, all in a burst.
#[test]
fn the_largest_datagrams_come_through_last_fragment_first() {
    let mut w = World::acquainted();
    let large = Udp {
        payload: (0..65_000).map(|i| i as u8).collect(),
        ..outbound()
    };
    let mut pieces = fragments(&large.build(), 1480);
    pieces.rotate_right(1);
    let mut sent = Vec::new();
    for piece in &pieces {
        w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, piece));
        w.run();
        sent.extend(w.wan.take_sent());
    }
    let datagrams: Vec<&[u8]> = sent.iter().map(|frame| datagram_of(frame)).collect();
    assert_eq!(reassemble(&datagrams)[8..], large.payload);
}

/// A host that uses one identification for all its datagrams: each leaves whole, with an
/// identification of its own.
#[test]
fn datagrams_of_one_identification_leave_whole() {
    let mut w = World::acquainted();
    let mut ids = std::collections::HashSet::new();
    for _ in 0..70 {
        for piece in fragments(&big().build(), 480) {
            w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &piece));
        }
        w.run();
        let sent = w.wan.take_sent();
        let datagrams: Vec<&[u8]> = sent.iter().map(|frame| datagram_of(frame)).collect();
        assert_eq!(reassemble(&datagrams)[8..], big().payload);
        ids.insert(header_of(datagrams[0]).identification);
    }
    assert_eq!(ids.len(), 1, "copies of one datagram are one datagram");
}

#[test]
fn a_datagram_larger_than_the_way_out_leaves_in_fragments() {
    let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), with_mtu(ip_nic(), 576));
    let [whole] = &fragments(&big().build(), 2000)[..] else {
        panic!("one piece")
    };
    for _ in 0..2 {
        w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, whole));
        w.run();
        let sent = w.wan.take_sent();
        assert!(sent.len() > 2 && sent.iter().all(|datagram| datagram.len() <= 576));
        let datagrams: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
        assert_eq!(reassemble(&datagrams)[8..], big().payload);
    }
}

#[test]
fn a_dead_link_does_not_keep_fragments_waiting() {
    let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), with_mtu(ip_nic(), 576));
    w.wan.set_link(embassy_net_driver::LinkState::Down);
    w.run();
    let [whole] = &fragments(&big().build(), 2000)[..] else {
        panic!("one piece")
    };
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, whole));
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::LinkDown), 1);
    w.wan.set_link(embassy_net_driver::LinkState::Up);
    w.run();
    w.wan.take_sent();
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, whole));
    w.run();
    assert_eq!(w.wan.take_sent().len(), 3);
}

#[test]
fn datagrams_that_are_cut_follow_each_other_without_loss() {
    let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), with_mtu(ip_nic(), 576));
    let [whole] = &fragments(&big().build(), 2000)[..] else {
        panic!("one piece")
    };
    for _ in 0..5 {
        w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, whole));
    }
    w.run();
    assert_eq!(w.wan.take_sent().len(), 15);
    assert_eq!(w.outside_drops(FrameDrop::TxFull), 0);
}

#[test]
fn an_answer_is_cut_while_its_question_has_just_left() {
    let mut config = config();
    (config.nat.inside_mtu, config.nat.outside_mtu) = (576, 576);
    let mut w = World::with(config, ip_nic(), ip_nic());
    let [whole] = &fragments(&big().build(), 2000)[..] else {
        panic!("one piece")
    };
    w.lan.arrive(whole.clone());
    w.run();
    let sent = w.wan.take_sent();
    assert_eq!(sent.len(), 3);
    let external_port = udp_of(&sent[0]).source_port;
    let answer = Udp {
        payload: vec![9; 1200],
        ..inbound(external_port)
    }
    .build();
    let [answer] = &fragments(&answer, 2000)[..] else {
        panic!("one piece")
    };
    // Both come in the same pass.
    w.lan.arrive(whole.clone());
    w.wan.arrive(answer.clone());
    w.run();
    assert_eq!((w.wan.take_sent().len(), w.lan.take_sent().len()), (3, 3));
}

#[test]
fn a_full_side_does_not_keep_the_other_waiting_for_its_pieces() {
    let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), with_mtu(ip_nic(), 576));
    let [whole] = &fragments(&big().build(), 2000)[..] else {
        panic!("one piece")
    };
    w.lan
        .arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &outbound().build()));
    w.run();
    let sent = w.wan.take_sent();
    let external_port = udp_of(&sent[0]).source_port;
    w.lan
        .arrive(crate::world::frames::arp_reply(HOST, ROUTER_LAN));
    w.run();
    w.lan.take_sent();
    w.wan.make_room(1);
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, whole));
    w.run();
    w.wan.arrive(inbound(external_port).build());
    w.run();
    for _ in 0..3 {
        w.advance(20);
        w.run();
    }
    let arrived = w.lan.take_sent();
    assert!(
        arrived
            .iter()
            .any(|frame| [EtherType::IPV4, EtherType::ARP].contains(&ethertype_of(frame))),
        "{arrived:?}"
    );
    assert_eq!(w.wan.take_sent().len(), 1, "what there was room for");
}

/// A world of bare IP links with an MTU of 576, and the external port of a session.
fn world_of_small_links() -> (World, u16) {
    let mut config = config();
    (config.nat.inside_mtu, config.nat.outside_mtu) = (576, 576);
    let mut w = World::with(config, ip_nic(), ip_nic());
    w.lan.arrive(outbound().build());
    w.run();
    let sent = w.wan.take_sent();
    let external_port = udp_of(&sent[0]).source_port;
    (w, external_port)
}

/// The other direction goes on without a pause, whole datagrams and such as are cut themselves.
#[test]
fn pieces_that_wait_for_a_full_driver_hold_up_nothing_that_leaves_by_the_other() {
    let (mut w, external_port) = world_of_small_links();
    let answer = Udp {
        payload: vec![9; 1200],
        ..inbound(external_port)
    }
    .build();
    let large = Udp {
        payload: vec![8; 1200],
        ..outbound()
    }
    .build();
    for _ in 0..5 {
        w.lan.make_room(1);
        w.wan.arrive(fragments(&answer, 2000).remove(0));
        w.run();
        assert_eq!(w.lan.take_sent().len(), 1, "what there was room for");
        for millisecond in 0..14 {
            w.lan.arrive(outbound().build());
            w.lan.arrive(fragments(&large, 2000).remove(0));
            w.run();
            assert_eq!(w.wan.take_sent().len(), 1 + 3, "after {millisecond} ms");
            w.advance(1);
        }
        w.lan.make_room(usize::MAX);
        w.run();
        assert_eq!(w.lan.take_sent().len(), 0, "the other pieces are given up");
    }
    assert_eq!(
        (
            w.inside_drops(FrameDrop::TxFull),
            w.outside_drops(FrameDrop::TxFull)
        ),
        (5, 0)
    );
}

/// What comes next for the full side waits in its driver, behind the pieces, and leaves after them.
#[test]
fn what_comes_after_pieces_for_the_same_side_does_not_overtake_them() {
    let (mut w, external_port) = world_of_small_links();
    w.lan.make_room(1);
    let answer = Udp {
        payload: vec![9; 1200],
        ..inbound(external_port)
    }
    .build();
    w.wan.arrive(fragments(&answer, 2000).remove(0));
    w.wan.arrive(inbound(external_port).build());
    w.run();
    w.advance(5);
    assert_eq!(w.lan.take_sent().len(), 1);
    w.lan.make_room(usize::MAX);
    w.run();
    let sent = w.lan.take_sent();
    assert_eq!(sent.len(), 3);
    assert_eq!(
        check_datagrams(&sent[2..])[0].payload,
        inbound(external_port).payload
    );
    assert_eq!(w.inside_drops(FrameDrop::TxFull), 0);
}

#[test]
fn pieces_hold_the_other_side_up_no_longer_than_they_take() {
    let (mut w, external_port) = world_of_small_links();
    let answer = Udp {
        payload: vec![9; 1200],
        ..inbound(external_port)
    }
    .build();
    w.lan.make_room(1);
    w.wan.arrive(fragments(&answer, 2000).remove(0));
    w.lan.arrive(outbound().build());
    w.lan.arrive(outbound().build());
    w.run();
    w.lan.make_room(2);
    w.run();
    assert_eq!((w.lan.take_sent().len(), w.wan.take_sent().len()), (3, 2));
}
