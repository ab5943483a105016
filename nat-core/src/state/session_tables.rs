//! The tables together: what is in one of them and what the others know of it never fall apart.

#[cfg(feature = "audit")]
mod audit;
mod blocks;
mod change;
mod membership;

use core::time::Duration;

use crate::Instant;
use crate::config::{self, Config};
use crate::session_info::SessionInfo;
use crate::table::{ExpiryList, HashKey, Index, SlotIndex, Slots, Width};

use super::host::ByAddress;
use super::mapping::{ByExternal, ByInside};
use super::port_use::{PortPool, PortUse};
use super::session::ByRemote;
use super::{
    Endpoint, Host, Inside, InsideTuple, Mapping, MappingKind, Origin, OutsideTuple, PortQuotas,
    Proto, Quotas, Session, Tables, TimeoutClass,
};

pub(crate) use change::{Ended, NewMapping, NewSession};

/// Hosts, mappings, sessions, their indexes and the order in which sessions expire.
pub(crate) struct SessionTables<'t, W: Width> {
    key: HashKey,
    /// Whether each mapping is for one remote endpoint, and its external port may be another's for
    /// others.
    overlapping: bool,
    lifetimes: [u32; TimeoutClass::COUNT],
    hosts: Slots<'t, Host<W>>,
    hosts_by_address: Index<'t, ByAddress<W>>,
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
    /// Empties `tables`.
    pub(crate) fn new<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>(
        tables: &'t mut Tables<MAPPINGS, SESSIONS, HOSTS, W>,
        key: HashKey,
        config: &Config,
    ) -> Self {
        Self {
            key,
            overlapping: config.mapping == config::Mapping::AddressAndPortDependent,
            lifetimes: TimeoutClass::lifetimes(&config.timeouts),
            hosts: Slots::new(&mut tables.hosts),
            hosts_by_address: Index::new(&mut tables.hosts_by_address),
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

    // Look-ups.

    pub(crate) fn host(&self, origin: Origin, address: u32) -> Option<&Host<W>> {
        self.hosts.get(self.find_host(origin, address)?)
    }

    pub(crate) fn host_mut(&mut self, origin: Origin, address: u32) -> Option<&mut Host<W>> {
        self.hosts.get_mut(self.find_host(origin, address)?)
    }

    pub(crate) fn mapping(&self, link: SlotIndex<W>) -> Option<&Mapping<W>> {
        self.mappings.get(link)
    }

    pub(crate) fn session(&self, link: SlotIndex<W>) -> Option<&Session<W>> {
        self.sessions.get(link)
    }

    /// When the ICMP errors about `session` are earned that were sent outside.
    pub(crate) fn errors_about(&mut self, session: SlotIndex<W>) -> Option<&mut u32> {
        Some(&mut self.sessions.get_mut(session)?.errors)
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

    pub(crate) fn mapping_of_outside(&self, tuple: &OutsideTuple) -> Option<SlotIndex<W>> {
        self.mappings_by_external
            .find(&self.mappings, self.outside_hash(tuple), |link, mapping| {
                mapping.external_port == tuple.external_port
                    && mapping.external == tuple.external
                    && mapping.proto() == tuple.proto
                    && self.serves(link, tuple.remote)
            })
    }

    /// Whether a mapping is for sessions with `remote`: for all, unless external ports overlap.
    fn serves(&self, mapping: SlotIndex<W>, remote: Endpoint) -> bool {
        !self.overlapping || self.find_session(mapping, remote).is_some()
    }

    /// Whether external ports may be shared.
    pub(crate) fn overlapping(&self) -> bool {
        self.overlapping
    }

    /// The session of `mapping` with `remote`, alive at `now` or not.
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

    /// The session of `mapping` with `remote`, if its time is not up at `now`.
    pub(crate) fn live_session(
        &self,
        mapping: SlotIndex<W>,
        remote: Endpoint,
        now: u32,
    ) -> Option<SlotIndex<W>> {
        self.find_session(mapping, remote)
            .filter(|link| self.is_live(*link, now))
    }

    /// Whether a session's time is not up at `now`.
    pub(crate) fn is_live(&self, session: SlotIndex<W>, now: u32) -> bool {
        self.sessions
            .get(session)
            .is_some_and(|session| remaining(session, now).is_some())
    }

    /// Whether a session of `mapping` with any port of `address` gives it leave to send.
    pub(crate) fn has_permission(&self, mapping: SlotIndex<W>, address: u32) -> bool {
        self.find_permission(mapping, address).is_some()
    }

    /// How many mappings and sessions there can be.
    pub(crate) fn capacity(&self) -> (usize, usize) {
        (self.mappings.capacity(), self.sessions.capacity())
    }

    /// How many mappings and sessions there is room for.
    pub(crate) fn free_slots(&self) -> (usize, usize) {
        (self.mappings.free_slots(), self.sessions.free_slots())
    }

    /// Whether less than an eighth of the mappings, and of the sessions, is free.
    pub(crate) fn is_nearly_full(&self) -> (bool, bool) {
        let ((mappings, sessions), (mapping_room, session_room)) =
            (self.capacity(), self.free_slots());
        (mapping_room < mappings / 8, session_room < sessions / 8)
    }

    pub(crate) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Whether the leave of a session's remote address ends with it.
    pub(crate) fn holds_last_permission_ref(&self, session: &Session<W>) -> bool {
        let permission = self.find_permission(session.mapping, session.remote_address);
        permission
            .and_then(|permission| self.sessions.get(permission))
            .is_some_and(|permission| permission.deadline == 1)
    }

    /// Ports of `pool`, of which so many are `open`, that `inside` must leave to other hosts: none
    /// while it has not got those that are kept for itself, on whichever external address. The
    /// mapping `leaving` ends before its next one begins, so its port does not count.
    pub(crate) fn reserved_ports(
        &self,
        inside: Inside,
        pool: &PortPool,
        open: usize,
        leaving: Option<&Mapping<W>>,
    ) -> usize {
        let PortPool { proto, class, .. } = *pool;
        let host = self.host(inside.origin, inside.endpoint.address);
        let own = host.map_or(0, |host| host.reserved_ports(proto, class));
        let leaves = |mapping: &&Mapping<W>| mapping.has_reserved_port_of(proto, class);
        let own = own.saturating_sub(u8::from(leaving.filter(leaves).is_some()));
        if own < self.port_quotas.per_host(class) {
            0
        } else {
            self.port_quotas.reserved(pool, open)
        }
    }

    pub(crate) fn ports_in_use(&self, pool: &PortPool) -> usize {
        self.ports.count(pool)
    }

    pub(crate) fn key(&self) -> &HashKey {
        &self.key
    }

    /// How long a session of `proto` and of this kind lives without traffic, in milliseconds.
    pub(crate) fn lifetime(&self, session: &Session<W>, proto: Proto) -> u32 {
        let class = TimeoutClass::of(proto, session.state, session.remote_port);
        self.lifetimes.get(class as usize).copied().unwrap_or(0)
    }

    /// How long ago the time of a session of `proto` last started anew, in milliseconds.
    pub(crate) fn idle_time(&self, session: &Session<W>, proto: Proto, now: u32) -> u32 {
        self.lifetime(session, proto)
            .saturating_sub(remaining(session, now).unwrap_or(0))
    }

    /// The link that the next mapping will get. If another ends before, it is the link of that one.
    pub(crate) fn next_mapping(&self) -> Option<SlotIndex<W>> {
        self.mappings.next_link()
    }

    /// The sessions there are at `now`. Walks the whole table.
    pub(crate) fn sessions<'f>(
        &'f self,
        now: Instant,
        external_of: impl Fn(&Mapping<W>, Inside) -> Endpoint + 'f,
    ) -> impl Iterator<Item = SessionInfo> + 'f {
        self.sessions
            .iter()
            .filter(|(_, session)| !session.is_permission())
            .filter_map(move |(_, session)| {
                let mapping = self.mappings.get(session.mapping)?;
                let inside = self.inside(mapping)?;
                let external = external_of(mapping, inside);
                let expires_in =
                    Duration::from_millis(u64::from(remaining(session, now.as_millis() as u32)?));
                Some(SessionInfo {
                    protocol: mapping.proto().into(),
                    inside: inside.endpoint.into(),
                    external: external.into(),
                    remote: session.remote().into(),
                    state: session.state,
                    expires_in,
                    expires_at: now.saturating_add(expires_in),
                    port_forward: mapping.kind() != MappingKind::Dynamic,
                })
            })
    }

    /// Whether a mapping has this external address.
    pub(crate) fn uses(&self, external: u8) -> bool {
        self.mappings
            .iter()
            .any(|(_, mapping)| mapping.external == external && !mapping.is_untranslated())
    }

    /// The link of a session at or after `cursor`, and the next cursor, to walk the table while
    /// sessions end.
    pub(crate) fn next_session(&self, cursor: usize) -> Option<(usize, SlotIndex<W>)> {
        let mut cursor = cursor;
        loop {
            let (next, link) = self.sessions.next_in_use(cursor)?;
            if self
                .sessions
                .get(link)
                .is_some_and(|session| !session.is_permission())
            {
                return Some((next, link));
            }
            cursor = next;
        }
    }

    // Expiry.

    /// How long after `now` the next session ends: nothing if one is overdue. `None` without
    /// sessions.
    pub(crate) fn next_deadline(&self, now: u32) -> Option<u32> {
        let lists = self.expiry.iter().filter(|list| !list.first().is_none());
        let first = lists.filter_map(|list| self.sessions.get(list.first()));
        first
            .map(|session| remaining(session, now).unwrap_or(0))
            .min()
    }

    /// How many slots have been looked at, in all tables, since this was last asked.
    #[cfg(test)]
    pub(crate) fn take_probes(&self) -> usize {
        let by_inside = self.mappings_by_inside.take_probes();
        let mappings = by_inside + self.mappings_by_external.take_probes();
        self.hosts_by_address.take_probes() + mappings + self.sessions_by_remote.take_probes()
    }

    /// Whether sessions of `mapping` with these two share a bucket.
    #[cfg(test)]
    pub(crate) fn remotes_collide(
        &self,
        mapping: SlotIndex<W>,
        [one, other]: [Endpoint; 2],
    ) -> bool {
        let hash = |remote| self.remote_hash(mapping, remote);
        self.sessions_by_remote.share_bucket(hash(one), hash(other))
    }

    /// Whether mappings of these two share a bucket.
    #[cfg(test)]
    pub(crate) fn insides_collide(&self, [one, other]: [&InsideTuple; 2]) -> bool {
        self.mappings_by_inside
            .share_bucket(self.inside_hash(one), self.inside_hash(other))
    }

    fn find_host(&self, origin: Origin, address: u32) -> Option<SlotIndex<W>> {
        let hash = self.key.hash(address, 0);
        self.hosts_by_address
            .find(&self.hosts, hash, |_, host| host.is(origin, address))
    }

    fn find_permission(&self, mapping: SlotIndex<W>, address: u32) -> Option<SlotIndex<W>> {
        let remote = any_port(address);
        self.sessions_by_remote.find(
            &self.sessions,
            self.remote_hash(mapping, remote),
            |_, session| {
                session.mapping == mapping && session.is_permission() && session.remote() == remote
            },
        )
    }

    fn inside_hash(&self, tuple: &InsideTuple) -> u32 {
        let Endpoint { address, port } = tuple.inside.endpoint;
        let hash = self
            .key
            .hash(address, u32::from(port) << 16 | u32::from(tuple.kind()));
        self.with_remote(hash, tuple.remote)
    }

    fn outside_hash(&self, tuple: &OutsideTuple) -> u32 {
        let OutsideTuple {
            proto,
            external,
            external_port,
            remote,
        } = *tuple;
        let hash = self.key.hash(
            u32::from(external),
            u32::from(external_port) << 16 | proto as u32,
        );
        self.with_remote(hash, remote)
    }

    /// Where ports overlap, what a mapping is found by has its remote endpoint in it.
    fn with_remote(&self, hash: u32, remote: Endpoint) -> u32 {
        if self.overlapping {
            self.key.hash(hash ^ remote.address, u32::from(remote.port))
        } else {
            hash
        }
    }

    fn remote_hash(&self, mapping: SlotIndex<W>, remote: Endpoint) -> u32 {
        // Of the number of a mapping in wide tables a few bits are left over. No more mappings than
        // a bucket holds share the other 16.
        let number = mapping.number();
        let high = remote.address ^ (number >> 16).wrapping_mul(0x9e37_79b9);
        self.key
            .hash(high, u32::from(remote.port) << 16 | number & 0xffff)
    }
}

/// What is left of the session's time at `now`, in milliseconds; `None` when it is up.
fn remaining<W: Width>(session: &Session<W>, now: u32) -> Option<u32> {
    let left = session.deadline.wrapping_sub(now);
    (left != 0 && left <= i32::MAX as u32).then_some(left)
}

/// The remote endpoint that stands for every port of `address`.
fn any_port(address: u32) -> Endpoint {
    Endpoint { address, port: 0 }
}
