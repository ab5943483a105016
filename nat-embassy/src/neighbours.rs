//! Which station has which address: the ARP cache of one side (RFC 1122 section 2.3.2).

use core::net::Ipv4Addr;
use core::time::Duration;

use nat_core::Instant;

use crate::ethernet::Mac;

/// Neighbours that one side remembers. When one more is needed, the one unused for longest makes room.
const CAPACITY: usize = 32;

/// Neighbours that can be asked for at once while nothing is known of them, the gateway apart. Whoever scans a network leaves
/// the other places to those who are there.
const MAX_UNKNOWN: usize = CAPACITY / 2;

/// How long what a neighbour said is believed without asking again.
const FRESH: Duration = Duration::from_secs(60);

/// How long nobody else is believed who claims its address, unless it no longer answers. Longer than [`FRESH`], so that a
/// neighbour in use has been asked again before.
const HELD: Duration = Duration::from_secs(120);

/// How long to wait for an answer before asking again (RFC 1122 section 2.3.2.1: at most one a second).
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// How often a neighbour is asked for before it counts as absent.
const ASKS: u8 = 3;

/// The neighbours of one side, keyed by address: two addresses of one station are two neighbours.
///
/// Addresses are learned from ARP alone, never from the source of a forwarded packet: that would let any host redirect
/// another's traffic with a single forged datagram, and would put hosts here that nobody talks to.
pub(crate) struct Neighbours {
    entries: [Neighbour; CAPACITY],
    /// The entry used last, which is mostly the next one too.
    last: usize,
    /// The gateway: never the one that makes room.
    kept: Ipv4Addr,
    /// No ask is due, and none fails, before this; `None` when nothing is being asked.
    due: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Neighbour {
    /// Unspecified: free.
    address: Ipv4Addr,
    /// Zero: not known yet.
    mac: Mac,
    /// Whether something was sent to it. If not, it has only spoken to us.
    used: bool,
    asking: bool,
    /// Asks sent since `asking` was set.
    asks: u8,
    asked_at: Instant,
    confirmed_at: Instant,
    /// When something was sent to it last, or it got its place.
    used_at: Instant,
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
    /// The station that had the address before: asked alone, to spare the others (RFC 1122 section 2.3.2.1 (2)).
    pub(crate) station: Option<Mac>,
}

impl Neighbour {
    const FREE: Self = Self {
        address: Ipv4Addr::UNSPECIFIED,
        mac: Mac::ZERO,
        used: false,
        asking: false,
        asks: 0,
        asked_at: Instant::from_millis(0),
        confirmed_at: Instant::from_millis(0),
        used_at: Instant::from_millis(0),
    };

    fn is_free(&self) -> bool {
        self.address.is_unspecified()
    }

    fn is_known(&self) -> bool {
        self.mac != Mac::ZERO
    }

