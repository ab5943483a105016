//! Which frames are taken in, what they are counted as, and what reaches the local stacks.

use core::net::Ipv4Addr;

use etherparse::EtherType;

use crate::world::frames::{
    BROADCAST, Mac, Station, Udp, arp_reply, arp_request, as_arp, check_frame, datagram_of,
    echo_reply, echo_request, ethernet, ipv4_frame, set_header, source_mac,
};
use crate::world::*;
use nat_core::Side;
use nat_embassy::{FrameDrop, MAX_FRAME_LEN, Outside};

const STRANGER: Mac = [0x02, 0, 0, 0, 0, 0x77];

#[test]
fn frames_that_are_not_for_the_router_are_dropped_by_reason() {
    let body = outbound().build();
    let rows: [(&str, Vec<u8>, FrameDrop); 11] = [
        (
            "IEEE 802.1Q",
            ethernet(ROUTER_LAN.0, HOST.0, EtherType::VLAN_TAGGED_FRAME, &body),
            FrameDrop::Vlan,
        ),
        (
            "IEEE 802.1ad",
            ethernet(ROUTER_LAN.0, HOST.0, EtherType::PROVIDER_BRIDGING, &body),
            FrameDrop::Vlan,
        ),
        (
            "IPv6",
            ethernet(ROUTER_LAN.0, HOST.0, EtherType::IPV6, &[0x60; 40]),
            FrameDrop::Ipv6,
        ),
        (
            "IEEE 802.3 length",
            ethernet(ROUTER_LAN.0, HOST.0, EtherType(0x0026), &body),
            FrameDrop::OtherEthertype,
        ),
        (
            "another station",
            ipv4_frame(STRANGER, HOST.0, &body),
            FrameDrop::OtherStation,
        ),
        (
            "a group",
            ipv4_frame([0x01, 0, 0x5e, 0, 0, 1], HOST.0, &body),
            FrameDrop::Multicast,
        ),
        (
            "from a group",
            ipv4_frame(ROUTER_LAN.0, BROADCAST, &body),
            FrameDrop::BadSource,
        ),
        (
            "from an all-zero address",
            ipv4_frame(ROUTER_LAN.0, [0; 6], &body),
            FrameDrop::BadSource,
        ),
        (
            "our own",
            ipv4_frame(ROUTER_LAN.0, ROUTER_LAN.0, &body),
            FrameDrop::BadSource,
        ),
        (
            "to all, but to one address",
            ipv4_frame(BROADCAST, HOST.0, &body),
            FrameDrop::LinkBroadcast,
        ),
        (
            "to all, cut short",
            ipv4_frame(BROADCAST, HOST.0, &body[..19]),
            FrameDrop::LinkBroadcast,
        ),
    ];
    for (label, frame, reason) in rows {
        let mut w = World::acquainted();
        let before = w.control.stats();
        w.lan.arrive(frame);
        w.run();
        let after = w.control.stats();
        assert_eq!(after.inside.dropped(reason), 1, "{label}");
        assert_eq!(
            after.inside.dropped_total(),
            before.inside.dropped_total() + 1,
            "{label}"
        );
        assert_eq!(
            w.lan.take_sent().len() + w.wan.take_sent().len(),
            0,
            "{label}"
        );
        assert_eq!(
            w.control.with_nat(|nat| nat.sessions().count()),
            0,
            "{label}"
        );
        assert!(World::stack_receives(&mut w.lan_stack).is_none(), "{label}");
    }
}

/// The same frame with an IEEE 802.1Q tag: `tag` is the priority (3 bits), the drop eligibility (1)
/// and the VLAN id (12).
fn tagged(frame: &[u8], tag: u16) -> Vec<u8> {
    let [high, low] = tag.to_be_bytes();
    [&frame[..12], &[0x81, 0, high, low], &frame[12..]].concat()
}

/// All priorities, and both drop eligibilities, of the VLAN id 0.
const PRIORITIES: [u16; 4] = [0x0000, 0x6000, 0xe000, 0xf000];

