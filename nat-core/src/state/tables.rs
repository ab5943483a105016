//! The tables together: what is in one of them and what the others know of it never fall apart.

use crate::DropReason;
use crate::config::Timeouts;
use crate::session_info::{SessionInfo, SessionState};
use crate::table::{ExpiryList, HashKey, Index, IndexFull, Link, Slot, Slots};

use super::host::ByAddress;
use super::mapping::{ByExternal, ByInside};
use super::session::ByRemote;
use super::{Class, Endpoint, Host, Inside, Mapping, Origin, Proto, Sequences, Session};

/// The memory of a NAT: room for `MAPPINGS` mappings and `SESSIONS` sessions of `HOSTS` inside hosts, 1 to 65,535 each.
///
/// All zeros when new, so a `static` of it costs RAM only, and no flash. A mapping takes 18 bytes, a session 38, a host
/// 14, their shares of every index and list included. A host counts as long as it has a mapping; so does the target of a
/// port forward, and the router itself while it talks to the outside.
pub struct Tables<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize = 64> {
    hosts: [Host; HOSTS],
    hosts_by_address: [Link; HOSTS],
    mappings: [Mapping; MAPPINGS],
    mappings_by_inside: [Link; MAPPINGS],
    mappings_by_external: [Link; MAPPINGS],
    sessions: [Session; SESSIONS],
    sessions_by_remote: [Link; SESSIONS],
}

const _: () = {
    assert!(size_of::<Mapping>() + 2 * size_of::<Link>() == 18);
    assert!(size_of::<Session>() + size_of::<Link>() == 38);
    assert!(size_of::<Host>() + size_of::<Link>() == 14);
};

impl<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize> Tables<MAPPINGS, SESSIONS, HOSTS> {
    /// Empty tables.
    #[expect(clippy::new_without_default, reason = "a default would be built on the stack, where tables do not fit")]
    pub const fn new() -> Self {
        const {
            assert!(MAPPINGS >= 1 && MAPPINGS <= Link::MAX_SLOTS, "MAPPINGS must be 1 to 65,535");
            assert!(SESSIONS >= 1 && SESSIONS <= Link::MAX_SLOTS, "SESSIONS must be 1 to 65,535");
            assert!(HOSTS >= 1 && HOSTS <= Link::MAX_SLOTS, "HOSTS must be 1 to 65,535");
        };
        Self {
            hosts: [Host::FREE; HOSTS],
            hosts_by_address: [Link::NONE; HOSTS],
            mappings: [Mapping::FREE; MAPPINGS],
            mappings_by_inside: [Link::NONE; MAPPINGS],
            mappings_by_external: [Link::NONE; MAPPINGS],
            sessions: [Session::FREE; SESSIONS],
            sessions_by_remote: [Link::NONE; SESSIONS],
        }
    }
}

/// A mapping that is about to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewMapping {
    pub(crate) proto: Proto,
    pub(crate) inside: Inside,
    pub(crate) external: u8,
    pub(crate) external_port: u16,
    pub(crate) port_forward: bool,
}

/// A session that is about to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewSession {
    pub(crate) mapping: Link,
    pub(crate) remote: Endpoint,
    pub(crate) state: SessionState,
    pub(crate) sequences: Sequences,
    /// Whether the remote address gets leave to send from any port.
    pub(crate) leave: bool,
}

/// A session that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) proto: Proto,
    pub(crate) state: SessionState,
}

/// Hosts, mappings, sessions, their indexes and the order in which sessions expire.
pub(crate) struct Flows<'t> {
    key: HashKey,
    lifetimes: [u32; Class::COUNT],
    hosts: Slots<'t, Host>,
    hosts_by_address: Index<'t, ByAddress>,
    mappings: Slots<'t, Mapping>,
    mappings_by_inside: Index<'t, ByInside>,
    mappings_by_external: Index<'t, ByExternal>,
    sessions: Slots<'t, Session>,
    sessions_by_remote: Index<'t, ByRemote>,
    expiry: [ExpiryList; Class::COUNT],
}

