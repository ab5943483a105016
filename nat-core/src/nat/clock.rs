//! The engine's time, and what ends as it goes on.

use crate::table::Width;
use crate::{Instant, Nat, Timeouts};

/// The time of the latest call, and when something is due next.
#[cfg_attr(feature = "audit", derive(Clone))]
pub(super) struct Clock {
    // 64 bits do not wrap. The tables store 32 of them: see `tick`.
    now: Instant,
    /// Nothing is due before then.
    quiet_until: Instant,
    first_packet: Option<Instant>,
}

/// Sessions that one packet ends when their time is up. All that are overdue end in time where
/// [`Nat::handle_timeout`] is called in time.
pub(super) const EXPIRED_PER_PACKET: usize = 64;

/// Beyond this the clock has jumped, and everything overdue ends before a packet is processed.
///
/// INVARIANT: deadlines are stored modulo 2^32 ms and compared over 2^31 ms. A session can be
/// overdue that long only if the clock gets there in 2^31 / 2^15 = 2^16 steps or more. Each packet
/// ends up to 64 sessions, the most overdue first: if each step is a packet, that is 2^16 * 64 =
/// 2^22 sessions, and there are no more than 2^20. Steps with the limit zero end none, so packets
/// or [`Nat::handle_timeout`] must come between them.
const JUMP_MILLIS: u64 = 1 << 15;

/// How long nothing can be due that has not begun yet, in milliseconds: the shortest timeout of a
/// session.
const MAX_QUIET: u32 = Timeouts::MIN.as_millis() as u32;

impl Clock {
    pub(super) const START: Self = Self {
        now: Instant::from_millis(0),
        quiet_until: Instant::from_millis(0),
        first_packet: None,
    };

    #[inline(always)]
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// The time in milliseconds modulo 2^32, as the tables store deadlines.
    #[inline(always)]
    pub(super) fn tick(&self) -> u32 {
        self.now.as_millis() as u32
    }

    /// When nothing was due before.
    #[cfg(feature = "audit")]
    pub(super) fn quiet_until(&self) -> Instant {
        self.quiet_until
    }

    /// Notes that a packet is processed now.
    pub(super) fn note_packet(&mut self) {
        self.first_packet.get_or_insert(self.now);
    }

    /// How long the engine has processed packets.
    pub(super) fn running(&self) -> core::time::Duration {
        self.now
            .saturating_duration_since(self.first_packet.unwrap_or(self.now))
    }

    /// The time in so many milliseconds.
    fn after(&self, millis: u32) -> Instant {
        Instant::from_millis(self.now.as_millis().saturating_add(u64::from(millis)))
    }
}

impl<W: Width> Nat<'_, W> {
    /// When [`Nat::handle_timeout`] has work to do next, if nothing else happens before; in the
    /// past if it has some already. May change with every other call that takes `&mut self`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = &self.state;
        let after = state.tables.next_deadline(state.clock.tick());
        let ends = after.map(|after| state.clock.after(after));
        [
            ends,
            state.policy.pool.next_drained(),
            state.policy.port_forwards.explicit.next_end(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Ends the sessions whose time is up at `now`. Spurious calls do nothing.
    ///
    /// A session whose time is up is never used, whether or not this was called; calling it in time
    /// keeps the tables free. Takes time in proportion to the sessions that end.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now, usize::MAX);
        self.end_drained();
    }

    /// Sets the clock to `now`, and ends up to `limit` overdue sessions and quarantine entries; all
    /// of them if the clock has jumped.
    #[inline]
    pub(super) fn advance(&mut self, now: Instant, limit: usize) {
        let clock = &mut self.state.clock;
        // Deadlines are compared with a time that never goes back, even if the caller's clock does.
        let now = now.max(clock.now);
        if now < clock.quiet_until {
            clock.now = now;
        } else {
            self.end_due(now, limit);
        }
    }

    // Out of line, because most packets come while nothing is due.
    #[cold]
    #[inline(never)]
    fn end_due(&mut self, now: Instant, limit: usize) {
        self.end_overdue(now, limit);
        self.state.clock.quiet_until = self.next_due();
    }

    fn end_overdue(&mut self, now: Instant, limit: usize) {
        let clock = &mut self.state.clock;
        let elapsed = now.as_millis().saturating_sub(clock.now.as_millis());
        let before = clock.tick();
        clock.now = now;
        let tick = clock.tick();
        self.record.stats.advance(now);
        if elapsed > JUMP_MILLIS {
            self.jump(before, elapsed);
        }
        self.fragments.advance(elapsed, tick);
        self.end_explicit_overdue();
        // Before the sessions, so that there is room for the ports that they free.
        self.state.quarantine.release_overdue(tick, limit);
        let (tables, mut events) = self.tables_and_events();
        for _ in 0..limit {
            let Some(ended) = tables.end_expired(tick) else {
                return;
            };
            events.expired(ended);
        }
    }

    /// When something may be due: a session, an explicit mapping, a quarantine entry or a window of
    /// the peaks.
    pub(super) fn next_due(&self) -> Instant {
        let tick = self.state.clock.tick();
        let deadlines = [
            self.state.tables.next_deadline(tick),
            self.state.quarantine.next_deadline(tick),
        ];
        let quiet = deadlines.into_iter().flatten().fold(MAX_QUIET, u32::min);
        let explicit = self.state.policy.port_forwards.explicit.next_end();
        let due = self.state.clock.after(quiet);
        due.min(self.record.stats.next_due())
            .min(explicit.unwrap_or(due))
    }

    /// Ends what is overdue after a jump of the clock from `before`, in steps over which deadlines
    /// can be compared. No session outlives the longest timeout, so a longer jump takes no more
    /// steps than that.
    fn jump(&mut self, before: u32, elapsed: u64) {
        const STEP: u64 = 1 << 30;
        const LONGEST: u64 = Timeouts::MAX.as_millis() as u64;
        // No port waits longer than the longest timeout, which is below 2^30 ms: up to there
        // deadlines compare right at once, and beyond it all are over.
        if elapsed < LONGEST {
            let arrival = self.state.clock.tick();
            self.state.quarantine.release_overdue(arrival, usize::MAX);
        } else {
            self.state.quarantine.clear();
        }
        let mut ahead = 0;
        while ahead < elapsed.min(LONGEST) {
            // A deadline is at most 2^30 ms old here, and older by what a backlog takes to end:
            // 2^20 sessions, 64 in each step of at most 2^15 ms, are 2^29 ms. Together below 2^31.
            ahead = elapsed.min(STEP.saturating_add(ahead));
            let tick = before.wrapping_add(ahead as u32);
            let (tables, mut events) = self.tables_and_events();
            while let Some(ended) = tables.end_expired(tick) {
                events.expired(ended);
            }
        }
    }
}
