//! What is allowed: addresses, ports, rates.

pub(crate) mod addresses;
mod host_rate;
mod ports;
mod rate;

pub(crate) use ports::PortPicker;
pub(crate) use rate::RateLimit;
