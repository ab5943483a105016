//! The outside address changes, is lost and comes back, while flows go on.

use core::net::Ipv4Addr;
use core::pin::pin;
use core::task::{Context, Waker};

use crate::world::frames::{
    Udp, arp_reply, as_arp, check_frame, datagram_of, echo_request, fragments, ipv4_frame,
    payload_of, source_of, tcp,
};
use crate::world::nic::Nic;
use crate::world::random::Random;
use crate::world::*;
use embassy_net::{ConfigV4, Stack, StackResources, StaticConfigV4};
use nat_core::DropReason;
use nat_embassy::{FrameDrop, Outside};

const OLD: Ipv4Addr = ROUTER_WAN.1;
const NEW: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 200);

fn lease(address: Ipv4Addr) -> Option<Outside> {
    Some(Outside {
        address: cidr(address),
        ..OUTSIDE
    })
}

/// Puts a lease in force, and introduces the gateway, whom that makes the router forget.
fn change(w: &mut World, outside: Option<Outside>) {
    w.control.set_outside(outside);
    w.run();
    w.wan.take_sent();
    if let Some(outside) = outside {
        w.wan.arrive(arp_reply(
            GATEWAY,
            (ROUTER_WAN.0, outside.address.address()),
        ));
        w.run();
    }
    w.wan.take_sent();
    while World::stack_receives(&mut w.wan_stack).is_some() {}
}

fn syn() -> Vec<u8> {
    tcp((HOST.1, 6000), (SERVER, 80), |header| header.syn = true)
}

fn ack() -> Vec<u8> {
    tcp((HOST.1, 6000), (SERVER, 80), |header| {
        (
            header.ack,
            header.sequence_number,
            header.acknowledgment_number,
        ) = (true, 1001, 5001);
    })
}

/// A TCP connection of the host to the server: its external port.
#[track_caller]
fn connect(w: &mut World) -> u16 {
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &syn()));
    w.run();
    let external = check_all(&w.wan.take_sent())[0].ports.expect("TCP").0;
    let accept = tcp((SERVER, 80), (OLD, external), |header| {
        (
            header.syn,
            header.ack,
            header.sequence_number,
            header.acknowledgment_number,
        ) = (true, true, 5000, 1001);
    });
    w.wan.arrive(ipv4_frame(ROUTER_WAN.0, GATEWAY.0, &accept));
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &ack()));
    w.run();
    assert_eq!(
        (w.lan.take_sent().len(), w.wan.take_sent().len()),
        (1, 1),
        "it is open"
    );
    external
}

#[test]
fn flows_of_the_old_address_end_and_new_ones_use_the_new_address() {
    let mut w = World::acquainted();
    let (udp, connection) = (w.open_session(), connect(&mut w));
    change(&mut w, lease(NEW));

    // What still comes for the old address ends here.
    let data = tcp((SERVER, 80), (OLD, connection), |header| header.ack = true);
    w.wan.arrive(from_gateway(&inbound(udp)));
    w.wan.arrive(ipv4_frame(ROUTER_WAN.0, GATEWAY.0, &data));
    // And so it does under the new one: the ports that were open are not any more.
    w.wan.arrive(from_gateway(&Udp {
        dst: NEW,
        ..inbound(udp)
    }));
    w.run();
    assert_eq!((w.lan.take_sent().len(), w.wan.take_sent().len()), (0, 0));
    let dropped = |reason| w.control.with_nat(|nat| nat.stats().dropped(reason));
    assert_eq!(
        (
            dropped(DropReason::NotForUs),
            dropped(DropReason::NoMapping)
        ),
        (2, 1)
    );

    // The host's connection has ended, and the host gets a RST.
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &ack()));
    w.run();
    let sent = w.lan.take_sent();
    let (header, _) =
        etherparse::TcpHeader::from_slice(payload_of(datagram_of(&sent[0]))).expect("a segment");
    assert!(
        header.rst && w.wan.take_sent().is_empty(),
        "RST, and nothing outside"
    );

    // New flows, and those of UDP that go on, leave from the new address and get their answers.
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &syn()));
    w.lan.arrive(from_host(&outbound()));
    w.run();
    let seen = check_all(&w.wan.take_sent());
    assert_eq!(
        seen.iter().map(|seen| seen.src).collect::<Vec<_>>(),
        [NEW, NEW]
    );
    w.wan.arrive(from_gateway(&Udp {
        dst: NEW,
        ..inbound(seen[1].ports.unwrap().0)
    }));
    w.run();
    assert_eq!(check_all(&w.lan.take_sent())[0].dst, HOST.1);
}

