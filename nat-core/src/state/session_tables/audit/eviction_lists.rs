//! Whether the eviction lists of the hosts are in order.

use crate::state::{EvictionList, EvictionRank, Host, Session};
use crate::table::audit::{Fault, ensure};
use crate::table::{SlotIndex, Width};

use super::SessionTables;

impl<W: Width> SessionTables<'_, W> {
    /// Checks that each evictable session is once in the list of its host and rank and in no other,
    /// and that sessions whose timer nothing restarts are in the order of their deadlines. Walks
    /// the tables.
    pub(crate) fn audit_host_lists(&self) -> Result<(), Fault> {
        let mut listed = 0_usize;
        for (link, host) in self.hosts.iter() {
            for rank in EvictionRank::ALL {
                listed = listed.wrapping_add(self.audit_eviction_list((link, host), *rank)?);
            }
        }
        let evictable = self.count_sessions(|session| self.host_and_rank(session).is_some());
        ensure(listed <= evictable, "a session is in two lists")?;
        ensure(listed == evictable, "an evictable session is in no list")
    }

    /// The host and rank of an evictable session.
    fn host_and_rank(&self, session: &Session<W>) -> Option<(SlotIndex<W>, EvictionRank)> {
        let mapping = self.mappings.get(session.mapping)?;
        Some((mapping.host, EvictionRank::of(session, mapping.proto())?))
    }

    /// Checks one list. Returns how many sessions are in it.
    fn audit_eviction_list(
        &self,
        (host_link, host): (SlotIndex<W>, &Host<W>),
        rank: EvictionRank,
    ) -> Result<usize, Fault> {
        // Traffic restarts the timers of the other two ranks.
        let by_deadline = matches!(
            rank,
            EvictionRank::Reset | EvictionRank::Closing | EvictionRank::OutsideSyn
        );
        let list = host.eviction_list(rank);
        let mut link = list.map_or(SlotIndex::NONE, EvictionList::first);
        let (mut listed, mut latest) = (0_usize, None);
        while let Some(session) = self.sessions.get(link) {
            ensure(
                self.host_and_rank(session) == Some((host_link, rank)),
                "a session is in a list that is not its own",
            )?;
            let in_order = latest.is_none_or(|latest: u32| {
                session.deadline().wrapping_sub(latest) <= i32::MAX as u32
            });
            ensure(
                in_order || !by_deadline,
                "a younger session is before an older one",
            )?;
            listed = listed.saturating_add(1);
            ensure(listed <= self.sessions.capacity(), "a list has no end")?;
            (latest, link) = (Some(session.deadline()), session.later_in_rank());
        }
        Ok(listed)
    }
}
