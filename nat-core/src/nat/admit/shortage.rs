//! What a new session lacks, and which session of the same host is evicted for it (RFC 5382 section
//! 5).

use crate::DropReason;
use crate::session_info::SessionState;
use crate::state::{
    Endpoint, EvictionRank, ExternalPort, Host, Mapping, PortPool, Ports, Proto, Session,
    is_half_open,
};
use crate::table::{SlotIndex, Width};

use super::decision::Received;
use super::{Request, View};

/// How long a finished session is kept while slots are free, in milliseconds: the last segments of
/// a connection are under way, and a host that has asked one question may ask another. The latter
/// is the shorter timer of DNS.
const fn linger(proto: Proto) -> u32 {
    match proto {
        Proto::Tcp => 4000,
        Proto::Icmp | Proto::Udp => 30_000,
    }
}

/// What a new session lacks. One session of its host that is finished, or half open, is evicted for
/// it if its end frees all of that. Else the new session is refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortage<W> {
    /// Why the session is refused if none can be evicted; `None` if it lacks nothing.
    reason: Option<DropReason>,
    /// Slots of sessions that it takes, that of its address's permission included.
    slots: usize,
    lacks_slots: bool,
    lacks_half_open: bool,
    lacks_mapping: bool,
    lacks_mapping_of: Option<Proto>,
    lacks_session_of: Option<SlotIndex<W>>,
}

impl<W: Width> Shortage<W> {
    /// A session that takes so many slots lacks nothing yet.
    pub(super) fn none(slots: usize) -> Self {
        Self {
            reason: None,
            slots,
            lacks_slots: false,
            lacks_half_open: false,
            lacks_mapping: false,
            lacks_mapping_of: None,
            lacks_session_of: None,
        }
    }

    /// The end of any session is enough.
    pub(super) fn of_sessions(&mut self, reason: DropReason) {
        // The first lack that is found gives the reason of the refusal.
        self.reason.get_or_insert(reason);
    }

    /// A session of `mapping` must end.
    pub(super) fn of_sessions_of(&mut self, mapping: SlotIndex<W>, reason: DropReason) {
        self.lacks_session_of = Some(mapping);
        self.reason.get_or_insert(reason);
    }

    /// A session that takes as many slots must end.
    pub(super) fn of_slots(&mut self, reason: DropReason) {
        self.lacks_slots = true;
        self.reason.get_or_insert(reason);
    }

    /// The last session of a mapping must end.
    pub(super) fn of_mappings(&mut self, reason: DropReason) {
        self.lacks_mapping = true;
        self.reason.get_or_insert(reason);
    }

    /// The last session of a mapping of `proto` must end.
    pub(super) fn of_mappings_of(&mut self, proto: Proto, reason: DropReason) {
        self.lacks_mapping_of = Some(proto);
        self.of_mappings(reason);
    }

    /// A session that is half open itself must end.
    pub(super) fn of_half_open(&mut self, reason: DropReason) {
        self.lacks_half_open = true;
        self.reason.get_or_insert(reason);
    }

    /// Whether the end of `session`, which frees so many `slots`, is enough.
    fn is_met_by(&self, session: &Session<W>, mapping: &Mapping<W>, slots: usize) -> bool {
        // A mapping ends with its last session, so no other session frees it.
        let last = mapping.sessions.get() == 1;
        (!self.lacks_half_open || is_half_open(session.state))
            && (!self.lacks_mapping || last)
            && (!self.lacks_slots || slots >= self.slots)
            && self
                .lacks_mapping_of
                .is_none_or(|proto| mapping.proto() == proto)
            && self
                .lacks_session_of
                .is_none_or(|link| session.mapping == link)
    }
}

/// An external port that a new mapping lacks.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortWanted {
    pub(super) pool: PortPool,
    pub(super) ports: Ports,
    pub(super) remote: Endpoint,
}

impl PortWanted {
    /// Whether `session`, the last of `mapping`, has such a port, which is free when it ends.
    fn is_met_by<W: Width>(
        &self,
        session: &Session<W>,
        mapping: &Mapping<W>,
        overlaps: bool,
    ) -> bool {
        let ExternalPort {
            proto,
            external,
            port,
        } = ExternalPort::from(mapping);
        let is_candidate = mapping.is_dynamic() && mapping.sessions.get() == 1;
        let same_pool = (proto, external) == (self.pool.proto, self.pool.external);
        // Where ports overlap, this port is in use only for this remote endpoint.
        let same_remote = !overlaps || session.remote() == self.remote;
        is_candidate && same_pool && same_remote && self.ports.contains(port)
    }
}

