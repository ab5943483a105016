//! What happens to the router: frames, drivers that change, the application, and time.

use core::net::Ipv4Addr;

use embassy_net_driver::{Checksum, HardwareAddress, LinkState};
use etherparse::SlicedPacket;
use nat_core::{Instant, Side};

use super::Run;
use super::tasks::Waiter;
use crate::random::{answer_to, any_frame, frames_inside, frames_outside};
use crate::world::frames::{
    Station, Udp, arp_reply, arp_request, check_frame, echo_request, fragments, ipv4_frame,
    set_header,
};
use crate::world::nic::{Nic, Script};
use crate::world::random::Random;
use crate::world::*;

const SIDES: [Side; 2] = [Side::Inside, Side::Outside];
const OTHER_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 200);

/// More tasks than probes have slots.
const MAX_WAITERS: usize = 12;

/// As many tasks as can wait for a conflict.
const MAX_FOR_CONFLICT: usize = 4;

/// The frames that arrive.
pub(super) struct Frames {
    inside: Vec<Vec<u8>>,
    outside: Vec<Vec<u8>>,
    /// The fragments of a datagram from inside.
    pieces: Vec<Vec<u8>>,
    of_lan_stack: Vec<Vec<u8>>,
    of_wan_stack: Vec<Vec<u8>>,
    /// Answers to what has left outside.
    answers: Vec<Vec<u8>>,
}

impl Frames {
    pub(super) fn new() -> Self {
        let mut inside = frames_inside();
        inside.push(to_router(
            &without_df(udp(HOST.1, SERVER, 1_400)),
            Side::Inside,
        ));
        inside.push(to_router(
            &with_ttl(udp(HOST.1, SERVER, 8), 1),
            Side::Inside,
        ));
        inside.push(arp_request(HOST, OTHER_HOST.1));
        inside.push(arp_reply(OTHER_HOST, ROUTER_LAN));
        let mut outside = frames_outside();
        outside.push(arp_request((GATEWAY.0, ROUTER_WAN.1), GATEWAY.1));
        let long = without_df(udp(HOST.1, SERVER, 3_000));
        let pieces = fragments(&long, 1_000);
        Self {
            inside,
            outside,
            pieces: pieces
                .iter()
                .map(|piece| to_router(piece, Side::Inside))
                .collect(),
            of_lan_stack: of_stack(ROUTER_LAN, HOST),
            of_wan_stack: of_stack(ROUTER_WAN, (GATEWAY.0, SERVER)),
            answers: vec![from_gateway(&inbound(4000))],
        }
    }

    /// Takes what has left outside, to answer it.
    fn note_sent(&mut self, sent: &[Vec<u8>]) {
        // What a stack sends inside leaves as it is, however damaged.
        let sound = sent.iter().filter(|frame| {
            SlicedPacket::from_ethernet(frame).is_ok_and(|packet| packet.transport.is_some())
        });
        let answers = sound.filter_map(|frame| answer_to(frame));
        let fresh: Vec<_> = answers.flat_map(|answer| with_long_one(&answer)).collect();
        self.answers.splice(0..0, fresh);
        self.answers.truncate(12);
    }
}

fn udp(src: Ipv4Addr, dst: Ipv4Addr, len: usize) -> Vec<u8> {
    Udp {
        src,
        dst,
        payload: vec![7; len],
        ..outbound()
    }
    .build()
}

fn without_df(mut datagram: Vec<u8>) -> Vec<u8> {
    set_header(&mut datagram, |header| header.dont_fragment = false);
    datagram
}

fn with_ttl(mut datagram: Vec<u8>, ttl: u8) -> Vec<u8> {
    set_header(&mut datagram, |header| header.time_to_live = ttl);
    datagram
}

fn to_router(datagram: &[u8], from: Side) -> Vec<u8> {
    match from {
        Side::Inside => ipv4_frame(ROUTER_LAN.0, HOST.0, datagram),
        Side::Outside => ipv4_frame(ROUTER_WAN.0, GATEWAY.0, datagram),
    }
}

