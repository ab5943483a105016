//! Packets that wait until the hardware address of their next hop is known.

use core::net::Ipv4Addr;

use crate::ethernet::Header;
use crate::stack_interface::MAX_FRAME_LEN;

const MAX_DATAGRAM: usize = MAX_FRAME_LEN - Header::LEN;

/// The newest packets for neighbours that are being queried (RFC 1122 section 2.3.2.2).
pub(crate) struct WaitingPackets<'d> {
    slots: &'d mut [Slot],
    /// The number of packets so far, wrapping. It gives their order.
    arrivals: u32,
    /// The number of packets that wait.
    count: usize,
}

/// The memory for one packet.
pub(crate) struct Slot {
    /// Unspecified when the slot is free.
    next_hop: Ipv4Addr,
    arrival: u32,
    len: usize,
    datagram: [u8; MAX_DATAGRAM],
}

/// The result of [`WaitingPackets::put`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stored {
    /// The packet waits.
    Kept,
    /// The packet waits in the slot of an older one, which is lost.
    Replaced,
    /// The packet is too long for a slot, and is lost.
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

    /// Copies `datagram` into a free slot. If there is none, it evicts the oldest packet for
    /// `next_hop`, or else the oldest packet of all.
    pub(crate) fn put(&mut self, next_hop: Ipv4Addr, datagram: &[u8]) -> Stored {
        let arrivals = self.arrivals;
        // The age of a packet gives the order even when its number has wrapped.
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

    /// Whether a packet waits for a next hop that meets `condition`.
    pub(crate) fn any(&self, mut condition: impl FnMut(Ipv4Addr) -> bool) -> bool {
        // The count spares the search in nearly all passes.
        self.count > 0
            && self
                .slots
                .iter()
                .any(|slot| !slot.is_free() && condition(slot.next_hop))
    }

    /// Takes out the oldest packet whose next hop `lookup` finds. Returns what it found, too.
    pub(crate) fn take<T>(&mut self, lookup: impl Fn(Ipv4Addr) -> Option<T>) -> Option<(T, &[u8])> {
        let arrivals = self.arrivals;
        let waiting = self.slots.iter_mut().filter(|slot| !slot.is_free());
        let found = waiting.filter_map(|slot| lookup(slot.next_hop).map(|found| (found, slot)));
        // The oldest first, so that the packets of a flow leave in order.
        let (found, slot) = found.max_by_key(|(_, slot)| arrivals.wrapping_sub(slot.arrival))?;
        slot.free();
        self.count -= 1;
        Some((found, slot.datagram.get(..slot.len)?))
    }

    /// Whether a packet can wait without the loss of another.
    pub(crate) const fn has_free_slot(&self) -> bool {
        self.count < self.slots.len()
    }

    /// Takes out a packet whose next hop does not meet `keep`.
    pub(crate) fn take_unresolved(&mut self, keep: impl Fn(Ipv4Addr) -> bool) -> Option<&[u8]> {
        let slot = self
            .slots
            .iter_mut()
            .find(|slot| !slot.is_free() && !keep(slot.next_hop))?;
        slot.free();
        self.count -= 1;
        slot.datagram.get(..slot.len)
    }

    /// Drops the packets whose next hop does not meet `keep`. Returns how many.
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