impl<W: Width> View<'_, W> {
    /// The session to evict for a new one, if any: because that lacks something, or because the
    /// tables are nearly full.
    #[inline(always)]
    pub(super) fn choose_evicted(
        self,
        request: &Request<'_, '_, W>,
    ) -> Result<Option<SlotIndex<W>>, DropReason> {
        let (free_mappings, free_sessions) = self.tables.free_slots();
        let free = free_mappings.min(free_sessions);
        if self.tables.quotas().are_at_ease(request.host, free) {
            // Tests prove the bound: at ease, the full search finds nothing to evict.
            #[cfg(feature = "audit")]
            assert!(matches!(self.find_evicted(*request), Ok(None)), "ease");
            return Ok(None);
        }
        self.find_evicted(*request)
    }

    #[inline(never)]
    fn find_evicted(self, request: Request<'_, '_, W>) -> Result<Option<SlotIndex<W>>, DropReason> {
        let (host, received) = (request.host, &request.received);
        let shortage = self.find_shortage(&request);
        // At most one session ends for a new one, so what it lacks decides before how full the
        // tables are.
        let needed = self.find_evictable(host, &shortage, request.state, received)?;
        Ok(needed.or_else(|| self.find_finished(host, request.mapping.is_none(), received)))
    }

    /// The session to evict for a new one of the same host in `state`, if that lacks anything:
    /// never one that the receiver of a hairpinned packet needs, nor one that is neither finished
    /// nor half open.
    pub(super) fn find_evictable(
        self,
        host: Option<&Host<W>>,
        shortage: &Shortage<W>,
        state: SessionState,
        received: &Received<W>,
    ) -> Result<Option<SlotIndex<W>>, DropReason> {
        let Some(reason) = shortage.reason else {
            return Ok(None);
        };
        let fits = |slot, session: &Session<W>, mapping: &Mapping<W>| {
            !received.needs(slot, session, mapping)
                && shortage.is_met_by(session, mapping, self.slots_freed_by(session))
        };
        let ranks = EvictionRank::evictable_for(state);
        let found = host.and_then(|host| self.tables.find_evictable(host, ranks, fits));
        found.map(Some).ok_or(reason)
    }

    /// The session to evict for a new one of the same host although that lacks nothing: where the
    /// tables are nearly full, one that finished a while ago and is not missed.
    ///
    /// Otherwise such sessions of hosts that have enough would fill the rest of the tables, and a
    /// host that has none yet would be refused.
    fn find_finished(
        self,
        host: Option<&Host<W>>,
        new_mapping: bool,
        received: &Received<W>,
    ) -> Option<SlotIndex<W>> {
        let (few_mappings, few_sessions) = self.tables.is_nearly_full();
        // A session of a known mapping takes no slot for one.
        let few_mappings = few_mappings && new_mapping;
        if !few_mappings && !few_sessions {
            return None;
        }
        let fits = |slot, session: &Session<W>, mapping: &Mapping<W>| {
            let proto = mapping.proto();
            let frees = !few_mappings || mapping.sessions.get() == 1;
            !received.needs(slot, session, mapping)
                && frees
                && self.tables.idle_time(session, proto, self.tick()) >= linger(proto)
        };
        self.tables
            .find_evictable(host?, EvictionRank::FINISHED, fits)
    }

    /// The session to evict for a new one that also lacks an external port, and the port of the
    /// evicted session. It is the last of its mapping.
    ///
    /// There is none where a freed port goes into quarantine. Nor is it the last port of a host on
    /// an address while the host has dynamic mappings on another one: it gets its next port there
    /// instead (RFC 4787 REQ-2).
    #[inline(never)]
    pub(super) fn find_evictable_for_port(
        self,
        request: Request<'_, '_, W>,
        wanted: PortWanted,
    ) -> Option<(SlotIndex<W>, u16)> {
        let (host, external) = (request.host?, wanted.pool.external);
        let last = host.dynamic_on(external) == 1;
        let moves = last && self.other_external(request, external, None).is_some();
        if moves || self.is_quarantined(wanted.pool.proto) {
            return None;
        }
        let overlaps = self.tables.overlapping();
        let shortage = self.find_shortage(&request);
        let fits = |slot, session: &Session<W>, mapping: &Mapping<W>| {
            !request.received.needs(slot, session, mapping)
                && wanted.is_met_by(session, mapping, overlaps)
                && shortage.is_met_by(session, mapping, self.slots_freed_by(session))
        };
        let ranks = EvictionRank::evictable_for(request.state);
        let slot = self.tables.find_evictable(host, ranks, fits)?;
        let session = self.tables.session(slot)?;
        let mapping = self.tables.mapping(session.mapping)?;
        Some((slot, mapping.external_port))
    }

    /// Whether a port of `proto` waits in quarantine when its mapping has ended.
    fn is_quarantined(self, proto: Proto) -> bool {
        !self.tables.overlapping() && self.quarantine.delays(proto)
    }

    /// How many slots the end of a session frees: its own, and that of its address's permission.
    fn slots_freed_by(self, session: &Session<W>) -> usize {
        // Where no filter needs permissions, this spares the look-up.
        let permission =
            self.policy.config.uses_permissions() && self.tables.holds_last_permission_ref(session);
        if permission { 2 } else { 1 }
    }
}
