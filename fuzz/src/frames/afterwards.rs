//! What must hold when the faults are over.

use core::net::Ipv4Addr;

use embassy_net_driver::{HardwareAddress, LinkState};

use super::oracle::Oracle;
use super::world::frames::{Udp, arp_reply, arp_request, ipv4_frame};
use super::world::nic::Nic;
use super::world::{
    GATEWAY, HOST, OTHER_HOST, OUTSIDE, ROUTER_LAN, ROUTER_WAN, World, from_gateway, inbound,
    outbound,
};

/// Datagrams that can wait for a neighbour, and frames for a local stack.
const WAITING: usize = 4;

pub(super) fn check(world: &mut World, oracle: &mut Oracle) {
    assert_eq!(
        world.control.with_nat(|nat| nat.audit()),
        Ok(()),
        "what is not as it should be in the tables"
    );
    recover(world);
    oracle.take_sent(world);
    assert_eq!(
        world.control.with_nat(|nat| nat.sessions().count()),
        0,
        "sessions outlived their timeouts"
    );
    assert_eq!(
        world.control.with_nat(|nat| nat.poll_timeout()),
        None,
        "a deadline without a session"
    );
    for nic in [&world.lan, &world.wan] {
        assert_eq!(
            nic.script(|script| script.arrived.len()),
            0,
            "frames that are not taken"
        );
    }
    let ethernet =
        |nic: &Nic| nic.script(|script| matches!(script.address, HardwareAddress::Ethernet(_)));
    if ethernet(&world.lan) && ethernet(&world.wan) {
        check_stack_queue(world);
        check_waiting(world);
        check_session(world);
    }
}

/// Links come up, drivers get transmit tokens, stacks take what waits for them, and all that has a
/// time runs out.
fn recover(world: &mut World) {
    for nic in [world.lan.clone(), world.wan.clone()] {
        nic.set_link(LinkState::Up);
        nic.make_room(usize::MAX);
    }
    world.control.set_outside(Some(OUTSIDE));
    world.run();
    for _ in 0..2 {
        while World::stack_receives(&mut world.lan_stack).is_some() {}
        while World::stack_receives(&mut world.wan_stack).is_some() {}
        world.run();
        world.advance(20_000);
    }
    let now = world.control.now();
    world.control.with_nat(|nat| nat.clear(now));
    world.run();
}

/// The queue of the router's own stack takes as many frames as in a new router.
fn check_stack_queue(world: &mut World) {
    world.introduce();
    while World::stack_receives(&mut world.lan_stack).is_some() {}
    for _ in 0..WAITING {
        world.lan.arrive(ipv4_frame(
            ROUTER_LAN.0,
            HOST.0,
            &Udp {
                dst: ROUTER_LAN.1,
                ..outbound()
            }
            .build(),
        ));
    }
    world.run();
    let own: Vec<_> = core::iter::from_fn(|| World::stack_receives(&mut world.lan_stack)).collect();
    assert!(
        own.len() >= WAITING,
        "{} frames of {WAITING} fit into the queue of the router's stack",
        own.len()
    );
}

/// As many packets wait for an unresolved neighbour as in a new router, and all of them leave.
fn check_waiting(world: &mut World) {
    let unknown = ([2, 0, 0, 0, 0, 0x66], Ipv4Addr::new(198, 51, 100, 66));
    world.wan.take_sent();
    for number in 0..WAITING as u16 {
        let udp = Udp {
            src_port: 6000 + number,
            dst: unknown.1,
            ..outbound()
        };
        world
            .lan
            .arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &udp.build()));
    }
    world.run();
    world.wan.take_sent();
    world.wan.arrive(arp_reply(unknown, ROUTER_WAN));
    world.run();
    assert_eq!(
        world.wan.take_sent().len(),
        WAITING,
        "packets that had waited for their neighbour"
    );
}

fn check_session(world: &mut World) {
    world.lan.arrive(arp_request(OTHER_HOST, ROUTER_LAN.1));
    world.wan.arrive(arp_request(GATEWAY, ROUTER_WAN.1));
    world.run();
    world.wan.take_sent();
    let external = world.open_session();
    world.lan.take_sent();
    world.wan.arrive(from_gateway(&inbound(external)));
    world.run();
    assert_eq!(world.lan.take_sent().len(), 1, "an answer comes back");
}
