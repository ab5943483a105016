//! What router firmware needs on every NUCLEO-H743ZI2. The pins of the other side are the board
//! file's.
//!
//! Profiles and the choice of critical sections are those of the firmware that depends on it.
#![no_std]
#![deny(missing_docs)]

mod clocks;
mod entropy;
mod ethernet;
mod fault;
mod heartbeat;
mod phy;
mod usb;

pub use clocks::init;
pub use entropy::gather as gather_entropy;
pub use ethernet::{BusErrors, EthernetParts, Nic, RECEIVED, SENDING, ethernet};
pub use heartbeat::Heartbeat;
pub use phy::PacedPhy;
pub use usb::{Events, UsbBus, UsbControlPipe, UsbDriver, UsbOut};

/// The sessions that the memory has room for beside `mappings` mappings: two for each, since hosts
/// reach several servers from one port.
pub const fn sessions(mappings: usize) -> usize {
    2 * mappings
}