#[test]
fn a_priority_tag_changes_nothing_and_what_leaves_has_none() {
    for tag in PRIORITIES {
        let mut w = World::acquainted();
        let external = w.open_session();
        w.lan.arrive(tagged(&from_host(&outbound()), tag));
        w.wan.arrive(tagged(&from_gateway(&inbound(external)), tag));
        w.run();
        let (outward, inward) = (w.wan.take_sent(), w.lan.take_sent());
        assert_eq!(check_all(&outward)[0].payload, outbound().payload);
        assert_eq!(check_all(&inward)[0].payload, inbound(external).payload);

        let probe = [
            arp_request(HOST, ROUTER_LAN.1),
            arp_request(GATEWAY, ROUTER_WAN.1),
        ];
        w.lan.arrive(tagged(&probe[0], tag));
        w.wan.arrive(tagged(&probe[1], tag));
        w.run();
        assert_eq!(
            w.lan.take_sent(),
            [arp_reply(ROUTER_LAN, HOST)],
            "ARP inside"
        );
        assert_eq!(
            w.wan.take_sent(),
            [arp_reply(ROUTER_WAN, GATEWAY)],
            "ARP outside"
        );
    }
}

/// A DHCP client inside asks with a tag, and so does a host that pings the router; its stack sees
/// frames as without.
#[test]
fn the_stacks_of_the_router_get_priority_tagged_frames_without_the_tag() {
    let discover = Udp {
        src: Ipv4Addr::UNSPECIFIED,
        src_port: 68,
        dst: Ipv4Addr::BROADCAST,
        dst_port: 67,
        payload: vec![1; 240],
    };
    let discover = ipv4_frame(BROADCAST, HOST.0, &discover.build());
    let mut w = World::new();
    w.lan.arrive(tagged(&discover, 0xa000));
    w.run();
    assert_eq!(w.stack_frames(), [discover]);
    let reply = arp_reply(HOST, ROUTER_LAN);
    w.lan.arrive(tagged(&reply, 0xa000));
    w.run();
    assert_eq!(w.stack_frames(), [reply]);
}

#[test]
fn frames_of_a_vlan_cut_in_the_tag_or_tagged_twice_are_dropped() {
    let frame = from_host(&outbound());
    let mut rows: Vec<_> = [1, 2, 0xfff, 0x6001, 0x1100]
        .map(|tag| tagged(&frame, tag))
        .into();
    rows.push(tagged(&tagged(&frame, 0), 0));
    rows.push(tagged(&tagged(&frame, 100), 0));
    rows.push(ethernet(
        ROUTER_LAN.0,
        HOST.0,
        EtherType::PROVIDER_BRIDGING,
        &tagged(&frame, 0)[14..],
    ));
    rows.extend((14..16).map(|len| tagged(&frame, 0)[..len].to_vec()));
    for frame in rows {
        let mut w = World::acquainted();
        w.lan.arrive(frame.clone());
        w.run();
        assert_eq!(w.inside_drops(FrameDrop::Vlan), 1, "{frame:02x?}");
        assert_eq!(w.control.stats().inside.dropped_total(), 1);
    }
    for len in 16..18 {
        let mut w = World::acquainted();
        w.lan.arrive(tagged(&frame, 0)[..len].to_vec());
        w.run();
        assert_eq!(
            w.inside_drops(FrameDrop::Runt),
            1,
            "the frame ends in its ethertype, after {len} bytes"
        );
    }
}

/// A tag makes a frame of full size 4 bytes longer than the driver says it carries, and the check
/// sequence 4 more.
#[test]
fn a_tagged_frame_of_full_size_passes_and_one_byte_more_is_a_giant() {
    let full = from_host(&Udp {
        payload: vec![0x5a; 1472],
        ..outbound()
    });
    for (beyond, passes) in [(0, true), (4, true), (5, false)] {
        let mut w = World::acquainted();
        let mut frame = tagged(&full, 0x2000);
        frame.resize(1518 + beyond, 0);
        w.lan.arrive(frame);
        w.run();
        assert_eq!(
            w.wan.take_sent().len(),
            usize::from(passes),
            "{beyond} bytes beyond"
        );
        assert_eq!(
            w.inside_drops(FrameDrop::Giant),
            u64::from(!passes),
            "{beyond} bytes beyond"
        );
    }
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = FrameDrop::ALL
        .iter()
        .map(|reason| reason.as_str())
        .collect();
    assert_eq!(names.len(), FrameDrop::COUNT);
}

