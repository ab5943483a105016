//! The ARP queries that wait for an answer.

use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::Instant;

use crate::ethernet::Mac;

/// How long after its last confirmation a neighbour's hardware address is used without a new query.
/// The answer of a neighbour without an entry in the table is kept as long.
pub(super) const FRESH: Duration = Duration::from_secs(60);

/// Unknown neighbours that can be queried at a time, besides the gateway.
const MAX_UNKNOWN: usize = 16;

/// Known neighbours that can be asked to confirm their address at a time. Others stay known, and
/// are asked later.
const MAX_CONFIRMING: usize = 8;

const CAPACITY: usize = MAX_UNKNOWN + 1 + MAX_CONFIRMING;

/// The time between two packets of a query (RFC 1122 section 2.3.2.1: at most one a second).
pub(super) const QUERY_INTERVAL: Duration = Duration::from_secs(1);

/// The packets of a query. If none is answered, the neighbour counts as absent.
const MAX_SENT: u8 = 3;

/// A query packet to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ArpQuery {
    pub(crate) address: Ipv4Addr,
    /// The station that has the address as far as is known. The query goes to it alone, to spare
    /// the other stations (RFC 1122 section 2.3.2.1 (2)).
    pub(crate) station: Option<Mac>,
}

/// What a query is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The slot is free.
    Free,
    /// The neighbour's hardware address is not known.
    Unknown,
    /// The neighbour is in the table, and its station is asked whether it still has the address.
    Confirm,
    /// The neighbour has answered, but the table was full. Its answer is used from here until
    /// another query needs the slot.
    Answered,
}

#[derive(Clone, Copy)]
pub(super) struct Query {
    pub(super) address: Ipv4Addr,
    /// The hardware address, if it is known.
    pub(super) mac: Mac,
    pub(super) kind: Kind,
    /// Packets sent.
    sent: u8,
    /// When the last packet was sent, or the answer came.
    at: Instant,
}

impl Query {
    const FREE: Self = Self {
        address: Ipv4Addr::UNSPECIFIED,
        mac: Mac::ZERO,
        kind: Kind::Free,
        sent: 0,
        at: Instant::from_millis(0),
    };

    /// Whether the neighbour has answered, and the answer is fresh.
    pub(super) fn has_answered(&self, now: Instant) -> bool {
        self.kind == Kind::Answered && now.saturating_duration_since(self.at) < FRESH
    }

    /// When the next packet is due, or the query fails; `None` if it waits for no answer.
    fn due(&self) -> Option<Instant> {
        match (self.kind, self.sent) {
            (Kind::Free | Kind::Answered, _) => None,
            (Kind::Unknown | Kind::Confirm, 0) => Some(Instant::from_millis(0)),
            (Kind::Unknown | Kind::Confirm, _) => Some(self.at.saturating_add(QUERY_INTERVAL)),
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }
}

/// The memory of all queries of one side.
pub(crate) struct Queries {
    slots: [Query; CAPACITY],
}

impl Queries {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [Query::FREE; CAPACITY],
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    pub(super) fn find(&self, address: Ipv4Addr) -> Option<&Query> {
        self.slots
            .iter()
            .find(|query| query.kind != Kind::Free && query.address == address)
    }

    pub(super) fn remove(&mut self, address: Ipv4Addr) {
        if let Some(query) = self.slots.iter_mut().find(|query| query.address == address) {
            *query = Query::FREE;
        }
    }

    /// Begins to query an unknown neighbour. Returns `false` if there are too many queries. The
    /// gateway has a slot that no other neighbour takes.
    pub(super) fn resolve(&mut self, address: Ipv4Addr, is_gateway: bool) -> bool {
        let limit = if is_gateway {
            MAX_UNKNOWN + 1
        } else {
            MAX_UNKNOWN
        };
        self.count(Kind::Unknown) < limit
            && self.put(Query {
                address,
                kind: Kind::Unknown,
                ..Query::FREE
            })
    }

    /// Begins to ask the station `mac` to confirm that it has `address`, unless it is being asked
    /// or too many others are.
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

    /// Keeps the answer of a neighbour for which the table has no entry.
    pub(super) fn keep_answer(&mut self, address: Ipv4Addr, mac: Mac, now: Instant) {
        if let Some(query) = self.slots.iter_mut().find(|query| query.address == address) {
            (query.mac, query.kind, query.at) = (mac, Kind::Answered, now);
        }
    }

    /// When [`Self::take_due`] or [`Self::take_failed`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.slots.iter().filter_map(Query::due).min()
    }

    /// The next query packet to send at `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<ArpQuery> {
        let query = self
            .slots
            .iter_mut()
            .find(|query| query.sent < MAX_SENT && query.is_due(now))?;
        query.sent += 1;
        query.at = now;
        Some(ArpQuery {
            address: query.address,
            station: (query.kind == Kind::Confirm).then_some(query.mac),
        })
    }

    /// Takes out a query whose last packet was not answered.
    pub(super) fn take_failed(&mut self, now: Instant) -> Option<Query> {
        let query = self
            .slots
            .iter_mut()
            .find(|query| query.sent >= MAX_SENT && query.is_due(now))?;
        Some(core::mem::replace(query, Query::FREE))
    }

    fn count(&self, kind: Kind) -> usize {
        self.slots.iter().filter(|query| query.kind == kind).count()
    }

    /// Puts a query into a free slot, or into that of the oldest answer.
    fn put(&mut self, query: Query) -> bool {
        // A free slot ranks before every answer.
        let rank = |query: &Query| (query.kind != Kind::Free, query.at);
        let open = self
            .slots
            .iter_mut()
            .filter(|query| matches!(query.kind, Kind::Free | Kind::Answered));
        open.min_by_key(|query| rank(query))
            .map(|slot| *slot = query)
            .is_some()
    }
}
