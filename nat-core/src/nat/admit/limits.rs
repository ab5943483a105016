//! What one inside host may use up, and how fast (RFC 6888 REQ-4, REQ-5).

use crate::config::Rate;
use crate::session_info::SessionState;
use crate::state::{Host, Inside, InsideTuple, Origin, Proto, Tokens, is_half_open};
use crate::table::{SlotIndex, Width};
use crate::{DropReason, Nat};

use super::shortage::Shortage;

impl<W: Width> Nat<'_, W> {
    /// What a host's new session lacks, by the limits and by what is free.
    pub(crate) fn find_shortage(
        &self,
        tuple: &InsideTuple,
        mapping: Option<SlotIndex<W>>,
        (state, permission): (SessionState, bool),
    ) -> Shortage<W> {
        let Inside { origin, endpoint } = tuple.inside;
        let slots = self
            .tables
            .slots_of_session(mapping, tuple.remote.address, permission);
        let mut shortage = Shortage::none(slots);
        if origin == Origin::Host {
            let host = self.tables.host(origin, endpoint.address);
            if let Some(host) = host {
                self.check_numbers(&mut shortage, host, tuple.proto, mapping);
            }
            self.check_shares(&mut shortage, host, mapping.is_none());
            if tuple.proto == Proto::Tcp {
                self.check_half_open(&mut shortage, host, state);
            }
        }
        let (mapping_room, session_room) = self.tables.room();
        if mapping.is_none() && mapping_room == 0 {
            shortage.of_mappings(DropReason::MappingTableFull);
        }
        if session_room < slots {
            shortage.of_slots(DropReason::SessionTableFull);
        }
        shortage
    }

    fn check_numbers(
        &self,
        shortage: &mut Shortage<W>,
        host: &Host<W>,
        proto: Proto,
        mapping: Option<SlotIndex<W>>,
    ) {
        let limits = &self.config.limits;
        let (mapping_room, session_room) = self.tables.capacity();
        let most =
            |limit: Option<u16>, room: usize| limit.map_or_else(|| room.div_ceil(2), usize::from);
        let reached = |count: usize, limit: Option<u16>| {
            limit.is_some_and(|limit| count >= usize::from(limit))
        };
        let of_proto = match proto {
            Proto::Icmp => limits.icmp_mappings_per_host,
            Proto::Tcp => limits.tcp_mappings_per_host,
            Proto::Udp => limits.udp_mappings_per_host,
        };
        if let Some(link) = mapping {
            let sessions = self
                .tables
                .mapping(link)
                .map_or(0, |mapping| mapping.sessions.get());
            if reached(sessions, limits.sessions_per_mapping) {
                shortage.of_sessions_of(link, DropReason::HostLimit);
            }
        } else {
            if host.mappings() >= most(limits.mappings_per_host, mapping_room) {
                shortage.of_mappings(DropReason::HostLimit);
            }
            if reached(host.mappings_of(proto), of_proto) {
                shortage.of_mappings_of(proto, DropReason::HostLimit);
            }
        }
        if host.sessions.get() >= most(limits.sessions_per_host, session_room) {
            shortage.of_sessions(DropReason::HostLimit);
        }
    }

    /// Leaves to other hosts what is kept for them.
    fn check_shares(&self, shortage: &mut Shortage<W>, host: Option<&Host<W>>, new_mapping: bool) {
        let quotas = self.tables.quotas();
        let (mapping_room, session_room) = self.tables.room();
        let (mappings, sessions) =
            host.map_or((0, 0), |host| (host.mappings(), host.sessions.get()));
        let kept = quotas.reserved_mappings();
        if new_mapping && quotas.has_used_reservation(mappings) && kept != 0 && mapping_room <= kept
        {
            shortage.of_mappings(DropReason::MappingTableFull);
        }
        // A session may take the place of its address's leave too, and so may those of the others.
        let places = if self.config.uses_permissions() { 2 } else { 1 };
        let kept = quotas.reserved_sessions().saturating_mul(places);
        if quotas.has_used_reservation(sessions)
            && kept != 0
            && session_room < kept.saturating_add(places)
        {
            shortage.of_slots(DropReason::SessionTableFull);
        }
    }

    /// Whether a host may have one TCP session more in `state` that is half open, if it is.
    ///
    /// Whoever sends SYNs to a port forward from addresses that are not its own has the host behind
    /// it answer them. So of all that may be half open, a quarter is for what hosts begin
    /// themselves. Where ports overlap, each such session takes a mapping too.
    fn check_half_open(
        &self,
        shortage: &mut Shortage<W>,
        host: Option<&Host<W>>,
        state: SessionState,
    ) {
        if !is_half_open(state) {
            return;
        }
        let (limits, quotas, (mappings, sessions)) = (
            &self.config.limits,
            self.tables.quotas(),
            self.tables.capacity(),
        );
        let room = if self.tables.overlapping() {
            mappings.min(sessions)
        } else {
            sessions
        };
        let most = |limit: Option<u16>, part: usize| {
            limit.map_or_else(|| room.div_ceil(part), usize::from)
        };
        let of_all = most(limits.half_open, 2);
        let of_all = if state == SessionState::OutsideSyn {
            of_all.saturating_sub(of_all / 4)
        } else {
            of_all
        };
        let (sessions, half_open) =
            host.map_or((0, 0), |host| (host.sessions.get(), host.half_open.get()));
        let reached = half_open >= most(limits.half_open_per_host, 4);
        if reached || quotas.has_used_reservation(sessions) && quotas.half_open() >= of_all {
            shortage.of_half_open(DropReason::HalfOpenLimit);
        }
    }

    /// Opens an ended session of a host again, as far as limits are concerned: it is half open once
    /// more, and counts as one more by the rate of sessions. Ends the one that makes room for
    /// it, which is not `keep`. Changes nothing if it fails.
    pub(crate) fn reopen(
        &mut self,
        inside: Inside,
        state: SessionState,
        keep: Option<SlotIndex<W>>,
    ) -> Result<(), DropReason> {
        if inside.origin == Origin::Router {
            return Ok(());
        }
        let host = self.tables.host(inside.origin, inside.endpoint.address);
        let mut shortage = Shortage::none(0);
        self.check_half_open(&mut shortage, host, state);
        let evicted = self.find_evictable(inside, &shortage, state, keep)?;
        let tokens = self.check_rates(host, false)?;
        self.evict(evicted, None);
        self.take_tokens(inside, tokens);
        Ok(())
    }

    /// What a host takes of its rates for a session, and a mapping if that is new; for
    /// [`Nat::take_tokens`] once nothing can fail any more.
    pub(crate) fn check_rates(
        &self,
        host: Option<&Host<W>>,
        new_mapping: bool,
    ) -> Result<Option<Tokens>, DropReason> {
        let limits = &self.config.limits;
        if limits.mapping_rate.is_none() && limits.session_rate.is_none() {
            return Ok(None);
        }
        let taken = host.map(|host| host.tokens);
        let take = |rate: Option<Rate>, due: Option<u32>| match rate {
            Some(rate) => rate.take(due, self.tick()).ok_or(DropReason::HostRate),
            None => Ok(0),
        };
        let sessions = take(limits.session_rate, taken.map(|taken| taken.sessions))?;
        let due = taken.map(|taken| taken.mappings);
        let mappings = if new_mapping {
            take(limits.mapping_rate, due)?
        } else {
            due.unwrap_or(0)
        };
        Ok(Some(Tokens { mappings, sessions }))
    }

    /// Notes what a host, which has a mapping now, has taken of its rates.
    pub(crate) fn take_tokens(&mut self, inside: Inside, tokens: Option<Tokens>) {
        if let Some(tokens) = tokens
            && let Some(host) = self.tables.host_mut(inside.origin, inside.endpoint.address)
        {
            host.tokens = tokens;
        }
    }
}
