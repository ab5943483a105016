//! An executor that polls late, for nothing and in any order, and drops the router and builds it
//! again; drivers that change their link, address and capabilities, fill up and refuse; a clock that
//! stands and jumps.
//!
//! Three things hold all the same, whatever the seed:
//!
//! - No wake-up is lost. When every task has been polled that was woken, one more poll of each moves
//!   no frame. What cannot leave by a driver that is full is gone 10 ms later.
//! - Nothing is lost without a counter: [`FrameStats::waiting`] is never more than there is memory
//!   for, and 0 once everything is whole again.
//! - The tables are in order (`Nat::audit`), and the router goes on.
//!
//! `ADVERSARY_FIRST` is the first seed, `ADVERSARY_RUNS` their number.
//!
//! [`FrameStats::waiting`]: nat_embassy::FrameStats::waiting

mod events;
mod tasks;

use core::ops::AddAssign;

use embassy_net_driver::{HardwareAddress, LinkState};
use nat_core::Side;
use nat_embassy::{FrameDrop, State};

use crate::world::frames::{Station, arp_request};
use crate::world::nic::Nic;
use crate::world::random::Random;
use crate::world::*;
use events::Frames;
use tasks::{Stack, Waiter};

const RUNS: u64 = 40;
const STEPS: usize = 700;

/// Frames that wait at most: on each side 4 packets for ARP and a datagram in fragments, and one
/// frame of the application.
const MOST_WAITING: u64 = 2 * (4 + 1) + 1;

/// One seed.
struct Run {
    w: World,
    config: nat_embassy::Config,
    lan_stack: Stack,
    wan_stack: Stack,
    waiters: Vec<Waiter>,
    frames: Frames,
    random: Random,
    seen: Seen,
}

/// What has happened, so that a test that meets nothing fails.
#[derive(Debug, Default)]
struct Seen {
    forwarded: u64,
    released: u64,
    lost_when_full: u64,
    lost_with_link: u64,
    flushed: u64,
    replaced: u64,
    unresolved: u64,
    of_stacks: u64,
    made: u64,
    consumed: u64,
    rebuilt: u64,
    ended_waiters: u64,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.forwarded += other.forwarded;
        self.released += other.released;
        self.lost_when_full += other.lost_when_full;
        self.lost_with_link += other.lost_with_link;
        self.flushed += other.flushed;
        self.replaced += other.replaced;
        self.unresolved += other.unresolved;
        self.of_stacks += other.of_stacks;
        self.made += other.made;
        self.consumed += other.consumed;
        self.rebuilt += other.rebuilt;
        self.ended_waiters += other.ended_waiters;
    }
}

/// A driver with the vices of one seed.
fn nic(random: &mut Random, station: Station) -> Nic {
    let nic = if random.below(6) == 0 {
        Nic::new(HardwareAddress::Ip, 1500)
    } else {
        ethernet_nic(station)
    };
    nic.script(|script| {
        script.mtu -= random.choose(&[0, 0, 4, 800]);
        script.reads_early = random.below(2) == 0;
        // A received frame comes with a token for its answer, even where there is no room for it.
        script.pairs_need_room = random.below(2) == 0;
        script.loses_replies = !script.pairs_need_room;
        script.misaligned_by = random.below(4);
    });
    nic
}

