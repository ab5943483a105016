//! ARP probes for the application: is an address in use on a side? (RFC 5227 section 2.1.1)

use core::net::Ipv4Addr;
use core::task::{Poll, Waker};
use core::time::Duration;

use embassy_sync::waitqueue::{MultiWakerRegistration, WakerRegistration};
use nat_core::{Instant, Side};

use crate::arp::{Operation, Packet};
use crate::ethernet::Mac;

/// Addresses that can be probed at once. Further callers wait for their turn.
const CAPACITY: usize = 8;

/// Probes sent for one address (`PROBE_NUM`).
const PROBES: u8 = 3;

/// Time between two probes. The 1 to 2 s of RFC 5227 (`PROBE_MIN`, `PROBE_MAX`) are too long for a
/// DHCP server: its client stops waiting for an OFFER after 4 s (RFC 2131 section 4.1), and many
/// clients do so earlier.
const INTERVAL: Duration = Duration::from_millis(250);

/// Time from the first probe to the result if no station answers. Half of it is for the answer to
/// the last probe.
const DURATION: Duration = Duration::from_millis(1000);

/// The probes that callers wait for.
pub(crate) struct Probes {
    slots: [Option<Probe>; CAPACITY],
    /// The number of slots in use. Each pass of the router asks for due probes; while this is
    /// zero, the slots need not be searched.
    used: usize,
    /// Callers that found no free slot.
    queue: MultiWakerRegistration<CAPACITY>,
}

/// The probes for one address.
struct Probe {
    side: Side,
    address: Ipv4Addr,
    progress: Progress,
    caller: WakerRegistration,
}

#[derive(Clone, Copy)]
enum Progress {
    /// The router has not started it yet.
    New,
    Probing {
        sent: u8,
        next_at: Instant,
        ends_at: Instant,
    },
    /// The station that answered, if one did.
    Done(Option<Mac>),
}

impl Probe {
    fn end(&mut self, result: Option<Mac>) {
        if !matches!(self.progress, Progress::Done(_)) {
            self.progress = Progress::Done(result);
            self.caller.wake();
        }
    }

    /// When to send its next ARP packet.
    fn next_at(&self) -> Option<Instant> {
        match self.progress {
            Progress::Probing { sent, next_at, .. } if sent < PROBES => Some(next_at),
            _ => None,
        }
    }

    fn ends_at(&self) -> Option<Instant> {
        match self.progress {
            Progress::Probing { ends_at, .. } => Some(ends_at),
            _ => None,
        }
    }

    /// Whether `packet` shows that another station has the address, or is about to use it.
    fn is_answered_by(&self, packet: &Packet, operation: Operation) -> bool {
        let probed = operation == Operation::Request && packet.sender().is_unspecified();
        packet.sender() == self.address || (probed && packet.target() == self.address)
    }
}

impl Probes {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [const { None }; CAPACITY],
            used: 0,
            queue: MultiWakerRegistration::new(),
        }
    }

    /// Begins to probe for `address`. Returns the slot of the probe. If none is free, `waker` is
    /// woken when one may be.
    pub(crate) fn begin(&mut self, side: Side, address: Ipv4Addr, waker: &Waker) -> Poll<usize> {
        let Some((index, slot)) = self
            .slots
            .iter_mut()
            .enumerate()
            .find(|(_, slot)| slot.is_none())
        else {
            self.queue.register(waker);
            return Poll::Pending;
        };
        *slot = Some(Probe {
            side,
            address,
            progress: Progress::New,
            caller: WakerRegistration::new(),
        });
        self.used += 1;
        Poll::Ready(index)
    }

    /// The result of the probe in a slot. Before there is one, `waker` is registered.
    pub(crate) fn poll(&mut self, index: usize, waker: &Waker) -> Poll<Option<Mac>> {
        let Some(probe) = self.slots.get_mut(index).and_then(Option::as_mut) else {
            return Poll::Ready(None);
        };
        if let Progress::Done(result) = probe.progress {
            return Poll::Ready(result);
        }
        probe.caller.register(waker);
        Poll::Pending
    }

    /// Frees a slot.
    pub(crate) fn release(&mut self, index: usize) {
        if self.slots.get_mut(index).and_then(Option::take).is_some() {
            self.used -= 1;
            self.queue.wake();
        }
    }

    /// Whether there are probes.
    pub(crate) const fn are_in_use(&self) -> bool {
        self.used > 0
    }

    fn probes_mut(&mut self, side: Side) -> impl Iterator<Item = &mut Probe> {
        let slots = if self.used == 0 {
            &mut [][..]
        } else {
            &mut self.slots
        };
        slots
            .iter_mut()
            .flatten()
            .filter(move |probe| probe.side == side)
    }

    fn probes(&self) -> impl Iterator<Item = &Probe> {
        let slots = if self.used == 0 { &[] } else { &self.slots[..] };
        slots.iter().flatten()
    }

    /// Starts the new probes on `side`, and ends those whose time is over. If the side cannot send
    /// ARP packets, all its probes end at once.
    pub(crate) fn advance(&mut self, side: Side, can_query: bool, now: Instant) {
        for probe in self.probes_mut(side) {
            if !can_query || probe.ends_at().is_some_and(|at| at <= now) {
                probe.end(None);
            } else if matches!(probe.progress, Progress::New) {
                let ends_at = now.saturating_add(DURATION);
                probe.progress = Progress::Probing {
                    sent: 0,
                    next_at: now,
                    ends_at,
                };
            }
        }
    }

    /// Whether [`Self::take_due`] has an address to probe.
    pub(crate) fn is_due(&self, side: Side, now: Instant) -> bool {
        self.probes()
            .filter(|probe| probe.side == side)
            .filter_map(Probe::next_at)
            .any(|at| at <= now)
    }

    /// The next address to probe on `side`. The caller sends the probe.
    pub(crate) fn take_due(&mut self, side: Side, now: Instant) -> Option<Ipv4Addr> {
        let probe = self
            .probes_mut(side)
            .find(|probe| probe.next_at().is_some_and(|at| at <= now))?;
        if let Progress::Probing { sent, next_at, .. } = &mut probe.progress {
            *sent = sent.saturating_add(1);
            *next_at = now.saturating_add(INTERVAL);
        }
        Some(probe.address)
    }

    /// The next time after `now` at which there is something to do. A probe that is due already
    /// waits for a transmit token of its driver.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        self.probes()
            .flat_map(|probe| [probe.next_at(), probe.ends_at()])
            .flatten()
            .filter(|at| *at > now)
            .min()
    }

    /// Ends the probes that an ARP packet of another station on `side` answers.
    pub(crate) fn note_packet(&mut self, side: Side, packet: &Packet, operation: Operation) {
        for probe in self
            .probes_mut(side)
            .filter(|probe| probe.is_answered_by(packet, operation))
        {
            probe.end(Some(packet.sender_mac));
        }
    }
}
