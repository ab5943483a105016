//! What goes by the state of a session: the list in which its time runs out, the counts, and its
//! place among those of its host that may make room for others.

use crate::session_info::SessionState;
use crate::state::{EvictionList, EvictionRank, Inside, Mapping, Proto, Session, TimeoutClass};
use crate::table::{MAX_PROBES, SlotIndex, Width};

use super::SessionTables;

/// Where a session stands by its state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Membership {
    pub(super) class: TimeoutClass,
    state: SessionState,
    rank: Option<EvictionRank>,
}

impl Membership {
    pub(super) fn of<W: Width>(session: &Session<W>, proto: Proto) -> Self {
        let class = TimeoutClass::of(proto, session.state, session.remote_port);
        Self {
            class,
            state: session.state,
            rank: EvictionRank::of(session, proto),
        }
    }
}

impl<W: Width> SessionTables<'_, W> {
    /// Moves the session at `link`, of the host at `host`, from one membership to another in all that
    /// goes by it: `None` is before it begins, and after it has ended. Nothing else puts a
    /// session into a list, takes it out or counts it.
    pub(super) fn update_membership(
        &mut self,
        (link, host): (SlotIndex<W>, SlotIndex<W>),
        before: Option<Membership>,
        after: Option<Membership>,
    ) {
        self.change_class(
            link,
            before.map(|before| before.class),
            after.map(|after| after.class),
        );
        let Some(host) = self.hosts.get_mut(host) else {
            return;
        };
        match (before, after) {
            (None, Some(after)) => self.quotas.add_session(host, after.state),
            (Some(before), None) => self.quotas.remove_session(host, before.state),
            (before, after) => {
                let [before, after] =
                    [before, after].map(|membership| membership.map(|membership| membership.state));
                self.quotas.change_state(&mut host.half_open, before, after);
            }
        }
        let [before, after] =
            [before, after].map(|membership| membership.and_then(|membership| membership.rank));
        if before != after {
            if let Some(list) = before.and_then(|rank| host.eviction_list_mut(rank)) {
                list.remove(&mut self.sessions, link);
            }
            if let Some(list) = after.and_then(|rank| host.eviction_list_mut(rank)) {
                list.push(&mut self.sessions, link);
            }
        }
    }

    fn change_class(
        &mut self,
        link: SlotIndex<W>,
        before: Option<TimeoutClass>,
        after: Option<TimeoutClass>,
    ) {
        if before == after {
            return;
        }
        if let Some(list) = before.and_then(|class| self.expiry.get_mut(class as usize)) {
            list.remove(&mut self.sessions, link);
        }
        if let Some(list) = after.and_then(|class| self.expiry.get_mut(class as usize)) {
            list.push(&mut self.sessions, link);
        }
    }

    /// The session of a host that makes room for another: the oldest that `fits` of the first of
    /// `ranks` that has one. Looks at no more than [`MAX_PROBES`] sessions of each rank.
    pub(crate) fn find_evictable(
        &self,
        inside: Inside,
        ranks: &[EvictionRank],
        fits: impl Fn(SlotIndex<W>, &Session<W>, &Mapping<W>) -> bool,
    ) -> Option<SlotIndex<W>> {
        let host = self
            .hosts
            .get(self.find_host(inside.origin, inside.endpoint.address)?)?;
        let lists = ranks.iter().filter_map(|rank| host.eviction_list(*rank));
        lists
            .filter_map(|list| self.find_in_list(list, &fits))
            .next()
    }

    fn find_in_list(
        &self,
        list: &EvictionList<W>,
        fits: &impl Fn(SlotIndex<W>, &Session<W>, &Mapping<W>) -> bool,
    ) -> Option<SlotIndex<W>> {
        let mut link = list.first();
        for _ in 0..MAX_PROBES {
            let session = self.sessions.get(link)?;
            if fits(link, session, self.mappings.get(session.mapping)?) {
                return Some(link);
            }
            link = session.later_in_rank();
        }
        None
    }

    /// Whether the lists of sessions that may make room are as they should be: each such session
    /// stands once in the list of its host and rank, nothing else does, and those that nothing
    /// renews stand in the order of their deadlines. Else, what is wrong. Walks the tables.
    #[cfg(any(test, feature = "audit"))]
    pub(crate) fn audit_host_lists(&self) -> Result<(), &'static str> {
        let ranked = |session: &Session<W>| {
            let mapping = self.mappings.get(session.mapping)?;
            Some((mapping.host, EvictionRank::of(session, mapping.proto())?))
        };
        let expected = self
            .sessions
            .iter()
            .filter(|(_, session)| !session.is_permission() && ranked(session).is_some());
        let mut missing = expected.count();
        for (link, host) in self.hosts.iter() {
            for rank in [
                EvictionRank::Reset,
                EvictionRank::Closing,
                EvictionRank::Answered,
                EvictionRank::OutsideSyn,
                EvictionRank::InsideSyn,
            ] {
                let found =
                    self.audit_list(host, rank, |session| ranked(session) == Some((link, rank)))?;
                missing = missing
                    .checked_sub(found)
                    .ok_or("a session stands in two lists")?;
            }
        }
        if missing == 0 {
            Ok(())
        } else {
            Err("a session that may make room stands in no list")
        }
    }

    #[cfg(any(test, feature = "audit"))]
    fn audit_list(
        &self,
        host: &crate::state::Host<W>,
        rank: EvictionRank,
        belongs: impl Fn(&Session<W>) -> bool,
    ) -> Result<usize, &'static str> {
        let mut link = host
            .eviction_list(rank)
            .map_or(SlotIndex::NONE, EvictionList::first);
        let (mut found, mut latest) = (0_usize, None);
        while let Some(session) = self.sessions.get(link) {
            if !belongs(session) {
                return Err("a session stands in a list that is not its own");
            }
            let in_order = latest
                .is_none_or(|latest: u32| session.deadline.wrapping_sub(latest) <= i32::MAX as u32);
            if !in_order
                && matches!(
                    rank,
                    EvictionRank::Reset | EvictionRank::Closing | EvictionRank::OutsideSyn
                )
            {
                return Err("a younger session stands before an older one");
            }
            (found, latest) = (found.saturating_add(1), Some(session.deadline));
            if found > self.sessions.capacity() {
                return Err("a list goes round");
            }
            link = session.later_in_rank();
        }
        Ok(found)
    }
}
