//! Stations that claim an address of the router, as the application hears of them (RFC 5227 section
//! 2.4).

use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::task::{Poll, Waker};

use embassy_sync::waitqueue::MultiWakerRegistration;
use nat_core::{Side, Width};

use crate::control::Control;
use crate::ethernet::Mac;

/// Callers that can wait for a conflict without waking one another needlessly.
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
    /// Counts them, to tell a new one from the one before.
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
            station: station.0,
        });
        *count = count.wrapping_add(1);
        self.callers.wake();
    }

    /// How many there were on `side`, and the latest.
    const fn of(&self, side: Side) -> (u32, Option<AddressConflict>) {
        let ([inside, outside], [inside_count, outside_count]) = (self.latest, self.counts);
        match side {
            Side::Inside => (inside_count, inside),
            Side::Outside => (outside_count, outside),
        }
    }

    fn poll(&mut self, side: Side, seen: u32, waker: &Waker) -> Poll<AddressConflict> {
        match self.of(side) {
            (count, Some(latest)) if count != seen => Poll::Ready(latest),
            _ => {
                self.callers.register(waker);
                Poll::Pending
            }
        }
    }
}

impl<W: Width> Control<'_, W> {
    /// Waits for the next ARP packet in which another station claims an address of the router on
    /// `side`.
    ///
    /// Each of them counts as [`FrameDrop::DuplicateAddress`](crate::FrameDrop::DuplicateAddress)
    /// too, and the router announces its addresses in return, at most every 10 s. Whoever
    /// leases the address, such as a DHCP client, may give it up when there is a second
    /// conflict within these 10 s (RFC 5227 section 2.4 (b)).
    pub async fn conflict(&self, side: Side) -> AddressConflict {
        let (seen, _) = self.shared.with(|inner| inner.conflicts.of(side));
        poll_fn(|cx| {
            self.shared
                .with(|inner| inner.conflicts.poll(side, seen, cx.waker()))
        })
        .await
    }
}