    /// When to ask next, or to give up; `None` when nothing is being asked.
    fn due(&self) -> Option<Instant> {
        match (self.asking, self.asks) {
            (false, _) => None,
            (true, 0) => Some(Instant::from_millis(0)),
            (true, _) => Some(self.asked_at.saturating_add(ASK_INTERVAL)),
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    fn has_failed(&self, now: Instant) -> bool {
        self.asks >= ASKS && self.is_due(now)
    }

    /// Whether one that is `needed`, or has only spoken to us, may take its place. One that has not answered yet stays until
    /// it counts as absent, so that making room cannot be used to ask for the same address more often.
    fn may_go(&self, needed: bool, now: Instant) -> bool {
        self.is_known() && (needed || !self.is_in_use(now))
    }

    fn is_in_use(&self, now: Instant) -> bool {
        self.used && now.saturating_duration_since(self.used_at) < FRESH
    }

    /// Whether another station than `mac` has its address, as far as is known.
    fn is_held_against(&self, mac: Mac, now: Instant) -> bool {
        self.is_known() && self.mac != mac && now.saturating_duration_since(self.confirmed_at) < HELD
    }

    fn start_asking(&mut self) {
        self.asking = true;
        self.asks = 0;
    }
}

impl Neighbours {
    pub(crate) const fn new() -> Self {
        Self { entries: [Neighbour::FREE; CAPACITY], last: 0, kept: Ipv4Addr::UNSPECIFIED, due: None }
    }

    /// Forgets everybody, and never lets `keep` make room from now on.
    pub(crate) fn reset(&mut self, keep: Option<Ipv4Addr>) {
        *self = Self { kept: keep.unwrap_or(Ipv4Addr::UNSPECIFIED), ..Self::new() };
    }

    /// The station of `address`, which a packet is to be sent to now. If it is not known, or was confirmed too long ago,
    /// it is going to be asked for.
    pub(crate) fn next_hop(&mut self, address: Ipv4Addr, now: Instant) -> NextHop {
        let Some(index) = self.find(address).or_else(|| self.claim(address, true, now)) else {
            return NextHop::Full;
        };
        self.last = index;
        let Some(entry) = self.entries.get_mut(index) else {
            return NextHop::Full;
        };
        (entry.used, entry.used_at) = (true, now);
        let stale = !entry.is_known() || now.saturating_duration_since(entry.confirmed_at) >= FRESH;
        if stale && !entry.asking {
            entry.start_asking();
            self.due = Some(Instant::from_millis(0));
        }
        if entry.is_known() { NextHop::Known(entry.mac) } else { NextHop::Asked }
    }

    /// The station of `address` if it is known. Unlike [`Self::next_hop`], changes nothing.
    pub(crate) fn station(&self, address: Ipv4Addr) -> Option<Mac> {
        let entry = self.entries.get(self.find(address)?)?;
        entry.is_known().then_some(entry.mac)
    }

    /// Whether `address` has a place here, known or being asked for.
    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        self.find(address).is_some()
    }

    /// Believes that `mac` has `address`. One who is not here yet gets a place only if `admit` is set (RFC 826: who
    /// speaks to us is going to be spoken to; what others say among themselves is not worth a place).
    ///
    /// Returns `false` if another station has said the same not long ago. That one is asked again then, at most once a
    /// second, and when it does not answer, its place is free for whoever does.
    pub(crate) fn learn(&mut self, address: Ipv4Addr, mac: Mac, admit: bool, now: Instant) -> bool {
        let place = self.find(address).or_else(|| if admit { self.claim(address, false, now) } else { None });
        let Some(entry) = place.and_then(|index| self.entries.get_mut(index)) else {
            return true;
        };
        if !entry.is_held_against(mac, now) {
            (entry.mac, entry.asking, entry.confirmed_at) = (mac, false, now);
            return true;
        }
        if !entry.asking && now.saturating_duration_since(entry.confirmed_at) >= ASK_INTERVAL {
            entry.start_asking();
            self.due = Some(Instant::from_millis(0));
        }
        false
    }

    /// When [`Self::take_ask`] or [`Self::give_up`] has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The next question to send at `now`, if one is due. The caller sends it.
    pub(crate) fn take_ask(&mut self, now: Instant) -> Option<Ask> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        let entry = self.entries.iter_mut().find(|entry| entry.asks < ASKS && entry.is_due(now));
        let ask = entry.map(|entry| {
            entry.asks += 1;
            entry.asked_at = now;
            Ask { address: entry.address, station: entry.is_known().then_some(entry.mac) }
        });
        if ask.is_none() {
            self.update_due();
        }
        ask
    }

    /// Forgets those who have not answered. Returns whether there were any.
    pub(crate) fn give_up(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let mut any = false;
        for entry in self.entries.iter_mut().filter(|entry| entry.has_failed(now)) {
            *entry = Neighbour::FREE;
            any = true;
        }
        self.update_due();
        any
    }

    fn update_due(&mut self) {
        self.due = self.entries.iter().filter_map(Neighbour::due).min();
    }

    fn find(&self, address: Ipv4Addr) -> Option<usize> {
        if self.entries.get(self.last).is_some_and(|entry| entry.address == address) {
            return Some(self.last);
        }
        self.entries.iter().position(|entry| entry.address == address)
    }

    /// Gives `address` a place: a free one, or that of the neighbour unused for longest. If it is `needed`, because something is
    /// to be sent there, that can be any; else only one that is not in use.
    fn claim(&mut self, address: Ipv4Addr, needed: bool, now: Instant) -> Option<usize> {
        let kept = self.kept;
        let unknown = self.entries.iter().filter(|entry| !entry.is_free() && !entry.is_known()).count();
        if needed && unknown >= MAX_UNKNOWN && address != kept {
            return None;
        }
        let free = self.entries.iter().position(Neighbour::is_free);
        let index = free.or_else(|| {
            let candidates = self.entries.iter().enumerate();
            let candidates = candidates.filter(|(_, entry)| entry.address != kept && entry.may_go(needed, now));
            candidates.min_by_key(|(_, entry)| (entry.is_in_use(now), entry.used_at)).map(|(index, _)| index)
        })?;
        *self.entries.get_mut(index)? = Neighbour { address, used_at: now, ..Neighbour::FREE };
        Some(index)
    }
}
