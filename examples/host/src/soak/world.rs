//! The engine under soak, its clock, its victims, and the invariants of its state.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::{HashMap, HashSet};

use anyhow::{Result, bail, ensure};
use comfy_table::Table;
use nat_core::{
    Cidr, Config, Fragments, Instant, Nat, PortForward, Protocol, Quarantine, Reply, Seed, Side,
    Tables, Verdict,
};

use super::traffic::Traffic;
use super::victim::Victim;
use super::{judge, packet};

const MAPPINGS: usize = 512;
const SESSIONS: usize = 1024;
const HOSTS: usize = 64;

/// Mappings and sessions kept for each host: what a victim's connections need while those before
/// them are still closing.
const KEPT: u16 = 4;
const VICTIMS: u8 = 16;

/// The clock of 32 bits wraps within the first minute.
const START: u64 = (1 << 32) - 60_000;

/// Packets between two looks at the state, two changes of the addresses, and two jumps of the
/// clock.
const CHECK: u64 = 1 << 18;
const RENUMBER: u64 = 5_000_011;
const JUMP: u64 = 7_000_003;

/// Longer than any session lives without traffic.
const LONG: u64 = 3 * 24 * 3600 * 1000;

/// What was done, by the engine's own count and the judge's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(super) packets: u64,
    forwarded: u64,
    dropped: u64,
    rejected: u64,
    local: u64,
    held: u64,
    released: u64,
    judged: u64,
    sessions: u64,
    states: u64,
    addresses: u64,
    jumps: u64,
}

impl Tally {
    pub(super) fn and(self, other: Self) -> Self {
        let sum = |of: fn(&Self) -> u64| of(&self) + of(&other);
        Self {
            packets: sum(|tally| tally.packets),
            forwarded: sum(|tally| tally.forwarded),
            dropped: sum(|tally| tally.dropped),
            rejected: sum(|tally| tally.rejected),
            local: sum(|tally| tally.local),
            held: sum(|tally| tally.held),
            released: sum(|tally| tally.released),
            judged: sum(|tally| tally.judged),
            sessions: sum(|tally| tally.sessions),
            states: sum(|tally| tally.states),
            addresses: sum(|tally| tally.addresses),
            jumps: sum(|tally| tally.jumps),
        }
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.set_header(["", "count"]);
        for (name, count) in [
            ("packets", self.packets),
            ("forwarded", self.forwarded),
            ("dropped", self.dropped),
            ("rejected", self.rejected),
            ("for the router itself", self.local),
            ("fragments held", self.held),
            ("fragments released", self.released),
            ("packets read in full and compared", self.judged),
            ("sessions begun", self.sessions),
            ("looks at the whole state", self.states),
            ("changes of the external addresses", self.addresses),
            ("jumps of the clock", self.jumps),
        ] {
            table.add_row([name, &count.to_string()]);
        }
        table
    }
}

/// One engine and all that is around it.
pub(super) struct World {
    nat: Nat<'static>,
    random: fastrand::Rng,
    seed: u64,
    /// Milliseconds.
    now: u64,
    tally: Tally,
    victims: Vec<Victim>,
    spare: Vec<u8>,
}

