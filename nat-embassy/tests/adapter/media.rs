//! Drivers with and without link headers, with other MTUs, and with checksum offload.

use crate::world::frames::{
    Udp, check_datagram, check_frame, datagram_of, echo_request, ethernet, icmp_kind, icmp_of,
    ipv4_frame, payload_of, set_header,
};
use crate::world::nic::Nic;
use crate::world::*;
use embassy_net_driver::{Checksum, Driver, HardwareAddress, LinkState};
use etherparse::Icmpv4Type;
use etherparse::icmpv4::DestUnreachableHeader;
use nat_embassy::FrameDrop;

fn mtus(lan: Nic, wan: Nic) -> (u16, u16) {
    let w = World::with(config(), lan, wan);
    w.control
        .with_nat(|nat| (nat.config().inside_mtu, nat.config().outside_mtu))
}

fn with_mtu(nic: Nic, mtu: usize) -> Nic {
    nic.script(|script| script.mtu = mtu);
    nic
}

#[test]
fn the_mtu_of_a_driver_counts_the_ethernet_header_and_no_other() {
    assert_eq!(mtus(ethernet_nic(ROUTER_LAN), ip_nic()), (1500, 1500));
    assert_eq!(
        mtus(
            with_mtu(ethernet_nic(ROUTER_LAN), 1014),
            with_mtu(ip_nic(), 1492)
        ),
        (1000, 1492)
    );
    assert_eq!(
        mtus(
            with_mtu(ip_nic(), 9000),
            with_mtu(ethernet_nic(ROUTER_WAN), 9014)
        ),
        (1500, 1500)
    );
}

#[test]
fn a_driver_that_carries_no_ipv4_is_refused() {
    let state = Box::leak(Box::new(nat_embassy::State::<4, 8, 2>::new()));
    let (lan, wan) = (
        with_mtu(ethernet_nic(ROUTER_LAN), 13),
        ethernet_nic(ROUTER_WAN),
    );
    let error = nat_embassy::new(state, config(), SEED, lan, wan)
        .err()
        .expect("refused");
    assert_eq!(
        error.field, "lan",
        "the argument, not a configuration field that was not set"
    );
}

#[test]
fn a_packet_above_the_mtu_of_the_way_out_is_answered_with_that_mtu() {
    let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), with_mtu(ip_nic(), 1400));
    let mut datagram = Udp {
        payload: vec![0; 1400],
        ..outbound()
    }
    .build();
    set_header(&mut datagram, |header| header.dont_fragment = true);
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &datagram));
    w.run();
    let sent = w.lan.take_sent();
    let too_big = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 };
    assert_eq!(
        icmp_of(&sent[0]).icmp_type,
        Icmpv4Type::DestinationUnreachable(too_big)
    );
}

#[test]
fn the_devices_of_the_local_stacks_mirror_their_drivers() {
    let w = World::with(
        config(),
        with_mtu(ethernet_nic(ROUTER_LAN), 1014),
        with_mtu(ip_nic(), 1400),
    );
    assert_eq!(
        w.lan_stack.hardware_address(),
        HardwareAddress::Ethernet(ROUTER_LAN.0)
    );
    assert_eq!(w.wan_stack.hardware_address(), HardwareAddress::Ip);
    assert_eq!(w.lan_stack.capabilities().max_transmission_unit, 1014);
    assert_eq!(w.wan_stack.capabilities().max_transmission_unit, 1400);
}

#[test]
fn the_devices_of_the_local_stacks_offload_nothing_whatever_the_drivers_do() {
    let (lan, wan) = (
        offloading(ethernet_nic(ROUTER_LAN)),
        offloading(ethernet_nic(ROUTER_WAN)),
    );
    let w = World::with(config(), lan, wan);
    for device in [&w.lan_stack, &w.wan_stack] {
        let checksum = device.capabilities().checksum;
        for each in [checksum.ipv4, checksum.udp, checksum.tcp, checksum.icmpv4] {
            assert!(matches!(each, Checksum::Both));
        }
    }
}

#[test]
fn a_hardware_address_that_a_driver_learns_late_is_taken_over() {
    let late = [0x02, 0, 0, 0, 0, 0x55];
    let mut w = World::acquainted();
    w.wan
        .script(|script| script.address = HardwareAddress::Ethernet(late));
    w.open_session_after_poll();
    assert_eq!(
        w.wan_stack.hardware_address(),
        HardwareAddress::Ethernet(late)
    );
}

impl World {
    #[track_caller]
    fn open_session_after_poll(&mut self) {
        self.poll();
        self.run();
        let announced = self.wan.take_sent();
        assert_eq!(
            announced[0][6..12],
            [0x02, 0, 0, 0, 0, 0x55],
            "announced again"
        );
        self.lan.arrive(from_host(&outbound()));
        self.run();
        assert_eq!(self.wan.take_sent()[0][6..12], [0x02, 0, 0, 0, 0, 0x55]);
    }
}

