//! A PHY whose link state is read at intervals.

use core::task::Context;

use embassy_stm32::eth::Phy;
use nat_router::PacedLink;

/// Reads the link state of `P` only every [`PacedLink::INTERVAL`]. The driver asks for it in every
/// pass of the router.
pub struct PacedPhy<P> {
    phy: P,
    link: PacedLink,
}

impl<P> PacedPhy<P> {
    /// Wraps `phy`, which has not been read yet.
    pub const fn new(phy: P) -> Self {
        Self {
            phy,
            link: PacedLink::new(),
        }
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
        let Self { phy, link } = self;
        link.poll(cx, |cx| phy.poll_link(cx))
    }
}
