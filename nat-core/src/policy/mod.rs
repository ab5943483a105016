//! What is allowed: addresses, ports, rates.

pub(crate) mod addresses;
mod ports;
mod rate;

pub(crate) use ports::PortPicker;
pub(crate) use rate::RateLimit;