impl World {
    /// A world that `seed` repeats.
    ///
    /// # Errors
    ///
    /// None: the configuration is sound.
    pub(super) fn new(seed: u64) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(seed);
        let victims = (2..2 + VICTIMS)
            .map(|number| Victim::new(number, &mut random))
            .collect();
        let nat = engine(seed)?;
        Ok(Self {
            nat,
            random,
            seed,
            now: START,
            tally: Tally::default(),
            victims,
            spare: Vec::new(),
        })
    }

    pub(super) fn packets(&self) -> u64 {
        self.tally.packets
    }

    pub(super) fn random(&mut self) -> &mut fastrand::Rng {
        &mut self.random
    }

    /// Sends `packets` packets, tells `done` how many, and ends with tables that have to be empty.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub(super) fn run(&mut self, packets: u64, done: &AtomicU64) -> Result<()> {
        let mut traffic = Traffic::default();
        let mut next = [CHECK, RENUMBER, JUMP];
        self.begin_anew()?;
        while self.tally.packets < packets {
            let before = self.tally.packets;
            for _ in 0..64 {
                self.step_victim()?;
                traffic.send(self)?;
            }
            self.let_time_pass();
            self.events(&mut next, &mut traffic)?;
            done.fetch_add(self.tally.packets - before, Ordering::Relaxed);
        }
        self.check()?;
        self.end()
    }

    fn step_victim(&mut self) -> Result<()> {
        let place = self.random.usize(..self.victims.len() * 32);
        let Some(mut victim) = self.victims.get(place).cloned() else {
            return Ok(());
        };
        victim.step(self)?;
        self.victims[place] = victim;
        Ok(())
    }

    /// The ends of some victim's flow.
    pub(super) fn victim(&mut self) -> Option<(SocketAddrV4, SocketAddrV4)> {
        let place = self.random.usize(..self.victims.len());
        self.victims[place].ends()
    }

    /// One external address in use.
    pub(super) fn external(&mut self) -> Ipv4Addr {
        let addresses = self.nat.external_addresses();
        addresses[self.random.usize(..addresses.len())]
    }

    pub(super) fn is_external(&self, address: Ipv4Addr) -> bool {
        self.nat.external_addresses().contains(&address)
    }

    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.spare)
    }

    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        self.spare = buffer;
    }

    /// Gives a packet to the engine that it has to forward, and tells its new length.
    pub(super) fn forwarded(&mut self, bytes: &mut [u8], from: Side) -> Result<usize> {
        self.tally.judged += 1;
        match self.give(bytes, from)? {
            Verdict::Forward { to, len, .. } if to != from => Ok(len),
            verdict => bail!("{verdict:?} for a packet that has to be forwarded"),
        }
    }

    /// Gives a packet to the engine, and holds the verdict against what is true of every verdict.
    pub(super) fn give(&mut self, bytes: &mut [u8], from: Side) -> Result<Verdict> {
        let verdict = self
            .nat
            .process(bytes, from, Instant::from_millis(self.now));
        self.count(&verdict);
        self.check_verdict(bytes, from, &verdict)?;
        Ok(verdict)
    }

    /// Gives a packet to the engine that may meet any verdict.
    pub(super) fn judge(&mut self, bytes: &mut [u8], from: Side) -> Result<()> {
        let _checked = self.give(bytes, from)?;
        Ok(())
    }

    /// Gives a packet of the router's own to the engine.
    pub(super) fn give_local(&mut self, bytes: &mut [u8]) -> Result<()> {
        let verdict = self
            .nat
            .process_local(bytes, Instant::from_millis(self.now));
        self.count(&verdict);
        self.check_verdict(bytes, Side::Inside, &verdict)
    }

    /// Takes out the fragments that have waited.
    pub(super) fn release(&mut self) -> Result<()> {
        let mut buffer = [0; 1500];
        while let Some(verdict) = self
            .nat
            .release(&mut buffer, Instant::from_millis(self.now))
        {
            self.tally.released += 1;
            let Verdict::Forward { to, .. } = verdict else {
                bail!("{verdict:?} for a fragment that has waited")
            };
            self.check_verdict(&buffer, to.opposite(), &verdict)?;
        }
        Ok(())
    }

    fn count(&mut self, verdict: &Verdict) {
        self.tally.packets += 1;
        let counter = match verdict {
            Verdict::Forward { .. } | Verdict::Fragment { .. } => &mut self.tally.forwarded,
            Verdict::Drop(_) => &mut self.tally.dropped,
            Verdict::Reject(_) => &mut self.tally.rejected,
            Verdict::Local { .. } => &mut self.tally.local,
            Verdict::Hold => &mut self.tally.held,
        };
        *counter += 1;
    }

    /// Nothing leaves outside but from an external address, nothing goes inside but to a host
    /// there, and who is answered is told by an address of the router's.
    fn check_verdict(&self, bytes: &[u8], from: Side, verdict: &Verdict) -> Result<()> {
        match verdict {
            Verdict::Forward { to, len, .. } => {
                ensure!(*len <= bytes.len(), "{len} bytes of {}", bytes.len());
                match to {
                    Side::Outside => ensure!(
                        self.is_external(address(bytes, 12)),
                        "{} leaves",
                        address(bytes, 12)
                    ),
                    Side::Inside => ensure!(
                        is_inside(address(bytes, 16)),
                        "{} goes inside",
                        address(bytes, 16)
                    ),
                }
            }
            Verdict::Local { len, .. } => {
                ensure!(*len <= bytes.len(), "{len} bytes of {}", bytes.len());
            }
            Verdict::Reject(reply) => self.check_reply(bytes, from, reply)?,
            Verdict::Fragment { .. } => {
                bail!("a packet of {} bytes is to be fragmented", bytes.len())
            }
            Verdict::Drop(_) | Verdict::Hold => {}
        }
        Ok(())
    }

    fn check_reply(&self, bytes: &[u8], from: Side, reply: &Reply) -> Result<()> {
        let mut answer = [0; Reply::MAX_LEN];
        let Some(len) = reply.emit(bytes, &mut answer) else {
            bail!("an answer without bytes")
        };
        let seen = judge::read(&answer[..len])?;
        let right = match from {
            Side::Inside => is_inside(*seen.destination.ip()),
            Side::Outside => self.is_external(*seen.source.ip()),
        };
        ensure!(
            right,
            "an answer from {} to {}",
            seen.source,
            seen.destination
        );
        Ok(())
    }

    fn let_time_pass(&mut self) {
        self.now += self.random.u64(1..=4);
        self.expire();
    }

    fn expire(&mut self) {
        let now = Instant::from_millis(self.now);
        if self.nat.poll_timeout().is_some_and(|due| due <= now) {
            self.nat.handle_timeout(now);
        }
    }

    fn events(&mut self, next: &mut [u64; 3], traffic: &mut Traffic) -> Result<()> {
        let [check, renumber, jump] = next;
        if self.tally.packets >= *check {
            *check += CHECK;
            self.check()?;
        }
        if self.tally.packets >= *renumber {
            *renumber += RENUMBER;
            self.renumber()?;
            *traffic = Traffic::default();
        }
        if self.tally.packets >= *jump {
            *jump += JUMP;
            self.jump()?;
            *traffic = Traffic::default();
        }
        Ok(())
    }

    /// Gives the router other external addresses: all sessions end.
    fn renumber(&mut self) -> Result<()> {
        let addresses = externals(self.random.u8(1..100));
        self.nat
            .set_external_addresses(&addresses, Instant::from_millis(self.now))?;
        self.tally.addresses += 1;
        self.begin_anew()
    }

    /// Lets hours or days pass in which nothing is sent.
    fn jump(&mut self) -> Result<()> {
        self.now += self.random.u64(3 * 3600 * 1000..LONG * 30);
        self.tally.jumps += 1;
        self.expire();
        ensure!(
            self.nat.sessions().count() == 0,
            "sessions outlive a jump of the clock"
        );
        self.begin_anew()
    }

    /// The victims begin again, before there is other traffic: from then on they have what is kept
    /// for a host.
    fn begin_anew(&mut self) -> Result<()> {
        self.victims = (2..2 + VICTIMS)
            .map(|number| Victim::new(number, &mut self.random))
            .collect();
        for place in 0..self.victims.len() {
            let mut victim = self.victims[place].clone();
            victim.step(self)?;
            self.victims[place] = victim;
        }
        Ok(())
    }

    /// What holds of the whole state at any time.
    fn check(&mut self) -> Result<()> {
        self.tally.states += 1;
        let (mut answers, mut hosts) = (HashSet::new(), HashMap::<Ipv4Addr, usize>::new());
        for session in self.nat.sessions() {
            let answer = (session.protocol, session.external, session.remote);
            ensure!(
                answers.insert(answer),
                "two sessions of one answer: {session:?}"
            );
            ensure!(
                self.is_external(*session.external.ip()),
                "a session of a foreign address: {session:?}"
            );
            ensure!(
                session.expires_in <= Duration::from_secs(7440),
                "a session for ever: {session:?}"
            );
            *hosts.entry(*session.inside.ip()).or_default() += 1;
        }
        self.check_tables()?;
        ensure!(
            answers.len() <= SESSIONS && hosts.len() <= HOSTS,
            "more than there is room for"
        );
        ensure!(
            hosts.values().all(|count| *count <= SESSIONS / 2),
            "a host has more than its share: {hosts:?}"
        );
        self.check_counters()
    }

    /// Whatever the tables count and link agrees with a walk of them, and no timer that has run out
    /// is left.
    fn check_tables(&mut self) -> Result<()> {
        if let Err(fault) = self.nat.audit() {
            bail!("the tables are not in order: {fault}");
        }
        let now = Instant::from_millis(self.now);
        self.nat.handle_timeout(now);
        ensure!(
            self.nat.poll_timeout().is_none_or(|due| due > now),
            "a timer that has run out is left"
        );
        Ok(())
    }

    /// One packet, one verdict, one count.
    fn check_counters(&self) -> Result<()> {
        let (stats, tally) = (self.nat.stats(), &self.tally);
        let received = stats.inside.packets_in + stats.outside.packets_in + stats.from_router;
        ensure!(
            received == tally.packets,
            "{received} counted of {} packets",
            tally.packets
        );
        let counted = [
            stats.forwarded,
            stats.dropped_total(),
            stats.rejected_total(),
            stats.local,
            stats.held,
        ];
        let seen = [
            tally.forwarded,
            tally.dropped,
            tally.rejected,
            tally.local,
            tally.held,
        ];
        ensure!(
            counted == seen,
            "forwarded, dropped, rejected, local, held: {counted:?} counted, {seen:?} seen"
        );
        Ok(())
    }

    /// After the last timer nothing is left, and there is as much room as in a new engine.
    fn end(&mut self) -> Result<()> {
        self.tally.sessions = self.nat.stats().sessions_created;
        self.now += LONG;
        self.nat.handle_timeout(Instant::from_millis(self.now));
        ensure!(
            self.nat.sessions().count() == 0,
            "sessions are left after the last timer"
        );
        ensure!(
            self.nat.poll_timeout().is_none(),
            "a timer is left where no session is"
        );
        let (left, new) = (
            room(&mut self.nat, self.now)?,
            room(&mut engine(self.seed)?, self.now)?,
        );
        ensure!(
            left == new,
            "room for {left} flows, and in a new engine for {new}"
        );
        Ok(())
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }
}

