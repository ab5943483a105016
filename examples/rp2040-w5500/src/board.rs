//! A W5500-EVB-Pico with a second W5500 on its free pins: all that is specific to this board.
//!
//! | | outside, on the board (SPI0) | inside, wired (SPI1) |
//! |---|---|---|
//! | MISO | GPIO16 | GPIO12 |
//! | SCSn | GPIO17 | GPIO13 |
//! | SCLK | GPIO18 | GPIO10 |
//! | MOSI | GPIO19 | GPIO11 |
//! | RSTn | GPIO20 | GPIO14 |
//! | INTn | GPIO21 | GPIO15 |

use embassy_rp::bind_interrupts;
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::pac;
use embassy_rp::pac::dma::vals::TreqSel;
use embassy_rp::peripherals::{DMA_CH1, DMA_CH3, SPI0, SPI1};
use embassy_rp::spi::Spi;
use nat_router::mac_addresses;
use nat_rp2040::{Dma, FilledSpi, Finished, Heartbeat, W5500Pins, W5500Runner};

/// The size of the board's flash, which has a unique id.
const FLASH_BYTES: usize = 2 * 1024 * 1024;

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => Finished<DMA_CH1>, Finished<DMA_CH3>;
});

/// The status LED, lit while high.
pub(crate) type Led = Output<'static>;

pub(crate) type InsideRunner = W5500Runner<SPI1>;
pub(crate) type OutsideRunner = W5500Runner<SPI0>;

/// The parts of the board, ready for use.
pub(crate) struct Board {
    pub(crate) inside: W5500Pins<SPI1>,
    pub(crate) outside: W5500Pins<SPI0>,
    /// The MAC addresses inside and outside, the same at every start.
    pub(crate) macs: [[u8; 6]; 2],
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
        let spi = nat_rp2040::spi_config();
        let inside = Spi::new_blocking(p.SPI1, p.PIN_10, p.PIN_11, p.PIN_12, spi.clone());
        let outside = Spi::new_blocking(p.SPI0, p.PIN_18, p.PIN_19, p.PIN_16, spi);
        let inside_dma = Dma::new(
            (p.DMA_CH0, p.DMA_CH1),
            (TreqSel::SPI1_TX, TreqSel::SPI1_RX),
            pac::SPI1.dr().as_ptr().cast(),
            Interrupts,
        );
        let outside_dma = Dma::new(
            (p.DMA_CH2, p.DMA_CH3),
            (TreqSel::SPI0_TX, TreqSel::SPI0_RX),
            pac::SPI0.dr().as_ptr().cast(),
            Interrupts,
        );
        Self {
            inside: W5500Pins {
                bus: FilledSpi::new(inside, pac::SPI1, inside_dma),
                cs: Output::new(p.PIN_13, Level::High),
                int: Input::new(p.PIN_15, Pull::Up),
                reset: Output::new(p.PIN_14, Level::High),
            },
            outside: W5500Pins {
                bus: FilledSpi::new(outside, pac::SPI0, outside_dma),
                cs: Output::new(p.PIN_17, Level::High),
                int: Input::new(p.PIN_21, Pull::Up),
                reset: Output::new(p.PIN_20, Level::High),
            },
            macs: mac_addresses(&unique_id),
            entropy: nat_rp2040::gather_entropy(&unique_id),
            led: Output::new(p.PIN_25, Level::Low),
            heartbeat,
        }
    }
}
