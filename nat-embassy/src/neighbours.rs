//! Which station has which address: the ARP cache of one side (RFC 1122 section 2.3.2).
//!
//! A neighbour has a place in the table only once its station is known. Who is asked for waits
//! among the questions, which have a memory of their own: so asking for somebody never costs a
//! known neighbour its place.

mod queries;
mod table;

use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::Instant;

use crate::ethernet::Mac;
use queries::{ASK_INTERVAL, Kind, Query};
use table::{Id, Stamp, Table};

pub(crate) use queries::Queries;
pub(crate) use table::Memory;

/// How long what a neighbour said is believed without asking again.
const FRESH: Duration = Duration::from_secs(60);

/// How long nobody else is believed who claims its address, unless it no longer answers. Longer
/// than [`FRESH`], so that a neighbour in use has been asked again before.
const HELD: Duration = Duration::from_secs(120);

/// How long after something was sent to a neighbour it is in use: whoever only speaks gets none of
/// these places. A minute, and what the table does not see of its use.
const IN_USE: Duration = Duration::from_secs(60).saturating_add(Table::USE_PRECISION);

/// A neighbour to whom nothing was sent for so long makes room for one that has answered, if all
/// are in use. One that is used more often does not: with more neighbours than places, all would
/// lose theirs before they are used again.
const BUSY: Duration = Duration::from_secs(1).saturating_add(Table::USE_PRECISION);

/// The neighbours of one side, keyed by address: two addresses of one station are two neighbours.
///
/// Addresses are learned from ARP alone, never from the source of a forwarded packet: that would
/// let any host redirect another's traffic with a single forged datagram, and would put hosts here
/// that nobody talks to.
pub(crate) struct Neighbours<'d> {
    table: Table<'d>,
    queries: &'d mut Queries,
    /// The gateway: never the one that makes room.
    kept: Ipv4Addr,
    /// No ask is due, and none fails, before this; `None` when nothing is being asked.
    due: Option<Instant>,
}

/// What is known about a next hop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NextHop {
    /// Its station.
    Known(Mac),
    /// Being asked for.
    Asked,
    /// Not known, and not to be asked for now: as many as may be are already.
    Full,
}

/// One question to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ask {
    pub(crate) address: Ipv4Addr,
    /// The station that had the address before: asked alone, to spare the others (RFC 1122 section
    /// 2.3.2.1 (2)).
    pub(crate) station: Option<Mac>,
}

impl<'d> Neighbours<'d> {
    /// Nobody is known yet. With `secret`, which is of this boot, nobody can tell whose addresses
    /// share a hash.
    pub(crate) fn new<const N: usize>(
        memory: &'d mut Memory<N>,
        queries: &'d mut Queries,
        secret: u32,
    ) -> Self {
        Self {
            table: Table::new(memory.parts(), secret),
            queries,
            kept: Ipv4Addr::UNSPECIFIED,
            due: None,
        }
    }

    /// Forgets everybody, and never lets `keep` make room from now on.
    pub(crate) fn reset(&mut self, keep: Option<Ipv4Addr>) {
        self.table.clear();
        self.queries.clear();
        (self.kept, self.due) = (keep.unwrap_or(Ipv4Addr::UNSPECIFIED), None);
    }

    /// The station of `address`, which a packet is to be sent to now. If it is not known, or was
    /// confirmed too long ago, it is going to be asked for.
    pub(crate) fn next_hop(&mut self, address: Ipv4Addr, now: Instant) -> NextHop {
        let at = Stamp::of(now);
        if let Some(id) = self.table.find(address) {
            self.table.touch(id, at);
            return self.known(id, at);
        }
        match self.queries.find(address) {
            Some(query) if query.has_answered(now) => NextHop::Known(query.mac),
            Some(query) if query.kind != Kind::Answered => NextHop::Asked,
            _ => self.ask(address),
        }
    }

    fn ask(&mut self, address: Ipv4Addr) -> NextHop {
        self.queries.remove(address);
        if !self.queries.ask_for(address, address == self.kept) {
            return NextHop::Full;
        }
        self.due = Some(Instant::from_millis(0));
        NextHop::Asked
    }

