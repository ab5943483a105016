//! ARP in the hands of attackers: floods, scans, and claims of addresses that others have.

use core::net::Ipv4Addr;

use crate::world::frames::{
    BROADCAST, Mac, Station, Udp, arp, arp_reply, arp_request, as_arp, check_frame, ethernet,
};
use crate::world::nic::Nic;
use crate::world::*;
use etherparse::{ArpOperation, EtherType};
use nat_core::{Cidr, Side};
use nat_embassy::{FrameDrop, State};

/// Neighbours that a side asks for at once at most while it knows nothing of them.
const MAX_UNKNOWN: usize = 16;
const LIAR: Mac = [0x02, 0, 0, 0, 0x66, 0x66];
/// A server of the outside network, which is not behind the gateway.
const NEAR: Station = ([0x02, 0, 0, 0, 0, 0x50], Ipv4Addr::new(198, 51, 100, 80));

/// A router with room for thousands on either side.
fn wide() -> World {
    let wide = |address| Cidr::new(address, 16).expect("16 is a prefix length");
    let mut config = config();
    config.nat.inside = wide(ROUTER_LAN.1);
    config.outside = Some(nat_embassy::Outside {
        address: wide(ROUTER_WAN.1),
        ..OUTSIDE
    });
    let state = Box::leak(Box::new(State::<1024, 2048, 512>::new()));
    let mut w = World::of(
        state,
        config,
        ethernet_nic(ROUTER_LAN),
        ethernet_nic(ROUTER_WAN),
    );
    w.introduce();
    w
}

/// One of thousands, beside the others in the network of `like`.
fn one_of_many(like: Ipv4Addr, number: u16) -> Station {
    let [a, b, ..] = like.octets();
    let [high, low] = number.to_be_bytes();
    ([0x02, 0, 0, 7, high, low], Ipv4Addr::new(a, b, high, low))
}

/// A session of the host with the server nearby, which has answered: its external port.
#[track_caller]
fn open_near(w: &mut World) -> u16 {
    w.wan.arrive(arp_request(NEAR, ROUTER_WAN.1));
    w.run();
    w.wan.take_sent();
    w.lan.arrive(to_near());
    w.run();
    let external = check_all(&w.wan.take_sent())[0].ports.expect("UDP").0;
    // A question alone would make room for others once it is answered.
    w.lan.arrive(from_host(&Udp {
        payload: b"more than a question".to_vec(),
        dst: NEAR.1,
        dst_port: 443,
        src_port: 6000,
        ..outbound()
    }));
    w.run();
    w.wan.take_sent();
    assert_reachable(w, external, "at first");
    external
}

fn to_near() -> Vec<u8> {
    from_host(&Udp {
        dst: NEAR.1,
        dst_port: 443,
        src_port: 6000,
        ..outbound()
    })
}

fn from_near(external: u16) -> Vec<u8> {
    let datagram = Udp {
        src: NEAR.1,
        src_port: 443,
        ..inbound(external)
    }
    .build();
    frames::ipv4_frame(ROUTER_WAN.0, NEAR.0, &datagram)
}

/// A packet each way between the host and the server nearby passes at once, to their stations, and
/// the router asks no host for them.
#[track_caller]
fn assert_reachable(w: &mut World, external: u16, when: &str) {
    w.lan.arrive(to_near());
    w.wan.arrive(from_near(external));
    w.run();
    for (sent, station) in [(w.wan.take_sent(), NEAR), (w.lan.take_sent(), HOST)] {
        let datagrams = sent
            .iter()
            .filter(|frame| as_arp(frame).is_none() && destination_mac(frame) == station.0);
        let seen = datagrams
            .map(|frame| check_frame(frame).1)
            .filter(|seen| seen.dst == station.1);
        assert_eq!(
            seen.filter(|seen| seen.ports.is_some()).count(),
            1,
            "{when}: {} is not reached",
            station.1
        );
        let questions = asked(&sent);
        assert!(
            !questions.contains(&station.1),
            "{when}: {} is asked for again",
            station.1
        );
    }
}