#[test]
fn with_the_address_gone_nothing_leaves_and_nothing_comes_in_until_there_is_one_again() {
    let mut w = World::acquainted();
    let udp = w.open_session();
    change(&mut w, None);
    for _ in 0..10 {
        w.wan.arrive(from_gateway(&inbound(udp)));
        w.wan.arrive(frames::arp_request(GATEWAY, OLD));
        w.lan.arrive(from_host(&outbound()));
        w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &syn()));
        w.lan.arrive(ipv4_frame(
            ROUTER_LAN.0,
            HOST.0,
            &echo_request(HOST.1, SERVER, 8),
        ));
        let own = Udp {
            src: OLD,
            src_port: 999,
            ..outbound()
        };
        World::stack_sends(
            &mut w.wan_stack,
            &ipv4_frame(GATEWAY.0, ROUTER_WAN.0, &own.build()),
        );
        w.advance(1_000);
        assert_eq!(w.wan.take_sent(), Vec::<Vec<u8>>::new());
        let sent = w.lan.take_sent();
        assert!(
            sent.iter()
                .all(|frame| check_frame(frame).1.src == ROUTER_LAN.1),
            "by the router alone"
        );
    }
    change(&mut w, lease(NEW));
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!(source_of(&w.wan.take_sent()[0]), NEW);
}

/// A datagram that leaves in pieces does not go on from an address that is the router's no longer.
#[test]
fn pieces_that_have_not_left_when_the_address_changes_never_do() {
    for outside in [None, lease(NEW)] {
        let wan = ethernet_nic(ROUTER_WAN);
        wan.script(|script| script.mtu = 590);
        let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), wan);
        w.introduce();
        let big = Udp {
            payload: vec![5; 1400],
            ..outbound()
        }
        .build();
        w.wan.make_room(1);
        w.lan
            .arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &fragments(&big, 2000)[0]));
        w.run();
        assert_eq!(w.wan.take_sent().len(), 1, "the first piece");
        w.control.set_outside(outside);
        w.wan.make_room(usize::MAX);
        w.run();
        w.wan.arrive(arp_reply(GATEWAY, (ROUTER_WAN.0, NEW)));
        w.advance(100);
        let late = w
            .wan
            .take_sent()
            .iter()
            .filter(|frame| source_of(frame) == OLD)
            .count();
        assert_eq!(late, 0, "with {outside:?}");
        assert_eq!(w.outside_drops(FrameDrop::Flushed), 1);
    }
}

#[test]
fn fragments_do_not_follow_a_first_that_left_from_the_old_address() {
    let mut w = World::acquainted();
    let big = Udp {
        payload: vec![5; 1400],
        ..outbound()
    }
    .build();
    let pieces = fragments(&big, 480);
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &pieces[0]));
    w.run();
    assert_eq!(w.wan.take_sent().len(), 1);
    change(&mut w, lease(NEW));
    for piece in &pieces[1..] {
        w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, piece));
    }
    w.advance(5_000);
    assert_eq!(w.wan.take_sent().len(), 0);
}

