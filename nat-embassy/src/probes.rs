//! Whether an address is in use on a side: ARP probes for the application (RFC 5227 section 2.1.1).

use core::net::Ipv4Addr;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;

use embassy_sync::waitqueue::{MultiWakerRegistration, WakerRegistration};
use nat_core::{Instant, Side, Width};

use crate::arp::{Operation, Packet};
use crate::control::{Control, Shared};
use crate::ethernet::Mac;

/// Addresses that can be probed at once. A caller with one more waits for its turn.
const CAPACITY: usize = 8;

/// Probes sent for one address (`PROBE_NUM`).
const PROBES: u8 = 3;

/// Time between two probes. RFC 5227 waits 1 to 2 s (`PROBE_MIN`, `PROBE_MAX`), which is too long
/// for a DHCP server: its client gives up waiting for an OFFER after 4 s (RFC 2131 section 4.1),
/// and many do sooner.
const INTERVAL: Duration = Duration::from_millis(250);

/// Time from the first probe to the result, when nobody has answered. Half of it is left for the
/// answer to the last probe.
const DURATION: Duration = Duration::from_millis(1000);

/// The probes that callers wait for.
pub(crate) struct Probes {
    places: [Option<Probe>; CAPACITY],
    /// How many places are taken, so that none need be looked at while none is: each pass of the
    /// router wants to know.
    taken: usize,
    /// Callers that found no place.
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
    /// The router has not seen it yet.
    New,
    Asking {
        sent: u8,
        next_at: Instant,
        ends_at: Instant,
    },
    Over(Option<Mac>),
}

impl Probe {
    fn end(&mut self, result: Option<Mac>) {
        if !matches!(self.progress, Progress::Over(_)) {
            self.progress = Progress::Over(result);
            self.caller.wake();
        }
    }

    /// When the next of its probes is to be sent.
    fn next_at(&self) -> Option<Instant> {
        match self.progress {
            Progress::Asking { sent, next_at, .. } if sent < PROBES => Some(next_at),
            _ => None,
        }
    }

    fn ends_at(&self) -> Option<Instant> {
        match self.progress {
            Progress::Asking { ends_at, .. } => Some(ends_at),
            _ => None,
        }
    }

    /// Whether `packet` shows that another station has the address, or is about to take it.
    fn is_answered_by(&self, packet: &Packet, operation: Operation) -> bool {
        let probed = operation == Operation::Request && packet.sender().is_unspecified();
        packet.sender() == self.address || (probed && packet.target() == self.address)
    }
}

impl Probes {
    pub(crate) const fn new() -> Self {
        Self {
            places: [const { None }; CAPACITY],
            taken: 0,
            queue: MultiWakerRegistration::new(),
        }
    }

    /// Begins to probe for `address`: the place of the probe. When there is none, `waker` is woken
    /// once there may be one.
    fn begin(&mut self, side: Side, address: Ipv4Addr, waker: &Waker) -> Poll<usize> {
        let Some((index, place)) = self
            .places
            .iter_mut()
            .enumerate()
            .find(|(_, place)| place.is_none())
        else {
            self.queue.register(waker);
            return Poll::Pending;
        };
        *place = Some(Probe {
            side,
            address,
            progress: Progress::New,
            caller: WakerRegistration::new(),
        });
        self.taken += 1;
        Poll::Ready(index)
    }

    fn poll(&mut self, index: usize, waker: &Waker) -> Poll<Option<Mac>> {
        let Some(probe) = self.places.get_mut(index).and_then(Option::as_mut) else {
            return Poll::Ready(None);
        };
        if let Progress::Over(result) = probe.progress {
            return Poll::Ready(result);
        }
        probe.caller.register(waker);
        Poll::Pending
    }

    fn release(&mut self, index: usize) {
        if self.places.get_mut(index).and_then(Option::take).is_some() {
            self.taken -= 1;
            self.queue.wake();
        }
    }

    fn all(&mut self, side: Side) -> impl Iterator<Item = &mut Probe> {
        let places = if self.taken == 0 {
            &mut [][..]
        } else {
            &mut self.places
        };
        places
            .iter_mut()
            .flatten()
            .filter(move |probe| probe.side == side)
    }

    /// The places, or none of them while all are free.
    fn taken(&self) -> &[Option<Probe>] {
        if self.taken == 0 { &[] } else { &self.places }
    }

