//! What router firmware needs on the boards with an RP2040. The pins are the board's.
//!
//! Profiles and the choice of critical sections are those of the firmware that depends on it.
#![no_std]
#![deny(missing_docs)]

mod chips;
mod copy;
mod entropy;
mod fault;
mod filled_spi;
mod heartbeat;
mod spi_dma;
mod unique_id;
mod usb;
mod w5500;

pub use chips::{Chip, watch};
pub use entropy::gather as gather_entropy;
pub use filled_spi::FilledSpi;
pub use heartbeat::Heartbeat;
pub use spi_dma::{Dma, Finished};
pub use unique_id::unique_id;
pub use usb::{SetupHandler, UsbBus, UsbControlPipe, UsbDriver};
pub use w5500::{W5500Pins, W5500Runner, spi_config};

/// The sessions that fit beside `mappings` mappings: two for each, since hosts reach several servers
/// from one port. That is up to 2,048. Beyond, there is RAM for one for each mapping.
pub const fn sessions(mappings: usize) -> usize {
    match 2 * mappings {
        0..2048 => 2 * mappings,
        2048..4096 => 2048,
        4096.. => mappings,
    }
}