/// What thousands of senders say, in each way there is to say it to the router or to all.
fn said(kind: usize, sender: Station, router: Station) -> Vec<u8> {
    match kind {
        0 => arp_request(sender, router.1),
        1 => arp_reply(sender, router),
        2 => arp_request(sender, sender.1),
        _ => ethernet(
            BROADCAST,
            sender.0,
            EtherType::ARP,
            &arp(ArpOperation::REPLY, sender, sender),
        ),
    }
}

#[test]
fn arp_floods_of_thousands_displace_no_neighbour_in_use() {
    for kind in 0..4 {
        let mut w = wide();
        let external = open_near(&mut w);
        let before = w.control.stats();
        for number in 0..5_000 {
            let (inside, outside) = (one_of_many(HOST.1, number), one_of_many(NEAR.1, number));
            w.lan.arrive(said(kind, inside, ROUTER_LAN));
            w.wan.arrive(said(kind, outside, ROUTER_WAN));
            w.run();
            if number % 500 == 499 {
                w.lan.take_sent();
                w.wan.take_sent();
                // In use now and then: far more senders come between than there are places.
                w.advance(5_000);
                assert_reachable(&mut w, external, &format!("flood {kind}, after {number}"));
            }
        }
        let after = w.control.stats();
        for side in [Side::Inside, Side::Outside] {
            let received = after.side(side).received - before.side(side).received;
            assert_eq!(received, 5_000 + 10, "each frame is counted");
            let to_stack =
                after.side(side).to_stack + after.side(side).dropped(FrameDrop::LocalQueueFull);
            assert_eq!(
                to_stack >= 5_000,
                [1, 3].contains(&kind),
                "replies are the stack's, as far as it has room"
            );
        }
    }
}

#[test]
fn each_question_of_a_flood_has_one_answer_to_its_sender_and_nothing_else_is_sent() {
    let mut w = wide();
    for number in 0..5_000 {
        let sender = one_of_many(HOST.1, number);
        w.lan.arrive(arp_request(sender, ROUTER_LAN.1));
        w.run();
        assert_eq!(w.lan.take_sent(), [arp_reply(ROUTER_LAN, sender)]);
    }
    w.advance(10_000);
    assert_eq!((w.lan.take_sent().len(), w.wan.take_sent().len()), (0, 0));
}

#[test]
fn the_neighbours_remembered_are_bounded() {
    let mut w = wide();
    // Fewer than there is room for sessions, because each is tried.
    let senders: Vec<_> = (0..1_500)
        .map(|number| one_of_many(NEAR.1, number))
        .collect();
    for sender in &senders {
        w.wan.arrive(arp_request(*sender, ROUTER_WAN.1));
        w.run();
    }
    w.wan.take_sent();
    let known = senders.iter().filter(|sender| {
        w.lan.arrive(from_host(&Udp {
            dst: sender.1,
            ..outbound()
        }));
        w.run();
        w.wan
            .take_sent()
            .iter()
            .any(|frame| destination_mac(frame) == sender.0)
    });
    assert_eq!(known.count(), 63, "beside the gateway");
}