#[test]
fn no_length_makes_the_router_panic_and_runts_are_counted() {
    for medium in [ethernet_nic as fn(_) -> _, |_| ip_nic()] {
        let mut w = World::with(config(), medium(ROUTER_LAN), medium(ROUTER_WAN));
        let frame = from_host(&Udp {
            payload: vec![0; 1472],
            ..outbound()
        });
        for len in 0..frame.len() {
            w.lan.arrive(frame[..len].to_vec());
            w.wan.arrive(frame[..len].to_vec());
            w.lan.arrive(frame[14.min(len)..len].to_vec());
            w.run();
        }
    }
    let mut w = World::new();
    for len in 0..14 {
        w.wan.arrive(vec![0x02; len]);
    }
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::Runt), 14);
}

#[test]
fn truncated_arp_is_counted() {
    let mut w = World::new();
    let request = crate::world::frames::arp_request(HOST, ROUTER_LAN.1);
    for len in 14..request.len() {
        w.lan.arrive(request[..len].to_vec());
    }
    w.run();
    assert_eq!(w.inside_drops(FrameDrop::BadArp), 28);
    assert_eq!(w.lan.take_sent().len(), 0);
}

#[test]
fn giants_are_dropped_where_they_do_not_fit() {
    let mut w = World::acquainted();
    // Longer than the driver says it hands up, beyond a check sequence that some leave in place.
    w.lan.arrive(from_host(&Udp {
        payload: vec![0; 1472 + 5],
        ..outbound()
    }));
    w.run();
    assert_eq!(w.inside_drops(FrameDrop::Giant), 1);
    // What is beyond is no check sequence if the datagram goes on there.
    for beyond in 1..=4 {
        w.lan.arrive(from_host(&Udp {
            payload: vec![0; 1472 + beyond],
            ..outbound()
        }));
        w.run();
        assert_eq!(w.inside_drops(FrameDrop::Giant), 1 + beyond as u64);
    }

    let mut frame = from_host(&Udp {
        payload: vec![0; 1472],
        ..outbound()
    });
    frame.extend_from_slice(&[0xfc; 4]);
    w.lan.arrive(frame);
    w.run();
    assert_eq!(
        w.wan.take_sent()[0].len(),
        1514,
        "a check sequence left in place is cut off"
    );
}

#[test]
fn a_jumbo_frame_that_the_local_stack_cannot_take_is_dropped() {
    let lan = ethernet_nic(ROUTER_LAN);
    lan.script(|script| script.mtu = 9014);
    let mut w = World::with(config(), lan, ethernet_nic(ROUTER_WAN));
    w.lan.arrive(from_host(&Udp {
        dst: ROUTER_LAN.1,
        payload: vec![0; 3000],
        ..outbound()
    }));
    w.run();
    assert_eq!(w.inside_drops(FrameDrop::Giant), 1);
    assert_eq!(w.stack_frames(), [arp_reply(HOST, ROUTER_LAN)]);
}

#[test]
fn broadcasts_that_are_for_the_router_reach_its_stack_with_the_header_they_had() {
    let mut w = World::acquainted();
    let discover = Udp {
        src: [0, 0, 0, 0].into(),
        src_port: 68,
        dst: [255; 4].into(),
        dst_port: 67,
        ..outbound()
    };
    let frame = ipv4_frame(BROADCAST, HOST.0, &discover.build());
    w.lan.arrive(frame.clone());
    w.run();
    assert_eq!(World::stack_receives(&mut w.lan_stack), Some(frame));
    assert_eq!(w.control.stats().inside.to_stack, 1);
}

#[test]
fn nothing_is_answered_about_a_frame_to_all() {
    // Echo to the inside broadcast address, TTL 1: whatever the NAT thinks of it, no error goes
    // out.
    let mut w = World::acquainted();
    for destination in [[192, 168, 77, 255], [255; 4], [224, 0, 0, 1]] {
        let mut datagram = echo_request(HOST.1, destination.into(), 8);
        set_header(&mut datagram, |header| header.time_to_live = 1);
        w.lan.arrive(ipv4_frame(BROADCAST, HOST.0, &datagram));
    }
    w.run();
    assert_eq!(w.lan.take_sent().len() + w.wan.take_sent().len(), 0);
}

