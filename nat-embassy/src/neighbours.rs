//! The ARP cache of one side (RFC 1122 section 2.3.2): the hardware address of each neighbour.
//!
//! A neighbour has an entry in the table only when its hardware address is known. Addresses that
//! are still being resolved are queries, which have a memory of their own. So resolving an address
//! never evicts a known neighbour.

mod queries;
mod table;

use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::Instant;

use crate::ethernet::Mac;
use queries::{FRESH, Kind, QUERY_INTERVAL, Query};
use table::{Age, Id, Stamp, Table};

pub(crate) use queries::{ArpQuery, Queries};
pub(crate) use table::Memory;

/// How long after a neighbour's last confirmation other stations cannot take its address, unless
/// the neighbour stops answering. Longer than [`FRESH`], so that a neighbour in use has been
/// queried again before.
const CLAIM_PROTECTION: Duration = Duration::from_secs(120);

/// How long after a packet was sent to a neighbour it counts as in use. A station that only sends
/// ARP packets to the router never takes its entry. A minute, plus the precision of the table.
const IN_USE: Duration = Duration::from_secs(60).saturating_add(Table::USE_PRECISION);

/// If all entries are in use, a neighbour that answered a query takes the entry of one to which no
/// packet was sent for this long. It does not take the entry of a busier one: with more neighbours
/// than entries, each would otherwise lose its entry before it is used again.
const BUSY: Duration = Duration::from_secs(1).saturating_add(Table::USE_PRECISION);

/// The neighbours of one side, keyed by address. Two addresses of one station are two neighbours.
///
/// Addresses are learned from ARP only, never from the source of a forwarded packet. Otherwise any
/// host could redirect another's traffic with a single forged datagram, and hosts would get entries
/// that no packet is sent to.
pub(crate) struct Neighbours<'d> {
    table: Table<'d>,
    queries: &'d mut Queries,
    /// The gateway, which is never evicted.
    pinned: Ipv4Addr,
    /// No query is due, and none fails, before this; `None` while there is no query.
    due: Option<Instant>,
}

/// What is known about a next hop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NextHop {
    /// Its hardware address.
    Known(Mac),
    /// It is being queried.
    Queried,
    /// It is not known, and cannot be queried now: there are too many queries.
    Full,
}

impl<'d> Neighbours<'d> {
    /// An empty cache. `secret` is different at each boot, so that no one outside can choose
    /// addresses with the same hash.
    pub(crate) fn new<const N: usize>(
        memory: &'d mut Memory<N>,
        queries: &'d mut Queries,
        secret: u32,
    ) -> Self {
        Self {
            table: Table::new(memory.parts(), secret),
            queries,
            pinned: Ipv4Addr::UNSPECIFIED,
            due: None,
        }
    }

    /// Removes all neighbours. `pinned` is never evicted from now on.
    pub(crate) fn reset(&mut self, pinned: Option<Ipv4Addr>) {
        self.table.clear();
        self.queries.clear();
        (self.pinned, self.due) = (pinned.unwrap_or(Ipv4Addr::UNSPECIFIED), None);
    }

    /// The hardware address of `address`, to which a packet is sent now. If it is not known, or its
    /// last confirmation is too old, a query begins.
    pub(crate) fn next_hop(&mut self, address: Ipv4Addr, now: Instant) -> NextHop {
        match self.known(address, now) {
            Some(mac) => NextHop::Known(*mac),
            None => self.unknown(address, now),
        }
    }

    /// [`Self::next_hop`] if `address` is in the table. If not, this changes nothing.
    #[inline]
    pub(crate) fn known(&mut self, address: Ipv4Addr, now: Instant) -> Option<&Mac> {
        let at = Stamp::of(now);
        let (id, entry) = self.table.find_entry(address)?;
        let is_fresh = entry.confirmed_at.age(at) < const { Age::of(FRESH) };
        if !is_fresh || !entry.is_used_at(at) {
            self.refresh(id, at);
        }
        self.table.get(id).map(|entry| &entry.mac)
    }

    /// [`Self::next_hop`] of a neighbour that is not in the table.
    #[inline(never)]
    fn unknown(&mut self, address: Ipv4Addr, now: Instant) -> NextHop {
        match self.queries.find(address) {
            Some(query) if query.has_answered(now) => NextHop::Known(query.mac),
            Some(query) if query.kind != Kind::Answered => NextHop::Queried,
            _ => self.query(address),
        }
    }

    fn query(&mut self, address: Ipv4Addr) -> NextHop {
        // An answer that is too old may still have a slot.
        self.queries.remove(address);
        if !self.queries.resolve(address, address == self.pinned) {
            return NextHop::Full;
        }
        self.due = Some(Instant::from_millis(0));
        NextHop::Queried
    }

    /// Notes that a packet is sent to a neighbour in the table. If its last confirmation is too
    /// old, it is queried again.
    #[inline(never)]
    fn refresh(&mut self, id: Id, now: Stamp) {
        self.table.touch(id, now);
        if let Some(entry) = self.table.get(id)
            && entry.confirmed_at.age(now) >= const { Age::of(FRESH) }
        {
            self.queries.confirm(entry.address(), entry.mac);
            self.due = self.queries.due();
        }
    }

