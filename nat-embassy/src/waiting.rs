//! Packets that wait until the station of their next hop is known.

use core::net::Ipv4Addr;

use crate::ethernet::Header;
use crate::local::MTU;

const MAX_DATAGRAM: usize = MTU - Header::LEN;

/// The newest packets for neighbours that are being asked for (RFC 1122 section 2.3.2.2).
pub(crate) struct WaitingPackets<'d> {
    slots: &'d mut [Slot],
    /// Counts packets, to tell which came first.
    arrivals: u32,
    /// How many wait.
    count: usize,
}

/// The place of one packet.
pub(crate) struct Slot {
    /// Unspecified: free.
    next_hop: Ipv4Addr,
    arrival: u32,
    len: usize,
    datagram: [u8; MAX_DATAGRAM],
}

/// What became of a packet that should wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stored {
    /// It waits.
    Kept,
    /// It waits, in the place of an older packet, which is lost.
    Replaced,
    /// It is too long to wait.
    TooLong,
}

impl Slot {
    pub(crate) const FREE: Self = Self {
        next_hop: Ipv4Addr::UNSPECIFIED,
        arrival: 0,
        len: 0,
        datagram: [0; MAX_DATAGRAM],
    };

    fn is_free(&self) -> bool {
        self.next_hop.is_unspecified()
    }

    fn free(&mut self) {
        self.next_hop = Ipv4Addr::UNSPECIFIED;
    }
}

impl<'d> WaitingPackets<'d> {
    pub(crate) const fn new(slots: &'d mut [Slot]) -> Self {
        Self {
            slots,
            arrivals: 0,
            count: 0,
        }
    }

    /// Keeps a copy of `datagram`, in a free place, else in that of the oldest packet for
    /// `next_hop`, else in that of the packet that has waited longest.
    pub(crate) fn put(&mut self, next_hop: Ipv4Addr, datagram: &[u8]) -> Stored {
        let arrivals = self.arrivals;
        // Wrap-safe: the age of a packet, not its number, says which came first.
        let rank = |slot: &Slot| {
            (
                slot.is_free(),
                slot.next_hop == next_hop,
                arrivals.wrapping_sub(slot.arrival),
            )
        };
        let Some(slot) = self.slots.iter_mut().max_by_key(|slot| rank(slot)) else {
            return Stored::TooLong;
        };
        let Some(copy) = slot.datagram.get_mut(..datagram.len()) else {
            return Stored::TooLong;
        };
        copy.copy_from_slice(datagram);
        let stored = if slot.is_free() {
            Stored::Kept
        } else {
            Stored::Replaced
        };
        self.count += usize::from(slot.is_free());
        slot.len = datagram.len();
        slot.next_hop = next_hop;
        slot.arrival = arrivals;
        self.arrivals = arrivals.wrapping_add(1);
        stored
    }

    /// Whether a packet waits for a next hop of which `condition` holds.
    pub(crate) fn any(&self, mut condition: impl FnMut(Ipv4Addr) -> bool) -> bool {
        self.count > 0
            && self
                .slots
                .iter()
                .any(|slot| !slot.is_free() && condition(slot.next_hop))
    }

    /// Takes out the oldest packet for whose next hop `lookup` finds something.
    pub(crate) fn take<T>(&mut self, lookup: impl Fn(Ipv4Addr) -> Option<T>) -> Option<(T, &[u8])> {
        let arrivals = self.arrivals;
        let waiting = self.slots.iter_mut().filter(|slot| !slot.is_free());
        let found = waiting.filter_map(|slot| lookup(slot.next_hop).map(|found| (found, slot)));
        let (found, slot) = found.max_by_key(|(_, slot)| arrivals.wrapping_sub(slot.arrival))?;
        slot.free();
        self.count -= 1;
        Some((found, slot.datagram.get(..slot.len)?))
    }

    /// Whether one more can wait without the loss of another.
    pub(crate) const fn has_room(&self) -> bool {
        self.count < self.slots.len()
    }

    /// Takes out a packet for whose next hop `keep` does not hold.
    pub(crate) fn take_orphan(&mut self, keep: impl Fn(Ipv4Addr) -> bool) -> Option<&[u8]> {
        let slot = self
            .slots
            .iter_mut()
            .find(|slot| !slot.is_free() && !keep(slot.next_hop))?;
        slot.free();
        self.count -= 1;
        slot.datagram.get(..slot.len)
    }

    /// Drops the packets for whose next hop `keep` does not hold. Returns how many.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(Ipv4Addr) -> bool) -> u32 {
        let mut dropped = 0;
        for slot in self.slots.iter_mut().filter(|slot| !slot.is_free()) {
            if !keep(slot.next_hop) {
                slot.free();
                self.count -= 1;
                dropped += 1;
            }
        }
        dropped
    }
}
