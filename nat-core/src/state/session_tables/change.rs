//! Changes of the tables. Callers have checked that there is room, so that no change fails
//! half-way.

use crate::config::MAX_EXTERNAL_ADDRESSES;
use crate::session_info::SessionState;
use crate::state::port_use::PortUse;
use crate::state::tcp::{Step, Tcp};
use crate::state::{
    Blocks, Endpoint, Exchange, ExternalPort, Host, Inside, InsideTuple, Mapping, MappingEnds,
    MappingKind, Origin, OutsideTuple, PortClass, Proto, Segment, Session, TimeoutClass,
};
use crate::table::{Count, IndexFull, SlotIndex, Width};
use crate::{DropReason, Side};

use super::blocks::blocks_of;
use super::membership::Membership;
use super::{SessionTables, any_port, remaining};

/// A mapping that is about to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewMapping {
    /// Its first session.
    pub(crate) tuple: InsideTuple,
    /// The number of its external address.
    pub(crate) external: u8,
    pub(crate) external_port: u16,
    pub(crate) kind: MappingKind,
}

impl NewMapping {
    fn outside(&self) -> OutsideTuple {
        let InsideTuple { proto, remote, .. } = self.tuple;
        OutsideTuple {
            proto,
            external: self.external,
            external_port: self.external_port,
            remote,
        }
    }
}

impl From<&NewMapping> for MappingEnds {
    fn from(new: &NewMapping) -> Self {
        let NewMapping {
            tuple,
            external,
            external_port,
            kind,
        } = *new;
        let InsideTuple {
            proto,
            inside,
            untranslated,
            ..
        } = tuple;
        Self {
            proto,
            inside: inside.endpoint,
            external,
            external_port,
            kind,
            untranslated,
        }
    }
}

/// A session that is about to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewSession<W> {
    pub(crate) mapping: SlotIndex<W>,
    pub(crate) remote: Endpoint,
    pub(crate) begin: Tcp,
    /// Whether the remote address gets leave to send from any port.
    pub(crate) permission: bool,
}

/// A session that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) proto: Proto,
    pub(crate) state: SessionState,
    /// Its mapping, if that has ended with it.
    pub(crate) mapping: Option<MappingEnds>,
    /// The blocks of ports of its host, if that has lost its last mapping.
    pub(crate) blocks: Option<Blocks>,
}

