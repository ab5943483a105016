//! The engine: one IPv4 datagram in, one verdict out. Orchestration only.

mod admit;
mod answers;
#[cfg(feature = "audit")]
mod audit;
mod blocks;
mod control;
mod effect;
mod events;
mod path;
#[cfg(test)]
mod probes;
mod quarantine;
mod view;

use crate::fragments::FragmentTable;
use crate::identification::Identifications;
use crate::packet::Datagram;
use crate::policy::{Pool, PortForwards, PortPicker};
use crate::session_info::SessionState;
use crate::state::{Ended, Origin, Proto, QuarantineTable, SessionTables};
use crate::table::{HashKey, Width};
use crate::{Config, ConfigError, Instant, Seed, Side, Stats, Tables, Timeouts, Verdict};

/// A NAT.
///
/// Time is an argument: `now` comes from a clock of the caller's. A `now` before the latest one is
/// read as the latest.
pub struct Nat<'t, W: Width = u16> {
    config: Config,
    tables: SessionTables<'t, W>,
    pool: Pool,
    forwards: PortForwards,
    ports: PortPicker,
    stats: Stats,
    now: Instant,
    /// Nothing has its time up before then.
    quiet_until: Instant,
    /// When the first packet came.
    first_packet: Option<Instant>,
    quarantine: QuarantineTable<'t, W>,
    answers: answers::AnswerLimits,
    fragments: FragmentTable<'t>,
    ids: Identifications,
    hook: events::Hook<'t>,
}

/// Sessions that one packet ends when their time is up. None is left over where
/// [`Nat::handle_timeout`] is called in time.
const EXPIRED_PER_PACKET: usize = 64;

/// Beyond this the clock has jumped, and everything overdue ends before a packet is looked at.
///
/// INVARIANT: deadlines are kept modulo 2^32 ms and compared over 2^31 ms. A session can be overdue
/// that long only if the clock gets there in 2^31 / 2^15 = 2^16 steps or more. Each ends up to 64
/// that are most overdue, and there are no more than 2^20.
const JUMP_MILLIS: u64 = 1 << 15;

/// How long nothing can have its time up that has not begun yet, in milliseconds: the shortest
/// timeout of a session.
const MAX_QUIET: u32 = Timeouts::MIN.as_millis() as u32;

/// The ports of DHCP (RFC 2131 section 4.1).
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;

impl<'t, W: Width> Nat<'t, W> {
    /// A NAT of `config` that keeps its state in `tables`, which it empties, and draws its secrets
    /// from `seed`.
    ///
    /// # Errors
    ///
    /// The field of `config`, or `seed`, that cannot work.
    pub fn new<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>(
        tables: &'t mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        config: Config,
        seed: Seed,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        config.warn_of_external_addresses(&config.external_addresses);
        let (hash_secret, port_secret) = seed.secrets()?;
        let key = HashKey::new(hash_secret);
        let tables = SessionTables::new(tables, key.clone(), &config);
        Ok(Self {
            answers: answers::AnswerLimits::new(&config, seed.answer_secret()),
            pool: Pool::new(&config.external_addresses),
            forwards: PortForwards::new(&config),
            quarantine: QuarantineTable::none(key, &config),
            config,
            tables,
            ports: PortPicker::new(port_secret),
            stats: Stats::default(),
            now: Instant::from_millis(0),
            quiet_until: Instant::from_millis(0),
            first_packet: None,
            fragments: FragmentTable::none(),
            ids: Identifications::new(seed.identification_secret()),
            hook: None,
        })
    }

    /// Judges the IPv4 datagram at the start of `packet`, which came in on side `from`, and
    /// translates it in place if it is to be forwarded. Bytes after the datagram's own length
    /// are link padding and are left alone.
    ///
    /// The caller carries the [`Verdict`] out. Unless it is `Forward`, `Fragment` or `Local`,
    /// `packet` is as it was.
    ///
    /// Most packets of live sessions take less time if `packet` is at an even address, as an IPv4
    /// datagram behind an Ethernet header is whose frame is aligned.
    pub fn process(&mut self, packet: &mut [u8], from: Side, now: Instant) -> Verdict {
        self.advance(now, EXPIRED_PER_PACKET);
        match self.fast_path(packet, from) {
            Some(len) => Verdict::Forward {
                to: from.opposite(),
                len,
            },
            None => self.process_slow(packet, from, Origin::Host),
        }
    }

