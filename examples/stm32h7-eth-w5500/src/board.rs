//! A NUCLEO-H743ZI2 with a W5500 on its Arduino header: all that is specific to this board.
//!
//! The Ethernet MAC with the board's LAN8742 is outside: RMII on PA1, PA7, PB13, PC4, PC5, PG11,
//! PG13; MDIO on PA2, MDC on PC1. The W5500 is inside, on SPI1:
//!
//! | W5500 | pin | on the Arduino header |
//! |---|---|---|
//! | SCLK | PA5 | D13 |
//! | MISO | PA6 | D12 |
//! | MOSI | PB5 | D11 |
//! | SCSn | PD14 | D10 |
//! | INTn | PD15 | D9 |
//! | RSTn | PF3 | D8 |
//!
//! None of these pins is used by RMII, the serial port of the ST-LINK (PD8, PD9), SWD, or an LED.
//! MOSI is on PB5 because RMII uses PA7, the other pin that SPI1 could use.

use embassy_stm32::eth::{self, Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::exti::{self, ExtiInput};
use embassy_stm32::gpio::{Level, Output, Pull, Speed};
use embassy_stm32::mode::Async;
use embassy_stm32::peripherals::{DMA1_CH0, DMA1_CH1, ETH, ETH_SMA, IWDG1, RNG};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::spi::{self, Spi, mode::Master};
use embassy_stm32::time::Hertz;
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{Peri, bind_interrupts, dma, interrupt, pac, rcc};
use nat_router::{WATCHDOG_TIMEOUT, mac_addresses};
use nat_w5500::{Pins, Runner};
use static_cell::ConstStaticCell;

use crate::phy::PacedPhy;

/// Below the 33.3 MHz that the W5500 is guaranteed to work with (datasheet 1.1.0, section 5.5.4).
/// PLL1's Q output has twice this frequency.
const SPI: Hertz = Hertz(31_000_000);

/// The address of the LAN8742 on this board.
const PHY_ADDRESS: u8 = 0;

/// Frames that the Ethernet MAC can queue for sending.
const SENDING: usize = 8;

/// Received frames that the Ethernet MAC can queue: a burst of 100 at the full rate of the wire,
/// while the router is busy. The MAC stops at an empty slot, so there is one more. Each takes
/// 1.5 KiB of the AXI SRAM.
const RECEIVED: usize = 101;

static FRAMES: ConstStaticCell<PacketQueue<SENDING, RECEIVED>> =
    ConstStaticCell::new(PacketQueue::new());

bind_interrupts!(struct Interrupts {
    DMA1_STREAM0 => dma::InterruptHandler<DMA1_CH0>;
    DMA1_STREAM1 => dma::InterruptHandler<DMA1_CH1>;
    ETH => eth::InterruptHandler;
    EXTI15_10 => exti::InterruptHandler<interrupt::typelevel::EXTI15_10>;
    RNG => rng::InterruptHandler<RNG>;
});

/// The status LED, lit while high.
pub(crate) type Led = Output<'static>;

type Bus = Spi<'static, Async, Master>;
type Interrupt = ExtiInput<'static, Async>;
pub(crate) type InsideRunner = Runner<'static, Bus, Output<'static>, Interrupt, Output<'static>>;
pub(crate) type OutsideNic = Ethernet<'static, ETH, PacedPhy<GenericPhy<Sma<'static, ETH_SMA>>>>;

/// The parts of the board, ready for use.
pub(crate) struct Board {
    pub(crate) inside: Pins<Bus, Output<'static>, Interrupt, Output<'static>>,
    pub(crate) outside: OutsideNic,
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
        enable_instruction_cache();
        let p = embassy_stm32::init(config());
        log_reset_reason();
        let heartbeat = Heartbeat::start(p.IWDG1);
        let phy = PacedPhy::new(GenericPhy::new(
            Sma::new(p.ETH_SMA, p.PA2, p.PC1),
            PHY_ADDRESS,
        ));
        let macs = mac_addresses(&embassy_stm32::uid::uid());
        let [_, outside_mac] = macs;
        let mut entropy = [0; 32];
        Rng::new(p.RNG, Interrupts).fill_bytes(&mut entropy);
        Self {
            inside: Pins {
                bus: Spi::new(
                    p.SPI1,
                    p.PA5,
                    p.PB5,
                    p.PA6,
                    p.DMA1_CH0,
                    p.DMA1_CH1,
                    Interrupts,
                    spi_config(),
                ),
                cs: Output::new(p.PD14, Level::High, Speed::VeryHigh),
                int: ExtiInput::new(p.PD15, p.EXTI15, Pull::Up, Interrupts),
                reset: Output::new(p.PF3, Level::High, Speed::Low),
            },
            outside: Ethernet::new_with_phy(
                FRAMES.take(),
                p.ETH,
                Interrupts,
                p.PA1,
                p.PA7,
                p.PC4,
                p.PC5,
                p.PG13,
                p.PB13,
                p.PG11,
                outside_mac,
                phy,
            ),
            macs,
            entropy,
            led: Output::new(p.PB0, Level::Low, Speed::Low),
            heartbeat,
        }
    }
}

