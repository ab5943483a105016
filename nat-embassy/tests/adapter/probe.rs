//! What the application asks of the links itself: whether an address is in use, who claims the
//! router's, and frames of its own making.

use core::future::Future;
use core::net::Ipv4Addr;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

use crate::world::frames::{BROADCAST, Mac, Station, arp, arp_reply, arp_request, ethernet};
use crate::world::*;
use embassy_net_driver::LinkState;
use etherparse::{ArpOperation, EtherType};
use nat_core::Side;
use nat_embassy::{AddressConflict, FrameDrop};

/// An address of the LAN that a DHCP server is about to offer.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 50);
const HOLDER: Station = ([0x02, 0, 0, 0, 0, 0x50], ADDRESS);
const PROBER: Mac = [0x02, 0, 0, 0, 0, 0x51];

/// The probe for [`ADDRESS`] (RFC 5227 section 2.1.1): the sender's address is all zeros.
fn probe_frame(station: Mac, address: Ipv4Addr) -> Vec<u8> {
    arp_request((station, Ipv4Addr::UNSPECIFIED), address)
}

fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

/// When frames left on a side, in milliseconds after the start, and the frames, until `end`.
fn timeline(w: &mut World, nic: &nic::Nic, end: u64) -> Vec<(u64, Vec<u8>)> {
    let mut seen = Vec::new();
    for at in 0..end {
        w.run();
        seen.extend(nic.take_sent().into_iter().map(|frame| (at, frame)));
        w.advance(1);
    }
    seen
}

#[test]
fn three_probes_a_quarter_of_a_second_apart_and_no_answer_after_one_second() {
    for (side, router) in [(Side::Inside, ROUTER_LAN), (Side::Outside, ROUTER_WAN)] {
        let mut w = World::new();
        let nic = if side == Side::Inside {
            w.lan.clone()
        } else {
            w.wan.clone()
        };
        let control = w.control;
        let mut probe = pin!(control.probe(side, ADDRESS));
        assert!(poll(&mut probe).is_pending());
        assert!(w.is_woken(), "the router is woken at once");
        let expected = probe_frame(router.0, ADDRESS);
        let seen = timeline(&mut w, &nic, 999);
        assert_eq!(seen, [0, 250, 500].map(|at| (at, expected.clone())));
        assert!(poll(&mut probe).is_pending());
        w.advance(1);
        assert_eq!(poll(&mut probe), Poll::Ready(None));
        w.advance(5_000);
        assert_eq!((w.lan.take_sent().len(), w.wan.take_sent().len()), (0, 0));
    }
}

/// L3: all that RFC 5227 section 2.1.1 counts as a sign that the address is in use, or is about to
/// be.
#[test]
fn every_sign_that_another_station_has_the_address_is_an_answer() {
    let reply = arp_reply(HOLDER, (ROUTER_LAN.0, Ipv4Addr::UNSPECIFIED));
    let to_all = ethernet(
        BROADCAST,
        HOLDER.0,
        EtherType::ARP,
        &arp(ArpOperation::REPLY, HOLDER, HOLDER),
    );
    for (sign, frame, station) in [
        ("a reply", reply, HOLDER.0),
        ("a reply to all", to_all, HOLDER.0),
        ("an announcement", arp_request(HOLDER, ADDRESS), HOLDER.0),
        ("a question from it", arp_request(HOLDER, HOST.1), HOLDER.0),
        (
            "a question for the router from it",
            arp_request(HOLDER, ROUTER_LAN.1),
            HOLDER.0,
        ),
        (
            "the probe of another station",
            probe_frame(PROBER, ADDRESS),
            PROBER,
        ),
    ] {
        let mut w = World::new();
        let control = w.control;
        let mut probe = pin!(control.probe(Side::Inside, ADDRESS));
        assert!(poll(&mut probe).is_pending());
        w.run();
        w.lan.take_sent();
        w.lan.arrive(frame);
        w.run();
        assert_eq!(poll(&mut probe), Poll::Ready(Some(station)), "{sign}");
        w.advance(2_000);
        let questions = asked(&w.lan.take_sent());
        assert!(!questions.contains(&ADDRESS), "{sign} ends the probes");
    }
}

