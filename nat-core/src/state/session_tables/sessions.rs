//! Adding and ending sessions.

use crate::session_info::SessionState;
use crate::state::tcp::Tcp;
use crate::state::{Blocks, Endpoint, MappingEnds, Proto, Session};
use crate::table::{Count, SlotIndex, Vacancy, Width};

use super::SessionTables;
use super::membership::Membership;

/// A session to be added.
#[derive(Debug)]
pub(crate) struct NewSession<'b, W> {
    pub(crate) mapping: SlotIndex<W>,
    pub(crate) remote: Endpoint,
    pub(crate) begin: &'b Tcp,
    /// Whether the remote address gets permission to send from any port.
    pub(crate) permission: bool,
    /// The room in the index.
    pub(crate) room: Vacancy,
}

/// A session that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) proto: Proto,
    pub(crate) state: SessionState,
    /// Its mapping, if this was the mapping's last session.
    pub(crate) mapping: Option<MappingEnds>,
    /// The port blocks of its host, if this was the host's last session.
    pub(crate) blocks: Option<Blocks>,
}

impl<W: Width> SessionTables<'_, W> {
    /// Adds a session where there is room, and the permission of its remote address if asked for.
    pub(crate) fn add_session(
        &mut self,
        new: &NewSession<'_, W>,
        now: u32,
    ) -> Option<SlotIndex<W>> {
        let NewSession {
            mapping,
            remote,
            begin,
            permission,
            room,
        } = *new;
        if permission {
            // It may take a place in the bucket of the session: `room_for_session` has counted
            // both.
            self.add_permission_ref(mapping, remote.address);
        }
        let link = self.sessions.next_free()?;
        let mut session = Session::new(mapping, remote, begin);
        let mapping = self.mappings.get_mut(mapping)?;
        mapping.sessions.increment();
        let (proto, host) = (mapping.proto(), mapping.host);
        if permission {
            session.hold_permission();
        }
        let membership = Membership::of(&session, proto);
        // The deadline comes first: the expiry list takes the session at its end.
        session.set_deadline(now.wrapping_add(self.lifetimes.of(membership.class)));
        self.sessions_by_remote.insert_at(&mut session, room, link);
        self.sessions.insert(session)?;
        self.join((link, host), membership);
        Some(link)
    }

    /// Ends a session, and its mapping if this was the mapping's last session.
    pub(crate) fn end_session(&mut self, link: SlotIndex<W>) -> Option<Ended> {
        self.end_session_but(link, None)
    }

    /// Ends a session, and its mapping if this was the mapping's last session. The mapping `kept`
    /// stays in any case, because it is about to get a new session.
    pub(crate) fn end_session_but(
        &mut self,
        link: SlotIndex<W>,
        kept: Option<SlotIndex<W>>,
    ) -> Option<Ended> {
        let session = self.sessions.get(link)?;
        let (mapping_link, remote, state) = (session.mapping, session.remote(), session.state);
        let mapping = self.mappings.get_mut(mapping_link)?;
        mapping.sessions.decrement();
        let is_unused = mapping.sessions == Count::ZERO && kept != Some(mapping_link);
        let (proto, host) = (mapping.proto(), mapping.host);
        // Lists and counters first: afterwards the slot is free, and its links mean something else.
        let membership = Membership::of(session, proto);
        let holds_permission = session.holds_permission();
        self.update_membership((link, host), membership, None);
        self.remove_session_slot(link, mapping_link, remote);
        if holds_permission {
            self.remove_permission_ref(mapping_link, remote.address);
        }
        let (mapping, blocks) = if is_unused {
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

    /// Ends the session that has been expired for longest at `now`, if any has expired.
    pub(crate) fn end_expired(&mut self, now: u32) -> Option<Ended> {
        // Each list is in order of deadline, so the session is the first of one of them.
        let (_, link) = self
            .expiry
            .iter()
            .filter_map(|list| Some((self.expired_for(list.first(), now)?, list.first())))
            // The longest overdue, so that none is for 2^31 ms: see `JUMP_MILLIS`.
            .max_by_key(|(expired_for, _)| *expired_for)?;
        self.end_session(link)
    }

    /// For how long a session has been expired at `now`, in milliseconds; `None` if it has not.
    fn expired_for(&self, link: SlotIndex<W>, now: u32) -> Option<u32> {
        let session = self.sessions.get(link)?;
        match session.remaining(now) {
            None => Some(now.wrapping_sub(session.deadline())),
            Some(_) => None,
        }
    }

    /// Takes a session or permission out of the index, and frees its slot.
    pub(super) fn remove_session_slot(
        &mut self,
        link: SlotIndex<W>,
        mapping: SlotIndex<W>,
        remote: Endpoint,
    ) {
        // Out of the index first: a free slot uses the link of the index for the list of free
        // slots.
        let hash = self.remote_hash(mapping, remote);
        self.sessions_by_remote
            .remove(&mut self.sessions, hash, link);
        self.sessions.remove(link);
    }
}