    /// The station of a neighbour in the table, which is asked again if it has not confirmed its
    /// address for long.
    fn known(&mut self, id: Id, now: Stamp) -> NextHop {
        let Some(entry) = self.table.get(id) else {
            return NextHop::Full;
        };
        if entry.confirmed_at.age(now) >= FRESH {
            self.queries.confirm(entry.address(), entry.mac);
            self.due = self.queries.due();
        }
        NextHop::Known(entry.mac)
    }

    /// The station of `address` if it is known. Unlike [`Self::next_hop`], changes nothing.
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

    /// Whether `address` has a place here, known or being asked for.
    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        self.table.find(address).is_some() || self.queries.find(address).is_some()
    }

    /// Believes that `mac` has `address`. One who is not here yet gets a place only if `admit` is
    /// set (RFC 826: who speaks to us is going to be spoken to; what others say among
    /// themselves is not worth a place).
    ///
    /// Returns `false` if another station has said the same not long ago. That one is asked again
    /// then, at most once a second, and when it does not answer, its place is free for whoever
    /// does.
    pub(crate) fn learn(&mut self, address: Ipv4Addr, mac: Mac, admit: bool, now: Instant) -> bool {
        let at = Stamp::of(now);
        let held = |query: &Query| query.has_answered(now) && query.mac != mac;
        let believed = match (
            self.table.find(address),
            self.queries.find(address).map(held),
        ) {
            (Some(id), _) => self.confirmed(id, mac, at),
            (None, Some(true)) => false,
            (None, Some(false)) => {
                self.answered(address, mac, now);
                true
            }
            (None, None) => {
                if admit {
                    self.place(address, mac, false, at);
                }
                true
            }
        };
        self.due = self.queries.due();
        believed
    }

    /// Takes what `mac` says for a confirmation by the neighbour, unless another station has the
    /// address.
    fn confirmed(&mut self, id: Id, mac: Mac, now: Stamp) -> bool {
        let Some(entry) = self.table.get_mut(id) else {
            return true;
        };
        let address = entry.address();
        let age = entry.confirmed_at.age(now);
        if entry.mac == mac || age >= HELD {
            (entry.mac, entry.confirmed_at) = (mac, now);
            self.queries.remove(address);
            return true;
        }
        if age >= ASK_INTERVAL {
            self.queries.confirm(address, entry.mac);
        }
        false
    }

    /// Gives a neighbour that was asked for its place.
    fn answered(&mut self, address: Ipv4Addr, mac: Mac, now: Instant) {
        let at = Stamp::of(now);
        match self.place(address, mac, true, at) {
            Some(id) => {
                self.queries.remove(address);
                self.table.touch(id, at);
            }
            None => self.queries.keep_answer(address, mac, now),
        }
    }

    /// When [`Self::take_ask`] or [`Self::give_up`] has something to do.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The next question to send at `now`, if one is due. The caller sends it.
    pub(crate) fn take_ask(&mut self, now: Instant) -> Option<Ask> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        let ask = self.queries.take_ask(now);
        if ask.is_none() {
            self.due = self.queries.due();
        }
        ask
    }

    /// Forgets those who have not answered. Returns whether there were any.
    pub(crate) fn give_up(&mut self, now: Instant) -> bool {
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

    /// Gives `address` a place, free or another's. If it is `needed`, because something is to be
    /// sent there, that can be one that is in use, but not busy; else only one that is not in
    /// use.
    fn place(&mut self, address: Ipv4Addr, mac: Mac, needed: bool, now: Stamp) -> Option<Id> {
        if let Some(id) = self.table.insert(address, mac, now) {
            return Some(id);
        }
        let unused = self
            .table
            .oldest(true, self.kept)
            .filter(|id| self.is_unused_for(*id, IN_USE, now));
        let silent = || self.table.oldest(false, self.kept);
        let idle = || {
            self.table
                .oldest(true, self.kept)
                .filter(|id| needed && self.is_unused_for(*id, BUSY, now))
        };
        let id = unused.or_else(silent).or_else(idle)?;
        if let Some(entry) = self.table.get(id) {
            self.queries.remove(entry.address());
        }
        self.table.remove(id);
        self.table.insert(address, mac, now)
    }

    fn is_unused_for(&self, id: Id, time: Duration, now: Stamp) -> bool {
        self.table
            .get(id)
            .and_then(|entry| entry.unused_for(now))
            .is_none_or(|unused| unused >= time)
    }
}