#[test]
fn arp_about_other_addresses_or_from_the_other_side_or_an_empty_sender_is_no_answer() {
    let mut w = World::new();
    let control = w.control;
    let mut probe = pin!(control.probe(Side::Inside, ADDRESS));
    assert!(poll(&mut probe).is_pending());
    w.run();
    w.lan.arrive(arp_request(HOST, ADDRESS));
    w.lan.arrive(arp_reply(OTHER_HOST, ROUTER_LAN));
    w.lan.arrive(probe_frame(PROBER, HOST.1));
    w.lan.arrive(probe_frame(ROUTER_LAN.0, ADDRESS));
    w.lan.arrive(arp_reply(([0; 6], ADDRESS), ROUTER_LAN));
    w.wan.arrive(arp_reply(HOLDER, ROUTER_WAN));
    w.advance(999);
    assert!(poll(&mut probe).is_pending());
    w.advance(1);
    assert_eq!(poll(&mut probe), Poll::Ready(None));
}

/// A DHCP client asks before there is a configuration of the outside.
#[test]
fn the_outside_needs_no_configuration() {
    let mut config = config();
    config.outside = None;
    let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    let control = w.control;
    let mut probe = pin!(control.probe(Side::Outside, ROUTER_WAN.1));
    assert!(poll(&mut probe).is_pending());
    w.run();
    assert_eq!(w.wan.take_sent(), [probe_frame(ROUTER_WAN.0, ROUTER_WAN.1)]);
    let holder = (PROBER, ROUTER_WAN.1);
    w.wan
        .arrive(arp_reply(holder, (ROUTER_WAN.0, Ipv4Addr::UNSPECIFIED)));
    w.run();
    assert_eq!(poll(&mut probe), Poll::Ready(Some(PROBER)));
}

#[test]
fn a_probe_that_cannot_be_sent_ends_at_once() {
    let mut w = World::new();
    w.lan.set_link(LinkState::Down);
    w.run();
    let control = w.control;
    let mut down = pin!(control.probe(Side::Inside, ADDRESS));
    assert!(poll(&mut down).is_pending());
    w.run();
    assert_eq!(poll(&mut down), Poll::Ready(None));

    let mut goes_down = pin!(control.probe(Side::Outside, ADDRESS));
    assert!(poll(&mut goes_down).is_pending());
    w.run();
    w.wan.set_link(LinkState::Down);
    w.run();
    assert_eq!(poll(&mut goes_down), Poll::Ready(None));

    let mut bare = World::with(config(), ip_nic(), ip_nic());
    let control = bare.control;
    let mut probe = pin!(control.probe(Side::Inside, ADDRESS));
    assert!(poll(&mut probe).is_pending());
    bare.run();
    assert_eq!(poll(&mut probe), Poll::Ready(None));
    for address in [
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(224, 0, 0, 1),
    ] {
        assert_eq!(
            poll(&mut pin!(control.probe(Side::Outside, address))),
            Poll::Ready(None),
            "{address}"
        );
    }
}