/// With every place in use, one more gets one only if something is to be sent to it; and then not
/// that of a neighbour in use, if another has only spoken.
#[test]
fn a_neighbour_that_only_sends_is_evicted_before_one_in_use() {
    let mut w = World::acquainted();
    let neighbour = |number: u8| {
        (
            [0x02, 0, 0, 0, 1, number],
            Ipv4Addr::new(198, 51, 100, number),
        )
    };
    let to = |number: u8| {
        from_host(&Udp {
            dst: neighbour(number).1,
            ..outbound()
        })
    };
    let speaks = |w: &mut World, number: u8| {
        w.wan.arrive(arp_request(neighbour(number), ROUTER_WAN.1));
        w.run();
        w.wan.take_sent();
    };
    let reached = |w: &mut World, number: u8| {
        w.advance(1);
        w.lan.arrive(to(number));
        w.run();
        w.wan
            .take_sent()
            .iter()
            .any(|frame| destination_mac(frame) == neighbour(number).0)
    };
    // Beside the gateway, 62 are in use. The last place is for one who has only spoken, later than
    // all of them.
    for number in 100..162 {
        speaks(&mut w, number);
        assert!(reached(&mut w, number));
    }
    w.advance(1);
    speaks(&mut w, 162);
    // One more is needed, who answers when asked.
    assert!(!reached(&mut w, 163));
    w.wan.arrive(arp_reply(neighbour(163), ROUTER_WAN));
    w.run();
    w.wan.take_sent();
    // Now all are in use, and those who speak get no place.
    (170..250).for_each(|number| speaks(&mut w, number));
    for number in (100..162).chain([163]) {
        assert!(reached(&mut w, number), "{number} was displaced");
    }
    assert!(!reached(&mut w, 249));
}

/// One who makes the router ask for many that are not there: a scan of the outside network from
/// inside, and the answers of an accomplice to packets with many false sources.
#[test]
fn asking_for_thousands_who_are_not_there_displaces_no_neighbour_in_use() {
    let mut w = wide();
    let external = open_near(&mut w);
    for number in 0..4_000_u16 {
        let dst = one_of_many(NEAR.1, number).1;
        w.lan.arrive(from_host(&Udp {
            dst,
            src_port: 7000,
            ..outbound()
        }));
        let false_source = Udp {
            src: one_of_many(HOST.1, number).1,
            src_port: 7001,
            ..outbound()
        };
        w.lan.arrive(from_host(&false_source));
        w.run();
        let seen = w.wan.take_sent();
        for frame in seen.iter().filter(|frame| as_arp(frame).is_none()) {
            let (_, seen) = check_frame(frame);
            w.wan
                .arrive(from_gateway(&inbound(seen.ports.expect("UDP").0)));
        }
        w.run();
        if number % 20 == 0 {
            assert_reachable(&mut w, external, &format!("after {number}"));
        }
        w.lan.take_sent();
        w.wan.take_sent();
        w.advance(5);
    }
    for side in [Side::Inside, Side::Outside] {
        let dropped = |reason| w.control.stats().side(side).dropped(reason);
        assert!(dropped(FrameDrop::NeighboursFull) > 0, "{side:?}");
        assert!(
            dropped(FrameDrop::ArpUnresolved) + dropped(FrameDrop::ArpPendingReplaced) > 0,
            "{side:?}"
        );
    }
}

#[test]
fn the_gateway_and_senders_get_an_entry_while_thousands_are_queried() {
    let mut config = config();
    config.nat.inside = Cidr::new(ROUTER_LAN.1, 16).unwrap();
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.lan.arrive(arp_request(HOST, ROUTER_LAN.1));
    for number in 100..200 {
        w.lan.arrive(from_host(&Udp {
            dst: Ipv4Addr::new(198, 51, 100, number),
            ..outbound()
        }));
    }
    w.run();
    assert_eq!(asked(&w.wan.take_sent()).len(), MAX_UNKNOWN);
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!(asked(&w.wan.take_sent()), [GATEWAY.1]);
    w.wan.arrive(gateway_answers());
    w.run();
    assert_eq!(check_all(&w.wan.take_sent())[0].dst, SERVER);
    w.wan.arrive(arp_request(NEAR, ROUTER_WAN.1));
    w.run();
    w.wan.take_sent();
    w.lan.arrive(to_near());
    w.run();
    assert_eq!(destination_mac(&w.wan.take_sent()[0]), NEAR.0);
}

/// The ways in which a liar claims the address of a victim: to the router in an answer and in a
/// question, and to all.
fn claims(victim: Ipv4Addr, router: Station) -> [Vec<u8>; 4] {
    [0, 1, 2, 3].map(|kind| said(kind, (LIAR, victim), router))
}

