//! The counters of the engine, and the hook for its events.

use crate::Stats;
use crate::features::EVENTS;
use crate::session_info::SessionState;
use crate::state::{Ended, Proto, is_half_open};

use crate::event::EventHook;

/// Where the engine reports events.
pub(super) type Hook<'t> = Option<&'t mut (dyn EventHook + Send)>;

pub(super) struct Record<'t> {
    pub(super) stats: Stats,
    pub(super) hook: Hook<'t>,
}

impl Record<'_> {
    pub(super) fn new() -> Self {
        Self {
            stats: Stats::default(),
            hook: None,
        }
    }

    /// The application's hook for events, if it has set one.
    pub(super) fn hook(&mut self) -> Option<&mut (dyn EventHook + Send)> {
        match &mut self.hook {
            Some(hook) if EVENTS => Some(&mut **hook),
            Some(_) | None => None,
        }
    }

    /// Counts an answer that is beyond its limit.
    pub(super) fn count_rate_limited(&mut self) {
        self.stats.replies_rate_limited = self.stats.replies_rate_limited.wrapping_add(1);
    }

    /// Counts a search that found no external port.
    pub(super) fn count_port_error(&mut self) {
        let errors = &mut self.stats.tcp.port_errors;
        *errors = errors.wrapping_add(1);
    }

    pub(super) fn count_mapping(&mut self) {
        self.stats.mappings_created = self.stats.mappings_created.wrapping_add(1);
    }

    pub(super) fn count_session(&mut self, proto: Proto, state: SessionState) {
        self.stats.sessions_created = self.stats.sessions_created.wrapping_add(1);
        if proto == Proto::Tcp {
            self.count_state(None, state);
        }
    }

    /// Counts a session that was evicted.
    pub(super) fn count_evicted(&mut self, half_open: bool) {
        let stats = &mut self.stats;
        stats.sessions_evicted = stats.sessions_evicted.wrapping_add(1);
        stats.half_open_evicted = stats.half_open_evicted.wrapping_add(u64::from(half_open));
    }

    /// Counts a session that has ended.
    pub(super) fn count_ended(&mut self, ended: Ended) {
        if ended.proto == Proto::Tcp && is_active(ended.state) {
            // Each was counted when it became active, so this never passes zero.
            self.stats.tcp.active = self.stats.tcp.active.wrapping_sub(1);
        }
    }

    /// Counts a session that has ended by its timer.
    pub(super) fn count_expired(&mut self, ended: Ended) {
        self.count_ended(ended);
        let stats = &mut self.stats;
        stats.sessions_expired = stats.sessions_expired.wrapping_add(1);
        let established = matches!(
            ended.state,
            SessionState::Established | SessionState::InsideFin | SessionState::OutsideFin
        );
        if established {
            stats.tcp.idle_timeouts = stats.tcp.idle_timeouts.wrapping_add(1);
        }
    }

    /// Counts the change of a TCP session from one state to another; `None` is before it begins.
    pub(super) fn count_state(&mut self, before: Option<SessionState>, after: SessionState) {
        let tcp = &mut self.stats.tcp;
        match (before.is_some_and(is_active), is_active(after)) {
            (false, true) => tcp.active = tcp.active.wrapping_add(1),
            (true, false) => tcp.active = tcp.active.wrapping_sub(1),
            (true, true) | (false, false) => {}
        }
        if is_half_open(after) && before != Some(after) {
            tcp.attempts = tcp.attempts.wrapping_add(1);
        }
        let answered = before.is_some_and(is_half_open) && !is_half_open(after);
        if answered && after != SessionState::Reset {
            tcp.established = tcp.established.wrapping_add(1);
        }
    }
}

/// Whether a TCP session counts as a connection.
pub(super) fn is_active(state: SessionState) -> bool {
    !matches!(state, SessionState::Closing | SessionState::Reset)
}
