//! The board's Ethernet port: the MAC, and the LAN8742 behind RMII.

use embassy_stm32::Peri;
use embassy_stm32::eth::{self, Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::interrupt::typelevel::{self, Binding};
use embassy_stm32::peripherals::{ETH, ETH_SMA, PA1, PA2, PA7, PB13, PC1, PC4, PC5, PG11, PG13};
use static_cell::ConstStaticCell;

use crate::phy::PacedPhy;

/// The address of the LAN8742 on this board.
const PHY_ADDRESS: u8 = 0;

/// Frames that the MAC can queue for sending.
pub const SENDING: usize = 8;

/// Received frames that the MAC can queue: a burst of 100 at the full rate of the wire, while the
/// router is busy. The MAC stops at an empty slot, so there is one more. Each takes 1.5 KiB of the
/// AXI SRAM.
pub const RECEIVED: usize = 101;

static FRAMES: ConstStaticCell<PacketQueue<SENDING, RECEIVED>> =
    ConstStaticCell::new(PacketQueue::new());

/// The driver of the Ethernet port.
pub type Nic = Ethernet<'static, ETH, PacedPhy<GenericPhy<Sma<'static, ETH_SMA>>>>;

/// What the Ethernet port is made of: the MAC, and the pins of RMII and of the management bus, none
/// of which another part of the board uses.
#[expect(missing_docs, reason = "the names are those of the chip")]
pub struct EthernetParts {
    pub eth: Peri<'static, ETH>,
    pub sma: Peri<'static, ETH_SMA>,
    pub reference_clock: Peri<'static, PA1>,
    pub mdio: Peri<'static, PA2>,
    pub carrier: Peri<'static, PA7>,
    pub transmit_1: Peri<'static, PB13>,
    pub mdc: Peri<'static, PC1>,
    pub receive_0: Peri<'static, PC4>,
    pub receive_1: Peri<'static, PC5>,
    pub transmit_enable: Peri<'static, PG11>,
    pub transmit_0: Peri<'static, PG13>,
}

/// Resets the PHY, and starts the MAC with the address `mac`. `irq` shows that its interrupt is
/// handled.
///
/// # Panics
///
/// If it is called twice.
pub fn ethernet(
    parts: EthernetParts,
    irq: impl Binding<typelevel::ETH, eth::InterruptHandler> + 'static,
    mac: [u8; 6],
) -> Nic {
    let management = Sma::new(parts.sma, parts.mdio, parts.mdc);
    let phy = PacedPhy::new(GenericPhy::new(management, PHY_ADDRESS));
    Ethernet::new_with_phy(
        FRAMES.take(),
        parts.eth,
        irq,
        parts.reference_clock,
        parts.carrier,
        parts.receive_0,
        parts.receive_1,
        parts.transmit_0,
        parts.transmit_1,
        parts.transmit_enable,
        mac,
        phy,
    )
}
