//! What one host may use up, and how fast (RFC 6888 REQ-4, REQ-5).

use crate::config::Rate;
use crate::session_info::SessionState;
use crate::state::{Host, Inside, InsideTuple, Origin, Proto, Tokens, is_half_open};
use crate::table::{Link, Width};
use crate::{DropReason, Nat};

impl<W: Width> Nat<'_, W> {
    /// Whether a host may have a session more, and a mapping if it has none for it. Returns what it takes of its rates,
    /// for [`Nat::take_tokens`] once nothing can fail any more.
    pub(super) fn check_limits(
        &self,
        tuple: &InsideTuple,
        mapping: Option<Link<W>>,
    ) -> Result<Option<Tokens>, DropReason> {
        let Inside { origin, endpoint } = tuple.inside;
        if origin == Origin::Router {
            return Ok(None);
        }
        let host = self.flows.host(origin, endpoint.address);
        if let Some(host) = host {
            self.check_numbers(host, tuple.proto, mapping)?;
        }
        self.check_shares(host, mapping.is_none())?;
        self.check_rates(host, mapping.is_none())
    }

    fn check_numbers(&self, host: &Host<W>, proto: Proto, mapping: Option<Link<W>>) -> Result<(), DropReason> {
        let limits = &self.config.limits;
        let (mapping_room, session_room) = self.flows.capacity();
        let most = |limit: Option<u16>, room: usize| limit.map_or_else(|| room.div_ceil(2), usize::from);
        let reached = |count: usize, limit: Option<u16>| limit.is_some_and(|limit| count >= usize::from(limit));
        let of_proto = match proto {
            Proto::Icmp => limits.icmp_mappings_per_host,
            Proto::Tcp => limits.tcp_mappings_per_host,
            Proto::Udp => limits.udp_mappings_per_host,
        };
        let used_up = match mapping.and_then(|link| self.flows.mapping(link)) {
            Some(mapping) => reached(mapping.sessions.get(), limits.sessions_per_mapping),
            None => {
                host.mappings() >= most(limits.mappings_per_host, mapping_room)
                    || reached(host.mappings_of(proto), of_proto)
            }
        };
        if used_up || host.sessions.get() >= most(limits.sessions_per_host, session_room) {
            return Err(DropReason::HostLimit);
        }
        Ok(())
    }

    /// Leaves to other hosts what is kept for them.
    fn check_shares(&self, host: Option<&Host<W>>, new_mapping: bool) -> Result<(), DropReason> {
        let shares = self.flows.shares();
        let (mapping_room, session_room) = self.flows.room();
        let (mappings, sessions) = host.map_or((0, 0), |host| (host.mappings(), host.sessions.get()));
        let kept = shares.kept_mappings();
        if new_mapping && shares.has_its_own(mappings) && kept != 0 && mapping_room <= kept {
            return Err(DropReason::MappingTableFull);
        }
        // A session may take the place of its address's leave too, and so may those of the others.
        let places = if self.config.gives_leave() { 2 } else { 1 };
        let kept = shares.kept_sessions().saturating_mul(places);
        if shares.has_its_own(sessions) && kept != 0 && session_room < kept.saturating_add(places) {
            return Err(DropReason::SessionTableFull);
        }
        Ok(())
    }

    /// Whether a host may begin one connection more that is not answered yet. Returns the session that makes room for it,
    /// for [`Nat::make_room`] once nothing can fail any more.
    ///
    /// Whoever sends SYNs to a port forward from addresses that are not its own has the host behind it answer them, and
    /// nobody acknowledges the answers. So the newest of these is the one most likely to be genuine.
    pub(super) fn check_half_open(
        &self,
        tuple: &InsideTuple,
        state: SessionState,
    ) -> Result<Option<Link<W>>, DropReason> {
        let Inside { origin, endpoint } = tuple.inside;
        if origin == Origin::Router || tuple.proto != Proto::Tcp || !is_half_open(state) {
            return Ok(None);
        }
        let (limits, shares, room) = (&self.config.limits, self.flows.shares(), self.flows.capacity().1);
        let host = self.flows.host(origin, endpoint.address);
        let (sessions, half_open) = host.map_or((0, 0), |host| (host.sessions.get(), host.half_open.get()));
        let most = |limit: Option<u16>, part: usize| limit.map_or_else(|| room.div_ceil(part), usize::from);
        let of_host = half_open >= most(limits.half_open_per_host, 4);
        let of_all = shares.has_its_own(sessions) && shares.half_open() >= most(limits.half_open, 2);
        if !(of_host || of_all) {
            return Ok(None);
        }
        self.flows.oldest_unacknowledged(tuple.inside).map(Some).ok_or(DropReason::HalfOpenLimit)
    }

    /// Ends the session that [`Nat::check_half_open`] has found.
    pub(super) fn make_room(&mut self, session: Option<Link<W>>) {
        if let Some(ended) = session.and_then(|session| self.flows.end_session(session)) {
            self.journal().ended(ended);
            self.stats.half_open_ended = self.stats.half_open_ended.wrapping_add(1);
        }
    }

    fn check_rates(&self, host: Option<&Host<W>>, new_mapping: bool) -> Result<Option<Tokens>, DropReason> {
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
        let mappings = if new_mapping { take(limits.mapping_rate, due)? } else { due.unwrap_or(0) };
        Ok(Some(Tokens { mappings, sessions }))
    }

    /// Notes what a host, which has a mapping now, has taken of its rates.
    pub(super) fn take_tokens(&mut self, inside: Inside, tokens: Option<Tokens>) {
        if let Some(tokens) = tokens
            && let Some(host) = self.flows.host_mut(inside.origin, inside.endpoint.address)
        {
            host.tokens = tokens;
        }
    }
}