    /// Starts what is new on `side`, and ends what has had its time. Where the side cannot ask, all
    /// ends at once.
    pub(crate) fn advance(&mut self, side: Side, can_ask: bool, now: Instant) {
        for probe in self.all(side) {
            if !can_ask || probe.ends_at().is_some_and(|at| at <= now) {
                probe.end(None);
            } else if matches!(probe.progress, Progress::New) {
                let ends_at = now.saturating_add(DURATION);
                probe.progress = Progress::Asking {
                    sent: 0,
                    next_at: now,
                    ends_at,
                };
            }
        }
    }

    /// Whether [`Self::take`] has an address to ask for.
    pub(crate) fn is_due(&self, side: Side, now: Instant) -> bool {
        let probes = self
            .taken()
            .iter()
            .flatten()
            .filter(|probe| probe.side == side);
        probes.filter_map(Probe::next_at).any(|at| at <= now)
    }

    /// The next address to ask for on `side`. The caller asks.
    pub(crate) fn take(&mut self, side: Side, now: Instant) -> Option<Ipv4Addr> {
        let probe = self
            .all(side)
            .find(|probe| probe.next_at().is_some_and(|at| at <= now))?;
        if let Progress::Asking { sent, next_at, .. } = &mut probe.progress {
            *sent = sent.saturating_add(1);
            *next_at = now.saturating_add(INTERVAL);
        }
        Some(probe.address)
    }

    /// When something is to be done after `now`. A probe that is due already waits for room in its
    /// driver.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let probes = self.taken().iter().flatten();
        probes
            .flat_map(|probe| [probe.next_at(), probe.ends_at()])
            .flatten()
            .filter(|at| *at > now)
            .min()
    }

    /// Takes note of an ARP packet that another station has sent on `side`.
    pub(crate) fn hear(&mut self, side: Side, packet: &Packet, operation: Operation) {
        for probe in self
            .all(side)
            .filter(|probe| probe.is_answered_by(packet, operation))
        {
            probe.end(Some(packet.sender_mac));
        }
    }
}

/// The future of [`Control::probe`].
#[must_use = "futures do nothing unless polled"]
pub struct Probing<'d, W: Width = u16> {
    shared: &'d Shared<'d, W>,
    side: Side,
    address: Ipv4Addr,
    /// The place of the probe, from the first poll that has found one to the result.
    place: Option<usize>,
}

impl<W: Width> Future for Probing<'_, W> {
    type Output = Option<[u8; 6]>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            shared,
            side,
            address,
            place,
        } = &mut *self;
        if address.is_unspecified() || address.is_broadcast() || address.is_multicast() {
            return Poll::Ready(None);
        }
        shared.with(|inner| {
            let index = match *place {
                Some(index) => index,
                None => {
                    let index = ready!(inner.probes.begin(*side, *address, cx.waker()));
                    inner.waker.wake();
                    *place.insert(index)
                }
            };
            let answer = ready!(inner.probes.poll(index, cx.waker()));
            *place = None;
            inner.probes.release(index);
            Poll::Ready(answer.map(|station| station.0))
        })
    }
}

impl<W: Width> Drop for Probing<'_, W> {
    fn drop(&mut self) {
        if let Some(index) = self.place {
            self.shared.with(|inner| inner.probes.release(index));
        }
    }
}

impl<'d, W: Width> Control<'d, W> {
    /// Asks by ARP whether a station on `side` has `address`, as RFC 5227 section 2.1.1 has it:
    /// before a DHCP server offers the address, and before a DHCP client uses it. Returns the
    /// hardware address of the first station that answered.
    ///
    /// Three probes are sent, 250 ms apart, each from the sender address 0.0.0.0, so that no
    /// station learns anything from them; the side needs no configuration. Any ARP packet that
    /// says a station has the address is an answer. So is the probe of another station for it,
    /// which is about to use it. The router's own packets are not.
    ///
    /// `None` comes 1 s after the first probe when nobody has answered. It comes at once when
    /// nobody can be asked: the link of that side is down or goes down, the side is without
    /// Ethernet, or no station can have the address. A driver that has no room for a probe all
    /// that time counts as silence.
    ///
    /// Eight addresses can be probed at a time; further callers wait for their turn first. The
    /// probe begins when the future is polled first, and ends when it is dropped. The runner
    /// must run meanwhile.
    pub const fn probe(&self, side: Side, address: Ipv4Addr) -> Probing<'d, W> {
        Probing {
            shared: self.shared,
            side,
            address,
            place: None,
        }
    }
}
