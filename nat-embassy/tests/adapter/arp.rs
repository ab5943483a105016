//! What the router learns, answers and asks, and what waits for an answer.

use core::net::Ipv4Addr;

use crate::world::frames::{
    BROADCAST, Station, Udp, arp, arp_reply, arp_request, as_arp, check_frame, ethernet, icmp_kind,
};
use crate::world::*;
use embassy_net_driver::LinkState;
use etherparse::ArpOperation;
use nat_embassy::FrameDrop;

/// Where the addresses and all behind them begin in a datagram: what an error quotes as it was.
const ADDRESSES: usize = 12;

/// Packets that can wait, on each side.
const WAITING: usize = 4;

/// Neighbours remembered outside.
const NEIGHBOURS: usize = 64;

/// Neighbours asked for at once of whom nothing is known.
const MAX_UNKNOWN: usize = 16;

/// A station on the outside network.
fn neighbour(number: u8) -> Station {
    (
        [0x02, 0, 0, 0, 1, number],
        Ipv4Addr::new(198, 51, 100, number),
    )
}

fn to(destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    from_host(&Udp {
        dst: destination,
        payload: payload.to_vec(),
        ..outbound()
    })
}

fn arp_from(sender: Station, destination: crate::world::frames::Mac, body: &[u8]) -> Vec<u8> {
    ethernet(destination, sender.0, etherparse::EtherType::ARP, body)
}

#[test]
fn it_answers_for_its_inside_address_inside_and_for_all_its_external_addresses_outside() {
    let mut config = config();
    let further = Ipv4Addr::new(198, 51, 100, 78);
    config.nat.external_addresses.push(further).unwrap();
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    for (inside, address, answered) in [
        (true, ROUTER_LAN.1, true),
        (true, ROUTER_WAN.1, false),
        (true, OTHER_HOST.1, false),
        (false, ROUTER_WAN.1, true),
        (false, further, true),
        (false, ROUTER_LAN.1, false),
        (false, GATEWAY.1, false),
    ] {
        let (nic, asker, router) = if inside {
            (w.lan.clone(), HOST, ROUTER_LAN)
        } else {
            (w.wan.clone(), neighbour(9), ROUTER_WAN)
        };
        nic.arrive(arp_request(asker, address));
        w.run();
        let expected = answered.then(|| arp_reply((router.0, address), asker));
        assert_eq!(
            nic.take_sent(),
            Vec::from_iter(expected),
            "{address} asked for inside: {inside}"
        );
    }
    assert!(
        World::stack_receives(&mut w.lan_stack).is_none(),
        "requests are none of the stacks' business"
    );
}

#[test]
fn a_probe_is_answered_and_teaches_nothing() {
    let mut w = World::new();
    w.lan
        .arrive(arp_request((HOST.0, Ipv4Addr::UNSPECIFIED), ROUTER_LAN.1));
    w.run();
    assert_eq!(
        as_arp(&w.lan.take_sent()[0]).unwrap().operation,
        ArpOperation::REPLY
    );
}

#[test]
fn a_reply_reaches_the_local_stack_too() {
    let mut w = World::new();
    w.wan.arrive(gateway_answers());
    w.run();
    assert_eq!(
        World::stack_receives(&mut w.wan_stack),
        Some(gateway_answers())
    );
}

#[test]
fn the_gateway_is_asked_for_and_the_packet_leaves_when_it_answers() {
    let mut w = World::new();
    w.lan.arrive(to(SERVER, b"first"));
    w.run();
    let sent = w.wan.take_sent();
    assert_eq!(sent, [arp_request(ROUTER_WAN, GATEWAY.1)]);
    w.wan.arrive(gateway_answers());
    w.run();
    let sent = w.wan.take_sent();
    let (header, seen) = check_frame(&sent[0]);
    assert_eq!(
        (sent.len(), header.destination, &seen.payload[..]),
        (1, GATEWAY.0, &b"first"[..])
    );
}