#[test]
fn every_pair_of_media_is_carried_both_ways() {
    for (lan_is_ip, wan_is_ip) in [(false, true), (true, false), (true, true)] {
        let lan = if lan_is_ip {
            ip_nic()
        } else {
            ethernet_nic(ROUTER_LAN)
        };
        let wan = if wan_is_ip {
            ip_nic()
        } else {
            ethernet_nic(ROUTER_WAN)
        };
        let mut w = World::with(config(), lan, wan);
        w.introduce();
        let wrap = |is_ip: bool, frame: Vec<u8>| {
            if is_ip {
                datagram_of(&frame).to_vec()
            } else {
                frame
            }
        };
        let unwrap = |is_ip: bool, frame: &[u8]| {
            if is_ip {
                check_datagram(frame)
            } else {
                check_frame(frame).1
            }
        };
        w.lan.arrive(wrap(lan_is_ip, from_host(&outbound())));
        w.run();
        let sent = w.wan.take_sent();
        let seen = unwrap(wan_is_ip, &sent[0]);
        assert_eq!((seen.src, seen.dst), (ROUTER_WAN.1, SERVER));
        w.wan.arrive(wrap(
            wan_is_ip,
            from_gateway(&inbound(seen.ports.unwrap().0)),
        ));
        w.run();
        let seen = unwrap(lan_is_ip, &w.lan.take_sent()[0]);
        assert_eq!((seen.dst, seen.ports), (HOST.1, Some((53, 5000))));
    }
}

#[test]
fn full_frames_fit_when_the_header_is_added_or_taken_away() {
    let full = Udp {
        payload: vec![1; 1472],
        ..outbound()
    };
    let mut w = World::with(config(), ip_nic(), ethernet_nic(ROUTER_WAN));
    w.introduce();
    w.lan.arrive(full.build());
    w.run();
    assert_eq!(w.wan.take_sent()[0].len(), 1514);
    let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), ip_nic());
    w.lan.arrive(from_host(&full));
    w.run();
    assert_eq!(w.wan.take_sent()[0].len(), 1500);
}

#[test]
fn local_stacks_without_link_headers_send_and_receive() {
    let mut w = World::with(config(), ip_nic(), ip_nic());
    let ping = echo_request(HOST.1, ROUTER_LAN.1, 56);
    w.lan.arrive(ping.clone());
    w.run();
    assert_eq!(World::stack_receives(&mut w.lan_stack), Some(ping));
    let answer = echo_request(ROUTER_LAN.1, HOST.1, 56);
    World::stack_sends(&mut w.lan_stack, &answer);
    World::stack_sends(
        &mut w.wan_stack,
        &Udp {
            src: ROUTER_WAN.1,
            ..outbound()
        }
        .build(),
    );
    w.run();
    assert_eq!(w.lan.take_sent(), [answer]);
    let seen = check_datagram(&w.wan.take_sent()[0]);
    w.wan.arrive(inbound(seen.ports.unwrap().0).build());
    w.run();
    assert_eq!(
        check_datagram(&World::stack_receives(&mut w.wan_stack).unwrap()).ports,
        Some((53, 5000))
    );
}

#[test]
fn no_arp_is_spoken_without_link_headers_and_ipv6_is_counted() {
    let mut w = World::with(config(), ip_nic(), ip_nic());
    w.lan.set_link(LinkState::Down);
    w.run();
    w.lan.set_link(LinkState::Up);
    w.run();
    w.wan.arrive(vec![0x60; 40]);
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::Ipv6), 1);
    assert_eq!(w.lan.take_sent().len() + w.wan.take_sent().len(), 0);
}

/// A driver that computes every checksum, such as that of an Ethernet MAC on a microcontroller.
fn offloading(nic: Nic) -> Nic {
    nic.script(|script| {
        let all = &mut script.checksum;
        all.ipv4 = Checksum::None;
        all.udp = Checksum::None;
        all.tcp = Checksum::None;
        all.icmpv4 = Checksum::None;
    });
    nic
}

fn ping_frame() -> Vec<u8> {
    ipv4_frame(ROUTER_LAN.0, HOST.0, &echo_request(HOST.1, SERVER, 56))
}

#[test]
fn icmp_checksums_are_zero_toward_a_driver_that_inserts_them_and_right_toward_another() {
    for (lan_offloads, wan_offloads) in [(false, true), (true, false)] {
        let lan = if lan_offloads {
            offloading(ethernet_nic(ROUTER_LAN))
        } else {
            ethernet_nic(ROUTER_LAN)
        };
        let wan = if wan_offloads {
            offloading(ethernet_nic(ROUTER_WAN))
        } else {
            ethernet_nic(ROUTER_WAN)
        };
        let mut w = World::with(config(), lan, wan);
        w.introduce();
        w.lan.arrive(ping_frame());
        w.run();
        let mut request = w.wan.take_sent().remove(0);
        assert_eq!(icmp_of(&request).checksum == 0, wan_offloads);
        insert_icmp_checksum(&mut request);
        check_frame(&request);

        // The server echoes: type 0 for 8, addresses turned round.
        let mut reply = datagram_of(&request).to_vec();
        set_header(&mut reply, |header| {
            core::mem::swap(&mut header.source, &mut header.destination);
        });
        reply[ICMP_TYPE] = 0;
        let mut reply = ipv4_frame(ROUTER_WAN.0, GATEWAY.0, &reply);
        insert_icmp_checksum(&mut reply);
        w.wan.arrive(reply);
        w.run();
        let mut reply = w.lan.take_sent().remove(0);
        assert_eq!(icmp_of(&reply).checksum == 0, lan_offloads);
        insert_icmp_checksum(&mut reply);
        assert_eq!(check_frame(&reply).1.dst, HOST.1);
    }
}

