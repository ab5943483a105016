//! Which lists and counters a session belongs to: the expiry list of its timeout class, the
//! eviction list of its host and rank, and the counters of half-open and of all sessions.

use crate::session_info::SessionState;
use crate::state::{EvictionList, EvictionRank, Host, Mapping, Proto, Session, TimeoutClass};
use crate::table::{MAX_PROBES, SlotIndex, Width};

use super::SessionTables;

/// What decides which lists and counters a session belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Membership {
    pub(super) class: TimeoutClass,
    state: SessionState,
    rank: Option<EvictionRank>,
}

impl Membership {
    pub(super) fn of<W: Width>(session: &Session<W>, proto: Proto) -> Self {
        Self {
            class: TimeoutClass::of(proto, session.state, session.remote_port),
            state: session.state,
            rank: EvictionRank::of(session, proto),
        }
    }

    fn class(self) -> TimeoutClass {
        self.class
    }

    fn state(self) -> SessionState {
        self.state
    }

    fn rank(self) -> Option<EvictionRank> {
        self.rank
    }
}

impl<W: Width> SessionTables<'_, W> {
    /// Adds the session at `link`, of the host at `host`, to its lists and counters.
    #[inline(always)]
    pub(super) fn join(&mut self, links: (SlotIndex<W>, SlotIndex<W>), begin: Membership) {
        self.move_session(links, None, Some(begin));
    }

    /// Moves the session at `link`, of the host at `host`, from the lists and counters of `before`
    /// to those of `after`, which is `None` for a session that ends.
    pub(super) fn update_membership(
        &mut self,
        links: (SlotIndex<W>, SlotIndex<W>),
        before: Membership,
        after: Option<Membership>,
    ) {
        self.move_session(links, Some(before), after);
    }

    /// Nothing else adds a session to a list, removes it from one, or counts it.
    #[inline(always)]
    fn move_session(
        &mut self,
        (link, host): (SlotIndex<W>, SlotIndex<W>),
        before: Option<Membership>,
        after: Option<Membership>,
    ) {
        let class = Membership::class;
        self.move_expiry(link, before.map(class), after.map(class));
        self.count_session(host, before, after);
        let rank = Membership::rank;
        self.move_eviction((link, host), before.and_then(rank), after.and_then(rank));
    }

    #[inline(always)]
    fn move_expiry(
        &mut self,
        link: SlotIndex<W>,
        before: Option<TimeoutClass>,
        after: Option<TimeoutClass>,
    ) {
        // A session that stays in its list keeps its place there: `restart_timer` moves it.
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

    #[inline(always)]
    fn count_session(
        &mut self,
        host: SlotIndex<W>,
        before: Option<Membership>,
        after: Option<Membership>,
    ) {
        let Some(host) = self.hosts.get_mut(host) else {
            return;
        };
        let (before, after) = (before.map(Membership::state), after.map(Membership::state));
        match (before, after) {
            (None, Some(begin)) => self.quotas.add_session(host, begin),
            (Some(end), None) => self.quotas.remove_session(host, end),
            (before, after) => self.quotas.change_state(&mut host.half_open, before, after),
        }
    }

    #[inline(always)]
    fn move_eviction(
        &mut self,
        (link, host): (SlotIndex<W>, SlotIndex<W>),
        before: Option<EvictionRank>,
        after: Option<EvictionRank>,
    ) {
        // A session that keeps its rank keeps its place: the lists are in the order in which
        // sessions got their rank, whatever traffic they have had since.
        if before == after {
            return;
        }
        let Some(host) = self.hosts.get_mut(host) else {
            return;
        };
        if let Some(list) = before.and_then(|rank| host.eviction_list_mut(rank)) {
            list.remove(&mut self.sessions, link);
        }
        if let Some(list) = after.and_then(|rank| host.eviction_list_mut(rank)) {
            list.push(&mut self.sessions, link);
        }
    }

    /// The session of a host that can be evicted for another one: the oldest that `fits`, of the
    /// first of `ranks` that has one. Examines at most [`MAX_PROBES`] sessions of each rank.
    pub(crate) fn find_evictable(
        &self,
        host: &Host<W>,
        ranks: &[EvictionRank],
        fits: impl Fn(SlotIndex<W>, &Session<W>, &Mapping<W>) -> bool,
    ) -> Option<SlotIndex<W>> {
        ranks
            .iter()
            .filter_map(|rank| host.eviction_list(*rank))
            .find_map(|list| self.find_in_list(list, &fits))
    }

    fn find_in_list(
        &self,
        list: &EvictionList<W>,
        fits: &impl Fn(SlotIndex<W>, &Session<W>, &Mapping<W>) -> bool,
    ) -> Option<SlotIndex<W>> {
        let mut link = list.first();
        // Many sessions may not fit, and the work for one packet is bounded.
        for _ in 0..MAX_PROBES {
            let session = self.sessions.get(link)?;
            if fits(link, session, self.mappings.get(session.mapping)?) {
                return Some(link);
            }
            link = session.later_in_rank();
        }
        None
    }
}
