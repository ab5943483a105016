//! The session tables: hosts, mappings and sessions with their indexes, lists and counters, which
//! change together so that they always agree.

#[cfg(feature = "audit")]
mod audit;
mod blocks;
mod capacity;
mod established;
mod keys;
mod mappings;
mod membership;
mod permissions;
mod port_counts;
mod progress;
mod sessions;

use core::cell::Cell;
use core::time::Duration;

use crate::Instant;
use crate::config::{self, Config};
use crate::features::OVERLAPPING;
use crate::session_info::SessionInfo;
use crate::table::{ExpiryList, HashKey, Index, Place, SlotIndex, Slots, Width};

use super::host::ByAddress;
use super::mapping::{ByExternal, ByInside};
use super::port_use::PortUse;
use super::session::ByRemote;
use super::{
    Endpoint, Host, Inside, InsideTuple, Lifetimes, Mapping, Origin, OutsideTuple, PortQuotas,
    Proto, Quotas, Session, Tables, TimeoutClass,
};

pub(crate) use established::FastMapping;
pub(crate) use mappings::{MappingRoom, NewMapping};
pub(crate) use sessions::{Ended, NewSession};

/// Hosts, mappings and sessions, their indexes, and the lists in which sessions expire.
pub(crate) struct SessionTables<'t, W: Width> {
    key: HashKey,
    /// Whether each mapping is for one remote endpoint only, so that mappings with other remote
    /// endpoints may have the same external port (port overlapping).
    overlapping: bool,
    lifetimes: Lifetimes,
    hosts: Slots<'t, Host<W>>,
    hosts_by_address: Index<'t, ByAddress<W>>,
    /// The host that was found last, unless it is gone: a new session asks for its host several
    /// times.
    // A `Cell`, because look-ups have only a shared reference.
    last_host: Cell<SlotIndex<W>>,
    mappings: Slots<'t, Mapping<W>>,
    mappings_by_inside: Index<'t, ByInside<W>>,
    mappings_by_external: Index<'t, ByExternal<W>>,
    sessions: Slots<'t, Session<W>>,
    sessions_by_remote: Index<'t, ByRemote<W>>,
    expiry: [ExpiryList<W>; TimeoutClass::COUNT],
    ports: PortUse,
    quotas: Quotas,
    port_quotas: PortQuotas,
}

impl<'t, W: Width> SessionTables<'t, W> {
    /// Builds empty session tables in `tables`, whose former content is lost.
    pub(crate) fn new<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>(
        tables: &'t mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        key: HashKey,
        config: &Config,
    ) -> Self {
        Self {
            key,
            overlapping: config.mapping == config::Mapping::AddressAndPortDependent,
            lifetimes: Lifetimes::new(&config.timeouts),
            hosts: Slots::new(&mut tables.hosts),
            hosts_by_address: Index::new(&mut tables.hosts_by_address),
            last_host: Cell::new(SlotIndex::NONE),
            mappings: Slots::new(&mut tables.mappings),
            mappings_by_inside: Index::new(&mut tables.mappings_by_inside),
            mappings_by_external: Index::new(&mut tables.mappings_by_external),
            sessions: Slots::new(&mut tables.sessions),
            sessions_by_remote: Index::new(&mut tables.sessions_by_remote),
            expiry: [ExpiryList::EMPTY; TimeoutClass::COUNT],
            ports: PortUse::new(config),
            quotas: Quotas::new(&config.limits, (MAPPINGS, SESSIONS, HOSTS)),
            port_quotas: PortQuotas::new(config, HOSTS),
        }
    }

    pub(crate) fn key(&self) -> &HashKey {
        &self.key
    }

    pub(crate) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Whether mappings may share an external port.
    pub(crate) fn overlapping(&self) -> bool {
        OVERLAPPING && self.overlapping
    }

    // Hosts.

    pub(crate) fn host(&self, origin: Origin, address: u32) -> Option<&Host<W>> {
        self.hosts.get(self.find_host(origin, address)?)
    }

    pub(crate) fn host_mut(&mut self, origin: Origin, address: u32) -> Option<&mut Host<W>> {
        self.hosts.get_mut(self.find_host(origin, address)?)
    }

