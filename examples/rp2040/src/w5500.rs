//! How a W5500 is connected.

use embassy_rp::gpio::{Input, Output};
use embassy_rp::spi;
use nat_w5500::{Pins, Runner};

use crate::filled_spi::FilledSpi;

/// The highest frequency that divides 125 MHz and is below the 33.3 MHz that the W5500 is
/// guaranteed to work with (datasheet 1.1.0, section 5.5.4).
const SPI_HZ: u32 = 31_250_000;

/// The connections of a W5500 on an SPI of the RP2040.
pub type W5500Pins<Bus> = Pins<FilledSpi<Bus>, Output<'static>, Input<'static>, Output<'static>>;

/// The task that drives a W5500.
pub type W5500Runner<Bus> =
    Runner<'static, FilledSpi<Bus>, Output<'static>, Input<'static>, Output<'static>>;

/// SPI mode 3: this chip's SPI then sends bytes back to back. In mode 0 it pauses between them.
pub fn spi_config() -> spi::Config {
    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    config.phase = spi::Phase::CaptureOnSecondTransition;
    config.polarity = spi::Polarity::IdleHigh;
    config
}
