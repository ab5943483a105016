//! A W5500-EVB-Pico without anything wired to it: all that is specific to this board.
//!
//! The W5500 on the board is outside, on SPI0: MISO GPIO16, SCSn GPIO17, SCLK GPIO18, MOSI GPIO19,
//! RSTn GPIO20, INTn GPIO21. The USB port is inside.

use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::pac::dma::vals::TreqSel;
use embassy_rp::peripherals::{DMA_CH1, SPI0, USB};
use embassy_rp::spi::Spi;
use embassy_rp::{bind_interrupts, pac, usb};
use nat_router::mac_addresses;
use nat_rp2040::{
    Dma, FilledSpi, Finished, Heartbeat, SetupHandler, UsbDriver, W5500Pins, W5500Runner,
};
use nat_usb_lan::{Identity, MacAddresses, TEST_IDS};

/// The size of the board's flash, which has a unique id.
const FLASH_BYTES: usize = 2 * 1024 * 1024;

/// A W5500 takes up to 132 mA (datasheet 1.1.0), an RP2040 with its flash and LED less than 100.
const MILLIAMPERES: u16 = 250;

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => Finished<DMA_CH1>;
    USBCTRL_IRQ => SetupHandler, usb::InterruptHandler<USB>;
});

/// The status LED, lit while high.
pub(crate) type Led = Output<'static>;

pub(crate) type OutsideRunner = W5500Runner<SPI0>;

/// The parts of the board, ready for use.
pub(crate) struct Board {
    pub(crate) usb: UsbDriver,
    pub(crate) outside: W5500Pins<SPI0>,
    /// The MAC address outside, and those of both ends inside, the same at every start.
    pub(crate) outside_mac: [u8; 6],
    pub(crate) usb_macs: MacAddresses,
    /// The same at every start, and different for each board.
    pub(crate) unique_id: [u8; 8],
    /// Different at every start.
    pub(crate) entropy: [u8; 32],
    pub(crate) led: Led,
    pub(crate) heartbeat: Heartbeat,
}

impl Board {
    /// Sets up the clocks, starts the watchdog, and logs why the board has started.
    pub(crate) fn start() -> Self {
        let p = embassy_rp::init(embassy_rp::config::Config::default());
        let heartbeat = Heartbeat::start(p.WATCHDOG);
        let unique_id = nat_rp2040::unique_id::<FLASH_BYTES>(p.FLASH);
        let [inside_mac, outside_mac] = mac_addresses(&unique_id);
        let spi = nat_rp2040::spi_config();
        let outside = Spi::new_blocking(p.SPI0, p.PIN_18, p.PIN_19, p.PIN_16, spi);
        let outside_dma = Dma::new(
            (p.DMA_CH0, p.DMA_CH1),
            (TreqSel::SPI0_TX, TreqSel::SPI0_RX),
            pac::SPI0.dr().as_ptr().cast(),
            Interrupts,
        );
        Self {
            usb: UsbDriver::new(p.USB, Interrupts),
            outside: W5500Pins {
                bus: FilledSpi::new(outside, pac::SPI0, outside_dma),
                cs: Output::new(p.PIN_17, Level::High),
                int: Input::new(p.PIN_21, Pull::Up),
                reset: Output::new(p.PIN_20, Level::High),
            },
            outside_mac,
            usb_macs: MacAddresses {
                router: inside_mac,
                host: nat_router::host_mac_address(&unique_id),
            },
            unique_id,
            entropy: nat_rp2040::gather_entropy(&unique_id),
            led: Output::new(p.PIN_25, Level::Low),
            heartbeat,
        }
    }
}

/// The USB identity of the board with this id: what its descriptors say.
pub(crate) fn identity(unique_id: &[u8; 8]) -> Identity<'_> {
    Identity {
        ids: TEST_IDS,
        manufacturer: "nat-core",
        product: "NAT router (W5500-EVB-Pico)",
        serial: unique_id,
        milliamperes: MILLIAMPERES,
    }
}