fn new_world(config: &nat_embassy::Config, lan: Nic, wan: Nic) -> World {
    let state = Box::leak(Box::new(State::<32, 64, 8>::new()));
    World::of(state, config.clone(), lan, wan)
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut config = config();
        config.nat.dhcp_client = random.below(2) == 0;
        config.nat.outside_ping = random.below(2) == 0;
        if random.below(2) == 0 {
            config.nat.filtering = nat_core::Filtering::EndpointIndependent;
        }
        let (lan, wan) = (nic(&mut random, ROUTER_LAN), nic(&mut random, ROUTER_WAN));
        Self {
            w: new_world(&config, lan, wan),
            config,
            lan_stack: Stack::new(),
            wan_stack: Stack::new(),
            waiters: Vec::new(),
            frames: Frames::new(),
            random,
            seen: Seen::default(),
        }
    }

    fn play(mut self) -> Seen {
        for step in 0..STEPS {
            self.event();
            self.pass_time();
            for _ in 0..self.random.below(5) {
                let for_nothing = self.random.below(4) == 0;
                self.poll_one(for_nothing);
            }
            if step % 16 == 15 {
                self.check_wakeups();
                self.check_balance();
            }
            if self.random.below(STEPS) == 0 {
                self.rebuild();
            }
        }
        self.heal();
        self.seen
    }

    fn nics(&self) -> [Nic; 2] {
        [self.w.lan.clone(), self.w.wan.clone()]
    }

    fn tasks(&self) -> usize {
        3 + self.waiters.len()
    }

    /// Whether a task was woken, or its timer is over.
    fn is_woken(&self, task: usize) -> bool {
        match task {
            0 => self.w.is_woken() || self.w.deadline.is_some_and(|at| at <= self.w.now),
            1 => self.lan_stack.woken.is_set(),
            2 => self.wan_stack.woken.is_set(),
            _ => self.waiters[task - 3].woken.is_set(),
        }
    }

    fn poll(&mut self, task: usize) {
        match task {
            0 => self.w.poll(),
            1 => self.lan_stack.poll(&mut self.w.lan_stack),
            2 => self.wan_stack.poll(&mut self.w.wan_stack),
            _ => {
                if self.waiters[task - 3].poll() {
                    self.waiters.swap_remove(task - 3);
                    self.seen.ended_waiters += 1;
                }
            }
        }
    }

    /// Polls a task that was woken, or any if it need not be. Returns whether there was one.
    fn poll_one(&mut self, for_nothing: bool) -> bool {
        let tasks = 0..self.tasks();
        let ready: Vec<_> = tasks
            .filter(|task| for_nothing || self.is_woken(*task))
            .collect();
        if !ready.is_empty() {
            let task = self.random.choose(&ready);
            self.poll(task);
        }
        !ready.is_empty()
    }

    /// Polls what is woken, in any order, until nothing is and no interrupt is to come.
    fn rest(&mut self) {
        for _ in 0..50_000 {
            if !self.poll_one(false) {
                let waits = |nic: &Nic| nic.script(|script| script.has_interrupt());
                if !self.nics().iter().any(waits) {
                    return;
                }
                self.nics().iter().for_each(Nic::interrupt);
            }
        }
        panic!("the tasks never come to rest");
    }

    /// Lets time pass as the executor of a real router does.
    fn advance(&mut self, millis: u64) {
        let end = self
            .w
            .now
            .saturating_add(core::time::Duration::from_millis(millis));
        self.rest();
        while let Some(at) = self.w.deadline.filter(|at| *at <= end) {
            self.w.now = at;
            self.rest();
        }
        self.w.now = end;
    }

    /// All frames that have moved, as those know who moved them. It asks the router nothing: a call
    /// of a `Control` would make its next pass a thorough one.
    fn moved(&self) -> Vec<u64> {
        let of_nic = |nic: &Nic| nic.script(|script| [script.taken, script.given]);
        let of_nics = self.nics().iter().flat_map(of_nic).collect::<Vec<_>>();
        let stacks = [&self.lan_stack, &self.wan_stack];
        let of_stacks = stacks.iter().flat_map(|stack| [stack.received, stack.sent]);
        of_nics.into_iter().chain(of_stacks).collect()
    }

    /// That what was woken has moved all frames there are.
    #[track_caller]
    fn check_wakeups(&mut self) {
        self.rest();
        let (moved, waiters) = (self.moved(), self.waiters.len());
        for task in (0..self.tasks()).rev() {
            self.poll(task);
        }
        self.poll(0);
        assert_eq!(self.moved(), moved, "frames for which no task was woken");
        // After a call of the application a pass leaves nothing out.
        _ = self.w.control.stats();
        (0..2).for_each(|_| self.poll(0));
        assert_eq!(self.moved(), moved, "frames that a quiet pass overlooks");
        assert_eq!(
            self.waiters.len(),
            waiters,
            "a result of which no task heard"
        );
        // What waited for a driver that was full is dropped now.
        self.advance(11);
        for (ingress, stack) in [
            (&self.w.lan, &self.lan_stack),
            (&self.w.wan, &self.wan_stack),
        ] {
            let (arrived, is_stuck) = ingress.script(|script| {
                let is_full = script.room == 0;
                (script.arrived.len(), is_full && script.pairs_need_room)
            });
            assert!(arrived == 0 || is_stuck, "{arrived} frames are not fetched");
            let can_send = ingress.script(|script| script.room > 0);
            assert!(
                stack.backlog() == 0 || !can_send,
                "a stack waits for nothing"
            );
        }
    }

    /// That the counters explain every frame.
    #[track_caller]
    fn check_balance(&self) -> u64 {
        let stats = self.w.control.stats();
        let nat = self.w.control.with_nat(|nat| {
            nat.audit().expect("the tables are in order");
            nat.stats()
        });
        for (side, nic) in [(Side::Inside, &self.w.lan), (Side::Outside, &self.w.wan)] {
            let of_nic = nic.script(|script| {
                let given = script.given + script.replies_lost;
                (script.taken, given, script.lost)
            });
            let counted = stats.side(side);
            assert_eq!(of_nic, (counted.received, counted.sent, 0), "{side:?}");
        }
        let waiting = stats.waiting(&nat);
        assert!(
            waiting <= MOST_WAITING,
            "{waiting} frames wait: {stats:?} {nat:?}"
        );
        waiting
    }

    /// The router is dropped as it is, and another one gets its drivers.
    fn rebuild(&mut self) {
        self.check_balance();
        self.note_counters();
        self.waiters.clear();
        for nic in self.nics() {
            nic.script(|script| {
                (script.taken, script.given, script.waker) = (0, 0, None);
                script.replies_lost = 0;
                script.reported_mtu = None;
            });
        }
        let [lan, wan] = self.nics();
        let old = core::mem::replace(&mut self.w, new_world(&self.config, lan, wan));
        (self.lan_stack, self.wan_stack) = (Stack::new(), Stack::new());
        let control = old.control;
        let mut probe = Waiter::probe(control, Side::Inside, HOST.1);
        drop(old);
        // Handles of a router that is gone do nothing.
        assert!(!probe.poll(), "nobody probes");
        control.set_outside(None);
        _ = control.send_frame(Side::Inside, &arp_request(ROUTER_LAN, HOST.1));
        self.seen.rebuilt += 1;
    }

    /// Everything is whole again: what waited leaves, or is dropped and counted, whatever medium the
    /// drivers have come to, and with their own a new session works both ways.
    #[track_caller]
    fn heal(&mut self) {
        for nic in self.nics() {
            nic.script(|script| (script.refuses, script.reported_mtu) = (None, None));
            nic.set_link(LinkState::Up);
            nic.make_room(usize::MAX);
        }
        self.w.control.set_outside(Some(OUTSIDE));
        self.settle();
        for nic in self.nics() {
            let home = nic.script(|script| script.home);
            nic.set_address(home);
        }
        self.settle();
        // On a medium without ARP there is no conflict.
        let may_wait = |waiter: &Waiter| waiter.is_for_conflict && !self.speaks_arp();
        assert!(self.waiters.iter().all(may_wait), "some wait for ever");
        self.note_counters();
        self.carries_a_session();
    }

    /// Lets queries be answered or fail, and conflicts be heard. Then no frame waits.
    #[track_caller]
    fn settle(&mut self) {
        for _ in 0..50 {
            self.advance(100);
            self.neighbours_answer();
            for (nic, sender) in [(&self.w.lan, ROUTER_LAN.1), (&self.w.wan, ROUTER_WAN.1)] {
                nic.arrive(arp_request((OTHER_HOST.0, sender), sender));
            }
        }
        self.check_wakeups();
        assert_eq!(self.check_balance(), 0, "frames are lost, doubled or stuck");
    }

    /// Whether both drivers have Ethernet.
    fn speaks_arp(&self) -> bool {
        let is_ethernet =
            |nic: &Nic| nic.script(|script| matches!(script.home, HardwareAddress::Ethernet(_)));
        self.nics().iter().all(is_ethernet)
    }

    fn carries_a_session(&mut self) {
        if !self.speaks_arp() {
            return;
        }
        self.nics()
            .iter()
            .for_each(|nic| nic.script(|script| script.is_late = false));
        let (control, now) = (self.w.control, self.w.now);
        control.with_nat(|nat| nat.clear(now));
        self.w.run();
        self.w.advance(10_000);
        self.w.introduce();
        let external = self.w.open_session();
        self.w.wan.arrive(from_gateway(&inbound(external)));
        self.w.run();
        assert_eq!(check_all(&self.w.lan.take_sent()).len(), 1);
    }

    fn note_counters(&mut self) {
        let frames = self.w.control.stats();
        let nat = self.w.control.with_nat(|nat| nat.stats());
        let dropped = |reason| frames.inside.dropped(reason) + frames.outside.dropped(reason);
        self.seen += Seen {
            forwarded: nat.forwarded,
            released: nat.released,
            lost_when_full: dropped(FrameDrop::TxFull),
            lost_with_link: dropped(FrameDrop::LinkDown),
            flushed: dropped(FrameDrop::Flushed),
            replaced: dropped(FrameDrop::ArpPendingReplaced),
            unresolved: dropped(FrameDrop::ArpUnresolved),
            of_stacks: frames.inside.from_stack + frames.outside.to_stack,
            made: frames.made,
            consumed: frames.consumed,
            rebuilt: 0,
            ended_waiters: 0,
        };
    }
}