#[test]
fn a_packet_for_the_directed_broadcast_address_outside_does_not_leave() {
    let mut w = World::acquainted();
    w.lan.arrive(from_host(&Udp {
        dst: [198, 51, 100, 255].into(),
        ..outbound()
    }));
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::DirectedBroadcast), 1);
    assert_eq!(w.wan.take_sent().len(), 0);
}

#[test]
fn what_is_for_the_router_reaches_its_inside_stack_and_its_answer_leaves_as_it_is() {
    let mut w = World::acquainted();
    let frame = ipv4_frame(
        ROUTER_LAN.0,
        HOST.0,
        &echo_request(HOST.1, ROUTER_LAN.1, 56),
    );
    w.lan.arrive(frame.clone());
    w.run();
    assert_eq!(w.stack_frames(), [arp_reply(HOST, ROUTER_LAN), frame]);

    let answer = ipv4_frame(
        HOST.0,
        ROUTER_LAN.0,
        &echo_request(ROUTER_LAN.1, HOST.1, 56),
    );
    assert!(World::stack_sends(&mut w.lan_stack, &answer));
    assert!(w.is_woken(), "the stack's frame wakes the router");
    w.run();
    assert_eq!(w.lan.take_sent(), [answer]);
    let stats = w.control.stats().inside;
    assert_eq!((stats.from_stack, stats.to_stack), (1, 2));
}

#[test]
fn the_inside_stack_is_told_who_a_sender_is_but_not_for_every_datagram() {
    let mut w = World::acquainted();
    let arps = |w: &mut World, station: Station| {
        w.lan.arrive(ipv4_frame(
            ROUTER_LAN.0,
            station.0,
            &echo_request(station.1, ROUTER_LAN.1, 56),
        ));
        w.run();
        w.stack_frames()
            .into_iter()
            .filter(|frame| as_arp(frame).is_some())
            .collect::<Vec<_>>()
    };
    let (host, other) = (
        arp_reply(HOST, ROUTER_LAN),
        arp_reply(OTHER_HOST, ROUTER_LAN),
    );
    assert_eq!(arps(&mut w, HOST), core::slice::from_ref(&host));
    assert!(arps(&mut w, HOST).is_empty());
    assert_eq!(arps(&mut w, OTHER_HOST), [other]);
    assert_eq!(arps(&mut w, HOST), core::slice::from_ref(&host));
    w.advance(1000);
    assert_eq!(arps(&mut w, HOST), [host]);
}

#[test]
fn nothing_unsolicited_from_outside_reaches_a_stack() {
    let mut w = World::acquainted();
    w.wan.arrive(from_gateway(&inbound(4000)));
    w.wan.arrive(ipv4_frame(
        ROUTER_WAN.0,
        GATEWAY.0,
        &echo_request(SERVER, ROUTER_WAN.1, 56),
    ));
    w.run();
    assert!(World::stack_receives(&mut w.wan_stack).is_none());
    assert_eq!(w.wan.take_sent().len() + w.lan.take_sent().len(), 0);
}

/// RFC 5508 REQ-10a: pings to the external address, opt-in.
#[test]
fn a_ping_from_outside_reaches_the_outside_stack_where_configured_and_its_answer_leaves() {
    let mut config = config();
    config.nat.outside_ping = true;
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.introduce();
    let ping = ipv4_frame(
        ROUTER_WAN.0,
        GATEWAY.0,
        &echo_request(SERVER, ROUTER_WAN.1, 56),
    );
    w.wan.arrive(ping.clone());
    w.run();
    let frames: Vec<_> = core::iter::from_fn(|| World::stack_receives(&mut w.wan_stack)).collect();
    assert_eq!(frames.last(), Some(&ping));
    assert!(
        frames
            .iter()
            .all(|frame| *frame == ping || as_arp(frame).is_some())
    );

    let answer = ipv4_frame(
        GATEWAY.0,
        ROUTER_WAN.0,
        &echo_reply(ROUTER_WAN.1, SERVER, 56),
    );
    assert!(World::stack_sends(&mut w.wan_stack, &answer));
    w.run();
    let sent = w.wan.take_sent();
    let [sent] = &sent[..] else {
        panic!("one frame: {sent:?}")
    };
    let (header, seen) = check_frame(sent);
    assert_eq!(
        (header.source, header.destination),
        (ROUTER_WAN.0, GATEWAY.0)
    );
    assert_eq!((seen.src, seen.dst), (ROUTER_WAN.1, SERVER));
    assert_eq!(
        sent[14 + 20..],
        answer[14 + 20..],
        "the message is the stack's"
    );
    assert_eq!(w.lan.take_sent().len(), 0);
}