/// A probe begun before the router has run for the first time is not ended by the link that is not
/// known yet.
#[test]
fn a_probe_may_begin_before_the_runner() {
    let state = Box::leak(Box::new(nat_embassy::State::<4, 8, 2>::new()));
    let (lan, wan) = (ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
    let (control, _lan, _wan, mut runner) =
        nat_embassy::new(state, config(), SEED, lan.clone(), wan).unwrap();
    let mut probe = pin!(control.probe(Side::Inside, ADDRESS));
    assert!(poll(&mut probe).is_pending());
    runner.poll(
        &mut Context::from_waker(Waker::noop()),
        nat_core::Instant::from_secs(1),
    );
    assert!(poll(&mut probe).is_pending());
    assert!(
        lan.take_sent()
            .contains(&probe_frame(ROUTER_LAN.0, ADDRESS))
    );
}

/// Twelve callers at once, three times as many as there are places: each gets the answer to its own
/// question.
#[test]
fn many_callers_at_once_do_not_take_one_another_s_answers() {
    let mut w = World::new();
    let control = w.control;
    let holder = |number: u8| {
        (
            [0x02, 0, 0, 0, 3, number],
            Ipv4Addr::new(192, 168, 77, 100 + number),
        )
    };
    let mut callers: Vec<_> = (0..12)
        .map(|number| Box::pin(control.probe(Side::Inside, holder(number).1)))
        .collect();
    let mut results = [const { None }; 12];
    for _ in 0..4_000 {
        for (caller, result) in callers
            .iter_mut()
            .zip(&mut results)
            .filter(|(_, result)| result.is_none())
        {
            if let Poll::Ready(answer) = poll(&mut caller.as_mut()) {
                *result = Some(answer);
            }
        }
        w.run();
        for address in asked(&w.lan.take_sent()) {
            let number = address.octets()[3] - 100;
            // Those with an even number are there.
            if number % 2 == 0 {
                w.lan.arrive(arp_reply(
                    holder(number),
                    (ROUTER_LAN.0, Ipv4Addr::UNSPECIFIED),
                ));
            }
        }
        w.advance(1);
    }
    let expected =
        core::array::from_fn(|number| Some((number % 2 == 0).then(|| holder(number as u8).0)));
    assert_eq!(results, expected);
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn callers_are_woken_for_a_place_and_for_the_result_and_a_dropped_caller_leaves_its_place() {
    let mut w = World::new();
    let control = w.control;
    let others: Vec<_> = (0..8)
        .map(|number| {
            let mut caller =
                Box::pin(control.probe(Side::Inside, Ipv4Addr::new(192, 168, 77, 60 + number)));
            assert!(poll(&mut caller.as_mut()).is_pending());
            caller
        })
        .collect();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    let mut ninth = pin!(control.probe(Side::Inside, ADDRESS));
    assert!(ninth.as_mut().poll(&mut cx).is_pending());
    w.run();
    assert!(
        !asked(&w.lan.take_sent()).contains(&ADDRESS),
        "it waits for a place"
    );
    drop(others);
    assert!(woken.0.swap(false, Ordering::Relaxed), "there is a place");
    assert!(ninth.as_mut().poll(&mut cx).is_pending());
    w.run();
    assert_eq!(
        asked(&w.lan.take_sent()),
        [ADDRESS],
        "the dropped probes have ended"
    );
    w.advance(1_000);
    assert!(woken.0.load(Ordering::Relaxed), "there is a result");
    assert_eq!(ninth.as_mut().poll(&mut cx), Poll::Ready(None));
}

#[test]
fn a_full_driver_delays_the_result_of_a_probe_by_nothing() {
    let mut w = World::new();
    w.lan.make_room(0);
    let control = w.control;
    let mut probe = pin!(control.probe(Side::Inside, ADDRESS));
    assert!(poll(&mut probe).is_pending());
    w.advance(600);
    w.lan.make_room(usize::MAX);
    w.run();
    assert_eq!(
        asked(&w.lan.take_sent()),
        [ADDRESS],
        "one probe, and not three at once"
    );
    w.advance(400);
    assert_eq!(poll(&mut probe), Poll::Ready(None));
}

/// RFC 5227 section 2.4: the lease holder is informed of the conflict.
#[test]
fn conflicts_about_an_address_of_the_router_are_reported_to_the_waiting_task() {
    let mut w = World::new();
    let control = w.control;
    let mut conflict = pin!(control.conflict(Side::Outside));
    let mut inside = pin!(control.conflict(Side::Inside));
    assert!(poll(&mut conflict).is_pending() && poll(&mut inside).is_pending());
    w.wan.arrive(arp_request(GATEWAY, ROUTER_WAN.1));
    w.run();
    assert!(
        poll(&mut conflict).is_pending(),
        "a question for it claims nothing"
    );
    w.wan
        .arrive(arp_request((PROBER, ROUTER_WAN.1), ROUTER_WAN.1));
    w.run();
    let expected = AddressConflict {
        address: ROUTER_WAN.1,
        station: PROBER,
    };
    assert_eq!(poll(&mut conflict), Poll::Ready(expected));
    assert!(poll(&mut inside).is_pending(), "the other side");
    let mut next = pin!(control.conflict(Side::Outside));
    assert!(poll(&mut next).is_pending(), "reported once");
    w.wan.arrive(arp_reply((PROBER, ROUTER_WAN.1), ROUTER_WAN));
    w.run();
    assert_eq!(poll(&mut next), Poll::Ready(expected));
    assert_eq!(w.outside_drops(FrameDrop::DuplicateAddress), 2);
}

/// A frame that no socket can send: for a station of which ARP knows nothing.
fn offer(destination: Mac, payload: &[u8]) -> Vec<u8> {
    ethernet(destination, ROUTER_LAN.0, EtherType::IPV4, payload)
}

#[test]
fn a_frame_of_the_application_leaves_as_it_is_by_the_side_it_names() {
    let mut w = World::new();
    for len in [0, 1, 1500] {
        let frame = offer(HOLDER.0, &vec![0x5a; len]);
        assert_eq!(w.control.send_frame(Side::Inside, &frame), Ok(()));
        assert!(w.is_woken());
        w.run();
        assert_eq!(w.lan.take_sent(), core::slice::from_ref(&frame));
        assert_eq!(w.control.send_frame(Side::Outside, &frame), Ok(()));
        w.run();
        assert_eq!(
            (w.lan.take_sent().len(), w.wan.take_sent()),
            (0, vec![frame])
        );
    }
    let stats = w.control.stats();
    assert_eq!(
        [stats.inside.dropped_total(), stats.outside.dropped_total()],
        [0, 0]
    );
}

#[test]
fn on_a_side_without_ethernet_it_is_a_datagram() {
    let mut w = World::with(config(), ip_nic(), ethernet_nic(ROUTER_WAN));
    let datagram = outbound().build();
    assert_eq!(w.control.send_frame(Side::Inside, &datagram), Ok(()));
    w.run();
    assert_eq!(w.lan.take_sent(), [datagram]);
}

#[test]
fn one_frame_waits_at_a_time_and_the_next_is_refused() {
    let mut w = World::new();
    let first = offer(HOLDER.0, b"first");
    assert_eq!(w.control.send_frame(Side::Inside, &first), Ok(()));
    for side in [Side::Inside, Side::Outside] {
        assert_eq!(
            w.control.send_frame(side, &offer(HOLDER.0, b"second")),
            Err(FrameDrop::TxFull)
        );
    }
    w.poll();
    assert_eq!(w.lan.take_sent(), [first]);
    let third = offer(HOLDER.0, b"third");
    assert_eq!(
        w.control.send_frame(Side::Inside, &third),
        Ok(()),
        "free as soon as it has left"
    );
    w.run();
    assert_eq!(w.lan.take_sent(), [third]);
}

#[test]
fn frames_that_cannot_be_sent_are_refused_or_counted() {
    let mut w = World::with(
        config(),
        nic::Nic::new(ethernet_nic(ROUTER_LAN).script(|s| s.address), 600),
        ip_nic(),
    );
    assert_eq!(
        w.control.send_frame(Side::Inside, &[0; 13]),
        Err(FrameDrop::Runt)
    );
    assert_eq!(
        w.control.send_frame(Side::Inside, &[0; 1515]),
        Err(FrameDrop::Giant)
    );
    assert_eq!(w.inside_drops(FrameDrop::Giant), 0, "the caller knows");
    assert_eq!(w.control.send_frame(Side::Inside, &[0; 601]), Ok(()));
    w.run();
    assert_eq!(
        (w.lan.take_sent().len(), w.inside_drops(FrameDrop::Giant)),
        (0, 1),
        "the driver carries no such frame"
    );
    assert_eq!(w.control.send_frame(Side::Inside, &[0; 600]), Ok(()));
    w.run();
    assert_eq!(w.lan.take_sent().len(), 1);
    w.lan.set_link(LinkState::Down);
    w.run();
    assert_eq!(
        w.control.send_frame(Side::Inside, &[0; 600]),
        Err(FrameDrop::LinkDown)
    );
}

/// A dead side does not keep the place from the other.
#[test]
fn a_frame_for_a_driver_that_is_full_or_goes_down_gives_its_place_back() {
    let mut w = World::new();
    w.wan.make_room(0);
    let frame = offer(HOLDER.0, b"waits");
    assert_eq!(w.control.send_frame(Side::Outside, &frame), Ok(()));
    w.run();
    assert_eq!(
        w.control.send_frame(Side::Inside, &frame),
        Err(FrameDrop::TxFull)
    );
    w.advance(11);
    assert_eq!(w.outside_drops(FrameDrop::TxFull), 1);
    assert_eq!(w.control.send_frame(Side::Outside, &frame), Ok(()));
    w.wan.set_link(LinkState::Down);
    w.run();
    assert_eq!(w.outside_drops(FrameDrop::LinkDown), 1);
    assert_eq!(w.control.send_frame(Side::Inside, &frame), Ok(()));
    w.run();
    assert_eq!(w.lan.take_sent(), [frame]);
}
