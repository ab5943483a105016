//! The board's Ethernet port: the MAC, and the LAN8742 behind RMII.

use cortex_m::peripheral::SCB;
use embassy_stm32::eth::{Ethernet, GenericPhy, InterruptHandler, PacketQueue, Sma};
use embassy_stm32::interrupt::typelevel::{self, Binding, Handler};
use embassy_stm32::peripherals::{ETH, ETH_SMA, PA1, PA2, PA7, PB13, PC1, PC4, PC5, PG11, PG13};
use embassy_stm32::{Peri, pac};
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

/// Restarts the router after a bus error of the Ethernet DMA, which stops the DMA for good. It comes
/// before the handler of the driver, which clears the flag.
///
/// `embassy-stm32` 0.6 does not limit the DMA by its tail pointers. Then the DMA can read a
/// descriptor while the driver gives it back, and take what it has written there itself for the
/// address of a buffer (embassy-rs/embassy#2129 and oxidecomputer/hubris#750 saw it on silicon).
/// Such an address, 0 or a VLAN tag, is none that the DMA reaches.
pub struct BusErrors;

impl Handler<typelevel::ETH> for BusErrors {
    unsafe fn on_interrupt() {
        if pac::ETH.ethernet_dma().dmacsr().read().fbe() {
            defmt::error!("bus error of the Ethernet DMA");
            SCB::sys_reset();
        }
    }
}

/// Resets the PHY, and starts the MAC with the address `mac`. `irq` shows that its interrupt is
/// handled.
///
/// # Panics
///
/// If it is called twice.
pub fn ethernet(
    parts: EthernetParts,
    irq: impl Binding<typelevel::ETH, InterruptHandler> + Binding<typelevel::ETH, BusErrors> + 'static,
    mac: [u8; 6],
) -> Nic {
    let management = Sma::new(parts.sma, parts.mdio, parts.mdc);
    let phy = PacedPhy::new(GenericPhy::new(management, PHY_ADDRESS));
    let nic = Ethernet::new_with_phy(
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
    );
    pac::ETH.ethernet_dma().dmacier().modify(|enabled| {
        enabled.set_fbee(true);
        enabled.set_aie(true);
    });
    nic
}