#[test]
fn the_outside_stack_is_translated_like_a_host_and_gets_its_answers() {
    let mut w = World::acquainted();
    let query = Udp {
        src: ROUTER_WAN.1,
        src_port: 40_000,
        ..outbound()
    };
    // Whatever station the stack takes the gateway for.
    assert!(World::stack_sends(
        &mut w.wan_stack,
        &ipv4_frame(ROUTER_WAN.0, ROUTER_WAN.0, &query.build())
    ));
    w.run();
    let sent = w.wan.take_sent();
    let (header, seen) = check_frame(&sent[0]);
    assert_eq!(
        (header.source, header.destination, seen.src),
        (ROUTER_WAN.0, GATEWAY.0, ROUTER_WAN.1)
    );

    w.wan.arrive(from_gateway(&inbound(seen.ports.unwrap().0)));
    w.run();
    let frame = World::stack_receives(&mut w.wan_stack).expect("the answer");
    let (header, seen) = check_frame(&frame);
    assert_eq!(
        (header.source, header.destination),
        (GATEWAY.0, ROUTER_WAN.0)
    );
    assert_eq!(seen.ports, Some((53, 40_000)));
}

#[test]
fn the_outside_stack_sends_nothing_but_ipv4() {
    let mut w = World::acquainted();
    let rows = [
        (EtherType::IPV6, FrameDrop::Ipv6),
        (EtherType(0x88cc), FrameDrop::OtherEthertype),
    ];
    for (ethertype, reason) in rows {
        World::stack_sends(
            &mut w.wan_stack,
            &ethernet(GATEWAY.0, ROUTER_WAN.0, ethertype, &[0x60; 40]),
        );
        w.run();
        assert_eq!(w.outside_drops(reason), 1);
    }
    World::stack_sends(&mut w.wan_stack, &[0; 13]);
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::Runt), 1);
    assert_eq!(w.wan.take_sent().len(), 0);
}

/// The stack may take any address for a neighbour: the router answers for it, and knows the way.
#[test]
fn arp_requests_of_the_outside_stack_are_answered_at_once_and_not_sent() {
    let mut w = World::new();
    for address in [GATEWAY.1, ROUTER_WAN.1, SERVER] {
        World::stack_sends(
            &mut w.wan_stack,
            &crate::world::frames::arp_request(ROUTER_WAN, address),
        );
        w.run();
        let expected = crate::world::frames::arp_reply((ROUTER_WAN.0, address), ROUTER_WAN);
        assert_eq!(
            World::stack_receives(&mut w.wan_stack),
            Some(expected),
            "{address}"
        );
        World::stack_sends(
            &mut w.wan_stack,
            &crate::world::frames::arp_reply(ROUTER_WAN, GATEWAY),
        );
        w.run();
        assert_eq!(w.wan.take_sent().len(), 0);
    }
}

