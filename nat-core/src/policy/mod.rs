//! What is allowed: addresses, ports, rates.

pub(crate) mod addresses;
pub(crate) mod forwards;
mod host_rate;
mod pool;
mod ports;
mod rate;
mod resets;

pub(crate) use forwards::Forwards;
pub(crate) use pool::Pool;
pub(crate) use ports::PortPicker;
pub(crate) use rate::{Allowance, ErrorLoad, Places, Urgency};
pub(crate) use resets::{Ends, ResetLimit};
