//! Anything in any order, with what always holds checked after each step.

use core::time::Duration;

use arbitrary::Arbitrary;
use nat_core::{Fragments, Nat, Side, Tables, Timeouts, WideQuarantine, WideTables};

use super::world;
use choices::Choices;
use operation::Run;
use packets::{Entry, Step};
use setting::EXTERNAL;
use wide_nat::WideNat;
use world::Outcome;

mod choices;
#[path = "../../../nat-core/tests/nat/config_fuzz/invariants.rs"]
mod invariants;
#[path = "../../../nat-core/tests/nat/config_fuzz/operation.rs"]
mod operation;
mod packets;
#[allow(dead_code, reason = "worlds are not held against new ones here")]
#[path = "../../../nat-core/tests/nat/config_fuzz/setting.rs"]
mod setting;
mod wide_nat;

#[derive(Arbitrary, Debug)]
pub(super) struct Input {
    choices: Choices,
    /// Beside a NAT with wide tables. Then operations that are drawn at random are left out.
    wide: bool,
    steps: Vec<Step>,
}

pub(super) fn run(input: Input) -> Vec<String> {
    let setting = input.choices.setting();
    let Some(world) = setting.world() else {
        return vec!["refused".to_owned()];
    };
    let (mut tables, mut fragments) = (wide_tables(), Fragments::<3, 3>::new());
    let mut quarantine = WideQuarantine::<8>::wide();
    let wide = input.wide.then(|| {
        let mut nat =
            Nat::new(&mut tables, setting.config.clone(), world::SEED).expect("as before");
        if setting.fragments {
            nat = nat.with_fragments(&mut fragments);
        }
        if setting.quarantine {
            nat = nat.with_quarantine(&mut quarantine);
        }
        WideNat { nat }
    });
    let run = Run::new(world.starting_at(input.choices.start()));
    let mut pair = Pair { run, wide };
    pair.advance(Duration::ZERO);
    let words = input
        .steps
        .iter()
        .filter_map(|step| pair.perform(*step))
        .collect();
    // The clock may have been turned back many times.
    pair.advance(Timeouts::MAX * 2);
    words
}

fn wide_tables() -> WideTables<8, 12, 4> {
    Tables::wide()
}

/// The world, and perhaps a NAT with wide tables that does the same.
struct Pair<'t> {
    run: Run,
    wide: Option<WideNat<'t>>,
}

impl Pair<'_> {
    /// Performs a step, and checks what holds after it. A packet's fate in words.
    fn perform(&mut self, step: Step) -> Option<String> {
        let before = self.run.world.sessions();
        let word = self.do_step(step);
        invariants::check(&self.run.world, &before);
        if let Some(wide) = &self.wide {
            wide.check(&self.run.world);
        }
        word
    }

    fn do_step(&mut self, step: Step) -> Option<String> {
        if let Some((entry, packet)) = step.packet(&self.run.world) {
            return Some(self.send(entry, &packet.bytes()));
        }
        match step {
            Step::Advance(pause) => self.advance(pause.duration()),
            Step::Jump(pause) => self.run.world.jump(pause.duration()),
            Step::Back { millis } => self
                .run
                .world
                .step_back(Duration::from_millis(millis.into())),
            Step::Random(seed) if self.wide.is_none() => self.run.perform(seed.into()),
            other => self.configure(other),
        }
        None
    }

    fn send(&mut self, entry: Entry, bytes: &[u8]) -> String {
        let world = &mut self.run.world;
        let outcome = match entry {
            Entry::Wire(Side::Inside) => world.outbound(bytes),
            Entry::Wire(Side::Outside) => world.inbound(bytes),
            Entry::Router => world.router_sends(bytes),
        };
        let now = world.now();
        _ = world.take_released();
        if let Some(wide) = &mut self.wide {
            wide.packet(entry, bytes, now, &outcome);
        }
        word(&outcome)
    }

    fn advance(&mut self, duration: Duration) {
        self.run.world.advance(duration);
        let now = self.run.world.now();
        if let Some(wide) = &mut self.wide {
            wide.advance(now);
        }
    }

    fn configure(&mut self, step: Step) {
        let now = self.run.world.now();
        let world = &mut self.run.world;
        let wide = self.wide.as_mut().map(|wide| &mut wide.nat);
        match step {
            Step::Forward { .. } => {
                let forward = step.forward().expect("a port forward");
                let added = world.nat.add_port_forward(forward);
                assert!(wide.is_none_or(|wide| wide.add_port_forward(forward) == added));
            }
            Step::Unforward { index } => {
                let forwards: Vec<_> = world.nat.port_forwards().collect();
                if let Some(forward) = forwards.get(usize::from(index) % forwards.len().max(1)) {
                    assert!(world.remove_port_forward(forward));
                    assert!(wide.is_none_or(|wide| wide.remove_port_forward(forward, now)));
                }
            }
            Step::Addresses { first, count } => {
                let addresses: Vec<_> = (0..count % 4)
                    .map(|n| EXTERNAL[usize::from(first.wrapping_add(n)) % 3])
                    .collect();
                let set = world.set_external_addresses(&addresses);
                assert!(
                    wide.is_none_or(|wide| wide.set_external_addresses(&addresses, now) == set)
                );
            }
            Step::Drain { address, seconds } => self.drain(address, seconds),
            Step::Mtu { inside, mtu } => {
                let side = if inside { Side::Inside } else { Side::Outside };
                let mtu = 60 + u16::from(mtu) * 6;
                let set = world.nat.set_mtu(side, mtu);
                assert!(wide.is_none_or(|wide| wide.set_mtu(side, mtu) == set));
            }
            Step::Clear => {
                world.clear();
                if let Some(wide) = wide {
                    wide.clear(now);
                }
            }
            // A packet that refers to a session, where there is none.
            _ => {}
        }
    }

    fn drain(&mut self, address: u8, seconds: u16) {
        let address = EXTERNAL[usize::from(address) % 3];
        let longest = Duration::from_secs(seconds.into());
        let drains = self.run.world.drain_address(address, longest);
        let now = self.run.world.now();
        let same = |wide: &mut WideNat<'_>| {
            wide.nat.drain_external_address(address, longest, now) == drains
        };
        assert!(self.wide.as_mut().is_none_or(same));
    }
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Dropped(reason) => format!("drop {}", reason.as_str()),
        Outcome::Forwarded(_) => "forward".to_owned(),
        Outcome::Fragmented(..) => "fragment".to_owned(),
        Outcome::Held => "hold".to_owned(),
        Outcome::Local(..) => "local".to_owned(),
        Outcome::Rejected(reason, _) => format!("reject {}", reason.as_str()),
    }
}