/// A /32 with the gateway in no network of ours, as hosters and mobile networks have it.
#[test]
fn the_outside_stack_reaches_the_outside_by_a_gateway_off_its_network() {
    let mut config = config();
    let gateway = ([0x02, 0, 0, 0, 0, 0x33], Ipv4Addr::new(203, 0, 113, 1));
    let address = nat_core::Cidr::new(ROUTER_WAN.1, 32).unwrap();
    config.outside = Some(Outside {
        address,
        gateway: Some(gateway.1),
    });
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.run();
    w.wan.take_sent();
    let query = Udp {
        src: ROUTER_WAN.1,
        src_port: 40_000,
        ..outbound()
    };
    assert!(World::stack_sends(
        &mut w.wan_stack,
        &ipv4_frame(ROUTER_WAN.0, ROUTER_WAN.0, &query.build())
    ));
    w.run();
    assert_eq!(
        w.wan.take_sent(),
        [crate::world::frames::arp_request(ROUTER_WAN, gateway.1)]
    );
    w.wan
        .arrive(crate::world::frames::arp_reply(gateway, ROUTER_WAN));
    w.run();
    let sent = w.wan.take_sent();
    let [sent] = &sent[..] else {
        panic!("the datagram that waited: {sent:?}")
    };
    let (header, seen) = check_frame(sent);
    assert_eq!(
        (header.destination, seen.src, seen.dst),
        (gateway.0, ROUTER_WAN.1, SERVER)
    );
}

/// Before it answers a ping, the stack knows how: the first answer is not lost.
#[test]
fn the_outside_stack_knows_the_gateway_before_it_gets_a_ping() {
    for (gateway, hop) in [
        (GATEWAY.1, GATEWAY.1),
        (Ipv4Addr::new(203, 0, 113, 1), ROUTER_WAN.1),
    ] {
        let mut config = config();
        config.nat.outside_ping = true;
        config.outside = Some(Outside {
            gateway: Some(gateway),
            ..OUTSIDE
        });
        let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
        w.wan.arrive(ipv4_frame(
            ROUTER_WAN.0,
            GATEWAY.0,
            &echo_request(SERVER, ROUTER_WAN.1, 56),
        ));
        w.run();
        let answer = World::stack_receives(&mut w.wan_stack).expect("a neighbour");
        assert_eq!(
            answer,
            crate::world::frames::arp_reply((ROUTER_WAN.0, hop), ROUTER_WAN)
        );
        World::stack_receives(&mut w.wan_stack).expect("the ping");
    }
}

/// Some switches and relays send to all stations what is for the address that is offered.
#[test]
fn what_a_dhcp_server_says_reaches_the_stack_whomever_it_is_sent_to() {
    let mut config = config();
    config.outside = None;
    config.nat.dhcp_client = true;
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    let offered = Ipv4Addr::new(198, 51, 100, 60);
    for (station, address) in [
        (BROADCAST, offered),
        (ROUTER_WAN.0, offered),
        (ROUTER_WAN.0, [255; 4].into()),
    ] {
        let offer = Udp {
            src: GATEWAY.1,
            src_port: 1067,
            dst: address,
            dst_port: 68,
            ..inbound(0)
        };
        w.wan.arrive(ipv4_frame(station, GATEWAY.0, &offer.build()));
        w.run();
        let frame = World::stack_receives(&mut w.wan_stack).expect("the offer");
        let (header, seen) = check_frame(&frame);
        assert_eq!(
            (header.destination, seen.dst),
            (station, Ipv4Addr::BROADCAST),
            "the stack has no address yet"
        );
    }
    let other = Udp {
        src: GATEWAY.1,
        src_port: 67,
        dst: offered,
        dst_port: 69,
        ..inbound(0)
    };
    w.wan
        .arrive(ipv4_frame(BROADCAST, GATEWAY.0, &other.build()));
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::LinkBroadcast), 1);
}

#[test]
fn a_dhcp_client_outside_works_before_there_is_an_address() {
    let mut config = config();
    config.outside = None;
    config.nat.dhcp_client = true;
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    let discover = Udp {
        src: [0, 0, 0, 0].into(),
        src_port: 68,
        dst: [255; 4].into(),
        dst_port: 67,
        ..outbound()
    };
    let frame = ipv4_frame(BROADCAST, ROUTER_WAN.0, &discover.build());
    World::stack_sends(&mut w.wan_stack, &frame);
    w.run();
    assert_eq!(w.wan.take_sent(), [frame]);

    let offer = Udp {
        src: GATEWAY.1,
        src_port: 67,
        dst: [255; 4].into(),
        dst_port: 68,
        ..outbound()
    };
    let offers = [BROADCAST, ROUTER_WAN.0].map(|to| ipv4_frame(to, GATEWAY.0, &offer.build()));
    for offer in &offers {
        w.wan.arrive(offer.clone());
    }
    w.run();
    assert_eq!(
        World::stack_receives(&mut w.wan_stack).as_ref(),
        Some(&offers[0])
    );
    assert_eq!(
        World::stack_receives(&mut w.wan_stack).as_ref(),
        Some(&offers[1])
    );
}