/// A router with a session of the host beyond the gateway, and its external port, a second after
/// all had spoken.
fn with_session() -> (World, u16) {
    let mut w = World::acquainted();
    let external = w.open_session();
    w.advance(1_000);
    (w, external)
}

/// A packet each way passes, to the stations of the gateway and of the host, which answer what they
/// are asked. Returns how often they are.
#[track_caller]
fn assert_carried(w: &mut World, external: u16, when: &str) -> [usize; 2] {
    w.lan.arrive(from_host(&outbound()));
    w.wan.arrive(from_gateway(&inbound(external)));
    w.run();
    let ends = [
        (w.wan.clone(), GATEWAY, ROUTER_WAN),
        (w.lan.clone(), HOST, ROUTER_LAN),
    ];
    ends.map(|(nic, station, router)| {
        let sent = nic.take_sent();
        let datagrams: Vec<_> = sent
            .iter()
            .filter(|frame| as_arp(frame).is_none())
            .collect();
        assert_eq!(datagrams.len(), 1, "{when}");
        assert_eq!(
            destination_mac(datagrams[0]),
            station.0,
            "{when}: {} was taken over",
            station.1
        );
        victim_answers(&nic, &sent, station, router)
    })
}

/// The station of the victim answers what it was asked.
fn victim_answers(nic: &Nic, sent: &[Vec<u8>], victim: Station, router: Station) -> usize {
    let questions = sent
        .iter()
        .filter_map(|frame| as_arp(frame).filter(|_| destination_mac(frame) == victim.0));
    let questions = questions
        .filter(|arp| arp.target_ipv4_addr() == victim.1)
        .count();
    (0..questions).for_each(|_| nic.arrive(arp_reply(victim, router)));
    questions
}

#[test]
fn a_station_that_claims_the_gateways_or_a_hosts_address_gets_none_of_its_packets() {
    for (side, victim, router) in [
        (Side::Outside, GATEWAY, ROUTER_WAN),
        (Side::Inside, HOST, ROUTER_LAN),
    ] {
        let (mut w, external) = with_session();
        let nic = if side == Side::Outside {
            w.wan.clone()
        } else {
            w.lan.clone()
        };
        let mut questions = 0;
        // For five minutes, so that what the victim has said grows old between.
        for tenth in 0..3_000 {
            for claim in claims(victim.1, router) {
                nic.arrive(claim);
            }
            w.run();
            let sent = nic.take_sent();
            questions += victim_answers(&nic, &sent, victim, router);
            let answers = sent.iter().filter(|frame| destination_mac(frame) == LIAR);
            assert!(
                answers.clone().all(|frame| as_arp(frame).is_some()),
                "nothing but ARP for the liar"
            );
            assert_eq!(answers.count(), 1, "the answer to its question");
            w.run();
            let [outside, inside] =
                assert_carried(&mut w, external, &format!("{side:?}, {tenth} tenths"));
            questions += if side == Side::Outside {
                outside
            } else {
                inside
            };
            w.advance(100);
        }
        assert_eq!(
            w.control.stats().side(side).dropped(FrameDrop::ArpConflict),
            4 * 3_000,
            "{side:?}"
        );
        assert!(
            (250..=300).contains(&questions),
            "{side:?}: {questions} questions, at most one a second"
        );
    }
}

#[test]
fn the_stack_of_the_router_does_not_hear_the_false_claims() {
    let (mut w, _) = with_session();
    while World::stack_receives(&mut w.wan_stack).is_some() {}
    for claim in claims(GATEWAY.1, ROUTER_WAN) {
        w.wan.arrive(claim);
        w.run();
        assert_eq!(World::stack_receives(&mut w.wan_stack), None);
    }
    w.wan.arrive(gateway_answers());
    w.run();
    assert_eq!(
        World::stack_receives(&mut w.wan_stack),
        Some(gateway_answers())
    );
}

