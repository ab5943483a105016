//! Drivers that fail: what they refuse for a while, for long, and for good, and links that come and
//! go.

use crate::world::frames::{Udp, arp_request, as_arp, ipv4_frame, set_header};
use crate::world::nic::Nic;
use crate::world::random::Random;
use crate::world::traffic::{Traffic, neighbours_answer};
use crate::world::*;
use embassy_net_driver::LinkState;
use nat_core::Side;
use nat_embassy::FrameDrop;

const FLOWS: u16 = 6;
const SIDES: [Side; 2] = [Side::Outside, Side::Inside];

/// A router and its traffic, of which up to `burst` packets arrive in each step on either side.
struct Fault {
    w: World,
    traffic: Traffic,
    random: Random,
}

impl Fault {
    fn new(seed: u64) -> Self {
        Self::of(config(), seed)
    }

    fn of(config: nat_embassy::Config, seed: u64) -> Self {
        let mut w = World::with(config, ethernet_nic(ROUTER_LAN), ethernet_nic(ROUTER_WAN));
        w.introduce();
        let traffic = Traffic::open(&mut w, FLOWS);
        Self {
            w,
            traffic,
            random: Random::new(seed),
        }
    }

    fn nics(&self) -> [Nic; 2] {
        [self.w.wan.clone(), self.w.lan.clone()]
    }

    /// Up to `most` packets arrive for either side, of flows at random.
    fn burst(&mut self, most: usize) {
        for to in SIDES {
            for _ in 0..self.random.below(most + 1) {
                let flow = self.random.below(usize::from(FLOWS)) as u16;
                self.traffic.send(&self.w, flow, to);
            }
        }
    }

    /// Packets lost on the way out of either side, as the router has counted them.
    fn counted(&self, reasons: &[FrameDrop]) -> [u64; 2] {
        let stats = self.w.control.stats();
        SIDES.map(|side| {
            reasons
                .iter()
                .map(|reason| stats.side(side).dropped(*reason))
                .sum()
        })
    }

    /// What was dropped in all.
    fn dropped(&self) -> [u64; 2] {
        let stats = self.w.control.stats();
        // The stacks are not run here, and what is for them is none of the traffic.
        SIDES.map(|side| {
            stats.side(side).dropped_total() - stats.side(side).dropped(FrameDrop::LocalQueueFull)
        })
    }

    /// With both drivers whole again: nothing is left behind, and the next packets of all flows
    /// pass in their sessions.
    #[track_caller]
    fn recovers(&mut self) {
        for nic in self.nics() {
            nic.script(|script| (script.refuses, script.link) = (None, LinkState::Up));
            nic.make_room(usize::MAX);
        }
        // Unanswered ARP queries have failed. The first may have to wait while their
        // neighbours are asked for.
        self.w.advance(4_000);
        self.send_on([0]);
        let missing = self.traffic.missing();
        self.send_on(0..FLOWS);
        assert_eq!(self.traffic.missing(), missing, "the next packets pass");
        assert!(!self.w.is_woken());
        let nat = self
            .w
            .control
            .with_nat(|nat| (nat.sessions().count(), nat.stats().mappings_created));
        assert_eq!(
            nat,
            (usize::from(FLOWS), u64::from(FLOWS)),
            "in the sessions they had"
        );
        let waiting = self
            .nics()
            .map(|nic| nic.script(|script| (script.arrived.len(), script.lost)));
        assert_eq!(waiting, [(0, 0); 2]);
    }

    /// A packet of each of `flows` arrives on either side.
    #[track_caller]
    fn send_on(&mut self, flows: impl IntoIterator<Item = u16>) {
        for flow in flows {
            SIDES
                .iter()
                .for_each(|to| self.traffic.send(&self.w, flow, *to));
        }
        self.settle();
    }

    /// Lets the router come to rest, and its neighbours answer.
    #[track_caller]
    fn settle(&mut self) {
        for _ in 0..8 {
            self.w.run();
            let questions = self.traffic.collect(&self.w);
            neighbours_answer(&self.w, &questions);
        }
    }
}

#[test]
fn nothing_is_lost_or_disordered_where_drivers_refuse_tokens_by_the_way() {
    for seed in 1..=10 {
        let mut fault = Fault::new(seed);
        for (nic, salt) in fault.nics().iter().zip([17, 91]) {
            nic.script(|script| {
                script.reads_early = seed % 2 == 0;
                script.refuses = Some(Random::new(seed * salt));
            });
        }
        for _ in 0..100 {
            fault.burst(5);
            fault.w.run();
            fault.traffic.collect(&fault.w);
            assert_eq!(fault.traffic.missing(), [0, 0], "seed {seed}");
        }
        assert_eq!(fault.dropped(), [0, 0], "seed {seed}");
        fault.recovers();
    }
}

