//! Whether the tables and their indexes can take a new mapping or session. Callers check this
//! before they add anything, so no change fails half-way.

use crate::DropReason;
use crate::state::{Inside, Origin, OutsideTuple, Permission};
use crate::table::{IndexFull, SlotIndex, Width};

use super::{NewMapping, NewSession, SessionTables};

impl<W: Width> SessionTables<'_, W> {
    /// The capacity of the tables of mappings and of sessions.
    pub(crate) fn capacity(&self) -> (usize, usize) {
        (self.mappings.capacity(), self.sessions.capacity())
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

    /// Checks that the index has room for `new`, and for its permission if that is new.
    pub(crate) fn check_session(&self, new: &NewSession<W>) -> Result<(), DropReason> {
        let hash = self.remote_hash(new.mapping, new.remote);
        let needs_permission =
            new.permission && !self.has_permission(new.mapping, new.remote.address);
        if !needs_permission {
            return self.check_session_bucket(hash, 1);
        }
        let any_port = Permission::<W>::any_port(new.remote.address);
        let permission_hash = self.remote_hash(new.mapping, any_port);
        // Both may fall into one bucket, which must have room for both then.
        let together = self.sessions_by_remote.share_bucket(hash, permission_hash);
        self.check_session_bucket(hash, if together { 2 } else { 1 })?;
        self.check_session_bucket(permission_hash, 1)
    }

    fn check_session_bucket(&self, hash: u32, count: usize) -> Result<(), DropReason> {
        self.sessions_by_remote
            .check_capacity(&self.sessions, hash, count)
            .map_err(index_full)
    }

    /// Checks that the indexes have room for `new`, and the table of hosts for its host if that has
    /// no mapping yet.
    pub(crate) fn check_mapping(&self, new: &NewMapping) -> Result<(), DropReason> {
        self.check_host(new.tuple.inside)?;
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

    fn check_host(&self, inside: Inside) -> Result<(), DropReason> {
        let Inside { origin, endpoint } = inside;
        if self.find_host(origin, endpoint.address).is_some() {
            return Ok(());
        }
        // Hosts may not take the last slot while it is reserved for the router itself.
        let reserved = match origin {
            Origin::Host => self.quotas.reserved_hosts(self.hosts.capacity()),
            Origin::Router => 0,
        };
        if self.hosts.free_slots() <= reserved {
            return Err(DropReason::HostTableFull);
        }
        self.hosts_by_address
            .check_capacity(&self.hosts, self.host_hash(endpoint.address), 1)
            .map_err(index_full)
    }

    /// Checks that the index of external endpoints has room for this one.
    pub(crate) fn check_outside(&self, tuple: &OutsideTuple) -> Result<(), DropReason> {
        self.mappings_by_external
            .check_capacity(&self.mappings, self.outside_hash(tuple), 1)
            .map_err(index_full)
    }
}

fn index_full(_: IndexFull) -> DropReason {
    DropReason::IndexFull
}
