//! A driver's handle: its transmit tokens, and how long it has been full. It knows no router.

use core::task::Context;
use core::time::Duration;

use embassy_net_driver::{Driver, HardwareAddress, LinkState, TxToken};
use nat_core::Instant;

use crate::FrameDrop;
use crate::medium::Properties;
use crate::tx_frame::TxFrame;

/// How long the frames of one side wait in their driver while the driver of the other side is full.
///
/// Without a wait, a burst longer than the transmit ring would lose most of its frames, because the
/// task that empties the ring cannot run before this one yields. An unlimited wait would let a dead
/// side stop the other side's ARP and local traffic. After this time, frames are received again,
/// and those that need the full driver are dropped until it has a transmit token.
const FULL_DRIVER_WAIT: Duration = Duration::from_millis(10);

/// One driver.
pub(crate) struct Interface<D> {
    pub(crate) driver: D,
    /// Its status at the last look.
    status: Option<(LinkState, HardwareAddress)>,
    /// When it was first seen without a transmit token; `None` when it had one last.
    full_since: Option<Instant>,
    /// Whether the local stack's frame goes before the other side's when both wait for a token.
    pub(crate) stack_first: bool,
}

/// Whether a driver can transmit one frame.
pub(crate) enum TxSlot<T> {
    Ready(T),
    /// Not now. Wait until this time.
    Wait(Instant),
    /// Not for some time. Frames that need the driver are dropped for this reason.
    Blocked(FrameDrop),
}

impl<D: Driver> Interface<D> {
    pub(crate) const fn new(driver: D) -> Self {
        Self {
            driver,
            status: None,
            full_since: None,
            stack_first: false,
        }
    }

    pub(crate) fn properties(&self) -> Properties {
        Properties::of(&self.driver)
    }

    /// The link state and the hardware address if one has changed since the last call. Some drivers
    /// learn their address only when they run.
    pub(crate) fn changed_status(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Option<(LinkState, HardwareAddress)> {
        let status = Some((self.driver.link_state(cx), self.driver.hardware_address()));
        if status == self.status {
            return None;
        }
        self.status = status;
        status
    }

    /// Takes a transmit token if there is one. If the driver is full, its waker is registered.
    pub(crate) fn tx_slot(
        &mut self,
        link_up: bool,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> TxSlot<D::TxToken<'_>> {
        // Without a link, a driver may never have a token, so it is not waited for.
        if !link_up {
            self.full_since = None;
            return TxSlot::Blocked(FrameDrop::LinkDown);
        }
        if let Some(token) = self.driver.transmit(cx) {
            self.full_since = None;
            return TxSlot::Ready(token);
        }
        let full_since = *self.full_since.get_or_insert(now);
        let until = full_since.saturating_add(FULL_DRIVER_WAIT);
        if until > now {
            TxSlot::Wait(until)
        } else {
            TxSlot::Blocked(FrameDrop::TxFull)
        }
    }
}

impl TxFrame<'_> {
    /// Writes the frame into the transmit buffer behind `token`.
    pub(crate) fn transmit(&self, token: impl TxToken) {
        token.consume(self.len(), |buffer| self.write(buffer));
    }
}
