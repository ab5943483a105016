//! Changes of the tables. Callers have checked that there is room, so that no change fails half-way.

use crate::DropReason;
use crate::session_info::SessionState;
use crate::state::tcp::Tcp;
use crate::state::{Class, Endpoint, ExternalPort, Host, Inside, Mapping, Proto, Session};
use crate::table::{Count, IndexFull, Link, Width};

use super::{Flows, any_port, remaining};

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
pub(crate) struct NewSession<W> {
    pub(crate) mapping: Link<W>,
    pub(crate) remote: Endpoint,
    pub(crate) begin: Tcp,
    /// Whether the remote address gets leave to send from any port.
    pub(crate) leave: bool,
}

/// A session that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) proto: Proto,
    pub(crate) state: SessionState,
    /// The external port that is free now, if its mapping has ended with it.
    pub(crate) freed: Option<ExternalPort>,
}

impl<W: Width> Flows<'_, W> {
    /// Whether `new` can be added.
    pub(crate) fn check_session(&self, new: &NewSession<W>) -> Result<(), DropReason> {
        let new_leave = new.leave && !self.has_leave(new.mapping, new.remote.address);
        if self.sessions.room() < if new_leave { 2 } else { 1 } {
            return Err(DropReason::SessionTableFull);
        }
        let hash = self.remote_hash(new.mapping, new.remote);
        let leave_hash = self.remote_hash(new.mapping, any_port(new.remote.address));
        let index = &self.sessions_by_remote;
        let together = new_leave && index.share_bucket(hash, leave_hash);
        index.check_room(&self.sessions, hash, if together { 2 } else { 1 }).map_err(index_full)?;
        if new_leave { index.check_room(&self.sessions, leave_hash, 1).map_err(index_full) } else { Ok(()) }
    }

    /// Whether `new` can be added.
    pub(crate) fn check_mapping(&self, new: &NewMapping) -> Result<(), DropReason> {
        if self.find_host(new.inside.origin, new.inside.endpoint.address).is_none() {
            if self.hosts.room() == 0 {
                return Err(DropReason::HostTableFull);
            }
            let hash = self.key.hash(new.inside.endpoint.address, 0);
            self.hosts_by_address.check_room(&self.hosts, hash, 1).map_err(index_full)?;
        }
        if self.mappings.room() == 0 {
            return Err(DropReason::MappingTableFull);
        }
        let hash = self.inside_hash(new.proto, new.inside.endpoint);
        self.mappings_by_inside.check_room(&self.mappings, hash, 1).map_err(index_full)?;
        self.check_external(new.proto, new.external, new.external_port)
    }

    /// Whether the index of external endpoints has room for this one.
    pub(crate) fn check_external(&self, proto: Proto, external: u8, port: u16) -> Result<(), DropReason> {
        let hash = self.external_hash(proto, external, port);
        self.mappings_by_external.check_room(&self.mappings, hash, 1).map_err(index_full)
    }

    /// Adds a mapping, and its host if that has none yet.
    pub(crate) fn add_mapping(&mut self, new: &NewMapping) -> Option<Link<W>> {
        let NewMapping { proto, inside, external, external_port, port_forward } = *new;
        let Inside { origin, endpoint } = inside;
        let known = self.find_host(origin, endpoint.address);
        let host = known.or_else(|| self.add_host(Host::new(origin, endpoint.address, external)))?;
        let mapping = Mapping::new(proto, host, endpoint.port, external, external_port);
        let mapping = if port_forward { mapping.port_forward() } else { mapping };
        self.ports.add(&mapping);
        let link = self.mappings.insert(mapping)?;
        if let Some(host) = self.hosts.get_mut(host) {
            host.add_mapping(proto);
        }
        let (by_inside, by_external) =
            (self.inside_hash(proto, endpoint), self.external_hash(proto, external, external_port));
        self.mappings_by_inside.insert(&mut self.mappings, by_inside, link).ok()?;
        self.mappings_by_external.insert(&mut self.mappings, by_external, link).ok()?;
        Some(link)
    }

    /// Adds a session, with the leave of its remote address if asked for.
    pub(crate) fn add_session(&mut self, new: &NewSession<W>, now: u32) -> Option<Link<W>> {
        let NewSession { mapping, remote, begin, leave } = *new;
        if leave {
            self.hold_leave(mapping, remote.address);
        }
        let hash = self.remote_hash(mapping, remote);
        let link = self.sessions.insert(Session::new(mapping, remote, &begin))?;
        self.sessions_by_remote.insert(&mut self.sessions, hash, link).ok()?;
        let mapping = self.mappings.get_mut(mapping)?;
        mapping.sessions.increment();
        let class = Class::of(mapping.proto(), begin.state);
        if let Some(host) = self.hosts.get_mut(mapping.host) {
            host.sessions.increment();
        }
        self.start_timer(link, class, now);
        Some(link)
    }

    /// Moves a session on, and starts the timer of its state.
    pub(crate) fn refresh(&mut self, link: Link<W>, tcp: &Tcp, now: u32) {
        let Some(session) = self.sessions.get_mut(link) else { return };
        let before = session.state;
        session.set_tcp(tcp);
        let Some(mapping) = self.mappings.get(session.mapping) else { return };
        let proto = mapping.proto();
        if let Some(list) = self.expiry.get_mut(Class::of(proto, before) as usize) {
            list.remove(&mut self.sessions, link);
        }
        self.start_timer(link, Class::of(proto, tcp.state), now);
    }

    /// Moves a session on within its state, and leaves its timer alone.
    pub(crate) fn note(&mut self, link: Link<W>, tcp: &Tcp) {
        if let Some(session) = self.sessions.get_mut(link) {
            session.set_tcp(tcp);
        }
    }

    /// Ends a session, and its mapping if that has no other and is no port forward.
    pub(crate) fn end_session(&mut self, link: Link<W>) -> Option<Ended> {
        let session = self.sessions.get(link)?;
        let (mapping_link, remote, state) = (session.mapping, session.remote(), session.state);
        let mapping = self.mappings.get_mut(mapping_link)?;
        mapping.sessions.decrement();
        let (proto, unused) = (mapping.proto(), mapping.sessions == Count::ZERO && !mapping.is_port_forward());
        if let Some(host) = self.hosts.get_mut(mapping.host) {
            host.sessions.decrement();
        }
        if let Some(list) = self.expiry.get_mut(Class::of(proto, state) as usize) {
            list.remove(&mut self.sessions, link);
        }
        self.remove_session(link, mapping_link, remote);
        self.release_leave(mapping_link, remote.address);
        let freed = if unused { self.remove_mapping(mapping_link) } else { None };
        Some(Ended { proto, state, freed })
    }

    /// Removes a mapping that has no sessions any more, and its host if that has no other. Returns its external port,
    /// which is free now.
    pub(crate) fn remove_mapping(&mut self, link: Link<W>) -> Option<ExternalPort> {
        let mapping = self.mappings.get(link)?;
        let freed = ExternalPort::from(mapping);
        self.ports.remove(freed);
        let (proto, host_link) = (mapping.proto(), mapping.host);
        let by_external = self.external_hash(proto, mapping.external, mapping.external_port);
        if let Some(Inside { endpoint, .. }) = self.inside(mapping) {
            let by_inside = self.inside_hash(proto, endpoint);
            self.mappings_by_inside.remove(&mut self.mappings, by_inside, link);
        }
        self.mappings_by_external.remove(&mut self.mappings, by_external, link);
        self.mappings.remove(link);
        if let Some(host) = self.hosts.get_mut(host_link) {
            host.remove_mapping(proto);
            if host.mappings() == 0 {
                let hash = self.key.hash(host.address, 0);
                self.hosts_by_address.remove(&mut self.hosts, hash, host_link);
                self.hosts.remove(host_link);
            }
        }
        Some(freed)
    }

    /// Gives each mapping, and its host, the external address that `renumber` says, once the sessions of mappings that
    /// `ends` have ended. Walks the tables.
    pub(crate) fn renumber(
        &mut self,
        ends: impl Fn(&Mapping<W>) -> bool,
        renumber: impl Fn(&Mapping<W>) -> u8,
        ended: &mut impl FnMut(Ended),
    ) {
        self.end_sessions_where(|flows, session| flows.mappings.get(session.mapping).is_none_or(&ends), ended);
        self.mappings_by_external.clear();
        self.ports.clear();
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

    fn index_external(&mut self, link: Link<W>, external: u8, ended: &mut impl FnMut(Ended)) {
        let Some(mapping) = self.mappings.get_mut(link) else {
            return;
        };
        mapping.external = external;
        self.ports.add(&*mapping);
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
    pub(crate) fn end_sessions_where(
        &mut self,
        ends: impl Fn(&Self, &Session<W>) -> bool,
        ended: &mut impl FnMut(Ended),
    ) {
        let mut cursor = 0;
        while let Some((next, link)) = self.sessions.next_in_use(cursor) {
            cursor = next;
            let doomed = self.sessions.get(link).is_some_and(|session| !session.is_leave() && ends(self, session));
            if let Some(end) = doomed.then(|| self.end_session(link)).flatten() {
                ended(end);
            }
        }
    }

    /// Ends the session that is most overdue at `now`.
    pub(crate) fn end_expired(&mut self, now: u32) -> Option<Ended> {
        let overdue = |link: Link<W>| {
            let session = self.sessions.get(link)?;
            remaining(session, now).is_none().then(|| (now.wrapping_sub(session.deadline), link))
        };
        let (_, link) = self.expiry.iter().filter_map(|list| overdue(list.first())).max_by_key(|(late, _)| *late)?;
        self.end_session(link)
    }

    fn add_host(&mut self, host: Host<W>) -> Option<Link<W>> {
        let address = host.address;
        let link = self.hosts.insert(host)?;
        let hash = self.key.hash(address, 0);
        self.hosts_by_address.insert(&mut self.hosts, hash, link).ok()?;
        Some(link)
    }

    fn hold_leave(&mut self, mapping: Link<W>, address: u32) {
        if let Some(link) = self.find_leave(mapping, address) {
            if let Some(leave) = self.sessions.get_mut(link) {
                leave.deadline = leave.deadline.saturating_add(1);
            }
        } else if let Some(link) = self.sessions.insert(Session::leave(mapping, address)) {
            let hash = self.remote_hash(mapping, any_port(address));
            let _room_checked = self.sessions_by_remote.insert(&mut self.sessions, hash, link);
        }
    }

    fn release_leave(&mut self, mapping: Link<W>, address: u32) {
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

    fn remove_session(&mut self, link: Link<W>, mapping: Link<W>, remote: Endpoint) {
        let hash = self.remote_hash(mapping, remote);
        self.sessions_by_remote.remove(&mut self.sessions, hash, link);
        self.sessions.remove(link);
    }

    fn start_timer(&mut self, link: Link<W>, class: Class, now: u32) {
        let lifetime = self.lifetimes.get(class as usize).copied().unwrap_or(0);
        if let Some(session) = self.sessions.get_mut(link) {
            session.deadline = now.wrapping_add(lifetime);
        }
        if let Some(list) = self.expiry.get_mut(class as usize) {
            list.push(&mut self.sessions, link);
        }
    }
}

fn index_full(_: IndexFull) -> DropReason {
    DropReason::IndexFull
}