/// RFC 2131 section 4.1: of a client that starts over each second, since its requests are refused,
/// two DISCOVERs leave and then one in 64 s. The others are counted, and what is no DISCOVER leaves
/// meanwhile.
#[test]
fn a_dhcp_client_that_starts_over_at_once_is_slowed_down() {
    let mut config = config();
    config.outside = None;
    config.nat.dhcp_client = true;
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    let message = |kind: u8| {
        let mut payload = vec![0; 236];
        payload.extend([99, 130, 83, 99, 53, 1, kind, 255]);
        let message = Udp {
            src: [0, 0, 0, 0].into(),
            src_port: 68,
            dst: [255; 4].into(),
            dst_port: 67,
            ..outbound()
        };
        ipv4_frame(BROADCAST, ROUTER_WAN.0, &Udp { payload, ..message }.build())
    };
    let mut left = Vec::new();
    for second in 0..70 {
        World::stack_sends(&mut w.wan_stack, &message(1));
        w.run();
        if w.wan.take_sent() == [message(1)] {
            left.push(second);
        }
        World::stack_sends(&mut w.wan_stack, &message(3));
        w.run();
        assert_eq!(w.wan.take_sent(), [message(3)], "a request is no discover");
        w.advance(1000);
    }
    assert_eq!(left, [0, 1, 65]);
    assert_eq!(
        w.outside_drops(FrameDrop::DiscoverTooSoon),
        70 - left.len() as u64
    );
}

#[test]
fn a_stack_that_does_not_keep_up_loses_frames_and_delays_no_other_traffic() {
    let mut w = World::acquainted();
    for _ in 0..10 {
        w.lan.arrive(from_host(&Udp {
            dst: ROUTER_LAN.1,
            ..outbound()
        }));
    }
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!(
        w.inside_drops(FrameDrop::LocalQueueFull),
        7,
        "one place is for the sender's introduction"
    );
    assert_eq!(w.wan.take_sent().len(), 1);
    assert_eq!(w.stack_frames().len(), 4);
}

#[test]
fn a_stack_gets_time_before_its_queue_is_overrun() {
    let mut w = World::acquainted();
    for _ in 0..40 {
        w.lan.arrive(from_host(&Udp {
            dst: ROUTER_LAN.1,
            ..outbound()
        }));
    }
    let mut received = 0;
    while w.is_woken() {
        w.poll();
        received += w
            .stack_frames()
            .iter()
            .filter(|frame| as_arp(frame).is_none())
            .count();
    }
    assert_eq!(
        (received, w.inside_drops(FrameDrop::LocalQueueFull)),
        (40, 0)
    );
}

#[test]
fn every_frame_is_counted_once() {
    let mut w = World::acquainted();
    w.open_session();
    let stats = w.control.stats();
    assert_eq!((stats.inside.received, stats.outside.received), (2, 1));
    // The announcement of its address, the answer to the host's question.
    assert_eq!(stats.side(Side::Inside).sent, 2);
    assert_eq!(stats.side(Side::Outside).sent, 3);
    assert_eq!(
        stats.inside.dropped_total() + stats.outside.dropped_total(),
        0
    );
    assert_eq!(MAX_FRAME_LEN, 1514);
}