    /// The hardware address of `address` if it is known. Unlike [`Self::next_hop`], changes
    /// nothing.
    pub(crate) fn station(&self, address: Ipv4Addr) -> Option<Mac> {
        let answered = || {
            self.queries
                .find(address)
                .filter(|query| query.kind == Kind::Answered)
                .map(|query| query.mac)
        };
        let entry = self.table.find(address).and_then(|id| self.table.get(id));
        entry.map(|entry| entry.mac).or_else(answered)
    }

    /// Whether `address` is known or being queried.
    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        self.table.find(address).is_some() || self.queries.find(address).is_some()
    }

    /// Learns that `mac` has `address`. A new neighbour gets an entry only if `admit` is set: the
    /// packet was for the router, so packets to this neighbour are likely (RFC 826). Neighbours
    /// that only talk to each other need no entry.
    ///
    /// Returns `false` if another station has the address, as far as is known. That station is
    /// then queried, at most once a second. If it does not answer, the entry is removed, and the
    /// address goes to the station that answers next.
    pub(crate) fn learn(&mut self, address: Ipv4Addr, mac: Mac, admit: bool, now: Instant) -> bool {
        let at = Stamp::of(now);
        let is_of_another = |query: &Query| query.has_answered(now) && query.mac != mac;
        let queried = self.queries.find(address).map(is_of_another);
        let believed = match (self.table.find(address), queried) {
            // It is in the table, whether it is queried or not.
            (Some(id), _) => self.confirm(id, mac, at),
            // Another station has answered the query, and the table had no entry for it.
            (None, Some(true)) => false,
            // The answer to a query. It may come as a request of the neighbour, too (RFC 826).
            (None, Some(false)) => {
                self.add_answered(address, mac, now);
                true
            }
            // No other station is known to have the address.
            (None, None) => {
                if admit {
                    self.insert(address, mac, false, at);
                }
                true
            }
        };
        self.due = self.queries.due();
        believed
    }

    /// Takes an ARP packet of `mac` as a confirmation by the neighbour. Returns `false` if another
    /// station has the address.
    fn confirm(&mut self, id: Id, mac: Mac, now: Stamp) -> bool {
        let Some(entry) = self.table.get_mut(id) else {
            return true;
        };
        let address = entry.address();
        let age = entry.confirmed_at.age(now);
        if entry.mac == mac || age >= const { Age::of(CLAIM_PROTECTION) } {
            (entry.mac, entry.confirmed_at) = (mac, now);
            // This packet is as good as the answer to a query.
            self.queries.remove(address);
            return true;
        }
        // A confirmation of less than a second ago is not doubted, so that a flood of forged
        // packets causes no flood of queries.
        if age >= const { Age::of(QUERY_INTERVAL) } {
            self.queries.confirm(address, entry.mac);
        }
        false
    }

    /// Adds a neighbour that has answered a query.
    fn add_answered(&mut self, address: Ipv4Addr, mac: Mac, now: Instant) {
        let at = Stamp::of(now);
        match self.insert(address, mac, true, at) {
            Some(id) => {
                self.queries.remove(address);
                self.table.touch(id, at);
            }
            None => self.queries.keep_answer(address, mac, now),
        }
    }

    /// When [`Self::take_query`] or [`Self::remove_failed`] has something to do.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The next query to send at `now`, if one is due. The caller sends it.
    pub(crate) fn take_query(&mut self, now: Instant) -> Option<ArpQuery> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        let query = self.queries.take_due(now);
        if query.is_none() {
            self.due = self.queries.due();
        }
        query
    }

    /// Removes the neighbours that have not answered. Returns whether there were any.
    pub(crate) fn remove_failed(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let mut any = false;
        while let Some(query) = self.queries.take_failed(now) {
            if let Some(id) = self.table.find(query.address) {
                self.table.remove(id);
            }
            any = true;
        }
        self.due = self.queries.due();
        any
    }

    /// Adds a neighbour. If the table is full, it evicts another one if it may.
    fn insert(&mut self, address: Ipv4Addr, mac: Mac, answered: bool, now: Stamp) -> Option<Id> {
        if let Some(id) = self.table.insert(address, mac, now) {
            return Some(id);
        }
        let evicted = self.evictable(answered, now)?;
        // A query for the evicted neighbour would keep it known, though nothing needs it.
        if let Some(entry) = self.table.get(evicted) {
            self.queries.remove(entry.address());
        }
        self.table.remove(evicted);
        self.table.insert(address, mac, now)
    }

    /// The entry that a new neighbour may take: the one whose use is longest ago if it is not in
    /// use any more, or else the oldest that was never used. A neighbour that has `answered` a
    /// query may also take the least recently used one if that is not busy.
    fn evictable(&self, answered: bool, now: Stamp) -> Option<Id> {
        let least_used = self.table.oldest(true, self.pinned);
        if let Some(id) = least_used
            && self.is_unused_for(id, const { Age::of(IN_USE) }, now)
        {
            return Some(id);
        }
        if let Some(id) = self.table.oldest(false, self.pinned) {
            return Some(id);
        }
        least_used.filter(|id| answered && self.is_unused_for(*id, const { Age::of(BUSY) }, now))
    }

    fn is_unused_for(&self, id: Id, time: Age, now: Stamp) -> bool {
        self.table
            .get(id)
            .and_then(|entry| entry.unused_for(now))
            .is_none_or(|unused| unused >= time)
    }
}