fn engine(seed: u64) -> Result<Nat<'static>> {
    let mut config =
        Config::new(Cidr::new(Ipv4Addr::new(192, 168, 77, 1), 24).expect("a prefix length"));
    config.external_addresses = externals(100).into_iter().collect();
    config.limits.reserved_per_host = Some(KEPT);
    let entropy = (u128::from(seed) << 64 | 0x5eed).to_le_bytes();
    let tables = Box::leak(Box::new(Tables::<MAPPINGS, SESSIONS, HOSTS>::new()));
    let nat = Nat::new(tables, config, Seed::new(entropy))?;
    let mut nat = nat.with_fragments(Box::leak(Box::new(Fragments::<16, 4>::new())));
    let server = SocketAddrV4::new(Ipv4Addr::new(192, 168, 77, 200), 80);
    nat.add_port_forward(PortForward::new(Protocol::Tcp, 8080, server))?;
    nat.add_port_forward(PortForward::new(Protocol::Udp, 5353, server))?;
    Ok(nat.with_quarantine(Box::leak(Box::new(Quarantine::<64>::new()))))
}

fn externals(last: u8) -> [Ipv4Addr; 2] {
    [
        Ipv4Addr::new(198, 51, 100, last),
        Ipv4Addr::new(198, 51, 100, last + 100),
    ]
}

/// How many flows of new hosts the tables have room for.
fn room(nat: &mut Nat<'_>, now: u64) -> Result<usize> {
    let (mut bytes, mut count) = (Vec::new(), 0);
    for number in 0..4 * MAPPINGS as u16 {
        let inside = Ipv4Addr::new(192, 168, 77, 2 + (number % (HOSTS as u16 - 1)) as u8);
        let remote = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), 53);
        packet::udp(
            &mut bytes,
            SocketAddrV4::new(inside, 2000 + number),
            remote,
            &[],
        )?;
        count += usize::from(matches!(
            nat.process(&mut bytes, Side::Inside, Instant::from_millis(now)),
            Verdict::Forward { .. }
        ));
    }
    Ok(count)
}

fn is_inside(address: Ipv4Addr) -> bool {
    address.octets().starts_with(&[192, 168, 77])
}

fn address(packet: &[u8], at: usize) -> Ipv4Addr {
    packet
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(Ipv4Addr::UNSPECIFIED, |octets: &[u8; 4]| (*octets).into())
}