#[test]
fn an_inside_host_is_asked_for_from_the_inside_address() {
    let mut w = World::acquainted();
    let external = w.open_session();
    w.lan.set_link(LinkState::Down);
    w.run();
    w.lan.set_link(LinkState::Up);
    w.run();
    w.lan.take_sent();
    w.wan.arrive(from_gateway(&inbound(external)));
    w.run();
    assert_eq!(w.lan.take_sent(), [arp_request(ROUTER_LAN, HOST.1)]);
    w.lan.arrive(arp_reply(HOST, ROUTER_LAN));
    w.run();
    assert_eq!(check_all(&w.lan.take_sent())[0].dst, HOST.1);
}

#[test]
fn an_inside_host_is_asked_for_again_a_second_later_whatever_else_is_due() {
    let mut w = World::acquainted();
    let external = w.open_session();
    w.lan.set_link(LinkState::Down);
    w.run();
    w.lan.set_link(LinkState::Up);
    w.run();
    w.lan.take_sent();
    // Not when the timers of the NAT are due.
    w.advance(450);
    w.wan.arrive(from_gateway(&inbound(external)));
    let mut asked_at = Vec::new();
    for tenth in 0..30 {
        w.run();
        asked_at.extend(asked(&w.lan.take_sent()).iter().map(|_| tenth));
        w.advance(100);
    }
    assert_eq!(asked_at, [0, 10, 20]);
}

#[test]
fn what_is_on_link_is_asked_for_itself_and_the_rest_goes_to_the_gateway() {
    let mut w = World::new();
    w.lan.arrive(to(neighbour(9).1, b"near"));
    w.lan.arrive(to(SERVER, b"far"));
    w.run();
    assert_eq!(asked(&w.wan.take_sent()), [neighbour(9).1, GATEWAY.1]);
}

#[test]
fn without_a_gateway_only_what_is_on_link_is_reached() {
    let mut config = config();
    config.outside.as_mut().unwrap().gateway = None;
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.lan.arrive(to(SERVER, b"far"));
    w.lan.arrive(to(neighbour(9).1, b"near"));
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::NoRoute), 1);
    assert_eq!(asked(&w.wan.take_sent()), [neighbour(9).1]);
}

#[test]
fn one_question_a_second_and_three_in_all_then_the_packet_is_dropped() {
    let mut w = World::new();
    let mut questions = Vec::new();
    for tenth in 0..60 {
        // The host insists, for the first three seconds.
        if tenth < 30 {
            w.lan.arrive(to(SERVER, b"insistent"));
        }
        w.run();
        if !w.wan.take_sent().is_empty() {
            questions.push(tenth);
        }
        w.advance(100);
    }
    assert_eq!(questions, [0, 10, 20]);
    assert_eq!(w.outside_drops(FrameDrop::ArpUnresolved), WAITING as u64);
    assert_eq!(
        w.outside_drops(FrameDrop::ArpPendingReplaced),
        30 - WAITING as u64
    );
    // Nothing is asked for, and nothing waits, any more.
    w.wan.arrive(gateway_answers());
    w.run();
    assert_eq!(w.wan.take_sent().len(), 0);
}

#[test]
fn a_neighbour_that_gave_no_answer_is_asked_again_for_the_next_packet() {
    let mut w = World::new();
    w.lan.arrive(to(SERVER, b"first"));
    w.advance(5_000);
    w.wan.take_sent();
    w.lan.arrive(to(SERVER, b"second"));
    w.run();
    assert_eq!(asked(&w.wan.take_sent()), [GATEWAY.1]);
}

#[test]
fn the_newest_packets_for_a_neighbour_wait_and_leave_in_order() {
    let mut w = World::new();
    let payloads = [b"0", b"1", b"2", b"3", b"4", b"5"];
    for payload in payloads {
        w.lan.arrive(to(SERVER, payload));
    }
    w.run();
    w.wan.take_sent();
    w.wan.arrive(gateway_answers());
    w.run();
    let seen = check_all(&w.wan.take_sent());
    let seen: Vec<_> = seen.iter().map(|seen| &seen.payload[..]).collect();
    assert_eq!(seen, payloads[payloads.len() - WAITING..]);
    assert_eq!(
        w.outside_drops(FrameDrop::ArpPendingReplaced),
        (payloads.len() - WAITING) as u64
    );
}