/// What the echo reply in these frames for the host says, put together: its source and its payload.
#[track_caller]
fn echoed(frames: &[Vec<u8>]) -> (Ipv4Addr, Vec<u8>) {
    use etherparse::{Icmpv4Header, Icmpv4Type, Ipv4Header};
    let mut whole = Vec::new();
    let mut source = Ipv4Addr::UNSPECIFIED;
    for frame in frames {
        assert_eq!(
            (destination_mac(frame), source_mac(frame)),
            (HOST.0, ROUTER_LAN.0)
        );
        let (ip, payload) = Ipv4Header::from_slice(datagram_of(frame)).expect("IPv4");
        assert_eq!(ip.header_checksum, ip.calc_header_checksum());
        assert_eq!(
            (Ipv4Addr::from(ip.destination), ip.time_to_live),
            (HOST.1, 64)
        );
        source = ip.source.into();
        let at = usize::from(ip.fragment_offset.value()) * 8;
        let payload = &payload[..usize::from(ip.payload_len().expect("a length"))];
        whole.resize(whole.len().max(at + payload.len()), 0);
        whole[at..at + payload.len()].copy_from_slice(payload);
    }
    let (icmp, payload) = Icmpv4Header::from_slice(&whole).expect("ICMP");
    assert!(matches!(icmp.icmp_type, Icmpv4Type::EchoReply(echo) if (echo.id, echo.seq) == (7, 1)));
    assert_eq!(
        icmp.checksum,
        icmp.icmp_type.calc_checksum(payload),
        "ICMP checksum"
    );
    (source, payload.to_vec())
}

/// RFC 1122 section 3.2.2.6: "data received in an ICMP Echo Request MUST be entirely included in
/// the resulting Echo Reply".
#[test]
fn pings_in_fragments_are_answered_in_any_order() {
    for (len, reverse) in [
        (2_000, false),
        (2_000, true),
        (8_000, true),
        (60_000, false),
    ] {
        let mut w = World::acquainted();
        let mut pieces = frames::fragments(&echo_request(HOST.1, ROUTER_LAN.1, len), 1480);
        if reverse {
            pieces.reverse();
        }
        let count = pieces.len();
        for piece in pieces {
            w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &piece));
        }
        w.run();
        let sent = w.lan.take_sent();
        assert_eq!(sent.len(), count);
        assert_eq!(echoed(&sent), (ROUTER_LAN.1, vec![0x5a; len]));
        assert_eq!(w.control.stats().inside.dropped_total(), 0);
        assert!(w.stack_frames().is_empty());
    }
}

#[test]
fn fragments_of_other_icmp_or_of_pings_to_all_or_where_pings_are_refused_are_not_answered() {
    let ping = |to| frames::fragments(&echo_request(HOST.1, to, 2_000), 1480);
    let mut w = World::acquainted();
    let mut no_ping = frames::fragments(&echo_reply(HOST.1, ROUTER_LAN.1, 2_000), 1480);
    no_ping.truncate(1);
    for piece in no_ping
        .into_iter()
        .chain(ping(Ipv4Addr::new(192, 168, 77, 255)))
    {
        w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &piece));
    }
    w.run();
    assert_eq!(w.lan.take_sent().len(), 0);

    let mut deaf = config();
    deaf.nat.inside_ping = false;
    let mut w = World::with(deaf, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.introduce();
    for piece in ping(ROUTER_LAN.1) {
        w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &piece));
    }
    w.run();
    assert_eq!(w.lan.take_sent().len(), 0);
}

/// RFC 1812 section 4.3.3.6, from either side: an address that answers outside also answers inside.
#[test]
fn an_external_address_that_answers_pings_answers_hosts_inside() {
    for outside_ping in [false, true] {
        let mut config = config();
        config.nat.outside_ping = outside_ping;
        let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
        w.introduce();
        let mut last_hop = echo_request(HOST.1, ROUTER_WAN.1, 56);
        last_hop[8] = 1;
        let sum = etherparse::Ipv4Header::from_slice(&last_hop)
            .expect("IPv4")
            .0
            .calc_header_checksum();
        last_hop[10..12].copy_from_slice(&sum.to_be_bytes());
        for ping in [echo_request(HOST.1, ROUTER_WAN.1, 1_400), last_hop] {
            w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &ping));
            w.run();
            let sent = w.lan.take_sent();
            assert_eq!(sent.len(), usize::from(outside_ping));
            if outside_ping {
                assert_eq!(echoed(&sent), (ROUTER_WAN.1, vec![0x5a; ping.len() - 28]));
            }
        }
        assert_eq!(
            (
                w.wan.take_sent().len(),
                World::stack_receives(&mut w.wan_stack)
            ),
            (0, None)
        );
    }
}
