//! The engine under soak on a virtual clock, with a check of every verdict and of the state.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use std::collections::{HashMap, HashSet};

use anyhow::{Result, bail, ensure};
use nat_core::{
    Cidr, Config, Fragments, Instant, Nat, PortForward, Protocol, Quarantine, Reply, Seed, Side,
    Tables, Verdict,
};

use super::tally::Tally;
use super::{checker, packet};

const MAPPINGS: usize = 512;
const SESSIONS: usize = 1024;
const HOSTS: usize = 64;

/// Mappings and sessions reserved for each host: what a victim's connections need while earlier
/// ones are still closing.
const RESERVED: u16 = 4;

/// The clock of 32 bits wraps within the first minute.
const START: u64 = (1 << 32) - 60_000;

/// Longer than any session lives without traffic, in milliseconds.
const LONG: u64 = 3 * 24 * 3600 * 1000;

/// The engine, its clock, the random numbers of the soak, and what was counted.
pub(super) struct Engine {
    nat: Nat<'static>,
    random: fastrand::Rng,
    seed: u64,
    /// Milliseconds.
    now: u64,
    tally: Tally,
    spare: Vec<u8>,
}

impl Engine {
    /// The same `seed` repeats the soak.
    pub(super) fn new(seed: u64, random: fastrand::Rng) -> Result<Self> {
        Ok(Self {
            nat: new_nat(seed)?,
            random,
            seed,
            now: START,
            tally: Tally::default(),
            spare: Vec::new(),
        })
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn random(&mut self) -> &mut fastrand::Rng {
        &mut self.random
    }

    /// One external address in use.
    pub(super) fn external(&mut self) -> Ipv4Addr {
        let addresses = self.nat.external_addresses();
        addresses[self.random.usize(..addresses.len())]
    }

    pub(super) fn is_external(&self, address: Ipv4Addr) -> bool {
        self.nat.external_addresses().contains(&address)
    }

    /// A buffer to build packets in, so that none is allocated for each packet.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.spare)
    }

    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        self.spare = buffer;
    }

    /// Processes a packet that must be forwarded, and returns its new length.
    pub(super) fn must_forward(&mut self, bytes: &mut [u8], from: Side) -> Result<usize> {
        self.tally.compared += 1;
        match self.process(bytes, from)? {
            Verdict::Forward { to, len, .. } if to != from => Ok(len),
            verdict => bail!("{verdict:?} for a packet that must be forwarded"),
        }
    }

    /// Processes a packet, and checks what must be true of every verdict.
    pub(super) fn process(&mut self, bytes: &mut [u8], from: Side) -> Result<Verdict> {
        let verdict = self.nat.process(bytes, from, self.instant());
        self.count(&verdict);
        self.check_verdict(bytes, from, &verdict)?;
        Ok(verdict)
    }

    /// Processes a packet for which any verdict is right.
    pub(super) fn process_any(&mut self, bytes: &mut [u8], from: Side) -> Result<()> {
        self.process(bytes, from).map(drop)
    }

    /// Processes a packet of the router's own stack.
    pub(super) fn process_local(&mut self, bytes: &mut [u8]) -> Result<()> {
        let verdict = self.nat.process_local(bytes, self.instant());
        self.count(&verdict);
        self.check_verdict(bytes, Side::Inside, &verdict)
    }

    /// Takes out the fragments that no longer have to wait.
    pub(super) fn release(&mut self) -> Result<()> {
        let mut buffer = [0; 1500];
        while let Some(verdict) = self.nat.release(&mut buffer, self.instant()) {
            self.tally.released += 1;
            let Verdict::Forward { to, .. } = verdict else {
                bail!("{verdict:?} for a fragment that was held")
            };
            self.check_verdict(&buffer, to.opposite(), &verdict)?;
        }
        Ok(())
    }

    /// Lets a few milliseconds pass.
    pub(super) fn advance(&mut self) {
        self.now += self.random.u64(1..=4);
        self.expire();
    }

    /// Lets hours or days pass without traffic. All sessions end.
    pub(super) fn jump(&mut self) -> Result<()> {
        self.now += self.random.u64(3 * 3600 * 1000..LONG * 30);
        self.tally.clock_jumps += 1;
        self.expire();
        self.ensure_no_session("a jump of the clock")
    }

    /// Gives the router other external addresses. All sessions end.
    pub(super) fn renumber(&mut self) -> Result<()> {
        let addresses = externals(self.random.u8(1..100));
        self.nat
            .set_external_addresses(&addresses, self.instant())?;
        self.tally.address_changes += 1;
        Ok(())
    }

    fn expire(&mut self) {
        let now = self.instant();
        if self.nat.poll_timeout().is_some_and(|due| due <= now) {
            self.nat.handle_timeout(now);
        }
    }

    const fn instant(&self) -> Instant {
        Instant::from_millis(self.now)
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
}

/// What must be true of every verdict.
impl Engine {
    /// Packets leave outside from an external address only, and go inside to a host there only.
    /// Replies come from an address of the router.
    fn check_verdict(&self, bytes: &[u8], from: Side, verdict: &Verdict) -> Result<()> {
        match verdict {
            Verdict::Forward { to, len, .. } => {
                ensure!(*len <= bytes.len(), "{len} bytes of {}", bytes.len());
                self.check_forwarded(bytes, *to)
            }
            Verdict::Local { len, .. } => {
                ensure!(*len <= bytes.len(), "{len} bytes of {}", bytes.len());
                Ok(())
            }
            Verdict::Reject(reply) => self.check_reply(bytes, from, reply),
            Verdict::Fragment { .. } => {
                bail!("a packet of {} bytes is to be fragmented", bytes.len())
            }
            Verdict::Drop(_) | Verdict::Hold => Ok(()),
        }
    }

