//! A NUCLEO-H743ZI2 with a W5500 on its Arduino header: all that is specific to this board.
//!
//! The Ethernet MAC with the board's LAN8742 is outside. The W5500 is inside, on SPI1:
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

use embassy_stm32::exti::{self, ExtiInput};
use embassy_stm32::gpio::{Level, Output, Pull, Speed};
use embassy_stm32::mode::Async;
use embassy_stm32::peripherals::{DMA1_CH0, DMA1_CH1, RNG};
use embassy_stm32::spi::{self, Spi, mode::Master};
use embassy_stm32::time::Hertz;
use embassy_stm32::{bind_interrupts, dma, eth, interrupt, rng};
use nat_router::mac_addresses;
use nat_stm32h7::{BusErrors, EthernetParts, Heartbeat, Nic};
use nat_w5500::{Pins, Runner};

/// Below the 33.3 MHz that the W5500 is guaranteed to work with (datasheet 1.1.0, section 5.5.4).
/// PLL1's Q output has twice this frequency.
const SPI: Hertz = Hertz(31_000_000);

bind_interrupts!(struct Interrupts {
    DMA1_STREAM0 => dma::InterruptHandler<DMA1_CH0>;
    DMA1_STREAM1 => dma::InterruptHandler<DMA1_CH1>;
    ETH => BusErrors, eth::InterruptHandler;
    EXTI15_10 => exti::InterruptHandler<interrupt::typelevel::EXTI15_10>;
    RNG => rng::InterruptHandler<RNG>;
});

/// The status LED, lit while high.
pub(crate) type Led = Output<'static>;

type Bus = Spi<'static, Async, Master>;
type Interrupt = ExtiInput<'static, Async>;
pub(crate) type InsideRunner = Runner<'static, Bus, Output<'static>, Interrupt, Output<'static>>;

/// The parts of the board, ready for use.
pub(crate) struct Board {
    pub(crate) inside: Pins<Bus, Output<'static>, Interrupt, Output<'static>>,
    pub(crate) outside: Nic,
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
        let p = nat_stm32h7::init();
        let heartbeat = Heartbeat::start(p.IWDG1);
        let macs = mac_addresses(&embassy_stm32::uid::uid());
        let [_, outside_mac] = macs;
        let entropy = nat_stm32h7::gather_entropy(p.RNG, Interrupts);
        let bus = Spi::new(
            p.SPI1,
            p.PA5,
            p.PB5,
            p.PA6,
            p.DMA1_CH0,
            p.DMA1_CH1,
            Interrupts,
            spi_config(),
        );
        let outside = EthernetParts {
            eth: p.ETH,
            sma: p.ETH_SMA,
            reference_clock: p.PA1,
            mdio: p.PA2,
            carrier: p.PA7,
            transmit_1: p.PB13,
            mdc: p.PC1,
            receive_0: p.PC4,
            receive_1: p.PC5,
            transmit_enable: p.PG11,
            transmit_0: p.PG13,
        };
        Self {
            inside: Pins {
                bus,
                cs: Output::new(p.PD14, Level::High, Speed::VeryHigh),
                int: ExtiInput::new(p.PD15, p.EXTI15, Pull::Up, Interrupts),
                reset: Output::new(p.PF3, Level::High, Speed::Low),
            },
            outside: nat_stm32h7::ethernet(outside, Interrupts, outside_mac),
            macs,
            entropy,
            led: Output::new(p.PB0, Level::Low, Speed::Low),
            heartbeat,
        }
    }
}

/// SPI mode 3, as on the RP2040.
fn spi_config() -> spi::Config {
    let mut config = spi::Config::default();
    config.frequency = SPI;
    config.mode = spi::MODE_3;
    config
}