/// An answer, and a longer one that may have to leave in fragments.
fn with_long_one(answer: &[u8]) -> [Vec<u8>; 2] {
    let seen = check_frame(answer).1;
    let (src_port, dst_port) = seen.ports.expect("UDP");
    let long = Udp {
        src: seen.src,
        src_port,
        dst: seen.dst,
        dst_port,
        payload: vec![9; 1_300],
    };
    [
        answer.to_vec(),
        to_router(&without_df(long.build()), Side::Outside),
    ]
}

/// What a stack at `router` sends to `station`, or to itself.
fn of_stack(router: Station, station: Station) -> Vec<Vec<u8>> {
    let datagrams = [
        udp(router.1, station.1, 20),
        with_ttl(udp(router.1, station.1, 20), 1),
        udp(router.1, router.1, 20),
        echo_request(router.1, station.1, 1_000),
        udp(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, 300),
    ];
    let mut frames: Vec<_> = datagrams
        .iter()
        .map(|datagram| ipv4_frame(station.0, router.0, datagram))
        .collect();
    frames.push(arp_request(router, station.1));
    frames.push(arp_reply(router, station));
    frames
}

impl Run {
    /// One event, which may be a burst of frames.
    pub(super) fn event(&mut self) {
        match self.random.below(24) {
            0..=6 => self.arrive(Side::Inside),
            7..=12 => self.arrive(Side::Outside),
            13 => self.fragments_arrive(),
            14..=16 => self.stack_sends(),
            17 => self.application(),
            18 => self.waiters(),
            19 => self.neighbours_answer(),
            _ => {
                let nic = self
                    .random
                    .choose(&[self.w.lan.clone(), self.w.wan.clone()]);
                change(&mut self.random, &nic);
            }
        }
    }

    fn arrive(&mut self, side: Side) {
        let most = self.random.choose(&[1, 1, 3, 12]);
        for _ in 0..=self.random.below(most) {
            let (nic, frames) = match (side, self.random.below(2)) {
                (Side::Inside, _) => (&self.w.lan, &self.frames.inside),
                (Side::Outside, 0) => (&self.w.wan, &self.frames.outside),
                (Side::Outside, _) => (&self.w.wan, &self.frames.answers),
            };
            // Drivers hand up no frame without a byte.
            let mut frame = any_frame(&mut self.random, frames);
            frame.resize(frame.len().max(1), 0);
            nic.arrive(frame);
        }
    }

    /// The fragments of a datagram, of which all but the first come in any order.
    fn fragments_arrive(&mut self) {
        let id = self.random.below(3) as u16;
        let mut pieces = self.frames.pieces.clone();
        for piece in &mut pieces {
            set_header(&mut piece[14..], |header| header.identification = id);
        }
        for _ in 0..pieces.len() {
            let next = self.random.below(pieces.len());
            self.w.lan.arrive(pieces.swap_remove(next));
            if self.random.below(8) == 0 {
                return;
            }
        }
    }

    fn stack_sends(&mut self) {
        let (stack, frames) = match self.random.choose(&SIDES) {
            Side::Inside => (&mut self.lan_stack, &self.frames.of_lan_stack),
            Side::Outside => (&mut self.wan_stack, &self.frames.of_wan_stack),
        };
        let mut frame = any_frame(&mut self.random, frames);
        frame.resize(frame.len().clamp(1, nat_embassy::MAX_FRAME_LEN), 0);
        stack.send(frame);
    }

    fn application(&mut self) {
        let (control, now) = (self.w.control, self.w.now);
        let side = self.random.choose(&SIDES);
        let other = nat_embassy::Outside {
            address: cidr(OTHER_ADDRESS),
            ..OUTSIDE
        };
        match self.random.below(8) {
            0 | 1 => {
                let mut frame = any_frame(&mut self.random, &self.frames.of_wan_stack);
                frame.truncate(nat_embassy::MAX_FRAME_LEN);
                _ = control.send_frame(side, &frame);
            }
            2 => control.set_outside(Some(other)),
            3 => control.suspend_outside(),
            4 => control.set_outside(None),
            5 => control.with_nat(|nat| nat.clear(now)),
            _ => control.set_outside(Some(OUTSIDE)),
        }
    }

