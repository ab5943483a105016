//! What a new session lacks, and which session of the same host makes room for it (RFC 5382 section
//! 5).

use crate::session_info::SessionState;
use crate::state::{
    Endpoint, ExternalPort, Inside, Mapping, PortPool, Ports, Proto, Rank, Session, is_half_open,
};
use crate::table::{SlotIndex, Width};
use crate::{DropReason, Nat};

/// How long a session that is done is left alone while there is room, in milliseconds: the last
/// segments of a connection are under way, and who has asked one question may ask another. The
/// latter is the shorter timer of DNS.
const fn linger(proto: Proto) -> u32 {
    match proto {
        Proto::Tcp => 4000,
        Proto::Icmp | Proto::Udp => 30_000,
    }
}

/// What a new session lacks. One session of its host that is done, or half open, can make room for
/// it if it takes all of that with it when it ends; else the new one is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shortage<W> {
    /// Why the session is refused if none makes room; `None` if it lacks nothing.
    reason: Option<DropReason>,
    /// Slots of sessions that it takes, its address's leave included.
    slots: usize,
    lacks_slots: bool,
    lacks_half_open: bool,
    lacks_mapping: bool,
    lacks_mapping_of: Option<Proto>,
    lacks_session_of: Option<SlotIndex<W>>,
}

impl<W: Width> Shortage<W> {
    /// A session that takes so many slots lacks nothing yet.
    pub(crate) fn none(slots: usize) -> Self {
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

    /// Any session makes room.
    pub(crate) fn of_sessions(&mut self, reason: DropReason) {
        self.reason.get_or_insert(reason);
    }

    /// A session of `mapping` makes room.
    pub(crate) fn of_sessions_of(&mut self, mapping: SlotIndex<W>, reason: DropReason) {
        self.lacks_session_of = Some(mapping);
        self.reason.get_or_insert(reason);
    }

    /// A session that takes as many slots makes room.
    pub(crate) fn of_slots(&mut self, reason: DropReason) {
        self.lacks_slots = true;
        self.reason.get_or_insert(reason);
    }

    /// The last session of a mapping makes room.
    pub(crate) fn of_mappings(&mut self, reason: DropReason) {
        self.lacks_mapping = true;
        self.reason.get_or_insert(reason);
    }

    /// The last session of a mapping of `proto` makes room.
    pub(crate) fn of_mappings_of(&mut self, proto: Proto, reason: DropReason) {
        self.lacks_mapping_of = Some(proto);
        self.of_mappings(reason);
    }

    /// A session that is half open itself makes room.
    pub(crate) fn of_half_open(&mut self, reason: DropReason) {
        self.lacks_half_open = true;
        self.reason.get_or_insert(reason);
    }

    /// Whether the end of `session`, with which so many `slots` are free, makes up for it.
    fn is_met_by(&self, session: &Session<W>, mapping: &Mapping<W>, slots: usize) -> bool {
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
pub(crate) struct PortWanted {
    pub(crate) pool: PortPool,
    pub(crate) ports: Ports,
    pub(crate) remote: Endpoint,
}

impl<W: Width> Nat<'_, W> {
    /// The session that makes room for a new one of the same host in `state`, if that lacks
    /// anything: never `keep`, nor one that is neither done nor half open.
    pub(crate) fn find_evictable(
        &self,
        inside: Inside,
        shortage: &Shortage<W>,
        state: SessionState,
        keep: Option<SlotIndex<W>>,
    ) -> Result<Option<SlotIndex<W>>, DropReason> {
        let Some(reason) = shortage.reason else {
            return Ok(None);
        };
        let fits = |link, session: &Session<W>, mapping: &Mapping<W>| {
            Some(link) != keep && shortage.is_met_by(session, mapping, self.slots_with(session))
        };
        self.tables
            .find_evictable(inside, Rank::displaced_by(state), fits)
            .map(Some)
            .ok_or(reason)
    }

    /// The session that makes room for a new one of the same host although that lacks nothing,
    /// where the tables are nearly full: one that has been done for a while, so that nobody
    /// misses it. Else the rest of the tables would fill up with such sessions of hosts that
    /// have enough, and a host that has none of its own would be refused.
    pub(crate) fn find_finished(
        &self,
        inside: Inside,
        new_mapping: bool,
        keep: Option<SlotIndex<W>>,
    ) -> Option<SlotIndex<W>> {
        let (few_mappings, few_sessions) = self.tables.is_nearly_full();
        let few_mappings = few_mappings && new_mapping;
        if !few_mappings && !few_sessions {
            return None;
        }
        self.tables
            .find_evictable(inside, Rank::DONE, |link, session, mapping| {
                let frees = !few_mappings || mapping.sessions.get() == 1;
                Some(link) != keep
                    && frees
                    && self.tables.rested(session, mapping.proto(), self.tick())
                        >= linger(mapping.proto())
            })
    }

    /// The same for one that lacks an external port besides: the session that makes room is the
    /// last of a mapping whose port is one of those wanted, and does not wait then before
    /// another mapping may have it. Not the last port of a host on an address while it draws
    /// from another one: there it gets its next one instead (RFC 4787 REQ-2). Returns the port too.
    pub(crate) fn find_evictable_for_port(
        &self,
        inside: Inside,
        shortage: &Shortage<W>,
        state: SessionState,
        (wanted, keep): (&PortWanted, Option<SlotIndex<W>>),
    ) -> Option<(SlotIndex<W>, u16)> {
        let PortWanted {
            pool,
            ports,
            remote,
        } = wanted;
        let host = self.tables.host(inside.origin, inside.endpoint.address)?;
        let leaves = host.dynamic_on(pool.external) == 1
            && self.other_external(inside, pool.external, None).is_some();
        if leaves || self.waits(pool.proto) {
            return None;
        }
        let fits = |link, session: &Session<W>, mapping: &Mapping<W>| {
            let ExternalPort {
                proto,
                external,
                port,
            } = ExternalPort::from(mapping);
            let drawn = mapping.is_dynamic() && mapping.sessions.get() == 1;
            let same_remote = !self.tables.overlapping() || session.remote() == *remote;
            let right = (proto, external) == (pool.proto, pool.external) && ports.contains(port);
            Some(link) != keep
                && drawn
                && same_remote
                && right
                && shortage.is_met_by(session, mapping, self.slots_with(session))
        };
        let link = self
            .tables
            .find_evictable(inside, Rank::displaced_by(state), fits)?;
        let mapping = self
            .tables
            .session(link)
            .and_then(|session| self.tables.mapping(session.mapping))?;
        Some((link, mapping.external_port))
    }

    /// How many slots are free when a session has ended: its own, and that of its address's leave.
    fn slots_with(&self, session: &Session<W>) -> usize {
        if self.config.uses_permissions() && self.tables.holds_last_permission_ref(session) {
            2
        } else {
            1
        }
    }

    /// Ends the session that makes room; the mapping at `kept`, which is about to get a session,
    /// stays.
    pub(crate) fn evict(&mut self, evicted: Option<SlotIndex<W>>, kept: Option<SlotIndex<W>>) {
        let Some(ended) = evicted.and_then(|session| self.tables.end_session_but(session, kept))
        else {
            return;
        };
        self.events().ended(ended);
        self.stats.sessions_evicted = self.stats.sessions_evicted.wrapping_add(1);
        if is_half_open(ended.state) {
            self.stats.half_open_ended = self.stats.half_open_ended.wrapping_add(1);
        }
    }
}