#[test]
fn packets_for_a_few_neighbours_wait_and_the_one_that_waited_longest_makes_room() {
    let mut w = World::new();
    let neighbours: Vec<_> = (10..).map(neighbour).take(WAITING + 1).collect();
    for neighbour in &neighbours {
        w.lan.arrive(to(neighbour.1, b"hello"));
        w.run();
    }
    w.wan.take_sent();
    assert_eq!(w.outside_drops(FrameDrop::ArpPendingReplaced), 1);
    for neighbour in &neighbours {
        w.wan.arrive(arp_reply(*neighbour, ROUTER_WAN));
    }
    w.run();
    let mut reached: Vec<_> = w
        .wan
        .take_sent()
        .iter()
        .map(|frame| check_frame(frame).1.dst)
        .collect();
    reached.sort();
    assert_eq!(
        reached,
        neighbours[1..]
            .iter()
            .map(|neighbour| neighbour.1)
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_waiting_packet_waits_on_while_its_driver_is_full() {
    let mut w = World::new();
    w.lan.arrive(to(SERVER, b"first"));
    w.run();
    w.wan.take_sent();
    w.wan.make_room(0);
    w.wan.arrive(gateway_answers());
    w.run();
    w.advance(60_000);
    w.wan.make_room(1);
    w.run();
    assert_eq!(check_all(&w.wan.take_sent())[0].payload, b"first");
}

#[test]
fn a_question_that_finds_no_room_is_asked_later_and_the_router_does_not_spin() {
    let mut w = World::new();
    w.lan.arrive(to(SERVER, b"first"));
    w.run();
    w.wan.make_room(0);
    assert_eq!(asked(&w.wan.take_sent()), [GATEWAY.1]);
    w.advance(10_000);
    w.wan.make_room(1);
    w.run();
    assert_eq!(asked(&w.wan.take_sent()), [GATEWAY.1]);
}

#[test]
fn what_a_neighbour_says_is_believed_for_a_minute_then_asked_of_it_alone_without_a_pause() {
    let mut w = World::acquainted();
    w.advance(59_000);
    w.lan.arrive(to(SERVER, b"fresh"));
    w.run();
    assert_eq!(check_all(&w.wan.take_sent())[0].payload, b"fresh");
    w.advance(2_000);
    w.lan.arrive(to(SERVER, b"stale"));
    w.run();
    let sent = w.wan.take_sent();
    assert_eq!(
        check_frame(&sent[0]).1.payload,
        b"stale",
        "used while it is asked"
    );
    let question = as_arp(&sent[1]).unwrap();
    assert_eq!(
        (destination_mac(&sent[1]), question.target_ipv4_addr()),
        (GATEWAY.0, GATEWAY.1)
    );
    w.wan.arrive(gateway_answers());
    w.advance(10_000);
    assert_eq!(w.wan.take_sent().len(), 0, "confirmed");
}

#[test]
fn a_neighbour_that_does_not_confirm_is_forgotten_and_asked_of_all() {
    let mut w = World::acquainted();
    w.advance(61_000);
    w.lan.arrive(to(SERVER, b"stale"));
    w.advance(5_000);
    assert_eq!(w.wan.take_sent().len(), 1 + 3);
    w.lan.arrive(to(SERVER, b"later"));
    w.run();
    assert_eq!(asked(&w.wan.take_sent()), [GATEWAY.1]);
}

/// RFC 5227 section 2.3: who takes over an address announces it to all. The station that had it is
/// asked first.
#[test]
fn a_neighbour_may_move_to_another_station_once_the_one_it_had_is_silent() {
    let mut w = World::acquainted();
    let moved = ([0x02, 0, 0, 0, 9, 9], GATEWAY.1);
    w.advance(1_000);
    w.wan.arrive(arp_request(moved, moved.1));
    w.run();
    let questions = w.wan.take_sent();
    let [question] = &questions[..] else {
        panic!("one question: {questions:02x?}")
    };
    assert_eq!(
        (
            destination_mac(question),
            as_arp(question).unwrap().target_ipv4_addr()
        ),
        (GATEWAY.0, GATEWAY.1),
        "to it alone"
    );
    w.advance(3_000);
    w.wan.take_sent();
    w.lan.arrive(to(SERVER, b"moved"));
    w.run();
    assert_eq!(asked(&w.wan.take_sent()), [GATEWAY.1], "of all");
    w.wan.arrive(arp_reply(moved, ROUTER_WAN));
    w.run();
    assert_eq!(destination_mac(&w.wan.take_sent()[0]), moved.0);
}

#[test]
fn two_addresses_of_one_station_are_two_neighbours() {
    let mut w = World::new();
    let (one, two) = (neighbour(20).1, neighbour(21).1);
    let station = neighbour(20).0;
    for address in [one, two] {
        w.lan.arrive(to(address, b"hello"));
        w.run();
        assert_eq!(asked(&w.wan.take_sent()), [address]);
        w.wan.arrive(arp_reply((station, address), ROUTER_WAN));
        w.run();
        let sent = w.wan.take_sent();
        assert_eq!(
            (destination_mac(&sent[0]), check_frame(&sent[0]).1.dst),
            (station, address)
        );
    }
}

#[test]
fn nothing_false_is_learned() {
    let victim = GATEWAY;
    let liar = [0x02, 0xbad_u16.to_be_bytes()[0], 0, 0, 0, 0xad];
    let reply = |sender: Station| arp(ArpOperation::REPLY, sender, ROUTER_WAN);
    let mut hardware = reply((liar, victim.1));
    hardware[1] = 6;
    let mut protocol = reply((liar, victim.1));
    protocol[3] = 1;
    let mut operation = reply((liar, victim.1));
    operation[7] = 3;
    let rows = [
        ("a broadcast station", reply((BROADCAST, victim.1))),
        (
            "a group of stations",
            reply(([0x03, 0, 0, 0, 0, 1], victim.1)),
        ),
        ("no station", reply(([0; 6], victim.1))),
        ("the router's own station", reply((ROUTER_WAN.0, victim.1))),
        ("another hardware", hardware),
        ("another protocol", protocol),
        ("another operation", operation),
    ];
    for (label, body) in rows {
        let mut w = World::acquainted();
        w.wan
            .arrive(arp_from((liar, victim.1), ROUTER_WAN.0, &body));
        w.run();
        assert_eq!(w.outside_drops(FrameDrop::BadArp), 1, "{label}");
        w.lan.arrive(to(SERVER, b"hello"));
        w.run();
        assert_eq!(destination_mac(&w.wan.take_sent()[0]), GATEWAY.0, "{label}");
    }
}

#[test]
fn addresses_that_no_neighbour_can_have_take_no_place() {
    let beyond = SERVER.octets();
    let inside = HOST.1.octets();
    for address in [
        [198, 51, 100, 0],
        [198, 51, 100, 255],
        [224, 0, 0, 1],
        [255; 4],
        beyond,
        inside,
        [0; 4],
    ] {
        let mut w = World::new();
        for number in (100..).take(NEIGHBOURS) {
            w.wan.arrive(arp_reply(neighbour(number), ROUTER_WAN));
            w.run();
            w.advance(1);
        }
        w.wan.arrive(arp_reply(
            ([0x02, 0, 0, 0, 0, 0x66], address.into()),
            ROUTER_WAN,
        ));
        w.run();
        w.lan.arrive(to(neighbour(100).1, b"hello"));
        w.run();
        let sent = w.wan.take_sent();
        assert_eq!(
            destination_mac(&sent[0]),
            neighbour(100).0,
            "displaced by {address:?}"
        );
    }
}

#[test]
fn a_gateway_outside_the_outside_network_is_a_neighbour() {
    let gateway = ([0x02, 0, 0, 0, 7, 7], Ipv4Addr::new(10, 0, 0, 1));
    let mut config = config();
    config.outside.as_mut().unwrap().gateway = Some(gateway.1);
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.lan.arrive(to(SERVER, b"hello"));
    w.run();
    assert_eq!(asked(&w.wan.take_sent()), [gateway.1]);
    w.wan.arrive(arp_reply(gateway, ROUTER_WAN));
    w.run();
    assert_eq!(destination_mac(&w.wan.take_sent()[0]), gateway.0);
}

#[test]
fn what_others_say_among_themselves_takes_no_place() {
    let mut w = World::new();
    w.wan.arrive(arp_request(neighbour(30), neighbour(31).1));
    w.run();
    w.lan.arrive(to(neighbour(30).1, b"hello"));
    w.run();
    assert_eq!(asked(&w.wan.take_sent()), [neighbour(30).1]);
}

#[test]
fn forwarded_packets_teach_nothing() {
    let mut w = World::acquainted();
    let external = w.open_session();
    let mut spoofed = from_host(&outbound());
    spoofed[6..12].copy_from_slice(&OTHER_HOST.0);
    w.lan.arrive(spoofed);
    w.wan.arrive(from_gateway(&inbound(external)));
    w.run();
    assert_eq!(destination_mac(&w.lan.take_sent()[0]), HOST.0);
}

#[test]
fn a_flood_of_new_neighbours_does_not_displace_those_in_use() {
    let mut w = World::acquainted();
    for number in 100..200 {
        w.wan.arrive(arp_request(neighbour(number), ROUTER_WAN.1));
        w.lan.arrive(to(SERVER, b"hello"));
        w.run();
        w.advance(10);
        let sent = w.wan.take_sent();
        assert!(
            sent.iter().any(|frame| destination_mac(frame) == GATEWAY.0),
            "after {number}"
        );
        assert!(asked(&sent).is_empty(), "after {number}");
    }
}

#[test]
fn a_scan_of_the_outside_network_asks_for_no_more_than_16_neighbours_at_once() {
    let mut w = World::acquainted();
    let mut asked_for = Vec::new();
    for number in 100..=200 {
        w.lan.arrive(to(neighbour(number).1, b"scan"));
        w.run();
        asked_for.extend(asked(&w.wan.take_sent()));
        w.advance(1);
    }
    assert_eq!(asked_for.len(), MAX_UNKNOWN);
    assert_eq!(
        w.outside_drops(FrameDrop::NeighboursFull),
        101 - MAX_UNKNOWN as u64
    );
    w.lan.arrive(to(SERVER, b"hello"));
    w.run();
    assert_eq!(
        check_all(&w.wan.take_sent())[0].payload,
        b"hello",
        "the gateway was not displaced"
    );
}

#[test]
fn a_packet_whose_neighbour_made_room_is_dropped_and_counted() {
    let mut w = World::new();
    w.lan.arrive(to(neighbour(9).1, b"waits"));
    w.run();
    // It answers, but the driver is full for more than a minute, so its packet goes on waiting
    // until others have taken all places.
    w.wan.make_room(0);
    w.wan.arrive(arp_reply(neighbour(9), ROUTER_WAN));
    w.advance(62_000);
    for number in (100..).take(NEIGHBOURS) {
        w.wan.arrive(arp_reply(neighbour(number), ROUTER_WAN));
        w.run();
        w.advance(1);
    }
    w.wan.take_sent();
    assert_eq!(w.outside_drops(FrameDrop::ArpUnresolved), 1);
    w.wan.make_room(10);
    w.run();
    assert_eq!(w.wan.take_sent().len(), 0);
}

/// The ICMP error in a frame for the host: its source, its type and code, and the datagram it
/// quotes.
#[track_caller]
fn unreachable(frame: &[u8], host: Station) -> (Ipv4Addr, (u8, u8), Vec<u8>) {
    let (header, seen) = check_frame(frame);
    assert_eq!((header.destination, seen.dst), (host.0, host.1));
    (seen.src, icmp_kind(frame), seen.payload)
}

/// RFC 1812 section 5.2.7.1, code 1: "the router is unable to deliver it to the destination host
/// because of an ARP failure".
#[test]
fn a_host_gets_an_error_if_the_neighbour_outside_does_not_answer() {
    for quoted in [
        Udp {
            dst: neighbour(200).1,
            ..outbound()
        }
        .build(),
        crate::world::frames::echo_request(HOST.1, neighbour(200).1, 40),
        crate::world::frames::tcp((HOST.1, 5000), (neighbour(200).1, 80), |tcp| tcp.syn = true),
        // As many as can be quoted, and more.
        Udp {
            dst: neighbour(200).1,
            payload: vec![1; 1000],
            ..outbound()
        }
        .build(),
    ] {
        let mut w = World::acquainted();
        w.lan.arrive(crate::world::frames::ipv4_frame(
            ROUTER_LAN.0,
            HOST.0,
            &quoted,
        ));
        w.run();
        w.advance(2_900);
        assert_eq!(
            w.lan.take_sent().len(),
            0,
            "not before the last answer could have come"
        );
        w.advance(200);
        let sent = w.lan.take_sent();
        let [error] = &sent[..] else {
            panic!("one error: {sent:02x?}")
        };
        let (source, kind, quote) = unreachable(error, HOST);
        assert_eq!((source, kind), (ROUTER_LAN.1, (3, 1)));
        assert!(
            quote.len() >= quoted.len().min(548),
            "as much as fits 576 bytes (RFC 1812 section 4.3.2.3)"
        );
        // Its own packet, as it was: addresses, ports or identifier, and payload. The router has
        // passed it on once.
        assert_eq!(quote[ADDRESSES..], quoted[ADDRESSES..quote.len()]);
        assert_eq!(w.outside_drops(FrameDrop::ArpUnresolved), 1);
        assert_eq!(w.wan.take_sent().len(), 3, "the questions alone");
    }
}

/// From one host to another that is not there, by the router's external address: the first gets
/// an error that quotes what it sent.
#[test]
fn a_host_gets_an_error_if_another_inside_host_does_not_answer() {
    let mut w = World::acquainted();
    let absent = Ipv4Addr::new(192, 168, 77, 200);
    let forward = nat_core::PortForward::new(
        nat_core::Protocol::Udp,
        8080,
        core::net::SocketAddrV4::new(absent, 80),
    );
    w.control
        .with_nat(|nat| nat.add_port_forward(forward))
        .unwrap();
    let quoted = Udp {
        dst: ROUTER_WAN.1,
        dst_port: 8080,
        ..outbound()
    }
    .build();
    w.lan.arrive(crate::world::frames::ipv4_frame(
        ROUTER_LAN.0,
        HOST.0,
        &quoted,
    ));
    w.advance(3_100);
    let sent = w.lan.take_sent();
    let errors: Vec<_> = sent
        .iter()
        .filter(|frame| as_arp(frame).is_none())
        .collect();
    assert_eq!(errors.len(), 1);
    let (source, kind, quote) = unreachable(errors[0], HOST);
    assert_eq!((source, kind), (ROUTER_LAN.1, (3, 1)));
    assert_eq!(quote[ADDRESSES..], quoted[ADDRESSES..]);
}

/// Strangers learn nothing, errors are never answered, and a host that scans gets no more errors
/// than its limit.
#[test]
fn packets_that_may_cause_no_error_get_none_about_an_absent_neighbour() {
    // From outside, by a port forward to a host that is not there.
    let mut w = World::acquainted();
    let forward = nat_core::PortForward::new(
        nat_core::Protocol::Udp,
        8080,
        core::net::SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 200), 80),
    );
    w.control
        .with_nat(|nat| nat.add_port_forward(forward))
        .unwrap();
    w.wan.arrive(from_gateway(&inbound(8080)));
    w.advance(3_100);
    assert_eq!(
        (
            w.wan.take_sent().len(),
            w.inside_drops(FrameDrop::ArpUnresolved)
        ),
        (0, 1)
    );

    // Errors inside are off.
    let mut quiet = config();
    quiet.nat.inside_icmp_errors = false;
    let mut w = World::with(quiet, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.introduce();
    w.lan.arrive(to(neighbour(200).1, b"quiet"));
    w.advance(3_100);
    assert_eq!(w.lan.take_sent().len(), 0);

    // Whoever asks for many who are not there gets no more errors than its limit.
    let mut limited = config();
    (
        limited.nat.limits.icmp_error_burst,
        limited.nat.limits.icmp_errors_per_second,
    ) = (2, 1);
    let mut w = World::with(limited, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.introduce();
    for number in 100..104 {
        w.lan.arrive(to(neighbour(number).1, b"scan"));
    }
    w.advance(3_100);
    let errors = w.lan.take_sent().len();
    let withheld = w.control.with_nat(|nat| nat.stats().replies_rate_limited);
    assert_eq!(
        (errors, withheld, w.outside_drops(FrameDrop::ArpUnresolved)),
        (2, 2, 4)
    );
}
