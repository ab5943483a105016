//! What is allowed: addresses, ports, rates.

pub(crate) mod addresses;
mod ports;
mod rate;
mod resets;

pub(crate) use ports::PortPicker;
pub(crate) use rate::RateLimit;
pub(crate) use resets::{Ends, ResetLimit};