impl<W: Width> SessionTables<'_, W> {
    /// How many slots a new session of `mapping`, if that is there, with `address` takes, if a
    /// leave is due or not.
    pub(crate) fn slots_of_session(
        &self,
        mapping: Option<SlotIndex<W>>,
        address: u32,
        permission: bool,
    ) -> usize {
        let new_permission =
            permission && !mapping.is_some_and(|mapping| self.has_permission(mapping, address));
        if new_permission { 2 } else { 1 }
    }

    /// Whether the index has room for `new`.
    pub(crate) fn check_session(&self, new: &NewSession<W>) -> Result<(), DropReason> {
        let new_permission =
            new.permission && !self.has_permission(new.mapping, new.remote.address);
        let hash = self.remote_hash(new.mapping, new.remote);
        let permission_hash = self.remote_hash(new.mapping, any_port(new.remote.address));
        let index = &self.sessions_by_remote;
        let together = new_permission && index.share_bucket(hash, permission_hash);
        index
            .check_capacity(&self.sessions, hash, if together { 2 } else { 1 })
            .map_err(index_full)?;
        if new_permission {
            index
                .check_capacity(&self.sessions, permission_hash, 1)
                .map_err(index_full)
        } else {
            Ok(())
        }
    }

    /// Whether the indexes have room for `new`, and for its host if that has no mapping yet.
    pub(crate) fn check_mapping(&self, new: &NewMapping) -> Result<(), DropReason> {
        let Inside { origin, endpoint } = new.tuple.inside;
        if self.find_host(origin, endpoint.address).is_none() {
            let kept = if origin == Origin::Host {
                self.quotas.reserved_hosts(self.hosts.capacity())
            } else {
                0
            };
            if self.hosts.free_slots() <= kept {
                return Err(DropReason::HostTableFull);
            }
            let hash = self.key.hash(endpoint.address, 0);
            self.hosts_by_address
                .check_capacity(&self.hosts, hash, 1)
                .map_err(index_full)?;
        }
        let hash = self.inside_hash(&new.tuple);
        self.mappings_by_inside
            .check_capacity(&self.mappings, hash, 1)
            .map_err(index_full)?;
        if new.tuple.untranslated {
            Ok(())
        } else {
            self.check_outside(&new.outside())
        }
    }

    /// Whether the index of external endpoints has room for this one.
    pub(crate) fn check_outside(&self, tuple: &OutsideTuple) -> Result<(), DropReason> {
        self.mappings_by_external
            .check_capacity(&self.mappings, self.outside_hash(tuple), 1)
            .map_err(index_full)
    }

    /// Adds a mapping, and its host if that has none yet.
    pub(crate) fn add_mapping(&mut self, new: &NewMapping) -> Option<SlotIndex<W>> {
        let NewMapping {
            tuple,
            external,
            external_port,
            kind,
        } = *new;
        let Inside { origin, endpoint } = tuple.inside;
        let known = self.find_host(origin, endpoint.address);
        let host =
            known.or_else(|| self.add_host(Host::new(origin, endpoint.address, external)))?;
        let mapping = Mapping::new(host, &tuple, external, external_port);
        let link = self.mappings.insert(mapping.with_kind(kind))?;
        if let Some(host) = self.hosts.get_mut(host) {
            host.add_mapping(tuple.proto);
            if kind == MappingKind::Dynamic && !tuple.untranslated {
                host.add_dynamic(external);
            }
            self.quotas.add_mapping(host.mappings());
        }
        let hash = self.inside_hash(&tuple);
        self.mappings_by_inside
            .insert(&mut self.mappings, hash, link)
            .ok()?;
        if !tuple.untranslated {
            let hash = self.outside_hash(&new.outside());
            self.mappings_by_external
                .insert(&mut self.mappings, hash, link)
                .ok()?;
            self.count_port(link, PortUse::add);
            self.take_reserved_port(link);
        }
        Some(link)
    }

    /// Gives the hosts of an external address that is gone the one of their other mappings, if they
    /// have any: whoever gets its number next is not theirs. Walks the tables.
    pub(crate) fn forget_external(&mut self, gone: u8) {
        let mut cursor = 0;
        while let Some((next, link)) = self.hosts.next_in_use(cursor) {
            cursor = next;
            if let Some(host) = self
                .hosts
                .get_mut(link)
                .filter(|host| host.external() == gone)
            {
                host.set_external(u8::MAX);
            }
        }
        let mut cursor = 0;
        while let Some((next, link)) = self.mappings.next_in_use(cursor) {
            cursor = next;
            let Some(mapping) = self
                .mappings
                .get(link)
                .filter(|mapping| !mapping.is_untranslated())
            else {
                continue;
            };
            let none = |host: &&mut Host<W>| usize::from(host.external()) >= MAX_EXTERNAL_ADDRESSES;
            if let Some(host) = self.hosts.get_mut(mapping.host).filter(none) {
                host.set_external(mapping.external);
            }
        }
    }

    /// Gives a host another external address for the mappings to come.
    pub(crate) fn set_host_external(&mut self, inside: Inside, external: u8) {
        let host = self.find_host(inside.origin, inside.endpoint.address);
        if let Some(host) = host.and_then(|link| self.hosts.get_mut(link)) {
            host.set_external(external);
        }
    }

    /// Counts the external port of a mapping. Those that port forwards keep are counted with them,
    /// and those that overlap are not: there may be any number of each.
    fn count_port(&mut self, mapping: SlotIndex<W>, count: impl Fn(&mut PortUse, ExternalPort)) {
        if let Some(mapping) = self
            .mappings
            .get(mapping)
            .filter(|mapping| !self.overlapping && mapping.kind() != MappingKind::PortForward)
        {
            count(&mut self.ports, ExternalPort::from(mapping));
        }
    }

    /// Notes a port that was drawn as one of those that are kept for its host, as long as it has
    /// not got them all.
    fn take_reserved_port(&mut self, link: SlotIndex<W>) {
        let Some(mapping) = self
            .mappings
            .get_mut(link)
            .filter(|mapping| mapping.is_dynamic())
        else {
            return;
        };
        let (proto, class) = (
            mapping.proto(),
            PortClass::of(mapping.proto(), mapping.inside_port),
        );
        let host = self.hosts.get_mut(mapping.host);
        let Some(count) = host.and_then(|host| host.reserved_ports_mut(proto, class)) else {
            return;
        };
        if *count < self.port_quotas.per_host(class) {
            *count = count.saturating_add(1);
            mapping.set_reserved_port();
            self.port_quotas.take(proto, mapping.external, class);
        }
    }

    fn give_back_reserved_port(&mut self, link: SlotIndex<W>) {
        let Some(mapping) = self
            .mappings
            .get(link)
            .filter(|mapping| mapping.has_reserved_port())
        else {
            return;
        };
        let (proto, class) = (
            mapping.proto(),
            PortClass::of(mapping.proto(), mapping.inside_port),
        );
        let host = self.hosts.get_mut(mapping.host);
        if let Some(count) = host.and_then(|host| host.reserved_ports_mut(proto, class)) {
            *count = count.saturating_sub(1);
        }
        self.port_quotas.give_back(proto, mapping.external, class);
    }

    /// Adds a session, with the leave of its remote address if asked for.
    pub(crate) fn add_session(&mut self, new: &NewSession<W>, now: u32) -> Option<SlotIndex<W>> {
        let NewSession {
            mapping,
            remote,
            begin,
            permission,
        } = *new;
        if permission {
            self.add_permission_ref(mapping, remote.address);
        }
        let hash = self.remote_hash(mapping, remote);
        let link = self
            .sessions
            .insert(Session::new(mapping, remote, &begin))?;
        self.sessions_by_remote
            .insert(&mut self.sessions, hash, link)
            .ok()?;
        let mapping = self.mappings.get_mut(mapping)?;
        mapping.sessions.increment();
        let (proto, host) = (mapping.proto(), mapping.host);
        let membership = Membership::of(self.sessions.get(link)?, proto);
        self.set_deadline(link, membership.class, now);
        self.update_membership((link, host), None, Some(membership));
        Some(link)
    }

    /// Moves a TCP session on by a segment. Returns the state that it was in.
    ///
    /// Whatever `step` was found for, lists and counts follow the state that the session leaves
    /// here: nothing is taken from what was known of it before.
    #[inline(always)]
    pub(crate) fn take_step(
        &mut self,
        link: SlotIndex<W>,
        step: &Step,
        (from, segment): (Side, &Segment),
        now: u32,
    ) -> Option<SessionState> {
        let session = self.sessions.get_mut(link)?;
        let before = session.state;
        let mut tcp = session.tcp();
        tcp.take(step, from, segment);
        if tcp.state != before {
            self.change_session(link, Proto::Tcp, now, |session| session.set_tcp(&tcp));
            return Some(before);
        }
        session.set_tcp(&tcp);
        if step.refresh {
            self.restart_timer(link, Proto::Tcp, now);
        }
        Some(before)
    }

    /// Changes a session of `proto` so that it stands elsewhere, and starts its timer anew.
    fn change_session(
        &mut self,
        link: SlotIndex<W>,
        proto: Proto,
        now: u32,
        change: impl FnOnce(&mut Session<W>),
    ) {
        let Some(session) = self.sessions.get_mut(link) else {
            return;
        };
        let before = Membership::of(session, proto);
        change(session);
        let after = Membership::of(session, proto);
        let Some(host) = self
            .mappings
            .get(session.mapping)
            .map(|mapping| mapping.host)
        else {
            return;
        };
        self.update_membership((link, host), Some(before), Some(after));
        self.restart_timer(link, proto, now);
    }

    /// Takes note that the inside end of a session of `proto`, not TCP, sends what asks `question`,
    /// and starts its timer anew.
    #[inline(always)]
    pub(crate) fn note_sent(&mut self, link: SlotIndex<W>, proto: Proto, now: u32, question: u32) {
        if let Some(session) = self.sessions.get_mut(link) {
            session.set_last_sent(now);
            if session.is_asked_anew(question) {
                return self.ask_again(link, proto, now, question);
            }
        }
        self.restart_timer(link, proto, now);
    }

    /// Takes note that the outside end of a session of `proto`, not TCP, sends, and starts its
    /// timer anew.
    #[inline(always)]
    pub(crate) fn note_received(&mut self, link: SlotIndex<W>, proto: Proto, now: u32) {
        if self.sessions.get(link).is_some_and(Session::is_asked) {
            return self.answer(link, proto, now);
        }
        self.restart_timer(link, proto, now);
    }

    #[cold]
    fn ask_again(&mut self, link: SlotIndex<W>, proto: Proto, now: u32, question: u32) {
        self.change_session(link, proto, now, |session| {
            session.ask_again(proto, question);
        });
    }

    #[cold]
    fn answer(&mut self, link: SlotIndex<W>, proto: Proto, now: u32) {
        self.change_session(link, proto, now, |session| {
            session.set_exchange(Exchange::Answered);
        });
    }

    /// Starts the timer of the state of a session of `proto` anew.
    #[inline(always)]
    pub(crate) fn restart_timer(&mut self, link: SlotIndex<W>, proto: Proto, now: u32) {
        let Some(session) = self.sessions.get_mut(link) else {
            return;
        };
        let class = TimeoutClass::of(proto, session.state, session.remote_port);
        let lifetime = self.lifetimes.get(class as usize).copied().unwrap_or(0);
        session.deadline = now.wrapping_add(lifetime);
        if let Some(list) = self.expiry.get_mut(class as usize) {
            list.renew(&mut self.sessions, link);
        }
    }

    /// Ends a session, and its mapping if that has no other.
    pub(crate) fn end_session(&mut self, link: SlotIndex<W>) -> Option<Ended> {
        self.end_session_but(link, None)
    }

    /// Ends a session, and its mapping if that has no other, unless it is `kept`, which is about to
    /// get one.
    pub(crate) fn end_session_but(
        &mut self,
        link: SlotIndex<W>,
        kept: Option<SlotIndex<W>>,
    ) -> Option<Ended> {
        let session = self.sessions.get(link)?;
        let (mapping_link, remote, state) = (session.mapping, session.remote(), session.state);
        let mapping = self.mappings.get_mut(mapping_link)?;
        mapping.sessions.decrement();
        let unused = mapping.sessions == Count::ZERO && kept != Some(mapping_link);
        let (proto, host) = (mapping.proto(), mapping.host);
        self.update_membership((link, host), Some(Membership::of(session, proto)), None);
        self.remove_session(link, mapping_link, remote);
        self.remove_permission_ref(mapping_link, remote.address);
        let (mapping, blocks) = if unused {
            self.remove_mapping(mapping_link, remote).unzip()
        } else {
            (None, None)
        };
        Some(Ended {
            proto,
            state,
            mapping,
            blocks: blocks.flatten(),
        })
    }

    /// Removes a mapping whose last session, with `remote`, has ended; and its host if that has no
    /// other. Returns what it was, and the blocks of ports that are free with the host.
    fn remove_mapping(
        &mut self,
        link: SlotIndex<W>,
        remote: Endpoint,
    ) -> Option<(MappingEnds, Option<Blocks>)> {
        let mapping = self.mappings.get(link)?;
        let (host, inside) = (mapping.host, self.inside(mapping)?);
        let ends = MappingEnds::of(mapping, inside.endpoint);
        let MappingEnds {
            proto,
            external,
            external_port,
            kind,
            untranslated,
            ..
        } = ends;
        let hash = self.inside_hash(&InsideTuple {
            proto,
            inside,
            remote,
            untranslated,
        });
        self.mappings_by_inside
            .remove(&mut self.mappings, hash, link);
        if !untranslated {
            self.count_port(link, PortUse::remove);
            self.give_back_reserved_port(link);
            let hash = self.outside_hash(&OutsideTuple {
                proto,
                external,
                external_port,
                remote,
            });
            self.mappings_by_external
                .remove(&mut self.mappings, hash, link);
        }
        self.mappings.remove(link);
        if kind == MappingKind::Dynamic
            && !untranslated
            && let Some(host) = self.hosts.get_mut(host)
        {
            host.remove_dynamic(external);
        }
        Some((ends, self.leave_host(host, proto)))
    }

    /// Counts a mapping less, and removes the host if that was its last. Returns its blocks of
    /// ports if so.
    fn leave_host(&mut self, link: SlotIndex<W>, proto: Proto) -> Option<Blocks> {
        let host = self.hosts.get_mut(link)?;
        self.quotas.remove_mapping(host.mappings());
        host.remove_mapping(proto);
        if host.mappings() != 0 {
            return None;
        }
        let (hash, blocks) = (self.key.hash(host.address, 0), blocks_of(host, link));
        self.quotas.remove_host(host.origin());
        self.hosts_by_address.remove(&mut self.hosts, hash, link);
        self.hosts.remove(link);
        blocks
    }

    /// Ends the session that is most overdue at `now`.
    pub(crate) fn end_expired(&mut self, now: u32) -> Option<Ended> {
        let overdue = |link: SlotIndex<W>| {
            let session = self.sessions.get(link)?;
            remaining(session, now)
                .is_none()
                .then(|| (now.wrapping_sub(session.deadline), link))
        };
        let (_, link) = self
            .expiry
            .iter()
            .filter_map(|list| overdue(list.first()))
            .max_by_key(|(late, _)| *late)?;
        self.end_session(link)
    }

    fn add_host(&mut self, host: Host<W>) -> Option<SlotIndex<W>> {
        let (address, origin) = (host.address, host.origin());
        let link = self.hosts.insert(host)?;
        let hash = self.key.hash(address, 0);
        self.hosts_by_address
            .insert(&mut self.hosts, hash, link)
            .ok()?;
        self.quotas.add_host(origin);
        Some(link)
    }

    fn add_permission_ref(&mut self, mapping: SlotIndex<W>, address: u32) {
        if let Some(link) = self.find_permission(mapping, address) {
            if let Some(permission) = self.sessions.get_mut(link) {
                permission.deadline = permission.deadline.saturating_add(1);
            }
        } else if let Some(link) = self.sessions.insert(Session::permission(mapping, address)) {
            let hash = self.remote_hash(mapping, any_port(address));
            let _room_checked = self
                .sessions_by_remote
                .insert(&mut self.sessions, hash, link);
        }
    }

    fn remove_permission_ref(&mut self, mapping: SlotIndex<W>, address: u32) {
        let Some(link) = self.find_permission(mapping, address) else {
            return;
        };
        let Some(permission) = self.sessions.get_mut(link) else {
            return;
        };
        permission.deadline = permission.deadline.saturating_sub(1);
        if permission.deadline == 0 {
            self.remove_session(link, mapping, any_port(address));
        }
    }

    fn remove_session(&mut self, link: SlotIndex<W>, mapping: SlotIndex<W>, remote: Endpoint) {
        let hash = self.remote_hash(mapping, remote);
        self.sessions_by_remote
            .remove(&mut self.sessions, hash, link);
        self.sessions.remove(link);
    }

    fn set_deadline(&mut self, link: SlotIndex<W>, class: TimeoutClass, now: u32) {
        let lifetime = self.lifetimes.get(class as usize).copied().unwrap_or(0);
        if let Some(session) = self.sessions.get_mut(link) {
            session.deadline = now.wrapping_add(lifetime);
        }
    }
}

fn index_full(_: IndexFull) -> DropReason {
    DropReason::IndexFull
}