/// A neighbour that has not been heard of for two minutes may be another device by now, as where an
/// address is leased again.
#[test]
fn the_address_of_a_silent_neighbour_goes_to_the_station_that_claims_it() {
    for (seconds, station) in [(118, HOST.0), (120, LIAR)] {
        let (mut w, external) = with_session();
        w.advance(seconds * 1_000 - 1_000);
        w.lan.arrive(arp_request((LIAR, HOST.1), ROUTER_LAN.1));
        w.wan.arrive(from_gateway(&inbound(external)));
        w.run();
        let sent = w.lan.take_sent();
        let datagram = sent
            .iter()
            .find(|frame| as_arp(frame).is_none())
            .expect("the answer");
        assert_eq!(destination_mac(datagram), station, "after {seconds} s");
        assert_eq!(
            w.inside_drops(FrameDrop::ArpConflict),
            u64::from(station != LIAR),
            "after {seconds} s"
        );
    }
}

/// RFC 5227 section 2.4 (c): the router keeps its address, and says so once in 10 s.
#[test]
fn claims_of_the_routers_own_address_are_answered_by_one_announcement_in_10_s() {
    for (side, router) in [(Side::Inside, ROUTER_LAN), (Side::Outside, ROUTER_WAN)] {
        let (mut w, external) = with_session();
        let nic = if side == Side::Outside {
            w.wan.clone()
        } else {
            w.lan.clone()
        };
        let asker = if side == Side::Outside { GATEWAY } else { HOST };
        let mut announced = Vec::new();
        for second in 0..60 {
            for claim in claims(router.1, router) {
                nic.arrive(claim);
            }
            w.run();
            let sent = nic.take_sent();
            assert!(
                sent.iter()
                    .all(|frame| *frame == arp_request(router, router.1)),
                "{sent:02x?}"
            );
            announced.extend(sent.iter().map(|_| second));
            // It goes on to answer for its address, and to use it.
            nic.arrive(arp_request(asker, router.1));
            w.run();
            assert_eq!(
                nic.take_sent(),
                [arp_reply(router, asker)],
                "{side:?}, {second} s"
            );
            assert_carried(&mut w, external, &format!("{side:?}, {second} s"));
            w.advance(1_000);
        }
        assert_eq!(announced, [0, 10, 20, 30, 40, 50], "{side:?}");
        assert_eq!(
            w.control
                .stats()
                .side(side)
                .dropped(FrameDrop::DuplicateAddress),
            4 * 60,
            "{side:?}"
        );
        assert_eq!(w.control.outside(), Some(OUTSIDE), "it is not given up");
    }
}

#[test]
fn a_claim_of_any_external_address_is_answered_and_teaches_nothing() {
    let further = Ipv4Addr::new(198, 51, 100, 78);
    let mut config = config();
    config.nat.external_addresses.push(further).unwrap();
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.introduce();
    w.wan.arrive(arp_reply((LIAR, further), ROUTER_WAN));
    w.run();
    let sent = w.wan.take_sent();
    assert!(
        sent.contains(&arp_request((ROUTER_WAN.0, further), further)),
        "{sent:02x?}"
    );
    assert_eq!(w.outside_drops(FrameDrop::DuplicateAddress), 1);
    // And an address inside is none of the outside's.
    w.wan
        .arrive(arp_request((LIAR, ROUTER_LAN.1), ROUTER_WAN.1));
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::DuplicateAddress), 1);
}

/// A probe claims nothing yet: its answer is what keeps the other from taking the address (RFC 5227
/// section 2.1.1).
#[test]
fn a_probe_for_an_address_of_the_router_is_no_claim() {
    let mut w = World::acquainted();
    for _ in 0..3 {
        w.lan
            .arrive(arp_request((LIAR, Ipv4Addr::UNSPECIFIED), ROUTER_LAN.1));
        w.run();
        assert_eq!(
            w.lan.take_sent(),
            [arp_reply(ROUTER_LAN, (LIAR, Ipv4Addr::UNSPECIFIED))]
        );
    }
    assert_eq!(w.control.stats().inside.dropped_total(), 0);
}
