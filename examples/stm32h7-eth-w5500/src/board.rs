//! A NUCLEO-H743ZI2 with a W5500 on its Arduino header: what differs from other boards, and nothing
//! else.
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
//! None of these is of RMII, of the ST-LINK's serial port (PD8, PD9), of SWD, or of an LED. MOSI is
//! on PB5 because PA7, where SPI1 could have it too, is RMII's.

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
use nat_core::Side;
use nat_router::mac_address;
use nat_w5500::{Pins, Runner};
use static_cell::ConstStaticCell;

use crate::phy::PacedPhy;

/// Below the 33.3 MHz that the W5500 is guaranteed to follow (datasheet 1.1.0, section 5.5.4).
/// PLL1's Q output is twice that.
const SPI: Hertz = Hertz(31_000_000);

/// How long the router may go without a sign of life, which it gives every half second, until it is
/// restarted.
const PATIENCE_MICROS: u32 = 3_000_000;

/// The address of the LAN8742 on this board.
const PHY_ADDRESS: u8 = 0;

/// Frames that can wait in the Ethernet MAC to be sent.
const SENDING: usize = 8;

/// Frames that can wait in the Ethernet MAC for the router: a burst of 100 at the full rate of the
/// wire, while the router is busy. One place more stays empty, where the MAC stops. Each takes 1.5
/// KiB of the AXI SRAM.
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

/// What the board is made of, ready to be used.
pub(crate) struct Board {
    pub(crate) inside: Pins<Bus, Output<'static>, Interrupt, Output<'static>>,
    pub(crate) outside: OutsideNic,
    /// Different at every start.
    pub(crate) entropy: [u8; 32],
    pub(crate) led: Led,
    pub(crate) heartbeat: Heartbeat,
}

impl Board {
    /// Sets the clocks up, starts the watchdog, and tells on the log why the board has started.
    pub(crate) fn start() -> Self {
        enable_instruction_cache();
        let p = embassy_stm32::init(config());
        tell_reset_reason();
        let heartbeat = Heartbeat::start(p.IWDG1);
        let phy = PacedPhy::new(GenericPhy::new(
            Sma::new(p.ETH_SMA, p.PA2, p.PC1),
            PHY_ADDRESS,
        ));
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
                mac_address(&unique_id(), Side::Outside),
                phy,
            ),
            entropy,
            led: Output::new(p.PB0, Level::Low, Speed::Low),
            heartbeat,
        }
    }
}

/// The 96 bits that are the same at every start, and different on every chip.
pub(crate) fn unique_id() -> [u8; 12] {
    embassy_stm32::uid::uid()
}

/// 400 MHz for the core and 200 MHz for the buses, from the internal oscillator, which needs no
/// jumper to be right. SPI1 gets 61.5 MHz, to be halved.
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

/// The watchdog, as that which must be told that the router lives.
pub(crate) struct Heartbeat(IndependentWatchdog<'static, IWDG1>);

impl Heartbeat {
    fn start(watchdog: Peri<'static, IWDG1>) -> Self {
        // While a debugger holds the core.
        pac::DBGMCU.apb4fzr1().modify(|w| w.set_iwdg1(true));
        let mut watchdog = IndependentWatchdog::new(watchdog, PATIENCE_MICROS);
        watchdog.unleash();
        Self(watchdog)
    }

    /// Puts the restart off once more.
    pub(crate) fn give(&mut self) {
        self.0.pet();
    }
}

fn tell_reset_reason() {
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
