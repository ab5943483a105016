//! The handle by which the application reaches the running router.

#[cfg(feature = "embassy-net")]
mod follow;
mod probe;

use core::future::poll_fn;

use nat_core::{EventHook, Instant, Nat, Side, Width};

use crate::config::Outside;
use crate::conflicts::AddressConflict;
use crate::deadline::Deadline;
use crate::ethernet::Header;
use crate::shared::Shared;
use crate::stats::{FrameDrop, FrameStats};

pub use probe::Probing;

/// The handle by which the application reaches the running router. All copies reach the same one.
///
/// It is not [`Send`], nor are the [`Runner`](crate::Runner) and the devices: all of them belong to
/// one executor. From elsewhere, send messages to a task that has a copy.
#[derive(Clone, Copy)]
pub struct Control<'d, W: Width = u16> {
    shared: &'d Shared<'d, W>,
}

impl<'d, W: Width> Control<'d, W> {
    pub(crate) const fn new(shared: &'d Shared<'d, W>) -> Self {
        Self { shared }
    }

    /// Puts a new lease or static configuration of the outside into effect; `None` when there is
    /// none any more.
    ///
    /// Its address becomes the primary external address of the NAT. What happens to the sessions of
    /// the old address is said at [`Nat::set_external_addresses`]. The router forgets the
    /// neighbours outside, drops the packets that wait for one and the unsent fragments of a
    /// datagram, and announces the new addresses. If the configuration is in effect already,
    /// nothing changes.
    ///
    /// A configuration that the NAT refuses, such as a lease of a loopback address, counts as
    /// `None`, with a warning in the log.
    pub fn set_outside(&self, outside: Option<Outside>) {
        self.shared.with(|inner| inner.set_outside(outside));
    }

    /// The outside configuration in effect.
    #[must_use]
    pub fn outside(&self) -> Option<Outside> {
        self.shared.with(|inner| inner.outside)
    }

    /// Suspends the outside configuration, but keeps the sessions of its address: nothing is sent
    /// outside any more, nor answered there.
    ///
    /// If [`Control::set_outside`] brings the same address back, the sessions continue. If it
    /// brings another address or `None`, they end. The caller must call it in time.
    pub fn suspend_outside(&self) {
        self.shared.with(|inner| inner.suspend_outside());
    }

    /// The time of the router's clock, which the methods of the NAT take: that of `embassy_time`
    /// with [`Runner::run`], or else the time of the latest [`Runner::poll`].
    ///
    /// [`Runner::run`]: crate::Runner::run
    /// [`Runner::poll`]: crate::Runner::poll
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.with(|inner| inner.clock.now())
    }

    /// Calls `f` with the NAT as it is at [`Control::now`]: to add port forwards, list sessions,
    /// read counters and so on.
    ///
    /// ```
    /// # fn end_all(control: nat_embassy::Control<'_>) {
    /// let now = control.now();
    /// control.with_nat(|nat| nat.clear(now));
    /// # }
    /// ```
    ///
    /// External addresses that `f` adds are secondary addresses, as are those of
    /// [`Config::nat`](crate::Config::nat): they are used with every later outside configuration.
    /// Those that `f` removes or drains do not come back. The primary address belongs to the
    /// outside configuration: if `f` removes it, the next configuration with this address brings
    /// it back. While there is no outside configuration, the NAT has no external address.
    ///
    /// # Panics
    ///
    /// If `f` calls a method of a `Control` of the same router.
    pub fn with_nat<R>(&self, f: impl FnOnce(&mut Nat<'_, W>) -> R) -> R {
        self.shared.with(|inner| {
            // So that `f` meets no session whose time is over.
            inner.nat.handle_timeout(inner.clock.now());
            let before = inner.external_addresses();
            let result = f(inner.nat);
            let after = inner.external_addresses();
            inner.addresses.note_change(&before, &after);
            // The call may have brought the NAT's next deadline nearer.
            inner.deadline = Deadline::UNKNOWN;
            inner.waker.wake();
            result
        })
    }

    /// Sets the hook that gets the events of the NAT from now on: see [`Nat::set_event_hook`]. To
    /// get the events of all mappings, set it before the runner runs.
    ///
    /// # Panics
    ///
    /// The router panics if `hook` calls a method of a `Control` of the same router.
    pub fn set_event_hook(&self, hook: &'d mut (dyn EventHook + Send)) {
        self.shared.with(|inner| inner.nat.set_event_hook(hook));
    }

    /// Removes the event hook.
    pub fn clear_event_hook(&self) {
        self.shared.with(|inner| inner.nat.clear_event_hook());
    }

    /// The frame counters.
    pub fn stats(&self) -> FrameStats {
        self.shared.with(|inner| inner.stats)
    }

    /// Sends `frame` on `side`: a whole Ethernet frame without its frame check sequence, 14 to
    /// [`MAX_FRAME_LEN`](crate::MAX_FRAME_LEN) bytes long, or an IPv4 datagram on a side without
    /// Ethernet.
    ///
    /// The frame is sent unchanged, before anything else that is queued for that side. It bypasses
    /// the NAT and ARP, so its addresses, lengths and checksums are up to the caller. It is for
    /// what no socket can send, such as a DHCP server's reply to a station that has no address yet
    /// (RFC 2131 section 4.1).
    ///
    /// The frame is copied into a queue of one frame for both sides together. It leaves in the next
    /// pass of the runner in which the driver can transmit. It is dropped and counted when the
    /// driver stays full for 10 ms ([`FrameDrop::TxFull`]), when the link goes down
    /// ([`FrameDrop::LinkDown`]), or when the driver does not carry such long frames
    /// ([`FrameDrop::Giant`]).
    ///
    /// # Errors
    ///
    /// The frame is not sent, and not counted, when the link of `side` is down
    /// ([`FrameDrop::LinkDown`]), another frame is queued ([`FrameDrop::TxFull`]), or the length
    /// is out of range ([`FrameDrop::Runt`], [`FrameDrop::Giant`]).
    pub fn send_frame(&self, side: Side, frame: &[u8]) -> Result<(), FrameDrop> {
        if frame.len() < Header::LEN {
            return Err(FrameDrop::Runt);
        }
        self.shared
            .with(|inner| inner.queue_application_frame(side, frame))
    }

    /// Waits for the next ARP packet in which another station claims an address of the router on
    /// `side`.
    ///
    /// Each such packet also counts as
    /// [`FrameDrop::DuplicateAddress`], and the router
    /// announces its addresses in return, at most every 10 s. A DHCP client, which only leases the
    /// address, may give it up at the second conflict within these 10 s (RFC 5227 section 2.4
    /// (b)).
    ///
    /// Four tasks can wait at a time. More than four keep waking each other.
    pub async fn conflict(&self, side: Side) -> AddressConflict {
        // Only packets from now on count.
        let seen = self.shared.with(|inner| inner.conflicts.count(side));
        poll_fn(|cx| {
            self.shared
                .with(|inner| inner.conflicts.poll(side, seen, cx.waker()))
        })
        .await
    }
}