    /// Judges an IPv4 datagram that the router's own outside stack sends, and translates it like
    /// one from inside, so that the router's ports never collide with those of its hosts.
    /// Answers to it get the verdict `Local { side: Outside, .. }`.
    ///
    /// A DHCP client's packets pass as they are, where [`Config::dhcp_client`] is set. There is no
    /// answer to what the router sends, so the verdict is never `Reject`; of fragments the same
    /// is true as for [`Nat::process`].
    pub fn process_local(&mut self, packet: &mut [u8], now: Instant) -> Verdict {
        self.advance(now, EXPIRED_PER_PACKET);
        self.process_slow(packet, Side::Inside, Origin::Router)
    }

    /// When [`Nat::handle_timeout`] has work to do next, if nothing else happens before; in the
    /// past if it has some already. May change with every other call that takes `&mut self`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let after = self.tables.next_deadline(self.tick());
        let ends = after.map(|after| {
            Instant::from_millis(self.now.as_millis().saturating_add(u64::from(after)))
        });
        if !self.pool.drains() {
            return ends;
        }
        [ends, self.pool.next_drained()].into_iter().flatten().min()
    }

    /// Ends the sessions whose time is up at `now`. Spurious calls do nothing.
    ///
    /// A session whose time is up is never used, whether or not this was called; calling it in time
    /// keeps the tables free. Takes time in proportion to the sessions that end.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now, usize::MAX);
        self.end_drained();
    }

    fn process_slow(&mut self, packet: &mut [u8], from: Side, origin: Origin) -> Verdict {
        self.first_packet.get_or_insert(self.now);
        let verdict = self
            .evaluate(packet, from, origin)
            .unwrap_or_else(|refused| refused);
        self.stats.count_verdict(&verdict);
        verdict
    }

    fn evaluate(
        &mut self,
        packet: &mut [u8],
        from: Side,
        origin: Origin,
    ) -> Result<Verdict, Verdict> {
        let len = packet.len();
        let datagram =
            Datagram::parse(packet).inspect_err(|_| self.stats.count_in(from, origin, len))?;
        self.stats.count_in(from, origin, datagram.len());
        let first_fragment = path::fragment::first_key(&datagram, from);
        let verdict = match from {
            Side::Inside => self.outbound(datagram, origin),
            Side::Outside => self.inbound(datagram),
        };
        let verdict = verdict.map_err(|refused| match refused {
            Verdict::Reject(reply) if !answers::is_answerable(packet) => reply.reason().into(),
            refused => refused,
        });
        if let Some(key) = first_fragment {
            let verdict = verdict.as_ref().unwrap_or_else(|refused| refused);
            self.settle_first_fragment(&key, packet, verdict, origin);
        }
        verdict
    }

    /// Sets the clock to `now`, and ends up to `limit` sessions and as many waits of ports whose
    /// time is up; all of them if the clock has jumped.
    #[inline]
    fn advance(&mut self, now: Instant, limit: usize) {
        let now = now.max(self.now);
        if now < self.quiet_until {
            self.now = now;
        } else {
            self.end_due(now, limit);
        }
    }

    #[cold]
    fn end_due(&mut self, now: Instant, limit: usize) {
        self.end_overdue(now, limit);
        self.quiet_until = self.next_due();
    }

    fn end_overdue(&mut self, now: Instant, limit: usize) {
        let elapsed = now.as_millis().saturating_sub(self.now.as_millis());
        let before = self.tick();
        self.now = now;
        self.stats.advance(now);
        if elapsed > JUMP_MILLIS {
            self.jump(before, elapsed);
        }
        let tick = self.tick();
        self.fragments.advance(elapsed, tick);
        self.quarantine.release_overdue(tick, limit);
        let (tables, mut events) = self.tables_and_events();
        for _ in 0..limit {
            let Some(ended) = tables.end_expired(tick) else {
                return;
            };
            events.expired(ended);
        }
    }

    /// When something may have its time up: a session, a wait in quarantine or a window of the
    /// peaks.
    fn next_due(&self) -> Instant {
        let tick = self.tick();
        let deadlines = [
            self.tables.next_deadline(tick),
            self.quarantine.next_deadline(tick),
        ];
        let quiet = deadlines.into_iter().flatten().fold(MAX_QUIET, u32::min);
        let due = Instant::from_millis(self.now.as_millis().saturating_add(u64::from(quiet)));
        due.min(self.stats.next_due())
    }

    /// Ends what is overdue after a jump of the clock, which stood at `before`, in steps over which
    /// deadlines can be compared. No session outlives the longest timeout, so a longer jump
    /// takes no more steps than that.
    fn jump(&mut self, before: u32, elapsed: u64) {
        const STEP: u64 = 1 << 30;
        const LONGEST: u64 = Timeouts::MAX.as_millis() as u64;
        if elapsed < LONGEST {
            let arrival = self.tick();
            self.quarantine.release_overdue(arrival, usize::MAX);
        } else {
            self.quarantine.clear();
        }
        let mut ahead = 0;
        while ahead < elapsed.min(LONGEST) {
            ahead = elapsed.min(STEP.saturating_add(ahead));
            let tick = before.wrapping_add(ahead as u32);
            let (tables, mut events) = self.tables_and_events();
            while let Some(ended) = tables.end_expired(tick) {
                events.expired(ended);
            }
        }
    }

    /// The clock in milliseconds modulo 2^32, which is how deadlines are kept.
    fn tick(&self) -> u32 {
        self.now.as_millis() as u32
    }

    /// The number of an external address.
    fn external_number(&self, address: u32) -> Option<u8> {
        self.pool.number(address, self.now)
    }

    /// Whether an external address is of the inside network too, as when a DHCP server outside uses
    /// the same private network (RFC 4787 REQ-7). Then the side alone tells whose an address
    /// is.
    fn networks_overlap(&self) -> bool {
        self.pool.touches(&self.config.inside)
    }

    /// Counts a TCP session's way from one state to the next.
    fn count_state(&mut self, before: Option<SessionState>, after: SessionState) {
        let tcp = &mut self.stats.tcp;
        match (before.is_some_and(is_active), is_active(after)) {
            (false, true) => tcp.active = tcp.active.wrapping_add(1),
            (true, false) => tcp.active = tcp.active.wrapping_sub(1),
            _ => {}
        }
        let opening = |state| matches!(state, SessionState::InsideSyn | SessionState::OutsideSyn);
        if opening(after) && before != Some(after) {
            tcp.attempts = tcp.attempts.wrapping_add(1);
        }
        if before.is_some_and(opening) && !opening(after) && after != SessionState::Reset {
            tcp.established = tcp.established.wrapping_add(1);
        }
    }
}

fn is_active(state: SessionState) -> bool {
    !matches!(state, SessionState::Closing | SessionState::Reset)
}

/// Counts a session that has ended.
fn count_ended(stats: &mut Stats, ended: Ended) {
    if ended.proto == Proto::Tcp && is_active(ended.state) {
        stats.tcp.active = stats.tcp.active.wrapping_sub(1);
    }
}

/// Counts a session that has ended by its timer.
fn count_expired(stats: &mut Stats, ended: Ended) {
    count_ended(stats, ended);
    stats.sessions_expired = stats.sessions_expired.wrapping_add(1);
    let established = matches!(
        ended.state,
        SessionState::Established | SessionState::InsideFin | SessionState::OutsideFin
    );
    if established {
        stats.tcp.idle_timeouts = stats.tcp.idle_timeouts.wrapping_add(1);
    }
}
