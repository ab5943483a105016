//! How much of the tables the inside hosts use, and how much is reserved for each. The counters are
//! updated with each change, so no walk is needed to decide who may have more.

use crate::config::Limits;
use crate::session_info::SessionState;
use crate::table::{Count, Width};

use super::ease::Ease;
use super::{Host, Origin};

/// What is reserved for hosts, and how much of that they have not used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotas {
    /// How many mappings, and as many sessions, are reserved for each host.
    per_host: usize,
    /// How many of all reserved mappings are unused.
    mappings: usize,
    /// How many of all reserved sessions are unused.
    sessions: usize,
    /// TCP sessions of all hosts in which one end has not answered the other yet.
    half_open: usize,
    /// How many addresses of the router itself have an entry in the table of hosts.
    routers: usize,
    ease: Ease,
}

/// By default, a sixteenth of the tables is reserved.
const RESERVED_PART: usize = 16;

impl Quotas {
    /// For tables with this capacity of mappings, sessions and hosts.
    pub(crate) fn new(limits: &Limits, (mappings, sessions, hosts): (usize, usize, usize)) -> Self {
        // The same number of both is reserved, so the smaller table decides.
        let smaller = mappings.min(sessions);
        let part = (smaller / RESERVED_PART)
            .checked_div(hosts)
            .unwrap_or(0)
            .max(1);
        // With very many hosts, even one slot each would take too much from those that are active.
        let default = if part.saturating_mul(hosts) <= smaller / 2 {
            part
        } else {
            0
        };
        let per_host = limits.reserved_per_host.map_or(default, usize::from);
        let all = per_host.saturating_mul(hosts);
        Self {
            per_host,
            mappings: all,
            sessions: all,
            half_open: 0,
            routers: 0,
            ease: Ease::new(limits, (mappings, sessions), all),
        }
    }

    /// Whether a host, which may have no mapping yet, may have a new session for which nothing is
    /// evicted, where the fuller table has so many `free` slots. A no says nothing.
    #[inline(always)]
    pub(crate) fn are_at_ease<W: Width>(&self, host: Option<&Host<W>>, free: usize) -> bool {
        let sessions = host.map_or(0, |host| host.sessions.get());
        self.ease.allows(sessions, free, self.half_open)
    }

    /// Whether a host with `count` mappings, or sessions, has used up its reservation.
    pub(crate) fn has_used_reservation(&self, count: usize) -> bool {
        count >= self.per_host
    }

    /// How many mappings a host that has used up its own reservation must leave to other hosts.
    pub(crate) fn reserved_mappings(&self) -> usize {
        self.mappings
    }

    /// How many sessions a host that has used up its own reservation must leave to other hosts.
    pub(crate) fn reserved_sessions(&self) -> usize {
        self.sessions
    }

    pub(crate) fn half_open(&self) -> usize {
        self.half_open
    }

    /// How many mappings, and as many sessions, are reserved for each host.
    #[cfg(feature = "audit")]
    pub(super) fn per_host(&self) -> usize {
        self.per_host
    }

    /// How many addresses of the router itself have an entry in the table of hosts.
    #[cfg(feature = "audit")]
    pub(super) fn routers(&self) -> usize {
        self.routers
    }

    /// How many of `capacity` host slots are reserved for the router.
    pub(crate) fn reserved_hosts(&self, capacity: usize) -> usize {
        usize::from(self.routers == 0 && capacity > 1)
    }

    pub(crate) fn add_host(&mut self, origin: Origin) {
        self.routers = self
            .routers
            .saturating_add(usize::from(origin == Origin::Router));
    }

    pub(crate) fn remove_host(&mut self, origin: Origin) {
        self.routers = self
            .routers
            .saturating_sub(usize::from(origin == Origin::Router));
    }

    /// Counts a new mapping of a host that has `count` mappings with it.
    pub(crate) fn add_mapping(&mut self, count: usize) {
        // Only the first `per_host` of a host come out of its reservation.
        self.mappings = self
            .mappings
            .saturating_sub(usize::from(count <= self.per_host));
    }

    /// Counts the end of a mapping of a host that had `count` mappings with it.
    pub(crate) fn remove_mapping(&mut self, count: usize) {
        self.mappings = self
            .mappings
            .saturating_add(usize::from(count <= self.per_host));
    }

    pub(crate) fn add_session<W: Width>(&mut self, host: &mut Host<W>, state: SessionState) {
        host.sessions.increment();
        self.sessions = self
            .sessions
            .saturating_sub(usize::from(host.sessions.get() <= self.per_host));
        self.change_state(&mut host.half_open, None, Some(state));
    }

    pub(crate) fn remove_session<W: Width>(&mut self, host: &mut Host<W>, state: SessionState) {
        self.sessions = self
            .sessions
            .saturating_add(usize::from(host.sessions.get() <= self.per_host));
        // After the comparison: the ending session counts as it did when it began.
        host.sessions.decrement();
        self.change_state(&mut host.half_open, Some(state), None);
    }

    /// Counts a session of a host that changes its state. `before` is `None` for a session that
    /// begins, `after` for one that ends.
    pub(crate) fn change_state<W: Width>(
        &mut self,
        of_host: &mut Count<W>,
        before: Option<SessionState>,
        after: Option<SessionState>,
    ) {
        match (
            before.is_some_and(is_half_open),
            after.is_some_and(is_half_open),
        ) {
            (false, true) => {
                of_host.increment();
                self.half_open = self.half_open.saturating_add(1);
            }
            (true, false) => {
                of_host.decrement();
                self.half_open = self.half_open.saturating_sub(1);
            }
            (true, true) | (false, false) => {}
        }
    }
}

pub(crate) fn is_half_open(state: SessionState) -> bool {
    matches!(state, SessionState::InsideSyn | SessionState::OutsideSyn)
}
