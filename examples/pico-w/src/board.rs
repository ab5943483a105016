//! A Raspberry Pi Pico W: all that is specific to this board.
//!
//! Its Wi-Fi chip, a CYW43439, is on a half-duplex SPI of its own: power GPIO23, data and interrupt
//! GPIO24, chip select GPIO25, clock GPIO29. The USB port is inside.

use cyw43_pio::{DEFAULT_CLOCK_DIVIDER, PioSpi};
use embassy_rp::gpio::{Level, Output};
use embassy_rp::peripherals::{DMA_CH0, PIO0, USB};
use embassy_rp::pio::Pio;
use embassy_rp::{bind_interrupts, dma, pio, usb};
use nat_router::mac_addresses;
use nat_rp2040::{Heartbeat, SetupHandler, UsbDriver};
use nat_usb_lan::{Identity, MacAddresses, TEST_IDS};

/// The size of the board's flash, which has a unique id.
const FLASH_BYTES: usize = 2 * 1024 * 1024;

/// All that a bus may give: the radio takes several hundred mA while it sends.
const MILLIAMPERES: u16 = 500;

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>;
    PIO0_IRQ_0 => pio::InterruptHandler<PIO0>;
    USBCTRL_IRQ => SetupHandler, usb::InterruptHandler<USB>;
});

/// The SPI of the Wi-Fi chip.
pub(crate) type RadioSpi = PioSpi<'static, PIO0, 0>;

/// How the Wi-Fi chip is connected.
pub(crate) struct RadioPins {
    pub(crate) power: Output<'static>,
    pub(crate) spi: RadioSpi,
}

/// The parts of the board, ready for use.
pub(crate) struct Board {
    pub(crate) usb: UsbDriver,
    pub(crate) radio: RadioPins,
    /// The MAC addresses of both ends inside, the same at every start. The Wi-Fi chip has its own.
    pub(crate) usb_macs: MacAddresses,
    /// The same at every start, and different for each board.
    pub(crate) unique_id: [u8; 8],
    /// Different at every start.
    pub(crate) entropy: [u8; 32],
    pub(crate) heartbeat: Heartbeat,
}

impl Board {
    /// Sets up the clocks, starts the watchdog, and logs why the board has started.
    pub(crate) fn start() -> Self {
        let p = embassy_rp::init(embassy_rp::config::Config::default());
        let heartbeat = Heartbeat::start(p.WATCHDOG);
        let unique_id = nat_rp2040::unique_id::<FLASH_BYTES>(p.FLASH);
        let [router, _] = mac_addresses(&unique_id);
        let mut pio = Pio::new(p.PIO0, Interrupts);
        let spi = PioSpi::new(
            &mut pio.common,
            pio.sm0,
            DEFAULT_CLOCK_DIVIDER,
            pio.irq0,
            Output::new(p.PIN_25, Level::High),
            p.PIN_24,
            p.PIN_29,
            dma::Channel::new(p.DMA_CH0, Interrupts),
        );
        Self {
            usb: UsbDriver::new(p.USB, Interrupts),
            radio: RadioPins {
                power: Output::new(p.PIN_23, Level::Low),
                spi,
            },
            usb_macs: MacAddresses {
                router,
                host: nat_router::host_mac_address(&unique_id),
            },
            unique_id,
            entropy: nat_rp2040::gather_entropy(&unique_id),
            heartbeat,
        }
    }
}

/// The USB identity of the board with this id: what its descriptors say.
pub(crate) fn identity(unique_id: &[u8; 8]) -> Identity<'_> {
    Identity {
        ids: TEST_IDS,
        manufacturer: "nat-core",
        product: "NAT router (Pico W)",
        serial: unique_id,
        milliamperes: MILLIAMPERES,
    }
}