    fn check_forwarded(&self, bytes: &[u8], to: Side) -> Result<()> {
        let (source, destination) = (address(bytes, 12), address(bytes, 16));
        match to {
            Side::Outside => ensure!(self.is_external(source), "{source} leaves"),
            Side::Inside => ensure!(is_inside(destination), "{destination} goes inside"),
        }
        Ok(())
    }

    fn check_reply(&self, bytes: &[u8], from: Side, reply: &Reply) -> Result<()> {
        let mut answer = [0; Reply::MAX_LEN];
        let Some(len) = reply.emit(bytes, &mut answer) else {
            bail!("an answer without bytes")
        };
        let seen = checker::read(&answer[..len])?;
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
}

/// What must be true of the state.
impl Engine {
    /// Checks the sessions, the tables and the counters.
    pub(super) fn check(&mut self) -> Result<()> {
        self.tally.state_checks += 1;
        self.check_sessions()?;
        self.check_tables()?;
        self.check_counters()
    }

    fn check_sessions(&self) -> Result<()> {
        let (mut answers, mut hosts) = (HashSet::new(), HashMap::<Ipv4Addr, usize>::new());
        for session in self.nat.sessions() {
            let answer = (session.protocol, session.external, session.remote);
            ensure!(
                answers.insert(answer),
                "two sessions with the same external and remote endpoint: {session:?}"
            );
            ensure!(
                self.is_external(*session.external.ip()),
                "a session of an address that is not external: {session:?}"
            );
            ensure!(
                session.expires_in <= Duration::from_secs(7440),
                "a session that lives too long: {session:?}"
            );
            *hosts.entry(*session.inside.ip()).or_default() += 1;
        }
        ensure!(
            answers.len() <= SESSIONS && hosts.len() <= HOSTS,
            "more sessions or hosts than the tables hold"
        );
        ensure!(
            hosts.values().all(|count| *count <= SESSIONS / 2),
            "a host exceeds its limit: {hosts:?}"
        );
        Ok(())
    }

    /// The counts and links in the tables agree with a walk of them, and no timer is overdue.
    fn check_tables(&mut self) -> Result<()> {
        if let Err(fault) = self.nat.audit() {
            bail!("the tables are not in order: {fault}");
        }
        let now = self.instant();
        self.nat.handle_timeout(now);
        ensure!(
            self.nat.poll_timeout().is_none_or(|due| due > now),
            "a timer is overdue"
        );
        Ok(())
    }

    /// Each packet had one verdict and was counted once.
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

    /// After the last timer no session is left, and the tables hold as many sessions as those of a
    /// new engine.
    pub(super) fn end(&mut self) -> Result<()> {
        self.tally.sessions = self.nat.stats().sessions_created;
        self.now += LONG;
        self.nat.handle_timeout(self.instant());
        self.ensure_no_session("the last timer")?;
        ensure!(
            self.nat.poll_timeout().is_none(),
            "a timer is left without a session"
        );
        let used = capacity(&mut self.nat, self.now)?;
        let new = capacity(&mut new_nat(self.seed)?, self.now)?;
        ensure!(
            used == new,
            "the tables hold {used} new sessions, those of a new engine {new}"
        );
        Ok(())
    }

    fn ensure_no_session(&self, event: &str) -> Result<()> {
        let count = self.nat.sessions().count();
        ensure!(count == 0, "{count} sessions are left after {event}");
        Ok(())
    }
}

fn new_nat(seed: u64) -> Result<Nat<'static>> {
    let mut config =
        Config::new(Cidr::new(Ipv4Addr::new(192, 168, 77, 1), 24).expect("a prefix length"));
    config.external_addresses = externals(100).into_iter().collect();
    config.limits.reserved_per_host = Some(RESERVED);
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

/// How many sessions of new hosts the tables can hold.
fn capacity(nat: &mut Nat<'_>, now: u64) -> Result<usize> {
    let (mut bytes, mut count) = (Vec::new(), 0);
    let remote = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), 53);
    for number in 0..4 * MAPPINGS as u16 {
        let host = Ipv4Addr::new(192, 168, 77, 2 + (number % (HOSTS as u16 - 1)) as u8);
        let inside = SocketAddrV4::new(host, 2000 + number);
        packet::udp(&mut bytes, inside, remote, &[])?;
        let verdict = nat.process(&mut bytes, Side::Inside, Instant::from_millis(now));
        count += usize::from(matches!(verdict, Verdict::Forward { .. }));
    }
    Ok(count)
}

fn is_inside(address: Ipv4Addr) -> bool {
    address.octets().starts_with(&[192, 168, 77])
}

/// The address at this offset, or 0.0.0.0 if the packet is too short.
fn address(packet: &[u8], at: usize) -> Ipv4Addr {
    packet
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map_or(Ipv4Addr::UNSPECIFIED, |octets: &[u8; 4]| (*octets).into())
}