    #[inline(always)]
    fn find_host(&self, origin: Origin, address: u32) -> Option<SlotIndex<W>> {
        let last = self.last_host.get();
        match self.hosts.get(last) {
            Some(host) if host.is(origin, address) => Some(last),
            _ => self.search_host(origin, address),
        }
    }

    #[inline(never)]
    fn search_host(&self, origin: Origin, address: u32) -> Option<SlotIndex<W>> {
        let hash = self.host_hash(address);
        let found = self
            .hosts_by_address
            .find(&self.hosts, hash, |_, host| host.is(origin, address))?;
        self.last_host.set(found);
        Some(found)
    }

    // Mappings.

    pub(crate) fn mapping(&self, link: SlotIndex<W>) -> Option<&Mapping<W>> {
        self.mappings.get(link)
    }

    /// The inside endpoint of `mapping`.
    pub(crate) fn inside(&self, mapping: &Mapping<W>) -> Option<Inside> {
        let host = self.hosts.get(mapping.host)?;
        Some(Inside {
            origin: host.origin(),
            endpoint: Endpoint {
                address: host.address,
                port: mapping.inside_port,
            },
        })
    }

    pub(crate) fn mapping_of_inside(&self, tuple: &InsideTuple) -> Option<SlotIndex<W>> {
        let Inside { origin, endpoint } = tuple.inside;
        self.mappings_by_inside
            .find(&self.mappings, self.inside_hash(tuple), |link, mapping| {
                mapping.is_for(tuple)
                    && self
                        .hosts
                        .get(mapping.host)
                        .is_some_and(|host| host.is(origin, endpoint.address))
                    && self.serves(link, tuple.remote)
            })
    }

    #[inline(never)]
    pub(crate) fn mapping_of_outside(&self, tuple: &OutsideTuple) -> Option<SlotIndex<W>> {
        match self.place_of_outside(tuple) {
            Place::Taken(mapping) => Some(mapping),
            Place::Vacant(_) | Place::Full => None,
        }
    }

    /// Where the mapping of an external endpoint is, or could be.
    #[inline(always)]
    fn place_of_outside(&self, tuple: &OutsideTuple) -> Place<Mapping<W>> {
        let hash = self.outside_hash(tuple);
        let is_it = |link, mapping: &Mapping<W>| {
            mapping.external_port == tuple.external_port
                && mapping.external == tuple.external
                && mapping.is_proto(tuple.proto)
                && self.serves(link, tuple.remote)
        };
        self.mappings_by_external.place(&self.mappings, hash, is_it)
    }

    /// Whether a mapping is for sessions with `remote`: any mapping is, unless external ports
    /// overlap.
    fn serves(&self, mapping: SlotIndex<W>, remote: Endpoint) -> bool {
        !self.overlapping() || self.find_session(mapping, remote).is_some()
    }

    /// The slot that the next new mapping will get, unless another mapping is removed before: then
    /// the new mapping gets the slot of the removed one.
    pub(crate) fn next_mapping(&self) -> Option<SlotIndex<W>> {
        self.mappings.next_free()
    }

    /// Whether any mapping has the external address with this number.
    pub(crate) fn uses(&self, external: u8) -> bool {
        self.mappings
            .iter()
            .any(|(_, mapping)| mapping.external == external && !mapping.is_untranslated())
    }

    // Sessions.

    pub(crate) fn session(&self, link: SlotIndex<W>) -> Option<&Session<W>> {
        self.sessions.get(link)
    }

    /// The token bucket for ICMP errors sent outside about `session`.
    pub(crate) fn errors_about(&mut self, session: SlotIndex<W>) -> Option<&mut u32> {
        Some(&mut self.sessions.get_mut(session)?.errors)
    }

    /// The session of `mapping` with `remote`, whether or not it has expired.
    pub(crate) fn find_session(
        &self,
        mapping: SlotIndex<W>,
        remote: Endpoint,
    ) -> Option<SlotIndex<W>> {
        self.sessions_by_remote.find(
            &self.sessions,
            self.remote_hash(mapping, remote),
            |_, session| {
                session.mapping == mapping && session.remote() == remote && !session.is_permission()
            },
        )
    }

    /// The session of `mapping` with `remote`, unless it has expired at `now`.
    pub(crate) fn live_session(
        &self,
        mapping: SlotIndex<W>,
        remote: Endpoint,
        now: u32,
    ) -> Option<SlotIndex<W>> {
        self.find_session(mapping, remote)
            .filter(|link| self.is_live(*link, now))
    }