#[test]
fn what_the_outside_stack_has_queued_under_the_old_address_does_not_leave() {
    let mut w = World::acquainted();
    let own = Udp {
        src: OLD,
        src_port: 999,
        ..outbound()
    };
    let frame = ipv4_frame(GATEWAY.0, ROUTER_WAN.0, &own.build());
    assert!(World::stack_sends(&mut w.wan_stack, &frame));
    w.run();
    assert_eq!(source_of(&w.wan.take_sent()[0]), OLD);
    w.wan.make_room(0);
    for _ in 0..2 {
        assert!(World::stack_sends(&mut w.wan_stack, &frame));
    }
    w.run();
    w.control.set_outside(lease(NEW));
    w.wan.make_room(usize::MAX);
    w.run();
    let sent = w.wan.take_sent();
    assert!(
        sent.iter().all(|frame| source_of(frame) == NEW),
        "{sent:02x?}"
    );
    assert_eq!(
        w.control
            .with_nat(|nat| nat.stats().dropped(DropReason::SpoofedSource)),
        2
    );
}

/// A world whose outside follows the configuration of a stack, which is set by hand.
struct Followed<F> {
    w: World,
    stack: Stack<'static>,
    look: F,
}

impl<F: FnMut()> Followed<F> {
    fn set(&mut self, address: Option<Ipv4Addr>) {
        self.stack.set_config_v4(match address {
            Some(address) => ConfigV4::Static(StaticConfigV4 {
                address: embassy_net::Ipv4Cidr::new(address, 24),
                gateway: Some(GATEWAY.1),
                dns_servers: Default::default(),
            }),
            None => ConfigV4::None,
        });
        (self.look)();
        self.w.run();
    }
}

/// Has the outside of `w` follow a stack that has its address.
fn follow(mut w: World) -> Followed<impl FnMut()> {
    // The world stays whole: it gets the device of another router.
    let device = core::mem::replace(&mut w.wan_stack, World::new().wan_stack);
    let resources = Box::leak(Box::new(StackResources::<2>::new()));
    let (stack, _runner) = embassy_net::new(device, embassy_net::Config::default(), resources, 1);
    let control = w.control;
    let mut follow = Box::pin(async move { control.follow(stack).await });
    let look = move || {
        // A look every 100 ms.
        std::thread::sleep(core::time::Duration::from_millis(110));
        assert!(
            pin!(&mut follow)
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    };
    let mut followed = Followed { w, stack, look };
    followed.set(Some(OLD));
    followed
}

/// The sessions are suspended while the lease is gone for less than a minute, and go on if it comes
/// back.
#[test]
fn a_lease_that_is_lost_for_a_moment_suspends_the_flows_and_nothing_leaves_meanwhile() {
    for wan in [ethernet_nic(ROUTER_WAN), ip_nic()] {
        let is_ip = wan.script(|script| script.mtu) == 1500;
        let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), wan);
        w.lan.arrive(frames::arp_request(HOST, ROUTER_LAN.1));
        w.wan
            .arrive(if is_ip { Vec::new() } else { gateway_answers() });
        w.run();
        w.lan.take_sent();
        let mut followed = follow(w);
        let (wrap, cut) = if is_ip { (14, 0) } else { (0, 14) };
        let port_of = |sent: &[Vec<u8>]| {
            frames::check_datagram(&sent[0][cut..])
                .ports
                .expect("UDP")
                .0
        };
        followed.w.lan.arrive(from_host(&outbound()));
        followed.w.run();
        let external = port_of(&followed.w.wan.take_sent());

        followed.set(None);
        assert_eq!(followed.w.control.outside(), None);
        for _ in 0..5 {
            followed.w.lan.arrive(from_host(&outbound()));
            followed.w.lan.arrive(from_host(&Udp {
                src_port: 5001,
                ..outbound()
            }));
            followed.w.advance(100);
        }
        let sent = followed.w.wan.take_sent();
        assert_eq!(sent, Vec::<Vec<u8>>::new(), "without link headers: {is_ip}");
        assert_eq!(followed.w.outside_drops(FrameDrop::NoRoute), 10);

        followed.set(Some(OLD));
        if !is_ip {
            followed.w.wan.arrive(gateway_answers());
            followed.w.run();
        }
        followed.w.wan.take_sent();
        followed.w.lan.arrive(from_host(&outbound()));
        followed.w.run();
        assert_eq!(
            port_of(&followed.w.wan.take_sent()),
            external,
            "the same session"
        );
        followed
            .w
            .wan
            .arrive(from_gateway(&inbound(external))[wrap..].to_vec());
        followed.w.run();
        assert_eq!(check_all(&followed.w.lan.take_sent()).len(), 1);
    }
}

