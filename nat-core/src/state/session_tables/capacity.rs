//! Whether the tables and their indexes can take a new mapping or session. Callers check this
//! before they add anything, so no change fails half-way.

use crate::DropReason;
use crate::state::{Endpoint, Inside, InsideTuple, Origin, OutsideTuple, Permission};
use crate::table::{IndexFull, Place, SlotIndex, Vacancy, Width};

use super::{MappingRoom, NewMapping, SessionTables};

impl<W: Width> SessionTables<'_, W> {
    /// The capacity of the tables of mappings and of sessions.
    pub(crate) fn capacity(&self) -> (usize, usize) {
        (self.mappings.capacity(), self.sessions.capacity())
    }

    /// How many mappings there are.
    pub(crate) fn mappings_in_use(&self) -> usize {
        self.mappings.in_use()
    }

    /// How many more mappings and sessions fit into their tables.
    pub(crate) fn free_slots(&self) -> (usize, usize) {
        (self.mappings.free_slots(), self.sessions.free_slots())
    }

    /// Whether less than an eighth of the mappings, and of the sessions, is free.
    pub(crate) fn is_nearly_full(&self) -> (bool, bool) {
        let (mappings, sessions) = self.capacity();
        let (free_mappings, free_sessions) = self.free_slots();
        (free_mappings < mappings / 8, free_sessions < sessions / 8)
    }

    /// How many slots a new session of `mapping` with `address` takes: two if it also needs a
    /// permission that does not exist yet. `mapping` is `None` if the mapping is new too.
    pub(crate) fn slots_of_session(
        &self,
        mapping: Option<SlotIndex<W>>,
        address: u32,
        permission: bool,
    ) -> usize {
        let has_permission = mapping.is_some_and(|mapping| self.has_permission(mapping, address));
        if permission && !has_permission { 2 } else { 1 }
    }

    /// The room in the index for a session of `mapping` with `remote`, if there is also some for its
    /// permission, if it needs one and that is new.
    pub(crate) fn room_for_session(
        &self,
        mapping: SlotIndex<W>,
        remote: Endpoint,
        permission: bool,
    ) -> Result<Vacancy, DropReason> {
        let hash = self.remote_hash(mapping, remote);
        let needs_permission = permission && !self.has_permission(mapping, remote.address);
        if !needs_permission {
            return self.session_vacancy(hash, 1);
        }
        let any_port = Permission::<W>::any_port(remote.address);
        let permission_hash = self.remote_hash(mapping, any_port);
        self.session_vacancy(permission_hash, 1)?;
        // Both may fall into one bucket, which must have room for both then.
        let together = self.sessions_by_remote.share_bucket(hash, permission_hash);
        self.session_vacancy(hash, if together { 2 } else { 1 })
    }

    fn session_vacancy(&self, hash: u32, count: usize) -> Result<Vacancy, DropReason> {
        self.sessions_by_remote
            .vacancy(&self.sessions, hash, count)
            .map_err(index_full)
    }

    /// The room in the indexes for a mapping with the session `first`. `outside` is the room for its
    /// external endpoint, if that is known.
    #[inline(always)]
    pub(crate) fn room_for_mapping(
        &self,
        first: &InsideTuple,
        new: NewMapping,
        outside: Option<Vacancy>,
    ) -> Result<MappingRoom, DropReason> {
        let inside = self
            .mappings_by_inside
            .vacancy(&self.mappings, self.inside_hash(first), 1)
            .map_err(index_full)?;
        if first.untranslated {
            let outside = None;
            return Ok(MappingRoom { inside, outside });
        }
        let outside = match outside {
            Some(known) => known,
            None => self.outside_vacancy(&new.outside(first))?,
        };
        let outside = Some(outside);
        Ok(MappingRoom { inside, outside })
    }

    /// Checks that the table of hosts has room for a host that has no mapping yet.
    pub(crate) fn check_new_host(&self, inside: Inside) -> Result<(), DropReason> {
        let Inside { origin, endpoint } = inside;
        // Hosts may not take the last slot while it is reserved for the router itself.
        let reserved = match origin {
            Origin::Host => self.quotas.reserved_hosts(self.hosts.capacity()),
            Origin::Router => 0,
        };
        if self.hosts.free_slots() <= reserved {
            return Err(DropReason::HostTableFull);
        }
        self.hosts_by_address
            .vacancy(&self.hosts, self.host_hash(endpoint.address), 1)
            .map(|_| ())
            .map_err(index_full)
    }

    fn outside_vacancy(&self, tuple: &OutsideTuple) -> Result<Vacancy, DropReason> {
        self.mappings_by_external
            .vacancy(&self.mappings, self.outside_hash(tuple), 1)
            .map_err(index_full)
    }

    /// The room in the index for an external endpoint that no mapping has.
    #[inline(always)]
    pub(crate) fn room_for_outside(&self, tuple: &OutsideTuple) -> Option<Vacancy> {
        match self.place_of_outside(tuple) {
            Place::Vacant(vacancy) => Some(vacancy),
            Place::Taken(_) | Place::Full => None,
        }
    }
}

fn index_full(_: IndexFull) -> DropReason {
    DropReason::IndexFull
}
