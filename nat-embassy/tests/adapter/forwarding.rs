//! The way of a frame through the router, and what happens when it cannot go on.

use crate::world::frames::{Udp, check_datagram, check_frame, datagram_of, icmp_kind, ipv4_frame};
use crate::world::nic::Call;
use crate::world::*;
use embassy_net_driver::LinkState;
use nat_embassy::FrameDrop;

#[test]
fn a_session_is_carried_both_ways() {
    let mut w = World::acquainted();
    w.lan.arrive(from_host(&outbound()));
    w.run();
    let sent = w.wan.take_sent();
    let (header, seen) = check_frame(&sent[0]);
    assert_eq!(
        (header.source, header.destination),
        (ROUTER_WAN.0, GATEWAY.0)
    );
    assert_eq!(
        (seen.src, seen.dst, &seen.payload[..]),
        (ROUTER_WAN.1, SERVER, &b"question"[..])
    );

    w.wan.arrive(from_gateway(&inbound(seen.ports.unwrap().0)));
    w.run();
    let sent = w.lan.take_sent();
    let (header, seen) = check_frame(&sent[0]);
    assert_eq!((header.source, header.destination), (ROUTER_LAN.0, HOST.0));
    assert_eq!(
        (seen.dst, seen.ports, &seen.payload[..]),
        (HOST.1, Some((53, 5000)), &b"answer"[..])
    );
    assert_eq!((sent.len(), w.wan.take_sent().len()), (1, 0));
}

#[test]
fn link_padding_is_not_forwarded() {
    let mut w = World::acquainted();
    let mut frame = from_host(&Udp {
        payload: vec![1],
        ..outbound()
    });
    frame.resize(60, 0xee);
    w.lan.arrive(frame);
    w.run();
    assert_eq!(w.wan.take_sent()[0].len(), 14 + 20 + 8 + 1);
}

#[test]
fn an_answer_of_the_nat_goes_back_where_the_packet_came_from() {
    let mut config = config();
    config.outside = None;
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    w.lan.arrive(from_host(&outbound()));
    w.run();
    let sent = w.lan.take_sent();
    let (header, seen) = check_frame(&sent[0]);
    assert_eq!((header.source, header.destination), (ROUTER_LAN.0, HOST.0));
    assert_eq!((seen.src, seen.dst), (ROUTER_LAN.1, HOST.1));
    assert_eq!(icmp_kind(&sent[0]), (3, 0), "net unreachable");
    assert_eq!(w.wan.take_sent().len(), 0);
}

#[test]
fn the_egress_token_is_taken_before_the_frame_is_received() {
    let mut w = World::acquainted();
    w.lan.script(|script| script.reads_early = true);
    w.wan.script(|script| script.reads_early = true);
    for room in [0, 3, 0, 1, 2, 0, 4] {
        w.lan.arrive(from_host(&outbound()));
        w.wan.make_room(room);
        w.run();
    }
    w.wan.make_room(usize::MAX);
    w.run();
    assert_eq!(w.wan.take_sent().len(), 7);
    assert_eq!(
        w.lan.script(|script| script.lost) + w.wan.script(|script| script.lost),
        0
    );
}

#[test]
fn a_full_driver_is_asked_for_room_before_the_other_is_asked_for_a_frame() {
    let mut w = World::acquainted();
    w.wan.make_room(0);
    w.run();
    w.lan.script(|script| script.calls.clear());
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert!(!w.lan.script(|script| script.calls.contains(&Call::Receive)));
}

#[test]
fn room_in_a_full_driver_wakes_the_router_and_the_frame_leaves() {
    let mut w = World::acquainted();
    w.wan.make_room(0);
    w.run();
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!((w.wan.take_sent().len(), w.is_woken()), (0, false));
    w.wan.make_room(1);
    assert!(w.is_woken(), "the waker of the full driver is registered");
    w.run();
    assert_eq!(w.wan.take_sent().len(), 1);
}

#[test]
fn a_burst_longer_than_the_transmit_ring_is_not_lost_while_the_ring_is_emptied() {
    let mut w = World::acquainted();
    for _ in 0..10 {
        w.lan.arrive(from_host(&outbound()));
    }
    w.wan.make_room(2);
    for _ in 0..10 {
        w.run();
        w.advance(5);
        w.wan.make_room(1);
    }
    w.run();
    assert_eq!(w.wan.take_sent().len(), 10);
    assert_eq!(w.outside_drops(FrameDrop::TxFull), 0);
}

#[test]
fn a_side_that_stays_full_stops_neither_arp_nor_the_stack_nor_the_other_direction() {
    let mut w = World::acquainted();
    let external = w.open_session();
    w.wan.make_room(0);
    w.run();
    w.lan.arrive(from_host(&outbound()));
    w.lan
        .arrive(crate::world::frames::arp_request(OTHER_HOST, ROUTER_LAN.1));
    w.lan.arrive(from_host(&Udp {
        dst: ROUTER_LAN.1,
        ..outbound()
    }));
    w.wan.arrive(from_gateway(&inbound(external)));
    w.run();
    assert_eq!(
        check_all(&w.lan.take_sent()).len(),
        1,
        "the other direction goes on at once"
    );
    w.advance(10);
    assert_eq!(w.outside_drops(FrameDrop::TxFull), 1);
    assert!(
        crate::world::frames::as_arp(&w.lan.take_sent()[0]).is_some(),
        "ARP is answered"
    );
    assert!(
        World::stack_receives(&mut w.lan_stack).is_some(),
        "the local stack gets its packet"
    );

    // From now on nothing waits at all, until the driver has room.
    w.lan.arrive(from_host(&outbound()));
    w.lan.arrive(from_host(&Udp {
        dst: ROUTER_LAN.1,
        ..outbound()
    }));
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::TxFull), 2);
    assert!(World::stack_receives(&mut w.lan_stack).is_some());
    w.wan.make_room(1);
    w.lan.arrive(from_host(&outbound()));
    w.run();
    assert_eq!(w.wan.take_sent().len(), 1);
}