    /// Whether a session has not expired at `now`.
    pub(crate) fn is_live(&self, session: SlotIndex<W>, now: u32) -> bool {
        self.sessions
            .get(session)
            .is_some_and(|session| session.remaining(now).is_some())
    }

    /// How long a session of `proto` in its present state lives without traffic, in milliseconds.
    pub(crate) fn lifetime(&self, session: &Session<W>, proto: Proto) -> u32 {
        let class = TimeoutClass::of(proto, session.state, session.remote_port);
        self.lifetimes.of(class)
    }

    /// How long ago the timer of a session of `proto` was last restarted, in milliseconds.
    pub(crate) fn idle_time(&self, session: &Session<W>, proto: Proto, now: u32) -> u32 {
        self.lifetime(session, proto)
            .saturating_sub(session.remaining(now).unwrap_or(0))
    }

    /// The sessions that have not expired at `now`. Walks the whole table.
    pub(crate) fn sessions<'f>(
        &'f self,
        now: Instant,
        external_of: impl Fn(&Mapping<W>, Inside) -> Endpoint + 'f,
    ) -> impl Iterator<Item = SessionInfo> + 'f {
        self.sessions
            .iter()
            .filter(|(_, session)| !session.is_permission())
            .filter_map(move |(_, session)| self.session_info(session, now, &external_of))
    }

    fn session_info(
        &self,
        session: &Session<W>,
        now: Instant,
        external_of: &impl Fn(&Mapping<W>, Inside) -> Endpoint,
    ) -> Option<SessionInfo> {
        let mapping = self.mappings.get(session.mapping)?;
        let inside = self.inside(mapping)?;
        let remaining = session.remaining(now.as_millis() as u32)?;
        let expires_in = Duration::from_millis(u64::from(remaining));
        Some(SessionInfo {
            protocol: mapping.proto().into(),
            inside: inside.endpoint.into(),
            external: external_of(mapping, inside).into(),
            remote: session.remote().into(),
            state: session.state,
            expires_in,
            expires_at: now.saturating_add(expires_in),
            is_static: mapping.kind().is_static(),
        })
    }

    /// The first session at or after `cursor`, and the cursor to go on with: walks the table while
    /// sessions end.
    pub(crate) fn next_session(&self, cursor: usize) -> Option<(usize, SlotIndex<W>)> {
        let mut cursor = cursor;
        loop {
            let (next, link) = self.sessions.next_in_use(cursor)?;
            let slot = self.sessions.get(link)?;
            if !slot.is_permission() {
                return Some((next, link));
            }
            cursor = next;
        }
    }

    /// The time from `now` until the next session expires, in milliseconds: zero if one has expired
    /// already, `None` if there are no sessions.
    pub(crate) fn next_deadline(&self, now: u32) -> Option<u32> {
        // Each list is in order of deadline, so its first session expires before its others.
        self.expiry
            .iter()
            .filter_map(|list| self.sessions.get(list.first()))
            .map(|session| session.remaining(now).unwrap_or(0))
            .min()
    }
}

/// What tests read.
#[cfg(test)]
impl<W: Width> SessionTables<'_, W> {
    /// How many slots all look-ups have examined since the last call.
    pub(crate) fn take_probes(&self) -> usize {
        let by_inside = self.mappings_by_inside.take_probes();
        let mappings = by_inside + self.mappings_by_external.take_probes();
        self.hosts_by_address.take_probes() + mappings + self.sessions_by_remote.take_probes()
    }

    /// Whether the sessions of `mapping` with these two remote endpoints share a bucket.
    pub(crate) fn remotes_collide(
        &self,
        mapping: SlotIndex<W>,
        [one, other]: [Endpoint; 2],
    ) -> bool {
        let hash = |remote| self.remote_hash(mapping, remote);
        self.sessions_by_remote.share_bucket(hash(one), hash(other))
    }

    /// Whether the mappings of these two tuples share a bucket.
    pub(crate) fn insides_collide(&self, [one, other]: [&InsideTuple; 2]) -> bool {
        self.mappings_by_inside
            .share_bucket(self.inside_hash(one), self.inside_hash(other))
    }
}