/// In a datagram without options.
const ICMP_TYPE: usize = 20;
/// In a frame.
const ICMP_CHECKSUM: core::ops::Range<usize> = 36..38;

/// What the device does: over the message with zero in the place of the checksum.
fn insert_icmp_checksum(frame: &mut [u8]) {
    frame[ICMP_CHECKSUM].fill(0);
    let sum = etherparse::checksum::Sum16BitWords::new()
        .add_slice(payload_of(datagram_of(frame)))
        .ones_complement();
    frame[ICMP_CHECKSUM].copy_from_slice(&sum.to_ne_bytes());
}

#[test]
fn udp_checksums_are_right_toward_either_kind_of_driver() {
    let mut w = World::with(
        config(),
        offloading(ethernet_nic(ROUTER_LAN)),
        offloading(ethernet_nic(ROUTER_WAN)),
    );
    w.introduce();
    let external = w.open_session();
    w.wan.arrive(from_gateway(&inbound(external)));
    w.run();
    check_all(&w.lan.take_sent());
}

#[test]
fn answers_local_frames_and_packets_that_waited_leave_with_a_zero_icmp_checksum_too() {
    let mut config = config();
    config.outside = None;
    let mut w = World::with(
        config,
        offloading(ethernet_nic(ROUTER_LAN)),
        offloading(ethernet_nic(ROUTER_WAN)),
    );
    w.lan.arrive(from_host(&outbound()));
    w.run();
    let error = w.lan.take_sent().remove(0);
    assert_eq!(icmp_kind(&error), (3, 0), "an ICMP error of the router");
    assert_eq!(icmp_of(&error).checksum, 0, "which the device fills in");
    let own = ipv4_frame(
        HOST.0,
        ROUTER_LAN.0,
        &echo_request(ROUTER_LAN.1, HOST.1, 56),
    );
    World::stack_sends(&mut w.lan_stack, &own);
    w.run();
    assert_eq!(w.lan.take_sent()[0][36..38], [0, 0], "of the local stack");

    w.control.set_outside(Some(OUTSIDE));
    w.run();
    w.lan.arrive(ping_frame());
    w.run();
    w.wan.take_sent();
    w.wan.arrive(gateway_answers());
    w.run();
    assert_eq!(w.wan.take_sent()[0][36..38], [0, 0], "after it waited");
}

#[test]
fn fragments_keep_their_icmp_checksum() {
    let mut w = World::with(
        config(),
        offloading(ethernet_nic(ROUTER_LAN)),
        ethernet_nic(ROUTER_WAN),
    );
    // Only the local stack sends fragments at present.
    for flags in [0x20, 0x00] {
        let mut own = ipv4_frame(
            HOST.0,
            ROUTER_LAN.0,
            &echo_request(ROUTER_LAN.1, HOST.1, 56),
        );
        own[20] = flags;
        own[21] = if flags == 0 { 7 } else { 0 };
        World::stack_sends(&mut w.lan_stack, &own);
        w.run();
        assert_eq!(w.lan.take_sent(), [own]);
    }
}

#[test]
fn frames_that_are_not_ipv4_leave_as_they_are() {
    let mut w = World::with(
        config(),
        offloading(ethernet_nic(ROUTER_LAN)),
        ethernet_nic(ROUTER_WAN),
    );
    let looks_like_icmp = echo_request(ROUTER_LAN.1, HOST.1, 56);
    let own = ethernet(
        HOST.0,
        ROUTER_LAN.0,
        etherparse::EtherType(0x88b5),
        &looks_like_icmp,
    );
    World::stack_sends(&mut w.lan_stack, &own);
    w.run();
    assert_eq!(w.lan.take_sent(), [own]);
}

#[test]
fn a_medium_that_carries_no_ip_counts_as_a_dead_link() {
    let wan = Nic::new(HardwareAddress::Ieee802154([0; 8]), 127);
    let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), wan);
    w.lan.arrive(from_host(&outbound()));
    w.wan.arrive(vec![0x45; 60]);
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::LinkDown), 2);
}

/// No neighbour would answer the queries of the packets that wait.
#[test]
fn what_waits_for_a_neighbour_is_dropped_when_the_frames_have_no_link_headers_any_more() {
    let mut w = World::new();
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!(w.waiting(), 1);
    w.wan.set_address(HardwareAddress::Ip);
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::Flushed), 1);
    assert_eq!(w.waiting(), 0);
    w.wan.take_sent();
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!(check_datagrams(&w.wan.take_sent()).len(), 1);
}
