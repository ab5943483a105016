//! The questions that wait for an answer: who has an address.

use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::Instant;

use super::{Ask, FRESH};
use crate::ethernet::Mac;

/// Neighbours that can be asked for at once while nothing is known of them, the gateway apart.
const MAX_UNKNOWN: usize = 16;

/// Known neighbours that can be asked to confirm at once. One more goes on to be believed, and is
/// asked later.
const MAX_CONFIRMING: usize = 8;

const CAPACITY: usize = MAX_UNKNOWN + 1 + MAX_CONFIRMING;

/// How long to wait for an answer before asking again (RFC 1122 section 2.3.2.1: at most one a
/// second).
pub(super) const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// How often a neighbour is asked for before it counts as absent.
const ASKS: u8 = 3;

/// What a question is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The place is free.
    Free,
    /// Nothing is known of the neighbour.
    Unknown,
    /// The neighbour is in the table, and this station is asked whether it still has the address.
    Confirm,
    /// It has answered, and the table had no place for it. It is used from here until another
    /// question needs the place.
    Answered,
}

#[derive(Clone, Copy)]
pub(super) struct Query {
    pub(super) address: Ipv4Addr,
    /// The station that has the address, as far as is known.
    pub(super) mac: Mac,
    pub(super) kind: Kind,
    /// Questions sent.
    asks: u8,
    asked_at: Instant,
}

impl Query {
    const FREE: Self = Self {
        address: Ipv4Addr::UNSPECIFIED,
        mac: Mac::ZERO,
        kind: Kind::Free,
        asks: 0,
        asked_at: Instant::from_millis(0),
    };

    /// Whether it has answered not long ago, and has no place in the table.
    pub(super) fn has_answered(&self, now: Instant) -> bool {
        self.kind == Kind::Answered && now.saturating_duration_since(self.asked_at) < FRESH
    }

    /// When to ask next, or to give up; `None` when nothing is being asked.
    fn due(&self) -> Option<Instant> {
        match (self.kind, self.asks) {
            (Kind::Free | Kind::Answered, _) => None,
            (Kind::Unknown | Kind::Confirm, 0) => Some(Instant::from_millis(0)),
            (Kind::Unknown | Kind::Confirm, _) => Some(self.asked_at.saturating_add(ASK_INTERVAL)),
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }
}

pub(crate) struct Queries {
    places: [Query; CAPACITY],
}

impl Queries {
    pub(crate) const fn new() -> Self {
        Self {
            places: [Query::FREE; CAPACITY],
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    pub(super) fn find(&self, address: Ipv4Addr) -> Option<&Query> {
        self.places
            .iter()
            .find(|query| query.kind != Kind::Free && query.address == address)
    }

    pub(super) fn remove(&mut self, address: Ipv4Addr) {
        if let Some(query) = self
            .places
            .iter_mut()
            .find(|query| query.address == address)
        {
            *query = Query::FREE;
        }
    }

    /// Begins to ask for a neighbour that is not known; `false` if as many are asked for as may be.
    /// One that is `needed` more than others, the gateway, has a place of its own.
    pub(super) fn ask_for(&mut self, address: Ipv4Addr, needed: bool) -> bool {
        let limit = if needed { MAX_UNKNOWN + 1 } else { MAX_UNKNOWN };
        self.count(Kind::Unknown) < limit
            && self.put(Query {
                address,
                kind: Kind::Unknown,
                ..Query::FREE
            })
    }

    /// Begins to ask the station `mac` to confirm that it has `address`, unless it is being asked;
    /// later if there is no place.
    pub(super) fn confirm(&mut self, address: Ipv4Addr, mac: Mac) {
        if self.find(address).is_none() && self.count(Kind::Confirm) < MAX_CONFIRMING {
            self.put(Query {
                address,
                mac,
                kind: Kind::Confirm,
                ..Query::FREE
            });
        }
    }

    /// Keeps the answer of a neighbour for which the table has no place.
    pub(super) fn keep_answer(&mut self, address: Ipv4Addr, mac: Mac, now: Instant) {
        if let Some(query) = self
            .places
            .iter_mut()
            .find(|query| query.address == address)
        {
            (query.mac, query.kind, query.asked_at) = (mac, Kind::Answered, now);
        }
    }

    /// When [`Self::take_ask`] or [`Self::take_failed`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.places.iter().filter_map(Query::due).min()
    }

    /// The next question to send at `now`.
    pub(super) fn take_ask(&mut self, now: Instant) -> Option<Ask> {
        let query = self
            .places
            .iter_mut()
            .find(|query| query.asks < ASKS && query.is_due(now))?;
        query.asks += 1;
        query.asked_at = now;
        Some(Ask {
            address: query.address,
            station: (query.kind == Kind::Confirm).then_some(query.mac),
        })
    }

    /// Ends a question that was asked often enough: the address that nobody has answered for.
    pub(super) fn take_failed(&mut self, now: Instant) -> Option<Query> {
        let query = self
            .places
            .iter_mut()
            .find(|query| query.asks >= ASKS && query.is_due(now))?;
        Some(core::mem::replace(query, Query::FREE))
    }

    fn count(&self, kind: Kind) -> usize {
        self.places
            .iter()
            .filter(|query| query.kind == kind)
            .count()
    }

    /// Puts a question in a free place, or in that of the oldest answer.
    fn put(&mut self, query: Query) -> bool {
        let rank = |query: &Query| (query.kind != Kind::Free, query.asked_at);
        let open = self
            .places
            .iter_mut()
            .filter(|query| matches!(query.kind, Kind::Free | Kind::Answered));
        open.min_by_key(|query| rank(query))
            .map(|place| *place = query)
            .is_some()
    }
}