/// 400 MHz for the core and 200 MHz for the buses, from the internal oscillator, which works
/// whatever the jumpers are. SPI1 gets 61.5 MHz, which it halves.
fn config() -> embassy_stm32::Config {
    let mut config = embassy_stm32::Config::default();
    config.rcc.hsi = Some(rcc::HSIPrescaler::DIV1);
    config.rcc.hsi48 = Some(rcc::Hsi48Config::default());
    config.rcc.pll1 = Some(rcc::Pll {
        source: rcc::PllSource::HSI,
        prediv: rcc::PllPreDiv::DIV4,
        mul: rcc::PllMul::MUL50,
        fracn: None,
        divp: Some(rcc::PllDiv::DIV2),
        divq: Some(rcc::PllDiv::DIV13),
        divr: None,
    });
    config.rcc.sys = rcc::Sysclk::PLL1_P;
    config.rcc.ahb_pre = rcc::AHBPrescaler::DIV2;
    config.rcc.apb1_pre = rcc::APBPrescaler::DIV2;
    config.rcc.apb2_pre = rcc::APBPrescaler::DIV2;
    config.rcc.apb3_pre = rcc::APBPrescaler::DIV2;
    config.rcc.apb4_pre = rcc::APBPrescaler::DIV2;
    config.rcc.voltage_scale = rcc::VoltageScale::Scale1;
    config
}

/// SPI mode 3, as on the RP2040.
fn spi_config() -> spi::Config {
    let mut config = spi::Config::default();
    config.frequency = SPI;
    config.mode = spi::MODE_3;
    config
}

/// Code runs from flash, which needs two wait states. The D-cache stays off: see `memory.x`.
fn enable_instruction_cache() {
    if let Some(mut core) = cortex_m::Peripherals::take() {
        core.SCB.enable_icache();
    }
}

/// Feeds the watchdog.
pub(crate) struct Heartbeat(IndependentWatchdog<'static, IWDG1>);

impl Heartbeat {
    fn start(watchdog: Peri<'static, IWDG1>) -> Self {
        // The watchdog stops while a debugger halts the core.
        pac::DBGMCU.apb4fzr1().modify(|w| w.set_iwdg1(true));
        let mut watchdog = IndependentWatchdog::new(watchdog, WATCHDOG_TIMEOUT.as_micros() as u32);
        watchdog.unleash();
        Self(watchdog)
    }

    pub(crate) fn feed(&mut self) {
        self.0.pet();
    }
}

fn log_reset_reason() {
    let reasons = pac::RCC.rsr().read();
    pac::RCC.rsr().modify(|w| w.set_rmvf(true));
    if reasons.iwdg1rstf() {
        defmt::error!("restarted by the watchdog: the router was stuck");
    } else if reasons.sftrstf() {
        defmt::error!("restarted after a fault, or by a debugger");
    } else {
        defmt::info!("started by power-on or reset");
    }
}