/// The seed that is played, for the message when it fails.
struct Playing(u64);

impl Drop for Playing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!(
                "seed {seed} fails: ADVERSARY_FIRST={seed} ADVERSARY_RUNS=1 \
                 cargo test -p nat-embassy --test adapter adversary::"
            );
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn no_wakeup_is_lost_and_every_frame_is_counted_whatever_executor_drivers_and_clock_do() {
    let first = number("ADVERSARY_FIRST").unwrap_or(0);
    let runs = number("ADVERSARY_RUNS").unwrap_or(RUNS);
    let mut seen = Seen::default();
    for seed in first..first + runs {
        let _playing = Playing(seed);
        seen += Run::new(seed).play();
    }
    if runs >= RUNS {
        let Seen {
            forwarded,
            released,
            lost_when_full,
            lost_with_link,
            flushed,
            replaced,
            unresolved,
            of_stacks,
            made,
            consumed,
            rebuilt,
            ended_waiters,
        } = seen;
        let least = [
            released,
            lost_when_full,
            lost_with_link,
            flushed,
            replaced,
            unresolved,
            rebuilt,
            ended_waiters,
        ];
        assert!(least.iter().all(|count| *count >= 10), "{seen:?}");
        let most = [forwarded, of_stacks, made, consumed];
        assert!(most.iter().all(|count| *count >= 1_000), "{seen:?}");
    }
}