#[test]
fn nothing_is_lost_or_disordered_while_drivers_are_full_for_less_than_10_ms_at_a_time() {
    for seed in 1..=10 {
        let mut fault = Fault::new(seed);
        for nic in fault.nics() {
            nic.script(|script| script.reads_early = seed % 2 == 0);
        }
        let mut full_for = [0; 2];
        for _ in 0..200 {
            fault.burst(3);
            for (nic, full_for) in fault.nics().iter().zip(&mut full_for) {
                let room = if *full_for >= 6 {
                    4
                } else {
                    fault.random.choose(&[0, 0, 1, 5])
                };
                *full_for = if room == 0 { *full_for + 2 } else { 0 };
                nic.make_room(room);
            }
            fault.w.run();
            fault.w.advance(2);
            fault.traffic.collect(&fault.w);
        }
        assert!(
            fault.traffic.missing().iter().sum::<u64>() > 0,
            "they were full indeed"
        );
        assert_eq!(fault.dropped(), [0, 0], "seed {seed}");
        fault.recovers();
        assert_eq!(
            fault.traffic.missing(),
            [0, 0],
            "seed {seed}: what waited has left in the end"
        );
    }
}

#[test]
fn what_drivers_that_are_full_for_long_cost_is_counted_and_the_rest_keeps_its_order() {
    for seed in 1..=10 {
        let mut fault = Fault::new(seed);
        for _ in 0..200 {
            fault.burst(3);
            for nic in fault.nics() {
                if fault.random.below(8) == 0 {
                    nic.make_room(fault.random.choose(&[0, 1, 3, 50]));
                }
            }
            let millis = fault.random.below(9) as u64;
            fault.w.advance(millis);
            fault.traffic.collect(&fault.w);
        }
        fault.recovers();
        let [outward, inward] = fault.counted(&[FrameDrop::TxFull]);
        assert!(outward > 0 && inward > 0, "seed {seed}: full for long");
        assert_eq!(fault.traffic.missing(), [outward, inward], "seed {seed}");
        assert_eq!(
            fault.dropped(),
            [outward, inward],
            "seed {seed}: for no other reason"
        );
    }
}

/// Losses that a link which comes and goes may cost.
const OF_LINKS: [FrameDrop; 4] = [
    FrameDrop::LinkDown,
    FrameDrop::Flushed,
    FrameDrop::ArpPendingReplaced,
    FrameDrop::ArpUnresolved,
];

#[test]
fn sessions_survive_links_that_come_and_go_and_every_loss_is_counted() {
    // Without errors to the host about neighbours that do not answer: they would be lost and
    // counted, too.
    let mut silent = config();
    silent.nat.inside_icmp_errors = false;
    for seed in 1..=10 {
        let mut fault = Fault::of(silent.clone(), seed);
        let mut flaps = 0;
        for _ in 0..400 {
            fault.burst(2);
            for nic in fault.nics() {
                // In bursts: for a quarter of the time, a change every other step.
                if flaps % 40 < 30 && fault.random.below(2) == 0 {
                    nic.set_link(fault.random.choose(&[LinkState::Up, LinkState::Down]));
                }
                flaps += 1;
            }
            fault.w.run();
            let questions = fault.traffic.collect(&fault.w);
            if fault.random.below(3) > 0 {
                neighbours_answer(&fault.w, &questions);
            }
            let millis = fault.random.below(300) as u64;
            fault.w.advance(millis);
        }
        fault.recovers();
        let counted = fault.counted(&OF_LINKS);
        assert_eq!(fault.traffic.missing(), counted, "seed {seed}");
        assert_eq!(fault.dropped(), counted, "seed {seed}: for no other reason");
        let links_down = fault.counted(&[FrameDrop::LinkDown]);
        let [outward, inward] = links_down;
        assert!(
            outward > 50 && inward > 50,
            "seed {seed}: {links_down:?} found a link down"
        );
        assert!(
            fault.traffic.seen[0] > 100 && fault.traffic.seen[1] > 100,
            "seed {seed}: {:?}",
            fault.traffic.seen
        );
    }
}

/// A link that is lost and regained between two passes is none that anybody noticed: what
/// neighbours said holds.
#[test]
fn a_link_lost_for_less_than_a_pass_costs_nothing() {
    let mut fault = Fault::new(1);
    for _ in 0..20 {
        for nic in fault.nics() {
            nic.set_link(LinkState::Down);
            nic.set_link(LinkState::Up);
        }
        fault.burst(3);
        fault.w.run();
        fault.traffic.collect(&fault.w);
        assert_eq!(fault.traffic.missing(), [0, 0]);
    }
    assert_eq!(fault.dropped(), [0, 0]);
}