#[test]
fn a_driver_whose_pairs_need_room_does_not_stop_the_other_side() {
    let mut w = World::acquainted();
    for nic in [&w.lan, &w.wan] {
        nic.script(|script| script.pairs_need_room = true);
    }
    w.wan.make_room(0);
    w.wan.arrive(from_gateway(&inbound(4000)));
    w.run();
    w.lan.arrive(from_host(&Udp {
        dst: ROUTER_LAN.1,
        ..outbound()
    }));
    w.advance(10);
    assert!(World::stack_receives(&mut w.lan_stack).is_some());
}

#[test]
fn a_dead_link_drops_at_once_and_the_rest_goes_on() {
    let mut w = World::acquainted();
    w.wan.set_link(LinkState::Down);
    w.run();
    w.lan.arrive(from_host(&outbound()));
    w.lan.arrive(from_host(&Udp {
        dst: ROUTER_LAN.1,
        ..outbound()
    }));
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::LinkDown), 1);
    assert_eq!(w.wan.take_sent().len(), 0);
    assert!(World::stack_receives(&mut w.lan_stack).is_some());
}

#[test]
fn the_local_stacks_see_the_link_of_their_driver() {
    use embassy_net_driver::Driver;
    let mut w = World::new();
    let mut cx = core::task::Context::from_waker(core::task::Waker::noop());
    assert!(w.wan_stack.link_state(&mut cx) == LinkState::Up);
    w.wan.set_link(LinkState::Down);
    w.run();
    assert!(w.wan_stack.link_state(&mut cx) == LinkState::Down);
    assert!(w.lan_stack.link_state(&mut cx) == LinkState::Up);
    let frame = ipv4_frame(
        GATEWAY.0,
        ROUTER_WAN.0,
        &Udp {
            src: ROUTER_WAN.1,
            ..outbound()
        }
        .build(),
    );
    for _ in 0..20 {
        World::stack_sends(&mut w.wan_stack, &frame);
        w.poll();
    }
    assert_eq!(
        w.outside_drops(FrameDrop::LinkDown),
        20,
        "what it sends all the same does not pile up"
    );
    assert_eq!(w.wan.take_sent().len(), 0);
}

#[test]
fn a_pass_is_bounded_and_the_rest_follows_after_a_yield() {
    let mut w = World::acquainted();
    for _ in 0..100 {
        w.lan.arrive(from_host(&outbound()));
    }
    w.poll();
    let first = w.wan.take_sent().len();
    assert!((1..=16).contains(&first), "{first} frames in one pass");
    assert!(w.is_woken());
    w.run();
    assert_eq!(first + w.wan.take_sent().len(), 100);
}

#[test]
fn a_flood_from_one_side_does_not_starve_the_other() {
    let mut w = World::acquainted();
    let external = w.open_session();
    for _ in 0..1000 {
        w.lan.arrive(from_host(&outbound()));
    }
    w.wan.arrive(from_gateway(&inbound(external)));
    w.poll();
    assert_eq!(w.lan.take_sent().len(), 1);
}

#[test]
fn a_driver_that_wakes_its_task_at_every_poll_does_not_keep_it_from_yielding() {
    let mut w = World::acquainted();
    w.lan.script(|script| script.wakes_itself = true);
    w.wan.script(|script| script.wakes_itself = true);
    // Each pass returns, so other tasks get to run, and each is followed by another.
    for _ in 0..50 {
        w.lan.arrive(from_host(&outbound()));
        w.poll();
        assert!(w.is_woken());
    }
    assert_eq!(w.wan.take_sent().len(), 50);
}

#[test]
fn a_local_stack_and_the_other_side_take_turns_when_room_is_scarce() {
    let mut w = World::acquainted();
    let external = w.open_session();
    let own = ipv4_frame(
        HOST.0,
        ROUTER_LAN.0,
        &Udp {
            src: ROUTER_LAN.1,
            dst: HOST.1,
            ..outbound()
        }
        .build(),
    );
    let mut from_stack = 0;
    for _ in 0..20 {
        w.wan.arrive(from_gateway(&inbound(external)));
        World::stack_sends(&mut w.lan_stack, &own);
        w.lan.make_room(1);
        w.run();
        from_stack += w
            .lan
            .take_sent()
            .iter()
            .filter(|frame| check_datagram(datagram_of(frame)).src == ROUTER_LAN.1)
            .count();
    }
    assert!((8..=12).contains(&from_stack), "{from_stack} of 20");
}

#[test]
fn an_idle_router_asks_for_nothing() {
    let mut w = World::new();
    assert_eq!((w.deadline, w.is_woken()), (None, false));
    w.poll();
    assert_eq!((w.deadline, w.is_woken()), (None, false));
}

#[test]
fn a_session_ends_by_its_timer_without_traffic() {
    let mut w = World::acquainted();
    w.open_session();
    assert_eq!(w.control.with_nat(|nat| nat.sessions().count()), 1);
    w.advance(310_000);
    assert_eq!(w.control.with_nat(|nat| nat.stats().sessions_expired), 1);
}