impl<'t> Flows<'t> {
    /// Empties `tables`.
    pub(crate) fn new<const MAPPINGS: usize, const SESSIONS: usize, const HOSTS: usize>(
        tables: &'t mut Tables<MAPPINGS, SESSIONS, HOSTS>,
        key: HashKey,
        timeouts: &Timeouts,
    ) -> Self {
        Self {
            key,
            lifetimes: Class::lifetimes(timeouts),
            hosts: Slots::new(&mut tables.hosts),
            hosts_by_address: Index::new(&mut tables.hosts_by_address),
            mappings: Slots::new(&mut tables.mappings),
            mappings_by_inside: Index::new(&mut tables.mappings_by_inside),
            mappings_by_external: Index::new(&mut tables.mappings_by_external),
            sessions: Slots::new(&mut tables.sessions),
            sessions_by_remote: Index::new(&mut tables.sessions_by_remote),
            expiry: [ExpiryList::EMPTY; Class::COUNT],
        }
    }

    // Look-ups.

    pub(crate) fn host(&self, origin: Origin, address: u32) -> Option<&Host> {
        self.hosts.get(self.find_host(origin, address)?)
    }

    pub(crate) fn mapping(&self, link: Link) -> Option<&Mapping> {
        self.mappings.get(link)
    }

    pub(crate) fn session(&self, link: Link) -> Option<&Session> {
        self.sessions.get(link)
    }

    /// The inside endpoint of `mapping`.
    pub(crate) fn inside(&self, mapping: &Mapping) -> Option<Inside> {
        let host = self.hosts.get(mapping.host)?;
        Some(Inside { origin: host.origin, endpoint: Endpoint { address: host.address, port: mapping.inside_port } })
    }

    pub(crate) fn mapping_of_inside(&self, proto: Proto, inside: Inside) -> Option<Link> {
        let Inside { origin, endpoint } = inside;
        self.mappings_by_inside.find(&self.mappings, self.inside_hash(proto, endpoint), |_, mapping| {
            mapping.inside_port == endpoint.port
                && mapping.proto() == proto
                && self.hosts.get(mapping.host).is_some_and(|host| host.is(origin, endpoint.address))
        })
    }

    pub(crate) fn mapping_of_external(&self, proto: Proto, external: u8, port: u16) -> Option<Link> {
        self.mappings_by_external.find(&self.mappings, self.external_hash(proto, external, port), |_, mapping| {
            mapping.external_port == port && mapping.external == external && mapping.proto() == proto
        })
    }

    /// The session of `mapping` with `remote`, alive at `now` or not.
    pub(crate) fn find_session(&self, mapping: Link, remote: Endpoint) -> Option<Link> {
        self.sessions_by_remote.find(&self.sessions, self.remote_hash(mapping, remote), |_, session| {
            session.mapping == mapping && session.remote() == remote
        })
    }

    /// The session of `mapping` with `remote`, if its time is not up at `now`.
    pub(crate) fn live_session(&self, mapping: Link, remote: Endpoint, now: u32) -> Option<Link> {
        let link = self.find_session(mapping, remote)?;
        self.sessions.get(link).filter(|session| remaining(session, now).is_some()).map(|_| link)
    }

    /// Whether a session of `mapping` with any port of `address` gives it leave to send.
    pub(crate) fn has_leave(&self, mapping: Link, address: u32) -> bool {
        self.find_leave(mapping, address).is_some()
    }

    pub(crate) fn key(&self) -> &HashKey {
        &self.key
    }

    /// How long a session of this kind lives without traffic, in milliseconds.
    pub(crate) fn lifetime(&self, session: &Session) -> u32 {
        let class = self.mappings.get(session.mapping).map(|mapping| Class::of(mapping.proto(), session.state));
        class.and_then(|class| self.lifetimes.get(class as usize)).copied().unwrap_or(0)
    }

    /// The link that the next mapping will get.
    pub(crate) fn next_mapping(&self) -> Option<Link> {
        self.mappings.next_link()
    }

