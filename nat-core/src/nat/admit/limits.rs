//! What one inside host may use up, and how fast (RFC 6888 REQ-4, REQ-5).

use crate::DropReason;
use crate::config::Rate;
use crate::session_info::SessionState;
use crate::state::{Host, Origin, Proto, Tokens, is_half_open};
use crate::table::{SlotIndex, Width};

use super::decision::Received;
use super::shortage::Shortage;
use super::{Cost, Request, View};

impl<W: Width> View<'_, W> {
    /// What a host's new session lacks, by the limits and by what is free.
    pub(super) fn find_shortage(self, request: &Request<'_, '_, W>) -> Shortage<W> {
        let (tables, tuple) = (&self.tables, request.tuple);
        let mapping = request.mapping;
        let slots = tables.slots_of_session(mapping, tuple.remote.address, request.permission);
        let mut shortage = Shortage::none(slots);
        if tuple.inside.origin == Origin::Host {
            self.check_host(&mut shortage, request);
        }
        let (free_mappings, free_sessions) = tables.free_slots();
        if mapping.is_none() && free_mappings == 0 {
            shortage.of_mappings(DropReason::MappingTableFull);
        }
        if free_sessions < slots {
            shortage.of_slots(DropReason::SessionTableFull);
        }
        shortage
    }

    fn check_host(self, shortage: &mut Shortage<W>, request: &Request<'_, '_, W>) {
        let Request {
            tuple,
            host,
            mapping,
            state,
            ..
        } = *request;
        if let Some(host) = host {
            match mapping {
                Some(mapping) => self.check_sessions_of(shortage, mapping),
                None => self.check_mappings(shortage, host, tuple.proto),
            }
            self.check_sessions(shortage, host);
        }
        self.check_quotas(shortage, host, mapping.is_none());
        // Only TCP has a handshake that can stay unanswered.
        if tuple.proto == Proto::Tcp {
            self.check_half_open(shortage, host, state);
        }
    }

    fn check_sessions_of(self, shortage: &mut Shortage<W>, mapping: SlotIndex<W>) {
        let slot = self.tables.mapping(mapping);
        let sessions = slot.map_or(0, |mapping| mapping.sessions.get());
        if reached(sessions, self.policy.config.limits.sessions_per_mapping) {
            shortage.of_sessions_of(mapping, DropReason::HostLimit);
        }
    }

    fn check_mappings(self, shortage: &mut Shortage<W>, host: &Host<W>, proto: Proto) {
        let limits = &self.policy.config.limits;
        let (capacity, _) = self.tables.capacity();
        let of_proto = match proto {
            Proto::Icmp => limits.icmp_mappings_per_host,
            Proto::Tcp => limits.tcp_mappings_per_host,
            Proto::Udp => limits.udp_mappings_per_host,
        };
        if host.mappings() >= limit_or_part(limits.mappings_per_host, capacity, 2) {
            shortage.of_mappings(DropReason::HostLimit);
        }
        if reached(host.mappings_of(proto), of_proto) {
            shortage.of_mappings_of(proto, DropReason::HostLimit);
        }
    }

    fn check_sessions(self, shortage: &mut Shortage<W>, host: &Host<W>) {
        let (_, capacity) = self.tables.capacity();
        let limit = self.policy.config.limits.sessions_per_host;
        if host.sessions.get() >= limit_or_part(limit, capacity, 2) {
            shortage.of_sessions(DropReason::HostLimit);
        }
    }

    /// Leaves to other hosts what is reserved for them.
    fn check_quotas(self, shortage: &mut Shortage<W>, host: Option<&Host<W>>, new_mapping: bool) {
        let quotas = self.tables.quotas();
        let (free_mappings, free_sessions) = self.tables.free_slots();
        let reserved = quotas.reserved_mappings();
        // Equal is too few: the new mapping takes one of them.
        let scarce = reserved != 0 && free_mappings <= reserved;
        // A closure, because the sum is needed only where slots are scarce.
        let mappings = || host.map_or(0, Host::mappings);
        if new_mapping && scarce && quotas.has_used_reservation(mappings()) {
            shortage.of_mappings(DropReason::MappingTableFull);
        }
        // A session may take a slot for its address's permission too, and so may those of the
        // others.
        let slots = if self.policy.config.uses_permissions() {
            2
        } else {
            1
        };
        let reserved = quotas.reserved_sessions().saturating_mul(slots);
        let scarce = reserved != 0 && free_sessions < reserved.saturating_add(slots);
        let sessions = || host.map_or(0, |host| host.sessions.get());
        if scarce && quotas.has_used_reservation(sessions()) {
            shortage.of_slots(DropReason::SessionTableFull);
        }
    }

    /// Whether a host may have one TCP session more in `state` that is half open, if it is.
    ///
    /// An attacker who sends SYNs to a port forward from forged addresses makes the host behind it
    /// answer them. So of all that may be half open, a quarter is for what hosts begin themselves.
    /// Where ports overlap, each such session takes a mapping too.
    fn check_half_open(
        self,
        shortage: &mut Shortage<W>,
        host: Option<&Host<W>>,
        state: SessionState,
    ) {
        if !is_half_open(state) {
            return;
        }
        let (limits, quotas) = (&self.policy.config.limits, self.tables.quotas());
        let (mappings, sessions) = self.tables.capacity();
        let capacity = if self.tables.overlapping() {
            mappings.min(sessions)
        } else {
            sessions
        };
        let all = limit_or_part(limits.half_open, capacity, 2);
        let all = if state == SessionState::OutsideSyn {
            all.saturating_sub(all / 4)
        } else {
            all
        };
        let (sessions, half_open) =
            host.map_or((0, 0), |host| (host.sessions.get(), host.half_open.get()));
        let of_host = limit_or_part(limits.half_open_per_host, capacity, 4);
        // A host within its reservation goes on, or others could lock it out with half-open
        // sessions.
        let too_many = quotas.half_open() >= all && quotas.has_used_reservation(sessions);
        if too_many || half_open >= of_host {
            shortage.of_half_open(DropReason::HalfOpenLimit);
        }
    }

    /// What a host's ended session takes to open again: it is half open once more, and counts as
    /// one more by the rate of sessions.
    pub(super) fn cost_to_reopen(
        self,
        host: Option<&Host<W>>,
        state: SessionState,
        received: &Received<W>,
    ) -> Result<Cost<W>, DropReason> {
        // An ended session still has its slots, so it lacks none.
        let mut shortage = Shortage::none(0);
        self.check_half_open(&mut shortage, host, state);
        Ok(Cost {
            evicted: self.find_evictable(host, &shortage, state, received)?,
            tokens: self.tokens_after(Origin::Host, host, false)?,
        })
    }

    /// What a host has left of its rates after a session, and after a mapping if that is new.
    /// Nothing limits the router.
    pub(super) fn tokens_after(
        self,
        origin: Origin,
        host: Option<&Host<W>>,
        new_mapping: bool,
    ) -> Result<Option<Tokens>, DropReason> {
        let limits = &self.policy.config.limits;
        let unlimited = limits.mapping_rate.is_none() && limits.session_rate.is_none();
        if unlimited || origin == Origin::Router {
            return Ok(None);
        }
        let before = host.map(|host| host.tokens);
        let sessions = self.take(limits.session_rate, before.map(|tokens| tokens.sessions))?;
        let due = before.map(|tokens| tokens.mappings);
        let mappings = if new_mapping {
            self.take(limits.mapping_rate, due)?
        } else {
            // A mapping that is not new has a host, so there is a state to keep.
            due.unwrap_or(0)
        };
        Ok(Some(Tokens { mappings, sessions }))
    }

    fn take(self, rate: Option<Rate>, due: Option<u32>) -> Result<u32, DropReason> {
        match rate {
            Some(rate) => rate.take(due, self.tick()).ok_or(DropReason::HostRate),
            None => Ok(0),
        }
    }
}

/// A limit, or by default one of so many parts of the table, rounded up.
fn limit_or_part(limit: Option<u16>, capacity: usize, parts: usize) -> usize {
    limit.map_or_else(|| capacity.div_ceil(parts), usize::from)
}

/// Whether a limit is reached, if there is one.
fn reached(count: usize, limit: Option<u16>) -> bool {
    limit.is_some_and(|limit| count >= usize::from(limit))
}
