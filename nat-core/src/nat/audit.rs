//! For tests and fuzzing: whether the engine is in order, and its two paths apart.

mod canonical;

use crate::state::Origin;
use crate::table::Width;
use crate::{Instant, Nat, Side, Verdict};

use super::clock::EXPIRED_PER_PACKET;
use super::record::is_active;

impl<W: Width> Nat<'_, W> {
    /// Whether the tables agree with each other: every counter with a count, every index with every
    /// slot, every list with the state of what is in it. For tests and fuzzing, with the
    /// feature `audit`: it walks every table, in time that grows with the square of the
    /// sessions.
    ///
    /// # Errors
    ///
    /// What is not as it should be. It is a fault of the engine, whatever its caller has done.
    pub fn audit(&self) -> Result<(), &'static str> {
        self.state.tables.audit(self.state.clock.tick())?;
        self.state.quarantine.audit()?;
        let active = self
            .state
            .tables
            .count_tcp(|session| is_active(session.state));
        if self.record.stats.tcp.active != active as u64 {
            return Err("the active connections");
        }
        self.audit_explicit()?;
        let quiet_until = self.state.clock.quiet_until();
        if self.state.clock.now() < quiet_until && self.next_due() < quiet_until {
            return Err("something has its time up earlier than was noted");
        }
        Ok(())
    }

    /// Does what [`Nat::process`] does for a packet that takes the fast path. `None` for any other,
    /// of which nothing is counted.
    #[doc(hidden)]
    pub fn process_fast_only(
        &mut self,
        packet: &mut [u8],
        from: Side,
        now: Instant,
    ) -> Option<Verdict> {
        self.advance(now, EXPIRED_PER_PACKET);
        self.fast_only(packet, from)
    }

    /// Does what [`Nat::process`] does, on the slow path only.
    #[doc(hidden)]
    pub fn process_slow_only(&mut self, packet: &mut [u8], from: Side, now: Instant) -> Verdict {
        self.advance(now, EXPIRED_PER_PACKET);
        self.process_slow(packet, from, Origin::Host)
    }
}