    /// The sessions there are at `now`. Walks the whole table.
    pub(crate) fn sessions<'f>(
        &'f self,
        now: u32,
        address_of: impl Fn(u8) -> u32 + 'f,
    ) -> impl Iterator<Item = SessionInfo> + 'f {
        self.sessions.iter().filter(|(_, session)| !session.is_leave()).filter_map(move |(_, session)| {
            let mapping = self.mappings.get(session.mapping)?;
            let external = Endpoint { address: address_of(mapping.external), port: mapping.external_port };
            Some(SessionInfo {
                protocol: mapping.proto().into(),
                inside: self.inside(mapping)?.endpoint.into(),
                external: external.into(),
                remote: session.remote().into(),
                state: session.state,
                expires_in: core::time::Duration::from_millis(u64::from(remaining(session, now)?)),
                forwarded: mapping.is_port_forward(),
            })
        })
    }

    /// The mappings that are port forwards. Walks the whole table.
    pub(crate) fn port_forwards(&self) -> impl Iterator<Item = (&Mapping, Endpoint)> {
        let forwards = self.mappings.iter().filter(|(_, mapping)| mapping.is_port_forward());
        forwards.filter_map(|(_, mapping)| Some((mapping, self.inside(mapping)?.endpoint)))
    }

    // Expiry.

    /// How long after `now` the next session ends: nothing if one is overdue. `None` without sessions.
    pub(crate) fn next_deadline(&self, now: u32) -> Option<u32> {
        let first = self.expiry.iter().filter_map(|list| self.sessions.get(list.first()));
        first.map(|session| remaining(session, now).unwrap_or(0)).min()
    }

    /// Ends one session whose time is up at `now`.
    pub(crate) fn end_expired(&mut self, now: u32) -> Option<Ended> {
        let overdue = |link: &Link| self.sessions.get(*link).is_some_and(|session| remaining(session, now).is_none());
        let link = self.expiry.iter().map(ExpiryList::first).find(overdue)?;
        self.end_session(link)
    }

    // Changes. Callers have checked that there is room, so none of these fails half-way.

    /// Whether `new` can be added.
    pub(crate) fn check_session(&self, new: &NewSession) -> Result<(), DropReason> {
        let new_leave = new.leave && !self.has_leave(new.mapping, new.remote.address);
        if self.sessions.room() < if new_leave { 2 } else { 1 } {
            return Err(DropReason::SessionTableFull);
        }
        let hash = self.remote_hash(new.mapping, new.remote);
        self.sessions_by_remote.check_room(&self.sessions, hash).map_err(index_full)?;
        if new_leave {
            let hash = self.remote_hash(new.mapping, any_port(new.remote.address));
            self.sessions_by_remote.check_room(&self.sessions, hash).map_err(index_full)?;
        }
        Ok(())
    }

    /// Whether `new` can be added.
    pub(crate) fn check_mapping(&self, new: &NewMapping) -> Result<(), DropReason> {
        if self.mappings.room() == 0 {
            return Err(DropReason::MappingTableFull);
        }
        if self.find_host(new.inside.origin, new.inside.endpoint.address).is_none() {
            if self.hosts.room() == 0 {
                return Err(DropReason::HostTableFull);
            }
            let hash = self.key.hash(new.inside.endpoint.address, 0);
            self.hosts_by_address.check_room(&self.hosts, hash).map_err(index_full)?;
        }
        let hash = self.inside_hash(new.proto, new.inside.endpoint);
        self.mappings_by_inside.check_room(&self.mappings, hash).map_err(index_full)?;
        self.check_external(new.proto, new.external, new.external_port)
    }

    /// Whether the index of external endpoints has room for this one.
    pub(crate) fn check_external(&self, proto: Proto, external: u8, port: u16) -> Result<(), DropReason> {
        let hash = self.external_hash(proto, external, port);
        self.mappings_by_external.check_room(&self.mappings, hash).map_err(index_full)
    }

    /// Adds a mapping, and its host if that has none yet.
    pub(crate) fn add_mapping(&mut self, new: &NewMapping) -> Option<Link> {
        let NewMapping { proto, inside, external, external_port, port_forward } = *new;
        let Inside { origin, endpoint } = inside;
        let known = self.find_host(origin, endpoint.address);
        let host = known.or_else(|| self.add_host(Host::new(origin, endpoint.address, external)))?;
        let mapping = Mapping::new(proto, host, endpoint.port, external, external_port);
        let mapping = if port_forward { mapping.port_forward() } else { mapping };
        let link = self.mappings.insert(mapping)?;
        if let Some(host) = self.hosts.get_mut(host) {
            host.mappings = host.mappings.saturating_add(1);
        }
        let (by_inside, by_external) =
            (self.inside_hash(proto, endpoint), self.external_hash(proto, external, external_port));
        self.mappings_by_inside.insert(&mut self.mappings, by_inside, link).ok()?;
        self.mappings_by_external.insert(&mut self.mappings, by_external, link).ok()?;
        Some(link)
    }

    /// Adds a session, with the leave of its remote address if asked for.
    pub(crate) fn add_session(&mut self, new: &NewSession, now: u32) -> Option<Link> {
        let NewSession { mapping, remote, state, sequences, leave } = *new;
        if leave {
            self.hold_leave(mapping, remote.address);
        }
        let hash = self.remote_hash(mapping, remote);
        let link = self.sessions.insert(Session::new(mapping, remote, state, sequences))?;
        self.sessions_by_remote.insert(&mut self.sessions, hash, link).ok()?;
        let mapping = self.mappings.get_mut(mapping)?;
        mapping.sessions = mapping.sessions.saturating_add(1);
        let class = Class::of(mapping.proto(), state);
        if let Some(host) = self.hosts.get_mut(mapping.host) {
            host.sessions = host.sessions.saturating_add(1);
        }
        self.start_timer(link, class, now);
        Some(link)
    }

    /// Gives a session a new state, and starts the timer of that state.
    pub(crate) fn refresh(&mut self, link: Link, state: SessionState, sequences: Sequences, now: u32) {
        let Some(session) = self.sessions.get_mut(link) else {
            return;
        };
        let before = session.state;
        session.state = state;
        session.sequences = sequences;
        let Some(mapping) = self.mappings.get(session.mapping) else {
            return;
        };
        let proto = mapping.proto();
        if let Some(list) = self.expiry.get_mut(Class::of(proto, before) as usize) {
            list.remove(&mut self.sessions, link);
        }
        self.start_timer(link, Class::of(proto, state), now);
    }

    /// Gives a session new sequence numbers, and leaves its timer alone.
    pub(crate) fn note(&mut self, link: Link, sequences: Sequences) {
        if let Some(session) = self.sessions.get_mut(link) {
            session.sequences = sequences;
        }
    }

    /// Ends a session, and its mapping if that has no other and is no port forward.
    pub(crate) fn end_session(&mut self, link: Link) -> Option<Ended> {
        let session = self.sessions.get(link)?;
        let (mapping_link, remote, state) = (session.mapping, session.remote(), session.state);
        let mapping = self.mappings.get_mut(mapping_link)?;
        mapping.sessions = mapping.sessions.saturating_sub(1);
        let (proto, unused) = (mapping.proto(), mapping.sessions == 0 && !mapping.is_port_forward());
        if let Some(host) = self.hosts.get_mut(mapping.host) {
            host.sessions = host.sessions.saturating_sub(1);
        }
        if let Some(list) = self.expiry.get_mut(Class::of(proto, state) as usize) {
            list.remove(&mut self.sessions, link);
        }
        self.remove_session(link, mapping_link, remote);
        self.release_leave(mapping_link, remote.address);
        if unused {
            self.remove_mapping(mapping_link);
        }
        Some(Ended { proto, state })
    }

    /// Removes a mapping that has no sessions any more, and its host if that has no other.
    pub(crate) fn remove_mapping(&mut self, link: Link) {
        let Some(mapping) = self.mappings.get(link) else { return };
        let (proto, host_link) = (mapping.proto(), mapping.host);
        let by_external = self.external_hash(proto, mapping.external, mapping.external_port);
        if let Some(Inside { endpoint, .. }) = self.inside(mapping) {
            let by_inside = self.inside_hash(proto, endpoint);
            self.mappings_by_inside.remove(&mut self.mappings, by_inside, link);
        }
        self.mappings_by_external.remove(&mut self.mappings, by_external, link);
        self.mappings.remove(link);
        let Some(host) = self.hosts.get_mut(host_link) else {
            return;
        };
        host.mappings = host.mappings.saturating_sub(1);
        if host.mappings == 0 {
            let hash = self.key.hash(host.address, 0);
            self.hosts_by_address.remove(&mut self.hosts, hash, host_link);
            self.hosts.remove(host_link);
        }
    }

    /// Gives each mapping, and its host, the external address that `renumber` says, once the sessions of mappings that
    /// `ends` have ended. Walks the tables.
    pub(crate) fn renumber(
        &mut self,
        ends: impl Fn(&Mapping) -> bool,
        renumber: impl Fn(&Mapping) -> u8,
        ended: &mut impl FnMut(Ended),
    ) {
        self.end_sessions_where(|flows, session| flows.mappings.get(session.mapping).is_none_or(&ends), ended);
        self.mappings_by_external.clear();
        // Port forwards first: where both cannot stay, the dynamic mapping goes.
        for port_forwards in [true, false] {
            let mut cursor = 0;
            while let Some((next, link)) = self.mappings.next_in_use(cursor) {
                cursor = next;
                let Some(mapping) = self.mappings.get(link) else { return };
                if mapping.is_port_forward() == port_forwards {
                    self.index_external(link, renumber(mapping), ended);
                }
            }
        }
    }

    fn index_external(&mut self, link: Link, external: u8, ended: &mut impl FnMut(Ended)) {
        let Some(mapping) = self.mappings.get_mut(link) else {
            return;
        };
        mapping.external = external;
        let (proto, port) = (mapping.proto(), mapping.external_port);
        if let Some(host) = self.hosts.get_mut(mapping.host) {
            host.external = external;
        }
        let taken = self.mapping_of_external(proto, external, port).is_some();
        let hash = self.external_hash(proto, external, port);
        if taken || self.mappings_by_external.insert(&mut self.mappings, hash, link).is_err() {
            self.end_sessions_where(|_, session| session.mapping == link, ended);
        }
    }

    /// Ends the sessions that `ends`. Walks the table.
    pub(crate) fn end_sessions_where(&mut self, ends: impl Fn(&Self, &Session) -> bool, ended: &mut impl FnMut(Ended)) {
        let mut cursor = 0;
        while let Some((next, link)) = self.sessions.next_in_use(cursor) {
            cursor = next;
            let doomed = self.sessions.get(link).is_some_and(|session| !session.is_leave() && ends(self, session));
            if let Some(end) = doomed.then(|| self.end_session(link)).flatten() {
                ended(end);
            }
        }
    }

    // What the above are made of.

    fn find_host(&self, origin: Origin, address: u32) -> Option<Link> {
        let hash = self.key.hash(address, 0);
        self.hosts_by_address.find(&self.hosts, hash, |_, host| host.is(origin, address))
    }

    fn add_host(&mut self, host: Host) -> Option<Link> {
        let address = host.address;
        let link = self.hosts.insert(host)?;
        let hash = self.key.hash(address, 0);
        self.hosts_by_address.insert(&mut self.hosts, hash, link).ok()?;
        Some(link)
    }

    fn find_leave(&self, mapping: Link, address: u32) -> Option<Link> {
        let remote = any_port(address);
        self.sessions_by_remote.find(&self.sessions, self.remote_hash(mapping, remote), |_, session| {
            session.mapping == mapping && session.is_leave() && session.remote() == remote
        })
    }

    fn hold_leave(&mut self, mapping: Link, address: u32) {
        if let Some(link) = self.find_leave(mapping, address) {
            if let Some(leave) = self.sessions.get_mut(link) {
                leave.deadline = leave.deadline.saturating_add(1);
            }
        } else if let Some(link) = self.sessions.insert(Session::leave(mapping, address)) {
            let hash = self.remote_hash(mapping, any_port(address));
            let _room_checked = self.sessions_by_remote.insert(&mut self.sessions, hash, link);
        }
    }

    fn release_leave(&mut self, mapping: Link, address: u32) {
        let Some(link) = self.find_leave(mapping, address) else {
            return;
        };
        let Some(leave) = self.sessions.get_mut(link) else {
            return;
        };
        leave.deadline = leave.deadline.saturating_sub(1);
        if leave.deadline == 0 {
            self.remove_session(link, mapping, any_port(address));
        }
    }

    fn remove_session(&mut self, link: Link, mapping: Link, remote: Endpoint) {
        let hash = self.remote_hash(mapping, remote);
        self.sessions_by_remote.remove(&mut self.sessions, hash, link);
        self.sessions.remove(link);
    }

    fn start_timer(&mut self, link: Link, class: Class, now: u32) {
        let lifetime = self.lifetimes.get(class as usize).copied().unwrap_or(0);
        if let Some(session) = self.sessions.get_mut(link) {
            session.deadline = now.wrapping_add(lifetime);
        }
        if let Some(list) = self.expiry.get_mut(class as usize) {
            list.push(&mut self.sessions, link);
        }
    }

    fn inside_hash(&self, proto: Proto, inside: Endpoint) -> u32 {
        self.key.hash(inside.address, u32::from(inside.port) << 16 | proto as u32)
    }

    fn external_hash(&self, proto: Proto, external: u8, port: u16) -> u32 {
        self.key.hash(u32::from(external), u32::from(port) << 16 | proto as u32)
    }

    fn remote_hash(&self, mapping: Link, remote: Endpoint) -> u32 {
        self.key.hash(remote.address, u32::from(remote.port) << 16 | u32::from(mapping.number()))
    }
}

/// What is left of the session's time at `now`, in milliseconds; `None` when it is up.
fn remaining(session: &Session, now: u32) -> Option<u32> {
    let left = session.deadline.wrapping_sub(now);
    (left != 0 && left <= i32::MAX as u32).then_some(left)
}

/// The remote endpoint that stands for every port of `address`.
fn any_port(address: u32) -> Endpoint {
    Endpoint { address, port: 0 }
}

fn index_full(_: IndexFull) -> DropReason {
    DropReason::IndexFull
}
