//! Which remote addresses may send to a mapping from any port: see [`Permission`].

use crate::state::{Permission, PermissionMut, Session};
use crate::table::{SlotIndex, Width};

use super::SessionTables;

impl<W: Width> SessionTables<'_, W> {
    /// Whether `address` may send to `mapping` from any port.
    pub(crate) fn has_permission(&self, mapping: SlotIndex<W>, address: u32) -> bool {
        self.find_permission(mapping, address).is_some()
    }

    /// Whether the permission of a session's remote address ends with this session.
    pub(crate) fn holds_last_permission_ref(&self, session: &Session<W>) -> bool {
        session.holds_permission()
            && self
                .find_permission(session.mapping, session.remote_address)
                .and_then(|link| self.sessions.get(link))
                .and_then(Permission::of)
                .is_some_and(|permission| permission.references() == 1)
    }

    pub(super) fn find_permission(
        &self,
        mapping: SlotIndex<W>,
        address: u32,
    ) -> Option<SlotIndex<W>> {
        let remote = Permission::<W>::any_port(address);
        self.sessions_by_remote.find(
            &self.sessions,
            self.remote_hash(mapping, remote),
            |_, session| {
                session.mapping == mapping && session.is_permission() && session.remote() == remote
            },
        )
    }

    /// Adds a reference to the permission of `address`, and the permission if there is none.
    pub(super) fn add_permission_ref(&mut self, mapping: SlotIndex<W>, address: u32) {
        let Some(link) = self.find_permission(mapping, address) else {
            return self.add_permission(mapping, address);
        };
        let slot = self.sessions.get_mut(link);
        if let Some(mut permission) = slot.and_then(PermissionMut::of) {
            permission.add_reference();
        }
    }

    fn add_permission(&mut self, mapping: SlotIndex<W>, address: u32) {
        let Some(link) = self.sessions.insert(Permission::new_slot(mapping, address)) else {
            return;
        };
        let hash = self.remote_hash(mapping, Permission::<W>::any_port(address));
        // `room_for_session` has made sure that the bucket has room.
        let _has_room = self
            .sessions_by_remote
            .insert(&mut self.sessions, hash, link);
    }

    /// Removes a reference to the permission of `address`, and the permission with its last one.
    pub(super) fn remove_permission_ref(&mut self, mapping: SlotIndex<W>, address: u32) {
        let Some(link) = self.find_permission(mapping, address) else {
            return;
        };
        let slot = self.sessions.get_mut(link);
        let Some(mut permission) = slot.and_then(PermissionMut::of) else {
            return;
        };
        if permission.remove_reference() {
            self.remove_session_slot(link, mapping, Permission::<W>::any_port(address));
        }
    }
}