    /// A task more that waits, or one less.
    fn waiters(&mut self) {
        let control = self.w.control;
        let side = self.random.choose(&SIDES);
        if self.waiters.len() == MAX_WAITERS || self.random.below(4) == 0 {
            if !self.waiters.is_empty() {
                let gone = self.random.below(self.waiters.len());
                self.waiters.swap_remove(gone);
            }
            return;
        }
        for _ in 0..self.random.choose(&[1, 1, 6]) {
            let for_conflict = self.waiters.iter().filter(|waiter| waiter.is_for_conflict);
            let has_place = for_conflict.count() < MAX_FOR_CONFLICT;
            let waiter = match self.random.below(3) {
                0 if has_place => Waiter::conflict(control, side),
                _ => Waiter::probe(control, side, self.random.choose(&[HOST.1, GATEWAY.1])),
            };
            self.waiters.push(waiter);
        }
        self.waiters.truncate(MAX_WAITERS);
    }

    /// Takes what has been sent, and has those neighbours answer that are asked for.
    pub(super) fn neighbours_answer(&mut self) {
        let outside = self.w.wan.take_sent();
        self.frames.note_sent(&outside);
        let inside = self.w.lan.take_sent();
        let sides = [(Side::Outside, outside), (Side::Inside, inside)];
        for (side, frames) in sides {
            let whole = frames.into_iter().filter(|frame| frame.len() >= 42);
            let frames: Vec<_> = whole.map(|frame| (side, frame)).collect();
            traffic::neighbours_answer(&self.w, &frames);
        }
    }

    /// Time passes, or stands: the router is late when it has asked for less.
    pub(super) fn pass_time(&mut self) {
        let random = &mut self.random;
        let millis = match random.below(40) {
            0..=15 => 0,
            16..=27 => random.below(6),
            28..=33 => random.below(700),
            34..=36 => match self.w.deadline {
                Some(at) => at.as_millis().saturating_sub(self.w.now.as_millis()) as usize,
                None => 0,
            },
            37 | 38 => random.below(20_000),
            _ => random.choose(&[3_600_000, 1 << 31, 1 << 32, (1 << 33) + 17]),
        };
        self.w.now = Instant::from_millis(self.w.now.as_millis() + millis as u64);
    }
}

/// A driver changes.
fn change(random: &mut Random, nic: &Nic) {
    match random.below(16) {
        0 => nic.set_link(LinkState::Down),
        1..=4 => nic.set_link(LinkState::Up),
        5 | 6 => nic.make_room(random.choose(&[0, 1, 2, 30])),
        7 | 8 => nic.make_room(100_000),
        9 => nic.script(|script| script.is_late = !script.is_late),
        10..=12 => nic.interrupt(),
        13 => {
            let refuses = (random.below(2) == 0).then(|| Random::new(random.next() | 1));
            nic.script(|script| script.refuses = refuses);
        }
        14 => {
            let address = other_address(random, nic);
            nic.set_address(address);
        }
        _ => nic.script(|script| change_capabilities(random, script)),
    }
}

/// Mostly the address that its side has in the frames.
fn other_address(random: &mut Random, nic: &Nic) -> HardwareAddress {
    let own = nic.script(|script| script.home);
    let strange = [
        HardwareAddress::Ip,
        HardwareAddress::Ieee802154([1; 8]),
        HardwareAddress::Ethernet([2, 0, 0, 0, 9, 9]),
    ];
    if random.below(2) == 0 {
        own
    } else {
        random.choose(&strange)
    }
}

/// What a driver says that it can, while it runs: the router has asked once, when it was built.
fn change_capabilities(random: &mut Random, script: &mut Script) {
    script.reported_mtu = random.choose(&[None, Some(0), Some(60), Some(600), Some(9_000)]);
    script.checksum.icmpv4 = random.choose(&[Checksum::Both, Checksum::None]);
}