#[test]
fn a_driver_that_stays_full_stops_no_other_traffic_and_fills_no_queue() {
    for to in SIDES {
        let mut fault = Fault::new(7);
        let (full, whole) = match to {
            Side::Outside => (fault.w.wan.clone(), fault.w.lan.clone()),
            Side::Inside => (fault.w.lan.clone(), fault.w.wan.clone()),
        };
        let (asker, router) = if to == Side::Outside {
            (HOST, ROUTER_LAN)
        } else {
            (GATEWAY, ROUTER_WAN)
        };
        full.make_room(0);
        for millis in 0..3_000 {
            let flow = millis as u16 % FLOWS;
            fault.traffic.send(&fault.w, flow, to);
            fault.traffic.send(&fault.w, flow, to.opposite());
            if millis % 100 == 0 {
                whole.arrive(arp_request(asker, router.1));
            }
            fault.w.run();
            let others = fault.traffic.collect(&fault.w);
            assert!(others.iter().all(|(_, frame)| as_arp(frame).is_some()));
            let [outward, inward] = fault.traffic.missing();
            let (of_full, of_whole) = if to == Side::Outside {
                (outward, inward)
            } else {
                (inward, outward)
            };
            assert_eq!(of_whole, 0, "the other direction goes on at {millis} ms");
            // For 10 ms they wait in their driver; then none does.
            let waiting = whole.script(|script| script.arrived.len());
            assert!(
                waiting <= if millis < 10 { 12 } else { 0 },
                "{waiting} wait at {millis} ms"
            );
            let dropped = fault.w.control.stats().side(to).dropped(FrameDrop::TxFull);
            assert!(
                of_full <= dropped + 12,
                "{of_full} missing, {dropped} counted"
            );
            fault.w.advance(1);
        }
        let counted = fault.counted(&[FrameDrop::TxFull]);
        assert_eq!(fault.traffic.missing(), counted);
        assert_eq!(counted.iter().sum::<u64>(), 3_000);
        fault.recovers();
    }
}

/// A driver may have tokens while its link is down, and what is queued must not use them.
#[test]
fn the_rest_of_a_datagram_in_fragments_is_dropped_when_the_link_goes_down() {
    let wan = ethernet_nic(ROUTER_WAN);
    wan.script(|script| script.mtu = 614);
    let mut w = World::with(config(), ethernet_nic(ROUTER_LAN), wan);
    w.introduce();
    w.wan.make_room(1);
    let mut large = Udp {
        payload: vec![7; 1_400],
        ..outbound()
    }
    .build();
    set_header(&mut large, |header| header.dont_fragment = false);
    w.lan.arrive(ipv4_frame(ROUTER_LAN.0, HOST.0, &large));
    w.run();
    assert_eq!(w.wan.take_sent().len(), 1, "the first fragment leaves");
    w.wan.script(|script| script.room = usize::MAX);
    w.wan.set_link(LinkState::Down);
    w.run();
    assert_eq!(w.wan.take_sent().len(), 0);
    assert_eq!(w.outside_drops(FrameDrop::LinkDown), 1);
    assert_eq!(w.waiting(), 0);
}

#[test]
fn with_both_drivers_full_for_good_the_router_rests() {
    let mut fault = Fault::new(3);
    fault.nics().iter().for_each(|nic| nic.make_room(0));
    fault.burst(40);
    // Until all has been dropped, and the deadlines of the sessions that it refreshed are known.
    fault.w.advance(2_000);
    fault
        .nics()
        .iter()
        .for_each(|nic| nic.script(|script| script.calls.clear()));
    fault.w.advance(10_000);
    let calls = fault
        .nics()
        .map(|nic| nic.script(|script| script.calls.len()));
    assert_eq!(calls, [0, 0], "polled for nothing");
    for _ in 0..100 {
        fault.burst(3);
        fault.w.advance(5);
        let waiting = fault
            .nics()
            .map(|nic| nic.script(|script| script.arrived.len()));
        assert_eq!(waiting, [0, 0]);
    }
    fault.recovers();
    assert_eq!(fault.traffic.missing(), fault.counted(&[FrameDrop::TxFull]));
}

#[test]
fn the_stack_of_a_side_that_stays_full_delays_only_itself() {
    let mut fault = Fault::new(5);
    fault.w.wan.make_room(0);
    let own = ipv4_frame(
        GATEWAY.0,
        ROUTER_WAN.0,
        &Udp {
            src: ROUTER_WAN.1,
            src_port: 999,
            ..outbound()
        }
        .build(),
    );
    let taken = (0..20)
        .filter(|_| World::stack_sends(&mut fault.w.wan_stack, &own))
        .count();
    assert_eq!(taken, 2, "its queue is all that it fills");
    for flow in 0..FLOWS {
        fault.traffic.send(&fault.w, flow, Side::Inside);
    }
    fault.w.run();
    fault.traffic.collect(&fault.w);
    assert_eq!(fault.traffic.missing(), [0, 0]);
    fault.w.wan.make_room(usize::MAX);
    fault.w.run();
    assert_eq!(
        fault.traffic.collect(&fault.w).len(),
        2,
        "they leave when there is room"
    );
}
