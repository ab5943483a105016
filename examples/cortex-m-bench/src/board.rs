//! The two boards: where lines are printed, the meaning of a SysTick tick, and how the image ends.

#[cfg(not(rp2040))]
mod mps2;
#[cfg(rp2040)]
mod rp2040;

#[cfg(not(rp2040))]
pub use mps2::{Console, UNIT, exit, units};
#[cfg(rp2040)]
pub use rp2040::{Console, UNIT, exit, units};
