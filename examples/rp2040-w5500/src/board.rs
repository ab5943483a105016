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

use embassy_rp::flash::Flash;
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::pac::dma::vals::TreqSel;
use embassy_rp::peripherals::{DMA_CH1, DMA_CH3, FLASH, SPI0, SPI1, WATCHDOG};
use embassy_rp::spi::{self, Spi};
use embassy_rp::watchdog::{ResetReason, Watchdog};
use embassy_rp::{Peri, bind_interrupts, pac};
use nat_router::{WATCHDOG_TIMEOUT, mac_addresses};
use nat_w5500::{Pins, Runner};

use crate::entropy;
use crate::filled_spi::FilledSpi;
use crate::spi_dma::{self, Dma};

/// The highest frequency that divides 125 MHz and is below the 33.3 MHz that the W5500 is
/// guaranteed to work with (datasheet 1.1.0, section 5.5.4).
const SPI_HZ: u32 = 31_250_000;

/// The size of the board's flash, which has a unique id.
const FLASH_BYTES: usize = 2 * 1024 * 1024;

/// In the watchdog's first scratch register: the second one holds the address of a fault.
const FAULT_RECORDED: u32 = 0x4641_554c;

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => spi_dma::Finished<DMA_CH1>, spi_dma::Finished<DMA_CH3>;
});

/// The status LED, lit while high.
pub(crate) type Led = Output<'static>;

type Port<Bus> = Pins<FilledSpi<Bus>, Output<'static>, Input<'static>, Output<'static>>;
type PortRunner<Bus> =
    Runner<'static, FilledSpi<Bus>, Output<'static>, Input<'static>, Output<'static>>;
pub(crate) type InsideRunner = PortRunner<SPI1>;
pub(crate) type OutsideRunner = PortRunner<SPI0>;

/// The parts of the board, ready for use.
pub(crate) struct Board {
    pub(crate) inside: Port<SPI1>,
    pub(crate) outside: Port<SPI0>,
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
        let unique_id = unique_id(p.FLASH);
        let spi = spi_config();
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
            inside: Pins {
                bus: FilledSpi::new(inside, pac::SPI1, inside_dma),
                cs: Output::new(p.PIN_13, Level::High),
                int: Input::new(p.PIN_15, Pull::Up),
                reset: Output::new(p.PIN_14, Level::High),
            },
            outside: Pins {
                bus: FilledSpi::new(outside, pac::SPI0, outside_dma),
                cs: Output::new(p.PIN_17, Level::High),
                int: Input::new(p.PIN_21, Pull::Up),
                reset: Output::new(p.PIN_20, Level::High),
            },
            macs: mac_addresses(&unique_id),
            entropy: entropy::gather(&unique_id),
            led: Output::new(p.PIN_25, Level::Low),
            heartbeat,
        }
    }
}

/// SPI mode 3: this chip's SPI then sends bytes back to back. In mode 0 it pauses between them.
fn spi_config() -> spi::Config {
    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    config.phase = spi::Phase::CaptureOnSecondTransition;
    config.polarity = spi::Polarity::IdleHigh;
    config
}

/// The flash's unique id of 64 bits. While it is read, the flash is not readable as memory, so
/// interrupts are off, and no DMA may read from it. Therefore this comes before any DMA.
fn unique_id(flash: Peri<'static, FLASH>) -> [u8; 8] {
    let mut id = [0; 8];
    let read = Flash::<_, _, FLASH_BYTES>::new_blocking(flash).blocking_unique_id(&mut id);
    if read.is_err() || id == [0; 8] || id == [0xff; 8] {
        defmt::warn!("the flash has no unique id: two such boards have the same MAC addresses");
    }
    id
}

/// Feeds the watchdog.
pub(crate) struct Heartbeat(Watchdog);

impl Heartbeat {
    fn start(watchdog: Peri<'static, WATCHDOG>) -> Self {
        let mut watchdog = Watchdog::new(watchdog);
        log_reset_reason(&mut watchdog);
        watchdog.pause_on_debug(true);
        watchdog.start(WATCHDOG_TIMEOUT);
        Self(watchdog)
    }

    pub(crate) fn feed(&mut self) {
        self.0.feed(WATCHDOG_TIMEOUT);
    }
}

fn log_reset_reason(watchdog: &mut Watchdog) {
    let fault = (watchdog.get_scratch(0) == FAULT_RECORDED).then(|| watchdog.get_scratch(1));
    watchdog.set_scratch(0, 0);
    match (watchdog.reset_reason(), fault) {
        (_, Some(pc)) => defmt::error!("restarted after a fault at {=u32:#010x}", pc),
        (Some(ResetReason::Forced), _) => defmt::info!("restarted on request"),
        (Some(ResetReason::TimedOut), _) => {
            defmt::error!("restarted by the watchdog: the router was stuck");
        }
        (None, _) => defmt::info!("started by power-on or reset"),
    }
}

/// Makes the watchdog restart the board at once. The next start logs `pc`.
pub(crate) fn restart_after_fault(pc: u32) -> ! {
    // SAFETY: nothing else runs any more.
    let mut watchdog = Watchdog::new(unsafe { WATCHDOG::steal() });
    watchdog.set_scratch(0, FAULT_RECORDED);
    watchdog.set_scratch(1, pc);
    watchdog.trigger_reset();
    loop {
        core::hint::spin_loop();
    }
}
