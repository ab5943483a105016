//! One soak: the engine, the victims, and the traffic around them.

use core::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use super::engine::Engine;
use super::tally::Tally;
use super::traffic::Traffic;
use super::victim::Victim;

const VICTIMS: u8 = 16;

/// Packets between two checks of the state, two changes of the addresses, and two jumps of the
/// clock.
const CHECK: u64 = 1 << 18;
const RENUMBER: u64 = 5_000_011;
const JUMP: u64 = 7_000_003;

/// One engine with everything that sends to it.
pub(super) struct World {
    engine: Engine,
    victims: Vec<Victim>,
    traffic: Traffic,
    next: NextEvents,
}

/// The numbers of packets at which the next events happen.
struct NextEvents {
    check: u64,
    renumber: u64,
    jump: u64,
}

impl World {
    /// The same `seed` repeats the soak.
    pub(super) fn new(seed: u64) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(seed);
        let victims = new_victims(&mut random);
        Ok(Self {
            engine: Engine::new(seed, random)?,
            victims,
            traffic: Traffic::default(),
            next: NextEvents {
                check: CHECK,
                renumber: RENUMBER,
                jump: JUMP,
            },
        })
    }

    pub(super) fn tally(&self) -> Tally {
        self.engine.tally()
    }

    fn packets(&self) -> u64 {
        self.tally().packets
    }

    /// Sends at least `packets` packets and adds their number to `done`. At the end, the tables
    /// must be empty.
    ///
    /// # Errors
    ///
    /// The first packet or state that is wrong.
    pub(super) fn run(&mut self, packets: u64, done: &AtomicU64) -> Result<()> {
        self.restart()?;
        while self.packets() < packets {
            let before = self.packets();
            for _ in 0..64 {
                self.step_victim()?;
                self.traffic.send(&mut self.engine, &self.victims)?;
            }
            self.engine.advance();
            self.events()?;
            done.fetch_add(self.packets() - before, Ordering::Relaxed);
        }
        self.engine.check()?;
        self.engine.end()
    }

    /// Lets a random victim send, in one of 32 calls.
    fn step_victim(&mut self) -> Result<()> {
        let index = self.engine.random().usize(..self.victims.len() * 32);
        match self.victims.get_mut(index) {
            Some(victim) => victim.step(&mut self.engine),
            None => Ok(()),
        }
    }

    fn events(&mut self) -> Result<()> {
        if self.packets() >= self.next.check {
            self.next.check += CHECK;
            self.engine.check()?;
        }
        if self.packets() >= self.next.renumber {
            self.next.renumber += RENUMBER;
            self.engine.renumber()?;
            self.restart()?;
        }
        if self.packets() >= self.next.jump {
            self.next.jump += JUMP;
            self.engine.jump()?;
            self.restart()?;
        }
        Ok(())
    }

    /// New victims, and new traffic. The victims send first, so that they get what is reserved for
    /// each host.
    fn restart(&mut self) -> Result<()> {
        self.traffic = Traffic::default();
        self.victims = new_victims(self.engine.random());
        self.victims
            .iter_mut()
            .try_for_each(|victim| victim.step(&mut self.engine))
    }
}

fn new_victims(random: &mut fastrand::Rng) -> Vec<Victim> {
    (2..2 + VICTIMS)
        .map(|number| Victim::new(number, random))
        .collect()
}
