//! Address permissions: with address-dependent filtering, the right of a remote address to send to
//! a mapping from any port (RFC 4787 section 5).
//!
//! A permission occupies a slot of the session table and is found by the index of sessions, so it
//! needs no table of its own. It has no deadline: it lives as long as sessions with its address
//! refer to it. The slot keeps that reference count where a session has its deadline; only this
//! file reads it as a count.

use crate::table::{SlotIndex, Width};

use super::{Endpoint, Session};

/// A slot of the session table that is a permission.
pub(crate) struct Permission<'s, W>(&'s Session<W>);

impl<'s, W: Width> Permission<'s, W> {
    /// The slot of a new permission for `address`, to which one session refers.
    pub(crate) fn new_slot(mapping: SlotIndex<W>, address: u32) -> Session<W> {
        Session::permission(mapping, Self::any_port(address), 1)
    }

    /// The remote endpoint under which a permission for all ports of `address` is indexed.
    pub(crate) fn any_port(address: u32) -> Endpoint {
        Endpoint { address, port: 0 }
    }

    /// The permission in `slot`; `None` if the slot is a session.
    pub(crate) fn of(slot: &'s Session<W>) -> Option<Self> {
        slot.is_permission().then_some(Self(slot))
    }

    /// How many sessions refer to it.
    pub(crate) fn references(&self) -> u32 {
        self.0.deadline_or_references
    }
}

/// A permission whose references can be changed.
pub(crate) struct PermissionMut<'s, W>(&'s mut Session<W>);

impl<'s, W: Width> PermissionMut<'s, W> {
    /// The permission in `slot`; `None` if the slot is a session.
    pub(crate) fn of(slot: &'s mut Session<W>) -> Option<Self> {
        slot.is_permission().then_some(Self(slot))
    }

    pub(crate) fn add_reference(&mut self) {
        let references = &mut self.0.deadline_or_references;
        // Each reference is that of a session, and there are at most 2^20: this never saturates.
        *references = references.saturating_add(1);
    }

    /// Removes a reference. Returns whether it was the last, and the slot has to be freed.
    #[must_use = "a permission without references has to be removed"]
    pub(crate) fn remove_reference(&mut self) -> bool {
        let references = &mut self.0.deadline_or_references;
        *references = references.saturating_sub(1);
        *references == 0
    }
}
