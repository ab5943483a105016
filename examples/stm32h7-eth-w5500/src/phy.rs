//! A PHY that is looked at now and then.

use core::future::Future;
use core::pin::pin;
use core::task::Context;

use embassy_stm32::eth::Phy;
use embassy_time::{Duration, Instant, Timer};

/// How often the PHY is asked for the link.
const INTERVAL: Duration = Duration::from_millis(250);

/// Asks `P` for the link every [`INTERVAL`] only.
///
/// The driver asks whenever it is asked itself, which is at every pass of the router, and the answer takes some 30 us
/// on the management bus, for which the processor waits.
pub(crate) struct PacedPhy<P> {
    phy: P,
    next: Instant,
    up: bool,
}

impl<P> PacedPhy<P> {
    pub(crate) const fn new(phy: P) -> Self {
        Self { phy, next: Instant::MIN, up: false }
    }
}

impl<P: Phy> Phy for PacedPhy<P> {
    fn phy_reset(&mut self) {
        self.phy.phy_reset();
    }

    fn phy_init(&mut self) {
        self.phy.phy_init();
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> bool {
        if pin!(Timer::at(self.next)).poll(cx).is_ready() {
            self.up = self.phy.poll_link(cx);
            self.next = Instant::now() + INTERVAL;
            // Not ready yet: it arranges for the task to be woken then.
            let _ = pin!(Timer::at(self.next)).poll(cx);
        }
        self.up
    }
}
