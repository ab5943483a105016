//! Stations that claim an address of the router, reported to the application (RFC 5227 section
//! 2.4).

use core::net::Ipv4Addr;
use core::task::{Poll, Waker};

use embassy_sync::waitqueue::MultiWakerRegistration;
use nat_core::Side;

use crate::ethernet::Mac;

/// Tasks that can wait for a conflict. With more of them, each that registers wakes the others.
const CALLERS: usize = 4;

/// A station has claimed an address of the router.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AddressConflict {
    /// The address of the router.
    pub address: Ipv4Addr,
    /// The hardware address of the other station.
    pub station: [u8; 6],
}

/// The latest conflict of each side.
pub(crate) struct Conflicts {
    latest: [Option<AddressConflict>; 2],
    /// The number of conflicts so far, wrapping: it tells a new one from the one before.
    counts: [u32; 2],
    callers: MultiWakerRegistration<CALLERS>,
}

impl Conflicts {
    pub(crate) const fn new() -> Self {
        Self {
            latest: [None; 2],
            counts: [0; 2],
            callers: MultiWakerRegistration::new(),
        }
    }

    /// Notes that `station` claims `address`.
    pub(crate) fn note(&mut self, side: Side, address: Ipv4Addr, station: Mac) {
        let [inside, outside] = &mut self.latest;
        let [inside_count, outside_count] = &mut self.counts;
        let (latest, count) = match side {
            Side::Inside => (inside, inside_count),
            Side::Outside => (outside, outside_count),
        };
        *latest = Some(AddressConflict {
            address,
            station: station.octets(),
        });
        *count = count.wrapping_add(1);
        self.callers.wake();
    }

    /// The number of conflicts on `side` so far, wrapping.
    pub(crate) const fn count(&self, side: Side) -> u32 {
        let [inside, outside] = self.counts;
        match side {
            Side::Inside => inside,
            Side::Outside => outside,
        }
    }

    const fn latest(&self, side: Side) -> Option<AddressConflict> {
        let [inside, outside] = self.latest;
        match side {
            Side::Inside => inside,
            Side::Outside => outside,
        }
    }

    /// The latest conflict on `side`, once their number differs from `seen`.
    pub(crate) fn poll(&mut self, side: Side, seen: u32, waker: &Waker) -> Poll<AddressConflict> {
        match self.latest(side) {
            Some(latest) if self.count(side) != seen => Poll::Ready(latest),
            _ => {
                self.callers.register(waker);
                Poll::Pending
            }
        }
    }
}
