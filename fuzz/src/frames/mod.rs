//! The router of `nat-embassy` between two drivers that fill up, refuse tokens, lose frames and
//! links, on a clock that only the input moves. Read by `arbitrary`.
//!
//! - It never panics, spends no token on nothing, and comes to rest after each step.
//! - What leaves outside is from the router's station, carries an external source, and shows no
//!   inside address: not in ARP, and not in what an ICMP error quotes. Every IPv4 packet that
//!   leaves on either side is one for smoltcp and etherparse, and has a right transport checksum,
//!   unless a frame came in whose checksum was wrong by the same difference.
//! - At the end, when links are up and drivers can transmit, all waiting packets leave, every queue has
//!   its full capacity again, and a new session works in both directions.
//!
//! A driver that [wakes its task](world::nic::Script) whenever it has nothing never comes to rest,
//! so there is none here.

mod afterwards;
mod oracle;
mod stations;
mod steps;
#[path = "../../../nat-embassy/tests/adapter/world/mod.rs"]
mod world;

use core::net::SocketAddrV4;

use arbitrary::{Arbitrary, Unstructured};
use nat_core::{DropReason, Filtering, PortForward, Protocol, Stats};
use nat_embassy::{FrameDrop, FrameStats, State};

use oracle::Oracle;
use steps::Step;
use world::nic::Nic;
use world::{HOST, ROUTER_LAN, ROUTER_WAN, World, ethernet_nic, ip_nic};

#[derive(Arbitrary, Debug)]
struct Input {
    lan: Medium,
    wan: Medium,
    dhcp_client: bool,
    open: bool,
    forward: bool,
    introduced: bool,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Medium {
    ip: bool,
    /// Bytes that a frame is shorter than usual at most.
    less: u8,
    reads_early: bool,
}

impl Medium {
    fn nic(self, station: world::frames::Station) -> Nic {
        let nic = if self.ip {
            ip_nic()
        } else {
            ethernet_nic(station)
        };
        nic.script(|script| {
            script.mtu -= usize::from(self.less) * 4;
            script.reads_early = self.reads_early;
            // A driver that hands up a frame must take the answer to it, so a full one hands up
            // none.
            script.pairs_need_room = true;
        });
        nic
    }
}

/// Runs the steps in `data`, and returns what each made the router do.
pub fn run(data: &[u8]) -> Vec<String> {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return Vec::new();
    };
    crate::show(&input);
    crate::memory::lend(Box::new(State::<16, 32, 8>::new()), |state| {
        let mut config = world::config();
        config.nat.dhcp_client = input.dhcp_client;
        if input.open {
            config.nat.filtering = Filtering::EndpointIndependent;
        }
        let mut world = World::of(
            state,
            config,
            input.lan.nic(ROUTER_LAN),
            input.wan.nic(ROUTER_WAN),
        );
        if input.forward {
            let forward = PortForward::new(Protocol::Udp, 4000, SocketAddrV4::new(HOST.1, 5000));
            world
                .control
                .with_nat(|nat| nat.add_port_forward(forward))
                .expect("nothing is there yet");
        }
        if input.introduced && !input.lan.ip && !input.wan.ip {
            world.introduce();
        }
        play(world, &input)
    })
}

/// One frame from outside or from inside to a router that knows its neighbours, and what it makes
/// the router do.
pub(crate) fn one(wan: bool, frame: &[u8]) -> Vec<String> {
    crate::memory::lend(Box::new(State::<4, 8, 4>::new()), |state| {
        let mut world = World::of(
            state,
            world::config(),
            ethernet_nic(ROUTER_LAN),
            ethernet_nic(ROUTER_WAN),
        );
        world.introduce();
        let mut oracle = Oracle::new(false, false);
        oracle.note(frame);
        let before = Counts::of(&world);
        let nic = if wan { &world.wan } else { &world.lan };
        nic.arrive(frame.to_vec());
        world.run();
        [oracle.take_sent(&world), before.since(&world)].concat()
    })
}

fn play(mut world: World, input: &Input) -> Vec<String> {
    let mut oracle = Oracle::new(input.lan.ip, input.wan.ip);
    let words = input
        .steps
        .iter()
        .map(|step| {
            let before = Counts::of(&world);
            steps::perform(step, &mut world, &mut oracle);
            world.run();
            [oracle.take_sent(&world), before.since(&world)]
                .concat()
                .join(", ")
        })
        .collect();
    afterwards::check(&mut world, &mut oracle);
    words
}

/// What has been counted.
struct Counts {
    frames: FrameStats,
    nat: Stats,
}

impl Counts {
    fn of(world: &World) -> Self {
        Self {
            frames: world.control.stats(),
            nat: world.control.with_nat(|nat| nat.stats().clone()),
        }
    }

    /// What was dropped since, and whether a local stack got anything.
    fn since(&self, world: &World) -> Vec<String> {
        let now = Self::of(world);
        let of_frames = |counts: &Self, reason| {
            counts.frames.inside.dropped(reason) + counts.frames.outside.dropped(reason)
        };
        let to_stack =
            |counts: &Self| counts.frames.inside.to_stack + counts.frames.outside.to_stack;
        let frames = FrameDrop::ALL
            .iter()
            .filter(|reason| of_frames(&now, **reason) > of_frames(self, **reason));
        let nat = DropReason::ALL
            .iter()
            .filter(|reason| now.nat.dropped(**reason) > self.nat.dropped(**reason));
        let local = (to_stack(&now) > to_stack(self)).then(|| "to stack".to_owned());
        let frames = frames.map(|reason| format!("drop {}", reason.as_str()));
        frames
            .chain(nat.map(|reason| format!("drop {}", reason.as_str())))
            .chain(local)
            .collect()
    }
}
