//! Frames that begin at any address: behind an Ethernet header, or after a driver's own header of an
//! odd length, a datagram is not aligned to a word.

use crate::world::frames::{
    Mac, Udp, arp_request, as_arp, check_datagram, check_frame, echo_request, icmp_kind,
    ipv4_frame, set_header, tcp,
};
use crate::world::*;
use nat_core::Side;

/// How many bytes after an aligned address frames begin: received ones, and sent ones.
const MISALIGNED_BY: [(usize, usize); 8] = [
    (0, 1),
    (1, 0),
    (1, 1),
    (1, 3),
    (2, 0),
    (2, 1),
    (3, 2),
    (3, 3),
];

/// A router whose frames begin there, if they are received on the side `from`.
fn misaligned(from: Side, (received_by, sent_by): (usize, usize)) -> World {
    let w = World::acquainted();
    let (from, to) = match from {
        Side::Inside => (&w.lan, &w.wan),
        Side::Outside => (&w.wan, &w.lan),
    };
    from.script(|script| script.misaligned_by = received_by);
    to.script(|script| script.misaligned_by = sent_by);
    w
}

/// The stations and the payload of the one frame that was sent. Its checksums are right.
#[track_caller]
fn the_one(sent: &[Vec<u8>]) -> (Mac, Mac, Vec<u8>) {
    let [frame] = sent else {
        panic!("one frame, not {sent:02x?}");
    };
    let (header, seen) = check_frame(frame);
    (header.source, header.destination, seen.payload)
}

fn payloads() -> [Vec<u8>; 4] {
    [vec![], vec![7; 18], vec![7; 19], vec![7; 1472]]
}

#[test]
fn udp_tcp_and_pings_at_any_address_are_carried_outward() {
    for by in MISALIGNED_BY {
        for payload in payloads() {
            let mut w = misaligned(Side::Inside, by);
            let ping = echo_request(HOST.1, SERVER, payload.len());
            let segment = tcp((HOST.1, 4000), (SERVER, 80), |header| header.syn = true);
            let udp = Udp {
                payload,
                ..outbound()
            };
            // The second packet of a session takes the fast path.
            for datagram in [udp.build(), udp.build(), segment.clone(), segment, ping] {
                let expected = check_datagram(&datagram).payload;
                w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &datagram));
                w.run();
                let sent = the_one(&w.wan.take_sent());
                assert_eq!(sent, (ROUTER_WAN.0, GATEWAY.0, expected), "{by:?}");
            }
        }
    }
}

#[test]
fn answers_at_any_address_are_carried_inward() {
    for by in MISALIGNED_BY {
        for payload in payloads() {
            let mut w = misaligned(Side::Outside, by);
            let answer = Udp {
                payload,
                ..inbound(w.open_session())
            };
            for _ in 0..2 {
                w.wan.arrive(from_gateway(&answer));
                w.run();
                let sent = the_one(&w.lan.take_sent());
                let expected = (ROUTER_LAN.0, HOST.0, answer.payload.clone());
                assert_eq!(sent, expected, "{by:?}");
            }
        }
    }
}

#[test]
fn the_router_answers_what_comes_at_any_address() {
    for by in 0..4 {
        let mut config = config();
        config.nat.outside_ping = true;
        let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
        w.introduce();
        w.lan.script(|script| script.misaligned_by = by);
        let mut dying = outbound().build();
        set_header(&mut dying, |header| header.time_to_live = 1);
        let ping = echo_request(HOST.1, ROUTER_WAN.1, 33);
        w.lan.arrive(arp_request(HOST, ROUTER_LAN.1));
        for datagram in [dying, ping] {
            w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &datagram));
        }
        w.run();
        let sent = w.lan.take_sent();
        let answer = as_arp(&sent[0]).expect("an ARP packet");
        assert_eq!(answer.sender_ipv4_addr(), ROUTER_LAN.1, "{by}");
        assert_eq!(check_frame(&sent[1]).1.dst, HOST.1, "{by}");
        assert_eq!(icmp_kind(&sent[1]), (11, 0), "{by}: time exceeded");
        assert_eq!(check_frame(&sent[2]).1.payload, [0x5a; 33], "{by}");
        assert_eq!(icmp_kind(&sent[2]), (0, 0), "{by}: an echo reply");
    }
}

#[test]
fn a_medium_without_link_headers_may_have_its_datagrams_at_any_address() {
    for (received_by, sent_by) in MISALIGNED_BY {
        let mut w = World::with(config(), ip_nic(), ip_nic());
        w.lan.script(|script| script.misaligned_by = received_by);
        w.wan.script(|script| script.misaligned_by = sent_by);
        for _ in 0..2 {
            w.lan.arrive(outbound().build());
        }
        w.run();
        let sent = check_datagrams(&w.wan.take_sent());
        assert_eq!(sent.len(), 2);
        for seen in sent {
            assert_eq!((seen.src, seen.dst), (ROUTER_WAN.1, SERVER));
            assert_eq!(seen.payload, b"question");
        }
    }
}
