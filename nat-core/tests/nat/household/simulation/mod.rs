//! An hour of an ordinary household of ten hosts, packet by packet, through the engine with the
//! tables of the RP2040's image.

mod flow;
mod habits;
mod report;

use core::cmp::Reverse;
use core::net::{Ipv4Addr, SocketAddrV4};
use std::collections::BinaryHeap;

use nat_core::{Cidr, Config, Instant, Nat, Seed, Side, Tables, Verdict};

use flow::{Direction, Flow};
pub(crate) use report::Report;

/// The capacities of `examples/rp2040-w5500`.
const MAPPINGS: usize = 1024;
const SESSIONS: usize = 2048;
const HOSTS: usize = 64;

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const EXTERNAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// What is played, in milliseconds.
const HOUR: u64 = 3_600_000;

fn host(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 1, 10 + number)
}

/// Plays the hour that `seed` gives, with what `change` does to the default configuration.
pub(crate) fn play(seed: u64, change: impl FnOnce(&mut Config)) -> Report {
    let mut config = Config::new(Cidr::new(ROUTER, 24).expect("a prefix length"));
    config
        .external_addresses
        .push(EXTERNAL)
        .expect("room for one");
    change(&mut config);
    let mut tables = Box::new(Tables::<MAPPINGS, SESSIONS, HOSTS>::new());
    let nat =
        Nat::new(&mut tables, config, Seed::new([9; 16])).expect("the configuration can work");
    let flows = habits::hour(&mut fastrand::Rng::with_seed(seed));
    let due = flows
        .iter()
        .enumerate()
        .map(|(number, flow)| Reverse((flow.start, number)))
        .collect();
    Household {
        nat,
        flows,
        due,
        report: Report::default(),
    }
    .play()
}

/// The source address of a packet without IPv4 options, and its source port or identifier.
fn source_of(packet: &[u8]) -> SocketAddrV4 {
    let (header, transport) = packet.split_at(20);
    let address: [u8; 4] = header[12..16].try_into().expect("four bytes");
    let port = [transport[0], transport[1]];
    SocketAddrV4::new(address.into(), u16::from_be_bytes(port))
}

struct Household<'t> {
    nat: Nat<'t>,
    flows: Vec<Flow>,
    /// When which flow has its next packet.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    report: Report,
}

impl Household<'_> {
    fn play(mut self) -> Report {
        let mut next_look = 0;
        while let Some(Reverse((at, number))) = self.due.pop().filter(|Reverse((at, _))| *at < HOUR)
        {
            while next_look <= at {
                self.end_due(next_look);
                self.report.look(self.nat.sessions());
                next_look += 1000;
            }
            self.end_due(at);
            if let Some(after) = self.step(number, at) {
                self.due.push(Reverse((at + after, number)));
            }
        }
        self.report
    }

    /// Calls the engine as the router does, at its deadlines.
    fn end_due(&mut self, at: u64) {
        let at = Instant::from_millis(at);
        while let Some(due) = self.nat.poll_timeout().filter(|due| *due <= at) {
            self.nat.handle_timeout(due);
        }
    }

    /// Has a flow send its next packet; says how long after it the next one is due, if there is
    /// one.
    fn step(&mut self, number: usize, at: u64) -> Option<u64> {
        let flow = &mut self.flows[number];
        let (mut packet, way) = flow.packet()?;
        let side = if way == Direction::Out {
            Side::Inside
        } else {
            Side::Outside
        };
        self.report.packets += 1;
        match self
            .nat
            .process(&mut packet, side, Instant::from_millis(at))
        {
            Verdict::Forward { .. } => {
                if way == Direction::Out && flow.external.is_none() {
                    self.report.begun += 1;
                    flow.external = Some(source_of(&packet));
                }
                flow.advance()
            }
            Verdict::Drop(reason) => self.refused(number, reason.as_str()),
            Verdict::Reject(reply) => self.refused(number, reply.reason().as_str()),
            other => panic!("{other:?} for a packet of a household"),
        }
    }

    fn refused(&mut self, number: usize, reason: &'static str) -> Option<u64> {
        let flow = &self.flows[number];
        let first = flow.external.is_none();
        self.report.refuse(flow.host, first, reason);
        None
    }
}