#[test]
fn what_the_outside_stack_has_queued_does_not_leave_while_the_lease_is_lost() {
    let mut w = World::acquainted();
    let own = Udp {
        src: OLD,
        src_port: 999,
        ..outbound()
    };
    let frame = ipv4_frame(GATEWAY.0, ROUTER_WAN.0, &own.build());
    assert!(World::stack_sends(&mut w.wan_stack, &frame));
    w.run();
    assert_eq!(source_of(&w.wan.take_sent()[0]), OLD);
    w.wan.make_room(0);
    assert!(World::stack_sends(&mut w.wan_stack, &frame));
    w.run();
    let mut followed = follow(w);
    followed.set(None);
    followed.w.wan.make_room(usize::MAX);
    followed.w.run();
    assert_eq!(followed.w.wan.take_sent(), Vec::<Vec<u8>>::new());
    assert_eq!(followed.w.outside_drops(FrameDrop::NoRoute), 1);
}

/// One of the host's packets: of three protocols, whole, in fragments, and too large for the way
/// out.
fn any_packet(random: &mut Random) -> Vec<u8> {
    let src_port = 5000 + random.below(20) as u16;
    let udp = Udp {
        src_port,
        payload: vec![3; random.choose(&[5, 500, 1400])],
        ..outbound()
    }
    .build();
    match random.below(5) {
        0 => syn(),
        1 => echo_request(HOST.1, SERVER, 56),
        2 => fragments(&udp, 2000).remove(0),
        3 => random.choose(&fragments(&udp, 480)),
        _ => udp,
    }
}

fn disturb(random: &mut Random, wan: &Nic) {
    match random.below(6) {
        0 => wan.make_room(random.choose(&[0, 1, 2])),
        1 => wan.make_room(usize::MAX),
        2 => wan.arrive(arp_reply(
            GATEWAY,
            (ROUTER_WAN.0, random.choose(&[OLD, NEW])),
        )),
        _ => (),
    }
}

#[test]
fn whenever_the_address_changes_nothing_leaves_from_one_that_is_not_in_force() {
    for seed in 1..=10 {
        let wan = ethernet_nic(ROUTER_WAN);
        wan.script(|script| script.mtu = 590);
        let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), wan);
        w.introduce();
        let mut random = Random::new(seed);
        let (mut in_force, mut left) = (Some(OLD), 0);
        for step in 0..2_000 {
            w.lan
                .arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &any_packet(&mut random)));
            let own = Udp {
                src: random.choose(&[OLD, NEW]),
                src_port: 999,
                ..outbound()
            };
            World::stack_sends(
                &mut w.wan_stack,
                &ipv4_frame(GATEWAY.0, ROUTER_WAN.0, &own.build()),
            );
            disturb(&mut random, &w.wan);
            // Sometimes one pass only, so that a change comes in the middle of things.
            if random.below(2) == 0 {
                w.poll();
            } else {
                w.advance(random.below(30) as u64);
            }
            let sent = w.wan.take_sent();
            left += sent.iter().filter(|frame| as_arp(frame).is_none()).count();
            let false_sources = sent
                .iter()
                .map(|frame| source_of(frame))
                .filter(|from| Some(*from) != in_force);
            assert_eq!(
                false_sources.count(),
                0,
                "seed {seed}, step {step}: not from {in_force:?}"
            );
            if random.below(10) == 0 {
                in_force = random.choose(&[Some(OLD), Some(NEW), None]);
                w.control.set_outside(in_force.and_then(lease));
            }
        }
        assert!(left > 500, "seed {seed}: {left} packets left");
    }
}
